//! The simulated ring: a machine, a network and its clients behind the seam of the real one.
//!
//! ```text
//!   shard ── SimRing ──┐                       ┌── SimClient ── test
//!         ── SimPort ──┤  World: virtual time, ├── SimNet
//!                      │  kernel, buffers,     │
//!                      └─ network, faults, log ┘
//! ```
//!
//! Everything happens at a moment of virtual time that the seed decides: operations of different
//! sockets complete in any order, a socket's bytes stay in theirs. Each concern (latency, order,
//! network, every fault) draws from a stream of its own. Whatever passes the seam goes into a
//! running hash, so two runs of one seed can be compared.
//!
//! # What is always checked
//! A broken rule panics with the seed, the moment and a sentence:
//! 1. A lease is given back once, and before the next [`enter`](Ring::enter).
//! 2. The kernel never receives into a buffer that somebody holds.
//! 3. One receive and one send per socket, one accept per listener; a send has something to send.
//! 4. Nothing is asked of a closed socket, and a socket is closed only after its receive and its
//!    send have ended.
//! 5. A completion meets the operation it belongs to, or none.
//! 6. A shard does not block while a finished job waits for it, nor without having told a worker
//!    that runs one ([`prepare_sleep`](crate::WorkerPort::prepare_sleep)).
//! 7. At the end ([`SimNet::check_drained`]) no operation, buffer, socket or job is left.
//!
//! # What it does not know
//! Threads, real sockets, files and the host executor.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;

use cutaway_scheduler::{Clock, ManualClock, Nanos};

use crate::backend::Backend;
use crate::ring::{
    Completion, Lease, ListenerId, Owner, Received, Ring, RingStats, SendBuffer, Socket,
};

mod buffers;
mod completion;
mod event;
mod fault;
mod kernel;
mod log;
mod net;
mod network;
mod operation;
mod port;
mod random;
mod world;

pub use fault::{Fault, FaultCounts, FaultPlan};
pub use net::{SimClient, SimNet};
pub use network::ClientEnd;
pub use port::{SimPort, WorkClock};
pub use random::Stream;

use kernel::Submission;
use world::World;

/// The family of parts that a simulated shard runs on.
#[derive(Debug)]
pub struct Simulated;

impl Backend for Simulated {
    type Ring = SimRing;
    type Clock = ManualClock;
    type Port<J: Send + 'static> = SimPort<J>;

    /// The simulation's world began in 1970.
    fn unix_now(clock: &ManualClock) -> Nanos {
        clock.now()
    }
}

/// What a simulation is made of. The seed decides all that this leaves open.
///
/// ```
/// use cutaway_reactor::sim::{Fault, FaultPlan, SimConfig};
///
/// let faults = FaultPlan::none().with(Fault::ShortReceive, 300);
/// let config = SimConfig { faults, files_max: 8, ..SimConfig::new(17) };
/// assert_eq!((config.seed, config.is_still), (17, false));
/// assert!(SimConfig::still(17).is_still);
/// ```
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Decides every draw. The same seed gives the same run.
    pub seed: u64,
    /// Which faults strike, and how often. Default: none.
    pub faults: FaultPlan,
    /// Provided buffers. Default 16: few enough to run out of.
    pub buffers_count: u16,
    /// Size of a provided buffer. Default 2048.
    pub buffer_bytes: usize,
    /// Entries of the completion queue. Default 64: few enough to overflow.
    pub completions_max: usize,
    /// Descriptors of the process; above it an accept ends with `EMFILE`. Default 1024.
    pub files_max: usize,
    /// Send buffer of a socket of the server. Default 16384: a large body meets its bound.
    pub send_buffer_bytes: usize,
    /// Receive buffer of a socket of the server. Default 65536.
    pub receive_buffer_bytes: usize,
    /// What a client that does not read takes in. Default 8192.
    pub client_window_bytes: usize,
    /// Below this most latencies of kernel, network and workers lie; one in twenty reaches ten
    /// times as far. Default 100 µs.
    pub latency_max: Nanos,
    /// Whether the machine stands still while nobody takes time: nothing has a latency, an `enter`
    /// costs nothing, bytes arrive as they were sent, and what falls on one moment happens in the
    /// order in which it was brought about. Default no.
    pub is_still: bool,
    /// Whether the log is kept as text too. Default no.
    pub keeps_text: bool,
}

