//! Which route a path belongs to.
//!
//! A pattern begins with `/` and consists of segments. A segment is literal text, `{name}` (exactly
//! one segment, not empty), or, as the last one, `{*rest}` (one segment or more, not empty). Where
//! several patterns match, the leftmost literal decides: `/a/{x}` is taken before `/{y}/b` for
//! `/a/b`, whatever the order of declaration. A trailing slash counts.
//!
//! Paths are matched before they are percent-decoded: an encoded slash never ends a segment. But an
//! escape of a character that needs none is that character, so `/%70osts` is `/posts`, and `%c3` is
//! `%C3` (RFC 3986 section 6.2.2).

mod escape;
pub(crate) mod table;
mod tree;

pub use table::{Found, PARAMS_MAX, Params, RouteError, Table, TableBuilder};
