//! The frame of a request: its slots' values, without their types.
//!
//! Steps of different types share one block of memory whose layout is fixed when a route is built.
//! Safe code was not enough: a `Vec<Option<Box<dyn Any>>>`, the safe twin that the property test
//! runs beside this file, takes a heap allocation a slot, which a warm shard may not make, and could
//! not hold what borrows. It costs 17 ns for two slots, where a whole run of three steps with two
//! slots costs 33, its caught panic and 14 of the steps' own work included
//! (`bench/benches/pipeline.rs`).
//!
//! All erasure and all its `unsafe` stand in this file. The interface is safe: a [`Window`] opens only for
//! the clauses of its [`Access`], in the plan the frame was begun with, and what it gives cannot leave
//! the closure it is opened in.
//!
//! # Invariants
//! 1. The layout of a `Plan` begins with a request. `Plan` gives each slot a `Place` behind that: an
//!    offset, aligned and inside the layout, that no other slot of the plan overlaps, and a bit. An
//!    `Access<C>` holds the places of `C::Reads`, then those of `C::Writes`, in list order; the lists
//!    are sealed and a slot's layout follows from its type alone. A plan makes it from its own places,
//!    or a window lends it: of that window's places, whose clauses contain `C`.
//! 2. Between `begin` and `end`, `base` points to a block of the plan's layout inside the arena, and
//!    a request lies at its start. `begin` runs on an ended frame only.
//! 3. A `Window<C>` exists only while its frame's plan is that of the `Access<C>` it was opened with;
//!    so index and type of every place it uses agree by 1. A `Footing` may outlast its window: it
//!    keeps nothing of the frame, only what the frame's arena keeps in its place.
//! 4. A bit of `present` is set if and only if the slot at its place holds an initialised value. It
//!    is written once: no value changes or moves until `exit`, which clears all bits.
//! 5. What a value borrows as `'r` lives until `exit`, and unless it is an owned value until `end`:
//!    the arena is not reset and no result buffer leaves `results` earlier, and a buffer's bytes do
//!    not move with the buffer. `'r` is chosen by the frame and unknown to a step (`for<'r>`), so
//!    nothing with `'r` gets out of a step but into the frame.
//! 6. Values that are dropped are `'static` and owed to `endings` from their write on. Values that
//!    borrow are never dropped. `exit` forgets every value and every effect before it drops the
//!    first, so that nothing reads what was dropped or what borrows from it; callbacks run earlier.

mod ending;
mod need;
mod plan;
mod touched;

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::arena::{Arena, Ground, OwnedArena};
use super::exit::Exit;
use super::id::Identity;
use super::list::sealed::Member;
use super::list::{Clauses, SlotList};
use super::request::Request;
use super::slot::{Slot, Store, Value};
use crate::effect::{EffectResult, ResultBuffer};
use crate::response::{Output, Problem, Renderer};
use crate::step::Failure;

pub(super) use ending::{Endings, cell_layout};
pub(crate) use need::{Filler, NeedFault, Target};
pub(crate) use plan::{Access, FRAME_BYTES_MAX, Plan, PlanBuilder, PlanRefusal, Reach, SLOTS_MAX};

use ending::value_offset;
use need::KeptNeed;
use plan::{Place, PlanId};
use touched::Touched;

/// The values of one request, and what its steps leave for the shard.
///
/// A shard owns one for each request slot and uses it again. It may move at any time.
pub(crate) struct Frame {
    arena: OwnedArena,
    begun: Option<Begun>,
    present: Cell<u64>,
    marks: Cell<Marks>,
    touched: Touched,
    pub(super) identity: Identity,
    need: Cell<Option<KeptNeed>>,
    /// What the effects of the request's needs gave, those of each need in their order.
    results: Vec<Option<EffectResult>>,
    output: RefCell<Output>,
    /// Why its content is refused, until the step that says so takes it.
    refusal: Cell<Option<Failure>>,
}

#[derive(Clone, Copy)]
struct Begun {
    plan: PlanId,
    base: NonNull<u8>,
}

impl Begun {
    fn request<'r>(self) -> NonNull<Request<'r>> {
        self.base.cast()
    }
}

/// What a step did besides writing slots: the bit of the first slot that was put twice, plus one; how
/// many times effects were asked for; why what was asked for cannot be.
///
/// One word, so that all of it is one comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks([u8; 4]);

impl Marks {
    /// Those of a step that asked for effects so many times, and did nothing else.
    #[inline]
    pub(crate) const fn of_needs(needs_count: u8) -> Marks {
        Marks([0, needs_count, 0, 0])
    }

