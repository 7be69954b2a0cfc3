use std::sync::{Arc, Mutex};

use super::*;
use crate::timeline::{Exporter, MarkKind, Names, Stage, half_of};

struct NoNames;

impl Names for NoNames {
    fn route(&self, _: u16) -> Option<&str> {
        None
    }
    fn step(&self, _: u16, _: u8) -> Option<&str> {
        None
    }
    fn resource(&self, _: u64) -> Option<&str> {
        None
    }
}

/// What the exporter wrote.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One shard's recorder and, after its end, what was printed.
struct Desk {
    recorder: Recorder,
    exporter: Exporter,
    page: Page,
}

impl Desk {
    fn new(config: RecorderConfig) -> Desk {
        let page = Page::default();
        let mut exporter = Exporter::new(Box::new(NoNames), Box::new(page.clone()), false);
        let recorder = exporter.recorder(0, &config);
        Desk {
            recorder,
            exporter,
            page,
        }
    }

    fn close(self) -> (RecorderStats, String) {
        let stats = self.recorder.stats();
        drop(self.recorder);
        // The recorder is gone: this drains what it sent and returns.
        let printed = self.exporter.run();
        assert_eq!(
            printed.printed_count,
            stats.kept_count - stats.dropped_count
        );
        let text = self.page.0.lock().unwrap().clone();
        (stats, String::from_utf8(text).unwrap())
    }
}

fn desk(mode: TraceMode) -> Desk {
    Desk::new(RecorderConfig {
        mode,
        ..RecorderConfig::default()
    })
}

const MILLI: u64 = 1_000_000;

fn exchange(status: u16) -> Exchange<'static> {
    Exchange {
        request_id: 9,
        method: "GET",
        path: b"/a",
        route: Some(0),
        status,
        deadline: Nanos(100 * MILLI),
        slow_after: half_of(Nanos(100 * MILLI)),
        has_panicked: false,
        story: &(),
    }
}

/// A request that begins at zero, is answered by `last` after `run_ms`, and is encoded.
fn timeline(last: MarkKind, run_ms: u64) -> Timeline {
    let mut timeline = Timeline::new();
    timeline.start(Nanos::ZERO, true);
    let line = [
        MarkKind::ReadLast,
        MarkKind::Parsed,
        MarkKind::Routed,
        MarkKind::Admitted,
        MarkKind::Enqueued,
        MarkKind::Dequeued,
        MarkKind::StepStart,
    ];
    for kind in line {
        timeline.stamp(kind, Nanos::ZERO, 0, 0);
    }
    let at = Nanos(run_ms * MILLI);
    if matches!(last, MarkKind::Answered | MarkKind::Panicked) {
        timeline.stamp(MarkKind::StepEnd, at, 0, 0);
    }
    timeline.stamp(last, at, 0, 0);
    timeline.stamp(MarkKind::Encoded, at, 0, 0);
    timeline
}

/// Sends a request off: released at once, written after `write_ms`.
fn finish(recorder: &mut Recorder, timeline: &Timeline, exchange: &Exchange<'_>, write_ms: u64) {
    let mut departure = recorder.fold(timeline, exchange);
    let encoded_at = timeline.summed_until();
    departure.release(encoded_at, 1);
    departure.write_first(encoded_at);
    let end = encoded_at + Nanos(write_ms * MILLI);
    recorder.finish(departure, Ending::Written, end);
}

#[test]
fn slow_is_past_the_threshold_and_a_bad_end_is_kept_anyway() {
    let cases = [
        (MarkKind::Answered, 200, 1, 1, None),
        (MarkKind::Answered, 501, 1, 1, Some("[server error]")),
        (MarkKind::Answered, 200, 49, 1, None),
        (MarkKind::Answered, 200, 51, 1, Some("[slow]")),
        // Only the write makes it slow: promoted without its marks.
        (MarkKind::Answered, 200, 49, 2, Some("[slow]")),
        (
            MarkKind::Answered,
            200,
            101,
            0,
            Some("[slow, deadline missed]"),
        ),
        (MarkKind::Refused, 404, 1, 1, None),
        (MarkKind::Refused, 503, 1, 1, Some("[server error]")),
        (MarkKind::Panicked, 500, 1, 1, Some("[server error, panic]")),
    ];
    for (last, status, run_ms, write_ms, reasons) in cases {
        let mut desk = desk(TraceMode::Slow);
        let request = timeline(last, run_ms);
        let exchange = Exchange {
            has_panicked: last == MarkKind::Panicked,
            ..exchange(status)
        };
        finish(&mut desk.recorder, &request, &exchange, write_ms);
        let (stats, text) = desk.close();
        assert_eq!(stats.finished_count, 1);
        match reasons {
            Some(reasons) => assert!(text.contains(reasons), "{reasons} in {text}"),
            None => assert_eq!(text, ""),
        }
    }
}

/// A client that speaks another dialect must not fill the trace.
#[test]
fn what_could_not_be_read_is_no_error_of_the_server() {
    for (status, has_panicked, reasons) in [
        (400, false, None),
        (501, false, None),
        (505, false, None),
        (500, true, Some("[server error, panic]")),
    ] {
        let mut desk = desk(TraceMode::Slow);
        let mut request = Timeline::new();
        request.start(Nanos::ZERO, true);
        request.stamp(MarkKind::Refused, Nanos(MILLI), 0, status);
        request.stamp(MarkKind::Encoded, Nanos(MILLI), 0, 0);
        let unread = Exchange {
            route: None,
            has_panicked,
            ..exchange(status as u16)
        };
        finish(&mut desk.recorder, &request, &unread, 1);
        let (stats, text) = desk.close();
        assert_eq!(stats.kept_count, u64::from(reasons.is_some()), "{status}");
        assert!(text.contains(reasons.unwrap_or_default()), "{text}");
    }
}

