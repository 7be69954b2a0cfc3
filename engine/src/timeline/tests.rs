use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use MarkKind::*;

/// One mark of a path: what, which, how long after the mark before (details: after the request's
/// latest line mark).
type Stamp = (MarkKind, u8, u64);

/// A request without effects, 10 ns from mark to mark.
const PLAIN: &[Stamp] = &[
    (ReadLast, 0, 10),
    (Parsed, 0, 10),
    (Routed, 0, 10),
    (Admitted, 0, 10),
    (Enqueued, 0, 10),
    (Dequeued, 0, 10),
    (StepStart, 0, 10),
    (StepEnd, 0, 10),
    (Answered, 0, 10),
    (Encoded, 0, 10),
    (Released, 0, 10),
    (WriteFirst, 0, 10),
    (WriteLast, 0, 10),
];

/// A request with content, held behind its pipeline, two effects in one need and one in the next, then
/// two in order of which the second is a timer that nobody waits for, and one that never began.
const RICH: &[Stamp] = &[
    (Accepted, 0, 0),
    (PipelineHeld, 0, 5),
    (PipelineFreed, 0, 7),
    (ReadLast, 0, 1),
    (Parsed, 0, 2),
    (Routed, 0, 3),
    (BodyAwaited, 0, 1),
    (BodyLast, 0, 900),
    (Admitted, 0, 4),
    (Enqueued, 0, 1),
    (Dequeued, 0, 50),
    (StepStart, 0, 1),
    (StepEnd, 0, 20),
    (StepStart, 1, 1),
    (StepEnd, 1, 20),
    (Submitted, 0, 1),
    (JobQueued, 0, 0),
    (Submitted, 1, 2),
    (JobQueued, 1, 0),
    (Parked, 0, 3),
    (JobStarted, 0, 10),
    (JobFinished, 0, 60),
    (JobStarted, 1, 60),
    (JobFinished, 1, 90),
    (Resumed, 0, 100),
    (Dequeued, 0, 8),
    (StepStart, 2, 1),
    (StepEnd, 2, 9),
    (Submitted, 0, 1),
    (JobQueued, 0, 0),
    (Parked, 0, 1),
    (JobStarted, 0, 5),
    (JobFinished, 0, 6),
    (Resumed, 0, 300),
    (Dequeued, 0, 2),
    (StepStart, 3, 1),
    (StepEnd, 3, 30),
    (Submitted, 0, 0),
    (JobQueued, 0, 0),
    (Parked, 0, 1),
    (JobStarted, 0, 5),
    (JobFinished, 0, 6),
    (Submitted, 1, 7),
    (Completed, 1, 8),
    (Submitted, 2, 8),
    (LetGo, 2, 9),
    (Resumed, 0, 30),
    (Dequeued, 0, 2),
    (StepStart, 3, 1),
    (StepEnd, 3, 5),
    (Submitted, 0, 0),
    (LetGo, 0, 0),
    (Enqueued, 0, 1),
    (Dequeued, 0, 2),
    (StepStart, 4, 1),
    (StepEnd, 4, 30),
    (Answered, 0, 1),
    (Encoded, 0, 11),
    (Released, 0, 70),
    (WriteFirst, 0, 1),
    (WriteLast, 0, 40),
];

const START: Nanos = Nanos(1_000_000);

/// Stamps a path, and gives the marks with the totals that were kept meanwhile.
fn run(path: &[Stamp]) -> Timeline {
    let mut timeline = Timeline::new();
    timeline.start(START, true);
    let mut at = START;
    for (kind, which, after_ns) in path {
        let moment = at + Nanos(*after_ns);
        timeline.stamp(*kind, moment, *which, 0);
        if kind.change() != Change::Detail {
            at = moment;
        }
    }
    timeline
}

/// Checks the law on other marks than those that were stamped.
fn check(timeline: &Timeline, marks: &[Mark], stage: Option<Stage>) -> Result<(), Violation> {
    law(Tiling {
        marks,
        overflow_count: 0,
        sums: timeline.stage_sums(),
        until_ns: timeline.charged_ns,
        stage,
    })
}

