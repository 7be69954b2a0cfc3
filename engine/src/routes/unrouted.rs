//! What is answered where no route is, and where a request's content is refused: the routes that the
//! engine brings itself.
//!
//! They are routes like any other, with the `before` chains as their first steps, so that what those
//! do (response headers, effects, an answer of their own) happens on a 404, a 405 and a 413 too.

use super::mount;
use crate::ctx::Cx;
use crate::http::Method;
use crate::route::Params;
use crate::route::table::param_names;
use crate::step::{Entry, Fail, Step, fail};

/// Where a request goes that has no route.
pub(crate) struct Unrouted<'t> {
    /// The index of the engine's route that answers it.
    pub(crate) index: u16,
    /// The parameters of the mount that the path lies below.
    pub(crate) params: Params,
    /// The value of the Allow field; empty for none.
    pub(crate) allow: &'t str,
    /// Nothing but the engine's own answer is left to do, so it need not wait for its turn.
    pub(crate) is_answered_at_once: bool,
}

/// How the engine's routes are called, in timelines and refusals.
pub(super) const NOT_FOUND: &str = "(not found)";
const NOT_ALLOWED: &str = "(method not allowed)";

/// The name of the route for methods without one, below this prefix.
pub(super) fn not_allowed_pattern(prefix: &'static str) -> &'static str {
    if prefix.is_empty() {
        return NOT_ALLOWED;
    }
    mount::interned(format!("{NOT_ALLOWED} {prefix}"))
}

/// The parameters of a pattern, or of the prefix in the name of one of the engine's routes.
pub(super) fn param_names_of(pattern: &'static str) -> Vec<&'static str> {
    let prefix = pattern.strip_prefix(NOT_ALLOWED);
    param_names(prefix.map_or(pattern, str::trim_start))
}

/// The last step where the path has no route.
pub(super) fn not_found_entry() -> Entry {
    Entry::of(not_found)
}

/// The last step where the path has routes for other methods, and for `OPTIONS *`.
pub(super) fn not_allowed_entry() -> Entry {
    Entry::of(not_allowed)
}

/// The last step where a request's content is refused.
pub(super) fn refusal_entry() -> Entry {
    Entry::of(refused)
}

fn refused(cx: &mut Cx) -> Step {
    Err(cx.refusal())
}

fn not_found(cx: &mut Cx) -> Step {
    fail(Fail::NotFound, "route", cx.request().path())
}

fn not_allowed(cx: &mut Cx) -> Step {
    // Every path answers OPTIONS with what it allows, and so does the server as a whole
    // (https://www.rfc-editor.org/rfc/rfc9110#section-9.3.7).
    if cx.request().method() == Method::Options {
        return cx.empty();
    }
    fail(Fail::MethodNotAllowed, "method", cx.request().path())
}
