//! What a timeline costs: a mark that shares the turn's reading, a mark that reads the clock, and
//! the fold at encode.
//!
//! The peer keeps `(time, kind)` pairs in a `Vec` and sums the stages at the end: what one would
//! write first.

use std::hint::black_box;
use std::time::Instant;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use cutaway::timeline::{
    Change, Ending, Exchange, Exporter, MarkKind, Names, RecorderConfig, Stage, Timeline, TraceMode,
};
use cutaway_scheduler::Nanos;

/// The marks of a plaintext request up to its encoding, after the first.
const PLAINTEXT: [MarkKind; 10] = [
    MarkKind::ReadLast,
    MarkKind::Parsed,
    MarkKind::Routed,
    MarkKind::Admitted,
    MarkKind::Enqueued,
    MarkKind::Dequeued,
    MarkKind::StepStart,
    MarkKind::StepEnd,
    MarkKind::Answered,
    MarkKind::Encoded,
];

/// One mark, kept apart from its neighbours: in the shard they stand in different functions, so the
/// compiler must not merge them here either.
#[inline(always)]
fn stamp(timeline: &mut Timeline, kind: MarkKind, at: Nanos, argument: u64) {
    timeline.stamp(kind, at, 0, argument);
    black_box(timeline);
}

#[inline(always)]
fn stamp_all(timeline: &mut Timeline, mut now: impl FnMut() -> Nanos) {
    // Written out, as the shard does: each kind is a constant where it is stamped.
    stamp(timeline, MarkKind::ReadLast, now(), 60);
    stamp(timeline, MarkKind::Parsed, now(), 3);
    stamp(timeline, MarkKind::Routed, now(), 1);
    stamp(timeline, MarkKind::Admitted, now(), 1);
    stamp(timeline, MarkKind::Enqueued, now(), 5);
    stamp(timeline, MarkKind::Dequeued, now(), 0);
    stamp(timeline, MarkKind::StepStart, now(), 0);
    stamp(timeline, MarkKind::StepEnd, now(), 0);
    stamp(timeline, MarkKind::Answered, now(), 200);
    stamp(timeline, MarkKind::Encoded, now(), 140);
}

/// The first implementation: pairs, summed at the end.
#[derive(Default)]
struct Pairs(Vec<(u64, MarkKind)>);

impl Pairs {
    fn sums(&self) -> [u64; Stage::COUNT] {
        let mut sums = [0; Stage::COUNT];
        let mut stage = Stage::Read;
        let mut last_ns = 0;
        for (at_ns, kind) in &self.0 {
            sums[stage as usize] += at_ns - last_ns;
            last_ns = *at_ns;
            if let Change::Opens(next) | Change::Enters(next) = kind.change() {
                stage = next;
            }
        }
        sums
    }
}

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

fn exchange() -> Exchange<'static> {
    Exchange {
        request_id: 1,
        method: "GET",
        path: b"/plaintext",
        route: Some(1),
        status: 200,
        deadline: Nanos::NEVER,
        slow_after: Nanos::NEVER,
        has_panicked: false,
        story: &(),
    }
}

fn stamps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timeline/request_of_11_marks");
    let mut timeline = Timeline::new();
    for (name, is_on) in [("shared_time", true), ("switched_off", false)] {
        group.bench_function(name, |bench| {
            let mut at = 0_u64;
            bench.iter(|| {
                at += 100;
                let shared = Nanos(black_box(at));
                timeline.start(shared, black_box(is_on));
                stamp_all(&mut timeline, || shared);
                black_box(&mut timeline);
            });
        });
    }
    group.bench_function("clock_read_each", |bench| {
        let origin = Instant::now();
        bench.iter(|| {
            let mut now = || Nanos::from(origin.elapsed());
            timeline.start(now(), black_box(true));
            stamp_all(&mut timeline, &mut now);
            black_box(&mut timeline);
        });
    });
    group.bench_function("clock_read_where_the_table_says", |bench| {
        let origin = Instant::now();
        bench.iter(|| {
            let shared = Nanos::from(origin.elapsed());
            timeline.start(shared, black_box(true));
            let mut index = 0;
            let mut latest = shared;
            stamp_all(&mut timeline, || {
                if PLAINTEXT[index].reads_clock() {
                    latest = Nanos::from(origin.elapsed());
                }
                index += 1;
                latest
            });
            black_box(&mut timeline);
        });
    });
    group.bench_function("clock_alone_4_readings", |bench| {
        let origin = Instant::now();
        bench.iter(|| {
            for _ in 0..4 {
                black_box(Nanos::from(origin.elapsed()));
            }
        });
    });
    group.bench_function("peer_pairs_shared_time", |bench| {
        let mut pairs = Pairs::default();
        let mut at = 0_u64;
        bench.iter(|| {
            at += 100;
            let shared = black_box(at);
            pairs.0.clear();
            pairs.0.push((shared, MarkKind::ReadFirst));
            for kind in black_box(PLAINTEXT) {
                pairs.0.push((shared, kind));
            }
            black_box(pairs.sums())
        });
    });
    group.finish();
}

fn departures(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timeline/departure");
    for mode in [TraceMode::Off, TraceMode::Slow, TraceMode::All] {
        let config = RecorderConfig {
            mode,
            ..RecorderConfig::default()
        };
        let mut exporter = Exporter::new(Box::new(NoNames), Box::new(std::io::sink()), false);
        let mut recorder = exporter.recorder(0, &config);
        // As in the engine, somebody drains the ring. Not as fast as this bench fills it: the share of
        // records that found it full is printed.
        let printer = std::thread::spawn(move || exporter.run());
        let mut timeline = Timeline::new();
        timeline.start(Nanos(1), recorder.is_on());
        stamp_all(&mut timeline, || Nanos(1_000));
        group.bench_function(format!("fold/{mode}"), |bench| {
            bench.iter_batched_ref(
                || None,
                |slot| *slot = Some(recorder.fold(black_box(&timeline), black_box(&exchange()))),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("fold_and_finish/{mode}"), |bench| {
            bench.iter(|| {
                let mut departure = recorder.fold(black_box(&timeline), black_box(&exchange()));
                departure.release(Nanos(1_000), 140);
                departure.write_first(Nanos(1_000));
                recorder.finish(departure, Ending::Written, Nanos(1_100));
            });
        });
        let stats = recorder.stats();
        eprintln!(
            "{mode}: {} kept, {} of them dropped",
            stats.kept_count, stats.dropped_count
        );
        drop(recorder);
        drop(printer.join());
    }
    group.finish();
}

criterion_group!(benches, stamps, departures);
criterion_main!(benches);
