//! The ready queue and the wheel against models so simple that they can be read.
//!
//! Each model is a list that is searched from end to end. One `Operation` enum a structure, one
//! `check` that runs the same operations on both and compares after every one.

use cutaway_scheduler::{
    CLASSES_MAX, Class, ClassId, ClassStats, ClassTable, Full, Nanos, ORDER_BOUND, ReadyQueue,
    TimerKey, Wheel,
};
use proptest::prelude::*;

/// Below this, deadlines of different classes count as equal.
const TIE: u64 = 32;

mod ready {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    pub enum Operation {
        /// Fresh work: the deadline is the present moment plus the class's own.
        Push {
            class: usize,
        },
        /// Fresh work whose deadline may break the FIFO's order.
        PushAt {
            class: usize,
            after: u64,
        },
        /// Resumed work; may be late already.
        PushOrdered {
            class: usize,
            deadline: Relative,
        },
        Pop,
        Advance {
            by: u64,
        },
    }

    #[derive(Clone, Copy, Debug)]
    pub enum Relative {
        Before(u64),
        After(u64),
        Never,
    }

    /// Deadlines from nanoseconds to minutes, so that buckets, windows and the heap are all met.
    fn length() -> impl Strategy<Value = u64> {
        prop_oneof![
            0..300_u64,
            0..2_000_000_u64,
            0..50_000_000_u64,
            0..700_000_000_u64,
            0..100_000_000_000_u64,
        ]
    }

    fn relative() -> impl Strategy<Value = Relative> {
        prop_oneof![
            8 => length().prop_map(Relative::After),
            3 => length().prop_map(Relative::Before),
            1 => Just(Relative::Never),
        ]
    }

    pub fn operation() -> impl Strategy<Value = Operation> {
        let class = || 0..CLASSES_MAX;
        prop_oneof![
            5 => class().prop_map(|class| Operation::Push { class }),
            1 => (class(), length()).prop_map(|(class, after)| Operation::PushAt { class, after }),
            5 => (class(), relative())
                .prop_map(|(class, deadline)| Operation::PushOrdered { class, deadline }),
            8 => Just(Operation::Pop),
            2 => length().prop_map(|by| Operation::Advance { by }),
        ]
    }

    #[derive(Clone, Copy, Debug)]
    struct Waiting {
        class: ClassId,
        deadline: Nanos,
        item: u32,
        fresh: bool,
    }

    struct Model {
        waiting: Vec<Waiting>,
        depth_max: usize,
        depth_peak: usize,
        stats: [ClassStats; CLASSES_MAX],
    }

    impl Model {
        fn push(&mut self, class: ClassId, deadline: Nanos, item: u32, fresh: bool) -> bool {
            let stats = &mut self.stats[class.index()];
            if self.waiting.len() == self.depth_max {
                stats.rejected_count += 1;
                return false;
            }
            // The FIFO's tail is the last of its class that came fresh and in order.
            let tail = (self.waiting.iter())
                .rfind(|other| other.class == class && other.fresh)
                .map(|other| other.deadline);
            let fresh = fresh && tail.is_none_or(|tail| deadline >= tail);
            stats.pushed_count += 1;
            stats.ordered_count += u64::from(!fresh);
            self.waiting.push(Waiting {
                class,
                deadline,
                item,
                fresh,
            });
            self.depth_peak = self.depth_peak.max(self.waiting.len());
            true
        }

        /// Takes out what the queue gave, after seeing that no law forbids it.
        fn take(&mut self, item: u32, expired: bool) -> Waiting {
            let index = (self.waiting.iter())
                .position(|waiting| waiting.item == item)
                .expect("what comes out went in, and once");
            let taken = self.waiting.remove(index);
            for other in &self.waiting {
                if taken.fresh && other.fresh {
                    if other.class == taken.class {
                        assert!(other.item > taken.item, "{other:?} before {taken:?}: FIFO");
                    }
                    assert!(
                        other.deadline.0 + (TIE - 1) >= taken.deadline.0,
                        "{other:?} before {taken:?}: fresh work of all classes is in exact order"
                    );
                }
                assert!(
                    other.deadline + ORDER_BOUND > taken.deadline
                        || taken.deadline == Nanos::NEVER && other.deadline == Nanos::NEVER,
                    "{other:?} before {taken:?}: earlier by the bound or more"
                );
            }
            let stats = &mut self.stats[taken.class.index()];
            stats.popped_count += 1;
            stats.expired_count += u64::from(expired);
            taken
        }
    }

