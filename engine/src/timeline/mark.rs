//! Marks, stages, and the one table that says which mark leads from which stage to which.
//!
//! A request is in exactly one [`Stage`] at each moment. Most marks move it to the next stage, some
//! stand inside one, a few end it. The table at the foot of this file also names, for each kind of
//! mark, the kinds it may follow, so that a missing, doubled or swapped mark is found
//! (see [`law`](crate::timeline::law)).

use std::fmt;

use cutaway_scheduler::Nanos;

/// One moment of a request: when, what, which one, and a number that goes with it.
///
/// # Units
/// 16 bytes. The time is nanoseconds since the request's first byte, 48 bits: three days, beyond
/// which it stays at the largest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Time in the upper 48 bits, kind in the next 8, which in the lowest 8. One word, because the
    /// mark is written as two plain stores.
    when: u64,
    argument: u64,
}

impl Mark {
    /// The longest time a mark can hold.
    pub(super) const SINCE_START_NS_MAX: u64 = (1 << 48) - 1;

    /// The mark `kind` at `since_start_ns` after the request's first byte.
    ///
    /// ```
    /// use cutaway::timeline::{Mark, MarkKind};
    ///
    /// let mark = Mark::new(MarkKind::ReadLast, 1_500, 0, 87);
    /// assert_eq!(mark.kind(), MarkKind::ReadLast);
    /// ```
    #[inline(always)]
    pub const fn new(kind: MarkKind, since_start_ns: u64, which: u8, argument: u64) -> Mark {
        let since_start_ns = if since_start_ns > Mark::SINCE_START_NS_MAX {
            Mark::SINCE_START_NS_MAX
        } else {
            since_start_ns
        };
        Mark {
            when: since_start_ns << 16 | (kind as u64) << 8 | which as u64,
            argument,
        }
    }

    /// When it was, counted from the request's first byte.
    ///
    /// ```
    /// use cutaway::timeline::{Mark, MarkKind};
    ///
    /// let mark = Mark::new(MarkKind::ReadLast, 1_500, 0, 87);
    /// assert_eq!(mark.since_start().as_u64(), 1_500);
    /// ```
    pub const fn since_start(self) -> Nanos {
        Nanos(self.when >> 16)
    }

    /// What happened.
    ///
    /// ```
    /// use cutaway::timeline::{Mark, MarkKind};
    ///
    /// let mark = Mark::new(MarkKind::ReadLast, 1_500, 0, 87);
    /// assert_eq!(mark.kind(), MarkKind::ReadLast);
    /// ```
    pub fn kind(self) -> MarkKind {
        MarkKind::ALL[usize::from((self.when >> 8) as u8)]
    }

    /// Which step, or which effect of a need; zero where there is only one.
    ///
    /// ```
    /// use cutaway::timeline::{Mark, MarkKind};
    ///
    /// let mark = Mark::new(MarkKind::ReadLast, 1_500, 0, 87);
    /// assert_eq!(mark.which(), 0);
    /// ```
    pub const fn which(self) -> u8 {
        self.when as u8
    }

    /// The number that goes with it; [`MarkKind`] says what it is.
    ///
    /// ```
    /// use cutaway::timeline::{Mark, MarkKind};
    ///
    /// let mark = Mark::new(MarkKind::ReadLast, 1_500, 0, 87);
    /// // Of a head: how many bytes it had.
    /// assert_eq!(mark.argument(), 87);
    /// ```
    pub const fn argument(self) -> u64 {
        self.argument
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}[{}]@{}",
            self.kind().name(),
            self.which(),
            self.since_start().as_u64()
        )?;
        if self.argument != 0 {
            write!(f, "={}", self.argument)?;
        }
        Ok(())
    }
}

/// Where a request spends its time. It is in exactly one at each moment.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing::{self, App};
/// use cutaway::timeline::Stage;
///
/// fn think(cx: &mut Cx) -> Step {
///     testing::spend(3.millis());
///     cx.text("thought")
/// }
///
/// let app = App::new(Routes::new().get("/", chain(think)).build()?);
/// let response = app.get("/").send();
/// let timeline = response.timeline();
/// assert_eq!(timeline.stage(Stage::Run), 3.millis());
/// assert_eq!(timeline.stage(Stage::Park), 0.millis());
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stage {
    /// Bytes of it are still missing.
    Read,
    /// Its head is being parsed.
    Parse,
    /// Its route is being looked up.
    Route,
    /// Admission looks at it, and its head and body move into its arena.
    Admit,
    /// It waits for the shard: in the ready queue, or unparsed behind the parse-ahead bound.
    QueueWait,
    /// Its steps run.
    Run,
    /// It waits for effects.
    Park,
    /// Its reply is being encoded.
    Encode,
    /// Its encoded reply waits for earlier replies of the same connection.
    Hold,
    /// Its reply waits for the socket.
    Write,
}