fn is_line(mark: &Mark) -> bool {
    mark.kind().change() != Change::Detail
}

/// Whether what is left without a mark is a legal request of its own, in which no law can miss it.
///
/// Only the first request of a connection says when that was accepted. And a request that is left
/// early, from anywhere, may as well have been left one mark sooner, or before its job got so far; or,
/// once it is answered, not at all. An effect that is let go may never have become a job.
fn may_be_missing(marks: &[Mark], index: usize) -> bool {
    let gone = marks[index];
    let leaves_from_anywhere = |mark: &Mark| {
        matches!(
            mark.kind(),
            Refused | Failed | Expired | Panicked | ClientGone | Cancelled
        )
    };
    let is_resumed = marks[index..].iter().any(|mark| mark.kind() == Resumed);
    let next = marks[index + 1..].iter().find(|mark| is_line(mark));
    let before = marks[..index].iter().rfind(|mark| is_line(mark));
    let of_effect =
        (marks[index + 1..].iter()).find(|mark| mark.which() == gone.which() && !is_line(mark));
    gone.kind() == Accepted
        || gone.kind() == JobQueued && of_effect.is_some_and(|mark| mark.kind() == LetGo)
        || before.is_some_and(|mark| mark.kind() == Answered) && leaves_from_anywhere(&gone)
        || next.is_some_and(leaves_from_anywhere)
        || !is_line(&gone) && !is_resumed
}

/// Plants every missing mark, every doubled one and every swapped pair; none may pass.
fn plant(path: &[Stamp]) {
    let timeline = run(path);
    let marks = timeline.marks();
    let stage = match path.last() {
        Some((last, ..)) if last.change() == Change::Ends => None,
        _ => Some(timeline.stage()),
    };
    assert_eq!(check(&timeline, marks, stage), Ok(()), "{marks:?}");

    for index in 0..marks.len() {
        let mut missing = marks.to_vec();
        let gone = missing.remove(index);
        if !may_be_missing(marks, index) {
            let verdict = check(&timeline, &missing, stage);
            assert!(
                verdict.is_err(),
                "{gone:?} was missing unseen in {missing:?}"
            );
        }

        let mut doubled = marks.to_vec();
        doubled.insert(index, marks[index]);
        let verdict = check(&timeline, &doubled, stage);
        assert!(verdict.is_err(), "{:?} was doubled unseen", marks[index]);
    }
    let lines: Vec<usize> = (0..marks.len())
        .filter(|index| is_line(&marks[*index]))
        .collect();
    for pair in lines.windows(2) {
        let mut swapped = marks.to_vec();
        swapped.swap(pair[0], pair[1]);
        let verdict = check(&timeline, &swapped, stage);
        assert!(verdict.is_err(), "{swapped:?} was swapped unseen");
    }
    for stage_of_sum in Stage::ALL {
        let mut sums = *timeline.stage_sums();
        sums[stage_of_sum as usize] += 1;
        let verdict = law(Tiling {
            marks,
            overflow_count: 0,
            sums: &sums,
            until_ns: timeline.charged_ns + 1,
            stage,
        });
        assert!(
            verdict.is_err(),
            "a total of {stage_of_sum:?} was wrong unseen"
        );
    }
}

#[test]
fn planted_errors_break_the_law() {
    plant(PLAIN);
    plant(RICH);
}

#[test]
fn the_law_names_what_is_wrong() {
    let timeline = run(PLAIN);
    let marks = timeline.marks();
    let mut without_parsed = marks.to_vec();
    without_parsed.remove(2);
    let violation = check(&timeline, &without_parsed, None);
    assert_eq!(
        violation,
        Err(Violation::WrongOrder {
            index: 2,
            kind: Routed,
            after: ReadLast
        })
    );
    assert_eq!(
        violation.unwrap_err().to_string(),
        "mark 2, `routed`, after `read last`"
    );
    assert_eq!(
        check(&timeline, &[marks, &marks[13..]].concat(), None),
        Err(Violation::AfterEnd {
            index: 14,
            kind: WriteLast
        })
    );
    assert_eq!(
        check(&timeline, &marks[..13], None),
        Err(Violation::WrongEnd {
            marks: Some(Stage::Write),
            said: None
        })
    );
    assert_eq!(
        check(&timeline, &[], None),
        Err(Violation::NotOpened { found: None })
    );
}

