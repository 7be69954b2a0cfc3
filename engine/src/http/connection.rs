//! A connection's bytes, message after message.

use super::body::{Decoder, Piece};
use super::{FieldSpan, Framing, Head, Refusal, Span, head};
use crate::limits::Limits;

/// What the next bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing whole: call again when more bytes have come.
    NeedMore,
    /// A request's head. Where its framing is `None` the message is complete with it; else its
    /// content follows, and `End`.
    Head(Head),
    /// A run of the request's content, by its place in the input of this call; never empty.
    Body(Span),
    /// The content is complete.
    End,
}

/// Reads one connection's bytes as requests.
///
/// ```text
///          head without content
///           ┌──────────┐
///           ▼          │
///         Head ────────┴──▶ Body ──▶ End ──▶ Head …
///           └───────────────────────────┴──▶ Finished   where the connection does not stay open
/// ```
#[derive(Debug)]
pub struct Connection {
    state: State,
}

#[derive(Debug)]
enum State {
    /// In a head, of which so many bytes hold no end.
    Head { scanned: usize },
    /// In a message's content.
    Body { decoder: Decoder, keep_alive: bool },
    /// Behind the last message.
    Finished,
}

impl Connection {
    /// A connection before its first byte.
    pub fn new() -> Connection {
        Connection { state: BETWEEN }
    }

    /// Reads on: `input` starts at the first byte not yet consumed. Returns how many bytes were
    /// consumed and what they are.
    ///
    /// Call it again with the rest until it says `NeedMore`, then with the rest and what has come
    /// behind it: of an unfinished head nothing is consumed. A head's fields go to `fields`;
    /// their offsets, like those in the event, count from the start of `input`.
    ///
    /// Behind a message that ends the connection all bytes are consumed and never read: no
    /// request that follows `Connection: close` is ever seen.
    /// (<https://www.rfc-editor.org/rfc/rfc9112#section-9.6>: the server "MUST NOT process any
    /// further requests received on that connection".)
    ///
    /// # Bounds
    /// What is left unconsumed at `NeedMore` is shorter than `head_bytes_max` and 2 in a head, and
    /// as [`Decoder::decode`] says in a body.
    ///
    /// # Complexity
    /// Linear in what is consumed; an unfinished head is parsed when its first bytes come and when
    /// its end is there, and otherwise only its new bytes are looked at.
    ///
    /// # Errors
    /// The reason the message must be refused for. The connection must not be used again: where
    /// the next message would start is not known.
    #[inline]
    pub fn next(
        &mut self,
        input: &[u8],
        limits: &Limits,
        fields: &mut Vec<FieldSpan>,
    ) -> Result<(usize, Event), Refusal> {
        match &mut self.state {
            State::Head { scanned } => {
                if !is_worth_parsing(input, *scanned, limits) {
                    *scanned = input.len();
                    return Ok((0, Event::NeedMore));
                }
                let Some(head) = head::parse(input, limits, fields)? else {
                    *scanned = input.len();
                    return Ok((0, Event::NeedMore));
                };
                self.state = match head.framing {
                    Framing::None => behind_message(head.keep_alive),
                    framing => State::Body {
                        decoder: Decoder::new(framing),
                        keep_alive: head.keep_alive,
                    },
                };
                Ok((head.len_bytes as usize, Event::Head(head)))
            }
            State::Body {
                decoder,
                keep_alive,
            } => {
                let (consumed, piece) = decoder.decode(input, limits)?;
                let event = match piece {
                    Piece::NeedMore => Event::NeedMore,
                    Piece::Body(span) => Event::Body(span),
                    Piece::End => {
                        self.state = behind_message(*keep_alive);
                        Event::End
                    }
                };
                Ok((consumed, event))
            }
            State::Finished => Ok((input.len(), Event::NeedMore)),
        }
    }

    /// Whether a message's head has been read and its content has not, so that the end of the
    /// bytes here would cut it off.
    pub fn is_in_body(&self) -> bool {
        matches!(self.state, State::Body { .. })
    }

    /// How much of a message's content is still to come, as far as it is known: not of one in chunks.
    pub fn content_left(&self) -> Option<u64> {
        match &self.state {
            State::Body { decoder, .. } => decoder.length_left(),
            State::Head { .. } | State::Finished => Some(0),
        }
    }

    /// Whether the last message has been read, and what comes is not looked at.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }
}

impl Default for Connection {
    fn default() -> Connection {
        Connection::new()
    }
}

/// Whether parsing `input` can tell more than it did when only `scanned` bytes were there.
#[inline]
fn is_worth_parsing(input: &[u8], scanned: usize, limits: &Limits) -> bool {
    // The end of a head takes up to three bytes, so it may have begun in the two scanned last.
    scanned < head::LEAD_BYTES
        || input.len() >= limits.head_bytes_max
        || head::has_end(&input[scanned - 2..])
}

fn behind_message(keep_alive: bool) -> State {
    if keep_alive { BETWEEN } else { State::Finished }
}

const BETWEEN: State = State::Head { scanned: 0 };

#[cfg(test)]
mod tests;
