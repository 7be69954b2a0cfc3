//! Why a message is refused.

use std::fmt;

/// Why the bytes of a connection cannot be read as a request.
///
/// After a refusal nobody knows where the next message starts: the answer carries
/// `Connection: close`, and the connection is not read again. The groups say who can mend it: a
/// client that speaks another dialect, a client (or an attacker between) whose message has more
/// than one reading, a client that asks for more than is allowed here, or a client that asks for
/// what this engine does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    // Not the grammar of HTTP/1.
    /// The request-line is not `method SP target SP version`.
    RequestLineMalformed,
    /// A line does not end in CR LF.
    LineEndMalformed,
    /// The version is not `HTTP/` digit `.` digit.
    VersionMalformed,
    /// A field's name is not a token, stands behind whitespace, or lacks its colon.
    FieldNameMalformed,
    /// A field's value carries a control character.
    FieldValueMalformed,
    /// The target carries a character no request-target may hold.
    TargetMalformed,
    /// The target carries a fragment.
    TargetFragment,
    /// A percent sign in the path is not followed by two hexadecimal digits.
    PercentMalformed,
    /// The form of the target is not one its method may use.
    TargetFormWrong,
    /// An HTTP/1.1 request without Host.
    HostMissing,
    /// More than one Host.
    HostRepeated,
    /// Host, or the authority in the target, is not a host with an optional port.
    HostMalformed,

    // The message could end in more than one place.
    /// Content-Length is not a decimal number of 64 bits.
    ContentLengthMalformed,
    /// More than one Content-Length, be they equal or not.
    ContentLengthRepeated,
    /// Content-Length beside Transfer-Encoding.
    FramingConflict,
    /// Transfer-Encoding in an HTTP/1.0 message.
    TransferEncodingTooEarly,
    /// Transfer-Encoding does not end in chunked.
    ChunkedNotLast,
    /// Chunked is applied more than once.
    ChunkedRepeated,
    /// A chunk's size is not hexadecimal, or its line is malformed.
    ChunkSizeMalformed,
    /// A chunk's size has more than 16 digits.
    ChunkSizeOverflow,
    /// A chunk extension is not `;name` or `;name=value`.
    ChunkExtensionMalformed,
    /// A chunk's data are not followed by CR LF.
    ChunkEndMalformed,
    /// A trailer field's line is malformed.
    TrailerMalformed,
    /// A trailer field that would change how the message is read.
    TrailerForbidden,

    // More than is allowed here.
    /// The target is longer than `target_bytes_max`.
    TargetTooLong,
    /// The head is larger than `head_bytes_max`.
    HeadTooLarge,
    /// The head has more than `fields_max` fields.
    FieldsTooMany,
    /// The chunks announce more content than `body_bytes_max`.
    BodyTooLarge,
    /// The message's chunk extensions are larger than `chunk_extension_bytes_max`.
    ChunkExtensionsTooLarge,
    /// The trailer section is larger than `trailer_bytes_max`.
    TrailersTooLarge,

    // More than this engine can do.
    /// An expectation other than 100-continue.
    ExpectationUnknown,
    /// A method this engine does not know.
    MethodUnknown,
    /// A transfer coding other than chunked, below chunked.
    TransferCodingUnknown,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    VersionUnsupported,
}

impl Refusal {
    /// The status the refusal is answered with.
    pub const fn status_code(self) -> u16 {
        use Refusal::*;
        match self {
            RequestLineMalformed
            | LineEndMalformed
            | VersionMalformed
            | FieldNameMalformed
            | FieldValueMalformed
            | TargetMalformed
            | TargetFragment
            | PercentMalformed
            | TargetFormWrong
            | HostMissing
            | HostRepeated
            | HostMalformed
            | ContentLengthMalformed
            | ContentLengthRepeated
            | FramingConflict
            | TransferEncodingTooEarly
            | ChunkedNotLast
            | ChunkedRepeated
            | ChunkSizeMalformed
            | ChunkSizeOverflow
            | ChunkExtensionMalformed
            | ChunkEndMalformed
            | TrailerMalformed
            | TrailerForbidden => 400,
            BodyTooLarge | ChunkExtensionsTooLarge => 413,
            TargetTooLong => 414,
            ExpectationUnknown => 417,
            HeadTooLarge | FieldsTooMany | TrailersTooLarge => 431,
            MethodUnknown | TransferCodingUnknown => 501,
            VersionUnsupported => 505,
        }
    }

    /// What is wrong, in words fit for the client.
    pub const fn what(self) -> &'static str {
        use Refusal::*;
        match self {
            RequestLineMalformed => "the request-line is malformed",
            LineEndMalformed => "a line does not end in CR LF",
            VersionMalformed => "the version is malformed",
            FieldNameMalformed => "a field name is malformed",
            FieldValueMalformed => "a field value carries a control character",
            TargetMalformed => "the request-target carries an illegal character",
            TargetFragment => "the request-target carries a fragment",
            PercentMalformed => "a percent escape in the path is malformed",
            TargetFormWrong => "the form of the request-target does not fit the method",
            HostMissing => "Host is missing",
            HostRepeated => "Host is repeated",
            HostMalformed => "Host is malformed",
            ContentLengthMalformed => "Content-Length is malformed",
            ContentLengthRepeated => "Content-Length is repeated",
            FramingConflict => "Content-Length and Transfer-Encoding exclude each other",
            TransferEncodingTooEarly => "HTTP/1.0 has no Transfer-Encoding",
            ChunkedNotLast => "Transfer-Encoding does not end in chunked",
            ChunkedRepeated => "chunked is applied more than once",
            ChunkSizeMalformed => "a chunk size is malformed",
            ChunkSizeOverflow => "a chunk size has too many digits",
            ChunkExtensionMalformed => "a chunk extension is malformed",
            ChunkEndMalformed => "a chunk does not end in CR LF",
            TrailerMalformed => "a trailer field is malformed",
            TrailerForbidden => "a trailer field is not allowed there",
            TargetTooLong => "the request-target is too long",
            HeadTooLarge => "the head is too large",
            FieldsTooMany => "the head has too many fields",
            BodyTooLarge => "the content is too large",
            ChunkExtensionsTooLarge => "the chunk extensions are too large",
            TrailersTooLarge => "the trailer section is too large",
            ExpectationUnknown => "the expectation cannot be met",
            MethodUnknown => "the method is not known",
            TransferCodingUnknown => "the transfer coding is not known",
            VersionUnsupported => "the version is not supported",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}

impl std::error::Error for Refusal {}
