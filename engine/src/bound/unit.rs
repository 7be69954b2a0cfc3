//! Units: how an amount is read and written.
//!
//! One reader serves the defaults in the code, which are read while it is compiled, and what an
//! operator writes; so whatever a page prints can be pasted into a file.

use std::fmt;

/// What an amount counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things: `64`.
    Count,
    /// Bytes: `16 KiB`. Powers of 1024 only: who reads `16 KB` cannot know which is meant.
    Bytes,
    /// Nanoseconds: `500 µs`. The number alone says nothing, so it is refused.
    Time,
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is no number with a unit.
    Malformed,
    /// A length of time without its unit.
    WithoutUnit,
    /// More than 64 bits hold.
    TooLarge,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

impl Unit {
    /// The amount that a text tells: a whole number, and its unit with or without a space between.
    pub const fn read(self, text: &str) -> Result<u64, Unread> {
        let (number, rest) = match digits(text.as_bytes()) {
            Ok(found) => found,
            Err(unread) => return Err(unread),
        };
        let unit = match rest {
            [b' ', unit @ ..] if !unit.is_empty() => unit,
            unit => unit,
        };
        let scale = match self {
            Unit::Count => match rest {
                b"" => 1,
                _ => return Err(Unread::Malformed),
            },
            Unit::Bytes => match unit {
                b"" | b"B" => 1,
                b"KiB" => KIB,
                b"MiB" => MIB,
                b"GiB" => GIB,
                b"TiB" => TIB,
                _ => return Err(Unread::Malformed),
            },
            Unit::Time => match unit {
                b"" => return Err(Unread::WithoutUnit),
                b"ns" => 1,
                // The Greek letter, the sign for micro, and what every keyboard has.
                b"\xce\xbcs" | b"\xc2\xb5s" | b"us" => MICROSECOND,
                b"ms" => MILLISECOND,
                b"s" => SECOND,
                b"min" => MINUTE,
                b"h" => HOUR,
                _ => return Err(Unread::Malformed),
            },
        };
        match number.checked_mul(scale) {
            Some(amount) => Ok(amount),
            None => Err(Unread::TooLarge),
        }
    }

    /// The amount of a text in the code; one that is none does not compile.
    pub const fn exact(self, text: &str) -> u64 {
        match self.read(text) {
            Ok(amount) => amount,
            Err(_) => panic!("not an amount of this unit"),
        }
    }

    /// The amount as text that [`read`](Unit::read) takes, in the largest unit that divides it.
    pub fn written(self, amount: u64) -> Written {
        Written { unit: self, amount }
    }
}

/// The number that a text begins with, and what is behind it.
const fn digits(text: &[u8]) -> Result<(u64, &[u8]), Unread> {
    let mut rest = text;
    let mut number: u64 = 0;
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        number = match number.checked_mul(10) {
            Some(number) => number,
            None => return Err(Unread::TooLarge),
        };
        number = match number.checked_add((*digit - b'0') as u64) {
            Some(number) => number,
            None => return Err(Unread::TooLarge),
        };
        rest = behind;
    }
    if rest.len() == text.len() {
        return Err(Unread::Malformed);
    }
    Ok((number, rest))
}

/// An amount with its unit.
pub(crate) struct Written {
    unit: Unit,
    amount: u64,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units: &[(u64, &str)] = match self.unit {
            Unit::Count => return write!(f, "{}", self.amount),
            Unit::Bytes => &[(TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")],
            // Minutes and hours are read but not written: `90 s` is as plain, and needs no fraction.
            Unit::Time => &[(SECOND, "s"), (MILLISECOND, "ms"), (MICROSECOND, "µs")],
        };
        let smallest = match self.unit {
            Unit::Time => "ns",
            Unit::Bytes | Unit::Count => "B",
        };
        let divides = |(size, _): &&(u64, &str)| self.amount.is_multiple_of(*size);
        match units.iter().find(divides) {
            // Nothing at all is divided by everything; no unit says it better than the smallest.
            Some((size, name)) if self.amount > 0 => write!(f, "{} {name}", self.amount / size),
            _ => write!(f, "{} {smallest}", self.amount),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_read() {
        let check = |unit: Unit, text: &str, expected| {
            assert_eq!(unit.read(text), expected, "{text:?}");
        };
        check(Unit::Count, "0", Ok(0));
        check(Unit::Count, "18446744073709551615", Ok(u64::MAX));
        check(Unit::Count, "18446744073709551616", Err(Unread::TooLarge));
        for text in ["", " 1", "1 ", "-1", "+1", "1.5", "1_000", "x", "1 B"] {
            check(Unit::Count, text, Err(Unread::Malformed));
        }

        check(Unit::Bytes, "8192", Ok(8192));
        check(Unit::Bytes, "1 B", Ok(1));
        check(Unit::Bytes, "16 KiB", Ok(16_384));
        check(Unit::Bytes, "16KiB", Ok(16_384));
        check(Unit::Bytes, "1 MiB", Ok(1 << 20));
        check(Unit::Bytes, "3 GiB", Ok(3 << 30));
        check(Unit::Bytes, "1 TiB", Ok(1 << 40));
        check(Unit::Bytes, "99999999 TiB", Err(Unread::TooLarge));
        for text in [
            "KiB", "16 KB", "16 kib", "16  KiB", "16 KiB ", "1.5 MiB", "16 ",
        ] {
            check(Unit::Bytes, text, Err(Unread::Malformed));
        }

        check(Unit::Time, "7 ns", Ok(7));
        for text in ["500 µs", "500 μs", "500us"] {
            check(Unit::Time, text, Ok(500_000));
        }
        check(Unit::Time, "50 ms", Ok(50_000_000));
        check(Unit::Time, "10 s", Ok(10_000_000_000));
        check(Unit::Time, "2 min", Ok(120_000_000_000));
        check(Unit::Time, "1 h", Ok(3_600_000_000_000));
        check(Unit::Time, "10", Err(Unread::WithoutUnit));
        check(Unit::Time, "9999999 h", Err(Unread::TooLarge));
        for text in ["s", "10 sec", "10 S", "1 m", "10 "] {
            check(Unit::Time, text, Err(Unread::Malformed));
        }
    }

    #[test]
    fn amounts_are_written_in_the_largest_unit_that_divides_them() {
        let check = |unit: Unit, amount: u64, expected: &str| {
            assert_eq!(unit.written(amount).to_string(), expected);
        };
        check(Unit::Count, 0, "0");
        check(Unit::Count, 4096, "4096");
        check(Unit::Bytes, 0, "0 B");
        check(Unit::Bytes, 1023, "1023 B");
        check(Unit::Bytes, 16_384, "16 KiB");
        check(Unit::Bytes, 1 << 30, "1 GiB");
        check(Unit::Time, 0, "0 ns");
        check(Unit::Time, 500_000, "500 µs");
        check(Unit::Time, 1_500_000_000, "1500 ms");
        check(Unit::Time, 60_000_000_000, "60 s");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(amount: u64, shift in 0_u32..64) {
            for unit in [Unit::Count, Unit::Bytes, Unit::Time] {
                for amount in [amount, amount >> shift, amount >> shift << shift] {
                    let text = unit.written(amount).to_string();
                    prop_assert_eq!(unit.read(&text), Ok(amount), "{}", text);
                }
            }
        }
    }
}
