//! The real ring: io_uring, one per shard, made and used on the shard's own thread.
//!
//! What it leans on, and since when: provided-buffer rings and multishot accept (Linux 5.19, the
//! minimum), multishot receive (6.0), SINGLE_ISSUER and DEFER_TASKRUN (6.1), multishot timeout (6.4).
//! What came after 5.19 has a fallback; [`Uring::features`] tells what is used.
//!
//! Safe code cannot lend memory to the kernel. Invariants:
//! 1. The bytes an SQE of a send points to belong to the [`SendBuffer`] in its entry of
//!    `operations`: heap memory that does not move with the entry. Nobody reaches that buffer until
//!    the last completion has removed the entry.
//! 2. A `msghdr` lies boxed in the same entry, and is used again only after it.
//! 3. The `timespec`s lie boxed in this value. The kernel reads them when it takes the SQE; where one
//!    is written again before that, the timeout it belonged to is removed by an SQE behind it.
//! 4. The receive buffers outlive every receive: dropping ends all operations first, and leaks their
//!    memory where the kernel will not let go of it.
//! 5. `sockets` marks a descriptor open exactly from its accept to its close; each such descriptor
//!    is ours. A `Socket` names the ring that accepted it, no other ring takes it, and `close` uses
//!    it up: the descriptor of a `Socket` that is taken is open.
//! 6. All other SQEs point to nothing.

mod listener;
#[expect(unsafe_code, reason = "zeroes a C struct")]
mod message;
mod options;
pub mod probe;
#[expect(unsafe_code, reason = "submits SQEs and enters the kernel")]
mod queue;
mod reap;
mod target;
mod timeout;

use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cutaway_scheduler::Nanos;
use io_uring::types::{CancelBuilder, Fd, TimeoutFlags};
use io_uring::{opcode, squeue};

use crate::Ticket;
use crate::buffers::BufferRing;
use crate::clock::RealClock;
use crate::inflight::Inflight;
use crate::ring::{
    Completion, Lease, ListenerId, Owner, Received, Ring, RingStats, SendBuffer, Socket,
};
use crate::waker::{Waker, eventfd};

pub use listener::{ListenerOptions, listen};
pub use options::UringOptions;
pub use probe::{Features, UringError};

use message::{Message, Messages};
use probe::{Facts, Step};
use queue::Queues;
use target::Target;
use timeout::Timeout;

/// A ring of the kernel.
///
/// It stays on the thread that made it: with SINGLE_ISSUER the kernel refuses any other. Dropping it
/// cancels what is in flight, waits for the ends, and closes the sockets that are still open.
pub struct Uring {
    /// Tells its sockets from those of other rings.
    id: u32,
    queues: Queues,
    operations: Inflight<Operation>,
    messages: Messages,
    buffers: BufferRing,
    /// By descriptor.
    sockets: Vec<SocketState>,
    listeners: Vec<Listener>,
    waker: Waker,
    is_waker_watched: bool,
    heartbeat: Timeout,
    timer: Timeout,
    idle_event: OwnedFd,
    clock: RealClock,
    features: Features,
    completed_count: u64,
    stale_count: u64,
    no_buffers_count: u64,
    /// Neither `Send` nor `Sync`.
    stays_here: PhantomData<*mut ()>,
}

impl Uring {
    /// A ring of this thread.
    ///
    /// # Errors
    /// Where the machine lacks something: the message names it and the remedy.
    ///
    /// # Panics
    /// On sizes outside the ranges that [`UringOptions`] gives.
    pub fn new(options: UringOptions) -> Result<Uring, UringError> {
        let waker = Waker::new().map_err(|error| explained(Step::Eventfd, &error, &options))?;
        Uring::with_waker(options, waker)
    }

