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
    nodes: Vec<Node<T>>,
    nodes_max: usize,
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
    /// Room for so many nodes. Their memory is reserved here, and first touched when it is needed.
    pub(super) fn new(nodes_max: usize) -> Pool<T> {
        assert!(
            (1..=i32::MAX as usize).contains(&nodes_max),
            "a ready queue holds 1 to 2^31 - 1 items, not {nodes_max}"
        );
        Pool {
            nodes: Vec::with_capacity(nodes_max),
            nodes_max,
            free: NONE,
        }
    }

    /// Puts the item into a free node, or hands it back.
    #[inline]
    pub(super) fn acquire(&mut self, item: T) -> Result<u32, T> {
        let index = self.free;
        let Some(node) = self.nodes.get_mut(index as usize) else {
            return self.extend(item);
        };
        self.free = node.next;
        node.next = NONE;
        node.item = Some(item);
        Ok(index)
    }

    /// Uses one more node of the reserved memory, or hands the item back.
    #[cold]
    fn extend(&mut self, item: T) -> Result<u32, T> {
        if self.nodes.len() == self.nodes_max {
            return Err(item);
        }
        self.nodes.push(Node {
            next_deadline: Nanos::ZERO,
            next: NONE,
            item: Some(item),
        });
        Ok(self.nodes.len() as u32 - 1)
    }

    /// The most nodes that were ever in use at once: a new one is used only where none is free.
    pub(super) fn in_use_peak(&self) -> usize {
        self.nodes.len()
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

#[cfg(test)]
impl<T> Pool<T> {
    pub(super) fn reserved(&self) -> usize {
        self.nodes.capacity()
    }
}
