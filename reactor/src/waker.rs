//! Waking a ring from any thread.
//!
//! A wake is eight bytes written to an eventfd that the ring watches. Futexes or `MSG_RING` would
//! save part of the syscall, but only an eventfd can be handed to a thread without a ring, to a
//! signal handler and to the host executor alike.
//!
//! Unsafe because the standard library has no eventfd; everything after its creation is a
//! [`File`]. Invariants:
//! 1. A non-negative result of `eventfd(2)` is a fresh descriptor that nobody else owns.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

/// Wakes one ring; clones wake the same one.
///
/// # Ordering
/// What was written before [`wake`](Waker::wake) is visible to the ring's thread once it pops
/// [`Completion::Woken`](crate::Completion::Woken). Wakes that come before the ring has seen an
/// earlier one melt into it.
#[derive(Clone, Debug)]
pub struct Waker {
    event: Arc<File>,
}

impl Waker {
    /// A waker with an eventfd of its own.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`, as eventfd(2) has them.
    pub fn new() -> io::Result<Waker> {
        Ok(Waker {
            event: Arc::new(File::from(eventfd(libc::EFD_NONBLOCK)?)),
        })
    }

    /// Makes the ring's `enter` return, or its host wake.
    pub fn wake(&self) {
        // The only refusal an eventfd knows is EAGAIN, when 2^64 - 2 wakes are waiting already: the
        // ring is as awake as it can be.
        let _ = (&*self.event).write(&1_u64.to_ne_bytes());
    }

    /// Forgets the wakes so far, so that the eventfd becomes readable only by a later one.
    pub fn clear(&self) {
        let mut wakes = [0; 8];
        let _ = (&*self.event).read(&mut wakes);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// A fresh eventfd with these flags, closed on exec.
pub(crate) fn eventfd(flags: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: needs nothing: takes two integers and touches no memory of ours.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: invariant 1.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_readable(waker: &Waker) -> bool {
        let mut wakes = [0; 8];
        (&*waker.event).read(&mut wakes).is_ok()
    }

    #[test]
    fn wakes_melt_into_one_and_clones_share_it() {
        let waker = Waker::new().unwrap();
        assert!(!is_readable(&waker));
        let other = waker.clone();
        std::thread::spawn(move || {
            other.wake();
            other.wake();
        })
        .join()
        .unwrap();
        assert!(is_readable(&waker));
        assert!(!is_readable(&waker));
    }

    #[test]
    fn a_cleared_wake_is_gone() {
        let waker = Waker::new().unwrap();
        waker.wake();
        waker.clear();
        assert!(!is_readable(&waker));
    }
}