    /// A ring of this thread that this waker wakes: others may hold it before the ring stands.
    ///
    /// # Errors
    /// As [`new`](Uring::new).
    ///
    /// # Panics
    /// As [`new`](Uring::new).
    pub fn with_waker(options: UringOptions, waker: Waker) -> Result<Uring, UringError> {
        options.check();
        let failed = |step| move |error: io::Error| explained(step, &error, &options);
        let (queues, is_deferred) = Queues::open(&options).map_err(failed(Step::Setup))?;
        let (has_accept, has_recv) =
            probe::multishot(&queues.submitter()).map_err(failed(Step::Probe))?;
        let buffers = BufferRing::new(options.buffers_count, options.buffer_bytes)
            .map_err(failed(Step::MapBuffers))?;
        buffers
            .register(&queues.submitter(), BUFFER_GROUP)
            .map_err(failed(Step::RegisterBuffers))?;
        let features = Features {
            defer_taskrun: is_deferred,
            multishot_accept: options.multishot && has_accept,
            multishot_recv: options.multishot && has_recv,
            multishot_timeout: options.multishot,
            registered_ring: queues.is_registered(),
        };
        Ok(Uring {
            id: next_id(),
            queues,
            operations: Inflight::with_capacity(options.operations_count),
            messages: Messages::default(),
            buffers,
            sockets: Vec::with_capacity(options.operations_count / 2),
            listeners: Vec::new(),
            waker,
            is_waker_watched: false,
            heartbeat: Timeout::default(),
            timer: Timeout::default(),
            idle_event: eventfd(0).map_err(failed(Step::Eventfd))?,
            clock: RealClock::new(),
            features,
            completed_count: 0,
            stale_count: 0,
            no_buffers_count: 0,
            stays_here: PhantomData,
        })
    }

    /// Listens on `addr`.
    ///
    /// # Errors
    /// What socket(2), setsockopt(2), bind(2) and listen(2) say.
    pub fn listen(&mut self, addr: SocketAddr, options: ListenerOptions) -> io::Result<ListenerId> {
        self.adopt(listen(addr, &options)?)
    }

    /// Takes over a socket that listens already: one that was handed down by another process.
    ///
    /// # Errors
    /// What fcntl(2) says, of something that is no socket.
    pub fn adopt(&mut self, listener: TcpListener) -> io::Result<ListenerId> {
        // On a non-blocking one the ring's accept would end with EAGAIN instead of waiting.
        listener.set_nonblocking(false)?;
        self.listeners.push(Listener {
            socket: Some(listener),
            accept: None,
        });
        Ok(ListenerId(self.listeners.len() as u32 - 1))
    }

    /// The listening socket: for its address, or to hand it down. None once it is closed.
    pub fn listener(&self, listener: ListenerId) -> Option<&TcpListener> {
        self.listeners[listener.0 as usize].socket.as_ref()
    }

    /// Stops listening: the kernel refuses new connections and resets those nobody has accepted.
    /// The caller has seen the end of the listener's accept.
    pub fn close_listener(&mut self, listener: ListenerId) {
        let listener = &mut self.listeners[listener.0 as usize];
        debug_assert!(listener.accept.is_none(), "an accept is in flight");
        listener.socket = None;
    }

    /// What wakes this ring from other threads.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// What of the kernel's newer features is in use.
    pub fn features(&self) -> Features {
        self.features
    }

    /// Turns on the eventfd for a nap: from now on it becomes readable when a completion comes.
    ///
    /// A completion that came before does not make it readable, so the caller enters without waiting
    /// and looks at [`is_ready`](Ring::is_ready) after this call and before the nap.
    ///
    /// # Errors
    /// What `IORING_REGISTER_EVENTFD` says; `EBUSY` where it is on already.
    pub fn register_eventfd(&mut self) -> io::Result<()> {
        let event = self.idle_event.as_raw_fd();
        self.queues.submitter().register_eventfd(event)
    }

    /// Turns the eventfd off: a busy ring need not write to it.
    ///
    /// # Errors
    /// What `IORING_UNREGISTER_EVENTFD` says; `ENXIO` where it is off already.
    pub fn unregister_eventfd(&mut self) -> io::Result<()> {
        self.queues.submitter().unregister_eventfd()
    }

