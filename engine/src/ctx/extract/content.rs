//! What a request's content may be, by its own words in Content-Type, and what is read from it.

use serde::Deserialize;

use super::text::FromText;
use super::{form, json};
use crate::ctx::Arena;
use crate::step::{Fail, Failure};

/// What a slot takes a request's content as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyFormat {
    /// `application/json`, or a type that ends in `+json`.
    Json,
    /// `application/x-www-form-urlencoded`, in UTF-8.
    Form,
    /// Any type of `text/`, in UTF-8.
    Text,
    /// Whatever comes.
    Bytes,
}

impl BodyFormat {
    /// Its word in a slot's declaration.
    pub const fn name(self) -> &'static str {
        match self {
            BodyFormat::Json => "json",
            BodyFormat::Form => "form",
            BodyFormat::Text => "text",
            BodyFormat::Bytes => "bytes",
        }
    }

    /// The media type that is asked for; none where any will do.
    pub const fn media_type(self) -> Option<&'static str> {
        match self {
            BodyFormat::Json => Some("application/json"),
            BodyFormat::Form => Some("application/x-www-form-urlencoded"),
            BodyFormat::Text => Some("text/plain"),
            BodyFormat::Bytes => None,
        }
    }

    /// Whether content of this Content-Type is taken: known from the head, before the content comes.
    ///
    /// # Errors
    /// A 415 with the type that is wanted, where the type is another one or is not said; a 400 for
    /// text in another charset than UTF-8.
    pub(crate) fn admit(self, content_type: Option<&[u8]>) -> Result<(), Failure> {
        let Some(wanted) = self.media_type() else {
            return Ok(());
        };
        let refused = || Failure::new(Fail::UnsupportedMediaType, "body", wanted);
        let mut parts = content_type
            .ok_or_else(refused)?
            .split(|&octet| octet == b';');
        let essence = parts.next().unwrap_or_default().trim_ascii();
        let is_wanted = match self {
            BodyFormat::Json => ends_with(essence, b"+json") || is(essence, wanted),
            BodyFormat::Text => starts_with(essence, b"text/"),
            BodyFormat::Form | BodyFormat::Bytes => is(essence, wanted),
        };
        if !is_wanted {
            return Err(refused());
        }
        // JSON is UTF-8, and has no such parameter (https://www.rfc-editor.org/rfc/rfc8259#section-11).
        if self != BodyFormat::Json && !parts.all(is_utf8_or_no_charset) {
            return Err(Failure::new(Fail::BadRequest, "body", "charset"));
        }
        Ok(())
    }
}

/// Text.
///
/// # Errors
/// A 400 where it is not UTF-8, or no such value.
pub(crate) fn text<'r, T: FromText<'r>>(content: &'r [u8]) -> Result<T, Failure> {
    let text = std::str::from_utf8(content).ok();
    text.and_then(T::from_text)
        .ok_or_else(|| Failure::new(Fail::BadRequest, "body", "text"))
}

/// JSON.
///
/// # Errors
/// A 400 that names line and column where it is no JSON, a 422 that names the field where it is
/// another value.
pub(crate) fn json<'r, T: Deserialize<'r>>(
    content: &'r [u8],
    arena: &'r Arena,
) -> Result<T, Failure> {
    json::read(content, arena)
}

/// A form.
///
/// # Errors
/// A 400 where it is not UTF-8, a 422 that names the field where it is missing or no such value.
pub(crate) fn form<'r, T: Deserialize<'r>>(
    content: &'r [u8],
    arena: &'r Arena,
) -> Result<T, Failure> {
    form::read(content, arena).map_err(|unread| unread.in_body())
}

/// A parameter of a media type that does not name another charset than UTF-8, or its part US-ASCII.
fn is_utf8_or_no_charset(parameter: &[u8]) -> bool {
    let mut halves = parameter.splitn(2, |&octet| octet == b'=');
    let name = halves.next().unwrap_or_default().trim_ascii();
    if !is(name, "charset") {
        return true;
    }
    let value = halves.next().unwrap_or_default().trim_ascii();
    let quoted = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    let charset = quoted.unwrap_or(value);
    ["utf-8", "utf8", "us-ascii"]
        .iter()
        .any(|known| is(charset, known))
}

fn is(octets: &[u8], word: &str) -> bool {
    octets.eq_ignore_ascii_case(word.as_bytes())
}

fn starts_with(octets: &[u8], start: &[u8]) -> bool {
    octets
        .get(..start.len())
        .is_some_and(|part| part.eq_ignore_ascii_case(start))
}

fn ends_with(octets: &[u8], end: &[u8]) -> bool {
    let at = octets.len().checked_sub(end.len());
    at.is_some_and(|at| octets[at..].eq_ignore_ascii_case(end))
}
