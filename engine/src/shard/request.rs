//! One request of a shard, from its complete head to its encoded reply.

use cutaway_reactor::Ticket;
use cutaway_scheduler::{ClassId, Nanos, TimerKey};

use crate::ctx::Context;
use crate::effect::sqlite::{JobHandle, SqlFinished};
use crate::http::{Head, Method, Version};
use crate::timeline::Timeline;

/// Where a request stands between its transitions.
#[derive(Debug)]
pub(super) enum Phase {
    /// In the ready queue, or about to be.
    Ready,
    /// Its effect is under way.
    Parked(Parked),
    /// Its effect has ended; the result is decoded when its turn to run comes.
    Resuming(Box<SqlFinished>),
    /// Its reply has been encoded. Only the ticket is kept, until its job comes back: what a worker
    /// holds is never freed under it.
    Answered,
}

/// What a parked request waits for.
#[derive(Debug)]
pub(super) struct Parked {
    pub resource: u16,
    pub job: JobHandle,
    pub timer: Option<TimerKey>,
}

/// A request's slot: reused, so that a warm shard allocates nothing for a request.
pub(super) struct Request {
    pub context: Context,
    pub timeline: Timeline,
    pub connection: Ticket,
    pub phase: Phase,
    /// Index of its route; none where no route matched.
    pub route: Option<u16>,
    pub class: ClassId,
    pub deadline: Nanos,
    pub method: Method,
    pub version: Version,
    pub keep_alive: bool,
    pub sequence: u64,
}
