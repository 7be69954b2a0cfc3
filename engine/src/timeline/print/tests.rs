use super::*;
use crate::timeline::Timeline;

struct Blog;

impl Names for Blog {
    fn route(&self, route: u16) -> Option<&str> {
        (route == 3).then_some("/posts/{id}")
    }
    fn step(&self, route: u16, step: u8) -> Option<&str> {
        let steps = ["load", "show"];
        (route == 3).then(|| steps.get(usize::from(step)).copied())?
    }
    fn resource(&self, resource: u64) -> Option<&str> {
        (resource == 1).then_some("posts")
    }
}

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;

/// A record of `marks`, each with its time since the request's start.
fn record(path: &[u8], marks: &[(MarkKind, u64, u8, u64)]) -> KeptRecord {
    let mut timeline = Timeline::new();
    timeline.start(Nanos(77), true);
    for (kind, since_start_ns, which, argument) in marks {
        timeline.stamp(*kind, Nanos(77 + since_start_ns), *which, *argument);
    }
    let mut record = KeptRecord::empty();
    record.fill(&timeline, path);
    record.sums = *timeline.stage_sums();
    record.shard = 1;
    record.request_id = 42;
    record.method = "GET";
    record.route = Some(3);
    record.status = 200;
    record.slow_after = Nanos(50 * MILLI);
    record
}

/// A read by key whose statement waits 200 ms on a lock.
fn slow_read() -> KeptRecord {
    let mut record = record(
        b"/posts/7",
        &[
            (MarkKind::ReadLast, 0, 0, 60),
            (MarkKind::Parsed, 0, 0, 3),
            (MarkKind::Routed, 0, 0, 3),
            (MarkKind::Admitted, 350, 0, 0),
            (MarkKind::Enqueued, 350, 0, 0),
            (MarkKind::Dequeued, 4_600, 0, 0),
            (MarkKind::StepStart, 4_600, 0, 0),
            (MarkKind::StepEnd, 5_400, 0, 0),
            (MarkKind::Submitted, 5_400, 0, 1),
            (MarkKind::JobQueued, 5_400, 0, 0),
            (MarkKind::Parked, 5_400, 0, 0),
            (MarkKind::JobStarted, 7_000, 0, 0),
            (MarkKind::JobFinished, 203 * MILLI, 0, 0),
            (MarkKind::Resumed, 203 * MILLI + 4 * MICRO, 0, 0),
            (MarkKind::Dequeued, 203 * MILLI + 5 * MICRO, 0, 0),
            (MarkKind::StepStart, 203 * MILLI + 5 * MICRO, 1, 0),
            (MarkKind::StepEnd, 203 * MILLI + 7 * MICRO, 1, 0),
            (MarkKind::Answered, 203 * MILLI + 7 * MICRO, 0, 200),
            (MarkKind::Encoded, 203 * MILLI + 7_400, 0, 140),
            (MarkKind::Released, 203 * MILLI + 7_400, 0, 0),
            (MarkKind::WriteFirst, 203 * MILLI + 7_400, 0, 0),
            (MarkKind::WriteLast, 203 * MILLI + 90 * MICRO, 0, 0),
        ],
    );
    record.reasons.add(KeepReasons::ALL, true);
    record.reasons.add(KeepReasons::SLOW, true);
    assert_eq!(record.check(), Ok(()));
    record
}

