//! Values that are read from text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A value that can be read from text, as it stands in a path, a query or a header.
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

/// What a query field or a header may be read as: a value of [`FromText`] that has to be there, or an
/// `Option` of one that may be absent.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from text",
    note = "implement `FromText<'r>` for it; `Option` of such a type may be absent"
)]
pub trait FromSent<'r>: Sized {
    /// The value; none where the text, or that there is none, is no such value.
    fn from_sent(text: Option<&'r str>) -> Option<Self>;
}

impl<'r, T: FromText<'r>> FromSent<'r> for T {
    fn from_sent(text: Option<&'r str>) -> Option<Self> {
        text.and_then(T::from_text)
    }
}

impl<'r, T: FromText<'r>> FromSent<'r> for Option<T> {
    fn from_sent(text: Option<&'r str>) -> Option<Self> {
        match text {
            Some(text) => T::from_text(text).map(Some),
            None => Some(None),
        }
    }
}
