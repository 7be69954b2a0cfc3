//! The frame beside its safe twin, a list of boxes.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::ctx::{ExitKind, Reads, Writes};
use crate::http::{Method, Span};
use crate::route::Params;
use crate::slot;

slot!(Plain: u64);
slot!(Narrow: u8);
slot!(Aligned: Wide);
slot!(Nothing: ());
slot!(Counted: Loud);
slot!(Boxed: Box<Loud>);
slot!(Many: Vec<Loud>);
slot!(AlignedLoud: (Wide, Loud));
slot!(Text<'r>: &'r str);
slot!(List<'r>: &'r [u64]);

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
struct Wide(u64);

type Drops = Rc<RefCell<Vec<u64>>>;

/// Says when it is dropped, and panics then where its number is divisible by seven.
struct Loud {
    number: u64,
    drops: Drops,
}

impl Drop for Loud {
    fn drop(&mut self) {
        self.drops.borrow_mut().push(self.number);
        if self.number.is_multiple_of(7) && !std::thread::panicking() {
            // Not `panic!`: the hook would print it.
            panic::resume_unwind(Box::new("a drop that panics"));
        }
    }
}

type All = (
    Plain,
    Narrow,
    Aligned,
    Nothing,
    Counted,
    Boxed,
    Many,
    AlignedLoud,
    Text,
    List,
);
type AllClauses = (Reads<All>, Writes<All>, ());

/// What the test does to one slot, whatever its type.
struct Probe {
    put: for<'r> fn(&Window<'r, AllClauses>, u64, &Drops) -> u64,
    get: for<'r> fn(&Window<'r, AllClauses>) -> Option<u64>,
    /// What the twin keeps, and drops.
    twin: fn(u64, &Drops) -> Box<dyn Any>,
}

macro_rules! probes {
    ($($slot:ident: |$number:ident, $drops:ident, $arena:ident| $make:expr, |$value:ident| $read:expr, $twin:expr;)+) => {
        [$(Probe {
            put: |window, $number, $drops| {
                let $arena = window.arena();
                let _ = ($drops, $arena);
                let $value = window.put::<$slot, _>($make);
                $read
            },
            get: |window| {
                window.has::<$slot, _>().then(|| {
                    let $value = window.get::<$slot, _>();
                    $read
                })
            },
            twin: |$number, $drops| {
                let _ = ($number, $drops);
                Box::new($twin)
            },
        }),+]
    };
}

fn loud(number: u64, drops: &Drops) -> Loud {
    let drops = drops.clone();
    Loud { number, drops }
}

const PROBES: [Probe; 10] = probes! {
    Plain: |number, drops, arena| number, |value| *value, number;
    Narrow: |number, drops, arena| number as u8, |value| u64::from(*value), number;
    Aligned: |number, drops, arena| Wide(number), |value| value.0, number;
    Nothing: |number, drops, arena| { let _ = number; }, |value| { let () = *value; 0 }, number;
    Counted: |number, drops, arena| loud(number, drops), |value| value.number, loud(number, drops);
    Boxed: |number, drops, arena| Box::new(loud(number, drops)), |value| value.number, loud(number, drops);
    Many: |number, drops, arena| vec![loud(number, drops)], |value| value[0].number, loud(number, drops);
    AlignedLoud: |number, drops, arena| (Wide(number), loud(number, drops)), |value| value.1.number, loud(number, drops);
    Text: |number, drops, arena| arena.format(format_args!("{number}")), |value| value.parse().unwrap(), number;
    List: |number, drops, arena| arena.slice(&[number, number + 1]), |value| value[0], number;
};

/// How many of the probes' values fit a test's number: the smallest type has eight bits.
const NUMBERS: u64 = 200;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Put { slot: usize, number: u64 },
    Get { slot: usize },
    OnExit { number: u64 },
    Move,
    Exit,
    End,
}

fn operation() -> impl Strategy<Value = Operation> {
    let slot = 0..PROBES.len();
    prop_oneof![
        4 => (slot.clone(), 0..NUMBERS).prop_map(|(slot, number)| Operation::Put { slot, number }),
        4 => slot.prop_map(|slot| Operation::Get { slot }),
        2 => (0..NUMBERS).prop_map(|number| Operation::OnExit { number }),
        1 => Just(Operation::Move),
        1 => Just(Operation::Exit),
        1 => Just(Operation::End),
    ]
}

/// What the frame does, in safe code.
#[derive(Default)]
struct Twin {
    values: Vec<(usize, u64, Box<dyn Any>)>,
    callbacks: Vec<Box<dyn FnOnce()>>,
    is_put_twice: bool,
}

