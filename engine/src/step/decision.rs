//! What a step decides.

use std::error::Error;
use std::fmt::{self, Write};

use crate::http::Status;

/// What a step returns. It has no lifetime, so `?` works in every step.
pub type Step = Result<Decision, Failure>;

/// What happens after a step that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// The next step runs at once.
    Continue,
    /// The request parks until its effect has completed; then the next step runs.
    Need,
    /// The response is complete.
    Done,
}

/// The next step runs at once.
#[allow(non_upper_case_globals)] // it reads as a decision at the end of a step
pub const Continue: Step = Ok(Decision::Continue);

/// The response is complete. The methods of `Cx` that make a response return it already.
#[allow(non_upper_case_globals)] // as above
pub const Done: Step = Ok(Decision::Done);

/// What a step function may return: [`Step`], [`Decision`], or nothing, which continues.
#[diagnostic::on_unimplemented(
    message = "a step cannot return `{Self}`",
    label = "returns `{Self}`",
    note = "a step returns `Step`, `Decision` or `()`"
)]
pub trait IntoStep {
    /// As a step's result.
    fn into_step(self) -> Step;
}

impl IntoStep for Step {
    #[inline(always)]
    fn into_step(self) -> Step {
        self
    }
}

impl IntoStep for Decision {
    #[inline(always)]
    fn into_step(self) -> Step {
        Ok(self)
    }
}

impl IntoStep for () {
    #[inline(always)]
    fn into_step(self) -> Step {
        Continue
    }
}

/// Fails the request: `return fail(NotFound, "post", id)`.
///
/// ```
/// # use cutaway::prelude::*;
/// slot!(pub Age: u32 = query "age");
///
/// fn check(cx: &mut Cx<Reads<Age>>) -> Step {
///     if *cx.get(Age) < 18 {
///         return fail(Forbidden, "age", "is below 18");
///     }
///     Continue
/// }
/// # let tested = cutaway::testing::get("/?age=17").run(check);
/// # assert_eq!(tested.failure().map(|failure| failure.kind()), Some(Forbidden));
/// ```
///
/// # Errors
/// Always.
#[cold]
pub fn fail(kind: Fail, what: &'static str, key: impl AsRef<str>) -> Step {
    Err(Failure::new(kind, what, key.as_ref()))
}

/// Turns an absence or an error into a failure that says what was wanted.
pub trait OrFail<T> {
    /// The value, or a failure of this kind.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn check(cx: &mut Cx) -> Step {
    ///     let sent = cx.request().field("if-match").or_fail(PreconditionFailed, "version", "missing")?;
    ///     let version: u64 = std::str::from_utf8(sent).ok().and_then(|text| text.parse().ok())
    ///         .or_fail(BadRequest, "version", "is no number")?;
    ///     cx.json(&version)
    /// }
    /// # let tested = cutaway::testing::get("/").run(check);
    /// # assert_eq!(tested.failure().map(|failure| failure.kind()), Some(PreconditionFailed));
    /// ```
    ///
    /// # Errors
    /// Where there is no value.
    fn or_fail(self, kind: Fail, what: &'static str, key: impl AsRef<str>) -> Result<T, Failure>;
}

impl<T> OrFail<T> for Option<T> {
    #[inline]
    fn or_fail(self, kind: Fail, what: &'static str, key: impl AsRef<str>) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::new(kind, what, key.as_ref()))
    }
}

impl<T, E> OrFail<T> for Result<T, E> {
    #[inline]
    fn or_fail(self, kind: Fail, what: &'static str, key: impl AsRef<str>) -> Result<T, Failure> {
        self.map_err(|_| Failure::new(kind, what, key.as_ref()))
    }
}

/// Kinds of failure; each is one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fail {
    /// 400
    BadRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 408
    RequestTimeout,
    /// 409
    Conflict,
    /// 410
    Gone,
    /// 412
    PreconditionFailed,
    /// 413
    ContentTooLarge,
    /// 414
    UriTooLong,
    /// 415
    UnsupportedMediaType,
    /// 417
    ExpectationFailed,
    /// 422
    Unprocessable,
    /// 429
    TooManyRequests,
    /// 431
    HeadTooLarge,
    /// 500
    Internal,
    /// 501
    NotImplemented,
    /// 502
    BadGateway,
    /// 503
    Unavailable,
    /// 504
    Timeout,
    /// 505
    VersionNotSupported,
    /// 507
    InsufficientStorage,
}

