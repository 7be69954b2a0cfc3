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
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Operation {
        Insert(u32),
        /// Acts on one of the tickets ever given out, stale or not.
        Remove(prop::sample::Index),
        Find(prop::sample::Index),
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            3 => any::<u32>().prop_map(Operation::Insert),
            2 => any::<prop::sample::Index>().prop_map(Operation::Remove),
            1 => any::<prop::sample::Index>().prop_map(Operation::Find),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_a_map_whose_keys_never_come_back(
            operations in prop::collection::vec(operation(), 0..400),
        ) {
            let mut table = Inflight::with_capacity(16);
            let mut model: HashMap<Ticket, u32> = HashMap::new();
            let mut given = Vec::new();
            for operation in operations {
                match operation {
                    Operation::Insert(value) => {
                        let ticket = table.insert(value);
                        prop_assert!(!given.contains(&ticket), "a ticket was given out twice");
                        prop_assert_eq!(Ticket::from_bits(ticket.to_bits()), Some(ticket));
                        given.push(ticket);
                        model.insert(ticket, value);
                    }
                    Operation::Remove(which) if !given.is_empty() => {
                        let ticket = *which.get(&given);
                        prop_assert_eq!(table.remove(ticket), model.remove(&ticket));
                    }
                    Operation::Find(which) if !given.is_empty() => {
                        let ticket = *which.get(&given);
                        prop_assert_eq!(table.find(ticket).copied(), model.get(&ticket).copied());
                    }
                    _ => {}
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.is_empty(), model.is_empty());
                let mut held: Vec<u32> = table.iter().copied().collect();
                let mut expected: Vec<u32> = model.values().copied().collect();
                held.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(held, expected);
            }
        }
    }

    #[test]
    fn slots_are_reused_before_the_table_grows() {
        let mut table = Inflight::with_capacity(4);
        for round in 0..1_000 {
            let tickets: Vec<Ticket> = (0..4).map(|value| table.insert(value + round)).collect();
            for ticket in tickets {
                assert!(ticket.index() < 4);
                table.remove(ticket).unwrap();
            }
        }
        assert_eq!(table.slots.capacity(), 4);
    }

    #[test]
    fn a_worn_out_generation_begins_again_at_one() {
        let mut table = Inflight::with_capacity(1);
        let first = table.insert('a');
        table.remove(first).unwrap();
        table.slots[0].generation = NonZeroU32::MAX;
        let last = table.insert('b');
        assert_eq!(last.generation(), NonZeroU32::MAX);
        table.remove(last).unwrap();
        assert_eq!(table.insert('c'), first);
        assert_eq!(table.find(last), None);
    }
}
