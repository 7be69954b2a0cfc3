//! Asking for effects: one, several at once or in order, races, and what runs when they are there.
//!
//! ```text
//! cx.need(  effect                      one, with its slot or as a statement that only writes
//!           (effect, effect)            all of several
//!           all((..)).in_order()        all, one after the other
//!           all_required((..))          those that are required; the others as far as they come
//!           all([ask, ask]).into(S)     a list
//!           first([ask, ask]).into(S)   the first success
//!           any([ask, ask]).into(S)     the first completion
//!        )                              each also with `.then(step)`
//! ```
//!
//! What a step asks for becomes a [`NeedRecord`] in the request's arena. It says nothing of how it is
//! performed; the shard finds it there.

mod all;
mod race;
mod record;
mod then;

pub use all::{All, AllRequired, all, all_required};
pub use race::{FirstCompletion, FirstSuccess, Race, RaceRule, any, first};
pub use record::{Draft, Drafted, NeedRecord, Order};
pub use then::{Needed, Then};

use std::time::Duration;

use super::decision::{Decision, Step};
use crate::ctx::{Clauses, Cx, Filler, Slot, Writable};
use crate::effect::shape::Unread;
use crate::effect::{Ask, Effect, EffectRecord, Query, Shape, Timer};

/// How many effects one need may have. A request whose step asks for more fails with a 500 that names
/// the step.
pub const EFFECTS_PER_NEED_MAX: usize = 16;

impl<'r, A, B, C> Cx<'r, A, B, C>
where
    (A, B, C): Clauses,
{
    /// Parks the request until its effects have completed; the next step finds their results in the
    /// slots. Every slot must be in the step's `Writes`, every resource in its `Uses`.
    ///
    /// A statement that only writes ([`exec`](crate::effect::SqliteHandle::exec)) may stand without a
    /// slot; where it fails, so does the request.
    ///
    /// It takes an effect, a tuple of two to eight, [`all`], [`all_required`], a list, a race
    /// ([`first`], [`any`]), and each of them with a continuation ([`then`](Needed::then)).
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Id: i64 = path "id");
    /// slot!(pub Post<'r>: (&'r str,));
    /// slot!(pub Views: Option<(i64,)>);
    ///
    /// fn load(cx: &mut Cx<Reads<Id>, Writes<(Post, Views)>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(Id);
    ///     let post = cx.on(Blog).query_one("SELECT title FROM posts WHERE id = ?1").bind(id);
    ///     let views = cx.on(Blog).query_one("SELECT count FROM views WHERE id = ?1").bind(id);
    ///     cx.need((post.into(Post), views.optional().into(Views)))
    /// }
    ///
    /// fn count(cx: &mut Cx<Reads<Id>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(Id);
    ///     cx.need(cx.on(Blog).exec("UPDATE views SET count = count + 1 WHERE id = ?1").bind(id))
    /// }
    ///
    /// let loading = chain(load).then(count);
    /// ```
    ///
    /// # Bounds
    /// [`EFFECTS_PER_NEED_MAX`] effects. A request may ask
    /// [`needs_per_request_max`](crate::limits::Limits::needs_per_request_max) times.
    ///
    /// # Errors
    /// Never by itself. Where a required effect fails, so does the request; of several failures the
    /// first required one is told, else the last one. No slot is written then.
    ///
    /// # Ordering
    /// Effects of a tuple or a list run side by side unless `in_order` says otherwise. Their results
    /// are decoded in the order in which they stand, when the request resumes.
    ///
    /// # Cancel safety
    /// What is of no use any more is cancelled: the losers of a race, what is left when a required
    /// effect has failed, everything when the deadline passes or the client goes. An effect that
    /// could not be stopped in time has happened.
    pub fn need<N, I>(&mut self, need: N) -> Step
    where
        N: IntoNeed<'r, (A, B, C), I>,
    {
        let mut draft = Draft::new(&self.window);
        need.draft(&mut draft);
        draft.leave();
        Ok(Decision::Need)
    }
}

impl<A, B, C> Cx<'_, A, B, C> {
    /// An effect that takes so long and does nothing else.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// slot!(pub Waited: Elapsed);
    ///
    /// fn wait(cx: &mut Cx<Writes<Waited>>) -> Step {
    ///     cx.need(cx.timer(20.millis()).into(Waited))
    /// }
    ///
    /// fn say(cx: &mut Cx<Reads<Waited>>) -> Step {
    ///     let waited = cx.get(Waited).length();
    ///     cx.json(&waited.as_millis())
    /// }
    ///
    /// let waiting = chain(wait).then(say);
    /// ```
    pub fn timer(&self, length: Duration) -> Timer {
        Timer::after(length)
    }
}

/// What [`Cx::need`] takes.
#[diagnostic::on_unimplemented(
    message = "a step cannot need `{Self}`",
    label = "not an effect with a slot",
    note = "an effect has its slot by `.into(Slot)`; two to eight stand in a tuple or in `all((a, b))`",
    note = "a list and a race have one slot: `all([a, b]).into(Slot)`, `first([a, b]).into(Slot)`"
)]
pub trait IntoNeed<'r, C: Clauses, Index> {
    /// Writes itself down.
    fn draft(self, draft: &mut Draft<'_, 'r, C>);
}

/// What may stand among several effects: an effect with its slot, or a timer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand among several effects",
    label = "not a single effect with its slot",
    note = "an effect has its slot by `.into(Slot)`; a race, a list and a continuation stand alone in `cx.need`"
)]
pub trait Part<'r, C: Clauses, Index> {
    /// Itself at this place of the need.
    fn at(self, place: usize, draft: &Draft<'_, 'r, C>) -> Drafted<'r>;
}

