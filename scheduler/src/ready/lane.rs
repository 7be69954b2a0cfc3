//! What waits of one class: a FIFO, and beside it what has to be sorted.
//!
//! Sorted is by a calendar for deadlines within its window, and by a heap for those outside. The
//! window is as wide as the class's own deadline, so a resumed request lies in it. Outside lie
//! routes with a longer deadline of their own, and what was late already when it came. They stay in
//! the heap until they are taken: the heads are compared, nothing is ever moved over.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::calendar::Calendar;
use super::due::{Due, Source};
use super::pool::{List, Pool};
use crate::class::ClassId;
use crate::time::Nanos;

#[derive(Debug)]
pub(super) struct Lane {
    class: ClassId,
    fifo: List,
    /// The FIFO's head.
    fifo_due: Due,
    /// The deadline of the FIFO's last item; zero while it is empty.
    fifo_last: Nanos,
    calendar: Calendar,
    outside: BinaryHeap<Reverse<(Nanos, u32)>>,
    /// The earlier head of these two.
    sorted_due: Due,
}

impl Lane {
    /// An empty lane for a class with this relative deadline. The heap's memory is reserved for all
    /// nodes there are; the kernel gives it only when it is first touched.
    pub(super) fn new(class: ClassId, deadline: Nanos, nodes_max: usize) -> Lane {
        Lane {
            class,
            fifo: List::EMPTY,
            fifo_due: Due::NOTHING,
            fifo_last: Nanos::ZERO,
            calendar: Calendar::new(deadline),
            outside: BinaryHeap::with_capacity(nodes_max),
            sorted_due: Due::NOTHING,
        }
    }

    /// Whether an item with this deadline may stand at the FIFO's end.
    #[inline]
    pub(super) fn is_in_order(&self, deadline: Nanos) -> bool {
        deadline >= self.fifo_last
    }

    /// Puts a node at the FIFO's end. Gives what is due next.
    #[inline]
    pub(super) fn push<T>(&mut self, pool: &mut Pool<T>, deadline: Nanos, node: u32) -> Due {
        debug_assert!(self.is_in_order(deadline), "the caller asked first");
        self.fifo_last = deadline;
        if self.fifo_due == Due::NOTHING {
            self.fifo_due = Due::new(deadline, Source::Fifo, self.class);
        }
        pool.append(&mut self.fifo, deadline, node);
        self.due()
    }

    /// Sorts a node in. Gives what is due next.
    #[inline]
    pub(super) fn push_ordered<T>(
        &mut self,
        pool: &mut Pool<T>,
        deadline: Nanos,
        node: u32,
        now: Nanos,
    ) -> Due {
        // The window is moved only when it is in the way, so that the common push does not search.
        if self.calendar.covers(deadline) || self.calendar.advance(now).covers(deadline) {
            if self.calendar.push(pool, deadline, node) {
                let due = Due::new(deadline, Source::Calendar, self.class);
                self.sorted_due = self.sorted_due.or(due);
            }
        } else {
            self.push_outside(deadline, node);
        }
        self.due()
    }

    /// Takes out the node that is due next, and its deadline.
    #[inline]
    pub(super) fn take<T>(&mut self, pool: &mut Pool<T>, due: Due) -> (Nanos, u32) {
        match due.source() {
            Source::Fifo => {
                let taken = pool.detach_first(&mut self.fifo);
                self.fifo_due = self.due_at(self.fifo.first_deadline(), Source::Fifo);
                if self.fifo_due == Due::NOTHING {
                    self.fifo_last = Nanos::ZERO;
                }
                taken
            }
            Source::Calendar => {
                let taken = self.calendar.take_first(pool);
                self.sorted_due = self.due_sorted();
                taken
            }
            Source::Outside => self.take_outside(),
        }
    }

    /// What is due next of all.
    #[inline]
    pub(super) fn due(&self) -> Due {
        self.fifo_due.or(self.sorted_due)
    }

    // The heap's code is kept out of the way of the two others, which need the registers.
    #[cold]
    #[inline(never)]
    fn push_outside(&mut self, deadline: Nanos, node: u32) {
        self.outside.push(Reverse((deadline, node)));
        let due = Due::new(deadline, Source::Outside, self.class);
        self.sorted_due = self.sorted_due.or(due);
    }

    #[cold]
    #[inline(never)]
    fn take_outside(&mut self) -> (Nanos, u32) {
        let taken = self.outside.pop();
        self.sorted_due = self.due_sorted();
        taken.expect("what is due outside lies in the heap").0
    }

    #[inline]
    fn due_sorted(&self) -> Due {
        let outside = self.outside.peek().map(|Reverse((deadline, _))| *deadline);
        self.due_at(self.calendar.first_deadline(), Source::Calendar)
            .or(self.due_at(outside, Source::Outside))
    }

    #[inline]
    fn due_at(&self, first: Option<Nanos>, source: Source) -> Due {
        match first {
            Some(deadline) => Due::new(deadline, source, self.class),
            None => Due::NOTHING,
        }
    }
}

#[cfg(test)]
impl Lane {
    pub(super) fn outside_count(&self) -> usize {
        self.outside.len()
    }

    pub(super) fn outside_reserved(&self) -> usize {
        self.outside.capacity()
    }
}
