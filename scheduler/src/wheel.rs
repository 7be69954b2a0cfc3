//! Timeouts: armed by the thousand, nearly all cancelled before they fire.
//!
//! Eight levels of 64 slots. A slot of the lowest level is one tick wide, a slot of each other level
//! as wide as the whole level below it, and eight levels reach as far as the clock does. A timer
//! lies in the lowest level in which it can be told from the present tick; when the time comes to a
//! slot of a higher level, its timers move down.

use crate::time::Nanos;

/// One tick is 2^16 ns, about 66 µs. It sets how many timers share a slot, not how exact they are.
const TICK_BITS: u32 = 16;
/// A level has 64 slots: one bitmap word.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// 16 + 8 · 6 = 64 bits: the wheel reaches as far as the clock.
const LEVELS: usize = 8;
/// No node.
const NONE: u32 = u32::MAX;

/// Items that come back when their moment has come, unless they are cancelled before.
///
/// # Bounds
/// Any moment, [`Nanos::NEVER`] too. Below 2^32 − 1 timers. Memory for the capacity given is taken
/// at once; more timers than that make the wheel grow.
///
/// # Complexity
/// [`arm`](Wheel::arm) and [`cancel`](Wheel::cancel) O(1). A timer moves down at most 7 times.
///
/// # Ordering
/// [`expire`](Wheel::expire) goes by ticks of 66 µs; within one tick no order is promised, but the
/// same calls always give the same one.
#[derive(Debug)]
pub struct Wheel<T> {
    nodes: Vec<Node<T>>,
    free: u32,
    slots: Box<[[Slot; SLOTS]; LEVELS]>,
    /// Bit `s` of word `l` is set while slot `s` of level `l` has a timer.
    used: [u64; LEVELS],
    /// Every timer of an earlier tick has been given.
    tick: u64,
    len: usize,
}

impl<T> Wheel<T> {
    /// An empty wheel with memory for `capacity` timers.
    pub fn new(capacity: usize) -> Wheel<T> {
        Wheel {
            nodes: Vec::with_capacity(capacity),
            free: NONE,
            slots: Box::new([[Slot::EMPTY; SLOTS]; LEVELS]),
            used: [0; LEVELS],
            tick: 0,
            len: 0,
        }
    }

    /// Keeps the item until `at`. A moment that has passed comes at the next
    /// [`expire`](Wheel::expire).
    ///
    /// # Panics
    /// 2^32 − 1 timers are armed.
    pub fn arm(&mut self, at: Nanos, item: T) -> TimerKey {
        let index = self.acquire(at, item);
        self.link(index);
        self.len += 1;
        TimerKey {
            index,
            generation: self.nodes[index as usize].generation,
        }
    }

    /// Takes a timer back before it comes; none if it has come or was cancelled.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let node = self.nodes.get(key.index as usize)?;
        if node.generation != key.generation {
            return None;
        }
        self.unlink(key.index);
        self.len -= 1;
        self.release(key.index)
    }

    /// Gives every item whose moment is `now` or earlier, and no other.
    pub fn expire(&mut self, now: Nanos, mut take: impl FnMut(T)) {
        let target = now.as_u64() >> TICK_BITS;
        while let Some((level, slot)) = self.first_slot() {
            let start = self.start(level, slot);
            if start > target {
                break;
            }
            self.tick = self.tick.max(start);
            let mut next = self.detach(level, slot);
            while next != NONE {
                let index = next;
                let node = &self.nodes[index as usize];
                next = node.next;
                if level == 0 && node.at <= now {
                    self.len -= 1;
                    if let Some(item) = self.release(index) {
                        take(item);
                    }
                } else {
                    // A higher level's timer moves down; one of this very tick waits for its moment.
                    self.link(index);
                }
            }
            if level == 0 && start == target {
                break;
            }
        }
        self.tick = self.tick.max(target);
    }

    /// When [`expire`](Wheel::expire) should be called next; none while nothing is armed.
    ///
    /// Never later than the earliest timer. Earlier only where the earliest one was cancelled, and
    /// then an `expire` at that moment finds a later one.
    pub fn next_at(&self) -> Option<Nanos> {
        self.first_slot()
            .map(|(level, slot)| self.slots[level][slot].at_min)
    }

    /// How many timers are armed.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no timer is armed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Names one armed timer. A key whose timer has come or was cancelled is stale and names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    index: u32,
    /// Tells the tenants of a node apart; comes round after 2^32 of them.
    generation: u32,
}

