//! One block of nodes for all that waits, and the lists that link them.
//!
//! A node is in exactly one place: the free list, a FIFO, a bucket of a calendar, or named by a
//! heap. So `depth_max` nodes serve every class in any mixture, "full" is one question, and the
//! memory in use is as large as what waits: the free list gives the node again that was freed last,
//! which is still in the cache. A ring buffer per class would walk through all of its memory
//! whatever its depth, eight times over.

use crate::time::Nanos;

/// No node.
const NONE: u32 = u32::MAX;

/// The nodes.
#[derive(Debug)]
pub(super) struct Pool<T> {
    nodes: Box<[Node<T>]>,
    free: u32,
}

/// A node does not know its own deadline: whoever points to it does. So the head of a list can be
/// taken without waiting for the memory of the one behind it.
#[derive(Debug)]
struct Node<T> {
    /// The deadline of the node behind it in its list.
    next_deadline: Nanos,
    /// The node behind it in its list.
    next: u32,
    /// None while the node is free.
    item: Option<T>,
}

impl<T> Pool<T> {
    /// So many free nodes.
    pub(super) fn new(nodes_max: usize) -> Pool<T> {
        assert!(
            (1..=i32::MAX as usize).contains(&nodes_max),
            "a ready queue holds 1 to 2^31 - 1 items, not {nodes_max}"
        );
        let node = |index| Node {
            next_deadline: Nanos::ZERO,
            next: if index + 1 < nodes_max {
                index as u32 + 1
            } else {
                NONE
            },
            item: None,
        };
        Pool {
            nodes: (0..nodes_max).map(node).collect(),
            free: 0,
        }
    }

    /// Puts the item into a free node, or hands it back.
    #[inline]
    pub(super) fn acquire(&mut self, item: T) -> Result<u32, T> {
        let index = self.free;
        let Some(node) = self.nodes.get_mut(index as usize) else {
            return Err(item);
        };
        self.free = node.next;
        node.next = NONE;
        node.item = Some(item);
        Ok(index)
    }

    /// Frees a node that is in no list any more and gives what it held.
    #[inline]
    pub(super) fn release(&mut self, index: u32) -> T {
        let node = &mut self.nodes[index as usize];
        let item = node.item.take().expect("a node in use holds an item");
        node.next = self.free;
        self.free = index;
        item
    }

    /// Puts a node at the end of a list.
    #[inline]
    pub(super) fn append(&mut self, list: &mut List, deadline: Nanos, index: u32) {
        if list.first == NONE {
            list.first = index;
            list.first_deadline = deadline;
        } else {
            let last = &mut self.nodes[list.last as usize];
            last.next = index;
            last.next_deadline = deadline;
        }
        list.last = index;
    }

    /// Takes the first node out of a list that has one.
    #[inline]
    pub(super) fn detach_first(&mut self, list: &mut List) -> (Nanos, u32) {
        let detached = (list.first_deadline, list.first);
        let node = &self.nodes[list.first as usize];
        list.first = node.next;
        list.first_deadline = node.next_deadline;
        detached
    }
}

/// Nodes in the order they were appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    first_deadline: Nanos,
    first: u32,
    /// Says nothing while the list is empty.
    last: u32,
}

impl List {
    pub(super) const EMPTY: List = List {
        first_deadline: Nanos::ZERO,
        first: NONE,
        last: NONE,
    };

    /// The deadline of the first node; none while the list is empty.
    #[inline]
    pub(super) fn first_deadline(&self) -> Option<Nanos> {
        (self.first != NONE).then_some(self.first_deadline)
    }
}