impl SimConfig {
    /// The usual machine, without faults.
    pub fn new(seed: u64) -> SimConfig {
        SimConfig {
            seed,
            faults: FaultPlan::none(),
            buffers_count: 16,
            buffer_bytes: 2048,
            completions_max: 64,
            files_max: 1024,
            send_buffer_bytes: 16 << 10,
            receive_buffer_bytes: 64 << 10,
            client_window_bytes: 8 << 10,
            latency_max: Nanos::from_micros(100),
            is_still: false,
            keeps_text: false,
        }
    }

    /// A machine without a time of its own: what takes time is what a job or a step takes. There
    /// every length is exact.
    pub fn still(seed: u64) -> SimConfig {
        SimConfig {
            latency_max: Nanos::ZERO,
            is_still: true,
            ..SimConfig::new(seed)
        }
    }
}

/// The simulated ring; [`SimNet::ring`] makes it.
///
/// # Ordering
/// As the real one: operations start at the next `enter` in the order in which they were submitted,
/// completions become visible by `enter` only (`DEFER_TASKRUN`).
///
/// # Panics
/// Every method does where it breaks one of the rules at the head of this module.
pub struct SimRing {
    world: Rc<RefCell<World>>,
    /// A copy of each lease's bytes, since a borrow of the world cannot be handed out.
    leased: Vec<Vec<u8>>,
}

impl SimRing {
    /// How often each fault has struck.
    pub fn fault_counts(&self) -> FaultCounts {
        self.world.borrow().faults.counts()
    }

    /// The hash over everything that has passed so far.
    pub fn log_hash(&self) -> u64 {
        self.world.borrow().log.hash()
    }

    /// The clock that the ring's time is.
    pub fn clock(&self) -> ManualClock {
        self.world.borrow().clock.clone()
    }

    fn new(world: Rc<RefCell<World>>) -> SimRing {
        let buffers = usize::from(world.borrow().config.buffers_count);
        SimRing {
            world,
            leased: vec![Vec::new(); buffers],
        }
    }

    fn queue(&self, name: &str, submission: Submission) {
        self.world.borrow_mut().submit(name, 0, submission);
    }
}

impl Ring for SimRing {
    fn accept(&mut self, listener: ListenerId, owner: Owner) {
        self.world.borrow_mut().accept(listener, owner);
    }

    fn stop_accept(&mut self, listener: ListenerId) {
        self.world.borrow_mut().stop_accept(listener);
    }

    fn recv(&mut self, socket: &Socket, owner: Owner) {
        self.world.borrow_mut().receive(socket, owner);
    }

    fn stop_recv(&mut self, socket: &Socket) {
        self.world.borrow_mut().stop_receive(socket);
    }

    fn send(&mut self, socket: &Socket, owner: Owner, buffer: SendBuffer) {
        self.world.borrow_mut().send(socket, owner, buffer);
    }

    fn shutdown_write(&mut self, socket: &Socket) {
        self.world.borrow_mut().shutdown_write(socket);
    }

    fn close(&mut self, socket: Socket, owner: Owner) {
        self.world.borrow_mut().close(&socket, owner);
    }

    fn heartbeat(&mut self, period: Option<Nanos>) {
        self.queue("heartbeat set", Submission::Heartbeat(period));
    }

    fn timer(&mut self, at: Option<Nanos>) {
        self.queue("timer set", Submission::Timer(at));
    }

    fn bytes(&self, lease: &Lease) -> &[u8] {
        &self.leased[usize::from(lease.buffer)]
    }

    fn release(&mut self, lease: Lease) {
        self.leased[usize::from(lease.buffer)].clear();
        self.world.borrow_mut().release(&lease);
    }

    fn enter(&mut self, want: u32) -> io::Result<()> {
        world::enter(&self.world, want);
        Ok(())
    }

    fn pop(&mut self) -> Option<Completion> {
        let mut world = self.world.borrow_mut();
        let completion = world.pop()?;
        if let Completion::Received {
            received: Received::Bytes(lease),
            ..
        } = &completion
        {
            let bytes = &world.buffers.bytes(lease.buffer)[..lease.len_bytes()];
            self.leased[usize::from(lease.buffer)].extend_from_slice(bytes);
        }
        Some(completion)
    }

    fn ready_count(&self) -> usize {
        self.world.borrow().completions.visible_count()
    }

    fn is_flushed(&mut self) -> bool {
        self.world.borrow().is_flushed()
    }

    fn stats(&self) -> RingStats {
        self.world.borrow().stats
    }
}

impl fmt::Debug for SimRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = self.world.borrow();
        formatter
            .debug_struct("SimRing")
            .field("seed", &world.config.seed)
            .field("now", &world.now())
            .field("stats", &world.stats)
            .finish_non_exhaustive()
    }
}