#[derive(Debug)]
struct Node<T> {
    at: Nanos,
    /// The neighbours in its slot. In a free node `next` is the next free one.
    previous: u32,
    next: u32,
    generation: u32,
    level: u8,
    slot: u8,
    /// None while the node is free.
    item: Option<T>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    first: u32,
    /// No timer in the slot is earlier. Says nothing while the slot is empty.
    at_min: Nanos,
}

impl Slot {
    const EMPTY: Slot = Slot {
        first: NONE,
        at_min: Nanos::NEVER,
    };
}

impl<T> Wheel<T> {
    /// The first slot in time. Lower levels come first: a timer lies in a higher one only because
    /// its tick is beyond all that the lower ones still have before them.
    fn first_slot(&self) -> Option<(usize, usize)> {
        (self.used.iter().enumerate())
            .find(|(_, used)| **used != 0)
            .map(|(level, used)| (level, used.trailing_zeros() as usize))
    }

    /// The first tick of a slot.
    fn start(&self, level: usize, slot: usize) -> u64 {
        let shift = level as u32 * SLOT_BITS;
        let above = self.tick >> shift >> SLOT_BITS << SLOT_BITS;
        (above | slot as u64) << shift
    }

    /// Puts a node into the slot where it belongs now.
    fn link(&mut self, index: u32) {
        let node = &mut self.nodes[index as usize];
        let tick = (node.at.as_u64() >> TICK_BITS).max(self.tick);
        // The highest digit in which the two ticks differ is the level; `| 1` makes "none" the lowest.
        let level = (((tick ^ self.tick) | 1).ilog2() / SLOT_BITS) as usize;
        let slot = (tick >> (level as u32 * SLOT_BITS)) as usize % SLOTS;
        let place = &mut self.slots[level][slot];
        node.level = level as u8;
        node.slot = slot as u8;
        node.previous = NONE;
        node.next = place.first;
        place.at_min = if place.first == NONE {
            node.at
        } else {
            place.at_min.min(node.at)
        };
        let behind = place.first;
        place.first = index;
        self.used[level] |= 1 << slot;
        if behind != NONE {
            self.nodes[behind as usize].previous = index;
        }
    }

    /// Takes a node out of its slot.
    fn unlink(&mut self, index: u32) {
        let node = &self.nodes[index as usize];
        let (previous, next) = (node.previous, node.next);
        let (level, slot) = (usize::from(node.level), usize::from(node.slot));
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        if previous != NONE {
            self.nodes[previous as usize].next = next;
            return;
        }
        self.slots[level][slot].first = next;
        if next == NONE {
            self.used[level] &= !(1 << slot);
        }
    }

    /// Empties a slot; its nodes stay linked from the first one on.
    fn detach(&mut self, level: usize, slot: usize) -> u32 {
        self.used[level] &= !(1 << slot);
        std::mem::replace(&mut self.slots[level][slot].first, NONE)
    }

    fn acquire(&mut self, at: Nanos, item: T) -> u32 {
        if let Some(node) = self.nodes.get_mut(self.free as usize) {
            node.at = at;
            node.item = Some(item);
            return std::mem::replace(&mut self.free, node.next);
        }
        let index = self.nodes.len() as u32;
        assert!(index < NONE, "a wheel holds less than 2^32 - 1 timers");
        self.nodes.push(Node {
            at,
            previous: NONE,
            next: NONE,
            generation: 0,
            level: 0,
            slot: 0,
            item: Some(item),
        });
        index
    }

    /// Frees a node that is in no slot any more; its key is stale from now on.
    fn release(&mut self, index: u32) -> Option<T> {
        let node = &mut self.nodes[index as usize];
        node.generation = node.generation.wrapping_add(1);
        node.next = self.free;
        self.free = index;
        node.item.take()
    }
}

#[cfg(test)]
mod tests;