impl<'r, C, S, I> Part<'r, C, I> for Effect<'r, S>
where
    C: Clauses,
    S: Slot + Writable<C::Writes, I>,
{
    fn at(self, place: usize, draft: &Draft<'_, 'r, C>) -> Drafted<'r> {
        let target = draft.target::<S, I>(self.filler, place..place + 1);
        Drafted::of(self.record, Some(target))
    }
}

impl<'r, C: Clauses> Part<'r, C, ()> for Timer {
    fn at(self, _place: usize, _: &Draft<'_, 'r, C>) -> Drafted<'r> {
        Drafted::of(Ask::<'r>::record(self), None)
    }
}

impl<'r, C, S, I> IntoNeed<'r, C, I> for Effect<'r, S>
where
    C: Clauses,
    S: Slot + Writable<C::Writes, I>,
{
    fn draft(self, draft: &mut Draft<'_, 'r, C>) {
        draft.parts([self.at(0, draft)]);
    }
}

impl<'r, C, Q, K> Part<'r, C, ()> for Query<'r, Q, K>
where
    C: Clauses,
    Q: Shape + Unread,
{
    fn at(self, _place: usize, _: &Draft<'_, 'r, C>) -> Drafted<'r> {
        Drafted::of(self.record().without_slot::<Q>(), None)
    }
}

impl<'r, C, Q, K> IntoNeed<'r, C, ()> for Query<'r, Q, K>
where
    C: Clauses,
    Q: Shape + Unread,
{
    fn draft(self, draft: &mut Draft<'_, 'r, C>) {
        draft.parts([self.at(0, draft)]);
    }
}

impl<'r, C: Clauses> IntoNeed<'r, C, ()> for Timer {
    fn draft(self, draft: &mut Draft<'_, 'r, C>) {
        draft.parts([self.at(0, draft)]);
    }
}

/// Several effects, each with its own slot: a tuple of two to eight.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tuple of effects",
    label = "not a tuple of effects",
    note = "effects with slots of their own stand in a tuple of two to eight; a list has one slot: `all([a, b]).into(Slot)`"
)]
pub trait Parts<'r, C: Clauses, Index> {
    /// Writes them down.
    fn draft_each(self, draft: &mut Draft<'_, 'r, C>);
}

macro_rules! tuples {
    ($(($($place:literal $part:ident $index:ident)+))+) => {$(
        #[diagnostic::do_not_recommend]
        impl<'r, C, $($part, $index),+> Parts<'r, C, ($($index,)+)> for ($($part,)+)
        where
            C: Clauses,
            $($part: Part<'r, C, $index>,)+
        {
            fn draft_each(self, draft: &mut Draft<'_, 'r, C>) {
                #[allow(non_snake_case)] // named as their types
                let ($($part,)+) = self;
                draft.parts([$($part.at($place, draft)),+]);
            }
        }

        impl<'r, C, $($part, $index),+> IntoNeed<'r, C, ($($index,)+)> for ($($part,)+)
        where
            C: Clauses,
            $($part: Part<'r, C, $index>,)+
        {
            fn draft(self, draft: &mut Draft<'_, 'r, C>) {
                self.draft_each(draft);
            }
        }

        impl<$($part),+> Needed for ($($part,)+) {}
    )+};
}

tuples! {
    (0 P1 I1 1 P2 I2)
    (0 P1 I1 1 P2 I2 2 P3 I3)
    (0 P1 I1 1 P2 I2 2 P3 I3 3 P4 I4)
    (0 P1 I1 1 P2 I2 2 P3 I3 3 P4 I4 4 P5 I5)
    (0 P1 I1 1 P2 I2 2 P3 I3 3 P4 I4 4 P5 I5 5 P6 I6)
    (0 P1 I1 1 P2 I2 2 P3 I3 3 P4 I4 4 P5 I5 5 P6 I6 6 P7 I7)
    (0 P1 I1 1 P2 I2 2 P3 I3 3 P4 I4 4 P5 I5 5 P6 I6 6 P7 I7 7 P8 I8)
}

/// Effects of one type without slots: an array, or anything else that can be iterated.
#[diagnostic::on_unimplemented(
    message = "a list or a race cannot be made of `{Self}`",
    label = "not several effects of one type without slots",
    note = "it takes effects as they are before `.into(..)`, and has one slot itself: `first([a, b]).into(Slot)`"
)]
pub trait Asks<'r> {
    /// The shape of each one's result.
    type Shape: Shape;

    /// As the shard will find them, with what `Q` and the slot say of them.
    fn records<Q: Shape, S: Slot>(self) -> impl Iterator<Item = EffectRecord<'r>>;
}

#[diagnostic::do_not_recommend]
impl<'r, M> Asks<'r> for M
where
    M: IntoIterator,
    M::Item: Ask<'r>,
{
    type Shape = <M::Item as Ask<'r>>::Shape;

    fn records<Q: Shape, S: Slot>(self) -> impl Iterator<Item = EffectRecord<'r>> {
        (self.into_iter()).map(|ask| ask.record().shaped::<Q, S>())
    }
}

/// A list or a race with the slot that its results go into.
#[must_use = "effects are performed only when they are returned with `cx.need`"]
pub struct Placed<'r, G, S> {
    group: G,
    filler: Filler<'r, S>,
}

impl<S> Needed for Effect<'_, S> {}
impl<Q, K> Needed for Query<'_, Q, K> {}
impl Needed for Timer {}
impl<G, S> Needed for Placed<'_, G, S> {}

#[cfg(test)]
mod tests;