    /// The eventfd of the nap. Whoever waits on it reads it empty; a read of it blocks, because one
    /// through another ring would come back with `EAGAIN` from a non-blocking eventfd.
    pub fn idle_eventfd(&self) -> BorrowedFd<'_> {
        self.idle_event.as_fd()
    }

    /// How many operations are in flight, without heartbeat, timer and waker.
    pub fn in_flight(&self) -> usize {
        self.operations.len()
    }

    fn push(&mut self, entry: squeue::Entry, target: Target) {
        let entry = entry.user_data(target.to_bits());
        // SAFETY: invariants 1 to 4 and 6; SQEs are made in this file and in timeout.rs only.
        unsafe { self.queues.push(&entry) };
    }

    fn cancel(&mut self, operation: Ticket) {
        let entry = opcode::AsyncCancel::new(operation.to_bits()).build();
        self.push(entry.flags(squeue::Flags::SKIP_SUCCESS), Target::Nobody);
    }

    /// The descriptor of a socket of this ring.
    ///
    /// # Panics
    /// Where it is another ring's: the number may be anybody's descriptor here.
    #[inline]
    fn own(&self, socket: &Socket) -> i32 {
        assert!(
            socket.ring == self.id,
            "a socket is used on the ring that accepted it, and on no other"
        );
        socket.fd
    }

    fn socket_state(&mut self, fd: i32) -> &mut SocketState {
        let index = fd as usize;
        if index >= self.sockets.len() {
            self.sockets.resize_with(index + 1, SocketState::default);
        }
        &mut self.sockets[index]
    }

    /// Arms and disarms what the ring runs for itself. Once per enter, so that a timer that moves
    /// many times within a turn costs one SQE.
    fn arm_own(&mut self) {
        if !self.is_waker_watched {
            // A poll, because a read would come back with EAGAIN from a non-blocking eventfd.
            // Nothing ever reads it: each write is an edge, and wakes that come together give one
            // completion.
            let watch =
                opcode::PollAdd::new(Fd(self.waker.as_fd().as_raw_fd()), libc::POLLIN as u32)
                    .multi(true)
                    .build();
            self.push(watch, Target::Waker);
            self.is_waker_watched = true;
        }
        if self.heartbeat.wanted != self.heartbeat.armed {
            let flags = if self.features.multishot_timeout {
                TimeoutFlags::MULTISHOT
            } else {
                TimeoutFlags::empty()
            };
            let period = self.heartbeat.wanted;
            let (disarm, arm) = self.heartbeat.change(period, flags, Target::Heartbeat);
            self.push_timeout(disarm, arm);
        }
        if self.timer.wanted != self.timer.armed {
            let at = self.timer.wanted.map(|at| self.clock.monotonic_at(at));
            let (disarm, arm) = self.timer.change(at, TimeoutFlags::ABS, Target::Timer);
            self.push_timeout(disarm, arm);
        }
    }

    fn push_timeout(
        &mut self,
        disarm: Option<squeue::Entry>,
        arm: Option<(squeue::Entry, Target)>,
    ) {
        if let Some(disarm) = disarm {
            self.push(disarm, Target::Nobody);
        }
        if let Some((arm, target)) = arm {
            self.push(arm, target);
        }
    }
}

impl Ring for Uring {
    fn accept(&mut self, listener: ListenerId, owner: Owner) {
        let state = &mut self.listeners[listener.0 as usize];
        let socket = state
            .socket
            .as_ref()
            .expect("nobody accepts from a closed listener");
        debug_assert!(state.accept.is_none(), "one accept per listener at a time");
        let fd = Fd(socket.as_raw_fd());
        let ticket = self
            .operations
            .insert(Operation::Accept { owner, listener });
        state.accept = Some(ticket);
        let entry = if self.features.multishot_accept {
            opcode::AcceptMulti::new(fd)
                .flags(libc::SOCK_CLOEXEC)
                .build()
        } else {
            opcode::Accept::new(fd, std::ptr::null_mut(), std::ptr::null_mut())
                .flags(libc::SOCK_CLOEXEC)
                .build()
        };
        self.push(entry, Target::Operation(ticket));
    }

