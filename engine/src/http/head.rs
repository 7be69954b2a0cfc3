//! The head of a request: request-line and field lines.
//!
//! `httparse` finds the lines; what it lets through and this engine does not is checked here.
//! A head is judged only when its last byte is there (or can no longer fit): a refusal never
//! depends on how the bytes were cut. Only the octets before the method are judged at once, so
//! that a client of another protocol, TLS say, is told so without waiting for a time limit.

use std::mem::MaybeUninit;

use httparse::{Error, Request, Status};

use super::field::Known;
use super::octet::TOKEN;
use super::{FieldSpan, Framing, Method, Refusal, Span, Version, target};
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
    /// Whether escapes stand in the path.
    pub path_is_escaped: bool,
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

/// Reads the head that starts at the first byte of `input`; `None` while it is not whole.
///
/// The field lines go to `fields`, which is cleared first; their offsets, like the head's, count
/// from the start of `input`.
///
/// # Bounds
/// Looks at no more than `head_bytes_max` bytes behind an empty first line. Allocates only where
/// `fields` has less room than the head has fields, never beyond `fields_max`.
///
/// # Errors
/// The first reason the head must be refused for.
///
/// # Source
/// RFC 9112 sections 2, 3, 5 and 6.
#[inline]
pub fn parse(
    input: &[u8],
    limits: &Limits,
    fields: &mut Vec<FieldSpan>,
) -> Result<Option<Head>, Refusal> {
    fields.clear();
    let Some(start) = skip_empty_line(input)? else {
        return Ok(None);
    };
    let window = &input[start..input.len().min(start.saturating_add(limits.head_bytes_max))];
    let full = window.len() >= limits.head_bytes_max;

    // Left uninitialised: filling 4 KiB for five fields would cost more than the parse.
    let mut lines = [const { MaybeUninit::uninit() }; FIELDS_CEILING];
    let room = limits.fields_max.min(FIELDS_CEILING);
    let mut request = Request::new(&mut []);
    match request.parse_with_uninit_headers(window, &mut lines[..room]) {
        Ok(Status::Complete(len)) => {
            read(&request, Bytes { input, start, len }, limits, fields).map(Some)
        }
        Ok(Status::Partial) if full => Err(overflow(&request, limits)),
        Err(error) if full || has_end(window) => Err(translate(error, &request, window)),
        Ok(Status::Partial) | Err(_) => Ok(None),
    }
}

/// Where the bytes of a whole head lie.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    input: &'a [u8],
    start: usize,
    len: usize,
}

impl Bytes<'_> {
    /// The span of `part`, which is a slice of the input.
    #[inline]
    fn span(&self, part: &[u8]) -> Span {
        let start = part.as_ptr() as usize - self.input.as_ptr() as usize;
        Span::between(start, start + part.len())
    }

    fn end(&self) -> usize {
        self.start + self.len
    }
}

/// Takes a head that has the shape of one, and judges what it says.
#[inline]
fn read(
    request: &Request<'_, '_>,
    bytes: Bytes<'_>,
    limits: &Limits,
    fields: &mut Vec<FieldSpan>,
) -> Result<Head, Refusal> {
    // A whole head has all three; the defaults are refused like anything unknown.
    let name = request.method.unwrap_or_default().as_bytes();
    let target_bytes = request.path.unwrap_or_default().as_bytes();
    let version = match request.version {
        Some(0) => Version::Http10,
        _ => Version::Http11,
    };

    // httparse takes a bare LF for a line's end, and RFC 9112 section 2.2 allows that; but a
    // proxy that does not would see another message.
    if !bytes.input[..bytes.end()].ends_with(b"\r\n\r\n") {
        return Err(Refusal::LineEndMalformed);
    }
    if target_bytes.len() > limits.target_bytes_max {
        return Err(Refusal::TargetTooLong);
    }
    let method = Method::from_name(name).ok_or(Refusal::MethodUnknown)?;
    let target_span = bytes.span(target_bytes);
    let parts = target::read(method, target_bytes)?;

    fields.extend(request.headers.iter().map(|line| FieldSpan {
        name: bytes.span(line.name.as_bytes()),
        value: bytes.span(line.value),
    }));
    let mut known = Known::default();
    for (line, field) in request.headers.iter().zip(fields.iter()) {
        // The line before this one ends just before this name.
        if bytes.input[field.name.start as usize - 2] != b'\r' {
            return Err(Refusal::LineEndMalformed);
        }
        known.read(line.name.as_bytes(), line.value, field.value)?;
    }

    // https://www.rfc-editor.org/rfc/rfc9112#section-3.2 – 400 MUST answer "any HTTP/1.1 request
    // message that lacks a Host header field".
    if known.host.is_none() && version == Version::Http11 {
        return Err(Refusal::HostMissing);
    }
    let framing = known.framing(version)?;
    let from_target = |span: Span| Span {
        start: span.start + target_span.start,
        len: span.len,
    };
    Ok(Head {
        len_bytes: bytes.end() as u32,
        method,
        target: target_span,
        path: from_target(parts.path),
        path_is_escaped: parts.path_is_escaped,
        query: parts.query.map(from_target),
        // https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2 – with absolute-form, the server
        // "MUST ignore the received Host header field".
        authority: match parts.authority {
            Some(authority) => from_target(authority),
            None => known.host.unwrap_or_default(),
        },
        version,
        framing,
        keep_alive: known.keeps_alive(version),
        expect_continue: known.expects_continue(version, framing),
    })
}