    /// The bit of the first slot that was put twice.
    pub(crate) fn put_twice(self) -> Option<u8> {
        self.0[0].checked_sub(1)
    }

    /// How many times effects were asked for.
    #[inline]
    pub(crate) fn needs_count(self) -> u8 {
        self.0[1]
    }

    /// Why what was asked for cannot be.
    pub(crate) fn need_fault(self) -> Option<NeedFault> {
        [NeedFault::TooMany, NeedFault::EmptyRace]
            .into_iter()
            .find(|fault| self.0[2] == *fault as u8)
    }

    #[cold]
    fn note_twice(&mut self, bit: u8) {
        if self.0[0] == 0 {
            self.0[0] = bit + 1;
        }
    }

    fn note_need(&mut self) {
        self.0[1] = self.0[1].saturating_add(1);
    }

    #[cold]
    fn note_fault(&mut self, fault: NeedFault) {
        self.0[2] = fault as u8;
    }
}

impl Frame {
    pub(crate) fn with_capacity(arena_bytes: usize) -> Frame {
        Frame {
            arena: OwnedArena::with_capacity(arena_bytes),
            begun: None,
            present: Cell::new(0),
            marks: Cell::new(Marks::default()),
            touched: Touched::default(),
            identity: Identity::default(),
            need: Cell::new(None),
            results: Vec::with_capacity(RESULTS_KEPT),
            output: RefCell::new(Output::default()),
            refusal: Cell::new(None),
        }
    }

