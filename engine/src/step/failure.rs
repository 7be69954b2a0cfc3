//! Why a request failed.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::{self, Write};

use super::decision::Fail;

/// Why a request failed. Carries no lifetime: the key is copied and cut at 61 bytes.
///
/// It does not implement `Error`, so that every type that does becomes one by `?`: a 500 whose
/// message goes to the trace and not to the client.
///
/// One word, so that a [`Step`](super::Step) returns in registers: what it says lies in a box that
/// its thread keeps for the next one.
#[derive(PartialEq, Eq)]
pub struct Failure(Option<Box<Said>>);

/// What a failure says.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Said {
    what: &'static str,
    kind: Fail,
    cause: Cause,
    key: Key,
}

impl Said {
    const NOTHING: Said = Said {
        what: "",
        kind: Fail::Internal,
        cause: Cause::Error,
        key: Key::EMPTY,
    };
}

thread_local! {
    /// The boxes of failures that are over, so that a request that fails takes nothing from the heap
    /// once its thread is warm.
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    static SPARE: RefCell<Vec<Box<Said>>> = const { RefCell::new(Vec::new()) };
}

/// Where a failure came from. It decides whether a client may read its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A step decided it, in words meant for the client.
    Step,
    /// An error that a step or an effect ran into: the words are for the trace.
    Error,
    /// Something of the program's panicked: `what` is the name of the step, of the slot whose value
    /// was dropped, of the callback, or `renderer`; the key is the message. Both are for the trace.
    Panic,
    /// A step broke its contract: `what` is its name, the key the slot. A mistake of the program
    /// that every request meets, so it is shown wherever it happens.
    Contract,
}

impl Failure {
    /// A failure that a step decided: `key` says which `what` it was about.
    ///
    /// ```
    /// use cutaway::Failure;
    /// use cutaway::prelude::*;
    ///
    /// let failure = Failure::new(NotFound, "post", "7");
    /// assert_eq!(failure.to_string(), "NotFound: post 7");
    /// ```
    #[cold]
    pub fn new(kind: Fail, what: &'static str, key: &str) -> Failure {
        Failure::of(Cause::Step, kind, what, Key::copied(key))
    }

    /// A 404 for the `what` of this key.
    #[cold]
    pub(crate) fn missing(what: &'static str, key: &dyn fmt::Display) -> Failure {
        Failure::of(Cause::Step, Fail::NotFound, what, Key::formatted(key))
    }

    /// A 500 for an error in `what`.
    #[cold]
    pub(crate) fn error(what: &'static str, error: &dyn fmt::Display) -> Failure {
        Failure::of(Cause::Error, Fail::Internal, what, Key::formatted(error))
    }

    /// A 500 for a step that takes the content which was taken before.
    #[cold]
    pub(crate) fn content_twice(step: &'static str) -> Failure {
        Failure::contract(step, format_args!("took the content a second time"))
    }

    /// A 500 for a step that asks for effects once more than a request may.
    #[cold]
    pub(crate) fn needs_too_often(step: &'static str, needs_max: usize) -> Failure {
        let words = format_args!("asked for effects more than {needs_max} times");
        Failure::contract(step, words)
    }

    /// A 500 for a broken contract.
    #[cold]
    pub(crate) fn contract(step: &'static str, words: fmt::Arguments<'_>) -> Failure {
        Failure::of(
            Cause::Contract,
            Fail::Internal,
            step,
            Key::formatted(&words),
        )
    }

    /// A 500 for a panic.
    pub(super) fn panic(what: &'static str, message: &str) -> Failure {
        Failure::of(Cause::Panic, Fail::Internal, what, Key::copied(message))
    }

    fn of(cause: Cause, kind: Fail, what: &'static str, key: Key) -> Failure {
        Failure::saying(Said {
            what,
            kind,
            cause,
            key,
        })
    }

    /// Lays in boxes for this thread's failures: a shard's, before it serves the first request.
    pub(crate) fn lay_in() {
        SPARE.with_borrow_mut(|spare| {
            spare.reserve_exact(SPARE_MAX);
            let lacking = SPARE_COUNT.saturating_sub(spare.len());
            spare.extend((0..lacking).map(|_| Box::new(Said::NOTHING)));
        });
    }

    #[cold]
    fn saying(said: Said) -> Failure {
        // A thread that ends has none to spare any more.
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        Failure(Some(match spare.ok().flatten() {
            Some(mut spare) => {
                *spare = said;
                spare
            }
            None => Box::new(said),
        }))
    }

    fn said(&self) -> &Said {
        (self.0.as_deref()).expect("a failure has its box until it is dropped")
    }

    /// Its kind.
    ///
    /// ```
    /// use cutaway::Failure;
    /// use cutaway::prelude::*;
    ///
    /// let failure = Failure::new(NotFound, "post", "7");
    /// assert_eq!(failure.kind().status(), Status::NOT_FOUND);
    /// ```
    pub fn kind(&self) -> Fail {
        self.said().kind
    }

