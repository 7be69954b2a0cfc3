//! The two queues shared with the kernel, and the syscall between them.
//!
//! The io-uring crate lays out and maps the queues. The syscall is made here, because the crate
//! neither passes GETEVENTS without waiting, which deferred task work needs, nor keeps the index of
//! a registered ring. Invariants:
//! 1. An SQE is pushed only by [`Queues::push`], whose caller answers for its operands.
//! 2. The descriptor, or its registered index, is this ring's as long as this value lives.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, Submitter, cqueue, squeue};

use super::UringOptions;

/// A ring's submission and completion queue.
pub(super) struct Queues {
    ring: IoUring,
    /// SQEs that found the submission queue full and the kernel unwilling; in their order.
    backlog: VecDeque<squeue::Entry>,
    /// The ring's index in the thread's table of registered rings.
    registered: Option<u32>,
    pub(super) enter_count: u64,
    pub(super) submitted_count: u64,
    pub(super) overflow_count: u64,
}

impl Queues {
    /// A ring with the best flags the kernel takes; also whether its task work is deferred.
    pub(super) fn open(options: &UringOptions) -> io::Result<(Queues, bool)> {
        let is_too_new = |result: &io::Result<_>| matches!(result, Err(error) if error.raw_os_error() == Some(libc::EINVAL));
        let mut is_deferred = true;
        // NO_SQARRAY (6.6) saves an indirection per SQE.
        let mut ring = deferred(options)
            .setup_no_sqarray()
            .build(options.submissions_max);
        if is_too_new(&ring) {
            // SINGLE_ISSUER and DEFER_TASKRUN (6.1).
            ring = deferred(options).build(options.submissions_max);
        }
        if is_too_new(&ring) {
            // COOP_TASKRUN (5.19): at least no interrupts.
            is_deferred = false;
            ring = sized(options)
                .setup_coop_taskrun()
                .build(options.submissions_max);
        }
        let ring = ring?;
        let mut queues = Queues {
            registered: None,
            ring,
            backlog: VecDeque::new(),
            enter_count: 0,
            submitted_count: 0,
            overflow_count: 0,
        };
        // Only an optimisation, and a thread may register 16 rings at most: without is fine.
        queues.registered = queues.register_ring(REGISTER_RING_FDS, u32::MAX).ok();
        Ok((queues, is_deferred))
    }

