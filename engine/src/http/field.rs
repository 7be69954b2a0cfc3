//! The fields of a head the engine itself must understand: where the message ends, who is asked,
//! and what becomes of the connection.

use super::octet::is_word;
use super::target::is_authority;
use super::{Framing, Refusal, Span, Version};

/// What the field lines read so far say together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// Host's value.
    pub(super) host: Option<Span>,
    content_length: Option<u64>,
    codings: Option<Codings>,
    close: bool,
    keep_alive: bool,
    expect_continue: bool,
}

/// The transfer codings named so far, in the order of their application.
#[derive(Clone, Copy, Debug, Default)]
struct Codings {
    chunked_last: bool,
    chunked_before_last: bool,
    others: bool,
}

impl Known {
    /// Takes in one field line; `place` is where its value stands.
    #[inline]
    pub(super) fn read(&mut self, name: &[u8], value: &[u8], place: Span) -> Result<(), Refusal> {
        // The length tells most names apart before an octet is compared.
        match name.len() {
            4 if is_word(name, b"host") => self.host(value, place)?,
            6 if is_word(name, b"expect") => self.expect(value)?,
            10 if is_word(name, b"connection") => self.connection(value),
            14 if is_word(name, b"content-length") => self.content_length(value)?,
            17 if is_word(name, b"transfer-encoding") => self.transfer_encoding(value),
            _ => {}
        }
        Ok(())
    }

    /// https://www.rfc-editor.org/rfc/rfc9112#section-3.2 – 400 MUST answer a request with "more
    /// than one Host header field line or a Host header field with an invalid field value".
    fn host(&mut self, value: &[u8], place: Span) -> Result<(), Refusal> {
        if self.host.replace(place).is_some() {
            return Err(Refusal::HostRepeated);
        }
        if !is_authority(value) {
            return Err(Refusal::HostMalformed);
        }
        Ok(())
    }

    /// https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1 – "A server that receives an Expect
    /// field value containing a member other than 100-continue MAY respond with 417".
    fn expect(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if !is_word(value, b"100-continue") {
            return Err(Refusal::ExpectationUnknown);
        }
        self.expect_continue = true;
        Ok(())
    }

    /// Options the engine does not know are hop-by-hop field names, which concern proxies.
    fn connection(&mut self, value: &[u8]) {
        // What nearly everybody sends does not need the list taken apart.
        if is_word(value, b"keep-alive") {
            self.keep_alive = true;
            return;
        }
        for option in list(value) {
            self.close |= is_word(option, b"close");
            self.keep_alive |= is_word(option, b"keep-alive");
        }
    }

    /// https://www.rfc-editor.org/rfc/rfc9110#section-8.6 – `1*DIGIT`. A list of equal numbers
    /// MAY be taken or refused; it is refused, and so is a repeated line.
    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let length = decimal(value).ok_or(Refusal::ContentLengthMalformed)?;
        match self.content_length.replace(length) {
            None => Ok(()),
            Some(_) => Err(Refusal::ContentLengthRepeated),
        }
    }

    /// Several lines make one list, in their order; what the list amounts to is for
    /// [`Known::framing`] to say. An empty member counts as an unknown coding: there is no honest
    /// reason to send one here.
    fn transfer_encoding(&mut self, value: &[u8]) {
        let codings = self.codings.get_or_insert_default();
        for coding in list(value) {
            let chunked = is_word(coding, b"chunked");
            codings.chunked_before_last |= codings.chunked_last;
            codings.chunked_last = chunked;
            codings.others |= !chunked;
        }
    }

    /// Where the message ends. How long it may be is for its route to say.
    ///
    /// https://www.rfc-editor.org/rfc/rfc9112#section-6.3
    #[inline]
    pub(super) fn framing(&self, version: Version) -> Result<Framing, Refusal> {
        match (self.codings, self.content_length) {
            (None, None | Some(0)) => Ok(Framing::None),
            (None, Some(length)) => Ok(Framing::Length(length)),
            // "ought to be handled as an error": the classic of request smuggling.
            (Some(_), Some(_)) => Err(Refusal::FramingConflict),
            (Some(codings), None) => codings.framing(version),
        }
    }

    /// Whether the connection stays open behind this message.
    ///
    /// https://www.rfc-editor.org/rfc/rfc9112#section-9.3
    pub(super) fn keeps_alive(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }

    /// Whether the client waits for 100 (Continue).
    ///
    /// https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1 – "A server that receives a
    /// 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation". Without
    /// content there is nothing to continue with.
    pub(super) fn expects_continue(&self, version: Version, framing: Framing) -> bool {
        self.expect_continue && version == Version::Http11 && framing != Framing::None
    }
}

impl Codings {
    /// https://www.rfc-editor.org/rfc/rfc9112#section-6.1 – a sender "MUST NOT apply the chunked
    /// transfer coding more than once"; an unknown coding is answered 501.
    /// https://www.rfc-editor.org/rfc/rfc9112#section-6.3 – where chunked is not last, "the server
    /// MUST respond with the 400 (Bad Request) status code and then close the connection".
    fn framing(self, version: Version) -> Result<Framing, Refusal> {
        if version == Version::Http10 {
            return Err(Refusal::TransferEncodingTooEarly);
        }
        if !self.chunked_last {
            return Err(Refusal::ChunkedNotLast);
        }
        if self.chunked_before_last {
            return Err(Refusal::ChunkedRepeated);
        }
        if self.others {
            return Err(Refusal::TransferCodingUnknown);
        }
        Ok(Framing::Chunked)
    }
}

/// The members of a comma-separated list, without the whitespace around them.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&octet| octet == b',').map(<[u8]>::trim_ascii)
}

/// The value of decimal digits; `None` for none, for anything else, and beyond 64 bits.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}