    /// What it is about: a word of the program's own, a step's name, or an error's type.
    ///
    /// ```
    /// use cutaway::Failure;
    /// use cutaway::prelude::*;
    ///
    /// let failure = Failure::new(NotFound, "post", "7");
    /// assert_eq!(failure.what(), "post");
    /// ```
    pub fn what(&self) -> &'static str {
        self.said().what
    }

    /// Which one of those, or a message.
    ///
    /// ```
    /// use cutaway::Failure;
    /// use cutaway::prelude::*;
    ///
    /// let failure = Failure::new(NotFound, "post", "7");
    /// assert_eq!(failure.key(), "7");
    /// ```
    pub fn key(&self) -> &str {
        self.said().key.as_str()
    }

    /// Where it came from.
    ///
    /// ```
    /// use cutaway::Failure;
    /// use cutaway::prelude::*;
    ///
    /// let failure = Failure::new(NotFound, "post", "7");
    /// assert_eq!(failure.cause(), cutaway::step::Cause::Step);
    /// let failure = Failure::from("x".parse::<i64>().unwrap_err());
    /// assert_eq!(failure.cause(), cutaway::step::Cause::Error);
    /// ```
    pub fn cause(&self) -> Cause {
        self.said().cause
    }

    /// Whether it is a mistake of the program, which fails its request even where an effect may fail.
    pub(crate) fn is_mistake(&self) -> bool {
        matches!(self.cause(), Cause::Contract | Cause::Panic)
    }

    /// Whether a client may read `what` and `key`.
    ///
    /// ```
    /// use cutaway::Failure;
    /// use cutaway::prelude::*;
    ///
    /// let failure = Failure::new(NotFound, "post", "7");
    /// assert!(failure.is_public());
    /// let failure = Failure::from("x".parse::<i64>().unwrap_err());
    /// assert!(!failure.is_public());
    /// ```
    pub fn is_public(&self) -> bool {
        matches!(self.cause(), Cause::Step | Cause::Contract)
    }
}

impl Clone for Failure {
    #[cold]
    fn clone(&self) -> Failure {
        Failure::saying(*self.said())
    }
}

impl Drop for Failure {
    #[cold]
    fn drop(&mut self) {
        let Some(said) = self.0.take() else { return };
        // A thread that ends keeps none.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_MAX {
                spare.push(said);
            }
        });
    }
}

impl<E: Error> From<E> for Failure {
    #[cold]
    fn from(error: E) -> Failure {
        Failure::error(std::any::type_name::<E>(), &error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {} {}", self.kind(), self.what(), self.key())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("kind", &self.kind())
            .field("what", &self.what())
            .field("key", &self.key())
            .field("cause", &self.cause())
            .finish()
    }
}

/// How many boxes a shard begins with, 24 KiB. How many requests fail at once depends on chance, so
/// that it would find its largest number late.
const SPARE_COUNT: usize = 256;

/// How many boxes a thread keeps at most: it may drop more failures than it makes.
const SPARE_MAX: usize = 2048;

/// How many bytes of a failure's key are kept.
pub const KEY_BYTES_MAX: usize = 61;

/// A short text, inline.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    len: u8,
    bytes: [u8; KEY_BYTES_MAX],
}

impl Key {
    const EMPTY: Key = Key {
        len: 0,
        bytes: [0; KEY_BYTES_MAX],
    };

    fn copied(text: &str) -> Key {
        let mut key = Key::EMPTY;
        // An error says that it was cut.
        let _ = key.write_str(text);
        key
    }

    fn formatted(value: &dyn fmt::Display) -> Key {
        let mut key = Key::EMPTY;
        // An error says that it was cut, or that a `Display` has failed; what was said stays.
        let _ = write!(key, "{value}");
        key
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)])
            .expect("a key is cut between characters")
    }
}

impl fmt::Write for Key {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let start = usize::from(self.len);
        let fitting = text.floor_char_boundary(text.len().min(KEY_BYTES_MAX - start));
        self.bytes[start..start + fitting].copy_from_slice(&text.as_bytes()[..fitting]);
        self.len += fitting as u8;
        if fitting < text.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::{Continue, Step};

    #[test]
    fn a_key_is_cut_between_characters() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Failure::new(Fail::NotFound, "post", text).key(), expected);
        };
        check("", "");
        check("seven", "seven");
        check(&"a".repeat(100), &"a".repeat(KEY_BYTES_MAX));
        check(&"ä".repeat(100), &"ä".repeat(KEY_BYTES_MAX / 2));
    }

    #[test]
    fn an_error_becomes_a_500_for_the_trace() {
        let parse = || -> Step {
            let _: i64 = "x".parse()?;
            Continue
        };
        let failure = parse().unwrap_err();
        assert_eq!(failure.kind(), Fail::Internal);
        assert_eq!(failure.what(), "core::num::error::ParseIntError");
        assert_eq!(failure.key(), "invalid digit found in string");
        assert!(!failure.is_public());
    }

    #[test]
    fn what_one_has_said_is_forgotten_with_it() {
        let first = Failure::new(Fail::NotFound, "post", "a long key of the first one");
        let copy = first.clone();
        drop(first);
        let second = Failure::error("json", &"short");
        assert_eq!(copy.key(), "a long key of the first one");
        assert_eq!((second.what(), second.key()), ("json", "short"));
        assert_ne!(copy, second);
    }

    #[test]
    fn a_thread_keeps_a_bounded_number_of_boxes() {
        let spare_count = || SPARE.with_borrow(Vec::len);
        let fail_at_once = |count: usize| {
            let failure = |_| Failure::new(Fail::NotFound, "post", "");
            (0..count).map(failure).collect::<Vec<_>>()
        };
        Failure::lay_in();
        assert_eq!(spare_count(), SPARE_COUNT);
        let failures = fail_at_once(SPARE_COUNT);
        assert_eq!(spare_count(), 0);
        drop(failures);
        drop(fail_at_once(SPARE_MAX + 1));
        assert_eq!(spare_count(), SPARE_MAX);
    }
}
