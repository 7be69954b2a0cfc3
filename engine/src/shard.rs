//! The shard: the only loop of the engine.
//!
//! ```text
//! host ── turn ──┬─ enter the ring (the one syscall)
//!                ├─ intake:  bytes → requests → ready queue
//!                ├─ run:     ready queue → steps → reply, or parked
//!                ├─ park:    effects → workers, timers; completions → ready queue
//!                └─ outlet:  replies → sends; receives paused, connections ended
//! ```
//!
//! A shard owns its ring, its connections, its requests and their arenas, its ready queue and its
//! timers. Nothing of it is shared and nothing in it is locked. It is generic over its
//! [`Backend`](cutaway_reactor::Backend), so the code that serves is the code that is simulated.

mod carried;
mod connection;
mod core;
#[expect(
    unsafe_code,
    reason = "an eventfd passes into the host executor's hands"
)]
pub(crate) mod host;
mod inflow;
mod intake;
mod outlet;
mod park;
mod performer;
mod reply;
mod request;
mod run;
mod spare;
mod stats;
mod store;
mod table;
mod turn;
mod underway;
mod upload;
mod witness;

pub(crate) use self::core::Core;
pub use connection::Close;
pub(crate) use performer::Performer;
pub use stats::ShardStats;
pub use turn::{Shard, Turn};
#[cfg(test)]
pub(crate) use witness::Leak;
pub(crate) use witness::UnderWay;
