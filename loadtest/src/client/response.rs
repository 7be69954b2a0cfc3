//! One response, parsed strictly: a client that forgives measures servers that cheat.

use std::ops::Range;

use httparse::Status;

/// A head longer than this is no answer to a load test.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const FIELDS_MAX: usize = 64;

/// A whole response at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response<'b> {
    /// The status code.
    pub status: u16,
    /// The head with its empty line.
    pub head: &'b [u8],
    /// The content.
    pub body: &'b [u8],
    /// Where the value of `Date` stands in the head.
    pub date: Option<(usize, usize)>,
    /// The server says that it closes after this response.
    pub close: bool,
}

impl Response<'_> {
    /// Length of head and content.
    ///
    /// *Units*: bytes.
    pub fn len_bytes(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// The range of the `Date` value within the response's bytes.
    pub fn date_range(&self) -> Option<Range<usize>> {
        self.date.map(|(start, end)| start..end)
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The head does not follow the grammar.
    #[error("not HTTP: {0}")]
    Syntax(&'static str),
    /// The version is not HTTP/1.1.
    #[error("not HTTP/1.1")]
    Version,
    /// The head does not end.
    #[error("head longer than {HEAD_BYTES_MAX} bytes")]
    HeadTooLarge,
    /// Nothing says where the content ends.
    #[error("no Content-Length")]
    LengthMissing,
    /// Two fields say where the content ends.
    #[error("more than one Content-Length")]
    LengthRepeated,
    /// The length is not a plain decimal number.
    #[error("Content-Length is not a number")]
    LengthInvalid,
    /// 204 must not carry a Content-Length (RFC 9110, section 8.6).
    #[error("Content-Length on a 204")]
    LengthForbidden,
    /// A transfer coding, which no scenario expects.
    #[error("Transfer-Encoding where a Content-Length is expected")]
    Coded,
    /// An interim response that nobody asked for.
    #[error("interim response {0}")]
    Interim(u16),
    /// A `Date` that is not an IMF-fixdate.
    #[error("Date is not an IMF-fixdate")]
    Date,
    /// Another status than expected.
    #[error("status {actual} where {expected} is expected")]
    Status {
        /// The status that the exchange names.
        expected: u16,
        /// The status that came.
        actual: u16,
    },
    /// Content of another length than expected.
    #[error("{actual} bytes of content where {expected} are expected")]
    Length {
        /// The length that the exchange names.
        expected: usize,
        /// The length that came.
        actual: usize,
    },
    /// Content that differs.
    #[error("content differs from byte {at} on")]
    Content {
        /// The first byte that differs.
        at: usize,
    },
    /// Content without something that it must contain.
    #[error("content lacks `{0}`")]
    Lacks(String),
}

/// Parses the response at the start of `bytes`; `None` asks for more bytes.
///
/// *Complexity*: linear in the head; the content is not looked at.
///
/// *Errors*: the first departure from RFC 9112 that a load test must not forgive.
pub fn parse(bytes: &[u8]) -> Result<Option<Response<'_>>, Fault> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut fields);
    let head_len = match parsed.parse(bytes) {
        Ok(Status::Complete(head_len)) => head_len,
        Ok(Status::Partial) if bytes.len() > HEAD_BYTES_MAX => return Err(Fault::HeadTooLarge),
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(Fault::Syntax(reason(error))),
    };
    let head = &bytes[..head_len];
    // httparse takes a bare LF for a line end (RFC 9112, section 2.2 lets a recipient do so); a
    // server must not send one.
    if bare_line_end(head) {
        return Err(Fault::Syntax("a line end that is not CRLF"));
    }
    if parsed.version != Some(1) {
        return Err(Fault::Version);
    }
    let status = parsed.code.expect("a complete head has a status code");
    if status < 200 {
        return Err(Fault::Interim(status));
    }
    let mut length = None;
    let mut date = None;
    let mut close = false;
    for field in parsed.headers.iter() {
        let name = field.name;
        if name.eq_ignore_ascii_case("content-length") {
            if length.replace(decimal(field.value)?).is_some() {
                return Err(Fault::LengthRepeated);
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Fault::Coded);
        } else if name.eq_ignore_ascii_case("date") {
            if !is_fixdate(field.value) {
                return Err(Fault::Date);
            }
            let start = field.value.as_ptr().addr() - bytes.as_ptr().addr();
            date = Some((start, start + field.value.len()));
        } else if name.eq_ignore_ascii_case("connection") {
            close |= field
                .value
                .split(|&byte| byte == b',')
                .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
        }
    }
    let body_len = match (status, length) {
        (204, Some(_)) => return Err(Fault::LengthForbidden),
        (204 | 304, _) => 0,
        (_, Some(length)) => length,
        (_, None) => return Err(Fault::LengthMissing),
    };
    let Some(body) = bytes[head_len..].get(..body_len) else {
        return Ok(None);
    };
    Ok(Some(Response {
        status,
        head,
        body,
        date,
        close,
    }))
}

/// Whether `value` has the shape of an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// *Source*: RFC 9110, section 5.6.7.
pub fn is_fixdate(value: &[u8]) -> bool {
    const SHAPE: &[u8; 29] = b"Aaa, 00 Aaa 0000 00:00:00 GMT";
    value.len() == SHAPE.len()
        && value.ends_with(b" GMT")
        && value.iter().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_uppercase(),
            b'a' => byte.is_ascii_lowercase(),
            _ if shape.is_ascii_uppercase() => byte.is_ascii_uppercase(),
            _ => byte == shape,
        })
}

fn bare_line_end(head: &[u8]) -> bool {
    head.iter()
        .enumerate()
        .any(|(at, &byte)| byte == b'\n' && (at == 0 || head[at - 1] != b'\r'))
}

/// A `Content-Length` is digits only (RFC 9110, section 8.6): no sign, no list, no space.
fn decimal(value: &[u8]) -> Result<usize, Fault> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::LengthInvalid);
    }
    value
        .iter()
        .try_fold(0usize, |sum, digit| {
            sum.checked_mul(10)?.checked_add(usize::from(digit - b'0'))
        })
        .ok_or(Fault::LengthInvalid)
}

fn reason(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "field name",
        httparse::Error::HeaderValue => "field value",
        httparse::Error::NewLine => "line end",
        httparse::Error::Status => "status line",
        httparse::Error::Token => "token",
        httparse::Error::TooManyHeaders => "too many fields",
        httparse::Error::Version => "version",
    }
}

#[cfg(test)]
mod tests;