impl Fail {
    /// The status of a response to it.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// assert_eq!(Conflict.status(), Status::CONFLICT);
    /// ```
    pub fn status(self) -> Status {
        match self {
            Fail::BadRequest => Status::BAD_REQUEST,
            Fail::Unauthorized => Status::UNAUTHORIZED,
            Fail::Forbidden => Status::FORBIDDEN,
            Fail::NotFound => Status::NOT_FOUND,
            Fail::MethodNotAllowed => Status::METHOD_NOT_ALLOWED,
            Fail::RequestTimeout => Status::REQUEST_TIMEOUT,
            Fail::Conflict => Status::CONFLICT,
            Fail::Gone => Status::GONE,
            Fail::PreconditionFailed => Status::PRECONDITION_FAILED,
            Fail::ContentTooLarge => Status::CONTENT_TOO_LARGE,
            Fail::UriTooLong => Status::URI_TOO_LONG,
            Fail::UnsupportedMediaType => Status::UNSUPPORTED_MEDIA_TYPE,
            Fail::ExpectationFailed => Status::EXPECTATION_FAILED,
            Fail::Unprocessable => Status::UNPROCESSABLE_CONTENT,
            Fail::TooManyRequests => Status::TOO_MANY_REQUESTS,
            Fail::HeadTooLarge => Status::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Fail::Internal => Status::INTERNAL_SERVER_ERROR,
            Fail::NotImplemented => Status::NOT_IMPLEMENTED,
            Fail::BadGateway => Status::BAD_GATEWAY,
            Fail::Unavailable => Status::SERVICE_UNAVAILABLE,
            Fail::Timeout => Status::GATEWAY_TIMEOUT,
            Fail::VersionNotSupported => Status::HTTP_VERSION_NOT_SUPPORTED,
            Fail::InsufficientStorage => Status::INSUFFICIENT_STORAGE,
        }
    }
}

/// Why a request failed. Carries no lifetime and no heap memory: the key is copied and cut at
/// 61 bytes.
///
/// It does not implement `Error`, so that every type that does becomes one by `?`: a 500 whose
/// message goes to the trace and not to the client.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    what: &'static str,
    kind: Fail,
    cause: Cause,
    key: Key,
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
        Failure {
            what,
            kind,
            cause,
            key,
        }
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
        self.kind
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
        self.what
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
        self.key.as_str()
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
        self.cause
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
        matches!(self.cause, Cause::Step | Cause::Contract)
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
        write!(f, "{:?}: {} {}", self.kind, self.what, self.key())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("kind", &self.kind)
            .field("what", &self.what)
            .field("key", &self.key())
            .field("cause", &self.cause)
            .finish()
    }
}

/// How many bytes of a failure's key are kept.
pub const KEY_BYTES_MAX: usize = 61;

/// A short text, inline.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    len: u8,
    bytes: [u8; KEY_BYTES_MAX],
}

impl Key {
    fn copied(text: &str) -> Key {
        let mut key = Key {
            len: 0,
            bytes: [0; KEY_BYTES_MAX],
        };
        // An error says that it was cut.
        let _ = key.write_str(text);
        key
    }

    fn formatted(value: &dyn fmt::Display) -> Key {
        let mut key = Key::copied("");
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
    fn a_failure_is_small_enough_to_return() {
        assert!(size_of::<Step>() <= 80, "{}", size_of::<Step>());
    }
}
