//! The provided buffers, with what the kernel never checks: who holds which of them.

use std::collections::VecDeque;

/// The sentence that says which rule was broken.
pub(super) type Wrong = &'static str;

/// The provided-buffer ring and its memory.
#[derive(Debug)]
pub(super) struct Buffers {
    memory: Vec<u8>,
    buffer_bytes: usize,
    holders: Vec<Holder>,
    /// How many buffers each kind of holder has.
    held_counts: [usize; 4],
    /// What the kernel may take, in the order in which it takes them.
    free: VecDeque<u16>,
    /// What was released since the last `enter`; the kernel does not see it yet.
    released: Vec<u16>,
}

/// Who holds a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// Nobody: the kernel may take it.
    Free,
    /// A completion that was not popped yet.
    Completion,
    /// A lease.
    Lease,
    /// The shard gave it back; the kernel sees that at the next `enter`.
    Released,
}

impl Buffers {
    pub(super) fn new(count: u16, buffer_bytes: usize) -> Buffers {
        Buffers {
            memory: vec![POISON; usize::from(count) * buffer_bytes],
            buffer_bytes,
            holders: vec![Holder::Free; usize::from(count)],
            held_counts: [usize::from(count), 0, 0, 0],
            free: (0..count).collect(),
            released: Vec::with_capacity(usize::from(count)),
        }
    }

    pub(super) fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// The kernel takes a buffer for a completion; none where none is free.
    pub(super) fn take(&mut self) -> Result<Option<u16>, Wrong> {
        let Some(buffer) = self.free.pop_front() else {
            return Ok(None);
        };
        self.pass(
            buffer,
            Holder::Free,
            Holder::Completion,
            "the kernel received into a buffer that somebody still holds",
        )?;
        Ok(Some(buffer))
    }

    /// The completion is popped: the shard has a lease now.
    pub(super) fn lease(&mut self, buffer: u16) -> Result<(), Wrong> {
        self.pass(
            buffer,
            Holder::Completion,
            Holder::Lease,
            "a completion brought a buffer that was not filled for it",
        )
    }

    /// The shard gives its lease back. From now on its bytes are gone.
    pub(super) fn release(&mut self, buffer: u16) -> Result<(), Wrong> {
        self.pass(
            buffer,
            Holder::Lease,
            Holder::Released,
            "a buffer was released that is not leased",
        )?;
        self.bytes_mut(buffer).fill(POISON);
        self.released.push(buffer);
        Ok(())
    }

    /// Puts the buffer that was released last into the ring once more: the planted bug.
    pub(super) fn release_again(&mut self) {
        if let Some(&buffer) = self.released.last() {
            self.released.push(buffer);
        }
    }

    /// The kernel sees what was released.
    pub(super) fn publish(&mut self) -> Result<(), Wrong> {
        for index in 0..self.released.len() {
            let buffer = self.released[index];
            self.pass(
                buffer,
                Holder::Released,
                Holder::Free,
                "a buffer went back to the kernel twice",
            )?;
            self.free.push_back(buffer);
        }
        self.released.clear();
        Ok(())
    }

    pub(super) fn bytes(&self, buffer: u16) -> &[u8] {
        let start = usize::from(buffer) * self.buffer_bytes;
        &self.memory[start..start + self.buffer_bytes]
    }

    pub(super) fn bytes_mut(&mut self, buffer: u16) -> &mut [u8] {
        let start = usize::from(buffer) * self.buffer_bytes;
        &mut self.memory[start..start + self.buffer_bytes]
    }

    pub(super) fn leased_count(&self) -> usize {
        self.held_counts[Holder::Lease as usize]
    }

    pub(super) fn filled_count(&self) -> usize {
        self.held_counts[Holder::Completion as usize]
    }

    fn pass(&mut self, buffer: u16, from: Holder, to: Holder, wrong: Wrong) -> Result<(), Wrong> {
        let holder = &mut self.holders[usize::from(buffer)];
        if *holder != from {
            return Err(wrong);
        }
        *holder = to;
        self.held_counts[from as usize] -= 1;
        self.held_counts[to as usize] += 1;
        Ok(())
    }
}

/// What a released buffer is overwritten with, so that reading it again shows.
const POISON: u8 = 0xdd;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_goes_round() {
        let mut buffers = Buffers::new(1, 4);
        let buffer = buffers.take().unwrap().unwrap();
        assert_eq!(buffers.take(), Ok(None));
        buffers.lease(buffer).unwrap();
        buffers.release(buffer).unwrap();
        assert_eq!(
            buffers.take(),
            Ok(None),
            "the kernel sees it only when published"
        );
        buffers.publish().unwrap();
        assert_eq!(buffers.take(), Ok(Some(buffer)));
    }

    #[test]
    fn each_wrong_step_is_told() {
        let mut buffers = Buffers::new(1, 4);
        assert!(buffers.lease(0).is_err());
        assert!(buffers.release(0).is_err());
        let buffer = buffers.take().unwrap().unwrap();
        buffers.lease(buffer).unwrap();
        buffers.release(buffer).unwrap();
        assert!(buffers.release(buffer).is_err());
        buffers.release_again();
        assert!(buffers.publish().is_err());
    }
}