impl Stage {
    /// How many there are.
    pub const COUNT: usize = 10;

    /// All of them, in the order of the straight line.
    pub const ALL: [Stage; Stage::COUNT] = [
        Stage::Read,
        Stage::Parse,
        Stage::Route,
        Stage::Admit,
        Stage::QueueWait,
        Stage::Run,
        Stage::Park,
        Stage::Encode,
        Stage::Hold,
        Stage::Write,
    ];

    /// Its name for people.
    ///
    /// ```
    /// use cutaway::timeline::Stage;
    ///
    /// assert_eq!(Stage::QueueWait.name(), "queue wait");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Read => "read",
            Stage::Parse => "parse",
            Stage::Route => "route",
            Stage::Admit => "admit",
            Stage::QueueWait => "queue wait",
            Stage::Run => "run",
            Stage::Park => "park",
            Stage::Encode => "encode",
            Stage::Hold => "hold",
            Stage::Write => "write",
        }
    }
}

/// What a mark says. Each variant tells what `which` and `argument` hold where they hold anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MarkKind {
    /// The connection was accepted; only on its first request. `argument`: nanoseconds before the
    /// request's first byte.
    Accepted,
    /// The first byte was reaped. The request begins here.
    ReadFirst,
    /// The head was cut off behind the parse-ahead bound of its connection: the wait is the
    /// pipeline's, not the client's.
    PipelineHeld,
    /// The parse-ahead bound has room again.
    PipelineFreed,
    /// The last byte of the head was reaped. `argument`: the head's bytes.
    ReadLast,
    /// The head is parsed. `argument`: how many fields it has.
    Parsed,
    /// The route is found. `argument`: its index.
    Routed,
    /// Content is announced and not all here.
    BodyAwaited,
    /// The last byte of the content was reaped, or as much of it as anybody waited for. `argument`: its
    /// bytes.
    BodyLast,
    /// Admission lets it in. `argument`: its class.
    Admitted,
    /// It is in the ready queue: for the first time, or again because the turn's quantum ended
    /// between two steps. `argument`: how many were before it.
    Enqueued,
    /// It was popped from the ready queue.
    Dequeued,
    /// A step begins. `which`: the step.
    StepStart,
    /// The step has ended. `which`: the step.
    StepEnd,
    /// An effect begins. `which`: its place in the need; `argument`: the resource, or
    /// [`NO_RESOURCE`](MarkKind::NO_RESOURCE) for a timer.
    Submitted,
    /// It waits for its effects from here on.
    Parked,
    /// Its effects are there; it is back in the ready queue.
    Resumed,
    /// The response is decided. `argument`: the status.
    Answered,
    /// The engine refuses it. `argument`: the status.
    Refused,
    /// An effect it required has failed, or its reply could not be encoded. `argument`: the status.
    Failed,
    /// Its deadline has passed. `argument`: the status.
    Expired,
    /// Something of the program's panicked: a step, or what belongs to the request without being
    /// one. `which`: the step the request was at; `argument`: the status.
    Panicked,
    /// The reply's head and small content stand in an output buffer. `argument`: their bytes.
    Encoded,
    /// All earlier replies of the connection are encoded: its bytes are next.
    Released,
    /// The send with its first byte was submitted.
    WriteFirst,
    /// The send with its last byte has completed. The request ends here.
    WriteLast,
    /// The client has gone. The request ends here.
    ClientGone,
    /// The engine gave it up without a reply. The request ends here.
    Cancelled,
    /// A job stands in a worker's ring. `which`: the effect's place in the need.
    JobQueued,
    /// The worker has taken up the job. `which`: the effect's place in the need.
    JobStarted,
    /// The worker is done with the job. `which`: the effect's place in the need.
    JobFinished,
    /// An effect that is no worker's job has completed: a timer. `which`: its place in the need.
    Completed,
    /// Nobody waits for the effect any more, or it never came under way. What becomes of its job from
    /// here on is not told. `which`: its place in the need.
    LetGo,
}