    pub fn classes() -> ClassTable {
        let mut classes = ClassTable::default();
        for (name, deadline) in [
            ("instant", Nanos::from_micros(300)),
            ("quick", Nanos::from_millis(1)),
            ("half", Nanos::from_millis(500)),
            ("slow", Nanos::from_secs(20)),
            ("slower", Nanos::from_secs(3_600)),
        ] {
            classes.add(Class { name, deadline }).expect("eight in all");
        }
        classes
    }

    /// Runs the operations on the queue and the model. Gives every item in the order it left.
    pub fn check(operations: &[Operation], start: Nanos, depth_max: usize) -> Vec<u32> {
        let classes = classes();
        let mut queue = ReadyQueue::new(&classes, depth_max);
        let mut model = Model {
            waiting: Vec::new(),
            depth_max,
            depth_peak: 0,
            stats: Default::default(),
        };
        let mut now = start;
        let mut left = Vec::new();
        let id = |class: usize| ClassId::new(class as u8).expect("below the bound");
        let drain = std::iter::repeat_n(Operation::Pop, depth_max + 1);
        for (item, operation) in (0_u32..).zip(operations.iter().copied().chain(drain)) {
            match operation {
                Operation::Push { class } => {
                    let class = id(class);
                    let deadline = now + classes.class(class).deadline;
                    let taken_in = model.push(class, deadline, item, true);
                    let expected = if taken_in { Ok(()) } else { Err(Full(item)) };
                    assert_eq!(queue.push(class, deadline, item), expected);
                }
                Operation::PushAt { class, after } => {
                    let (class, deadline) = (id(class), now + Nanos(after));
                    let taken_in = model.push(class, deadline, item, true);
                    let expected = if taken_in { Ok(()) } else { Err(Full(item)) };
                    assert_eq!(queue.push(class, deadline, item), expected);
                }
                Operation::PushOrdered { class, deadline } => {
                    let class = id(class);
                    let deadline = match deadline {
                        Relative::Before(length) => now - Nanos(length),
                        Relative::After(length) => now + Nanos(length),
                        Relative::Never => Nanos::NEVER,
                    };
                    let taken_in = model.push(class, deadline, item, false);
                    let expected = if taken_in { Ok(()) } else { Err(Full(item)) };
                    assert_eq!(queue.push_ordered(class, deadline, item), expected);
                }
                Operation::Pop => match queue.pop(now) {
                    None => assert!(model.waiting.is_empty(), "the queue lost an item"),
                    Some(popped) => {
                        let taken = model.take(popped.item, popped.expired);
                        assert_eq!(popped.class, taken.class);
                        assert_eq!(popped.deadline, taken.deadline);
                        assert_eq!(popped.expired, taken.deadline <= now);
                        left.push(popped.item);
                    }
                },
                Operation::Advance { by } => now += Nanos(by),
            }
            assert_eq!(queue.len(), model.waiting.len());
            assert_eq!(queue.is_empty(), model.waiting.is_empty());
            assert_eq!(queue.stats().depth_peak, model.depth_peak);
            for (class, stats) in model.stats.iter().enumerate() {
                assert_eq!(queue.stats().class(id(class)), stats);
            }
        }
        assert!(queue.is_empty(), "the end drains it");
        left
    }
}

mod wheel {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    pub enum Operation {
        Arm {
            deadline: Relative,
        },
        /// Cancels the timer that was armed so many calls of `arm` ago, come or not.
        Cancel {
            back: usize,
        },
        Expire {
            by: u64,
        },
        /// Expires exactly when the wheel says.
        ExpireNext,
    }

    #[derive(Clone, Copy, Debug)]
    pub enum Relative {
        Before(u64),
        After(u64),
        Never,
    }