impl Twin {
    fn find(&self, slot: usize) -> Option<u64> {
        (self.values.iter().find(|(known, ..)| *known == slot)).map(|(_, number, _)| *number)
    }

    fn put(&mut self, slot: usize, number: u64, value: Box<dyn Any>) -> u64 {
        if let Some(first) = self.find(slot) {
            self.is_put_twice = true;
            caught(|| drop(value));
            return first;
        }
        self.values.push((slot, number, value));
        number
    }

    /// How many panics there were.
    fn exit(&mut self) -> u32 {
        let mut panic_count = 0;
        while let Some(callback) = self.callbacks.pop() {
            panic_count += u32::from(caught(callback).is_none());
        }
        while let Some((.., value)) = self.values.pop() {
            panic_count += u32::from(caught(|| drop(value)).is_none());
        }
        self.is_put_twice = false;
        panic_count
    }
}

/// A callback that says that it has run and with what, and panics for numbers divisible by seven.
fn callback<'r>(text: &'r str, loud: Loud) -> impl FnOnce() + 'r {
    move || {
        let number: u64 = text.parse().unwrap();
        assert_eq!(number, loud.number);
        loud.drops.borrow_mut().push(CALLED + number);
    }
}

/// What tells a callback's call from the drop of what it has captured.
const CALLED: u64 = 1_000;

fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(run)).ok()
}

fn check(operations: &[Operation]) -> Result<(), TestCaseError> {
    let (drops, twin_drops) = (Drops::default(), Drops::default());
    let (plan, access) = plan_of::<AllClauses>();
    let mut frame = Box::new(Frame::with_capacity(256));
    let mut twin = Twin::default();
    begin(&mut frame, &plan);
    for operation in operations {
        match *operation {
            Operation::Put { slot, number } => {
                let probe = &PROBES[slot];
                // The drop of a second value may panic; the slot then still has its first.
                let seen =
                    caught(|| frame.enter(&access, |window| (probe.put)(&window, number, &drops)));
                let expected = twin.put(slot, number, (probe.twin)(number, &twin_drops));
                if let Some(seen) = seen {
                    prop_assert_eq!(seen, if slot == NOTHING { 0 } else { expected });
                }
                prop_assert_eq!(frame.marks().put_twice().is_some(), twin.is_put_twice);
            }
            Operation::Get { slot } => {
                let seen = frame.enter(&access, |window| (PROBES[slot].get)(&window));
                let expected = twin.find(slot);
                prop_assert_eq!(
                    seen,
                    expected.map(|number| if slot == NOTHING { 0 } else { number })
                );
            }
            Operation::OnExit { number } => {
                let loud = loud(number, &drops);
                frame.enter::<AllClauses, _>(&access, |window| {
                    let text = window.arena().format(format_args!("{number}"));
                    let run = callback(text, loud);
                    window.on_exit(move |_| run());
                });
                let twins = self::loud(number, &twin_drops);
                (twin.callbacks).push(Box::new(move || callback(&number.to_string(), twins)()));
            }
            Operation::Exit => {
                let mut exit = Exit::new(ExitKind::Done, Some(crate::http::Status::OK), None);
                frame.exit(&mut exit);
                let is_panic = exit.kind() == ExitKind::Panicked;
                prop_assert_eq!(is_panic, exit.failure().is_some());
                let (_, panic_count) = exit.into_parts();
                prop_assert_eq!(is_panic, panic_count > 0);
                prop_assert_eq!(panic_count, twin.exit());
                prop_assert!(!frame.owes_exit());
                prop_assert_eq!(&*drops.borrow(), &*twin_drops.borrow());
            }
            Operation::Move => {
                let moved = *frame;
                frame = Box::new(moved);
            }
            Operation::End => {
                frame.end(drop);
                twin.exit();
                prop_assert_eq!(&*drops.borrow(), &*twin_drops.borrow());
                begin(&mut frame, &plan);
            }
        }
    }
    drop(frame);
    twin.exit();
    prop_assert_eq!(&*drops.borrow(), &*twin_drops.borrow());
    Ok(())
}

const NOTHING: usize = 3;