#[test]
fn steps_and_jobs_come_in_pairs() {
    let broken = |place: usize, stamp: Stamp| {
        let mut path = RICH.to_vec();
        path[place] = stamp;
        law(Tiling {
            stage: None,
            ..run(&path).tiling()
        })
        .map_err(|violation| violation.to_string())
    };
    // One more than in the path: the first mark stamps itself.
    assert_eq!(
        broken(12, (StepEnd, 3, 20)),
        Err("mark 13, `step end`, is of 3 instead of 0".into())
    );
    assert_eq!(
        broken(17, (Submitted, 2, 2)),
        Err("mark 18, `submitted`, is of 2 instead of 1".into())
    );
    assert_eq!(
        broken(21, (JobStarted, 0, 60)),
        Err("mark 22, `job started` of effect 0, out of turn".into())
    );
    let mut path = RICH.to_vec();
    path.remove(32);
    let law = law(Tiling {
        stage: None,
        ..run(&path).tiling()
    });
    assert_eq!(law, Err(Violation::EffectOpen { which: 0 }));
}

#[test]
fn a_mark_before_the_one_before_it_is_found_and_the_totals_still_tile() {
    let mut timeline = run(&PLAIN[..5]);
    let until = timeline.summed_until();
    timeline.stamp(Dequeued, until - Nanos(30), 0, 0);
    assert_eq!(timeline.summed_until(), until, "totals never run backward");
    assert_eq!(
        law(timeline.tiling()),
        Err(Violation::Backward {
            index: 6,
            at_ns: 20,
            after_ns: 50
        })
    );
    assert_eq!(timeline.stage_sums().iter().sum::<u64>(), 50);
}

#[test]
fn switched_off_nothing_is_stamped() {
    let mut timeline = run(PLAIN);
    timeline.start(START, false);
    timeline.stamp(ReadLast, START + Nanos(10), 0, 0);
    assert_eq!(timeline.marks(), &[]);
    assert_eq!(timeline.stage_sums(), &[0; Stage::COUNT]);
}

#[test]
fn an_overflow_loses_marks_and_no_time() {
    let mut path = PLAIN[..6].to_vec();
    for step in 0..40 {
        path.push((StepStart, step, 1));
        path.push((StepEnd, step, 9));
    }
    path.extend_from_slice(&PLAIN[8..]);
    let timeline = run(&path);
    assert_eq!(timeline.marks().len(), Timeline::MARKS_MAX);
    assert_eq!(
        timeline.overflow_count() as usize,
        path.len() + 1 - Timeline::MARKS_MAX
    );
    assert_eq!(timeline.stage_sums()[Stage::Run as usize], 40 * 10 + 10);
    let tiling = Tiling {
        stage: None,
        ..timeline.tiling()
    };
    assert_eq!(law(tiling), Ok(()));
    // Lost marks excuse nothing about the totals.
    let tiling = Tiling {
        until_ns: timeline.charged_ns + 1,
        ..tiling
    };
    assert!(matches!(law(tiling), Err(Violation::Total { .. })));
}

/// A request may wait for a client for days.
#[test]
fn what_outlasts_its_marks_loses_no_time() {
    let mut path = PLAIN.to_vec();
    path[4].2 = 2 * Mark::SINCE_START_NS_MAX;
    let timeline = run(&path);
    assert!(timeline.charged_ns > 2 * Mark::SINCE_START_NS_MAX);
    check(&timeline, timeline.marks(), None).unwrap();
}

