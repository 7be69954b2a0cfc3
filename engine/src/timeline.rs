//! Where all of a request's time went.
//!
//! ```text
//! Timeline ──fold at encode──▶ Departure ──finish──▶ Recorder ──bounded ring──▶ Exporter ──▶ render
//!  in the request's slot        with its bytes        one a shard                a thread      text
//! ```
//!
//! A request's life is a row of [`Mark`]s, each a moment. Each kind of mark names the [`Stage`] it
//! leaves and the one it enters, so that the stages tile the time from the first byte reaped to the
//! completion of the last write, without gap or overlap; [`law`] checks it. Durations are not stored:
//! each is defined once, as a pair of marks, in [`spans`].
//!
//! Nothing here reads a clock, starts a thread or touches a socket: every function is handed the
//! time. Only [`Exporter::run`] blocks, on a thread the server starts for it.

mod departure;
mod exporter;
mod kept;
mod law;
mod mark;
mod print;
mod recorder;
mod span;

use cutaway_scheduler::Nanos;

pub use departure::{Departure, Ending, Exchange, Story, Why, half_of};
pub use exporter::{Exporter, ExporterStats};
pub use kept::{KeepReasons, KeptRecord};
pub use law::{Tiling, Violation, law};
pub use mark::{Change, Mark, MarkKind, Stage};
pub use print::{Names, render};
pub use recorder::{Recorder, RecorderConfig, RecorderStats, TraceMode, UnknownTraceMode};
pub use span::{Span, SpanKind, spans};

/// The running totals of a request's time, one a [`Stage`].
pub type StageSums = [u64; Stage::COUNT];

/// The marks of one request under way, and how much of its time each stage has had.
///
/// It lives in the request's slot of the shard's table, not in the request's arena: a slot is
/// allocated once and reused, so that a mark is two stores to a fixed place, with no pointer to chase
/// and no lifetime; and the marks outlast the arena, which is reset before the reply has left.
///
/// # Bounds
/// [`MARKS_MAX`](Timeline::MARKS_MAX) marks. Those beyond are counted and lost; the totals go on, so
/// that an overflow costs detail and never the law.
///
/// # Complexity
/// A mark is some ten instructions, none of which reads a clock. Switched off, it is one branch.
#[derive(Debug)]
pub struct Timeline {
    started_at: Nanos,
    /// Up to when the totals reach.
    charged_ns: u64,
    stage: Stage,
    is_on: bool,
    len: u8,
    overflow_count: u32,
    sums: StageSums,
    marks: [Mark; Timeline::MARKS_MAX],
}

impl Timeline {
    /// How many marks one request can keep.
    pub const MARKS_MAX: usize = 64;

    /// A timeline that stamps nothing until [`start`](Timeline::start) switches it on.
    pub fn new() -> Timeline {
        Timeline {
            started_at: Nanos::ZERO,
            charged_ns: 0,
            stage: Stage::Read,
            is_on: false,
            len: 0,
            overflow_count: 0,
            sums: [0; Stage::COUNT],
            marks: [Mark::new(MarkKind::ReadFirst, 0, 0, 0); Timeline::MARKS_MAX],
        }
    }

    /// Begins a request: its first byte was reaped `at`. Forgets the slot's last tenant.
    ///
    /// With `is_on` false nothing is stamped until the next start.
    #[inline]
    pub fn start(&mut self, at: Nanos, is_on: bool) {
        self.started_at = at;
        self.charged_ns = 0;
        self.stage = Stage::Read;
        self.is_on = is_on;
        self.overflow_count = 0;
        self.sums = [0; Stage::COUNT];
        self.marks[0] = Mark::new(MarkKind::ReadFirst, 0, 0, 0);
        self.len = u8::from(is_on);
    }

    /// Puts down that `kind` happened `at`. What `which` and `argument` are, [`MarkKind`] says.
    ///
    /// The time since the mark before goes to the stage that ends (or goes on) here. A moment before
    /// the last one is put down as it is, for the law to find, but the totals never run backward.
    #[inline(always)]
    pub fn stamp(&mut self, kind: MarkKind, at: Nanos, which: u8, argument: u64) {
        if !self.is_on {
            return;
        }
        let since_start_ns = at.since(self.started_at).as_u64();
        match kind.change() {
            Change::Opens(stage) | Change::Enters(stage) => {
                self.charge(since_start_ns);
                self.stage = stage;
            }
            Change::Ends => self.charge(since_start_ns),
            Change::Detail => {}
        }
        match self.marks.get_mut(usize::from(self.len)) {
            Some(slot) => {
                *slot = Mark::new(kind, since_start_ns, which, argument);
                self.len += 1;
            }
            None => self.overflow_count += 1,
        }
    }

    #[inline(always)]
    fn charge(&mut self, since_start_ns: u64) {
        let elapsed_ns = since_start_ns.saturating_sub(self.charged_ns);
        self.sums[self.stage as usize] += elapsed_ns;
        self.charged_ns += elapsed_ns;
    }

    /// When the request's first byte was reaped.
    pub fn started_at(&self) -> Nanos {
        self.started_at
    }

    /// The stage the request is in.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether marks are stamped.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// What each stage has had up to the latest mark that was no detail.
    ///
    /// # Units
    /// Nanoseconds, indexed by [`Stage`].
    pub fn stage_sums(&self) -> &StageSums {
        &self.sums
    }

    /// The marks that found room.
    pub fn marks(&self) -> &[Mark] {
        &self.marks[..usize::from(self.len)]
    }

    /// How many marks found no room.
    pub fn overflow_count(&self) -> u32 {
        self.overflow_count
    }

    /// Up to when the stages are summed.
    pub fn summed_until(&self) -> Nanos {
        self.started_at + Nanos(self.charged_ns)
    }

    /// What the law is checked on, as far as the request has come.
    pub fn tiling(&self) -> Tiling<'_> {
        Tiling {
            marks: self.marks(),
            overflow_count: self.overflow_count,
            sums: &self.sums,
            until_ns: self.charged_ns,
            stage: Some(self.stage),
        }
    }
}

impl Default for Timeline {
    fn default() -> Timeline {
        Timeline::new()
    }
}

#[cfg(test)]
mod tests;
