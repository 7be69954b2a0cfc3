//! Which requests are kept, and their way off the shard.
//!
//! At encode a request's marks fold into a [`Departure`], because its slot and arena are needed for
//! the next request long before a slow reader has taken the reply. Whether it is kept is decided
//! then, as far as that can be known, so that only a kept request's marks are copied; and once more
//! at its end, when hold and write are known.

use std::fmt;
use std::str::FromStr;

use cutaway_scheduler::Nanos;

use crate::timeline::Timeline;
use crate::timeline::departure::{Departure, Ending, Exchange};
use crate::timeline::exporter::Ringer;
use crate::timeline::kept::{KeepReasons, KeptRecord};
use crate::timeline::law::{Violation, law};
use crate::timeline::mark::Mark;

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
    /// Records sent since the exporter was last told to hurry.
    unannounced_count: usize,
    stats: RecorderStats,
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
            unannounced_count: 0,
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
    ///
    /// # Panics
    /// In a debug build, where the marks break the law.
    pub fn fold(&mut self, timeline: &Timeline, exchange: &Exchange<'_>) -> Departure {
        let (mut reasons, mut kept) = (KeepReasons::NONE, None);
        if timeline.is_on() {
            if cfg!(debug_assertions) {
                uphold(law(timeline.tiling()), timeline.marks());
            }
            reasons = self.judge(timeline, exchange);
            if !reasons.is_empty() {
                kept = self.kept(timeline, exchange);
            }
        }
        Departure {
            sums: *timeline.stage_sums(),
            started_at: timeline.started_at(),
            charged_until: timeline.summed_until(),
            is_released: false,
            is_on: timeline.is_on(),
            reasons,
            route: exchange.route,
            status: exchange.status,
            method: exchange.method,
            request_id: exchange.request_id,
            deadline: exchange.deadline,
            slow_after: exchange.slow_after,
            end_offset: 0,
            overflow_count: timeline.overflow_count(),
            kept,
        }
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
        timeline: &Timeline,
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
            departure.kept = self.kept(timeline, exchange);
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
    fn judge(&mut self, timeline: &Timeline, exchange: &Exchange<'_>) -> KeepReasons {
        let until = timeline.summed_until();
        let total = until.since(timeline.started_at());
        let overflow_count = timeline.overflow_count();
        self.stats.overflow_count += u64::from(overflow_count);
        let mut reasons = KeepReasons::NONE;
        reasons.add(KeepReasons::ALL, self.mode == TraceMode::All);
        reasons.add(KeepReasons::SERVER_ERROR, exchange.is_server_error());
        reasons.add(KeepReasons::DEADLINE_MISSED, until > exchange.deadline);
        reasons.add(KeepReasons::MARK_OVERFLOW, overflow_count > 0);
        reasons.add(KeepReasons::PANICKED, exchange.has_panicked);
        reasons.add(KeepReasons::SLOW, total > exchange.slow_after);
        reasons
    }

    /// A record of the request's marks; none where the pool is empty.
    ///
    /// Out of the way of requests that are not kept.
    #[inline(never)]
    fn kept(&mut self, timeline: &Timeline, exchange: &Exchange<'_>) -> Option<Box<KeptRecord>> {
        let mut record = self.pool.pop()?;
        record.fill(timeline, exchange.path);
        record.name(exchange.story.id(), exchange.story.why());
        Some(record)
    }

    fn record(&mut self, mut departure: Departure, ending: Ending) {
        self.stats.finished_count += 1;
        let total = departure.total();
        debug_assert_eq!(
            departure.stage_sums().iter().sum::<u64>(),
            total.as_u64(),
            "the stages tile the request"
        );
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
        if cfg!(debug_assertions) {
            uphold(record.check(), record.marks());
        }
        record.dropped_before_count = self.dropped_since_count;
        match self.outbox.push(record.clone()) {
            Ok(()) => {
                self.dropped_since_count = 0;
                self.unannounced_count += 1;
                // Half a ring may have piled up between two looks of the exporter: one wake for all of
                // it. Counted here, because asking the ring would touch the exporter's cache line.
                if self.unannounced_count * 2 >= self.outbox.buffer().capacity() {
                    self.unannounced_count = 0;
                    self.ringer.hurry();
                } else {
                    self.ringer.ring();
                }
            }
            Err(rtrb::PushError::Full(_)) => {
                self.dropped_since_count = self.dropped_since_count.saturating_add(1);
                self.stats.dropped_count += 1;
            }
        }
    }
}

/// Every request of a debug build is held to the law; a broken one is a bug of the shard.
fn uphold(law: Result<(), Violation>, marks: &[Mark]) {
    if let Err(violation) = law {
        panic!("the law of the timeline is broken: {violation}: {marks:?}");
    }
}

/// Which requests are kept.
///
/// ```
/// use cutaway::TraceMode;
///
/// assert_eq!("all".parse(), Ok(TraceMode::All));
/// assert_eq!(TraceMode::default(), TraceMode::Slow);
/// assert!("some".parse::<TraceMode>().is_err());
/// ```
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

#[cfg(test)]
mod tests;
