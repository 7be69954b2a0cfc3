use std::process::{Command, Stdio};

use super::*;

#[test]
fn schedstat_is_three_numbers() {
    for (text, expected) in [
        ("15 2 3\n", Some(15)),
        ("18446744073709551615 0 0\n", Some(u64::MAX)),
        ("15 2", None),
        ("", None),
        ("x 2 3", None),
        ("15 x 3", None),
    ] {
        assert_eq!(parse_schedstat(text), expected, "{text:?}");
    }
}

#[test]
fn stat_is_read_past_any_command_name() {
    let fields = "S 1 2 3 0 -1 4194560 5 6 7 8 250 13 0 0 20 0 1 0 99 1000 10";
    for name in ["cat", "a b", "a) (b", ") S 1 2 3", ""] {
        let text = format!("42 ({name}) {fields}\n");
        assert_eq!(parse_stat(&text), Some(263 * TICK_NS), "{text:?}");
    }
    for text in [
        "",
        "42 cat S 1 2",
        "42 (cat) S 1 2 3",
        "42 (cat) S 1 2 3 0 -1 0 5 6 7 8 x 13",
    ] {
        assert_eq!(parse_stat(text), None, "{text:?}");
    }
}

fn reading(threads: &[(u32, u64)], process_ns: u64) -> Reading {
    Reading {
        threads: threads.iter().copied().collect(),
        process_ns,
    }
}

#[test]
fn a_span_counts_every_thread_and_never_loses_an_ended_one() {
    let earlier = reading(&[(1, 100), (2, 1000)], 20_000_000);
    let check = |later: Reading, cpu_ns, source| {
        assert_eq!(later.since(&earlier), Span { cpu_ns, source });
    };
    check(
        reading(&[(1, 150), (2, 1007)], 30_000_000),
        57,
        Source::Schedstat,
    );
    check(
        reading(&[(1, 150), (2, 1007), (3, 9)], 30_000_000),
        66,
        Source::Schedstat,
    );
    check(
        reading(&[(1, 150), (3, 9)], 30_000_000),
        10_000_000,
        Source::Ticks,
    );
    check(reading(&[], 30_000_000), 10_000_000, Source::Ticks);
}

#[test]
fn a_real_process_is_read_and_a_dead_one_is_not() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let earlier = Reading::of(pid).unwrap();
    let span = Reading::of(pid).unwrap().since(&earlier);
    assert_eq!(span.source, Source::Schedstat);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(Reading::of(pid).is_err());
}

#[test]
fn work_shows_in_the_ticks_of_the_process() {
    let own = std::process::id();
    let earlier = Reading::of(own).unwrap();
    let mut sum = 0u64;
    // Bounded by CPU time, not by the wall: it ends once the kernel has counted two ticks of ours.
    while Reading::of(own).unwrap().process_ns < earlier.process_ns + 2 * TICK_NS {
        sum = (0..100_000u64).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
    }
}