proptest! {
    #![proptest_config(ProptestConfig {
        // Miri is about a thousand times slower.
        cases: if cfg!(miri) { 12 } else { 512 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn does_what_a_list_of_boxes_does(
        operations in prop::collection::vec(operation(), 0..40)
    ) {
        check(&operations)?;
    }
}

#[test]
fn a_callback_may_use_what_was_put_after_it() {
    slot!(Later<'r>: Cell<Option<&'r Loud>>);
    type Both = (Reads<(Later, Counted)>, Writes<(Later, Counted)>, ());
    let drops = Drops::default();
    let (plan, access) = plan_of::<Both>();
    let mut frame = Frame::with_capacity(64);
    begin(&mut frame, &plan);
    frame.enter::<Both, _>(&access, |window| {
        let later = window.put::<Later, _>(Cell::new(None));
        let drops = drops.clone();
        window.on_exit(move |_| {
            let number = later.get().map(|loud| loud.number);
            drops.borrow_mut().push(CALLED + number.unwrap_or(0));
        });
    });
    frame.enter::<Both, _>(&access, |window| {
        let counted = window.put::<Counted, _>(loud(5, &drops));
        window.get::<Later, _>().set(Some(counted));
    });
    frame.end(drop);
    assert_eq!(*drops.borrow(), [CALLED + 5, 5]);
}

#[test]
fn nothing_is_read_after_the_exit() {
    let (plan, access) = plan_of::<AllClauses>();
    let mut frame = Frame::with_capacity(64);
    begin(&mut frame, &plan);
    let drops = Drops::default();
    let put = |frame: &Frame, number| {
        frame.enter::<AllClauses, _>(&access, |window| {
            window.put::<Counted, _>(loud(number, &drops)).number
        })
    };
    assert_eq!(put(&frame, 1), 1);
    frame.exit(&mut Exit::cancelled());
    let read = caught_quietly(|| {
        frame.enter::<AllClauses, _>(&access, |window| window.get::<Counted, _>().number)
    });
    assert_eq!(read, Err("slot `Counted` has no value yet".to_owned()));
    // The place may be used again; what lies there then is dropped in its turn.
    assert_eq!(put(&frame, 2), 2);
    frame.end(drop);
    assert_eq!(*drops.borrow(), [1, 2]);
}

#[test]
fn a_window_opens_only_for_its_own_plan() {
    let (plan, _) = plan_of::<AllClauses>();
    let (_, others_access) = plan_of::<AllClauses>();
    let mut frame = Frame::with_capacity(64);
    begin(&mut frame, &plan);
    let entered = caught_quietly(|| frame.enter::<AllClauses, _>(&others_access, |_| ()));
    assert_eq!(
        entered,
        Err("a request is run by the route it was begun with".to_owned())
    );
}

#[test]
fn a_window_does_not_open_before_the_begin_or_after_the_end() {
    let (plan, access) = plan_of::<AllClauses>();
    let mut frame = Frame::with_capacity(64);
    let enter = |frame: &Frame| caught_quietly(|| frame.enter::<AllClauses, _>(&access, |_| ()));
    assert!(enter(&frame).is_err());
    begin(&mut frame, &plan);
    assert!(enter(&frame).is_ok());
    frame.end(drop);
    assert!(enter(&frame).is_err());
}

#[test]
fn a_slot_without_a_value_is_not_read() {
    let (plan, access) = plan_of::<AllClauses>();
    let mut frame = Frame::with_capacity(64);
    begin(&mut frame, &plan);
    let read = caught_quietly(|| {
        frame.enter::<AllClauses, _>(&access, |window| *window.get::<Plain, _>())
    });
    assert_eq!(read, Err("slot `Plain` has no value yet".to_owned()));
}

#[test]
fn a_request_is_not_begun_over_another() {
    let (plan, _) = plan_of::<AllClauses>();
    let mut frame = Frame::with_capacity(64);
    begin(&mut frame, &plan);
    assert!(caught_quietly(|| begin(&mut frame, &plan)).is_err());
}

#[test]
fn too_many_and_too_large_are_refused() {
    slot!(Huge: [u8; 70_000]);
    let mut plan = PlanBuilder::new();
    plan.access::<(Writes<(Plain, Huge)>, (), ())>(Box::default());
    let refusal = plan.build().err();
    assert!(
        matches!(refusal, Some(PlanRefusal::TooLarge { bytes: 70_000.. })),
        "{refusal:?}"
    );
}

fn plan_of<C: Clauses>() -> (Plan, Access<'static, C>) {
    let mut plan = PlanBuilder::new();
    let access = plan.access::<C>(Box::default());
    (plan.build().expect("the slots fit"), access)
}

fn begin(frame: &mut Frame, plan: &Plan) {
    let parts = crate::ctx::RequestParts {
        method: Method::Get,
        target: Span { start: 4, len: 1 },
        path: Span { start: 4, len: 1 },
        query: None,
        fields: &[],
        params: &Params::default(),
        body: &[],
    };
    frame.begin(plan, |arena| {
        Request::copied(arena, &[], b"GET / HTTP/1.1\r\n\r\n", &parts)
    });
}

/// The message of a panic, without the hook's output.
fn caught_quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    crate::testing::caught(run)
}
