//! Leaving an effect for the shard.

use super::decision::{Decision, Step};
use crate::ctx::{Clauses, Cx, Slot, Writable};
use crate::effect::{Effect, EffectRecord};

impl<'r, A, B, C> Cx<'r, A, B, C>
where
    (A, B, C): Clauses,
{
    /// Parks the request until the effect has completed; the next step finds its result in the slot.
    ///
    /// One effect a step. The slot must be in the step's `Writes`, the resource in its `Uses`.
    ///
    /// # Errors
    /// Never by itself; an effect that fails is a failure of the request.
    pub fn need<S, I>(&mut self, effect: Effect<'r, S>) -> Step
    where
        S: Slot + Writable<<(A, B, C) as Clauses>::Writes, I>,
    {
        self.window.leave(EffectRecord {
            resource: effect.resource,
            operation: effect.operation,
            timeout: effect.timeout,
            expected: self.window.expect::<S, I>(effect.filler),
        });
        Ok(Decision::Need)
    }
}