    /// Lays the frame out for a plan and builds the request in its arena.
    ///
    /// # Panics
    /// The frame holds another request.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        plan: &Plan,
        request: impl for<'r> FnOnce(&'r Arena) -> Request<'r>,
    ) {
        assert!(self.begun.is_none(), "a frame holds one request at a time");
        let arena = self.arena.arena();
        let begun = Begun {
            plan: plan.id,
            base: arena.bump().alloc_layout(plan.layout),
        };
        let request = request(arena);
        // SAFETY: by 1 the block begins with room for a request, aligned.
        unsafe { begun.request().write(request) };
        self.begun = Some(begun);
    }

    /// # Panics
    /// The frame was not begun with this plan.
    #[inline]
    pub(crate) fn assert_plan(&self, plan: &Plan) {
        self.begun(plan.id);
    }

    /// Opens the frame for a step with these clauses. Nothing of the request outlives `body`.
    ///
    /// # Panics
    /// The access was made for another plan.
    #[inline]
    pub(crate) fn enter<C: Clauses, T>(
        &self,
        access: &Access<'_, C>,
        body: impl for<'r> FnOnce(Window<'r, C>) -> T,
    ) -> T {
        let begun = self.begun(access.reach.plan);
        body(Window {
            frame: self,
            base: begun.base,
            reach: &access.reach,
            clauses: PhantomData,
            brand: PhantomData,
        })
    }

    /// Whether all of these slots hold values.
    #[inline]
    pub(crate) fn holds(&self, slots: u64) -> bool {
        self.present.get() & slots == slots
    }

    /// What the last step did besides writing slots.
    #[inline]
    pub(crate) fn marks(&self) -> Marks {
        self.marks.get()
    }

    /// The slots that steps touch.
    #[inline(always)]
    pub(crate) fn touched(&self) -> &Touched {
        &self.touched
    }

    pub(crate) fn output(&self) -> Ref<'_, Output> {
        self.output.borrow()
    }

    /// The request's content is refused for this; the last step of its route will say so.
    pub(crate) fn refuse(&mut self, failure: Failure) {
        self.refusal.set(Some(failure));
    }

    /// Whether a request is in the frame.
    pub(crate) fn is_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// The request in the frame.
    pub(crate) fn request(&self) -> Option<&Request<'_>> {
        // SAFETY: by 2 and 5 it is there until `end`, which takes the frame mutably.
        (self.begun).map(|begun| unsafe { begun.request().as_ref() })
    }

    /// The request's id, where a step has asked for it.
    pub(crate) fn known_id(&self) -> Option<&str> {
        let is_known = self.identity.is_asked();
        is_known.then(|| self.identity.text(self.request(), self.arena.arena()))
    }

    /// Makes the response to a failure.
    ///
    /// # Errors
    /// The renderer has panicked: the response is a 500 now, and this says why.
    pub(crate) fn fail(&self, renderer: Renderer, failure: &Failure) -> Result<(), Failure> {
        let (request, arena) = (self.request(), self.arena.arena());
        let problem = Problem::new(failure, request, &self.identity, arena);
        self.output.borrow_mut().fail(renderer, &problem)
    }

    /// Whether there is a callback to run or a value to drop.
    #[inline]
    pub(crate) fn owes_exit(&self) -> bool {
        !self.endings().is_empty()
    }

    /// Runs the callbacks and drops what is owned, each once, whatever they do. The slots are empty
    /// then; the request and the response stay until `end`.
    pub(crate) fn exit(&mut self, exit: &mut Exit) {
        self.present.set(0);
        self.marks.set(Marks::default());
        self.need.set(None);
        // SAFETY: by 5 what callbacks borrow is alive. No window is open on a frame that is taken
        // mutably, and by 6 nothing of the frame speaks of its values any more.
        unsafe { self.endings().run(exit) };
    }

    /// Ends the request: its exit, where it has had none; hands the result buffers back, the latest
    /// first; forgets the rest. Does nothing on an ended frame.
    pub(crate) fn end(&mut self, mut recycle: impl FnMut(ResultBuffer)) {
        if self.owes_exit() {
            self.exit(&mut Exit::cancelled());
        }
        self.begun = None;
        self.present.set(0);
        self.marks.set(Marks::default());
        self.need.set(None);
        self.identity.forget();
        self.output.get_mut().clear();
        self.arena.reset();
        // From the end on, for an empty list then costs one comparison.
        while let Some(result) = self.results.pop() {
            if let Some(buffer) = result.and_then(EffectResult::into_buffer) {
                recycle(buffer);
            }
        }
    }

    #[inline]
    fn endings(&self) -> &Endings {
        &self.arena.ground().endings
    }

    #[inline]
    fn begun(&self, plan: PlanId) -> Begun {
        // Compared before it is asked whether there is one, which is one comparison instead of two.
        if self.begun.map(|begun| begun.plan.0) != Some(plan.0) {
            other_plan();
        }
        self.begun.unwrap_or_else(|| other_plan())
    }

    /// Writes a value, or drops it where the slot has one: references to that are out.
    ///
    /// # Safety
    /// `place` is that of `S` in this frame's plan, and `base` this frame's.
    #[inline]
    unsafe fn write<'r, S: Slot>(
        &self,
        base: NonNull<u8>,
        place: Place,
        value: Value<'r, S>,
    ) -> &'r Value<'r, S> {
        // SAFETY: by 1 and 2 the place lies inside the block.
        let cell = unsafe { base.add(usize::from(place.offset)) };
        // SAFETY: by 1 the cell has the layout of `S`, so its value lies inside it.
        let at = unsafe { cell.add(value_offset::<S>()) }.cast::<Value<'r, S>>();
        let bit = 1 << place.bit;
        if self.present.get() & bit == 0 {
            // SAFETY: by 1 aligned and large enough; by 4 nothing is there that a write would leak.
            unsafe { at.write(value) };
            if S::Store::IS_DROPPED {
                // SAFETY: by 1 the cell is laid out for `S`; by 4 nothing writes it again before
                // `exit`, and the arena is reset after it only.
                unsafe { self.endings().owe_drop::<S>(cell) };
            }
            self.present.set(self.present.get() | bit);
        } else {
            self.put_twice(place);
            drop(value);
        }
        // SAFETY: by 4 a value is there and stays until `exit`, which `'r` ends before, by 5.
        unsafe { at.as_ref() }
    }

    #[cold]
    fn put_twice(&self, place: Place) {
        let mut marks = self.marks.get();
        marks.note_twice(place.bit);
        self.marks.set(marks);
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if self.owes_exit() {
            self.exit(&mut Exit::cancelled());
        }
    }
}

/// A frame as one step may see it. `C` are the step's clauses.
///
/// The lifetime is invariant, so that the windows of two requests cannot be exchanged.
pub(crate) struct Window<'r, C> {
    frame: &'r Frame,
    base: NonNull<u8>,
    reach: &'r Reach<'r>,
    clauses: PhantomData<fn() -> C>,
    brand: PhantomData<Cell<&'r ()>>,
}

