//! The ring, its simulation, tickets and blocking workers.

pub mod backend;
pub mod planted;
pub mod port;
pub mod ring;
pub mod sim;
pub mod ticket;
#[expect(unsafe_code, reason = "creates an eventfd")]
mod waker;
pub mod worker;

pub use backend::Backend;
pub use port::{Finished, Handler, Outcome, Publish, WorkerPort};
pub use ring::{
    Completion, Errno, Lease, ListenerId, Owner, Received, Ring, RingStats, SendBuffer, Socket,
};
pub use ticket::Ticket;
pub use waker::Waker;
pub use worker::Placement;
