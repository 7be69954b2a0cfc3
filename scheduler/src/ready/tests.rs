//! The tables of the ready queue; its law is held by `tests/model.rs`.

use super::*;

fn queue(depth_max: usize) -> ReadyQueue<u32> {
    ReadyQueue::new(&ClassTable::default(), depth_max)
}

#[test]
fn the_earliest_of_all_heads_leaves_first() {
    let mut queue = queue(8);
    for (class, millis, item) in [
        (ClassId::BATCH, 30, 0),
        (ClassId::STANDARD, 20, 1),
        (ClassId::INTERACTIVE, 25, 2),
        (ClassId::STANDARD, 40, 3),
    ] {
        let pushed = queue.push(class, Nanos::from_millis(millis), item);
        assert_eq!(pushed, Ok(()));
    }
    queue
        .push_ordered(ClassId::BATCH, Nanos::from_millis(22), 4)
        .expect("there is room");
    let order: Vec<u32> =
        std::iter::from_fn(|| queue.pop(Nanos::ZERO).map(|popped| popped.item)).collect();
    assert_eq!(order, [1, 4, 2, 0, 3]);
}