#[test]
fn a_mark_is_sixteen_bytes_and_gives_back_what_it_was_given() {
    assert_eq!(size_of::<Mark>(), 16);
    for kind in MarkKind::ALL {
        let mark = Mark::new(kind, 0x1234_5678_9abc, 0xfe, u64::MAX);
        assert_eq!(mark.kind(), kind);
        assert_eq!(mark.since_start(), Nanos(0x1234_5678_9abc));
        assert_eq!(mark.which(), 0xfe);
        assert_eq!(mark.argument(), u64::MAX);
    }
    let late = Mark::new(WriteLast, u64::MAX, 3, 0);
    assert_eq!((late.kind(), late.which()), (WriteLast, 3));
    assert_eq!(late.since_start(), Nanos((1 << 48) - 1));
}

/// Most marks share the latest reading of the turn. A request must not carry its neighbour's run all
/// the same: its wait ends at the reading of the neighbour's step end.
#[test]
fn in_one_batch_the_second_request_waits_for_the_first_and_runs_only_its_own() {
    use cutaway_scheduler::{Clock, ManualClock};

    let clock = ManualClock::new();
    let readings = std::cell::Cell::new(0);
    let read = || {
        readings.set(readings.get() + 1);
        clock.now()
    };
    clock.advance(Nanos::from_micros(7));
    let reaped = read();
    let mut latest = reaped;
    let mut requests = [Timeline::new(), Timeline::new()];
    for timeline in &mut requests {
        timeline.start(reaped, true);
        for kind in [ReadLast, Parsed, Routed, Admitted, Enqueued] {
            if kind.reads_clock() {
                latest = read();
            }
            timeline.stamp(kind, latest, 0, 0);
        }
    }
    for (timeline, run) in requests.iter_mut().zip([400, 3]) {
        for kind in [Dequeued, StepStart, StepEnd, Answered, Encoded] {
            if kind == StepEnd {
                clock.advance(Nanos::from_micros(run));
            }
            if kind.reads_clock() {
                latest = read();
            }
            timeline.stamp(kind, latest, 0, 0);
        }
        assert_eq!(law(timeline.tiling()), Ok(()));
    }
    let micros = |timeline: &Timeline, stage: Stage| timeline.stage_sums()[stage as usize] / 1_000;
    let [first, second] = &requests;
    assert_eq!(
        (micros(first, Stage::QueueWait), micros(first, Stage::Run)),
        (0, 400)
    );
    assert_eq!(
        (micros(second, Stage::QueueWait), micros(second, Stage::Run)),
        (400, 3)
    );
    // The reap, and three for each request: admitted, one step's end, encoded.
    assert_eq!(readings.get(), 1 + 2 * 3);
}

#[test]
fn durations_are_pairs_of_marks() {
    let timeline = run(RICH);
    let measured: Vec<(SpanKind, u8, u64)> = spans(timeline.marks())
        .map(|span| (span.kind, span.which, span.len_ns()))
        .collect();
    let expected = [
        (SpanKind::ReadHead, 0, 5),
        (SpanKind::PipelineWait, 0, 7),
        (SpanKind::ReadHead, 0, 1),
        (SpanKind::Parse, 0, 2),
        (SpanKind::Route, 0, 3),
        (SpanKind::Admit, 0, 1),
        (SpanKind::ReadBody, 0, 900),
        (SpanKind::Admit, 0, 5),
        (SpanKind::QueueWait, 0, 50),
        (SpanKind::Step, 0, 20),
        (SpanKind::Step, 1, 20),
        (SpanKind::Effect, 0, 62),
        (SpanKind::WorkerQueue, 0, 13),
        (SpanKind::Effect, 1, 91),
        (SpanKind::WorkerQueue, 1, 63),
        (SpanKind::Park, 0, 100),
        (SpanKind::WorkerRun, 0, 50),
        (SpanKind::WorkerRun, 1, 30),
        (SpanKind::QueueWait, 0, 8),
        (SpanKind::Step, 2, 9),
        (SpanKind::Effect, 0, 6),
        (SpanKind::WorkerQueue, 0, 6),
        (SpanKind::Park, 0, 300),
        (SpanKind::WorkerRun, 0, 1),
        (SpanKind::QueueWait, 0, 2),
        (SpanKind::Step, 3, 30),
        (SpanKind::Effect, 0, 7),
        (SpanKind::WorkerQueue, 0, 6),
        (SpanKind::Park, 0, 30),
        (SpanKind::WorkerRun, 0, 1),
        // A timer, and an effect that was let go of as soon as it had begun.
        (SpanKind::Effect, 1, 1),
        (SpanKind::Effect, 2, 1),
        (SpanKind::QueueWait, 0, 2),
        (SpanKind::Step, 3, 5),
        (SpanKind::Effect, 0, 0),
        (SpanKind::QueueWait, 0, 2),
        (SpanKind::Step, 4, 30),
        (SpanKind::Encode, 0, 11),
        (SpanKind::Hold, 0, 70),
        (SpanKind::Write, 0, 41),
    ];
    assert_eq!(measured, expected);
}