impl MarkKind {
    /// What a submission says of an effect that is performed on no resource.
    pub const NO_RESOURCE: u64 = u64::MAX;

    /// What stands in place of a resource where an effect takes its request's content.
    pub const OWN_CONTENT: u64 = u64::MAX - 1;

    /// How many there are.
    pub const COUNT: usize = TABLE.len();

    /// All of them, in the order of the table.
    pub const ALL: [MarkKind; MarkKind::COUNT] = {
        let mut all = [MarkKind::Accepted; MarkKind::COUNT];
        let mut index = 0;
        while index < TABLE.len() {
            // The table is written in the order of the enum; a row out of place stops the build.
            assert!(TABLE[index].kind as usize == index, "table out of order");
            all[index] = TABLE[index].kind;
            index += 1;
        }
        all
    };

    /// Its name in a listing of marks.
    ///
    /// ```
    /// use cutaway::timeline::MarkKind;
    ///
    /// let names: Vec<_> = MarkKind::ALL.iter().map(|kind| kind.name()).collect();
    /// assert!(names.contains(&"answered"), "{names:?}");
    /// ```
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// What it does to the stage.
    pub const fn change(self) -> Change {
        self.row().change
    }

    /// Whether it may stand where the request is in `stage`: the stages it leaves, or, for a detail,
    /// the stages it may fall into.
    pub const fn may_leave(self, stage: Stage) -> bool {
        self.row().leaves.0 & 1 << stage as u16 != 0
    }

    /// Whether it may come after `earlier`, details left out.
    pub const fn may_follow(self, earlier: MarkKind) -> bool {
        self.row().follows.contains(earlier)
    }

    /// Whether the clock is read for it. All others take the shard's latest reading.
    ///
    /// Three readings a request without effects is what the always-on timeline costs; a request that
    /// shares its neighbour's reading still never carries its neighbour's run, because each step's
    /// end is read.
    pub const fn reads_clock(self) -> bool {
        matches!(
            self,
            MarkKind::Admitted | MarkKind::StepEnd | MarkKind::Encoded
        )
    }

    pub(super) const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

/// What a mark does to the stage a request is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Begins the request in this stage.
    Opens(Stage),
    /// Moves it into this stage, which may be the one it is in.
    Enters(Stage),
    /// Ends the request.
    Ends,
    /// None: a moment on a worker or a connection that the request's own stages do not turn on.
    Detail,
}

/// A set of kinds.
#[derive(Clone, Copy)]
pub(super) struct KindSet(u64);

impl KindSet {
    pub(super) const fn of(kinds: &[MarkKind]) -> KindSet {
        let mut bits = 0;
        let mut index = 0;
        while index < kinds.len() {
            bits |= 1 << kinds[index] as u32;
            index += 1;
        }
        KindSet(bits)
    }

    pub(super) const fn contains(self, kind: MarkKind) -> bool {
        self.0 & 1 << kind as u32 != 0
    }

    const fn without(self, kind: MarkKind) -> KindSet {
        KindSet(self.0 & !(1 << kind as u32))
    }
}

#[derive(Clone, Copy)]
struct StageSet(u16);

impl StageSet {
    const fn of(stages: &[Stage]) -> StageSet {
        let mut bits = 0;
        let mut index = 0;
        while index < stages.len() {
            bits |= 1 << stages[index] as u16;
            index += 1;
        }
        StageSet(bits)
    }
}

pub(super) struct Row {
    kind: MarkKind,
    name: &'static str,
    leaves: StageSet,
    change: Change,
    follows: KindSet,
}

const fn row(
    kind: MarkKind,
    name: &'static str,
    leaves: &[Stage],
    change: Change,
    follows: KindSet,
) -> Row {
    Row {
        kind,
        name,
        leaves: StageSet::of(leaves),
        change,
        follows,
    }
}

/// Every stage before the reply is encoded: where the engine may still answer instead.
const UNANSWERED: &[Stage] = &[
    Stage::Read,
    Stage::Parse,
    Stage::Route,
    Stage::Admit,
    Stage::QueueWait,
    Stage::Run,
    Stage::Park,
    Stage::Encode,
];

const NONE: KindSet = KindSet::of(&[]);

/// Everything that does not end a request; details do not count in the order of marks.
const LIVE: KindSet = KindSet((1 << MarkKind::WriteLast as u32) - 1)
    .without(MarkKind::Accepted)
    .without(MarkKind::Submitted);

