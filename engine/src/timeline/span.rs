//! The durations between marks, each defined once.

use crate::timeline::mark::{KindSet, Mark, MarkKind};

/// One duration of a request, from one of its marks to another.
///
/// ```
/// use cutaway::timeline::{Span, SpanKind};
///
/// let span = Span { kind: SpanKind::Step, which: 0, from_ns: 500, until_ns: 1_300 };
/// assert_eq!(span.len_ns(), 800);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it measures.
    pub kind: SpanKind,
    /// Which step or effect; zero where there is only one.
    pub which: u8,
    /// Its beginning, in nanoseconds since the request's first byte.
    pub from_ns: u64,
    /// Its end, in nanoseconds since the request's first byte.
    pub until_ns: u64,
}

impl Span {
    /// How long it is.
    pub fn len_ns(&self) -> u64 {
        self.until_ns.saturating_sub(self.from_ns)
    }
}

/// What a [`Span`] measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// From the first byte to the last of the head.
    ReadHead,
    /// Unparsed behind the parse-ahead bound of the connection.
    PipelineWait,
    /// Parsing the head.
    Parse,
    /// Looking up the route.
    Route,
    /// From the head to the last byte of the content.
    ReadBody,
    /// Admission and the move into the arena.
    Admit,
    /// In the ready queue.
    QueueWait,
    /// One step.
    Step,
    /// Waiting for all effects of one need.
    Park,
    /// One effect: from its submission to its end, or until nobody waited for it any more.
    Effect,
    /// A job in a worker's ring.
    WorkerQueue,
    /// A job on the worker.
    WorkerRun,
    /// Encoding the reply.
    Encode,
    /// Behind earlier replies of the connection.
    Hold,
    /// Waiting for the socket.
    Write,
}

/// The durations of a request, in the order in which they begin.
///
/// A duration that has not ended is left out; where the request failed or ended first, it ends there.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing::App;
/// use cutaway::timeline::{SpanKind, spans};
///
/// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
/// let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
/// let response = app.get("/hello").send();
/// let timeline = response.timeline();
/// let step = spans(timeline.marks()).find(|span| span.kind == SpanKind::Step).unwrap();
/// assert_eq!(step.len_ns(), 3_000_000);
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
///
/// # Complexity
/// Quadratic in the marks: made for the exporter, not for a shard.
pub fn spans(marks: &[Mark]) -> impl Iterator<Item = Span> + '_ {
    marks.iter().enumerate().flat_map(move |(index, from)| {
        DURATIONS
            .iter()
            .filter(|duration| duration.from.contains(from.kind()))
            .filter_map(move |duration| duration.measure(*from, &marks[index + 1..]))
    })
}

struct Duration {
    kind: SpanKind,
    from: KindSet,
    until: KindSet,
    /// Whether both ends must name the same step or effect.
    is_same_which: bool,
}

impl Duration {
    fn measure(&self, from: Mark, later: &[Mark]) -> Option<Span> {
        let until = later.iter().find(|until| {
            let is_end = self.until.contains(until.kind())
                && !(self.is_same_which && until.which() != from.which());
            is_end || CUTS.contains(until.kind())
        })?;
        Some(Span {
            kind: self.kind,
            which: from.which(),
            from_ns: from.since_start().as_u64(),
            until_ns: until.since_start().as_u64(),
        })
    }
}

/// What ends any duration.
const CUTS: KindSet = KindSet::of(&[
    MarkKind::Refused,
    MarkKind::Failed,
    MarkKind::Expired,
    MarkKind::Panicked,
    MarkKind::ClientGone,
    MarkKind::Cancelled,
]);

const fn between(kind: SpanKind, from: &[MarkKind], until: &[MarkKind]) -> Duration {
    Duration {
        kind,
        from: KindSet::of(from),
        until: KindSet::of(until),
        is_same_which: false,
    }
}

const fn of_one(kind: SpanKind, from: &[MarkKind], until: &[MarkKind]) -> Duration {
    Duration {
        kind,
        from: KindSet::of(from),
        until: KindSet::of(until),
        is_same_which: true,
    }
}

#[rustfmt::skip]
static DURATIONS: [Duration; 15] = {
    use MarkKind::*;
    [
        //      duration                 from                                               until
        between(SpanKind::ReadHead,     &[ReadFirst, PipelineFreed],                        &[ReadLast, PipelineHeld]),
        between(SpanKind::PipelineWait, &[PipelineHeld],                                    &[PipelineFreed]),
        between(SpanKind::Parse,        &[ReadLast],                                        &[Parsed]),
        between(SpanKind::Route,        &[Parsed],                                          &[Routed]),
        between(SpanKind::ReadBody,     &[BodyAwaited],                                     &[BodyLast]),
        between(SpanKind::Admit,        &[Routed, BodyLast],                                &[Enqueued, BodyAwaited]),
        between(SpanKind::QueueWait,    &[Enqueued, Resumed],                               &[Dequeued]),
        of_one (SpanKind::Step,         &[StepStart],                                       &[StepEnd]),
        between(SpanKind::Park,         &[Parked],                                          &[Resumed]),
        of_one (SpanKind::Effect,       &[Submitted],                                       &[JobFinished, Completed, LetGo]),
        of_one (SpanKind::WorkerQueue,  &[JobQueued],                                       &[JobStarted, LetGo]),
        of_one (SpanKind::WorkerRun,    &[JobStarted],                                      &[JobFinished]),
        between(SpanKind::Encode,       &[Answered, Refused, Failed, Expired, Panicked],    &[Encoded]),
        between(SpanKind::Hold,         &[Encoded],                                         &[Released]),
        between(SpanKind::Write,        &[Released],                                        &[WriteLast]),
    ]
};
