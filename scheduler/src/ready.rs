//! The ready queue: work that could run now, the earliest deadline first.
//!
//! If every class has one relative deadline, a FIFO per class is in deadline order by itself, and
//! the next item is the earliest of at most eight heads. Only work that arrives out of that order
//! (resumed after a park, or with a deadline of its own) needs a structure that sorts, and for that
//! an order of 128 µs is fine enough. The cost does not grow with the depth; `bench/benches/ready.rs`
//! shows it beside heaps that do the same job.

mod calendar;
mod due;
mod lane;
mod pool;

use std::fmt;

use crate::class::{CLASSES_MAX, ClassId, ClassTable};
use crate::stats::QueueStats;
use crate::time::Nanos;
use due::Due;
use lane::Lane;
use pool::Pool;

pub use calendar::ORDER_BOUND;

/// Ready work of all classes, taken out by deadline.
///
/// # Bounds
/// `depth_max` items over all classes; the next one is refused and handed back.
///
/// # Complexity
/// O(1) for fresh work and for deadlines within the calendar's window, O(log n) beyond it. Nothing
/// is allocated after [`new`](ReadyQueue::new).
///
/// # Ordering
/// See the law in the [crate's head](crate).
#[derive(Debug)]
pub struct ReadyQueue<T> {
    pool: Pool<T>,
    lanes: Box<[Lane]>,
    /// What each class would give next.
    due: [Due; CLASSES_MAX],
    /// The latest moment that was told.
    now: Nanos,
    len: usize,
    stats: QueueStats,
}

impl<T> ReadyQueue<T> {
    /// An empty queue with room for `depth_max` items of the table's classes.
    ///
    /// # Panics
    /// `depth_max` is zero or does not fit 31 bits.
    pub fn new(classes: &ClassTable, depth_max: usize) -> ReadyQueue<T> {
        ReadyQueue {
            pool: Pool::new(depth_max),
            lanes: (classes.iter())
                .map(|(id, class)| Lane::new(id, class.deadline, depth_max))
                .collect(),
            due: [Due::NOTHING; CLASSES_MAX],
            now: Nanos::ZERO,
            len: 0,
            stats: QueueStats::default(),
        }
    }

    /// Takes in fresh work, whose deadline is its arrival plus its class's relative deadline.
    ///
    /// It goes to the end of the class's FIFO. A deadline earlier than that of the item before it
    /// would break the FIFO's order, so such an item is sorted in as by
    /// [`push_ordered`](ReadyQueue::push_ordered). Work with a deadline of its own should come by
    /// that way from the start: a far one at the FIFO's end sends all later ones to the side.
    ///
    /// # Errors
    /// The queue is full; the item comes back.
    ///
    /// # Panics
    /// The class is not in the queue's table.
    #[inline]
    pub fn push(&mut self, class: ClassId, deadline: Nanos, item: T) -> Result<(), Full<T>> {
        if !self.lanes[class.index()].is_in_order(deadline) {
            return self.push_out_of_order(class, deadline, item);
        }
        let node = self.admit(class, item)?;
        let lane = &mut self.lanes[class.index()];
        self.due[class.index()] = lane.push(&mut self.pool, deadline, node);
        Ok(())
    }

    /// Takes in work whose deadline stands in no order to what came before: resumed after a park,
    /// or with a deadline of its own.
    ///
    /// # Errors
    /// The queue is full; the item comes back.
    ///
    /// # Panics
    /// The class is not in the queue's table.
    #[inline]
    pub fn push_ordered(
        &mut self,
        class: ClassId,
        deadline: Nanos,
        item: T,
    ) -> Result<(), Full<T>> {
        let node = self.admit(class, item)?;
        self.stats.class_mut(class.index()).ordered_count += 1;
        let lane = &mut self.lanes[class.index()];
        self.due[class.index()] = lane.push_ordered(&mut self.pool, deadline, node, self.now);
        Ok(())
    }

    /// The item with the earliest deadline, and whether that has passed at `now`.
    ///
    /// An expired item is given like any other: only the caller can answer for it.
    #[inline]
    pub fn pop(&mut self, now: Nanos) -> Option<Popped<T>> {
        self.now = now;
        let due = Due::earliest(&self.due);
        let class = due.class()?;
        let index = class.index();
        let lane = &mut self.lanes[index];
        let (deadline, node) = lane.take(&mut self.pool, due);
        self.due[index] = lane.due();
        let item = self.pool.release(node);
        self.len -= 1;
        let expired = deadline <= now;
        let stats = self.stats.class_mut(index);
        stats.popped_count += 1;
        stats.expired_count += u64::from(expired);
        Some(Popped {
            item,
            class,
            deadline,
            expired,
        })
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What was counted since the queue was made.
    pub fn stats(&self) -> &QueueStats {
        &self.stats
    }
}

impl<T> ReadyQueue<T> {
    #[cold]
    #[inline(never)]
    fn push_out_of_order(
        &mut self,
        class: ClassId,
        deadline: Nanos,
        item: T,
    ) -> Result<(), Full<T>> {
        self.push_ordered(class, deadline, item)
    }

    /// Gives the item a node of the pool and counts it, or refuses it.
    #[inline]
    fn admit(&mut self, class: ClassId, item: T) -> Result<u32, Full<T>> {
        let stats = self.stats.class_mut(class.index());
        match self.pool.acquire(item) {
            Ok(node) => {
                stats.pushed_count += 1;
                self.len += 1;
                self.stats.depth_peak = self.pool.in_use_peak();
                Ok(node)
            }
            Err(item) => {
                stats.rejected_count += 1;
                Err(Full(item))
            }
        }
    }
}

/// An item taken out of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Popped<T> {
    /// What was pushed.
    pub item: T,
    /// Its class.
    pub class: ClassId,
    /// Its deadline.
    pub deadline: Nanos,
    /// Whether the deadline had come when it was taken: no time is left to answer in.
    pub expired: bool,
}

/// The queue was full; here is the item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(pub T);

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full(..)")
    }
}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ready queue is full")
    }
}

impl<T> std::error::Error for Full<T> {}

#[cfg(test)]
mod tests;