    fn stop_accept(&mut self, listener: ListenerId) {
        if let Some(accept) = self.listeners[listener.0 as usize].accept {
            self.cancel(accept);
        }
    }

    #[inline]
    fn recv(&mut self, socket: &Socket, owner: Owner) {
        let fd = self.own(socket);
        let ticket = self.operations.insert(Operation::Recv { owner, fd });
        let state = self.socket_state(fd);
        debug_assert!(state.recv.is_none(), "one receive per socket at a time");
        state.recv = Some(ticket);
        let entry = if self.features.multishot_recv {
            opcode::RecvMulti::new(Fd(fd), BUFFER_GROUP).build()
        } else {
            opcode::Recv::new(Fd(fd), std::ptr::null_mut(), 0)
                .buf_group(BUFFER_GROUP)
                .build()
                .flags(squeue::Flags::BUFFER_SELECT)
        };
        self.push(entry, Target::Operation(ticket));
    }

    fn stop_recv(&mut self, socket: &Socket) {
        let fd = self.own(socket);
        if let Some(recv) = self.socket_state(fd).recv {
            self.cancel(recv);
        }
    }

    #[inline]
    fn send(&mut self, socket: &Socket, owner: Owner, buffer: SendBuffer) {
        let fd = Fd(self.own(socket));
        let head_sent = buffer.sent_bytes.min(buffer.head.len());
        let head = &buffer.head[head_sent..];
        let body = &buffer.body[buffer.sent_bytes - head_sent..];
        let (entry, message) = if head.is_empty() || body.is_empty() {
            let bytes = if body.is_empty() { head } else { body };
            // What does not fit the SQE's field goes out as a short send.
            let len = u32::try_from(bytes.len())
                .unwrap_or(SEND_BYTES_MAX)
                .min(SEND_BYTES_MAX);
            let entry = opcode::Send::new(fd, bytes.as_ptr(), len)
                .flags(libc::MSG_NOSIGNAL)
                .build();
            (entry, None)
        } else {
            let mut message = self.messages.take();
            let entry = opcode::SendMsg::new(fd, message.point_at(head, body))
                .flags(libc::MSG_NOSIGNAL as u32)
                .build();
            (entry, Some(message))
        };
        let ticket = self.operations.insert(Operation::Send {
            owner,
            buffer,
            message,
        });
        self.push(entry, Target::Operation(ticket));
    }

    fn shutdown_write(&mut self, socket: &Socket) {
        // A syscall of its own, because the ring hands a shutdown to a kernel thread that looks the
        // descriptor up late: after a close in the same turn it hits whoever got the number next.
        // It fails only where the peer is gone, which the receive tells.
        let fd = self.own(socket);
        // SAFETY: invariant 5; takes two integers.
        unsafe { libc::shutdown(fd, libc::SHUT_WR) };
    }

    fn close(&mut self, socket: Socket, owner: Owner) {
        let fd = self.own(&socket);
        let state = self.socket_state(fd);
        debug_assert!(state.recv.is_none(), "a receive is in flight");
        state.is_open = false;
        let ticket = self.operations.insert(Operation::Close { owner });
        let entry = opcode::Close::new(Fd(fd)).build();
        self.push(entry, Target::Operation(ticket));
    }

    fn heartbeat(&mut self, period: Option<Nanos>) {
        self.heartbeat.wanted = period;
    }

    fn timer(&mut self, at: Option<Nanos>) {
        self.timer.wanted = at;
    }

    #[inline]
    fn bytes(&self, lease: &Lease) -> &[u8] {
        self.buffers.bytes(lease)
    }

    #[inline]
    fn release(&mut self, lease: Lease) {
        self.buffers.release(lease);
    }

