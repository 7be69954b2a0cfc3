//! The tables of the ready queue; its law under any sequence of calls is held by `tests/model.rs`.

use super::calendar::Calendar;
use super::*;
use crate::ClassStats;

const INTERACTIVE: ClassId = ClassId::INTERACTIVE;
const STANDARD: ClassId = ClassId::STANDARD;
const BATCH: ClassId = ClassId::BATCH;

fn queue(depth_max: usize) -> ReadyQueue<u32> {
    ReadyQueue::new(&ClassTable::default(), depth_max)
}

fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

/// Takes everything out at time zero.
fn order(queue: &mut ReadyQueue<u32>) -> Vec<u32> {
    std::iter::from_fn(|| queue.pop(Nanos::ZERO).map(|popped| popped.item)).collect()
}

/// How an item comes in.
#[derive(Clone, Copy)]
enum Way {
    Fresh,
    Ordered,
}
use Way::{Fresh, Ordered};

/// Pushes in the given order, each item being its place in it, and compares the order out.
fn check(pushes: &[(Way, ClassId, Nanos)], expected: &[u32]) {
    let mut queue = queue(pushes.len());
    for (item, &(way, class, deadline)) in (0..).zip(pushes) {
        let pushed = match way {
            Fresh => queue.push(class, deadline, item),
            Ordered => queue.push_ordered(class, deadline, item),
        };
        assert_eq!(pushed, Ok(()));
    }
    assert_eq!(queue.len(), pushes.len());
    assert_eq!(order(&mut queue), expected);
    assert!(queue.is_empty());
}

#[test]
fn the_earliest_of_all_heads_leaves_first() {
    check(
        &[
            (Fresh, BATCH, ms(30)),
            (Fresh, STANDARD, ms(20)),
            (Fresh, INTERACTIVE, ms(25)),
            (Fresh, STANDARD, ms(40)),
            (Ordered, BATCH, ms(22)),
        ],
        &[1, 4, 2, 0, 3],
    );
}

#[test]
fn a_fifo_keeps_the_order_of_equal_deadlines() {
    check(&[(Fresh, STANDARD, ms(5)); 4], &[0, 1, 2, 3]);
}

#[test]
fn fresh_work_earlier_than_the_one_before_it_is_sorted_in() {
    check(
        &[
            (Fresh, STANDARD, ms(50)),
            (Fresh, STANDARD, ms(20)),
            (Fresh, STANDARD, ms(60)),
        ],
        &[1, 0, 2],
    );
}

#[test]
fn on_a_tie_resumed_work_goes_first_and_then_the_lower_class() {
    check(
        &[
            (Fresh, STANDARD, ms(7)),
            (Fresh, INTERACTIVE, ms(7)),
            (Ordered, STANDARD, ms(7)),
        ],
        &[2, 1, 0],
    );
}

#[test]
fn deadlines_far_outside_the_window_and_never_are_in_order_too() {
    check(
        &[
            (Ordered, INTERACTIVE, Nanos::NEVER),
            (Ordered, INTERACTIVE, Nanos::from_secs(3_600)),
            (Ordered, INTERACTIVE, ms(5)),
            (Ordered, INTERACTIVE, ms(500)),
            (Fresh, STANDARD, Nanos::NEVER),
        ],
        &[2, 3, 1, 0, 4],
    );
}

#[test]
fn a_full_queue_hands_the_item_back_and_counts_it() {
    let mut queue = queue(2);
    assert_eq!(queue.push(STANDARD, ms(1), 0), Ok(()));
    assert_eq!(queue.push_ordered(BATCH, ms(1), 1), Ok(()));
    assert_eq!(queue.push(STANDARD, ms(2), 2), Err(Full(2)));
    assert_eq!(queue.push_ordered(STANDARD, ms(2), 3), Err(Full(3)));
    assert_eq!(queue.len(), 2);
    assert_eq!(queue.stats().class(STANDARD).rejected_count, 2);
    // Room for one is room for one again.
    assert!(queue.pop(Nanos::ZERO).is_some());
    assert_eq!(queue.push(STANDARD, ms(2), 4), Ok(()));
    assert_eq!(queue.push(STANDARD, ms(2), 5), Err(Full(5)));
}

#[test]
fn an_item_is_expired_from_its_deadline_on() {
    let expired = |now| {
        let mut queue = queue(1);
        assert_eq!(queue.push(STANDARD, ms(10), 0), Ok(()));
        let popped = queue.pop(now).expect("one waits");
        assert_eq!((popped.class, popped.deadline), (STANDARD, ms(10)));
        assert_eq!(
            queue.stats().total().expired_count,
            u64::from(popped.expired)
        );
        popped.expired
    };
    assert!(!expired(ms(10) - Nanos(1)));
    assert!(expired(ms(10)));
    assert!(expired(ms(11)));
}

