//! Rings, tickets and blocking workers: everything a shard waits for.
//!
//! An operation is submitted with its operands and the submitter's ticket, and comes back as a
//! completion with both. Nothing runs inside a completion; the shard pops them into its turn.
//!
//! ```text
//!            submit: operands move in              poll: jobs come back
//!   shard ──────────────────────────► ring      shard ◄────────────────── port ◄── worker
//!     ▲   accept recv send close timer  │         └────────────────────────►        thread
//!     └─────────────────────────────────┘            try_submit: jobs go out
//!        pop: completions, operands move back
//! ```
//!
//! - What the kernel or a worker may still touch is owned here, from submission to its last
//!   completion. Cancelling asks for that completion to come soon; it frees nothing.
//! - A completion is for exactly one tenant of one slot. One that comes too late is counted and
//!   dropped.
//! - A receive buffer is the kernel's, or leased for the rest of a turn; never both.
//! - No operation allocates once as many have been in flight before.
//! - [`Ring`], [`WorkerPort`] and the clock belong together as a [`Backend`]: the machine's, or a
//!   simulation of it that replays from a seed.
//!
//! It knows neither HTTP nor SQL nor the executor that hosts the shard: to that it offers an eventfd.

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
pub mod join;
mod payload;
pub mod planted;
pub mod port;
pub mod ring;
mod seed;
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
pub use join::{Join, JoinState, Verdict};
pub use payload::Payload;
pub use port::{Finished, Handler, Outcome, Publish, WorkerPort};
pub use ring::{
    Completion, Errno, Lease, ListenerId, Owner, Received, Ring, RingStats, SendBuffer, Socket,
};
pub use seed::process_seed;
pub use ticket::Ticket;
pub use uring::{ListenerOptions, Uring, UringError, UringOptions, listen};
pub use waker::Waker;
pub use worker::Placement;
