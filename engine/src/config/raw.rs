//! Values as they are written, and how one is read.
//!
//! What is wrong with one is told as the rest of a sentence that begins with the key's name. Only
//! numbers are told as they stand: a text may be a secret in a wrong place.

use std::str::FromStr;

use super::key::Takes;
use crate::bound::{Range, Unit, Unread};

/// A value before it is known what it should be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw<'a> {
    /// A string of a file.
    Text(&'a str),
    /// A whole number of a file; none where it is beyond all reason.
    Number(Option<i128>),
    /// A word of the environment or a command line, where a number has no other dress than a text.
    Loose(&'a str),
    /// An amount in its smallest unit, from within the program.
    Amount(u64),
    /// Something that no key takes, by name: `a boolean`.
    Other(&'static str),
}

impl<'a> Raw<'a> {
    /// An amount within its range, as far as its neighbours do not matter.
    pub fn amount(self, range: &'static Range) -> Result<u64, String> {
        let takes = Takes::Amount(range);
        let read = match self {
            // A count has no unit, so nothing is gained by its quotes.
            Raw::Text(_) if range.unit == Unit::Count => {
                return Err(format!("is a string; it takes {takes}"));
            }
            Raw::Text(text) | Raw::Loose(text) => range.unit.read(text),
            Raw::Number(_) if range.unit == Unit::Time => Err(Unread::WithoutUnit),
            Raw::Number(Some(number)) if number < 0 => {
                return Err(format!("is {number}; it takes {takes}"));
            }
            Raw::Number(number) => number
                .and_then(|number| u64::try_from(number).ok())
                .ok_or(Unread::TooLarge),
            Raw::Amount(amount) => Ok(amount),
            Raw::Other(kind) => return Err(format!("is {kind}; it takes {takes}")),
        };
        let amount = read.map_err(|unread| {
            let what = match unread {
                Unread::Malformed => "cannot be read",
                Unread::WithoutUnit => "has no unit",
                Unread::TooLarge => "is larger than 64 bits hold",
            };
            format!("{what}; it takes {takes}")
        })?;
        match range.refusal(amount, |_| None) {
            Some(refusal) => Err(refusal),
            None => Ok(amount),
        }
    }

    /// A text; an empty one means nothing.
    pub fn word(self, takes: &Takes) -> Result<&'a str, String> {
        let what = match self {
            Raw::Text("") | Raw::Loose("") => "empty",
            Raw::Text(text) | Raw::Loose(text) => return Ok(text),
            Raw::Number(_) | Raw::Amount(_) => "a number",
            Raw::Other(kind) => kind,
        };
        Err(format!("is {what}; it takes {takes}"))
    }

    /// A text that means something.
    pub fn parsed<T: FromStr>(self, takes: &Takes) -> Result<T, String> {
        let word = self.word(takes)?;
        word.parse()
            .map_err(|_| format!("cannot be read; it takes {takes}"))
    }
}
