//! The test's side: it lets clients act and time pass.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use cutaway_scheduler::{ManualClock, Nanos};

use crate::ring::{Errno, ListenerId, Socket};

use super::event::Event;
use super::fault::{Fault, FaultCounts};
use super::kernel::Listener;
use super::network::ClientEnd;
use super::random::Stream;
use super::world::{self, World};
use super::{SimConfig, SimRing};

/// A simulated machine with its network; clones name the same one.
#[derive(Clone)]
pub struct SimNet {
    pub(super) world: Rc<RefCell<World>>,
}

impl SimNet {
    /// A machine at the origin of its time.
    pub fn new(config: SimConfig) -> SimNet {
        SimNet {
            world: Rc::new(RefCell::new(World::new(config))),
        }
    }

    /// The machine's ring. A machine has one shard, so this is called once.
    pub fn ring(&self) -> SimRing {
        SimRing::new(Rc::clone(&self.world))
    }

    /// The machine's clock.
    pub fn clock(&self) -> ManualClock {
        self.world.borrow().clock.clone()
    }

    /// A listener that the ring can accept from.
    pub fn listen(&self) -> ListenerId {
        let mut world = self.world.borrow_mut();
        world.listeners.push(Listener::default());
        ListenerId(world.listeners.len() as u32 - 1)
    }

    /// A client that connects to `listener`. It may send before it is accepted.
    pub fn connect(&self, listener: ListenerId) -> SimClient {
        SimClient {
            world: Rc::clone(&self.world),
            connection: self.world.borrow_mut().connect(listener.0 as usize),
        }
    }

    /// Wakes the ring, as a [`Waker`](crate::Waker) does from another thread.
    pub fn wake(&self) {
        self.world.borrow_mut().wake();
    }

    /// Keeps a waiting `enter` from moving the time past `at`, so that the test can act then.
    /// Without one it waits until something completes.
    pub fn set_horizon(&self, at: Option<Nanos>) {
        self.world.borrow_mut().horizon = at.unwrap_or(Nanos::NEVER);
    }

    /// Lets the next thing happen, moving the time to it. False where nothing would before the
    /// horizon. Its completions still need an `enter` to become visible.
    pub fn step(&self) -> bool {
        world::advance(&self.world, Nanos::NEVER)
    }

    /// The moment of the next thing that happens by itself.
    pub fn next_at(&self) -> Option<Nanos> {
        self.world.borrow().agenda.next_at()
    }

    /// Whether nothing is under way but a heartbeat and a timer: unless the shard or the test acts,
    /// nothing will change any more.
    pub fn is_quiet(&self) -> bool {
        self.world.borrow().is_quiet()
    }

    /// The number of the connection behind a socket that is open; see [`SimClient::connection`].
    pub fn connection_of(&self, socket: &Socket) -> Option<usize> {
        let world = self.world.borrow();
        world.files.get(socket.fd as usize).copied().flatten()
    }

    /// Puts something into the log that the shard decided.
    pub fn note(&self, name: &str, first: u64, second: u64) {
        self.world.borrow_mut().record(name, first, second);
    }

    /// The hash over everything that has passed so far.
    pub fn log_hash(&self) -> u64 {
        self.world.borrow().log.hash()
    }

    /// The log, where [`SimConfig::keeps_text`] asked for it.
    pub fn log_text(&self) -> Option<String> {
        self.world.borrow().log.text().map(str::to_owned)
    }

    /// How often each fault has struck.
    pub fn fault_counts(&self) -> FaultCounts {
        self.world.borrow().faults.counts()
    }

    /// What goes wrong with the disk operation that is about to be made, if anything. The machine
    /// has no disk: whoever simulates one asks here.
    pub fn disk_fault(&self) -> Option<Errno> {
        let mut world = self.world.borrow_mut();
        let fault = [Fault::DiskFull, Fault::DiskFailed]
            .into_iter()
            .find(|&fault| world.faults.strikes(fault))?;
        fault.errno()
    }

    /// The seed's stream for a concern outside the machine.
    ///
    /// # Bounds
    /// The machine's own streams use salts of its own; every `salt` is free for the caller.
    pub fn random(&self, salt: u64) -> Stream {
        Stream::new(!self.world.borrow().config.seed, salt)
    }

    /// Checks that nothing is left: to be called when the shard has ended.
    ///
    /// # Panics
    /// Where an operation, a buffer, a socket or a job is.
    pub fn check_drained(&self) {
        self.world.borrow().check_drained();
    }
}

impl fmt::Debug for SimNet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = self.world.borrow();
        formatter
            .debug_struct("SimNet")
            .field("seed", &world.config.seed)
            .field("now", &world.now())
            .field("connections", &world.connections.len())
            .finish_non_exhaustive()
    }
}

/// The other side of a connection.
///
/// What it does reaches the server after a seeded latency, cut as the network likes.
pub struct SimClient {
    world: Rc<RefCell<World>>,
    connection: usize,
}

impl SimClient {
    /// The number of its connection in the log.
    pub fn connection(&self) -> usize {
        self.connection
    }

    /// Sends bytes. Nothing happens where the connection is dead already.
    ///
    /// # Panics
    /// After [`finish`](SimClient::finish).
    pub fn send(&self, bytes: &[u8]) {
        self.world.borrow_mut().client_sends(self.connection, bytes);
    }

    /// Sends FIN after what was sent, and goes on reading.
    pub fn finish(&self) {
        self.world.borrow_mut().client_finishes(self.connection);
    }

    /// Sends RST; what has not arrived yet never will.
    pub fn reset(&self) {
        self.world.borrow_mut().client_resets(self.connection);
    }

    /// Reads no more: once the window is full the server's sends fall short and then wait.
    pub fn stop_reading(&self) {
        self.world
            .borrow_mut()
            .client_stops_reading(self.connection);
    }

    /// Reads again, all there is.
    pub fn read_again(&self) {
        self.world.borrow_mut().client_reads_again(self.connection);
    }

    /// Takes what it has read since the last call.
    pub fn take_read(&self) -> Vec<u8> {
        let mut world = self.world.borrow_mut();
        std::mem::take(&mut world.connections[self.connection].read)
    }

    /// How many bytes it has read and nobody has taken.
    pub fn read_bytes(&self) -> usize {
        self.world.borrow().connections[self.connection].read.len()
    }

    /// Whether the server has accepted the connection.
    pub fn is_accepted(&self) -> bool {
        self.world.borrow().connections[self.connection].is_accepted
    }

    /// Whether a fault of the plan has ended the connection, or a send on it: then nobody can expect
    /// all replies.
    pub fn is_struck(&self) -> bool {
        self.world.borrow().connections[self.connection].is_struck
    }

    /// How the connection ended, where it has. An orderly end comes after the last byte.
    pub fn end(&self) -> Option<ClientEnd> {
        self.world.borrow().connections[self.connection].client_end
    }
}

impl fmt::Debug for SimClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("SimClient")
            .field(&self.connection)
            .finish()
    }
}

impl World {
    /// Announces that worker `index` has something to do at `at`.
    pub(super) fn plan_work(&mut self, index: usize, at: Nanos) {
        self.agenda.plan(at, Event::Work(index));
    }
}
