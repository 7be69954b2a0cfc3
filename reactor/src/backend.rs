//! What a shard runs on: a ring, a clock and ports to workers that belong together.
//!
//! The shard is generic over this one trait, so that the code under simulation is the code that
//! serves.

use cutaway_scheduler::{Clock, Nanos};

use crate::clock::RealClock;
use crate::port::WorkerPort;
use crate::ring::Ring;
use crate::uring::Uring;
use crate::worker::ThreadPort;

/// A family of parts that share one notion of time.
pub trait Backend: 'static {
    /// What receives and sends.
    type Ring: Ring;
    /// What tells the time; timers of the ring are set on it.
    type Clock: Clock;
    /// What takes blocking jobs.
    type Port<J: Send + 'static>: WorkerPort<J>;

    /// The wall clock: nanoseconds since 1970-01-01 00:00:00 UTC. For dates only; it may jump.
    fn unix_now(clock: &Self::Clock) -> Nanos;
}

/// The kernel's ring, the machine's clock, threads.
#[derive(Clone, Copy, Debug)]
pub struct Real;

impl Backend for Real {
    type Ring = Uring;
    type Clock = RealClock;
    type Port<J: Send + 'static> = ThreadPort<J>;

    fn unix_now(_: &RealClock) -> Nanos {
        RealClock::unix_now()
    }
}