#[test]
fn slow_by_its_write_alone_is_kept_with_its_sums() {
    let mut desk = desk(TraceMode::Slow);
    let request = timeline(MarkKind::Answered, 1);
    finish(&mut desk.recorder, &request, &exchange(200), 60);
    let (stats, text) = desk.close();
    assert_eq!(stats.without_marks_count, 1);
    assert!(text.contains("only the sum of each stage"), "{text}");
    assert!(text.contains("98.3 % in write"), "{text}");
}

#[test]
fn all_keeps_every_request_and_off_none() {
    for (mode, kept_count) in [
        (TraceMode::All, 3),
        (TraceMode::Slow, 0),
        (TraceMode::Off, 0),
    ] {
        let mut desk = desk(mode);
        for _ in 0..3 {
            let mut request = timeline(MarkKind::Answered, 1);
            if !desk.recorder.is_on() {
                request.start(Nanos::ZERO, false);
            }
            finish(&mut desk.recorder, &request, &exchange(200), 1);
        }
        assert_eq!(desk.close().0.kept_count, kept_count, "{mode}");
    }
}

#[test]
fn hold_and_write_are_stages_of_their_own() {
    let mut desk = desk(TraceMode::All);
    let request = timeline(MarkKind::Answered, 1);
    let mut departure = desk.recorder.fold(&request, &exchange(200));
    departure.release(Nanos(5 * MILLI), 77);
    assert_eq!(departure.end_offset(), 77);
    departure.write_first(Nanos(6 * MILLI));
    assert_eq!(departure.total(), Nanos(6 * MILLI));
    assert_eq!(departure.stage_sums()[Stage::Hold as usize], 4 * MILLI);
    assert_eq!(departure.stage_sums()[Stage::Write as usize], MILLI);
    desk.recorder
        .finish(departure, Ending::Written, Nanos(9 * MILLI));
    let (_, text) = desk.close();
    assert!(
        text.contains("hold                      4.00 ms\n"),
        "{text}"
    );
    assert!(
        text.contains("write                     4.00 ms\n"),
        "{text}"
    );
}

#[test]
fn a_client_that_went_is_kept_wherever_it_went() {
    // While its reply waits behind another.
    let mut desk = desk(TraceMode::Slow);
    let request = timeline(MarkKind::Answered, 1);
    let departure = desk.recorder.fold(&request, &exchange(200));
    desk.recorder
        .finish(departure, Ending::ClientGone, Nanos(2 * MILLI));
    // While it is still read.
    let mut request = Timeline::new();
    request.start(Nanos::ZERO, true);
    let nothing = Exchange {
        status: 0,
        route: None,
        ..exchange(0)
    };
    desk.recorder
        .abandon(&request, &nothing, Ending::ClientGone, Nanos(3 * MILLI));
    request.start(Nanos::ZERO, true);
    desk.recorder
        .abandon(&request, &nothing, Ending::Cancelled, Nanos(4 * MILLI));
    let (stats, text) = desk.close();
    assert_eq!((stats.finished_count, stats.kept_count), (3, 3));
    assert_eq!(text.matches("[client gone]").count(), 2, "{text}");
    assert_eq!(text.matches("no reply").count(), 2, "{text}");
    assert_eq!(text.matches("[cancelled]").count(), 1, "{text}");
}

#[test]
fn a_full_ring_drops_and_says_so() {
    let mut desk = Desk::new(RecorderConfig {
        mode: TraceMode::All,
        export_queue_len: 2,
        kept_in_flight_max: 1,
    });
    for _ in 0..5 {
        finish(
            &mut desk.recorder,
            &timeline(MarkKind::Answered, 1),
            &exchange(200),
            1,
        );
    }
    let (stats, text) = desk.close();
    assert_eq!((stats.kept_count, stats.dropped_count), (5, 3));
    assert_eq!(text.matches("GET /a").count(), 2);
}

#[test]
fn an_empty_pool_costs_the_marks_and_not_the_record() {
    let mut desk = Desk::new(RecorderConfig {
        mode: TraceMode::All,
        export_queue_len: 8,
        kept_in_flight_max: 1,
    });
    let request = timeline(MarkKind::Answered, 1);
    let first = desk.recorder.fold(&request, &exchange(200));
    let second = desk.recorder.fold(&request, &exchange(200));
    for departure in [first, second] {
        desk.recorder
            .finish(departure, Ending::Cancelled, Nanos(2 * MILLI));
    }
    // The first one's record is back.
    let third = desk.recorder.fold(&request, &exchange(200));
    desk.recorder
        .finish(third, Ending::Cancelled, Nanos(2 * MILLI));
    let (stats, text) = desk.close();
    assert_eq!((stats.kept_count, stats.without_marks_count), (3, 1));
    assert_eq!(text.matches("only the sum").count(), 1);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(
    expected = "the law of the timeline is broken: mark 2, `admitted`, after `read last`"
)]
fn a_shard_that_breaks_the_law_is_told_in_a_debug_build() {
    let mut desk = desk(TraceMode::Slow);
    let mut request = Timeline::new();
    request.start(Nanos::ZERO, true);
    request.stamp(MarkKind::ReadLast, Nanos::ZERO, 0, 0);
    request.stamp(MarkKind::Admitted, Nanos::ZERO, 0, 0);
    desk.recorder.fold(&request, &exchange(200));
}

#[test]
fn trace_modes_have_names() {
    for mode in [TraceMode::All, TraceMode::Slow, TraceMode::Off] {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    assert_eq!("some".parse::<TraceMode>(), Err(UnknownTraceMode));
    assert_eq!(half_of(Nanos::NEVER), Nanos::NEVER);
}
