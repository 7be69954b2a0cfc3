//! Which requests are kept, and their way off the shard.
//!
//! At encode a request's marks fold into a [`Departure`], because its slot and arena are needed for
//! the next request long before a slow reader has taken the reply. Whether it is kept is decided
//! then, as far as that can be known, so that only a kept request's marks are copied; and once more
//! at its end, when hold and write are known.

use std::fmt;
use std::str::FromStr;

use cutaway_scheduler::Nanos;

use crate::timeline::exporter::Ringer;
use crate::timeline::{Mark, MarkKind, Stage, StageSums, Tiling, Timeline, Violation, law};

/// Decides which requests are kept, and hands them to the exporter. One a shard.
///
/// # Bounds
/// The ring to the exporter and the pool of records hold as many as [`RecorderConfig`] says. Where
/// either is full nothing waits: what is lost is counted.
#[derive(Debug)]
pub struct Recorder {
    mode: TraceMode,
    shard: u16,
    outbox: rtrb::Producer<KeptRecord>,
    /// Stands after the outbox, so that it is dropped after it: the exporter is woken to see it gone.
    ringer: Ringer,
    /// Records that wait for a request to be kept, so that keeping one allocates nothing.
    #[expect(
        clippy::vec_box,
        reason = "a kept request carries its record as a pointer, not as 1.4 KiB"
    )]
    pool: Vec<Box<KeptRecord>>,
    dropped_since_count: u32,
    stats: RecorderStats,
}

/// Which requests are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceMode {
    /// Every one.
    All,
    /// Those that were slow or ended badly; see [`KeepReasons`].
    #[default]
    Slow,
    /// None, and no marks are stamped.
    Off,
}

impl FromStr for TraceMode {
    type Err = UnknownTraceMode;

    fn from_str(word: &str) -> Result<TraceMode, UnknownTraceMode> {
        match word {
            "all" => Ok(TraceMode::All),
            "slow" => Ok(TraceMode::Slow),
            "off" => Ok(TraceMode::Off),
            _ => Err(UnknownTraceMode),
        }
    }
}

impl fmt::Display for TraceMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TraceMode::All => "all",
            TraceMode::Slow => "slow",
            TraceMode::Off => "off",
        })
    }
}

/// A word that names no [`TraceMode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `all`, `slow` or `off`")]
pub struct UnknownTraceMode;

/// How a [`Recorder`] is set up.
#[derive(Clone, Copy, Debug)]
pub struct RecorderConfig {
    /// Which requests are kept. Default: slow.
    pub mode: TraceMode,
    /// How many kept records may wait for the exporter, each about 1.4 KiB. Default 256; at least 1.
    /// Where it is full, the record is dropped and counted.
    pub export_queue_len: usize,
    /// How many kept requests may be on their way out with their marks. Default 256. Beyond it a
    /// request is kept with its stage totals only, and counted.
    pub kept_in_flight_max: usize,
}

impl Default for RecorderConfig {
    fn default() -> RecorderConfig {
        RecorderConfig {
            mode: TraceMode::Slow,
            export_queue_len: 256,
            kept_in_flight_max: 256,
        }
    }
}

/// What a [`Recorder`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderStats {
    /// Requests that came to their end.
    pub finished_count: u64,
    /// Those that were kept.
    pub kept_count: u64,
    /// Kept ones lost because the exporter was behind.
    pub dropped_count: u64,
    /// Kept ones whose marks could not be kept.
    pub without_marks_count: u64,
    /// Marks that found no room in their request's timeline.
    pub overflow_count: u64,
}

/// What a request was, as far as its timeline needs to say it.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Its number on this shard.
    pub request_id: u64,
    /// Its method, as it stood in the request.
    pub method: &'static str,
    /// Its path, raw.
    pub path: &'a [u8],
    /// Its route; none where none was found.
    pub route: Option<u16>,
    /// The status of its reply; zero where there is none.
    pub status: u16,
    /// The moment by which the reply had to be encoded; [`Nanos::NEVER`] for none.
    pub deadline: Nanos,
    /// The length of time from which it counts as slow; [`half_of`] its deadline unless its route
    /// says otherwise.
    pub slow_after: Nanos,
    /// Where its reply ends, counted in bytes since the connection's first.
    pub end_offset: u64,
}

