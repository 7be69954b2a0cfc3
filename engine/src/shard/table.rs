//! A slab whose entries are named by tickets.
//!
//! `slab` hands out indices that are used again; the generation beside each index is what makes a
//! late completion harmless. A generation moves on when its entry is removed, so a ticket taken
//! before that no longer finds anything.

use std::num::NonZeroU32;

use cutaway_reactor::{Ticket, planted};
use slab::Slab;

/// Entries of type `T` under tickets.
///
/// # Bounds
/// At most `len_max` entries; one more is handed back.
///
/// # Complexity
/// Every call is O(1). Memory grows with the largest number of entries that were there at once and
/// is kept, so that a warm table allocates nothing.
pub(crate) struct Table<T> {
    entries: Slab<T>,
    generations: Vec<NonZeroU32>,
    len_max: usize,
}

impl<T> Table<T> {
    /// An empty table.
    pub fn new(len_max: usize) -> Table<T> {
        Table {
            entries: Slab::new(),
            generations: Vec::new(),
            len_max,
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether one more entry would be handed back.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.len_max
    }

    /// Puts an entry in.
    ///
    /// # Errors
    /// Hands the entry back where the table is full.
    pub fn insert(&mut self, entry: T) -> Result<Ticket, T> {
        if self.is_full() {
            return Err(entry);
        }
        let index = self.entries.insert(entry);
        if index == self.generations.len() {
            self.generations.push(NonZeroU32::MIN);
        }
        Ok(Ticket::new(index as u32, self.generations[index]))
    }

    /// The entry that this ticket names, to look at it.
    pub fn get(&self, ticket: Ticket) -> Option<&T> {
        if !self.is_current(ticket) {
            return None;
        }
        self.entries.get(ticket.index() as usize)
    }

    /// The entry that this ticket names; none where it has gone.
    pub fn get_mut(&mut self, ticket: Ticket) -> Option<&mut T> {
        if !self.is_current(ticket) {
            return None;
        }
        self.entries.get_mut(ticket.index() as usize)
    }

    /// Takes the entry out; from now on its ticket is stale.
    pub fn remove(&mut self, ticket: Ticket) -> Option<T> {
        if !self.is_current(ticket) {
            return None;
        }
        let index = ticket.index() as usize;
        let entry = self.entries.try_remove(index)?;
        let generation = &mut self.generations[index];
        // Wraps after four billion tenants of one slot; zero is left out, it marks "no ticket".
        *generation = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        Some(entry)
    }

    /// All entries with their tickets, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Ticket, &T)> {
        self.entries
            .iter()
            .map(|(index, entry)| (Ticket::new(index as u32, self.generations[index]), entry))
    }

    fn is_current(&self, ticket: Ticket) -> bool {
        planted::stale_ticket()
            || self.generations.get(ticket.index() as usize) == Some(&ticket.generation())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stale_ticket_finds_nothing() {
        let mut table = Table::new(4);
        let first = table.insert('a').unwrap();
        assert_eq!(table.remove(first), Some('a'));
        let second = table.insert('b').unwrap();
        assert_eq!(first.index(), second.index());
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get_mut(second), Some(&mut 'b'));
    }

    #[test]
    fn a_full_table_hands_the_entry_back() {
        let mut table = Table::new(1);
        table.insert(1).unwrap();
        assert_eq!(table.insert(2), Err(2));
    }

    proptest! {
        /// Against a list that never reuses a name.
        #[test]
        fn equals_a_list(operations in prop::collection::vec((any::<bool>(), any::<usize>()), 0..200)) {
            let mut table = Table::new(8);
            let mut model: Vec<(Ticket, usize, bool)> = Vec::new();
            for (insert, value) in operations {
                let live = model.iter().filter(|entry| entry.2).count();
                if insert {
                    match table.insert(value) {
                        Ok(ticket) => model.push((ticket, value, true)),
                        Err(back) => prop_assert!(back == value && live == 8),
                    }
                } else if !model.is_empty() {
                    let at = value % model.len();
                    let (ticket, value, alive) = &mut model[at];
                    prop_assert_eq!(table.remove(*ticket), alive.then_some(*value));
                    *alive = false;
                }
                for (ticket, value, alive) in &mut model {
                    prop_assert_eq!(table.get_mut(*ticket), alive.then_some(value));
                }
            }
        }
    }
}