    pub(super) fn submitter(&self) -> Submitter<'_> {
        self.ring.submitter()
    }

    pub(super) fn is_registered(&self) -> bool {
        self.registered.is_some()
    }

    /// Queues an SQE. Submits what is queued where the queue is full.
    ///
    /// # Safety
    /// What the SQE points to stays valid and unchanged until its last completion, or, where the
    /// operation only reads it at submission, until the next [`enter`](Queues::enter).
    #[inline]
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) {
        self.submitted_count += 1;
        if self.backlog.is_empty() {
            // SAFETY: invariant 1.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return;
            }
        }
        self.push_to_full(entry);
    }

    #[cold]
    fn push_to_full(&mut self, entry: &squeue::Entry) {
        self.backlog.push_back(entry.clone());
        // An error shows itself again at the next enter, which can report it.
        let _ = self.submit_backlog();
    }

    /// Submits until the backlog is in the queue, or the kernel takes no more for now.
    fn submit_backlog(&mut self) -> io::Result<()> {
        loop {
            while let Some(entry) = self.backlog.front() {
                // SAFETY: invariant 1; the caller of `push` answered for it.
                if unsafe { self.ring.submission().push(entry) }.is_err() {
                    break;
                }
                self.backlog.pop_front();
            }
            if self.backlog.is_empty() || self.enter_once(0, 0)? == 0 {
                return Ok(());
            }
        }
    }

    /// Submits, runs the kernel's task work and waits for `want` completions. Returns earlier where
    /// a signal came or the kernel asks to be relieved of completions first.
    #[inline]
    pub(super) fn enter(&mut self, want: u32) -> io::Result<()> {
        if !self.backlog.is_empty() {
            self.submit_backlog()?;
        }
        self.overflow_count += u64::from(self.ring.submission().cq_overflow());
        self.enter_once(want, EnterFlags::GETEVENTS.bits())?;
        Ok(())
    }

    /// Like [`enter`](Queues::enter) for one completion, but gives up after `patience`.
    pub(super) fn enter_for(&mut self, patience: Duration) -> io::Result<()> {
        // Whoever drains waits for what found the queue full, too.
        if !self.backlog.is_empty() {
            self.submit_backlog()?;
        }
        let patience = Timespec::from(patience);
        let arguments = SubmitArgs::new().timespec(&patience);
        match self.ring.submitter().submit_with_args(1, &arguments) {
            Err(error) if error.raw_os_error() != Some(libc::ETIME) => tolerated(error).map(drop),
            _ => Ok(()),
        }
    }

    /// The next completion.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }

    /// Whether no SQE is queued and no task work waits for an `enter`.
    pub(super) fn is_flushed(&mut self) -> bool {
        let submissions = self.ring.submission();
        self.backlog.is_empty() && submissions.is_empty() && !submissions.taskrun()
    }

    /// How many completions are there.
    #[inline]
    pub(super) fn ready_count(&self) -> usize {
        // SAFETY: needs nothing: no other view of the completion queue exists, for `pop` drops its
        // own and needs `&mut`.
        let completions = unsafe { self.ring.completion_shared() };
        completions.len()
    }

    /// One syscall; how many SQEs it took.
    #[inline]
    fn enter_once(&mut self, want: u32, flags: u32) -> io::Result<u32> {
        let queued = self.ring.submission().len() as u32;
        let (fd, flags) = match self.registered {
            Some(index) => (index, flags | EnterFlags::REGISTERED_RING.bits()),
            None => (self.ring.as_raw_fd() as u32, flags),
        };
        self.enter_count += 1;
        // SAFETY: invariant 2; the SQEs' operands are valid by invariant 1, and there is no argument.
        let taken = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                fd,
                queued,
                want,
                flags,
                std::ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        if taken < 0 {
            return tolerated(io::Error::last_os_error());
        }
        Ok(taken as u32)
    }

    /// Registers the ring's descriptor with the thread, or gives it up again.
    fn register_ring(&mut self, operation: u32, index: u32) -> io::Result<u32> {
        /// `struct io_uring_rsrc_update` of the kernel.
        #[repr(C)]
        struct Update {
            offset: u32,
            reserved: u32,
            data: u64,
        }
        let fd = self.ring.as_raw_fd();
        let mut update = Update {
            offset: index,
            reserved: 0,
            data: if operation == REGISTER_RING_FDS {
                fd as u64
            } else {
                0
            },
        };
        // SAFETY: invariant 2; the kernel reads and writes one Update, which outlives the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                fd,
                operation,
                &raw mut update,
                1,
            )
        };
        if result < 1 {
            return Err(io::Error::last_os_error());
        }
        Ok(update.offset)
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        if let Some(index) = self.registered.take() {
            // A thread has 16 places; this one is for its next ring. Where it fails the thread is
            // about to end, and its places with it.
            let _ = self.register_ring(UNREGISTER_RING_FDS, index);
        }
    }
}

/// What does not end a shard is no error: EINTR is a signal, EAGAIN a moment without memory, EBUSY a
/// completion queue that must be popped first. Nothing was submitted then, and nothing is lost.
#[cold]
fn tolerated(error: io::Error) -> io::Result<u32> {
    match error.raw_os_error() {
        Some(libc::EINTR | libc::EAGAIN | libc::EBUSY) => Ok(0),
        _ => Err(error),
    }
}

fn sized(options: &UringOptions) -> io_uring::Builder {
    let mut builder = IoUring::builder();
    builder
        .dontfork()
        .setup_cqsize(options.completions_max)
        // One refused SQE must not keep those behind it waiting.
        .setup_submit_all();
    builder
}

fn deferred(options: &UringOptions) -> io_uring::Builder {
    let mut builder = sized(options);
    // TASKRUN_FLAG shows the task work that is left.
    builder
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag();
    builder
}

/// Missing in the io-uring crate's public face.
const REGISTER_RING_FDS: u32 = 20;
const UNREGISTER_RING_FDS: u32 = 21;

#[cfg(test)]
mod tests {
    use io_uring::opcode;

    use super::*;

    #[test]
    fn every_way_in_submits_the_backlog() {
        let (mut queues, _) = Queues::open(&UringOptions::default()).unwrap();
        let nop = |number| opcode::Nop::new().build().user_data(number);
        let popped = |queues: &mut Queues| queues.pop().map(|entry| entry.user_data());
        queues.backlog.push_back(nop(1));
        queues.enter(1).unwrap();
        assert_eq!(popped(&mut queues), Some(1));
        queues.backlog.push_back(nop(2));
        queues.enter_for(Duration::from_millis(50)).unwrap();
        assert_eq!(popped(&mut queues), Some(2));
    }
}
