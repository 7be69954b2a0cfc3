//! The content of a request: where it ends, and what lies between.
//!
//! The framing of a chunked body is read line by line, and a line only when it is whole: what is
//! not whole stays with the caller. So there is no state inside a line, and a refusal never
//! depends on how the bytes were cut.

use super::octet::{TOKEN, VALUE, skip_whitespace};
use super::{Refusal, Span};
use crate::limits::Limits;

/// How the end of a request's content is found.
///
/// # Source
/// RFC 9112 section 6.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no content: the message ends with its head.
    #[default]
    None,
    /// The content is so many bytes long; never zero. Whether that is too much depends on where the
    /// message goes.
    Length(u64),
    /// The content comes in chunks and ends with the last of them and the trailer section.
    Chunked,
}

/// What the next bytes of a body are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Nothing whole: more bytes are needed.
    NeedMore,
    /// Content, by its place in the input of this call; never empty.
    Body(Span),
    /// The content is complete.
    End,
}

/// Reads one message's content.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    state: State,
    /// Content announced by the chunks so far.
    body_bytes: u64,
    /// Chunk extensions read so far.
    extension_bytes: usize,
    /// Trailer lines read so far.
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In content of known length; so much is left.
    Length(u64),
    /// Before a chunk's size.
    Size,
    /// In a chunk's data; so much is left, never zero.
    Data(u64),
    /// Behind a chunk's data.
    DataEnd,
    /// Before a line of the trailer section.
    Trailer,
}

impl Decoder {
    /// A decoder before the first byte behind a head of this framing.
    pub fn new(framing: Framing) -> Decoder {
        Decoder {
            state: match framing {
                Framing::None => State::Length(0),
                Framing::Length(length) => State::Length(length),
                Framing::Chunked => State::Size,
            },
            body_bytes: 0,
            extension_bytes: 0,
            trailer_bytes: 0,
        }
    }

    /// Reads on: `input` starts at the first byte not yet consumed. Returns how many bytes were
    /// consumed and what they are; framing is consumed on the way to either.
    ///
    /// Behind `End` the decoder must not be asked again.
    ///
    /// # Bounds
    /// Leaves at most one unfinished line unconsumed: 18 bytes and what is left of
    /// `chunk_extension_bytes_max`, or what is left of `trailer_bytes_max`.
    ///
    /// # Errors
    /// The reason the message must be refused for. What was consumed before it does not matter
    /// any more.
    ///
    /// # Source
    /// RFC 9112 sections 6.2 and 7.1.
    pub fn decode(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, Piece), Refusal> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match self.state {
                State::Length(0) => return Ok((at, Piece::End)),
                State::Length(_) | State::Data(_) if rest.is_empty() => break,
                State::Length(left) => {
                    let len = at_most(rest.len(), left);
                    self.state = State::Length(left - len as u64);
                    return Ok((at + len, Piece::Body(Span::between(at, at + len))));
                }
                State::Data(left) => {
                    let len = at_most(rest.len(), left);
                    self.state = match left - len as u64 {
                        0 => State::DataEnd,
                        left => State::Data(left),
                    };
                    return Ok((at + len, Piece::Body(Span::between(at, at + len))));
                }
                State::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        at += 2;
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => break,
                    _ => return Err(Refusal::ChunkEndMalformed),
                },
                State::Size => match self.size_line(rest, limits)? {
                    Some((len, size)) => {
                        at += len;
                        self.state = match size {
                            0 => State::Trailer,
                            size => State::Data(size),
                        };
                    }
                    None => break,
                },
                State::Trailer => match rest {
                    [b'\r', b'\n', ..] => {
                        self.state = State::Length(0);
                        return Ok((at + 2, Piece::End));
                    }
                    [] | [b'\r'] => break,
                    _ => match self.trailer_line(rest, limits)? {
                        Some(len) => at += len,
                        None => break,
                    },
                },
            }
        }
        Ok((at, Piece::NeedMore))
    }

    /// How much content is left of a length that was said.
    pub(super) fn length_left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Size | State::Data(_) | State::DataEnd | State::Trailer => None,
        }
    }

    /// Reads the line before a chunk's data; `None` while it is not whole. Returns the line's
    /// length and the chunk's size.
    ///
    /// https://www.rfc-editor.org/rfc/rfc9112#section-7.1 – `chunk-size [ chunk-ext ] CRLF`;
    /// recipients "MUST anticipate potentially large hexadecimal numerals and prevent parsing
    /// errors due to integer conversion overflows".
    fn size_line(&mut self, rest: &[u8], limits: &Limits) -> Result<Option<(usize, u64)>, Refusal> {
        let extension_room = limits
            .chunk_extension_bytes_max
            .saturating_sub(self.extension_bytes);
        let room = extension_room.saturating_add(SIZE_DIGITS_MAX + CRLF.len());
        let (line, whole) = match line(rest, room) {
            Line::Whole(line) => (line, true),
            Line::TooLong(start) => (start, false),
            Line::Partial => return Ok(None),
        };

        let (size, extensions) = size(line)?;
        if !whole {
            return Err(Refusal::ChunkExtensionsTooLarge);
        }
        let extensions = extensions
            .strip_suffix(b"\r")
            .ok_or(Refusal::ChunkSizeMalformed)?;
        if extensions.len() > extension_room {
            return Err(Refusal::ChunkExtensionsTooLarge);
        }
        check_extensions(extensions)?;
        self.extension_bytes += extensions.len();
        self.body_bytes = match self.body_bytes.checked_add(size) {
            Some(total) if total <= limits.body_bytes_max => total,
            _ => return Err(Refusal::BodyTooLarge),
        };
        Ok(Some((line.len() + 1, size)))
    }

    /// Reads one line of the trailer section and forgets it; `None` while it is not whole.
    /// Returns its length.
    ///
    /// https://www.rfc-editor.org/rfc/rfc9112#section-7.1.2 – a recipient MAY discard trailer
    /// fields.
    fn trailer_line(&mut self, rest: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        let room = limits.trailer_bytes_max.saturating_sub(self.trailer_bytes);
        match line(rest, room) {
            Line::Whole(line) => {
                check_trailer(line)?;
                self.trailer_bytes += line.len() + 1;
                Ok(Some(line.len() + 1))
            }
            Line::TooLong(_) => Err(Refusal::TrailersTooLarge),
            Line::Partial => Ok(None),
        }
    }
}

