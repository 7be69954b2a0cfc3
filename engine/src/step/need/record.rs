//! A need as plain data, and how it is written down.

use std::ops::Range;

use cutaway_reactor::Join;

use super::EFFECTS_PER_NEED_MAX;
use super::then::Continuation;
use crate::ctx::{Clauses, Filler, NeedFault, Slot, Target, Window, Writable};
use crate::effect::EffectRecord;

/// What a step asked for. Plain data; what it borrows lies in the request's arena.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::step::Order;
/// use cutaway::testing;
///
/// resource!(pub Blog: Sqlite);
/// resource!(pub Replica: Sqlite);
/// slot!(pub Posts: (i64,));
///
/// fn count(cx: &mut Cx<Writes<Posts>, Uses<(Blog, Replica)>>) -> Step {
///     let sql = "SELECT count(*) FROM posts";
///     let either = first([cx.on(Blog).query_one(sql), cx.on(Replica).query_one(sql)]);
///     cx.need(either.into(Posts).then(show))
/// }
///
/// fn show(cx: &mut Cx<Reads<Posts>>) -> Step {
///     let (posts,) = cx.get(Posts);
///     cx.json(posts)
/// }
///
/// let tested = testing::get("/").run(count);
/// let need = tested.need().unwrap();
/// assert_eq!(need.order, Order::Parallel);
/// assert!(need.is_race() && !need.is_optional());
/// assert!(need.continuation_name().is_some_and(|name| name.ends_with("show")));
/// ```
#[derive(Clone, Copy)]
pub struct NeedRecord<'r> {
    /// When it has come to its end.
    pub join: Join,
    /// Whether its effects run side by side.
    pub order: Order,
    /// Its effects, in the order in which they stand.
    pub effects: &'r [EffectRecord<'r>],
    /// The ways of their results into the slots; none for an effect without one.
    pub(crate) targets: &'r [Option<Target>],
    /// What runs in place of the next step.
    pub(crate) continuation: Option<&'r Continuation<'r>>,
}

/// Whether effects run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// All begin at once.
    Parallel,
    /// Each begins when the one before it has completed.
    InOrder,
}

impl NeedRecord<'_> {
    /// Whether its effects have one slot, which takes the winner's result.
    pub fn is_race(&self) -> bool {
        matches!(self.join, Join::Any | Join::FirstSuccess)
    }

    /// Whether a failure of the whole leaves its slot without a value instead of failing the request.
    /// That can be said of a race only: elsewhere it is each effect that is optional.
    pub fn is_optional(&self) -> bool {
        self.is_race() && !self.effects.iter().any(|effect| effect.is_required)
    }

    /// The name of the continuation, if there is one: its path.
    pub fn continuation_name(&self) -> Option<&'static str> {
        self.continuation.map(|continuation| continuation.name)
    }
}

/// A need while it is written down.
pub struct Draft<'w, 'r, C> {
    window: &'w Window<'r, C>,
    need: NeedRecord<'r>,
    /// Whether there are more effects than a need may have.
    is_over: bool,
}

/// An effect that is written down.
pub struct Drafted<'r> {
    record: EffectRecord<'r>,
    target: Option<Target>,
}

impl<'r> Drafted<'r> {
    pub(super) fn of(record: EffectRecord<'r>, target: Option<Target>) -> Drafted<'r> {
        Drafted { record, target }
    }
}

impl<'w, 'r, C: Clauses> Draft<'w, 'r, C> {
    pub(super) fn new(window: &'w Window<'r, C>) -> Draft<'w, 'r, C> {
        Draft {
            window,
            need: NeedRecord {
                join: Join::All,
                order: Order::Parallel,
                effects: &[],
                targets: &[],
                continuation: None,
            },
            is_over: false,
        }
    }

    pub(super) fn window(&self) -> &'w Window<'r, C> {
        self.window
    }

    pub(super) fn join(&mut self, join: Join) {
        self.need.join = join;
    }

    pub(super) fn order(&mut self, order: Order) {
        self.need.order = order;
    }

    pub(super) fn continuation(&mut self, continuation: &'r Continuation<'r>) {
        self.need.continuation = Some(continuation);
    }

    /// The way of the results of these effects into a slot.
    pub(super) fn target<S, I>(&self, filler: Filler<'r, S>, effects: Range<usize>) -> Target
    where
        S: Slot + Writable<C::Writes, I>,
    {
        self.window.target::<S, I>(filler, effects)
    }

    /// Effects, each with its own way.
    pub(super) fn parts<const COUNT: usize>(&mut self, parts: [Drafted<'r>; COUNT]) {
        const { assert!(COUNT <= EFFECTS_PER_NEED_MAX) };
        let bump = self.window.arena().bump();
        self.need.targets = bump.alloc(parts.each_ref().map(|part| part.target));
        self.need.effects = bump.alloc(parts.map(|part| part.record));
    }

    /// Effects whose results share one slot.
    pub(super) fn group<S, I>(
        &mut self,
        filler: Filler<'r, S>,
        mut effects: impl Iterator<Item = EffectRecord<'r>>,
    ) where
        S: Slot + Writable<C::Writes, I>,
    {
        let arena = self.window.arena();
        let count_min = effects.size_hint().0.min(EFFECTS_PER_NEED_MAX);
        let mut records = arena.room(count_min);
        records.extend(effects.by_ref().take(EFFECTS_PER_NEED_MAX));
        // It need not end, so it is not counted further.
        self.is_over = effects.next().is_some();
        let target = self.target::<S, I>(filler, 0..records.len());
        self.need.targets = arena.bump().alloc([Some(target)]);
        self.need.effects = records.into_bump_slice();
    }

    /// Leaves it for the shard.
    pub(super) fn leave(self) {
        self.window.leave(if self.is_over {
            Err(NeedFault::TooMany)
        } else if self.need.is_race() && self.need.effects.is_empty() {
            Err(NeedFault::EmptyRace)
        } else {
            Ok(self.need)
        });
    }
}
