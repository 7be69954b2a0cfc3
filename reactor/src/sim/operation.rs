//! What the ring's table of operations holds, and how the kernel names an entry of it.

use crate::Ticket;
use crate::ring::{Owner, SendBuffer};

/// One operation, from submission until its last completion is popped.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) kind: Kind,
    /// Whose it is.
    pub(super) owner: Owner,
    /// The connection, or for an accept the listener.
    pub(super) target: usize,
    /// What a send sends.
    pub(super) buffer: Option<SendBuffer>,
    /// Counts the operations of a run, so that no two are ever taken for one another.
    pub(super) serial: u64,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Accept,
    Receive,
    Send,
    Close,
}

/// An operation as the kernel knows it: the ticket it will put into completions, and beside it the
/// truth, which a real kernel does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Armed {
    pub(super) ticket: Ticket,
    pub(super) serial: u64,
}
