//! The provided-buffer ring of the bare loop.
//!
//! Written anew rather than taken from the engine's reactor: a yardstick shares nothing with what it
//! measures. Invariants:
//! 1. `entries` has `COUNT` entries on a page of its own, `memory` has `COUNT` buffers; both live as
//!    long as this value, which outlives the ring's last receive: the process ends with them.
//! 2. The kernel writes only into buffers it was given by an entry below the published tail, and
//!    never into one a completion has named until it is given back.
//! 3. The tail shares its bytes with the reserved field of entry zero, which nobody else writes.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// `COUNT` buffers the kernel receives into.
pub(super) struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    tail: u16,
}

impl Buffers {
    /// Maps the buffers, never to be unmapped, and gives them all to the kernel.
    pub(super) fn new(submitter: &Submitter<'_>) -> io::Result<Buffers> {
        let mut buffers = Buffers {
            entries: map(usize::from(COUNT) * size_of::<BufRingEntry>())?.cast(),
            memory: map(usize::from(COUNT) * BUFFER_BYTES)?,
            tail: 0,
        };
        let address = buffers.entries.as_ptr() as u64;
        // SAFETY: invariant 1.
        unsafe { submitter.register_buf_ring_with_flags(address, COUNT, GROUP, 0) }?;
        for buffer in 0..COUNT {
            buffers.give_back(buffer);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// What the kernel has received into `buffer`, which a completion has just named.
    pub(super) fn bytes(&self, buffer: u16, len: usize) -> &[u8] {
        assert!(buffer < COUNT && len <= BUFFER_BYTES);
        // SAFETY: invariant 1; the index was checked.
        let start = unsafe { self.memory.add(usize::from(buffer) * BUFFER_BYTES) };
        // SAFETY: invariants 1 and 2; the length was checked.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), len) }
    }

    pub(super) fn give_back(&mut self, buffer: u16) {
        // SAFETY: invariant 1; the index is below `COUNT`.
        let start = unsafe { self.memory.add(usize::from(buffer) * BUFFER_BYTES) };
        let index = usize::from(self.tail & (COUNT - 1));
        // SAFETY: invariant 1; the index is below `COUNT`.
        let mut entry = unsafe { self.entries.add(index) };
        // SAFETY: invariants 1 and 2; entries from the tail on are ours.
        let entry = unsafe { entry.as_mut() };
        entry.set_addr(start.as_ptr() as u64);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Lets the kernel see what was given back.
    pub(super) fn publish(&mut self) {
        // SAFETY: invariant 1; the first entry is there.
        let tail = unsafe { BufRingEntry::tail(self.entries.as_ptr()) };
        // SAFETY: invariants 1 and 3.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Fresh zeroed pages.
fn map(len: usize) -> io::Result<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: needs nothing: a fresh private mapping touches nothing of ours.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(NonNull::new(start.cast()).expect("mmap(2) gives no null without MAP_FIXED"))
}

/// The group of these buffers.
pub(super) const GROUP: u16 = 0;
const COUNT: u16 = 1024;
const BUFFER_BYTES: usize = 2048;
