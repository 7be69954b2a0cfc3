//! The head of a request: request-line and field lines.

use super::{FieldSpan, Framing, Method, Refusal, Span, Version};
use crate::limits::Limits;

/// The head of a request, by offsets into the bytes it was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// How many bytes the head takes, the empty line behind it included.
    pub len_bytes: u32,
    /// What is asked for.
    pub method: Method,
    /// The request-target as sent.
    pub target: Span,
    /// The path to route by, with its escapes: starts with `/`, or is `*` (OPTIONS), or is empty
    /// (CONNECT). ASCII always.
    pub path: Span,
    /// What stands behind the `?`. ASCII always.
    pub query: Option<Span>,
    /// The authority asked: from the target where it has one, else from Host. May be empty.
    pub authority: Span,
    /// The version the client speaks.
    pub version: Version,
    /// Where the content ends.
    pub framing: Framing,
    /// Whether the client wants the connection to stay open.
    pub keep_alive: bool,
    /// Whether the client waits for 100 (Continue) before it sends the content.
    pub expect_continue: bool,
}

/// Reads the head that starts at the first byte of `input`.
pub fn parse(
    _input: &[u8],
    _limits: &Limits,
    _fields: &mut Vec<FieldSpan>,
) -> Result<Option<Head>, Refusal> {
    Ok(None)
}