#[test]
fn a_duration_that_is_cut_off_ends_there() {
    let timeline = run(&[
        &PLAIN[..6],
        &[
            (StepStart, 0, 1),
            (StepEnd, 0, 40),
            (Submitted, 0, 3),
            (Panicked, 0, 10),
            (Encoded, 0, 2),
        ],
    ]
    .concat());
    assert_eq!(law(timeline.tiling()), Ok(()));
    let effect = spans(timeline.marks()).find(|span| span.kind == SpanKind::Effect);
    assert_eq!(effect.map(|span| span.len_ns()), Some(7));
}

/// A legal path, drawn from a grammar written apart from the table of kinds.
fn path() -> impl Strategy<Value = Vec<Stamp>> {
    let head = (any::<bool>(), 0..3_usize, any::<bool>());
    let need = (1..3_u8, 1..4_u8);
    let needs = prop::collection::vec(need, 0..3);
    // Where the straight line is left, as a share of its length; past it for not at all.
    let ending = (0..150_u8, 0..6_u8);
    let lengths = prop::collection::vec(0..50_u64, 80);
    (head, needs, ending, lengths).prop_map(|(head, needs, ending, lengths)| {
        let mut kinds = straight_line(head, &needs);
        leave_early(&mut kinds, ending);
        kinds
            .into_iter()
            .zip(lengths.into_iter().cycle())
            .map(|((kind, which), length)| (kind, which, length))
            .collect()
    })
}

fn straight_line(
    (is_first, held_count, has_body): (bool, usize, bool),
    needs: &[(u8, u8)],
) -> Vec<(MarkKind, u8)> {
    let mut kinds = Vec::new();
    if is_first {
        kinds.push((Accepted, 0));
    }
    for _ in 0..held_count {
        kinds.extend([(PipelineHeld, 0), (PipelineFreed, 0)]);
    }
    kinds.extend([(ReadLast, 0), (Parsed, 0), (Routed, 0)]);
    if has_body {
        kinds.extend([(BodyAwaited, 0), (BodyLast, 0)]);
    }
    kinds.extend([(Admitted, 0), (Enqueued, 0), (Dequeued, 0)]);
    let mut step = 0;
    for (step_count, effect_count) in needs {
        for place in 0..*step_count {
            kinds.extend([(StepStart, step), (StepEnd, step)]);
            step += 1;
            // The turn's quantum ended between two steps.
            if place == 1 {
                kinds.extend([
                    (Enqueued, 0),
                    (Dequeued, 0),
                    (StepStart, step),
                    (StepEnd, step),
                ]);
                step += 1;
            }
        }
        // By their places: a job that finishes, one that is let go, a timer.
        for effect in 0..*effect_count {
            kinds.push((Submitted, effect));
            if effect % 3 < 2 {
                kinds.push((JobQueued, effect));
            }
        }
        kinds.push((Parked, 0));
        for effect in 0..*effect_count {
            kinds.extend(match effect % 3 {
                0 => vec![(JobStarted, effect), (JobFinished, effect)],
                1 => vec![(LetGo, effect)],
                _ => vec![(Completed, effect)],
            });
        }
        // In order: it begins when the others have completed.
        let last = *effect_count;
        kinds.extend([(Submitted, last), (Completed, last)]);
        kinds.extend([(Resumed, 0), (Dequeued, 0)]);
    }
    kinds.extend([
        (StepStart, step),
        (StepEnd, step),
        (Answered, 0),
        (Encoded, 0),
    ]);
    kinds.extend([(Released, 0), (WriteFirst, 0), (WriteLast, 0)]);
    kinds
}