/// Half of a relative deadline: the default of what counts as slow. Never, where there is none.
pub const fn half_of(deadline: Nanos) -> Nanos {
    match deadline {
        Nanos::NEVER => Nanos::NEVER,
        Nanos(length) => Nanos(length / 2),
    }
}

/// How a request came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its last byte was sent.
    Written,
    /// The client had gone.
    ClientGone,
    /// The engine gave it up: a write timeout, or the end of a drain.
    Cancelled,
}

impl Ending {
    const fn mark(self) -> MarkKind {
        match self {
            Ending::Written => MarkKind::WriteLast,
            Ending::ClientGone => MarkKind::ClientGone,
            Ending::Cancelled => MarkKind::Cancelled,
        }
    }
}

/// Why a request was kept. Several may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepReasons(u8);

impl KeepReasons {
    /// None: not kept.
    pub const NONE: KeepReasons = KeepReasons(0);
    /// Every request is.
    pub const ALL: KeepReasons = KeepReasons(1);
    /// Its total was past its route's threshold.
    pub const SLOW: KeepReasons = KeepReasons(1 << 1);
    /// Its reply was encoded after its deadline.
    pub const DEADLINE_MISSED: KeepReasons = KeepReasons(1 << 2);
    /// It was answered with a 5xx.
    pub const SERVER_ERROR: KeepReasons = KeepReasons(1 << 3);
    /// A step panicked.
    pub const PANICKED: KeepReasons = KeepReasons(1 << 4);
    /// The client had gone before the reply had.
    pub const CLIENT_GONE: KeepReasons = KeepReasons(1 << 5);
    /// The engine gave it up without a whole reply.
    pub const CANCELLED: KeepReasons = KeepReasons(1 << 6);
    /// It had more marks than there is room for.
    pub const MARK_OVERFLOW: KeepReasons = KeepReasons(1 << 7);

    /// Whether all of `reasons` hold.
    pub const fn contains(self, reasons: KeepReasons) -> bool {
        self.0 & reasons.0 == reasons.0
    }

    /// Whether none holds.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn add(&mut self, reason: KeepReasons, holds: bool) {
        if holds {
            self.0 |= reason.0;
        }
    }

    /// The reasons' names, but for [`ALL`](KeepReasons::ALL), which says nothing.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        const NAMES: [(KeepReasons, &str); 7] = [
            (KeepReasons::SLOW, "slow"),
            (KeepReasons::DEADLINE_MISSED, "deadline missed"),
            (KeepReasons::SERVER_ERROR, "server error"),
            (KeepReasons::PANICKED, "panic"),
            (KeepReasons::CLIENT_GONE, "client gone"),
            (KeepReasons::CANCELLED, "cancelled"),
            (KeepReasons::MARK_OVERFLOW, "mark overflow"),
        ];
        NAMES
            .into_iter()
            .filter(move |(reason, _)| self.contains(*reason))
            .map(|(_, name)| name)
    }
}

/// What is left of a request once its reply is encoded: it travels with the reply's bytes.
#[derive(Debug)]
pub struct Departure {
    sums: StageSums,
    started_at: Nanos,
    /// Up to when the totals reach: since encode, or since release.
    charged_until: Nanos,
    is_released: bool,
    is_on: bool,
    reasons: KeepReasons,
    route: Option<u16>,
    status: u16,
    method: &'static str,
    request_id: u64,
    deadline: Nanos,
    slow_after: Nanos,
    end_offset: u64,
    overflow_count: u32,
    kept: Option<Box<KeptRecord>>,
}

impl Departure {
    /// Where its reply ends, counted in bytes since the connection's first.
    pub fn end_offset(&self) -> u64 {
        self.end_offset
    }

