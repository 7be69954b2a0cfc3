//! The seam: what a ring can do.
//!
//! The shard is generic over this trait. [`Uring`](crate::uring) is the real ring, [`sim`](crate::sim)
//! the simulated one. Both own the operands of an operation from submission to its last completion:
//! a [`SendBuffer`] moves in and comes back with its [`Completion::Sent`], so nothing the kernel may
//! still read is ever freed or changed.
//!
//! A completion only says what happened. Nothing runs inside one; the shard pops them into its turn.

use cutaway_scheduler::Nanos;

use crate::{Payload, Ticket};

/// Whose operation it is: the submitter's own ticket, handed back with each completion.
pub type Owner = Ticket;

/// An open connection. Only a ring makes one, and only [`Ring::close`] ends one.
#[derive(Debug)]
pub struct Socket {
    pub(crate) fd: i32,
    /// The ring that made it, which refuses those of others; zero for a simulated one.
    pub(crate) ring: u32,
}

/// A socket that listens. The ring that opened it owns it; this names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerId(pub(crate) u32);

/// An errno of the kernel, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

/// Received bytes, still in the ring's buffer.
///
/// Lives until the end of the turn that reaped it: read it with [`Ring::bytes`], give it back with
/// [`Ring::release`]. It is neither `Copy` nor `Clone`, so a buffer cannot be given back twice.
#[derive(Debug)]
#[must_use = "a lease that is not released starves the buffer ring"]
pub struct Lease {
    pub(crate) buffer: u16,
    pub(crate) len: u32,
}

impl Lease {
    /// How many bytes were received; never zero.
    pub fn len_bytes(&self) -> usize {
        self.len as usize
    }
}

/// Bytes on their way out: a head with whatever small bodies follow it, then one large body.
///
/// `head` keeps its capacity when it comes back, so that the connection can use it again.
#[derive(Debug, Default)]
pub struct SendBuffer {
    /// Response heads and small bodies.
    pub head: Vec<u8>,
    /// One large body after them; empty where there is none.
    pub body: Payload,
    /// How many bytes of head and body together have left already.
    pub sent_bytes: usize,
}

impl SendBuffer {
    /// How many bytes have not left yet.
    pub fn remaining_bytes(&self) -> usize {
        self.head.len() + self.body.len() - self.sent_bytes
    }
}

/// What a receive brought.
#[derive(Debug)]
pub enum Received {
    /// Bytes.
    Bytes(Lease),
    /// The peer sent FIN: nothing more will come. It may still read.
    End,
    /// No buffer was free (`ENOBUFS`): backpressure, not an error. The operation has ended.
    NoBuffers,
    /// The operation was cancelled.
    Cancelled,
    /// The connection is broken.
    Failed(Errno),
}

/// What happened to one operation.
#[derive(Debug)]
pub enum Completion {
    /// A connection was accepted, or could not be. Without `more` the accept must be armed again.
    Accepted {
        /// Who armed the accept.
        owner: Owner,
        /// The connection; `ECANCELED` after [`Ring::stop_accept`].
        result: Result<Socket, Errno>,
        /// Whether the accept goes on.
        more: bool,
    },
    /// A receive brought something. Without `more` the operation has ended.
    Received {
        /// Who armed the receive.
        owner: Owner,
        /// What came.
        received: Received,
        /// Whether the receive goes on.
        more: bool,
    },
    /// A send ended. The buffer comes back with `sent_bytes` moved on by what left (also on a short
    /// send); an error leaves it where it stood.
    Sent {
        /// Who submitted the send.
        owner: Owner,
        /// What was to be sent.
        buffer: SendBuffer,
        /// How many bytes left; `EPIPE` and `ECONNRESET` where the peer is gone.
        result: Result<usize, Errno>,
    },
    /// The socket is closed.
    Closed {
        /// Who closed it.
        owner: Owner,
    },
    /// One period of the heartbeat has passed.
    Heartbeat,
    /// The timer that was armed last has fired.
    Timer,
    /// Somebody called the ring's [`Waker`](crate::Waker).
    Woken,
}

