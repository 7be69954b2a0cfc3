//! How errors look: problem+json (RFC 9457) below `/blog/`, pages everywhere else.

use std::io;

use cutaway::prelude::*;
use cutaway::response::{Problem, problem};
use serde::Serialize;

use super::input::Fault;
use super::view;

/// Renders every failure of the blog.
pub fn render(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    // What could not be read as a request has no path, and is hardly a visitor's.
    let is_page = (failed.request()).is_some_and(|request| !request.path().starts_with("/blog/"));
    if !is_page {
        return problem(failed, out);
    }
    out.extend_from_slice(view::failure(failed).into_string().as_bytes());
    Ok("text/html; charset=utf-8")
}

/// Answers that an input is wrong, with everything that is wrong with it.
pub fn invalid<A, B, C>(cx: &mut Cx<'_, A, B, C>, faults: &[Fault]) -> Step {
    #[derive(Serialize)]
    struct Invalid<'a> {
        r#type: &'static str,
        title: &'static str,
        status: u16,
        detail: &'static str,
        request_id: &'a str,
        errors: &'a [Fault],
    }
    let status = Status::UNPROCESSABLE_CONTENT;
    let body = serde_json::to_vec(&Invalid {
        r#type: "about:blank",
        title: status.reason(),
        status: status.code(),
        detail: "the input has faults",
        request_id: cx.request_id(),
        errors: faults,
    })?;
    cx.status(status).bytes("application/problem+json", body)
}