    /// All earlier replies of the connection are encoded `at`: the wait for the socket begins.
    pub fn release(&mut self, at: Nanos) {
        debug_assert!(!self.is_released, "a reply is released once");
        self.charge(Stage::Hold, at);
        self.is_released = true;
        self.mark(MarkKind::Released, at);
    }

    /// The send that holds the reply's first byte was submitted `at`.
    pub fn write_first(&mut self, at: Nanos) {
        self.charge(Stage::Write, at);
        self.mark(MarkKind::WriteFirst, at);
    }

    /// What each stage has had so far, in nanoseconds.
    pub fn stage_sums(&self) -> &StageSums {
        &self.sums
    }

    /// The time from the request's first byte to the latest call.
    pub fn total(&self) -> Nanos {
        self.charged_until.since(self.started_at)
    }

    fn end(&mut self, ending: Ending, at: Nanos) {
        let stage = if self.is_released {
            Stage::Write
        } else {
            Stage::Hold
        };
        self.charge(stage, at);
        self.mark(ending.mark(), at);
    }

    fn charge(&mut self, stage: Stage, at: Nanos) {
        if self.is_on {
            let elapsed = at.since(self.charged_until);
            self.sums[stage as usize] += elapsed.as_u64();
            self.charged_until += elapsed;
        }
    }

    fn mark(&mut self, kind: MarkKind, at: Nanos) {
        let since_start_ns = at.since(self.started_at).as_u64();
        if let Some(kept) = &mut self.kept {
            kept.push(Mark::new(kind, since_start_ns, 0, 0));
        }
    }
}

/// A request that was kept, as the exporter gets it: a value of fixed size that points to nothing.
#[derive(Clone, Debug)]
pub struct KeptRecord {
    /// The shard it ran on.
    pub shard: u16,
    /// Its number on that shard.
    pub request_id: u64,
    /// Its method.
    pub method: &'static str,
    /// Its route; none where none was found.
    pub route: Option<u16>,
    /// The status of its reply; zero where there is none.
    pub status: u16,
    /// When its first byte was reaped, on the shard's clock.
    pub started_at: Nanos,
    /// Its deadline, on the shard's clock; [`Nanos::NEVER`] for none.
    pub deadline: Nanos,
    /// From which length of time on it counts as slow.
    pub slow_after: Nanos,
    /// What each stage has had, in nanoseconds.
    pub sums: StageSums,
    /// Why it was kept.
    pub reasons: KeepReasons,
    /// How many marks found no room.
    pub overflow_count: u32,
    /// How many records this shard lost since the one before.
    pub dropped_before_count: u32,
    path_len: u32,
    marks_len: u8,
    path: [u8; KeptRecord::PATH_BYTES_MAX],
    marks: [Mark; KeptRecord::MARKS_MAX],
}

impl KeptRecord {
    /// How much of a path is kept.
    pub const PATH_BYTES_MAX: usize = 160;

    /// A timeline's marks, and those of hold and write.
    const MARKS_MAX: usize = Timeline::MARKS_MAX + 4;

    fn empty() -> KeptRecord {
        KeptRecord {
            shard: 0,
            request_id: 0,
            method: "",
            route: None,
            status: 0,
            started_at: Nanos::ZERO,
            deadline: Nanos::NEVER,
            slow_after: Nanos::NEVER,
            sums: [0; Stage::COUNT],
            reasons: KeepReasons::NONE,
            overflow_count: 0,
            dropped_before_count: 0,
            path_len: 0,
            marks_len: 0,
            path: [0; KeptRecord::PATH_BYTES_MAX],
            marks: [Mark::new(MarkKind::ReadFirst, 0, 0, 0); KeptRecord::MARKS_MAX],
        }
    }

    /// The raw path, or its first [`PATH_BYTES_MAX`](KeptRecord::PATH_BYTES_MAX) bytes; empty where
    /// only the totals were kept.
    pub fn path(&self) -> &[u8] {
        &self.path[..(self.path_len as usize).min(KeptRecord::PATH_BYTES_MAX)]
    }

    /// Whether the path was longer than what was kept of it.
    pub fn is_path_cut(&self) -> bool {
        self.path_len as usize > KeptRecord::PATH_BYTES_MAX
    }

