//! Which route a path belongs to.
//!
//! A pattern begins with `/` and consists of segments. A segment is literal text, `{name}` (exactly
//! one segment, not empty), or, as the last one, `{*rest}` (one segment or more, not empty). Where
//! several patterns match, the leftmost literal decides: `/a/{x}` is taken before `/{y}/b` for
//! `/a/b`, whatever the order of declaration. A trailing slash counts.
//!
//! Paths are matched as they stand in the request-target, before percent-decoding: an encoded slash
//! never ends a segment.

pub(crate) mod table;
mod tree;

pub use table::{Found, PARAMS_MAX, Params, RouteError, Table, TableBuilder};
