//! What is sent and what the answer must be.
//!
//! The first answer of a run is parsed and checked in full; it becomes the reference. A later
//! answer that equals it byte for byte, the value of `Date` aside, has passed the same checks at
//! the cost of a comparison. Any other is parsed in full.

use std::ops::Range;

use crate::client::response::{self, Fault, Response};

/// A request and what its answer must be.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The request-target, for messages.
    pub path: String,
    /// The request as it goes over the wire.
    pub request: Vec<u8>,
    /// The status of the answer.
    pub status: u16,
    /// The content of the answer.
    pub body: Body,
}

/// What the content of an answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Whatever it is.
    Any,
    /// These bytes.
    Exact(Vec<u8>),
    /// So many bytes.
    Length(usize),
    /// Text with these parts in it.
    Containing(Vec<String>),
}

impl Exchange {
    /// A GET of `path` that must be answered 200 with `body`.
    pub fn get(path: &str, body: Body) -> Exchange {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
        Exchange {
            path: path.to_owned(),
            request,
            status: 200,
            body,
        }
    }

    /// The same exchange, answered with `status`.
    pub fn answered(self, status: u16) -> Exchange {
        Exchange { status, ..self }
    }
}

/// One answer that passed its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Bytes that the answer took.
    pub len_bytes: usize,
    /// The server says that it closes after it.
    pub close: bool,
}

/// Checks the answers to one exchange, and counts how many equal the first.
#[derive(Debug)]
pub struct Expectation<'e> {
    exchange: &'e Exchange,
    reference: Option<Reference>,
    /// Answers equal to the first one, byte for byte, `Date` aside.
    pub equal_count: u64,
    /// Correct answers that differ from the first one somewhere in their head.
    pub differing_count: u64,
}

#[derive(Debug)]
struct Reference {
    bytes: Vec<u8>,
    date: Range<usize>,
}

impl<'e> Expectation<'e> {
    /// Expects the answer that `exchange` names.
    pub fn of(exchange: &'e Exchange) -> Expectation<'e> {
        Expectation {
            exchange,
            reference: None,
            equal_count: 0,
            differing_count: 0,
        }
    }

    /// The exchange whose answers are checked.
    pub fn exchange(&self) -> &'e Exchange {
        self.exchange
    }

    /// Checks the answer at the start of `bytes`; `None` asks for more bytes.
    ///
    /// *Errors*: what is wrong with the answer.
    pub fn check(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Fault> {
        if let Some(reference) = &mut self.reference
            && reference.equals_start_of(bytes)
        {
            self.equal_count += 1;
            return Ok(Some(Answer {
                len_bytes: reference.bytes.len(),
                close: false,
            }));
        }
        let Some(response) = response::parse(bytes)? else {
            return Ok(None);
        };
        self.judge(&response)?;
        let answer = Answer {
            len_bytes: response.len_bytes(),
            close: response.close,
        };
        // A farewell (`Connection: close`) is never the reference: the fast path says that the
        // connection stays.
        match &self.reference {
            None if !response.close => {
                self.reference = Some(Reference {
                    bytes: bytes[..answer.len_bytes].to_vec(),
                    date: response.date_range().unwrap_or(0..0),
                });
                self.equal_count += 1;
            }
            _ => self.differing_count += 1,
        }
        Ok(Some(answer))
    }

    fn judge(&self, response: &Response<'_>) -> Result<(), Fault> {
        if response.status != self.exchange.status {
            return Err(Fault::Status {
                expected: self.exchange.status,
                actual: response.status,
            });
        }
        let actual = response.body.len();
        match &self.exchange.body {
            Body::Any => Ok(()),
            Body::Length(expected) if *expected == actual => Ok(()),
            Body::Length(expected) => Err(Fault::Length {
                expected: *expected,
                actual,
            }),
            Body::Exact(expected) if expected.len() != actual => Err(Fault::Length {
                expected: expected.len(),
                actual,
            }),
            Body::Exact(expected) => {
                match expected.iter().zip(response.body).position(|(a, b)| a != b) {
                    Some(at) => Err(Fault::Content { at }),
                    None => Ok(()),
                }
            }
            Body::Containing(parts) => {
                let text = String::from_utf8_lossy(response.body);
                match parts.iter().find(|part| !text.contains(part.as_str())) {
                    Some(part) => Err(Fault::Lacks(part.clone())),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Reference {
    /// One comparison while the second lasts; the reference takes over each new `Date`.
    fn equals_start_of(&mut self, bytes: &[u8]) -> bool {
        let Some(answer) = bytes.get(..self.bytes.len()) else {
            return false;
        };
        if answer == self.bytes {
            return true;
        }
        let date = &answer[self.date.clone()];
        if !response::is_fixdate(date)
            || answer[..self.date.start] != self.bytes[..self.date.start]
            || answer[self.date.end..] != self.bytes[self.date.end..]
        {
            return false;
        }
        self.bytes[self.date.clone()].copy_from_slice(date);
        true
    }
}

#[cfg(test)]
mod tests;
