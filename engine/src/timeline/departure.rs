//! What is left of a request between its encoding and its last byte.

use cutaway_scheduler::Nanos;

use crate::timeline::StageSums;
use crate::timeline::kept::{KeepReasons, KeptRecord};
use crate::timeline::mark::{Mark, MarkKind, Stage};

/// What is left of a request once its reply is encoded: it travels with the reply's bytes.
#[derive(Debug)]
pub struct Departure {
    pub(super) sums: StageSums,
    pub(super) started_at: Nanos,
    /// Up to when the totals reach: since encode, or since release.
    pub(super) charged_until: Nanos,
    pub(super) is_released: bool,
    pub(super) is_on: bool,
    pub(super) reasons: KeepReasons,
    pub(super) route: Option<u16>,
    pub(super) status: u16,
    pub(super) method: &'static str,
    pub(super) request_id: u64,
    pub(super) deadline: Nanos,
    pub(super) slow_after: Nanos,
    pub(super) end_offset: u64,
    pub(super) overflow_count: u32,
    pub(super) kept: Option<Box<KeptRecord>>,
}

impl Departure {
    /// The number of its request on its shard.
    pub fn request_id(&self) -> u64 {
        self.request_id
    }

    /// The stage it is in: held behind earlier replies, or on its way out.
    pub fn stage(&self) -> Stage {
        if self.is_released {
            Stage::Write
        } else {
            Stage::Hold
        }
    }

    /// Where its reply ends, counted in bytes since the connection's first; zero until it is released.
    pub fn end_offset(&self) -> u64 {
        self.end_offset
    }

    /// All earlier replies of the connection are encoded `at`: this one's place among the bytes is
    /// settled, and the wait for the socket begins.
    pub fn release(&mut self, at: Nanos, end_offset: u64) {
        debug_assert!(!self.is_released, "a reply is released once");
        self.charge(Stage::Hold, at);
        self.is_released = true;
        self.end_offset = end_offset;
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

    pub(super) fn end(&mut self, ending: Ending, at: Nanos) {
        self.charge(self.stage(), at);
        self.mark(ending.mark(), at);
    }

    pub(super) fn charge(&mut self, stage: Stage, at: Nanos) {
        if self.is_on {
            let elapsed = at.since(self.charged_until);
            self.sums[stage as usize] += elapsed.as_u64();
            self.charged_until += elapsed;
        }
    }

    pub(super) fn mark(&mut self, kind: MarkKind, at: Nanos) {
        let since_start_ns = at.since(self.started_at).as_u64();
        if let Some(kept) = &mut self.kept {
            kept.push(Mark::new(kind, since_start_ns, 0, 0));
        }
    }
}

/// What a request was, as far as its timeline needs to say it.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    /// Its number on this shard.
    pub request_id: u64,
    /// Its method, as it stood in the request; empty where it could not be read.
    pub method: &'static str,
    /// Its path, raw.
    pub path: &'a [u8],
    /// Its route; none where it could not be read.
    pub route: Option<u16>,
    /// The status of its reply; zero where there is none.
    pub status: u16,
    /// The moment by which the reply had to be encoded; [`Nanos::NEVER`] for none.
    pub deadline: Nanos,
    /// The length of time from which it counts as slow; [`half_of`] its deadline unless its route
    /// says otherwise.
    pub slow_after: Nanos,
    /// Whether something of the program's has panicked in it.
    pub has_panicked: bool,
    /// What else there is to tell of it.
    pub story: &'a dyn Story,
}

impl Exchange<'_> {
    /// Whether it ended with a 5xx that is not its client's doing. What could not be read has no route:
    /// that its method or its version is not known here (501, 505) says nothing of the server, and
    /// anybody could fill the trace with it.
    pub(super) fn is_server_error(&self) -> bool {
        self.status >= 500 && (self.route.is_some() || self.has_panicked)
    }
}

/// What can be told of a request, where its timeline is kept; nobody asks of the others.
pub trait Story {
    /// Its id; none where nobody has asked for it.
    fn id(&self) -> Option<&str>;

    /// Why it has failed; none where it did not.
    fn why(&self) -> Option<Why<'_>>;
}

/// Of a request without an id that has not failed.
impl Story for () {
    fn id(&self) -> Option<&str> {
        None
    }

    fn why(&self) -> Option<Why<'_>> {
        None
    }
}

/// A failure in the program's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why<'a> {
    /// What it is about: a word of the program's, or a step's name.
    pub what: &'static str,
    /// Which one of those, or a message.
    pub key: &'a str,
}

/// Half of a relative deadline: the default of what counts as slow. Never, where there is none.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::timeline::half_of;
///
/// assert_eq!(half_of(50.millis().into()), 25.millis().into());
/// ```
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
    /// The mark that says so.
    pub const fn mark(self) -> MarkKind {
        match self {
            Ending::Written => MarkKind::WriteLast,
            Ending::ClientGone => MarkKind::ClientGone,
            Ending::Cancelled => MarkKind::Cancelled,
        }
    }
}
