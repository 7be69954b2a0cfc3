//! HTTP/1.0 and HTTP/1.1 without a socket: bytes in, messages out.
//!
//! Everything here is a pure function or a state machine over bytes that somebody else received.
//! What is read is named by offsets ([`Span`]) instead of borrowed slices, so that a head stays
//! readable after its bytes were copied from a receive buffer to a request's arena.
//!
//! The reading is strict on purpose: whatever two parsers could read differently is refused with a
//! status, because a proxy in front of this engine is such a second parser.
//!
//! # Source
//! RFC 9110 (semantics), RFC 9112 (HTTP/1.1), RFC 3986 (request-targets).

pub mod body;
pub mod connection;
pub mod date;
pub mod encode;
mod field;
pub mod head;
mod octet;
mod refusal;
mod status;
mod target;

pub use body::Framing;
pub use connection::{Connection, Event};
pub use head::Head;
pub use refusal::Refusal;
pub use status::Status;

/// A run of bytes inside a buffer, by its place.
///
/// # Units
/// Bytes from the start of the buffer the span was made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Where the run starts.
    pub start: u32,
    /// How long it is.
    pub len: u32,
}

impl Span {
    /// The run from `start` to just before `end`.
    ///
    /// # Bounds
    /// Both fit 32 bits: what this module reads at once is bounded by
    /// [`Limits`](crate::limits::Limits) far below that.
    ///
    /// # Panics
    /// In debug builds, where `end` lies before `start` or an offset does not fit.
    pub fn between(start: usize, end: usize) -> Span {
        debug_assert!(start <= end && u32::try_from(end).is_ok());
        Span {
            start: start as u32,
            len: (end - start) as u32,
        }
    }

    /// The bytes of the run.
    ///
    /// # Panics
    /// Where the run does not lie within `bytes`: the span was made for another buffer.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end()]
    }

    /// The run as text; empty where the bytes are not UTF-8.
    ///
    /// Methods, targets and field names are always text; a field's value need not be.
    ///
    /// # Panics
    /// As [`Span::of`].
    #[inline]
    pub fn text(self, bytes: &[u8]) -> &str {
        std::str::from_utf8(self.of(bytes)).unwrap_or_default()
    }

    /// The offset just behind the run.
    pub fn end(self) -> usize {
        self.start as usize + self.len as usize
    }

    /// Whether the run has no bytes.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// One field line of a head, by the places of its two halves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSpan {
    /// The field's name as sent; names compare without case.
    pub name: Span,
    /// The field's value without the whitespace around it. Not necessarily text.
    pub value: Span,
}

/// A request method this engine knows.
///
/// # Source
/// RFC 9110 section 9; PATCH from RFC 5789.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Transfer the target's representation.
    #[default]
    Get,
    /// As GET, without the content.
    Head,
    /// Let the target process the content.
    Post,
    /// Replace the target by the content.
    Put,
    /// Remove the target.
    Delete,
    /// Change the target as the content says.
    Patch,
    /// Tell how the target may be talked to.
    Options,
    /// Echo the request.
    Trace,
    /// Open a tunnel.
    Connect,
}

impl Method {
    /// Every method; a method's place here is its value as an index.
    pub const ALL: [Method; 9] = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Delete,
        Method::Patch,
        Method::Options,
        Method::Trace,
        Method::Connect,
    ];

    /// The method of this name; `None` where the engine does not know it. Case matters.
    ///
    /// ```
    /// use cutaway::http::Method;
    ///
    /// assert_eq!(Method::from_name(b"GET"), Some(Method::Get));
    /// assert_eq!(Method::from_name(b"get"), None);
    /// ```
    #[inline]
    pub fn from_name(name: &[u8]) -> Option<Method> {
        Some(match name {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"PATCH" => Method::Patch,
            b"OPTIONS" => Method::Options,
            b"TRACE" => Method::Trace,
            b"CONNECT" => Method::Connect,
            _ => return None,
        })
    }

    /// The method's name on the wire.
    ///
    /// ```
    /// use cutaway::http::Method;
    ///
    /// assert_eq!(Method::Delete.name(), "DELETE");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Patch => "PATCH",
            Method::Options => "OPTIONS",
            Method::Trace => "TRACE",
            Method::Connect => "CONNECT",
        }
    }
}

/// The version of the protocol a request was sent in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

#[cfg(test)]
mod tests {
    use super::Method;

    #[test]
    fn a_method_is_found_by_its_name_and_stands_at_its_index() {
        for (index, method) in Method::ALL.into_iter().enumerate() {
            assert_eq!(method as usize, index);
            assert_eq!(Method::from_name(method.name().as_bytes()), Some(method));
        }
        // https://www.rfc-editor.org/rfc/rfc9110#section-9.1 – "The method token is case-sensitive".
        assert_eq!(Method::from_name(b"get"), None);
    }
}
