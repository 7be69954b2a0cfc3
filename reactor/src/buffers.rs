//! The provided-buffer ring: memory the kernel receives into, and the leases on it.
//!
//! The kernel takes a buffer only when bytes are there, so a thousand idle connections share a few
//! buffers that stay in the cache. A buffer is the kernel's until a completion names it, then leased
//! until it is released, then published again, all of a turn's with one store.
//!
//! Safe code cannot share memory with the kernel. Invariants:
//! 1. The mapping holds the ring's entries at its page-aligned start, then, page-aligned again, all
//!    buffers, and lives as long as this value; `count` is a power of two.
//! 2. The kernel reads only entries between its head and the published tail, and writes only into
//!    buffers named there. `held` is zero exactly for the buffers the kernel may write, so a buffer
//!    whose `held` is not zero is ours, and nobody writes it.
//! 3. The tail shares its bytes with the reserved field of entry zero, which nobody else writes.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

use crate::ring::Lease;

/// Buffers of one size that the kernel receives into.
#[derive(Debug)]
pub struct BufferRing {
    mapping: Mapping,
    buffers_offset: usize,
    count: u16,
    buffer_bytes: u32,
    /// How many bytes each buffer's lease covers; zero while the kernel has the buffer.
    held: Box<[u32]>,
    /// Where the next released buffer goes; the kernel knows it as of the last publish.
    tail: u16,
    is_published: bool,
}

impl BufferRing {
    /// Maps `count` buffers of `buffer_bytes` each, all of them for the kernel.
    ///
    /// # Errors
    /// What mmap(2) says.
    ///
    /// # Panics
    /// Unless `count` is a power of two up to 32768 and `buffer_bytes` is not zero.
    pub fn new(count: u16, buffer_bytes: u32) -> io::Result<BufferRing> {
        assert!(
            count.is_power_of_two() && count <= COUNT_MAX && buffer_bytes > 0,
            "{count} buffers of {buffer_bytes} bytes"
        );
        let entries_bytes = usize::from(count) * size_of::<BufRingEntry>();
        let buffers_offset = entries_bytes.next_multiple_of(PAGE_BYTES);
        let mapping = Mapping::new(buffers_offset + usize::from(count) * buffer_bytes as usize)?;
        let mut ring = BufferRing {
            mapping,
            buffers_offset,
            count,
            buffer_bytes,
            held: vec![0; usize::from(count)].into(),
            tail: 0,
            is_published: false,
        };
        for buffer in 0..count {
            ring.give(buffer);
        }
        ring.publish();
        Ok(ring)
    }

    /// Makes the buffers those of `group` on a ring. To be undone, or the ring closed, before this
    /// value is dropped.
    ///
    /// # Errors
    /// What `IORING_REGISTER_PBUF_RING` says: `EINVAL` before Linux 5.19.
    pub(crate) fn register(&self, submitter: &Submitter<'_>, group: u16) -> io::Result<()> {
        let address = self.mapping.start.as_ptr() as u64;
        // SAFETY: invariant 1; Uring unregisters the group before it drops the mapping.
        unsafe { submitter.register_buf_ring_with_flags(address, self.count, group, 0) }
    }

    /// The lease on a buffer that a completion has named.
    ///
    /// # Panics
    /// Where the kernel names a buffer it does not have, or more bytes than one holds.
    #[inline]
    pub(crate) fn lease(&mut self, buffer: u16, len: u32) -> Lease {
        let held = &mut self.held[usize::from(buffer)];
        assert!(
            *held == 0 && len > 0 && len <= self.buffer_bytes,
            "the kernel filled buffer {buffer} with {len} bytes while we held {held}"
        );
        *held = len;
        Lease { buffer, len }
    }

    /// Takes back a buffer that a completion has named without bytes in it.
    pub(crate) fn recycle(&mut self, buffer: u16) {
        assert!(
            self.held[usize::from(buffer)] == 0,
            "buffer {buffer} is leased"
        );
        self.give(buffer);
    }

    /// The bytes of a lease.
    ///
    /// # Panics
    /// Where the lease is another ring's.
    #[inline]
    pub fn bytes(&self, lease: &Lease) -> &[u8] {
        let held = self.held[usize::from(lease.buffer)];
        assert!(lease.len <= held, "a lease of another ring");
        let offset = self.buffer_offset(lease.buffer);
        // SAFETY: invariant 1; the offset is that of a buffer within the mapping.
        let start = unsafe { self.mapping.start.add(offset) };
        // SAFETY: invariant 2; `held` is not zero, for no lease is empty, and not more than a buffer.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), lease.len as usize) }
    }

    /// Gives a lease's buffer back. The kernel sees it after [`publish`](BufferRing::publish).
    ///
    /// # Panics
    /// Where the lease is another ring's.
    #[inline]
    pub fn release(&mut self, lease: Lease) {
        let held = &mut self.held[usize::from(lease.buffer)];
        assert!(*held != 0, "a lease of another ring");
        *held = 0;
        self.give(lease.buffer);
    }

    /// Lets the kernel see what was released.
    #[inline]
    pub fn publish(&mut self) {
        if !self.is_published {
            // Release: the kernel's acquiring load of the tail must see the entries below it.
            self.shared_tail().store(self.tail, Ordering::Release);
            self.is_published = true;
        }
    }

    /// Leaves the memory mapped for ever, for a kernel that may still write to it.
    pub(crate) fn leak(&mut self) {
        self.mapping.is_leaked = true;
    }

    fn give(&mut self, buffer: u16) {
        let address = self.mapping.start.as_ptr() as u64 + self.buffer_offset(buffer) as u64;
        let len = self.buffer_bytes;
        let index = usize::from(self.tail & (self.count - 1));
        // SAFETY: invariant 1; the index is below `count`.
        let entry = unsafe { self.entries().add(index) };
        // SAFETY: invariants 1 and 2: the entry is not below the published tail, for there are never
        // more buffers given than entries, so the kernel does not read it.
        let entry = unsafe { &mut *entry };
        entry.set_addr(address);
        entry.set_len(len);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.is_published = false;
    }

    fn entries(&self) -> *mut BufRingEntry {
        self.mapping.start.as_ptr().cast()
    }

    fn shared_tail(&self) -> &AtomicU16 {
        // SAFETY: invariant 1; the first entry is there and zeroed.
        let tail = unsafe { BufRingEntry::tail(self.entries()) };
        // SAFETY: invariants 1 and 3; two aligned bytes that are only ever used as an atomic.
        unsafe { AtomicU16::from_ptr(tail.cast_mut()) }
    }

    fn buffer_offset(&self, buffer: u16) -> usize {
        self.buffers_offset + usize::from(buffer) * self.buffer_bytes as usize
    }
}

/// Private zeroed pages, touched as they are used.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    len: usize,
    is_leaked: bool,
}

impl Mapping {
    fn new(len: usize) -> io::Result<Mapping> {
        // SAFETY: needs nothing: a fresh private mapping at an address of the kernel's choice
        // touches nothing of ours.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Mapping {
            start: NonNull::new(start.cast()).expect("mmap(2) gives no null without MAP_FIXED"),
            len,
            is_leaked: false,
        })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.is_leaked {
            // SAFETY: invariant 1: the range is ours, and with this value its last user is gone.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
        }
    }
}

/// The kernel's own limit.
const COUNT_MAX: u16 = 1 << 15;
const PAGE_BYTES: usize = 4096;

#[cfg(test)]
mod tests;