    fn enter(&mut self, want: u32) -> io::Result<()> {
        self.arm_own();
        self.buffers.publish();
        self.queues.enter(want)
    }

    #[inline]
    fn pop(&mut self) -> Option<Completion> {
        loop {
            let entry = self.queues.pop()?;
            self.completed_count += 1;
            if let Some(completion) = self.completion(&entry) {
                return Some(completion);
            }
        }
    }

    #[inline]
    fn ready_count(&self) -> usize {
        self.queues.ready_count()
    }

    fn is_flushed(&mut self) -> bool {
        self.queues.is_flushed()
    }

    fn stats(&self) -> RingStats {
        RingStats {
            enter_count: self.queues.enter_count,
            submitted_count: self.queues.submitted_count,
            completed_count: self.completed_count,
            stale_count: self.stale_count,
            no_buffers_count: self.no_buffers_count,
            overflow_count: self.queues.overflow_count,
        }
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        self.push(
            opcode::AsyncCancel2::new(CancelBuilder::any()).build(),
            Target::Nobody,
        );
        for _ in 0..DRAIN_ROUNDS_MAX {
            while let Some(completion) = self.pop() {
                if let Completion::Received {
                    received: Received::Bytes(lease),
                    ..
                } = completion
                {
                    self.release(lease);
                }
            }
            if self.operations.is_empty() || self.queues.enter_for(DRAIN_PATIENCE).is_err() {
                break;
            }
        }
        if self.operations.is_empty() {
            // Before the pages go away. An error would mean that the group is gone already.
            let _ = self.queues.submitter().unregister_buf_ring(BUFFER_GROUP);
        } else {
            // The kernel may still read and write what these own, and nobody can say for how long:
            // memory that is never freed is the only safe kind.
            std::mem::forget(std::mem::replace(
                &mut self.operations,
                Inflight::with_capacity(0),
            ));
            self.buffers.leak();
        }
        for (fd, _) in self
            .sockets
            .iter()
            .enumerate()
            .filter(|(_, state)| state.is_open)
        {
            // SAFETY: invariant 5.
            drop(unsafe { OwnedFd::from_raw_fd(fd as i32) });
        }
    }
}

/// An operation in flight, with the operands it owns.
enum Operation {
    Accept {
        owner: Owner,
        listener: ListenerId,
    },
    Recv {
        owner: Owner,
        fd: i32,
    },
    Send {
        owner: Owner,
        buffer: SendBuffer,
        message: Option<Box<Message>>,
    },
    Close {
        owner: Owner,
    },
}

/// What the ring knows of a descriptor.
#[derive(Clone, Copy, Debug, Default)]
struct SocketState {
    is_open: bool,
    /// The receive in flight.
    recv: Option<Ticket>,
}

struct Listener {
    socket: Option<TcpListener>,
    /// The accept in flight.
    accept: Option<Ticket>,
}

/// From one on; zero stands for the simulation.
fn next_id() -> u32 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Relaxed: nothing but the number matters. 64 bits, so that it cannot begin again.
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    u32::try_from(id).expect("a process makes fewer than 2^32 rings")
}

fn explained(step: Step, error: &io::Error, options: &UringOptions) -> UringError {
    // 64 bytes an SQE, 16 a CQE, 16 a buffer's entry: what a kernel counts as locked.
    let needed_bytes = 64 * u64::from(options.submissions_max)
        + 16 * u64::from(options.completions_max)
        + 16 * u64::from(options.buffers_count);
    let errno = error.raw_os_error().unwrap_or(libc::EIO);
    probe::explain(step, errno, &Facts::of_this_machine(needed_bytes))
}

/// The one group of receive buffers.
const BUFFER_GROUP: u16 = 0;
/// 1 GiB: well below what the kernel takes in one send.
const SEND_BYTES_MAX: u32 = 1 << 30;
/// Cancelled socket operations end within microseconds; a second and a half says they never will.
const DRAIN_ROUNDS_MAX: u32 = 30;
const DRAIN_PATIENCE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
