//! Deadlines sorted to 128 µs: a circle of buckets and a bitmap of those in use.
//!
//! The circle is a window on time. It begins at bucket number `base` and covers as many buckets as
//! there are; what lies outside is somebody else's. A bucket's place in the circle is its number
//! modulo the size, so moving the window moves nothing else.

use super::pool::{List, Pool};
use crate::time::Nanos;

/// Deadlines closer than this may leave the side structure in either order.
///
/// # Source
/// A turn's quantum is 500 µs, so a finer order could not be kept by whoever runs the items.
pub const ORDER_BOUND: Nanos = Nanos::from_micros(128);

/// A word of the bitmap has so many bits, and so many words the bitmap at most.
const WORD: usize = 64;
/// No bucket has so high a number.
const NOTHING: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Calendar {
    buckets: Box<[List]>,
    /// Bit `b` of word `w` is set while bucket `64 w + b` has a node.
    words: Box<[u64]>,
    /// Bit `w` is set while word `w` is not zero.
    summary: u64,
    /// The number of the first bucket of the window. No bucket in use has a lower one.
    base: u64,
    /// The number of the first bucket in use; [`NOTHING`] where none is.
    first: u64,
}

impl Calendar {
    /// A calendar whose window covers `span`, or about half a second if that is longer.
    ///
    /// 8 bytes a bucket: 1 KiB for a class of 10 ms, 32 KiB at most.
    pub(super) fn new(span: Nanos) -> Calendar {
        // Two more than the span has: the buckets it begins and ends in are both cut.
        let wanted = span.as_u64() / ORDER_BOUND.as_u64() + 2;
        let size = (wanted.min((WORD * WORD) as u64) as usize)
            .next_power_of_two()
            .max(WORD);
        Calendar {
            buckets: vec![List::EMPTY; size].into_boxed_slice(),
            words: vec![0; size / WORD].into_boxed_slice(),
            summary: 0,
            base: 0,
            first: NOTHING,
        }
    }

    /// Whether the window covers this moment.
    pub(super) fn covers(&self, at: Nanos) -> bool {
        // A moment before the window wraps around to a distance no window has.
        number(at).wrapping_sub(self.base) < self.buckets.len() as u64
    }

    /// Moves the window's begin to `now`, or to the first bucket in use if that comes earlier.
    pub(super) fn advance(&mut self, now: Nanos) -> &Calendar {
        self.base = self.base.max(number(now).min(self.first));
        self
    }

    /// Puts a node whose deadline the window covers at the end of its bucket. True if it is now the
    /// first of all.
    #[inline]
    pub(super) fn push<T>(&mut self, pool: &mut Pool<T>, deadline: Nanos, node: u32) -> bool {
        debug_assert!(self.covers(deadline), "the caller asked first");
        let number = number(deadline);
        let place = number as usize & self.mask();
        pool.append(&mut self.buckets[place], deadline, node);
        self.words[place / WORD] |= 1 << (place % WORD);
        self.summary |= 1 << (place / WORD);
        let is_first = number < self.first;
        self.first = self.first.min(number);
        is_first
    }

    /// The deadline of the node that is first in the first bucket in use.
    #[inline]
    pub(super) fn first_deadline(&self) -> Option<Nanos> {
        self.buckets[self.first as usize & self.mask()].first_deadline()
    }

    /// Takes that node out.
    ///
    /// # Panics
    /// There is none.
    #[inline]
    pub(super) fn take_first<T>(&mut self, pool: &mut Pool<T>) -> (Nanos, u32) {
        let place = self.first as usize & self.mask();
        let bucket = &mut self.buckets[place];
        let taken = pool.detach_first(bucket);
        if bucket.first_deadline().is_none() {
            let word = &mut self.words[place / WORD];
            *word &= !(1 << (place % WORD));
            if *word == 0 {
                self.summary &= !(1 << (place / WORD));
            }
            self.first = match self.next_place(place) {
                Some(next) => self.first + (next.wrapping_sub(place) & self.mask()) as u64,
                None => NOTHING,
            };
        }
        taken
    }

    /// The place of the first bucket in use, going round from this one.
    fn next_place(&self, place: usize) -> Option<usize> {
        let (word, bit) = (place / WORD, place % WORD);
        let here = self.words[word] & (u64::MAX << bit);
        if here != 0 {
            return Some(word * WORD + here.trailing_zeros() as usize);
        }
        // Then the words behind it, then round from the first one. What this word has left lies
        // before the place, so it is the window's end, and its word comes last of all.
        let behind = self.summary & (u64::MAX << word << 1);
        let from = if behind != 0 { behind } else { self.summary };
        if from == 0 {
            return None;
        }
        let word = from.trailing_zeros() as usize;
        Some(word * WORD + self.words[word].trailing_zeros() as usize)
    }

    fn mask(&self) -> usize {
        self.buckets.len() - 1
    }
}

/// The number of the bucket a moment falls in, counted from the clock's origin.
fn number(at: Nanos) -> u64 {
    at.as_u64() / ORDER_BOUND.as_u64()
}
