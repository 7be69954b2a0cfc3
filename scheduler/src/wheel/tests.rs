//! The tables of the wheel; its law under any sequence of calls is held by `tests/model.rs`.

use super::*;

fn expired(wheel: &mut Wheel<u32>, now: Nanos) -> Vec<u32> {
    let mut items = Vec::new();
    wheel.expire(now, |item| items.push(item));
    items
}

/// A timer at this moment, armed at time zero, comes then and not a nanosecond before.
fn check(at: Nanos) {
    let mut wheel = Wheel::new(1);
    wheel.arm(at, 7);
    assert!(wheel.next_at().is_some_and(|next| next <= at));
    if at > Nanos::ZERO {
        assert_eq!(expired(&mut wheel, at - Nanos(1)), [], "before {at:?}");
    }
    assert_eq!(wheel.next_at(), Some(at), "before {at:?}");
    assert_eq!(expired(&mut wheel, at), [7], "at {at:?}");
    assert_eq!(wheel.next_at(), None);
    assert!(wheel.is_empty());
}

#[test]
fn a_timer_comes_exactly_at_its_moment_whatever_its_level() {
    check(Nanos::ZERO);
    check(Nanos::NEVER);
    for level in 0..LEVELS as u32 {
        let width = 1_u64 << (TICK_BITS + level * SLOT_BITS);
        for at in [width - 1, width, width + 1, 63 * width, 63 * width + 1] {
            check(Nanos(at));
        }
    }
}

#[test]
fn a_moment_that_has_passed_comes_at_the_next_expire() {
    let mut wheel = Wheel::new(2);
    assert_eq!(expired(&mut wheel, Nanos::from_secs(9)), []);
    wheel.arm(Nanos::from_secs(1), 1);
    wheel.arm(Nanos::from_secs(10), 2);
    assert_eq!(wheel.next_at(), Some(Nanos::from_secs(1)));
    assert_eq!(expired(&mut wheel, Nanos::from_secs(9)), [1]);
    assert_eq!(expired(&mut wheel, Nanos::from_secs(10)), [2]);
}

#[test]
fn a_key_names_one_timer_only() {
    let mut wheel = Wheel::new(1);
    let first = wheel.arm(Nanos::from_millis(1), 1);
    assert_eq!(wheel.cancel(first), Some(1));
    assert_eq!(wheel.cancel(first), None);
    let second = wheel.arm(Nanos::from_millis(2), 2);
    assert_eq!(wheel.cancel(first), None, "the node has a new tenant");
    assert_eq!(expired(&mut wheel, Nanos::from_millis(2)), [2]);
    assert_eq!(wheel.cancel(second), None, "it has come");
    assert_eq!(wheel.len(), 0);
}

#[test]
fn nothing_is_allocated_up_to_the_capacity_and_beyond_it_the_wheel_grows() {
    let mut wheel = Wheel::new(64);
    let reserved = wheel.nodes.capacity();
    for round in 0..4 {
        let keys: Vec<_> = (0..64)
            .map(|item| wheel.arm(Nanos::from_millis(u64::from(round * 100 + item)), item))
            .collect();
        assert_eq!(wheel.len(), 64);
        for key in keys {
            assert!(wheel.cancel(key).is_some());
        }
    }
    assert_eq!(wheel.nodes.capacity(), reserved);
    for item in 0..=64 {
        wheel.arm(Nanos::from_secs(1), item);
    }
    assert_eq!(expired(&mut wheel, Nanos::from_secs(1)).len(), 65);
}

#[test]
fn after_a_cancel_the_early_call_finds_the_later_moment() {
    let mut wheel = Wheel::new(2);
    // Both in one slot of the lowest level.
    let early = wheel.arm(Nanos(10), 1);
    wheel.arm(Nanos(20), 2);
    assert_eq!(wheel.cancel(early), Some(1));
    assert_eq!(wheel.next_at(), Some(Nanos(10)));
    assert_eq!(expired(&mut wheel, Nanos(10)), []);
    assert_eq!(wheel.next_at(), Some(Nanos(20)));
    assert_eq!(expired(&mut wheel, Nanos(20)), [2]);
}