    /// The marks; empty where only the totals were kept.
    pub fn marks(&self) -> &[Mark] {
        &self.marks[..usize::from(self.marks_len)]
    }

    /// The request's whole time.
    pub fn total_ns(&self) -> u64 {
        self.sums.iter().sum()
    }

    /// Checks the law on the whole request; see [`law`].
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self) -> Result<(), Violation> {
        if self.marks_len == 0 {
            return Ok(());
        }
        law(Tiling {
            marks: self.marks(),
            overflow_count: self.overflow_count,
            sums: &self.sums,
            until_ns: self.total_ns(),
            stage: None,
        })
    }

    fn push(&mut self, mark: Mark) {
        // A reply is released, begun and ended once each; the room is there for them.
        if let Some(slot) = self.marks.get_mut(usize::from(self.marks_len)) {
            *slot = mark;
            self.marks_len += 1;
        }
    }

    fn fill(&mut self, timeline: &Timeline, path: &[u8]) {
        let marks = timeline.marks();
        self.marks[..marks.len()].copy_from_slice(marks);
        self.marks_len = marks.len() as u8;
        let kept_bytes = path.len().min(KeptRecord::PATH_BYTES_MAX);
        self.path[..kept_bytes].copy_from_slice(&path[..kept_bytes]);
        self.path_len = u32::try_from(path.len()).unwrap_or(u32::MAX);
    }

    fn label(&mut self, departure: &Departure, shard: u16) {
        self.shard = shard;
        self.request_id = departure.request_id;
        self.method = departure.method;
        self.route = departure.route;
        self.status = departure.status;
        self.started_at = departure.started_at;
        self.deadline = departure.deadline;
        self.slow_after = departure.slow_after;
        self.sums = departure.sums;
        self.reasons = departure.reasons;
        self.overflow_count = departure.overflow_count;
    }
}

impl Recorder {
    /// A recorder for `shard`. Everything it will ever need is allocated here.
    pub(super) fn new(
        shard: u16,
        config: &RecorderConfig,
        outbox: rtrb::Producer<KeptRecord>,
        ringer: Ringer,
    ) -> Recorder {
        let pool_len = match config.mode {
            TraceMode::Off => 0,
            TraceMode::All | TraceMode::Slow => config.kept_in_flight_max,
        };
        Recorder {
            mode: config.mode,
            shard,
            outbox,
            ringer,
            pool: (0..pool_len)
                .map(|_| Box::new(KeptRecord::empty()))
                .collect(),
            dropped_since_count: 0,
            stats: RecorderStats::default(),
        }
    }

