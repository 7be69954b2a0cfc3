//! The content of a request: where it ends, and what lies between.

/// How the end of a request's content is found.
///
/// # Source
/// RFC 9112 section 6.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no content: the message ends with its head.
    #[default]
    None,
    /// The content is so many bytes long; never zero.
    Length(u64),
    /// The content comes in chunks and ends with the last of them and the trailer section.
    Chunked,
}
