//! From what a step asks for to an effect with its slot.

use std::mem;

use bumpalo::collections::Vec as ArenaVec;

use super::decode::{Answer, Answers, Decode, Undecoded};
use super::record::EffectRecord;
use super::sealed::Asking;
use super::shape::Shape;
use crate::ctx::{Arena, Filler, Slot, Value};

/// An effect whose result has no slot yet: a statement, a timer.
///
/// `.into(Slot)` makes it an [`Effect`]; several asks of one type make a list or a race. Sealed: it
/// names a resource, and nobody but the engine gives leave to act on one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an effect without a slot",
    label = "not an effect without a slot",
    note = "a list or a race is made of effects of one type, and has one slot itself: `first([a, b]).into(Slot)`"
)]
pub trait Ask<'r>: Asking + Sized {
    /// The shape of its result.
    type Shape: Shape;

    /// As the shard will find it.
    fn record(self) -> EffectRecord<'r>;
}

/// An effect with the slot its result goes into.
#[must_use = "an effect is performed only when it is returned with `cx.need`"]
pub struct Effect<'r, S> {
    pub(crate) record: EffectRecord<'r>,
    pub(crate) filler: Filler<'r, S>,
}

impl<'r, S: Slot> Effect<'r, S> {
    pub(crate) fn of<A>(ask: A) -> Effect<'r, S>
    where
        A: Ask<'r>,
        Value<'r, S>: Decode<'r, A::Shape>,
    {
        Effect {
            record: ask.record().shaped::<A::Shape, S>(),
            filler: Filler::of::<A::Shape>(),
        }
    }
}

/// A slot's value that can hold a list of results of the shape `Q`: `&'r [T]`, with a `T` that holds
/// one of them.
///
/// The elements must not need Drop, for nothing would drop them.
#[diagnostic::on_unimplemented(
    message = "a value of type `{Self}` cannot hold a list of results ({Q})",
    label = "wrong slot type",
    note = "`all([..])` fills `&'r [T]`, with a `T` that holds the result of one of its effects"
)]
pub trait DecodeList<'r, Q>: Sized {
    /// The value.
    ///
    /// # Errors
    /// Where a result is not what its element needs.
    fn decode_list(answers: Answers<'r>, arena: &'r Arena) -> Result<Self, Undecoded>;
}

impl<'r, Q, T: Decode<'r, Q>> DecodeList<'r, Q> for &'r [T] {
    fn decode_list(answers: Answers<'r>, arena: &'r Arena) -> Result<Self, Undecoded> {
        const {
            assert!(
                !mem::needs_drop::<T>(),
                "results in a slot are never dropped, so they must not need Drop: use `&'r str`, not String"
            );
        }
        let mut values = ArenaVec::with_capacity_in(answers.len(), arena.bump());
        for answer in answers {
            values.push(decode_one::<T, Q>(answer, arena)?);
        }
        Ok(values.into_bump_slice())
    }
}

/// The value of one effect's answer, or of its absence.
pub(crate) fn decode_one<'r, V: Decode<'r, Q>, Q>(
    answer: Option<Answer<'r>>,
    arena: &'r Arena,
) -> Result<V, Undecoded> {
    match answer {
        Some(answer) => V::decode(answer, arena),
        None => Ok(V::absent().expect("a need succeeds only with what its slots require")),
    }
}
