//! The need of a request in its frame: kept while its effects are under way, and the way of their
//! results into the slots.
//!
//! Part of the frame's island, in a file of its own because it is one idea: a result is decoded into
//! a slot whose type was forgotten when the step ended.
//!
//! # Invariants
//! 1. A `Target` pairs a place with the decoder of that place's slot: `Window::target`, its only
//!    maker, takes both from one slot, whose place is right by the frame's invariants 1 and 3. It
//!    stays in the frame whose plan it came from: in the need that is kept there.
//! 2. A need is left through a window of the frame that keeps it, and forgotten at the latest by
//!    `exit`, before the first value is dropped. So what it borrows outlives it by the frame's
//!    invariant 5.
//! 3. What decoders borrow as `'r`, arena and results, lasts until `end` by the frame's invariant 5,
//!    whatever moves in between; they keep nothing of the frame itself.

use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::ops::Range;
use std::ptr::NonNull;

use super::plan::Place;
use super::{Frame, Marks, Window};
use crate::ctx::list::Clauses;
use crate::ctx::list::sealed::Member;
use crate::ctx::slot::{Slot, Value};
use crate::effect::{Answers, Decode, DecodeList, EffectResult, Undecoded, decode_one};
use crate::step::{Failure, NeedRecord};

/// Why what was asked for cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NeedFault {
    /// More effects than a need may have.
    TooMany = 1,
    /// A race that nobody runs.
    EmptyRace,
}

impl Frame {
    /// What was asked for.
    pub(crate) fn need(&self) -> Option<NeedRecord<'_>> {
        // SAFETY: by 2, the record being borrowed no longer than the frame.
        (self.need.get()).map(|kept| unsafe { kept.record() })
    }

    /// Takes what was asked for off the frame.
    pub(crate) fn take_need(&self) -> Option<NeedRecord<'_>> {
        self.marks.set(Marks::default());
        let need = self.need();
        self.need.set(None);
        need
    }

    /// Takes the results of the effects that were asked for, in their order, none for one that has
    /// failed or was cancelled; and decodes them into their slots. They stay until the end, for the
    /// values may borrow from them. So does the need, until it is taken.
    ///
    /// # Panics
    /// Nothing was asked for, or there are fewer results than effects.
    pub(crate) fn complete(
        &mut self,
        results: impl IntoIterator<Item = Option<EffectResult>>,
    ) -> Result<(), Failure> {
        let first = self.results.len();
        self.results.extend(results);
        // SAFETY: by 3.
        let frame: &'static Frame = unsafe { NonNull::from(&*self).as_ref() };
        let need = frame.need().expect("a request that is completed waits");
        let results = &frame.results[first..];
        for target in need.targets.iter().flatten() {
            let mut effects = target.effects();
            if need.is_race() {
                // Only the winner has a result.
                let winner = results[effects.clone()].iter().position(Option::is_some);
                let winner = winner.map(|place| effects.start + place);
                effects = winner.map_or(0..0, |winner| winner..winner + 1);
            }
            let answers = Answers::of(&results[effects.clone()], &need.effects[effects]);
            // SAFETY: by 1 the place is that of the decoder's slot, by 3 the rest.
            let filled = unsafe { (target.fill)(frame, target.place, answers) };
            filled.map_err(|error| error.into_failure(target.slot))?;
        }
        Ok(())
    }
}

