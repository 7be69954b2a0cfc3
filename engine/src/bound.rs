//! Bounds as data: one declaration gives a field, its default, its range, its documentation, and
//! what configuration and its page know of it, so that no two of them can disagree.

mod unit;

use std::fmt;

use cutaway_scheduler::Nanos;

pub(crate) use unit::{Unit, Unread};

/// What is known of a bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    /// The field, and the key in a file.
    pub name: &'static str,
    pub unit: Unit,
    pub default: u64,
    pub least: End,
    pub most: End,
    pub is_power_of_two: bool,
    /// What it bounds and what happens when it is hit, line by line, as the field's documentation.
    pub doc: &'static [&'static str],
}

/// An end of a range.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// This amount.
    At(u64),
    /// Whatever a neighbour of the same table is.
    Neighbour(&'static str),
    /// None.
    Open,
}

/// A bound that is a field of `T`.
#[derive(Clone, Copy)]
pub(crate) struct Bound<T: 'static> {
    pub range: Range,
    pub get: fn(&T) -> u64,
    pub set: fn(&mut T, u64),
}

impl Range {
    /// What is wrong with an amount, as the rest of a sentence; nothing if it lies in the range.
    ///
    /// `neighbour` tells the amounts that the range refers to; an end that it does not know holds.
    pub fn refusal(&self, amount: u64, neighbour: impl Fn(&str) -> Option<u64>) -> Option<String> {
        let value = |end: End| match end {
            End::At(amount) => Some(amount),
            End::Neighbour(name) => neighbour(name),
            End::Open => None,
        };
        let is_enough = value(self.least).is_none_or(|least| least <= amount);
        let is_little = value(self.most).is_none_or(|most| amount <= most);
        let is_even = !self.is_power_of_two || amount.is_power_of_two();
        if is_enough && is_little && is_even {
            return None;
        }
        let amount = self.unit.written(amount);
        let mut text = format!("is {amount}; it takes {}", self.words());
        for end in [self.least, self.most] {
            if let (End::Neighbour(name), Some(amount)) = (end, value(end)) {
                text += &format!(", and `{name}` is {}", self.unit.written(amount));
            }
        }
        Some(text)
    }

    /// The neighbours that its ends refer to.
    pub fn neighbours(&self) -> impl Iterator<Item = &'static str> {
        let name = |end| match end {
            End::Neighbour(name) => Some(name),
            End::At(_) | End::Open => None,
        };
        [self.least, self.most].into_iter().filter_map(name)
    }

    /// The range in words: `256 B to 1 MiB`.
    pub fn words(&self) -> impl fmt::Display {
        let unit = self.unit;
        let end = |end| match end {
            End::At(amount) => unit.written(amount).to_string(),
            End::Neighbour(name) => format!("`{name}`"),
            End::Open => String::new(),
        };
        let (least, most) = (end(self.least), end(self.most));
        let kind = if self.is_power_of_two {
            "a power of two, "
        } else {
            ""
        };
        match self.most {
            End::Open => format!("{kind}{least} or more"),
            End::At(_) | End::Neighbour(_) => format!("{kind}{least} to {most}"),
        }
    }
}

/// The ranges that the values of a table do not lie in, each with the rest of a sentence that begins
/// with its name.
pub(crate) fn refusals<T>(
    values: &T,
    bounds: &'static [Bound<T>],
) -> Vec<(&'static Range, String)> {
    let neighbour = |name: &str| {
        let found = bounds.iter().find(|bound| bound.range.name == name);
        found.map(|bound| (bound.get)(values))
    };
    let refusal = |bound: &'static Bound<T>| {
        let refusal = bound.range.refusal((bound.get)(values), neighbour)?;
        Some((&bound.range, refusal))
    };
    bounds.iter().filter_map(refusal).collect()
}

/// What a bound's field may be: an amount of 64 bits in another dress.
pub(crate) trait Amount {
    fn of(amount: u64) -> Self;
    fn amount(&self) -> u64;
}

impl Amount for u64 {
    fn of(amount: u64) -> u64 {
        amount
    }

    fn amount(&self) -> u64 {
        *self
    }
}

impl Amount for usize {
    fn of(amount: u64) -> usize {
        amount as usize // the engine runs on machines of 64 bits
    }

    fn amount(&self) -> u64 {
        *self as u64
    }
}

impl Amount for Nanos {
    fn of(amount: u64) -> Nanos {
        Nanos(amount)
    }

    fn amount(&self) -> u64 {
        self.as_u64()
    }
}