    fn length() -> impl Strategy<Value = u64> {
        // Any number of bits alike: every level of the wheel is met as often as any other.
        (0..63_u32, any::<u64>()).prop_map(|(bits, random)| random >> (63 - bits))
    }

    pub fn operation() -> impl Strategy<Value = Operation> {
        let deadline = prop_oneof![
            12 => length().prop_map(Relative::After),
            2 => length().prop_map(Relative::Before),
            1 => Just(Relative::Never),
        ];
        prop_oneof![
            6 => deadline.prop_map(|deadline| Operation::Arm { deadline }),
            3 => (0..40_usize).prop_map(|back| Operation::Cancel { back }),
            3 => (0..48_u32, any::<u64>())
                .prop_map(|(bits, random)| Operation::Expire { by: random >> (63 - bits) }),
            2 => Just(Operation::ExpireNext),
        ]
    }

    struct Armed {
        at: Nanos,
        item: u32,
        key: TimerKey,
    }

    pub fn check(operations: &[Operation]) -> Vec<u32> {
        let mut wheel = Wheel::new(8);
        let mut model: Vec<Armed> = Vec::new();
        let mut keys: Vec<(TimerKey, u32)> = Vec::new();
        let mut now = Nanos::ZERO;
        let mut left = Vec::new();
        for (item, operation) in (0_u32..).zip(operations.iter().copied()) {
            let mut expire = |now, wheel: &mut Wheel<u32>, model: &mut Vec<Armed>| {
                let mut come = Vec::new();
                wheel.expire(now, |item| come.push(item));
                left.extend(&come);
                come.sort_unstable();
                let due = model.extract_if(.., |armed| armed.at <= now);
                let due: Vec<u32> = due.map(|armed| armed.item).collect();
                assert_eq!(come, due, "all that are due and no other, at {now:?}");
            };
            match operation {
                Operation::Arm { deadline } => {
                    let at = match deadline {
                        Relative::Before(length) => now - Nanos(length),
                        Relative::After(length) => now + Nanos(length),
                        Relative::Never => Nanos::NEVER,
                    };
                    let key = wheel.arm(at, item);
                    assert!(
                        keys.iter().all(|(other, _)| *other != key),
                        "no two timers ever bear one key"
                    );
                    keys.push((key, item));
                    model.push(Armed { at, item, key });
                }
                Operation::Cancel { back } => {
                    let Some((key, item)) = keys.iter().rev().nth(back).copied() else {
                        continue;
                    };
                    let armed = model.iter().position(|armed| armed.key == key);
                    let expected = armed.map(|index| model.remove(index).item);
                    assert_eq!(wheel.cancel(key), expected, "timer {item}");
                }
                Operation::Expire { by } => {
                    now += Nanos(by);
                    expire(now, &mut wheel, &mut model);
                }
                Operation::ExpireNext => {
                    let Some(next) = wheel.next_at() else {
                        continue;
                    };
                    now = now.max(next);
                    expire(now, &mut wheel, &mut model);
                    assert!(
                        wheel.next_at().is_none_or(|later| later > now),
                        "a caller that sleeps until `next_at` does not spin"
                    );
                }
            }
            let earliest = model.iter().map(|armed| armed.at).min();
            assert_eq!(wheel.next_at().is_some(), earliest.is_some());
            assert!(wheel.next_at() <= earliest, "never late");
            assert_eq!(wheel.len(), model.len());
        }
        left
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_ready_queue_is_its_model(
        operations in prop::collection::vec(ready::operation(), 1..400),
        start in prop_oneof![Just(0), 0..1_u64 << 50],
        depth_max in 1..64_usize,
    ) {
        let left = ready::check(&operations, Nanos(start), depth_max);
        prop_assert_eq!(left, ready::check(&operations, Nanos(start), depth_max), "the same again");
    }

    #[test]
    fn the_wheel_is_its_model(operations in prop::collection::vec(wheel::operation(), 1..300)) {
        let left = wheel::check(&operations);
        prop_assert_eq!(left, wheel::check(&operations), "the same again");
    }
}