/// The first line of some bytes.
enum Line<'a> {
    /// The line, without its LF.
    Whole(&'a [u8]),
    /// What of the line has come; more of it must come.
    Partial,
    /// The start of a line that does not end within its room.
    TooLong(&'a [u8]),
}

/// The first line of `bytes`, which with its LF has to fit `room` bytes.
fn line(bytes: &[u8], room: usize) -> Line<'_> {
    let window = &bytes[..bytes.len().min(room)];
    match window.iter().position(|&octet| octet == b'\n') {
        Some(len) => Line::Whole(&window[..len]),
        None if window.len() == room => Line::TooLong(window),
        None => Line::Partial,
    }
}

/// The size at the start of a chunk's line, and what follows it.
fn size(line: &[u8]) -> Result<(u64, &[u8]), Refusal> {
    let digits = line
        .iter()
        .position(|octet| !octet.is_ascii_hexdigit())
        .unwrap_or(line.len());
    if digits == 0 {
        return Err(Refusal::ChunkSizeMalformed);
    }
    // Zeros in front count: a number that needs more is not a size, it is an attempt.
    if digits > SIZE_DIGITS_MAX {
        return Err(Refusal::ChunkSizeOverflow);
    }
    let (digits, extensions) = line.split_at(digits);
    let size = digits.iter().fold(0u64, |size, &digit| {
        (size << 4) | u64::from(hex_value(digit))
    });
    Ok((size, extensions))
}

/// What a hexadecimal digit stands for.
fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Checks what stands between a chunk's size and its CR.
///
/// https://www.rfc-editor.org/rfc/rfc9112#section-7.1.1 –
/// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`; a recipient MUST ignore
/// extensions it does not know, which are all of them.
fn check_extensions(extensions: &[u8]) -> Result<(), Refusal> {
    let mut rest = extensions;
    while !rest.is_empty() {
        rest = skip_extension(rest).ok_or(match skip_whitespace(rest) {
            [b';', ..] => Refusal::ChunkExtensionMalformed,
            _ => Refusal::ChunkSizeMalformed,
        })?;
    }
    Ok(())
}

/// What stands behind the first extension of `extensions`; `None` where that is none.
fn skip_extension(extensions: &[u8]) -> Option<&[u8]> {
    let name = skip_whitespace(skip_whitespace(extensions).strip_prefix(b";")?);
    let rest = skip_token(name)?;
    match skip_whitespace(rest).strip_prefix(b"=") {
        None => Some(rest),
        Some(value) => match skip_whitespace(value) {
            [b'"', text @ ..] => skip_quoted(text),
            value => skip_token(value),
        },
    }
}

fn skip_token(octets: &[u8]) -> Option<&[u8]> {
    let len = TOKEN.run(octets);
    (len > 0).then_some(&octets[len..])
}

/// What stands behind the closing quote of a quoted string whose opening one is gone already.
fn skip_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', octet, rest @ ..] | [octet, rest @ ..] if VALUE.has(*octet) => rest,
            _ => return None,
        }
    }
}

/// Checks a trailer field line, which still has its CR.
fn check_trailer(line: &[u8]) -> Result<(), Refusal> {
    let field = line.strip_suffix(b"\r").ok_or(Refusal::TrailerMalformed)?;
    let (name, rest) = field.split_at(TOKEN.run(field));
    match rest {
        [b':', value @ ..] if !name.is_empty() && VALUE.all(value) => {}
        _ => return Err(Refusal::TrailerMalformed),
    }
    if NOT_IN_TRAILERS
        .iter()
        .any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
    {
        return Err(Refusal::TrailerForbidden);
    }
    Ok(())
}

/// The smaller of a length at hand and a length announced.
fn at_most(len: usize, left: u64) -> usize {
    usize::try_from(left).map_or(len, |left| len.min(left))
}

const CRLF: &[u8] = b"\r\n";

/// 64 bits in hexadecimal.
const SIZE_DIGITS_MAX: usize = 16;

/// Fields that say how a message is framed, routed, allowed or read. They are dropped like every
/// trailer, but whoever sends them expects, or hopes, that somebody on the way does not.
///
/// https://www.rfc-editor.org/rfc/rfc9110#section-6.5.1
const NOT_IN_TRAILERS: [&str; 15] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "max-forwards",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[cfg(test)]
mod tests;
