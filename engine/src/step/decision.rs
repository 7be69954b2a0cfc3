//! What a step decides.

use super::failure::Failure;
use crate::http::Status;

/// What a step returns. It has no lifetime, so `?` works in every step.
pub type Step = Result<Decision, Failure>;

/// What happens after a step that did not fail.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing;
///
/// fn pass(_: &mut Cx) -> Decision {
///     Decision::Continue
/// }
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.text("Hello, World!")
/// }
///
/// assert_eq!(testing::get("/").run(pass).decision(), Ok(Decision::Continue));
/// assert_eq!(testing::get("/").run(hello).decision(), Ok(Decision::Done));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
// As wide as a `Failure`, so that a `Step` is two words of one kind, which is what returns in
// registers; a byte beside a pointer goes through memory.
#[repr(usize)]
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
    note = "a step returns `Step`, `Decision` or `()`; in one that returns `Step`, `?` makes a failure of any error",
    note = "a step never waits by itself, so it is no `async fn`: it asks for effects with `cx.need(..)`"
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
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing;
///
/// fn archive(_: &mut Cx) -> Step {
///     fail(Gone, "post", "7")
/// }
///
/// testing::get("/").run(archive).assert_fails(Gone, "post", "7");
/// ```
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_returns_in_registers() {
        assert!(size_of::<Step>() <= 2 * size_of::<usize>());
    }
}