#[test]
fn the_window_follows_the_time() {
    let mut queue = queue(4);
    // Two hours of one item each 3 ms: the circle of the class's calendar is gone round many times.
    for turn in 0..2_400_000 {
        let now = ms(3 * turn);
        assert_eq!(queue.push_ordered(INTERACTIVE, now + ms(9), 0), Ok(()));
        if turn >= 2 {
            let popped = queue.pop(now).expect("three wait");
            assert_eq!(popped.deadline, ms(3 * (turn - 2) + 9));
        }
    }
    let ordered = queue.lanes[INTERACTIVE.index()].outside_count();
    assert_eq!(
        ordered, 0,
        "what lies in the window does not go to the heap"
    );
}

/// Fills a calendar whose window begins at `now` with one node every few buckets, in a scattered
/// order, and takes them out again.
fn check_calendar(span: Nanos, now: Nanos) {
    let mut calendar = Calendar::new(span);
    calendar.advance(now);
    assert!(calendar.covers(now) && calendar.covers(now + span));
    let last = span.as_u64() / ORDER_BOUND.as_u64();
    for step in [1, 7, 40, 100] {
        let mut pool = Pool::new(last as usize + 1);
        let numbers: Vec<u64> = (0..=last).step_by(step).collect();
        for index in 0..numbers.len() {
            // 61 is prime to every count here that is not its multiple: a scattered order of all.
            let number = numbers[index * 61 % numbers.len()];
            let node = pool.acquire(number).expect("there is room");
            let deadline = now + Nanos(number * ORDER_BOUND.as_u64());
            calendar.push(&mut pool, deadline, node);
        }
        let taken: Vec<u64> = (0..numbers.len())
            .map(|_| {
                let (_, node) = calendar.take_first(&mut pool);
                pool.release(node)
            })
            .collect();
        assert!(taken.is_sorted(), "step {step}, from {now:?}: {taken:?}");
        assert_eq!(calendar.first_deadline(), None);
    }
}

#[test]
fn a_calendar_is_in_order_wherever_in_the_circle_its_window_begins() {
    for start in (0..130).map(|bucket| Nanos(bucket * 31 * ORDER_BOUND.as_u64())) {
        // One word, several, and a span that ends with its last bucket.
        check_calendar(ms(5), start);
        check_calendar(Nanos(126 * ORDER_BOUND.as_u64()), start);
        check_calendar(Nanos(64 * ORDER_BOUND.as_u64()), start + Nanos(1));
        check_calendar(ms(100), start);
    }
}

#[test]
fn nothing_is_allocated_after_new() {
    let depth_max = 100;
    let mut queue = queue(depth_max);
    let reserved = queue.reserved();
    for round in 0..3 {
        for item in 0..depth_max as u32 {
            let deadline = ms(u64::from(item * 7_919 % 3_000));
            let pushed = match item % 3 {
                0 => queue.push(STANDARD, deadline, item),
                1 => queue.push_ordered(INTERACTIVE, deadline, item),
                _ => queue.push_ordered(BATCH, Nanos::NEVER, item),
            };
            assert_eq!(pushed, Ok(()), "round {round}");
        }
        assert_eq!(queue.push(STANDARD, ms(1), 0), Err(Full(0)));
        assert_eq!(order(&mut queue).len(), depth_max);
    }
    assert_eq!(queue.reserved(), reserved);
    assert_eq!(queue.stats().depth_peak, depth_max);
}

#[test]
fn the_counters_add_up() {
    let mut queue = queue(3);
    for (class, millis) in [(STANDARD, 5), (STANDARD, 3), (BATCH, 1), (BATCH, 2)] {
        // The fourth is refused.
        let _ = queue.push(class, ms(millis), 0);
    }
    assert!(queue.pop(ms(2)).is_some_and(|popped| popped.expired));
    let standard = ClassStats {
        pushed_count: 2,
        ordered_count: 1,
        ..ClassStats::default()
    };
    let batch = ClassStats {
        pushed_count: 1,
        popped_count: 1,
        expired_count: 1,
        rejected_count: 1,
        ..ClassStats::default()
    };
    assert_eq!(*queue.stats().class(STANDARD), standard);
    assert_eq!(*queue.stats().class(BATCH), batch);
    assert_eq!(queue.stats().total().depth(), queue.len() as u64);
    assert_eq!(queue.stats().depth_peak, 3);
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn a_class_that_is_not_in_the_table_is_a_bug() {
    let stranger = ClassId::new(3).expect("below the bound");
    let _ = queue(1).push(stranger, ms(1), 0);
}

impl<T> ReadyQueue<T> {
    /// What is reserved: room for nodes, and for each class's heap.
    fn reserved(&self) -> (usize, Vec<usize>) {
        let heaps = self.lanes.iter().map(Lane::outside_reserved).collect();
        (self.pool.reserved(), heaps)
    }
}