    /// Whether marks are wanted: what [`Timeline::start`] is told.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.mode != TraceMode::Off
    }

    /// Folds a request whose reply is encoded; its timeline can be started anew right away.
    ///
    /// Where the request is to be kept by what is known now, its marks are copied.
    pub fn fold(&mut self, timeline: &Timeline, exchange: &Exchange<'_>) -> Departure {
        let mut departure = Departure {
            sums: *timeline.stage_sums(),
            started_at: timeline.started_at(),
            charged_until: timeline.summed_until(),
            is_released: false,
            is_on: timeline.is_on(),
            reasons: KeepReasons::NONE,
            route: exchange.route,
            status: exchange.status,
            method: exchange.method,
            request_id: exchange.request_id,
            deadline: exchange.deadline,
            slow_after: exchange.slow_after,
            end_offset: exchange.end_offset,
            overflow_count: timeline.overflow_count(),
            kept: None,
        };
        if timeline.is_on() {
            if cfg!(debug_assertions)
                && let Err(violation) = law(timeline.tiling())
            {
                panic!(
                    "the law of the timeline is broken: {violation}: {:?}",
                    timeline.marks()
                );
            }
            self.judge(&mut departure, timeline);
            if !departure.reasons.is_empty() {
                self.keep_marks(&mut departure, timeline, exchange.path);
            }
        }
        departure
    }

    /// Ends a request that was folded: its last byte is sent, or never will be.
    pub fn finish(&mut self, mut departure: Departure, ending: Ending, at: Nanos) {
        if !departure.is_on {
            return;
        }
        departure.end(ending, at);
        self.record(departure, ending);
    }

    /// Ends a request that never came to a reply.
    pub fn abandon(
        &mut self,
        timeline: &mut Timeline,
        exchange: &Exchange<'_>,
        ending: Ending,
        at: Nanos,
    ) {
        debug_assert!(
            ending != Ending::Written,
            "what was never encoded was never written"
        );
        if !timeline.is_on() {
            return;
        }
        let mut departure = self.fold(timeline, exchange);
        departure
            .reasons
            .add(KeepReasons::CLIENT_GONE, ending == Ending::ClientGone);
        departure
            .reasons
            .add(KeepReasons::CANCELLED, ending == Ending::Cancelled);
        if departure.kept.is_none() {
            self.keep_marks(&mut departure, timeline, exchange.path);
        }
        departure.charge(timeline.stage(), at);
        departure.mark(ending.mark(), at);
        self.record(departure, ending);
    }

    /// What has been counted.
    pub fn stats(&self) -> RecorderStats {
        self.stats
    }

    /// The reasons that can be known once the reply is encoded.
    fn judge(&mut self, departure: &mut Departure, timeline: &Timeline) {
        let panicked = || {
            timeline
                .marks()
                .iter()
                .any(|mark| mark.kind() == MarkKind::Panicked)
        };
        let reasons = &mut departure.reasons;
        reasons.add(KeepReasons::ALL, self.mode == TraceMode::All);
        reasons.add(KeepReasons::SERVER_ERROR, departure.status >= 500);
        reasons.add(
            KeepReasons::DEADLINE_MISSED,
            timeline.summed_until() > departure.deadline,
        );
        reasons.add(KeepReasons::MARK_OVERFLOW, departure.overflow_count > 0);
        // A panic answers 500, so that only those need be looked through.
        reasons.add(KeepReasons::PANICKED, departure.status >= 500 && panicked());
        let total = timeline.summed_until().since(timeline.started_at());
        reasons.add(KeepReasons::SLOW, total > departure.slow_after);
        self.stats.overflow_count += u64::from(departure.overflow_count);
    }

    fn keep_marks(&mut self, departure: &mut Departure, timeline: &Timeline, path: &[u8]) {
        let Some(mut record) = self.pool.pop() else {
            return;
        };
        record.fill(timeline, path);
        departure.kept = Some(record);
    }

    fn record(&mut self, mut departure: Departure, ending: Ending) {
        self.stats.finished_count += 1;
        let total = departure.total();
        let reasons = &mut departure.reasons;
        reasons.add(KeepReasons::SLOW, total > departure.slow_after);
        reasons.add(KeepReasons::CLIENT_GONE, ending == Ending::ClientGone);
        reasons.add(KeepReasons::CANCELLED, ending == Ending::Cancelled);
        if departure.reasons.is_empty() {
            return;
        }
        self.stats.kept_count += 1;
        match departure.kept.take() {
            Some(mut record) => {
                record.label(&departure, self.shard);
                self.send(&mut record);
                self.pool.push(record);
            }
            None => {
                self.stats.without_marks_count += 1;
                let mut record = KeptRecord::empty();
                record.label(&departure, self.shard);
                self.send(&mut record);
            }
        }
    }

    fn send(&mut self, record: &mut KeptRecord) {
        if cfg!(debug_assertions)
            && let Err(violation) = record.check()
        {
            panic!(
                "the law of the timeline is broken: {violation}: {:?}",
                record.marks()
            );
        }
        record.dropped_before_count = self.dropped_since_count;
        match self.outbox.push(record.clone()) {
            Ok(()) => {
                self.dropped_since_count = 0;
                self.ringer.ring();
            }
            Err(rtrb::PushError::Full(_)) => {
                self.dropped_since_count = self.dropped_since_count.saturating_add(1);
                self.stats.dropped_count += 1;
            }
        }
    }
}
