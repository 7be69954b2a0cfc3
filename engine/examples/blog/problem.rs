//! How errors look: problem+json (RFC 9457) below `/blog/`, pages everywhere else.

use std::io;

use cutaway::response::{Problem, problem};

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
