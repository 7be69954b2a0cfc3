//! Response heads as bytes.
//!
//! A value that could split a response cannot be written: names and values are checked when they
//! are made, and there is no other way to hand one over.

use super::Method;
use super::date::ImfFixdate;
use super::status::Status;

/// A field name: a token (RFC 9110 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldName<'a>(&'a str);

impl<'a> FieldName<'a> {
    /// A name; none where it is not a token.
    pub const fn new(name: &'a str) -> Option<FieldName<'a>> {
        let bytes = name.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if !is_token_byte(bytes[at]) {
                return None;
            }
            at += 1;
        }
        if bytes.is_empty() {
            None
        } else {
            Some(FieldName(name))
        }
    }

    /// The name.
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// A field value: no control bytes, no space at either end (RFC 9110 section 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldValue<'a>(&'a str);

impl<'a> FieldValue<'a> {
    /// A value; none where a line end or another control byte stands in it, or a space at an end.
    pub const fn new(value: &'a str) -> Option<FieldValue<'a>> {
        let bytes = value.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let is_edge = at == 0 || at + 1 == bytes.len();
            let is_refused = match bytes[at] {
                b'\t' | b' ' => is_edge,
                0..=0x1f | 0x7f => true,
                _ => false,
            };
            if is_refused {
                return None;
            }
            at += 1;
        }
        Some(FieldValue(value))
    }

    /// The value.
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`'
        | b'|' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
}

/// What the reply says of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionField {
    /// Nothing: HTTP/1.1 persists by default.
    Silent,
    /// `Connection: close`.
    Close,
    /// `Connection: keep-alive`, for an HTTP/1.0 client that asked for it.
    KeepAlive,
}

impl ConnectionField {
    /// Appends it behind another field's value.
    fn write(self, out: &mut Vec<u8>) {
        match self {
            ConnectionField::Silent => {}
            ConnectionField::Close => out.extend_from_slice(b"\r\nConnection: close"),
            ConnectionField::KeepAlive => out.extend_from_slice(b"\r\nConnection: keep-alive"),
        }
    }
}

/// A response's head.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: Status,
    /// The moment of the answer.
    pub date: &'a ImfFixdate,
    /// What the content is; none where there is none.
    pub content_type: Option<FieldValue<'a>>,
    /// The content's length in bytes. Left out by itself where the status has no content.
    pub content_length: u64,
    /// What is said of the connection.
    pub connection: ConnectionField,
}

impl ResponseHead<'_> {
    /// Appends the head with the fields that stand in every response. [`field`] and [`end`] follow.
    pub fn write(&self, out: &mut Vec<u8>) {
        // One reservation for everything below, so that no write has to grow the vector.
        out.reserve(256);
        match self.status.line() {
            Some(line) => out.extend_from_slice(line),
            None => {
                out.extend_from_slice(b"HTTP/1.1 ");
                decimal(out, u64::from(self.status.code()));
                // An empty phrase keeps its space (RFC 9112 section 4).
                out.extend_from_slice(b" \r\n");
            }
        }
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(self.date);
        self.connection.write(out);
        if let Some(content_type) = self.content_type {
            out.extend_from_slice(b"\r\nContent-Type: ");
            out.extend_from_slice(content_type.0.as_bytes());
        }
        // A server MUST NOT send Content-Length with 1xx or 204 (RFC 9110 section 8.6).
        if !self.status.is_bodyless() {
            out.extend_from_slice(b"\r\nContent-Length: ");
            decimal(out, self.content_length);
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends one more field.
pub fn field(out: &mut Vec<u8>, name: FieldName<'_>, value: FieldValue<'_>) {
    out.extend_from_slice(name.0.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.0.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Ends the head.
pub fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Appends a whole refusal for a machine that is full: no lookup, no formatting, no allocation.
///
/// To a HEAD it has no content (<https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2>).
pub fn overloaded(
    out: &mut Vec<u8>,
    date: &ImfFixdate,
    connection: ConnectionField,
    method: Method,
) {
    const BODY: &[u8] = br#"{"title":"Service Unavailable","status":503,"detail":"overloaded"}"#;
    const { assert!(BODY.len() == 66, "the length below is the body's") };
    out.extend_from_slice(
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
          Content-Type: application/problem+json\r\nContent-Length: 66\r\nDate: ",
    );
    out.extend_from_slice(date);
    connection.write(out);
    out.extend_from_slice(b"\r\n\r\n");
    if method != Method::Head {
        out.extend_from_slice(BODY);
    }
}

/// Appends a number; core's formatting would cost four times as much here.
fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests;
