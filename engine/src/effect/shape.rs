//! Shapes: what kinds of result effects have, and what an optional one makes of them.

use std::marker::PhantomData;

use super::decode::{Answer, Changes, Decode, Many, One, OneOrNone, Undecoded};
use crate::ctx::Arena;

/// The shape of an effect's result: which values can hold it ([`Decode`]), and when there is none.
pub trait Shape: 'static {
    /// Whether the request goes on where the effect has failed.
    const IS_OPTIONAL: bool = false;
    /// Whether the effect has failed where it gives no row.
    const NEEDS_ROW: bool = false;
}

/// The shape of a result that nobody has to look at, so that its effect needs no slot.
#[diagnostic::on_unimplemented(
    message = "the rows of this effect would go nowhere",
    label = "an effect without a slot",
    note = "`.into(Slot)` says where they go; only `exec` may do without"
)]
pub trait Unread {}

impl Unread for Changes {}
impl<Q: Unread> Unread for Optional<Q> {}

impl Shape for OneOrNone {}

impl Shape for One {
    const NEEDS_ROW: bool = true;
}

impl Shape for Many {}

impl Shape for Changes {}

/// The result of an effect that may fail: `optional()`. Its slot's value is an `Option`.
#[derive(Debug)]
pub struct Optional<Q>(PhantomData<Q>);

impl<Q: Shape> Shape for Optional<Q> {
    const IS_OPTIONAL: bool = true;
    const NEEDS_ROW: bool = Q::NEEDS_ROW;
}

impl<'r, Q: Shape, T: Decode<'r, Q>> Decode<'r, Optional<Q>> for Option<T> {
    fn decode(answer: Answer<'r>, arena: &'r Arena) -> Result<Self, Undecoded> {
        // That statement and type disagree is a mistake of the program, so it is not made a none.
        T::decode(answer, arena).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}