/// Where the request-line starts; `None` while that cannot be told.
///
/// https://www.rfc-editor.org/rfc/rfc9112#section-2.2 – "a server [...] SHOULD ignore at least one
/// empty line (CRLF) received prior to the request-line". Exactly one is.
#[inline]
fn skip_empty_line(input: &[u8]) -> Result<Option<usize>, Refusal> {
    let start = match input {
        [b'\r', b'\n', ..] => 2,
        [b'\r'] => return Ok(None),
        [b'\r', ..] => return Err(Refusal::LineEndMalformed),
        _ => 0,
    };
    match input.get(start) {
        None => Ok(None),
        Some(&octet) if TOKEN.has(octet) => Ok(Some(start)),
        Some(_) => Err(Refusal::RequestLineMalformed),
    }
}

/// How many octets [`skip_empty_line`] may look at: refusals for these do not wait for the rest.
pub(super) const LEAD_BYTES: usize = 3;

/// Whether an empty line stands in `bytes`: the end of a head, well-formed or not.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&octet| octet == b'\n') {
        rest = &rest[at + 1..];
        if matches!(rest, [b'\n', ..] | [b'\r', b'\n', ..]) {
            return true;
        }
    }
    false
}

/// Why a head that fills all its room and has no end is refused.
#[cold]
fn overflow(request: &Request<'_, '_>, limits: &Limits) -> Refusal {
    match (request.method, request.path) {
        // https://www.rfc-editor.org/rfc/rfc9112#section-3 – a target "longer than any URI it
        // wishes to parse MUST" be answered 414.
        (Some(_), None) => Refusal::TargetTooLong,
        (_, Some(target)) if target.len() > limits.target_bytes_max => Refusal::TargetTooLong,
        _ => Refusal::HeadTooLarge,
    }
}

/// What httparse's error is called here.
#[cold]
fn translate(error: Error, request: &Request<'_, '_>, window: &[u8]) -> Refusal {
    match error {
        Error::Token | Error::Status => Refusal::RequestLineMalformed,
        Error::NewLine => Refusal::LineEndMalformed,
        Error::HeaderName => Refusal::FieldNameMalformed,
        Error::HeaderValue => Refusal::FieldValueMalformed,
        Error::TooManyHeaders => Refusal::FieldsTooMany,
        Error::Version => {
            let before = request.method.map_or(0, str::len) + request.path.map_or(0, str::len) + 2;
            match window.get(before..) {
                // https://www.rfc-editor.org/rfc/rfc9112#section-2.3 – `HTTP-version`.
                Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor, ..])
                    if major.is_ascii_digit() && minor.is_ascii_digit() =>
                {
                    Refusal::VersionUnsupported
                }
                _ => Refusal::VersionMalformed,
            }
        }
    }
}

/// The upper end of the range of `fields_max`: the places on the stack for the lines of a head.
const FIELDS_CEILING: usize = 128;

#[cfg(test)]
mod tests;
