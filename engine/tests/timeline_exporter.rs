//! The exporter on a thread of its own, with recorders on others, as the server runs them.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cutaway::timeline::{
    Ending, Exchange, Exporter, MarkKind, Names, Recorder, RecorderConfig, RecorderStats, Timeline,
    TraceMode,
};
use cutaway_scheduler::Nanos;

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

/// Hands each written piece to the test.
struct Wire(mpsc::Sender<String>);

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.0
            .send(text)
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn config() -> RecorderConfig {
    RecorderConfig {
        mode: TraceMode::All,
        export_queue_len: 64,
        kept_in_flight_max: 4,
    }
}

/// One request, refused at once and sent.
fn request(recorder: &mut Recorder, timeline: &mut Timeline, request_id: u64) {
    timeline.start(Nanos(5), recorder.is_on());
    timeline.stamp(MarkKind::Refused, Nanos(6), 0, 404);
    timeline.stamp(MarkKind::Encoded, Nanos(7), 0, 0);
    let exchange = Exchange {
        request_id,
        method: "GET",
        path: b"/",
        route: None,
        status: 404,
        deadline: Nanos::NEVER,
        slow_after: Nanos::NEVER,
        has_panicked: false,
        story: &(),
    };
    let mut departure = recorder.fold(timeline, &exchange);
    departure.release(Nanos(8), 1);
    departure.write_first(Nanos(9));
    recorder.finish(departure, Ending::Written, Nanos(10));
}

#[test]
fn every_record_of_every_shard_is_printed_or_counted_as_dropped() {
    const REQUESTS: u64 = 20_000;

    let (sender, written) = mpsc::channel();
    let mut exporter = Exporter::new(Box::new(NoNames), Box::new(Wire(sender)), false);
    let recorders: Vec<Recorder> = (0..2)
        .map(|shard| exporter.recorder(shard, &config()))
        .collect();
    let printer = thread::spawn(move || exporter.run());
    let shards: Vec<_> = recorders
        .into_iter()
        .map(|mut recorder| {
            thread::spawn(move || {
                let mut timeline = Timeline::new();
                for request_id in 0..REQUESTS {
                    request(&mut recorder, &mut timeline, request_id);
                }
                recorder.stats()
            })
        })
        .collect();
    let stats: Vec<RecorderStats> = shards
        .into_iter()
        .map(|shard| shard.join().unwrap())
        .collect();
    // The recorders are gone, so the exporter comes to its end.
    let printed = printer.join().unwrap();

    let kept: u64 = stats.iter().map(|stats| stats.kept_count).sum();
    let dropped: u64 = stats.iter().map(|stats| stats.dropped_count).sum();
    assert_eq!(kept, 2 * REQUESTS);
    assert_eq!(printed.printed_count, kept - dropped);
    assert_eq!(printed.failed_count, 0);
    // Each shard's records come in their order, and what it lost is told with the next that came.
    let mut next = [0; 2];
    let mut printed_count = 0;
    for text in written.iter() {
        let (note, title) = match text.split_once(")\n") {
            Some((note, rest)) if note.starts_with('(') => (Some(note), rest),
            _ => (None, text.as_str()),
        };
        let id = title.split_once('#').unwrap().1.split_once(' ').unwrap().0;
        let (shard, request_id) = id.split_once('-').unwrap();
        let shard: usize = shard.parse().unwrap();
        let request_id: u64 = request_id.parse().unwrap();
        let lost: u64 = note.map_or(0, |note| {
            note[1..].split(' ').next().unwrap().parse().unwrap()
        });
        assert_eq!(request_id, next[shard] + lost, "{text}");
        next[shard] = request_id + 1;
        printed_count += 1;
    }
    assert_eq!(printed_count, printed.printed_count);
}

#[test]
fn a_record_wakes_an_exporter_that_has_gone_to_sleep() {
    let (sender, written) = mpsc::channel();
    let mut exporter =
        Exporter::new(Box::new(NoNames), Box::new(Wire(sender)), false).asleep_after_looks(0);
    let mut recorder = exporter.recorder(0, &config());
    let printer = thread::spawn(move || exporter.run());
    let mut timeline = Timeline::new();
    // Each round the exporter prints, finds nothing more, and sleeps without end: if a wake were
    // lost, no second record would come to help. Rounds begin at all points of its way to sleep.
    for round in 0..2_000 {
        request(&mut recorder, &mut timeline, round);
        written
            .recv_timeout(Duration::from_secs(10))
            .expect("the wake was lost");
        for _ in 0..round % 97 {
            std::hint::spin_loop();
        }
    }
    drop(recorder);
    assert_eq!(printer.join().unwrap().printed_count, 2_000);
}

#[test]
fn an_exporter_whose_reader_is_gone_goes_on_draining() {
    let (sender, written) = mpsc::channel();
    drop(written);
    let mut exporter = Exporter::new(Box::new(NoNames), Box::new(Wire(sender)), false);
    let mut recorder = exporter.recorder(0, &config());
    let mut timeline = Timeline::new();
    for request_id in 0..10 {
        request(&mut recorder, &mut timeline, request_id);
    }
    drop(recorder);
    let stats = exporter.run();
    assert_eq!((stats.printed_count, stats.failed_count), (10, 10));
}