impl<'r, C: Clauses> Window<'r, C> {
    /// The value of a slot the step reads.
    ///
    /// # Panics
    /// It is not there. A route is built so that it is.
    #[inline(always)]
    pub(crate) fn get<S, I>(&self) -> &'r Value<'r, S>
    where
        S: Slot + Member<C::Reads, I>,
    {
        let place = self.reach.places[<S as Member<C::Reads, I>>::INDEX];
        self.frame.touched.note(place.bit);
        if self.frame.present.get() & 1 << place.bit == 0 {
            absent(S::NAME);
        }
        // SAFETY: by 3 it is the place of `S`, by 1 and 2 inside the block.
        let cell = unsafe { self.base.add(usize::from(place.offset)) };
        // SAFETY: by 1 the cell has the layout of `S`, so its value lies inside it.
        let at = unsafe { cell.add(value_offset::<S>()) };
        // SAFETY: by 4 a value of `S` is there and does not change; by 5 it lasts for `'r`, and so
        // does what it borrows.
        unsafe { at.cast::<Value<'r, S>>().as_ref() }
    }

    /// Whether a slot the step writes has its value.
    #[inline(always)]
    pub(crate) fn has<S, I>(&self) -> bool
    where
        S: Slot + Member<C::Writes, I>,
    {
        self.frame.present.get() & 1 << self.place_of_write::<S, I>().bit != 0
    }

    /// Gives a slot the step writes its value. A second one is dropped, and marked.
    #[inline(always)]
    pub(crate) fn put<S, I>(&self, value: Value<'r, S>) -> &'r Value<'r, S>
    where
        S: Slot + Member<C::Writes, I>,
    {
        // SAFETY: by 3 it is the place of `S` in the frame's plan, and the base the frame's.
        unsafe { (self.frame).write::<S>(self.base, self.place_of_write::<S, I>(), value) }
    }

    /// The index of a resource the step uses.
    #[inline]
    pub(crate) fn resource<D, I>(&self) -> u16
    where
        D: Member<C::Uses, I>,
    {
        self.reach.resources[<D as Member<C::Uses, I>>::INDEX]
    }

    #[inline(always)]
    fn place_of_write<S, I>(&self) -> Place
    where
        S: Member<C::Writes, I>,
    {
        let place = self.reach.places[C::Reads::COUNT + <S as Member<C::Writes, I>>::INDEX];
        self.frame.touched.note(place.bit);
        place
    }
}

impl<'r, C> Window<'r, C> {
    #[inline]
    pub(crate) fn arena(&self) -> &'r Arena {
        self.frame.arena.arena()
    }

    #[inline]
    pub(crate) fn request(&self) -> &'r Request<'r> {
        let begun = self.frame.begun.expect("a window is open on a begun frame");
        // SAFETY: by 2 it is there, by 5 it and what it borrows last for `'r`.
        unsafe { begun.request().as_ref() }
    }

    /// What of the request may be kept beyond the step.
    #[inline]
    pub(crate) fn footing(&self) -> Footing<'r> {
        Footing {
            ground: self.frame.arena.ground(),
            brand: PhantomData,
        }
    }

    /// The request's id.
    pub(crate) fn request_id(&self) -> &'r str {
        self.frame.identity.ask(self.request(), self.arena())
    }

    /// Why the request's content is refused.
    pub(crate) fn take_refusal(&self) -> Option<Failure> {
        self.frame.refusal.take()
    }

    /// Takes on a callback for the request's exit.
    pub(crate) fn on_exit<F: FnOnce(&Exit) + 'r>(&self, callback: F) {
        self.footing().on_exit(callback);
    }

    pub(crate) fn output(&self) -> RefMut<'_, Output> {
        self.frame.output.borrow_mut()
    }
}

/// The arena and the exit of a request: what a window gives to values that outlast it, for they, as the
/// request's values do, may be used after the frame was moved or taken mutably.
///
/// Invariant as a window is.
pub(crate) struct Footing<'r> {
    ground: &'r Ground,
    brand: PhantomData<Cell<&'r ()>>,
}

impl<'r> Footing<'r> {
    #[inline]
    pub(crate) fn arena(&self) -> &'r Arena {
        &self.ground.arena
    }

    /// Takes on a callback for the request's exit.
    pub(crate) fn on_exit<F: FnOnce(&Exit) + 'r>(&self, callback: F) {
        // SAFETY: by 5 what `'r` names lasts until `exit`, which neither `end` nor a drop leaves out.
        unsafe { self.ground.endings.owe_call(self.arena(), callback) };
    }
}

#[cold]
fn absent(slot: &'static str) -> ! {
    panic!("slot `{slot}` has no value yet")
}

#[cold]
fn other_plan() -> ! {
    panic!("a request is run by the route it was begun with")
}

/// Room for so many results before the list of them grows; it keeps what it has grown to.
const RESULTS_KEPT: usize = 4;

#[cfg(test)]
mod tests;
