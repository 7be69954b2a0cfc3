//! The table of operations in flight: a slab whose slots remember how many tenants they had.
//!
//! Each operation's operands live here from submission to its last completion. The ticket that
//! stands in its `user_data` names slot and tenant, so finding it is one indexed load, and a
//! completion that comes after its operation has ended finds nothing.

use std::num::NonZeroU32;

use crate::{Ticket, planted};

/// Values under tickets.
///
/// # Complexity
/// Everything is O(1). No allocation while no more than `capacity` values are held at once; past
/// that the table doubles.
#[derive(Debug)]
pub struct Inflight<T> {
    slots: Vec<Slot<T>>,
    /// The slot that was freed last, whose memory is most likely still in a cache.
    free: Option<u32>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    /// Of the tenant that is here, or of the next one.
    generation: NonZeroU32,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    Taken(T),
    Free { next: Option<u32> },
}

impl<T> Inflight<T> {
    /// An empty table with room for `capacity` values. The memory is touched as it is used.
    pub fn with_capacity(capacity: usize) -> Inflight<T> {
        Inflight {
            slots: Vec::with_capacity(capacity),
            free: None,
            len: 0,
        }
    }

    /// Takes a value in.
    ///
    /// # Panics
    /// With 2^32 values in the table.
    pub fn insert(&mut self, value: T) -> Ticket {
        self.len += 1;
        match self.free {
            Some(index) => {
                let slot = &mut self.slots[index as usize];
                let State::Free { next } = slot.state else {
                    unreachable!("the free list holds free slots only");
                };
                self.free = next;
                slot.state = State::Taken(value);
                Ticket::new(index, slot.generation)
            }
            None => {
                let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 operations");
                self.slots.push(Slot {
                    generation: NonZeroU32::MIN,
                    state: State::Taken(value),
                });
                Ticket::new(index, NonZeroU32::MIN)
            }
        }
    }

    /// The value under a ticket; none where the ticket is stale.
    #[inline]
    pub fn find(&mut self, ticket: Ticket) -> Option<&mut T> {
        match self.slots.get_mut(ticket.index() as usize)? {
            Slot {
                generation,
                state: State::Taken(value),
            } if *generation == ticket.generation() || planted::stale_ticket() => Some(value),
            _ => None,
        }
    }

    /// Gives the value back and makes its ticket stale; none where it is stale already.
    #[inline]
    pub fn remove(&mut self, ticket: Ticket) -> Option<T> {
        self.find(ticket)?;
        let slot = &mut self.slots[ticket.index() as usize];
        let freed = State::Free { next: self.free };
        let State::Taken(value) = std::mem::replace(&mut slot.state, freed) else {
            unreachable!("find has seen a value here");
        };
        // After 2^32 - 1 tenants a slot begins again at one; a completion that is late by four
        // billion operations on one slot is not feared.
        slot.generation = slot.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        self.free = Some(ticket.index());
        self.len -= 1;
        Some(value)
    }

    /// How many values are held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values that are held, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| match &slot.state {
            State::Taken(value) => Some(value),
            State::Free { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests;
