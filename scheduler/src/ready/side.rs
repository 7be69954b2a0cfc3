//! What a class sorts: a calendar for deadlines within its window, a heap for those outside.
//!
//! The window is as wide as the class's own deadline, so a resumed request lies in it. Outside lie
//! routes with a longer deadline of their own, and what was late already when it came. They stay in
//! the heap until they are taken: the two heads are compared, nothing is ever moved over.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::calendar::Calendar;
use super::pool::Pool;
use crate::time::Nanos;

#[derive(Debug)]
pub(super) struct Side {
    calendar: Calendar,
    outside: BinaryHeap<Reverse<(Nanos, u32)>>,
    /// The deadline and the place of the node that would be taken next.
    first: Option<(Nanos, Place)>,
}

/// Where a node lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Calendar,
    Outside,
}

impl Side {
    /// An empty one for a class with this relative deadline. The heap's memory is reserved for all
    /// nodes there are; the kernel gives it only when it is first touched.
    pub(super) fn new(deadline: Nanos, nodes_max: usize) -> Side {
        Side {
            calendar: Calendar::new(deadline),
            outside: BinaryHeap::with_capacity(nodes_max),
            first: None,
        }
    }

    /// The deadline and the place of the node that would be taken next.
    pub(super) fn first(&self) -> Option<(Nanos, Place)> {
        self.first
    }

    /// Sorts a node in.
    pub(super) fn push<T>(&mut self, pool: &mut Pool<T>, deadline: Nanos, node: u32, now: Nanos) {
        // The window is moved only when it is in the way, so that the common push does not search.
        if !self.calendar.covers(deadline) {
            self.calendar.advance(now);
        }
        if self.calendar.covers(deadline) {
            self.calendar.push(pool, deadline, node);
        } else {
            self.outside.push(Reverse((deadline, node)));
        }
        self.refresh(pool);
    }

    /// Takes out the node that [`first`](Side::first) named.
    pub(super) fn take<T>(&mut self, pool: &mut Pool<T>, place: Place) -> u32 {
        let node = match place {
            Place::Calendar => self.calendar.take_first(pool),
            Place::Outside => self.outside.pop().map(|Reverse((_, node))| node),
        };
        self.refresh(pool);
        node.expect("the place was named because a node lies there")
    }

    fn refresh<T>(&mut self, pool: &Pool<T>) {
        let calendar = self.calendar.first().map(|node| pool.deadline(node));
        let outside = self.outside.peek().map(|Reverse((deadline, _))| *deadline);
        self.first = match (calendar, outside) {
            (Some(inside), Some(outside)) if outside < inside => Some((outside, Place::Outside)),
            (Some(inside), _) => Some((inside, Place::Calendar)),
            (None, Some(outside)) => Some((outside, Place::Outside)),
            (None, None) => None,
        };
    }
}