/// Declares a struct whose fields are bounds.
///
/// ```text
/// bounds! {
///     pub struct Limits {
///         /// What it bounds.
///         ///
///         /// What happens beyond it.
///         pub head_bytes_max: usize = bytes "16 KiB", "256 B" to "1 MiB";
///         pub inbox_bytes_max: usize = bytes "64 KiB", head_bytes_max or more;
///         pub receive_buffers: usize = count 256, 1 to 32768, a power of two;
///         pub head_timeout: Nanos = time "10 s", "1 ns" or more;
///     }
/// }
/// ```
macro_rules! bounds {
    (
        $(#[$attribute:meta])*
        pub struct $table:ident {$(
            $(#[doc = $doc:literal])*
            pub $name:ident: $type:ty = $unit:ident $default:literal,
                $least:tt $(to $most:tt)? $(or $more:ident)? $(, a power of $two:ident)?;
        )+}
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $table {$(
            $(#[doc = $doc])*
            #[doc = ""]
            #[doc = concat!(
                "Default ", $default, "; ",
                $("a power of ", stringify!($two), ", ",)?
                $crate::bound::bounds!(@word $least),
                $(" to ", $crate::bound::bounds!(@word $most),)?
                $(" or ", stringify!($more),)?
                "."
            )]
            pub $name: $type,
        )+}

        impl $table {
            /// Every field, with all that is known of it.
            pub(crate) const BOUNDS: &'static [$crate::bound::Bound<$table>] = &[$(
                $crate::bound::Bound {
                    range: $crate::bound::Range {
                        name: stringify!($name),
                        unit: $crate::bound::bounds!(@unit $unit),
                        default: $crate::bound::bounds!(@amount $unit $default),
                        least: $crate::bound::bounds!(@end $unit $least),
                        most: $crate::bound::bounds!(@most $unit $($most)? $($more)?),
                        is_power_of_two: $crate::bound::bounds!(@flag $($two)?),
                        doc: &[$($doc),*],
                    },
                    get: |table| $crate::bound::Amount::amount(&table.$name),
                    set: |table, amount| table.$name = $crate::bound::Amount::of(amount),
                },
            )+];
        }

        impl Default for $table {
            fn default() -> $table {
                $table {$(
                    $name: $crate::bound::Amount::of(
                        $crate::bound::bounds!(@amount $unit $default)
                    ),
                )+}
            }
        }
    };

    (@word $text:literal) => { $text };
    (@word $neighbour:ident) => { concat!("`", stringify!($neighbour), "`") };
    (@unit count) => { $crate::bound::Unit::Count };
    (@unit bytes) => { $crate::bound::Unit::Bytes };
    (@unit time) => { $crate::bound::Unit::Time };
    (@amount count $number:literal) => { $number };
    (@amount $unit:ident $text:literal) => {
        const { $crate::bound::bounds!(@unit $unit).exact($text) }
    };
    (@end $unit:ident $neighbour:ident) => {
        $crate::bound::End::Neighbour(stringify!($neighbour))
    };
    (@end $unit:ident $text:literal) => {
        $crate::bound::End::At($crate::bound::bounds!(@amount $unit $text))
    };
    (@most $unit:ident more) => { $crate::bound::End::Open };
    (@most $unit:ident $most:tt) => { $crate::bound::bounds!(@end $unit $most) };
    (@flag) => { false };
    (@flag two) => { true };
}

pub(crate) use bounds;

#[cfg(test)]
mod tests {
    use super::*;

    bounds! {
        /// A table for the tests.
        pub struct Table {
            /// A size.
            pub size: usize = bytes "2 KiB", "1 KiB" to "1 MiB";
            /// A part of it.
            pub part: u64 = bytes "1 KiB", "1 B" to size;
            /// More than it.
            pub whole: u64 = bytes "1 MiB", size or more;
            /// How many.
            pub many: usize = count 8, 1 to 64, a power of two;
            /// How long.
            pub wait: Nanos = time "5 ms", "1 ns" or more;
        }
    }

    #[test]
    fn a_declaration_gives_defaults_that_hold() {
        let table = Table::default();
        assert_eq!((table.size, table.part, table.many), (2048, 1024, 8));
        assert_eq!(table.wait, Nanos::from_millis(5));
        assert!(refusals(&table, Table::BOUNDS).is_empty());
        for bound in Table::BOUNDS {
            assert_eq!((bound.get)(&table), bound.range.default);
        }
    }

    #[test]
    fn what_lies_outside_is_told_with_its_range() {
        let table = Table {
            size: 1023,
            part: 1024,
            whole: 1022,
            many: 12,
            wait: Nanos::ZERO,
        };
        let expected = [
            ("size", "is 1023 B; it takes 1 KiB to 1 MiB"),
            (
                "part",
                "is 1 KiB; it takes 1 B to `size`, and `size` is 1023 B",
            ),
            (
                "whole",
                "is 1022 B; it takes `size` or more, and `size` is 1023 B",
            ),
            ("many", "is 12; it takes a power of two, 1 to 64"),
            ("wait", "is 0 ns; it takes 1 ns or more"),
        ];
        let found = refusals(&table, Table::BOUNDS);
        let found: Vec<_> = (found.iter())
            .map(|(range, text)| (range.name, text.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_ends_themselves_hold() {
        let mut table = Table::default();
        for bound in Table::BOUNDS {
            for end in [bound.range.least, bound.range.most] {
                if let End::At(amount) = end {
                    (bound.set)(&mut table, amount);
                    let refused = refusals(&table, Table::BOUNDS);
                    assert!(
                        refused
                            .iter()
                            .all(|(range, _)| range.name != bound.range.name)
                    );
                }
            }
            (bound.set)(&mut table, bound.range.default);
        }
    }
}