/// What a shard needs of a ring.
///
/// # Ordering
/// Operations submitted between two [`enter`](Ring::enter) calls start in their order. Completions
/// come in any order the kernel likes; a connection's received bytes come in theirs.
pub trait Ring {
    /// Accepts from `listener` again and again (multishot) until a completion comes without `more`.
    fn accept(&mut self, listener: ListenerId, owner: Owner);

    /// Ends a listener's accept. Its last completion carries `ECANCELED` and no `more`.
    fn stop_accept(&mut self, listener: ListenerId);

    /// Receives again and again (multishot, into the provided-buffer ring) until a completion comes
    /// without `more`. One receive per socket at a time.
    fn recv(&mut self, socket: &Socket, owner: Owner);

    /// Ends the socket's receive; its last completion says so. Nothing where none is in flight.
    fn stop_recv(&mut self, socket: &Socket);

    /// Sends what remains of the buffer. One send per socket at a time. May send less than asked.
    fn send(&mut self, socket: &Socket, owner: Owner, buffer: SendBuffer);

    /// Sends FIN after what was sent: the peer sees an orderly end. The socket stays open to read.
    /// The caller has seen the end of its send.
    fn shutdown_write(&mut self, socket: &Socket);

    /// Closes the socket. The caller has seen the ends of its receive and of its send.
    fn close(&mut self, socket: Socket, owner: Owner);

    /// Completes [`Completion::Heartbeat`] every `period`; none stops it. Takes effect at the next
    /// [`enter`](Ring::enter).
    fn heartbeat(&mut self, period: Option<Nanos>);

    /// Completes one [`Completion::Timer`] at `at`, on the shard's clock; replaces an armed timer.
    /// `None` disarms. Takes effect at the next [`enter`](Ring::enter), so that moving the timer many
    /// times within a turn costs nothing; a timer that was replaced or disarmed completes no more.
    fn timer(&mut self, at: Option<Nanos>);

    /// The bytes of a lease.
    fn bytes(&self, lease: &Lease) -> &[u8];

    /// Gives a lease's buffer back. The kernel sees it at the next [`enter`](Ring::enter).
    fn release(&mut self, lease: Lease);

    /// The one syscall of a turn: submits what is queued, publishes released buffers, and waits for
    /// at least `want` completions (0: never waits, but still runs the kernel's pending task work).
    /// A signal ends the wait, so fewer may be there.
    ///
    /// # Errors
    /// Only what ends the shard. `EINTR`, `EAGAIN`, `EBUSY` are dealt with inside.
    fn enter(&mut self, want: u32) -> std::io::Result<()>;

    /// The next completion, if one is there. Stale ones are counted and skipped.
    fn pop(&mut self) -> Option<Completion>;

    /// How many completions wait to be popped, stale ones among them.
    fn ready_count(&self) -> usize;

    /// Whether one waits to be popped.
    fn is_ready(&self) -> bool {
        self.ready_count() > 0
    }

    /// Whether the kernel has been told everything and has done what only an [`enter`](Ring::enter)
    /// makes it do: no operation is queued, no deferred task work waits.
    ///
    /// Only then is whoever sleeps outside of `enter` sure to be woken. A kernel runs about 40 pieces
    /// of task work an `enter` and leaves the rest without a sign (6.13, `IO_LOCAL_TW_DEFAULT_MAX`).
    fn is_flushed(&mut self) -> bool;

    /// Counters since the ring was made.
    fn stats(&self) -> RingStats;
}

/// What a ring has counted. Plain counters, read at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingStats {
    /// Calls of `enter` that reached the kernel.
    pub enter_count: u64,
    /// SQEs submitted.
    pub submitted_count: u64,
    /// CQEs reaped.
    pub completed_count: u64,
    /// CQEs whose ticket was stale; dropped.
    pub stale_count: u64,
    /// Receives that ended for want of a buffer.
    pub no_buffers_count: u64,
    /// Times the completion queue had overflowed.
    pub overflow_count: u64,
}
