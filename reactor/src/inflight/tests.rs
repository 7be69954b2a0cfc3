//! The table beside a map, its naive model.

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
