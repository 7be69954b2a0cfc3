//! Chains that many programs share, as values: for `before`, or to be included.

use crate::ctx::Cx;
use crate::ctx::id::REQUEST_ID;
use crate::ctx::list::Nil;
use crate::step::{Chain, Continue, Step, chain};

/// Sends each request's id back as `X-Request-Id`, on failures too.
///
/// The id is the client's where it has sent a fit one, see [`Cx::request_id`]; a proxy in front that
/// sets the field is believed.
///
/// ```
/// use cutaway::prelude::*;
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.text("Hello, World!")
/// }
///
/// let routes = Routes::new()
///     .before(cutaway::chains::request_id())
///     .get("/hello", chain(hello))
///     .build()?;
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
pub fn request_id() -> Chain<Nil, Nil, Nil> {
    chain(answer_request_id)
}

fn answer_request_id(cx: &mut Cx) -> Step {
    let id = cx.request_id();
    cx.response_header(REQUEST_ID, id)?;
    Continue
}