/// What may stand before the reply is encoded.
const UNENCODED: KindSet = LIVE
    .without(MarkKind::Encoded)
    .without(MarkKind::Released)
    .without(MarkKind::WriteFirst);

/// What may stand before a panic is the answer: a step that panics has ended, and nothing else was
/// answered.
const UNDECIDED: KindSet = UNENCODED
    .without(MarkKind::StepStart)
    .without(MarkKind::Answered)
    .without(MarkKind::Refused)
    .without(MarkKind::Failed)
    .without(MarkKind::Expired)
    .without(MarkKind::Panicked);

#[rustfmt::skip]
static TABLE: [Row; 33] = {
    use Change::{Detail, Ends, Enters, Opens};
    use MarkKind::*;
    use Stage::{Admit, Encode, Hold, Park, Parse, QueueWait, Read, Route, Run, Write};
    const fn after(kinds: &[MarkKind]) -> KindSet { KindSet::of(kinds) }
    [
        //  kind           name              leaves          enters              follows
        row(Accepted,      "accepted",       &[Read],        Detail,             NONE),
        row(ReadFirst,     "read first",     &[],            Opens(Read),        NONE),
        row(PipelineHeld,  "pipeline held",  &[Read],        Enters(QueueWait),  after(&[ReadFirst, PipelineFreed])),
        row(PipelineFreed, "pipeline freed", &[QueueWait],   Enters(Read),       after(&[PipelineHeld])),
        row(ReadLast,      "read last",      &[Read],        Enters(Parse),      after(&[ReadFirst, PipelineFreed])),
        row(Parsed,        "parsed",         &[Parse],       Enters(Route),      after(&[ReadLast])),
        row(Routed,        "routed",         &[Route],       Enters(Admit),      after(&[Parsed])),
        row(BodyAwaited,   "body awaited",   &[Admit],       Enters(Read),       after(&[Routed])),
        row(BodyLast,      "body last",      &[Read],        Enters(Admit),      after(&[BodyAwaited])),
        row(Admitted,      "admitted",       &[Admit],       Enters(Admit),      after(&[Routed, BodyLast])),
        row(Enqueued,      "enqueued",       &[Admit, Run],  Enters(QueueWait),  after(&[Admitted, StepEnd])),
        row(Dequeued,      "dequeued",       &[QueueWait],   Enters(Run),        after(&[Enqueued, Resumed])),
        row(StepStart,     "step start",     &[Run],         Enters(Run),        after(&[Dequeued, StepEnd])),
        row(StepEnd,       "step end",       &[Run],         Enters(Run),        after(&[StepStart])),
        row(Submitted,     "submitted",      &[Run, Park],   Detail,             NONE),
        row(Parked,        "parked",         &[Run],         Enters(Park),       after(&[StepEnd])),
        row(Resumed,       "resumed",        &[Park],        Enters(QueueWait),  after(&[Parked])),
        row(Answered,      "answered",       &[Run],         Enters(Encode),     after(&[StepEnd])),
        row(Refused,       "refused",        UNANSWERED,     Enters(Encode),     UNENCODED.without(Refused)),
        row(Failed,        "failed",         UNANSWERED,     Enters(Encode),     UNENCODED.without(Failed)),
        row(Expired,       "expired",        UNANSWERED,     Enters(Encode),     UNENCODED.without(Expired)),
        row(Panicked,      "panicked",       UNANSWERED,     Enters(Encode),     UNDECIDED),
        row(Encoded,       "encoded",        &[Encode],      Enters(Hold),       after(&[Answered, Refused, Failed, Expired, Panicked])),
        row(Released,      "released",       &[Hold],        Enters(Write),      after(&[Encoded])),
        row(WriteFirst,    "write first",    &[Write],       Enters(Write),      after(&[Released])),
        row(WriteLast,     "write last",     &[Write],       Ends,               after(&[WriteFirst])),
        row(ClientGone,    "client gone",    &Stage::ALL,    Ends,               LIVE),
        row(Cancelled,     "cancelled",      &Stage::ALL,    Ends,               LIVE),
        row(JobQueued,     "job queued",     &[Run, Park],   Detail,             NONE),
        row(JobStarted,    "job started",    &Stage::ALL,    Detail,             NONE),
        row(JobFinished,   "job finished",   &Stage::ALL,    Detail,             NONE),
        row(Completed,     "completed",      &[Run, Park],   Detail,             NONE),
        row(LetGo,         "let go",         &[Run, Park],   Detail,             NONE),
    ]
};
