//! Slots that are filled from the request before the first step that reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::frame::{Access, Frame, PlanBuilder};
use super::list::{AvailableFrom, Writes};
use super::slot::{Origin, Slot, Value};
use crate::step::{Fail, Failure};

/// The slot's value is read from a path parameter.
pub struct FromPath;

impl<S: PathSlot> Origin<S> for FromPath {
    const EXTRACT: Option<Extract> = Some(Extract {
        param: S::PARAM,
        access: |plan| plan.access::<Only<S>>(Box::default()),
        run: extract_path::<S>,
    });
}

impl<S, W> AvailableFrom<S, W, ()> for FromPath {}

/// A slot that is read from a path parameter: `slot!(pub Id: i64 = path "id")`.
pub trait PathSlot: Slot {
    /// The parameter.
    const PARAM: &'static str;

    /// The value of its text, percent-decoded; none where it is no such value.
    fn parse<'r>(text: &'r str) -> Option<Value<'r, Self>>;
}

/// A value that can be read from text, as it stands in a path.
///
/// ```
/// use cutaway::prelude::*;
///
/// pub struct Slug<'r>(&'r str);
///
/// impl<'r> FromText<'r> for Slug<'r> {
///     fn from_text(text: &'r str) -> Option<Self> {
///         (!text.is_empty()).then_some(Slug(text))
///     }
/// }
///
/// slot!(pub PostSlug<'r>: Slug<'r> = path "slug");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from text",
    note = "implement `FromText<'r>` for it"
)]
pub trait FromText<'r>: Sized {
    /// The value; none where the text is no such value.
    fn from_text(text: &'r str) -> Option<Self>;
}

impl<'r> FromText<'r> for &'r str {
    fn from_text(text: &'r str) -> Option<Self> {
        Some(text)
    }
}

macro_rules! from_text {
    ($($type:ty),*) => {$(
        impl FromText<'_> for $type {
            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}

from_text!(
    i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64, bool, char, String,
    IpAddr, Ipv4Addr, Ipv6Addr
);

/// How a slot is filled from the request.
#[derive(Clone, Copy, Debug)]
pub struct Extract {
    pub(crate) param: &'static str,
    pub(crate) access: fn(&mut PlanBuilder) -> Access,
    pub(crate) run: fn(&Frame, &Access) -> Result<(), Failure>,
}

/// The clauses of an extractor: it writes its one slot.
type Only<S> = (Writes<S>, (), ());

/// Fills the slot where it is empty.
fn extract_path<S: PathSlot>(frame: &Frame, access: &Access) -> Result<(), Failure> {
    frame.enter::<Only<S>, _>(access, |window| {
        if window.has::<S, _>() {
            return Ok(());
        }
        let value = (window.request().param(S::PARAM, window.arena()))
            .and_then(S::parse)
            .ok_or_else(|| Failure::new(Fail::BadRequest, "path", S::PARAM))?;
        window.put::<S, _>(value);
        Ok(())
    })
}
