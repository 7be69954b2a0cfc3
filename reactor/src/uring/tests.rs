//! Completions that only the inside of a ring can provoke.

use std::num::NonZeroU32;

use super::*;

fn nop(ring: &mut Uring, user_data: u64) {
    let entry = opcode::Nop::new().build().user_data(user_data);
    // SAFETY: invariant 6: a NOP points to nothing.
    unsafe { ring.queues.push(&entry) };
}

#[test]
fn a_late_completion_is_counted_and_hits_nobody() {
    let mut ring = Uring::new(UringOptions::default()).unwrap();
    let owner = Ticket::new(3, NonZeroU32::MIN);
    let late = ring.operations.insert(Operation::Close { owner });
    ring.operations.remove(late).unwrap();
    let tenant = ring.operations.insert(Operation::Close { owner });
    assert_eq!(late.index(), tenant.index(), "the slot has a new tenant");
    nop(&mut ring, Target::Operation(late).to_bits());
    // A user_data that nothing here makes is as foreign.
    nop(&mut ring, 0);
    ring.enter(2).unwrap();
    assert!(ring.is_ready());
    assert!(ring.pop().is_none());
    assert_eq!(ring.stats().stale_count, 2);
    nop(&mut ring, Target::Operation(tenant).to_bits());
    ring.enter(1).unwrap();
    match ring.pop() {
        Some(Completion::Closed { owner: found }) => assert_eq!(found, owner),
        other => panic!("{other:?}"),
    }
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn a_thread_may_have_rings_without_end() {
    // A thread has 16 places for registered rings; each ring gives its own back.
    for _ in 0..40 {
        let ring = Uring::new(UringOptions::default()).unwrap();
        assert!(ring.features().registered_ring || !ring.features().defer_taskrun);
    }
}

#[test]
fn a_turn_is_one_syscall() {
    let mut ring = Uring::new(UringOptions::default()).unwrap();
    for _ in 0..100 {
        nop(&mut ring, Target::Nobody.to_bits());
    }
    ring.enter(100).unwrap();
    assert!(ring.pop().is_none());
    let stats = ring.stats();
    assert_eq!(stats.enter_count, 1);
    // The waker's watch is the one more.
    assert_eq!((stats.submitted_count, stats.completed_count), (101, 100));
}
