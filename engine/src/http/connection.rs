//! A connection's bytes, message after message.

use super::{FieldSpan, Head, Refusal, Span};
use crate::limits::Limits;

/// What the next bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing whole: call again when more bytes have come.
    NeedMore,
    /// A request's head. Where its framing is `None` the message is complete with it.
    Head(Head),
    /// A run of the request's content, by its place in the input of this call.
    Body(Span),
    /// The content is complete.
    End,
}

/// Reads one connection's bytes as requests.
#[derive(Debug, Default)]
pub struct Connection {}

impl Connection {
    /// A connection before its first byte.
    pub fn new() -> Connection {
        Connection::default()
    }

    /// Reads on: `input` starts at the first byte not yet consumed. Returns how many bytes were
    /// consumed and what they are.
    pub fn next(
        &mut self,
        _input: &[u8],
        _limits: &Limits,
        _fields: &mut Vec<FieldSpan>,
    ) -> Result<(usize, Event), Refusal> {
        Ok((0, Event::NeedMore))
    }
}