fn check(record: &KeptRecord, expected: &str) {
    let mut text = String::new();
    render(record, &Blog, &mut text, false);
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn a_failure_says_why_and_an_id_is_told_where_it_is_known() {
    let mut record = record(
        b"/posts/7",
        &[
            (MarkKind::ReadLast, 0, 0, 60),
            (MarkKind::Parsed, 0, 0, 3),
            (MarkKind::Routed, 0, 0, 3),
            (MarkKind::Admitted, 0, 0, 0),
            (MarkKind::Enqueued, 0, 0, 0),
            (MarkKind::Dequeued, 0, 0, 0),
            (MarkKind::StepStart, 0, 0, 0),
            (MarkKind::StepEnd, 800, 0, 0),
            (MarkKind::Panicked, 900, 0, 500),
            (MarkKind::Encoded, 900, 0, 140),
            (MarkKind::ClientGone, 900, 0, 0),
        ],
    );
    // A key may hold what a client has sent; a terminal must not obey it.
    let key = "from \x1b[2J\u{202e} a \"client\", ä";
    let what = "blog::show";
    record.name(Some("7f3a-9"), Some(Why { what, key }));
    record.status = 500;
    check(
        &record,
        r#"GET /posts/7  #1-42  id 7f3a-9  500  900 ns
      0 ns  step load                  800 ns
    900 ns  panicked: blog::show "from \u{1b}[2J\u{202e} a \"client\", ä"
    900 ns  client gone
"#,
    );
}

#[test]
fn several_effects_each_have_a_line() {
    let record = record(
        b"/posts/7",
        &[
            (MarkKind::ReadLast, 0, 0, 60),
            (MarkKind::Parsed, 0, 0, 3),
            (MarkKind::Routed, 0, 0, 3),
            (MarkKind::Admitted, 0, 0, 0),
            (MarkKind::Enqueued, 0, 0, 0),
            (MarkKind::Dequeued, 0, 0, 0),
            (MarkKind::StepStart, 0, 0, 0),
            (MarkKind::StepEnd, 800, 0, 0),
            (MarkKind::Submitted, 800, 0, 1),
            (MarkKind::JobQueued, 800, 0, 0),
            (MarkKind::Submitted, 800, 1, 1),
            (MarkKind::JobQueued, 800, 1, 0),
            (MarkKind::Submitted, 800, 2, MarkKind::NO_RESOURCE),
            (MarkKind::Parked, 800, 0, 0),
            (MarkKind::JobStarted, 7_000, 0, 0),
            (MarkKind::JobFinished, 9_000, 0, 0),
            (MarkKind::Completed, 2 * MILLI, 2, 0),
            (MarkKind::LetGo, 2 * MILLI, 1, 0),
            (MarkKind::Resumed, 2 * MILLI, 0, 0),
            (MarkKind::Dequeued, 2 * MILLI, 0, 0),
            (MarkKind::StepStart, 2 * MILLI, 1, 0),
            (MarkKind::StepEnd, 2 * MILLI + 500, 1, 0),
            (MarkKind::ClientGone, 2 * MILLI + 500, 0, 0),
        ],
    );
    assert_eq!(record.check(), Ok(()));
    check(
        &record,
        "\
GET /posts/7  #1-42  200  2.00 ms
      0 ns  step load                  800 ns
    800 ns  effect posts              8.20 µs  (worker queue 6.20 µs, worker run 2.00 µs)
    800 ns  effect posts              1.99 ms  (worker queue 1.99 ms, let go)
    800 ns  effect timer              1.99 ms
    800 ns  park                      1.99 ms
   2.00 ms  step show                  500 ns
   2.00 ms  client gone
",
    );
}

#[test]
fn a_slow_read_names_its_culprit() {
    check(
        &slow_read(),
        "\
GET /posts/7  #1-42  200  203 ms  [slow]
      0 ns  admit                      350 ns
    350 ns  queue wait                4.25 µs
   4.60 µs  step load                  800 ns
   5.40 µs  effect posts               202 ms  (worker queue 1.60 µs, worker run 202 ms)
   5.40 µs  park                       202 ms
    203 ms  queue wait                1.00 µs
    203 ms  step show                 2.00 µs
    203 ms  encode                     400 ns
    203 ms  write                     82.6 µs
  SLOW: 203 ms where 50.0 ms are allowed; 99.9 % in effect posts, worker run
",
    );
}

#[test]
fn a_queue_behind_a_busy_worker_is_told_from_a_slow_statement() {
    let mut record = slow_read();
    let marks: Vec<_> = record
        .marks()
        .iter()
        .skip(1)
        .map(|mark| {
            let since_start_ns = match mark.kind() {
                MarkKind::JobStarted => 202 * MILLI,
                _ => mark.since_start().as_u64(),
            };
            (mark.kind(), since_start_ns, mark.which(), mark.argument())
        })
        .collect();
    let reasons = record.reasons;
    record = self::record(b"/posts/7", &marks);
    record.reasons = reasons;
    let mut text = String::new();
    render(&record, &Blog, &mut text, false);
    assert!(
        text.contains("(worker queue 201 ms, worker run 1.00 ms)"),
        "{text}"
    );
    assert!(
        text.ends_with("99.4 % in effect posts, worker queue\n"),
        "{text}"
    );
}

#[test]
fn a_slow_step_is_named() {
    let mut record = record(
        b"/posts/7",
        &[
            (MarkKind::ReadLast, 0, 0, 0),
            (MarkKind::Parsed, 0, 0, 0),
            (MarkKind::Routed, 0, 0, 0),
            (MarkKind::Admitted, 0, 0, 0),
            (MarkKind::Enqueued, 0, 0, 0),
            (MarkKind::Dequeued, 0, 0, 0),
            (MarkKind::StepStart, 0, 0, 0),
            (MarkKind::StepEnd, MILLI, 0, 0),
            (MarkKind::StepStart, MILLI, 5, 0),
            (MarkKind::StepEnd, 80 * MILLI, 5, 0),
            (MarkKind::Answered, 80 * MILLI, 0, 200),
            (MarkKind::Encoded, 80 * MILLI, 0, 0),
            (MarkKind::Released, 80 * MILLI, 0, 0),
            (MarkKind::WriteFirst, 80 * MILLI, 0, 0),
            (MarkKind::WriteLast, 80 * MILLI, 0, 0),
        ],
    );
    record.reasons.add(KeepReasons::SLOW, true);
    check(
        &record,
        "\
GET /posts/7  #1-42  200  80.0 ms  [slow]
      0 ns  step load                 1.00 ms
   1.00 ms  step 5                    79.0 ms
  SLOW: 80.0 ms where 50.0 ms are allowed; 98.7 % in step 5
",
    );
}

#[test]
fn a_bad_end_says_where() {
    let mut record = record(
        b"/nowhere",
        &[
            (MarkKind::ReadLast, 0, 0, 0),
            (MarkKind::Parsed, 900, 0, 0),
            (MarkKind::Refused, 950, 0, 404),
            (MarkKind::Encoded, 1_200, 0, 0),
            (MarkKind::ClientGone, 2_200, 0, 0),
        ],
    );
    record.route = None;
    record.status = 404;
    record.dropped_before_count = 2;
    record.reasons.add(KeepReasons::CLIENT_GONE, true);
    check(
        &record,
        "\
(2 requests before this one were lost: the printer was behind)
GET /nowhere  #1-42  404  2.20 µs  [client gone]
      0 ns  parse                      900 ns
    900 ns  route                       50 ns
    950 ns  encode                     250 ns
   1.20 µs  hold                      1.00 µs
    950 ns  refused
   2.20 µs  client gone
",
    );
}

#[test]
fn without_marks_the_sums_are_told() {
    let mut record = KeptRecord::empty();
    record.method = "POST";
    record.route = Some(3);
    record.status = 200;
    record.sums[Stage::QueueWait as usize] = 3 * MICRO;
    record.sums[Stage::Write as usize] = 2_500 * MILLI;
    record.slow_after = Nanos::from_secs(1);
    record.overflow_count = 4;
    record.reasons.add(KeepReasons::SLOW, true);
    check(
        &record,
        "\
POST /posts/{id}  #0-0  200  2.50 s  [slow]
            queue wait                3.00 µs
            write                      2.50 s
  (its marks were not kept, only the sum of each stage)
  (4 more marks found no room; the sums of the stages are whole)
  SLOW: 2.50 s where 1.00 s are allowed; 99.9 % in write
",
    );
}

#[test]
fn what_a_client_sent_cannot_move_the_cursor() {
    let mut text = String::new();
    render(
        &record("/a\x1b[2J b\r\nGET é".as_bytes(), &[]),
        &Blog,
        &mut text,
        false,
    );
    assert_eq!(
        text.lines().next(),
        Some("GET /a%1B[2J%20b%0D%0AGET%20%C3%A9  #1-42  200  0 ns")
    );
}

#[test]
fn a_long_path_is_cut() {
    let long = [b'x'; KeptRecord::PATH_BYTES_MAX + 1];
    let mut text = String::new();
    render(&record(&long, &[]), &Blog, &mut text, false);
    assert!(text.contains("x…  #1-42"), "{text}");
    text.clear();
    render(&record(&long[1..], &[]), &Blog, &mut text, false);
    assert!(text.contains("x  #1-42"), "{text}");
}

#[test]
fn colour_adds_sequences_and_changes_no_word() {
    let record = slow_read();
    let (mut plain, mut coloured) = (String::new(), String::new());
    render(&record, &Blog, &mut plain, false);
    render(&record, &Blog, &mut coloured, true);
    assert!(!plain.contains('\x1b'));
    assert!(coloured.contains("\x1b[1;31mSLOW\x1b[0m"));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain);
}

#[test]
fn lengths_have_three_digits_that_count() {
    let cases = [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (12_345, "12.3 µs"),
        (999_999, "999 µs"),
        (1_000_000, "1.00 ms"),
        (59_999_999_999, "59.9 s"),
        (3_600_000_000_000, "3600 s"),
    ];
    for (length, text) in cases {
        assert_eq!(Length(length).to_string(), text);
    }
}