/// Cuts the line at a share of it and ends it in one of the ways there are.
fn leave_early(kinds: &mut Vec<(MarkKind, u8)>, (share, how): (u8, u8)) {
    let cut = kinds.len() * usize::from(share) / 100;
    if cut >= kinds.len() {
        return;
    }
    kinds.truncate(cut);
    let is_encoded = kinds.iter().any(|(kind, _)| *kind == Encoded);
    let last = kinds.last().copied();
    let reply = [(Encoded, 0), (Released, 0), (WriteFirst, 0), (WriteLast, 0)];
    match (how, last) {
        (0, _) => kinds.push((ClientGone, 0)),
        (1, _) => kinds.push((Cancelled, 0)),
        (_, _) if is_encoded => kinds.push((ClientGone, 0)),
        (2, last) if last.is_none_or(|(kind, _)| kind != Answered) => {
            // A step that panics has ended; whatever else panics does so between steps.
            let step = last.filter(|(kind, _)| *kind == StepStart);
            kinds.extend(step.map(|(_, step)| (StepEnd, step)));
            kinds.push((Panicked, 0));
            kinds.extend(reply);
        }
        (3, _) => {
            kinds.push((Expired, 0));
            kinds.extend(reply);
        }
        (4, _) => {
            kinds.push((Failed, 0));
            kinds.extend(reply);
        }
        _ => {
            kinds.push((Refused, 0));
            kinds.extend(reply);
        }
    }
}

/// The naive model: what the request is in at each single nanosecond.
fn model(path: &[Stamp]) -> StageSums {
    let mut sums = [0; Stage::COUNT];
    let mut stage = Stage::Read;
    for (kind, _, length) in path {
        let next = match kind {
            Accepted | Submitted | JobQueued | JobStarted | JobFinished | Completed | LetGo => {
                continue;
            }
            ReadFirst | PipelineFreed | BodyAwaited => Stage::Read,
            ReadLast => Stage::Parse,
            Parsed => Stage::Route,
            Routed | BodyLast | Admitted => Stage::Admit,
            Enqueued | Resumed | PipelineHeld => Stage::QueueWait,
            Dequeued | StepStart | StepEnd => Stage::Run,
            Parked => Stage::Park,
            Answered | Refused | Failed | Expired | Panicked => Stage::Encode,
            Encoded => Stage::Hold,
            Released | WriteFirst | WriteLast | ClientGone | Cancelled => Stage::Write,
        };
        for _ in 0..*length {
            sums[stage as usize] += 1;
        }
        stage = next;
    }
    sums
}

#[test]
fn legal_paths_tile_as_the_model_says_and_planted_errors_are_found() {
    let seen = std::cell::RefCell::new(std::collections::BTreeSet::new());
    TestRunner::new(ProptestConfig::with_cases(2_000))
        .run(&path(), |path| {
            seen.borrow_mut()
                .extend(path.iter().map(|(kind, ..)| *kind as u8));
            let timeline = run(&path);
            prop_assert_eq!(timeline.stage_sums(), &model(&path));
            let is_whole = timeline.overflow_count() == 0;
            prop_assert_eq!(
                law(Tiling {
                    stage: None,
                    ..timeline.tiling()
                }),
                Ok(())
            );
            // Times that differ tell marks of one kind apart; those of no length are legal, too.
            if is_whole {
                plant(&path);
            }
            Ok(())
        })
        .unwrap();
    let never = MarkKind::ALL
        .iter()
        .filter(|kind| !seen.borrow().contains(&(**kind as u8)));
    let never: Vec<_> = never.collect();
    assert_eq!(
        never,
        [&ReadFirst],
        "kinds no path came by; the first one stamps itself"
    );
}
