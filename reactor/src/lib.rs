//! The ring, its simulation, tickets and blocking workers.

pub mod backend;
#[expect(unsafe_code, reason = "shares memory with the kernel")]
pub mod buffers;
#[expect(
    unsafe_code,
    reason = "reads the processor's counter and the kernel's clock"
)]
pub mod clock;
mod cores;
pub mod inflight;
pub mod planted;
pub mod port;
pub mod ring;
pub mod sim;
pub mod ticket;
#[expect(unsafe_code, reason = "lends memory to the kernel")]
pub mod uring;
#[expect(unsafe_code, reason = "creates an eventfd")]
mod waker;
pub mod worker;

pub use backend::{Backend, Real};
pub use clock::RealClock;
pub use cores::allowed_cores;
pub use port::{Finished, Handler, Outcome, Publish, WorkerPort};
pub use ring::{
    Completion, Errno, Lease, ListenerId, Owner, Received, Ring, RingStats, SendBuffer, Socket,
};
pub use ticket::Ticket;
pub use uring::{ListenerOptions, Uring, UringError, UringOptions, listen};
pub use waker::Waker;
pub use worker::Placement;
