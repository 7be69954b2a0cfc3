//! The ring, its simulation, tickets and blocking workers.

pub mod ring;
pub mod ticket;
pub mod worker;

pub use ring::{
    Completion, Errno, Lease, ListenerId, Owner, Received, Ring, RingStats, SendBuffer, Socket,
};
pub use ticket::Ticket;
pub use worker::{Finished, Handler, Outcome, Placement, Publish, WorkerPort};
