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

#[derive(Debug)]
pub(super) struct Calendar {
    buckets: Box<[List]>,
    /// Bit `b` of word `w` is set while bucket `64 w + b` has a node.
    words: Box<[u64]>,
    /// Bit `w` is set while word `w` is not zero.
    summary: u64,
    /// The number of the first bucket of the window. No bucket in use has a lower one.
    base: u64,
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
        }
    }

    /// Whether the window covers this moment.
    pub(super) fn covers(&self, at: Nanos) -> bool {
        // A moment before the window wraps around to a distance no window has.
        number(at).wrapping_sub(self.base) < self.buckets.len() as u64
    }

    /// Moves the window's begin to `now`, or to the first bucket in use if that comes earlier.
    pub(super) fn advance(&mut self, now: Nanos) {
        let begin = number(now);
        let begin = match self.first_place() {
            Some(place) => begin.min(self.base + self.distance(place)),
            None => begin,
        };
        self.base = self.base.max(begin);
    }

    /// Puts a node whose deadline the window covers at the end of its bucket.
    pub(super) fn push<T>(&mut self, pool: &mut Pool<T>, deadline: Nanos, node: u32) {
        debug_assert!(self.covers(deadline), "the caller asked first");
        let place = number(deadline) as usize & self.mask();
        pool.append(&mut self.buckets[place], node);
        self.words[place / WORD] |= 1 << (place % WORD);
        self.summary |= 1 << (place / WORD);
    }

    /// The node that is first in the first bucket in use.
    pub(super) fn first(&self) -> Option<u32> {
        self.first_place()
            .and_then(|place| self.buckets[place].first())
    }

    /// Takes that node out.
    pub(super) fn take_first<T>(&mut self, pool: &mut Pool<T>) -> Option<u32> {
        let place = self.first_place()?;
        let bucket = &mut self.buckets[place];
        let node = pool.detach_first(bucket);
        if bucket.is_empty() {
            let word = &mut self.words[place / WORD];
            *word &= !(1 << (place % WORD));
            if *word == 0 {
                self.summary &= !(1 << (place / WORD));
            }
        }
        Some(node)
    }

    /// The place of the first bucket in use, going round from the window's begin.
    fn first_place(&self) -> Option<usize> {
        let begin = self.base as usize & self.mask();
        let (word, bit) = (begin / WORD, begin % WORD);
        let here = self.words[word] & (u64::MAX << bit);
        if here != 0 {
            return Some(word * WORD + here.trailing_zeros() as usize);
        }
        // Then the words behind it, then round: what lies before the begin's bit in its own word is
        // the window's end, so that word comes last of all.
        let behind = self.summary & u64::MAX.checked_shl(word as u32 + 1).unwrap_or(0);
        let from = if behind != 0 { behind } else { self.summary };
        if from == 0 {
            return None;
        }
        let word = from.trailing_zeros() as usize;
        Some(word * WORD + self.words[word].trailing_zeros() as usize)
    }

    /// How many buckets a place lies behind the window's begin.
    fn distance(&self, place: usize) -> u64 {
        (place.wrapping_sub(self.base as usize) & self.mask()) as u64
    }

    fn mask(&self) -> usize {
        self.buckets.len() - 1
    }
}

/// The number of the bucket a moment falls in, counted from the clock's origin.
fn number(at: Nanos) -> u64 {
    at.as_u64() / ORDER_BOUND.as_u64()
}
