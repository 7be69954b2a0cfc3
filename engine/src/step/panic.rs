//! Panics of a program's own code, as failures of the request they belong to.

use std::any::Any;
use std::mem;
use std::panic::{self, AssertUnwindSafe};

use super::failure::Failure;

/// Runs code that is not ours.
///
/// # Errors
/// It has panicked. What it has left half done is its request's, which ends with this.
#[inline]
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Panic> {
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(Panic)
}

/// A panic that was caught.
#[must_use = "it is some request's failure"]
pub(crate) struct Panic(Box<dyn Any + Send>);

impl Panic {
    /// The failure that it is; `what` names what has panicked.
    #[cold]
    pub(crate) fn into_failure(self, what: &'static str) -> Failure {
        let Panic(payload) = self;
        let message = (payload.downcast_ref::<&'static str>().copied())
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a payload that is no text");
        let failure = Failure::panic(what, message);
        // Its own drop may panic as well; then it is left where it is.
        if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(again);
        }
        failure
    }
}
