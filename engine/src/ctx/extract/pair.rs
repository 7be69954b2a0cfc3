//! Names and values as queries and forms write them: `name=value&name=value`, percent-encoded, a
//! plus sign for a space.
//!
//! Read as browsers read them: an escape without two hexadecimal digits stands for itself, a pair
//! without an equals sign has an empty value, an empty pair is none.
//!
//! # Source
//! <https://url.spec.whatwg.org/#urlencoded-parsing>; but what is not UTF-8 is refused instead of
//! replaced, so that nobody works with another name than was sent.

use bumpalo::collections::Vec as ArenaVec;

use crate::ctx::Arena;
use crate::ctx::arena::plain_text;

/// A pair as it stands in its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawPair<'r> {
    name: &'r [u8],
    value: &'r [u8],
}

/// The pairs of a query or a form, in their order.
pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = RawPair<'_>> {
    let pairs = text.split(|&octet| octet == b'&');
    pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let at = pair.iter().position(|&octet| octet == b'=');
        let (name, value) = match at {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        RawPair { name, value }
    })
}

impl<'r> RawPair<'r> {
    pub(super) fn name(self, arena: &'r Arena) -> Option<&'r str> {
        decoded(self.name, Plus::IsSpace, arena)
    }

    pub(super) fn value(self, arena: &'r Arena) -> Option<&'r str> {
        decoded(self.value, Plus::IsSpace, arena)
    }

    fn is_named(self, name: &str) -> bool {
        Octets::of(self.name, Plus::IsSpace).eq(name.bytes())
    }
}

/// The value of the first pair of this name, where there is one. None where it is not UTF-8.
pub(super) fn find<'r>(text: &'r [u8], name: &str, arena: &'r Arena) -> Option<Option<&'r str>> {
    match pairs(text).find(|pair| pair.is_named(name)) {
        Some(pair) => pair.value(arena).map(Some),
        None => Some(None),
    }
}

/// A part of a path, percent-decoded. None where it is not UTF-8.
#[inline]
pub(in crate::ctx) fn path_text<'r>(raw: &'r [u8], arena: &'r Arena) -> Option<&'r str> {
    plain_text(raw, |octet| octet != b'%').or_else(|| decoded(raw, Plus::IsPlus, arena))
}

/// The text where it lies, or decoded into the arena.
fn decoded<'r>(raw: &'r [u8], plus: Plus, arena: &'r Arena) -> Option<&'r str> {
    let is_plain = |octet| octet != b'%' && (octet != b'+' || plus == Plus::IsPlus);
    if let Some(text) = plain_text(raw, is_plain) {
        return Some(text);
    }
    if raw.iter().copied().all(is_plain) {
        return std::str::from_utf8(raw).ok();
    }
    // Decoding never makes it longer.
    let mut octets = ArenaVec::with_capacity_in(raw.len(), arena.bump());
    octets.extend(Octets::of(raw, plus));
    std::str::from_utf8(octets.into_bump_slice()).ok()
}

/// What a plus sign stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    /// A space, as in a query and a form.
    IsSpace,
    /// Itself, as in a path.
    IsPlus,
}

/// The octets that a text stands for.
struct Octets<'t> {
    rest: &'t [u8],
    plus: Plus,
}

impl<'t> Octets<'t> {
    fn of(text: &'t [u8], plus: Plus) -> Octets<'t> {
        Octets { rest: text, plus }
    }
}

impl Iterator for Octets<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        if first == b'%'
            && let [high, low, rest @ ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            self.rest = rest;
            return Some(high << 4 | low);
        }
        let is_space = first == b'+' && self.plus == Plus::IsSpace;
        Some(if is_space { b' ' } else { first })
    }
}

fn hex(digit: u8) -> Option<u8> {
    // A digit of base 16 is below 16.
    char::from(digit).to_digit(16).map(|value| value as u8)
}
