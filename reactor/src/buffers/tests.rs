//! The buffer ring beside its safe twin, with the test in the kernel's place.

use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::*;

/// The same ring without shared memory.
struct Twin {
    published: VecDeque<u16>,
    released: VecDeque<u16>,
}

/// What the kernel does: takes the buffer at its head, if the tail is past it, and writes into it.
struct Kernel {
    head: u16,
}

impl Kernel {
    fn receive(&mut self, ring: &mut BufferRing, bytes: &[u8]) -> Option<u16> {
        if self.head == ring.shared_tail().load(Ordering::Acquire) {
            return None;
        }
        let index = usize::from(self.head & (ring.count - 1));
        // SAFETY: invariant 1 of the ring; the index is below `count`.
        let entry = unsafe { ring.entries().add(index) };
        // SAFETY: as above; nobody writes the entry while it is read.
        let entry = unsafe { &*entry };
        assert_eq!(entry.len(), ring.buffer_bytes);
        let offset = entry.addr() as usize - ring.mapping.start.as_ptr() as usize;
        assert!(offset + bytes.len() <= ring.mapping.len);
        // SAFETY: invariants 1 and 2 of the ring; the published buffer lies within the mapping.
        let start = unsafe { ring.mapping.start.add(offset) };
        // SAFETY: as above, and a test's bytes are never longer than a buffer.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), bytes.len()) };
        self.head = self.head.wrapping_add(1);
        Some(entry.bid())
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Receive(Vec<u8>),
    Empty,
    Release(prop::sample::Index),
    Publish,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 1..=64).prop_map(Operation::Receive),
        1 => Just(Operation::Empty),
        4 => any::<prop::sample::Index>().prop_map(Operation::Release),
        3 => Just(Operation::Publish),
    ]
}

proptest! {
    #[test]
    fn hands_out_what_its_twin_hands_out(
        operations in prop::collection::vec(operation(), 0..300),
        count_log in 0_u32..5,
    ) {
        let count = 1 << count_log;
        let mut ring = BufferRing::new(count, 64).unwrap();
        let mut kernel = Kernel { head: 0 };
        let mut twin = Twin { published: (0..count).collect(), released: VecDeque::new() };
        let mut leases: Vec<Lease> = Vec::new();
        let mut contents: HashMap<u16, Vec<u8>> = HashMap::new();
        for operation in operations {
            match operation {
                Operation::Receive(bytes) => {
                    let buffer = kernel.receive(&mut ring, &bytes);
                    prop_assert_eq!(buffer, twin.published.pop_front());
                    if let Some(buffer) = buffer {
                        leases.push(ring.lease(buffer, bytes.len() as u32));
                        contents.insert(buffer, bytes);
                    }
                }
                Operation::Empty => {
                    let buffer = kernel.receive(&mut ring, &[]);
                    prop_assert_eq!(buffer, twin.published.pop_front());
                    if let Some(buffer) = buffer {
                        ring.recycle(buffer);
                        twin.released.push_back(buffer);
                    }
                }
                Operation::Release(which) if !leases.is_empty() => {
                    let lease = leases.swap_remove(which.index(leases.len()));
                    twin.released.push_back(lease.buffer);
                    ring.release(lease);
                }
                Operation::Release(_) => {}
                Operation::Publish => {
                    ring.publish();
                    twin.published.append(&mut twin.released);
                }
            }
            for lease in &leases {
                prop_assert_eq!(ring.bytes(lease), &contents[&lease.buffer][..]);
            }
        }
    }
}

#[test]
fn the_tail_survives_many_rounds() {
    // 65,536 gives wrap the 16-bit tail several times.
    let mut ring = BufferRing::new(4, 16).unwrap();
    let mut kernel = Kernel { head: 0 };
    for round in 0..200_000_u32 {
        let buffer = kernel.receive(&mut ring, &round.to_le_bytes()).unwrap();
        let lease = ring.lease(buffer, 4);
        assert_eq!(ring.bytes(&lease), round.to_le_bytes());
        ring.release(lease);
        ring.publish();
    }
}

#[test]
#[should_panic(expected = "a lease of another ring")]
fn a_lease_of_another_ring_is_refused() {
    let mut ring = BufferRing::new(4, 16).unwrap();
    let other = BufferRing::new(4, 16).unwrap();
    let lease = ring.lease(0, 4);
    other.bytes(&lease);
}