impl<'r, C: Clauses> Window<'r, C> {
    /// The way of the results of these effects into a slot the step writes.
    pub(crate) fn target<S, I>(&self, filler: Filler<'r, S>, effects: Range<usize>) -> Target
    where
        S: Slot + Member<C::Writes, I>,
    {
        Target {
            place: self.place_of_write::<S, I>(),
            effects: [effects.start as u8, effects.end as u8],
            slot: S::NAME,
            fill: filler.0,
        }
    }

    /// Leaves a need for the shard.
    pub(crate) fn leave(&self, need: Result<NeedRecord<'r>, NeedFault>) {
        let mut marks = self.frame.marks.get();
        marks.note_need();
        match need {
            Ok(need) => self.frame.need.set(Some(KeptNeed::of(need))),
            Err(fault) => marks.note_fault(fault),
        }
        self.frame.marks.set(marks);
    }
}

/// A need as the frame keeps it.
///
/// Not as references: a frame that is moved into a function, and dropped there, frees the arena that
/// the record borrows from, while references among a function's arguments must outlive the call.
#[derive(Clone, Copy)]
pub(super) struct KeptNeed(MaybeUninit<NeedRecord<'static>>);

impl KeptNeed {
    fn of(record: NeedRecord<'_>) -> KeptNeed {
        // SAFETY: only the lifetime changes; `record` gives it back by 2.
        let record = unsafe { mem::transmute::<NeedRecord<'_>, NeedRecord<'static>>(record) };
        KeptNeed(MaybeUninit::new(record))
    }

    /// # Safety
    /// `'r` ends before the frame's request does. By 2 what the record borrows lasts so long.
    unsafe fn record<'r>(self) -> NeedRecord<'r> {
        // SAFETY: by 2, and `of`, the only constructor, has initialised it.
        unsafe { self.0.assume_init() }
    }
}

/// The way of results into their slot.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    place: Place,
    /// The first of its effects in the need, and the end of them.
    effects: [u8; 2],
    slot: &'static str,
    fill: Fill<'static>,
}

impl Target {
    fn effects(&self) -> Range<usize> {
        let [first, end] = self.effects.map(usize::from);
        first..end
    }
}

/// Decodes results into the slot `S`, wherever its place is.
pub(crate) struct Filler<'r, S>(Fill<'r>, PhantomData<fn() -> S>);

impl<'r, S: Slot> Filler<'r, S> {
    /// For one result of the shape `Q`: that of the effect, or of the race's winner.
    pub(crate) fn of<Q>() -> Filler<'r, S>
    where
        Value<'r, S>: Decode<'r, Q>,
    {
        Filler(fill::<'r, S, Q>, PhantomData)
    }

    /// For a list of results of the shape `Q`.
    pub(crate) fn of_list<Q>() -> Filler<'r, S>
    where
        Value<'r, S>: DecodeList<'r, Q>,
    {
        Filler(fill_with_list::<'r, S, Q>, PhantomData)
    }
}

type Fill<'r> = unsafe fn(&'r Frame, Place, Answers<'r>) -> Result<(), Undecoded>;

/// # Safety
/// `place` is that of `S` in the frame's plan, and what `'r` borrows lasts until `end`.
unsafe fn fill<'r, S, Q>(
    frame: &'r Frame,
    place: Place,
    mut answers: Answers<'r>,
) -> Result<(), Undecoded>
where
    S: Slot,
    Value<'r, S>: Decode<'r, Q>,
{
    let answer = answers.next().flatten();
    let value = decode_one::<Value<'r, S>, Q>(answer, frame.arena.arena())?;
    // SAFETY: the caller's promise.
    unsafe { frame.write_back::<S>(place, value) };
    Ok(())
}

/// # Safety
/// As of `fill`.
unsafe fn fill_with_list<'r, S, Q>(
    frame: &'r Frame,
    place: Place,
    answers: Answers<'r>,
) -> Result<(), Undecoded>
where
    S: Slot,
    Value<'r, S>: DecodeList<'r, Q>,
{
    let value = Value::<'r, S>::decode_list(answers, frame.arena.arena())?;
    // SAFETY: the caller's promise.
    unsafe { frame.write_back::<S>(place, value) };
    Ok(())
}

impl Frame {
    /// # Safety
    /// As of `fill`.
    unsafe fn write_back<'r, S: Slot>(&'r self, place: Place, value: Value<'r, S>) {
        let begun = self.begun.expect("a need is completed in a begun frame");
        // SAFETY: the caller's promise, and the base is this frame's.
        unsafe { self.write::<S>(begun.base, place, value) };
    }
}
