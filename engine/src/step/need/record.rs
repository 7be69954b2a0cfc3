//! A need as plain data, and how it is written down.

use bumpalo::collections::Vec as ArenaVec;
use cutaway_reactor::Join;

use super::EFFECTS_PER_NEED_MAX;
use super::then::Continuation;
use crate::ctx::{Clauses, Filler, NeedFault, Slot, Target, Window, Writable};
use crate::effect::EffectRecord;

/// What a step asked for. Plain data; what it borrows lies in the request's arena.
#[derive(Clone, Copy)]
pub struct NeedRecord<'r> {
    /// When it has come to its end.
    pub join: Join,
    /// Whether its effects run side by side.
    pub order: Order,
    /// Its effects, in the order in which they stand.
    pub effects: &'r [EffectRecord<'r>],
    /// The ways of their results into the slots.
    pub(crate) targets: &'r [Target],
    /// What runs in place of the next step.
    pub(crate) continuation: Option<Continuation<'r>>,
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
    effects: ArenaVec<'r, EffectRecord<'r>>,
    /// How many effects there are, those beyond the bound included.
    count: usize,
    targets: ArenaVec<'r, Target>,
    join: Join,
    order: Order,
    continuation: Option<Continuation<'r>>,
}

impl<'w, 'r, C: Clauses> Draft<'w, 'r, C> {
    pub(super) fn new(window: &'w Window<'r, C>) -> Draft<'w, 'r, C> {
        Draft {
            window,
            effects: window.arena().room(0),
            count: 0,
            targets: window.arena().room(0),
            join: Join::All,
            order: Order::Parallel,
            continuation: None,
        }
    }

    pub(super) fn window(&self) -> &'w Window<'r, C> {
        self.window
    }

    pub(super) fn join(&mut self, join: Join) {
        self.join = join;
    }

    pub(super) fn order(&mut self, order: Order) {
        self.order = order;
    }

    pub(super) fn continuation(&mut self, continuation: Continuation<'r>) {
        self.continuation = Some(continuation);
    }

    /// So much will come, as far as one can tell.
    pub(super) fn reserve(&mut self, effects_count: usize, targets_count: usize) {
        let effects_count = effects_count.min(EFFECTS_PER_NEED_MAX);
        self.effects.reserve_exact(effects_count);
        self.targets.reserve_exact(targets_count);
    }

    /// One more effect; its place in the need.
    pub(super) fn effect(&mut self, effect: EffectRecord<'r>) -> usize {
        if !self.is_over() {
            self.effects.push(effect);
        }
        self.count += 1;
        self.count - 1
    }

    /// Whether there are more effects than a need may have.
    pub(super) fn is_over(&self) -> bool {
        self.count > EFFECTS_PER_NEED_MAX
    }

    /// The results of the effects from `first` on go into a slot.
    pub(super) fn fill<S, I>(&mut self, filler: Filler<'r, S>, first: usize)
    where
        S: Slot + Writable<C::Writes, I>,
    {
        let target = self.window.target::<S, I>(filler, first..self.count);
        self.targets.push(target);
    }

    /// Leaves it for the shard.
    pub(super) fn leave(self) {
        let need = NeedRecord {
            join: self.join,
            order: self.order,
            effects: self.effects.into_bump_slice(),
            targets: self.targets.into_bump_slice(),
            continuation: self.continuation,
        };
        self.window.leave(if self.count > EFFECTS_PER_NEED_MAX {
            Err(NeedFault::TooMany)
        } else if need.is_race() && need.effects.is_empty() {
            Err(NeedFault::EmptyRace)
        } else {
            Ok(need)
        });
    }
}
