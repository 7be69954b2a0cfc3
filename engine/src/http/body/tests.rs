use super::{Decoder, Piece};
use crate::http::{Framing, Refusal};
use crate::limits::Limits;

const LIMITS: fn() -> Limits = || Limits {
    body_bytes_max: 64,
    chunk_extension_bytes_max: 32,
    trailer_bytes_max: 32,
    ..Limits::default()
};

/// Reads a body that comes in pieces of `step` bytes. Returns the content and how much was left
/// behind its end; `None` where the end did not come.
fn decoded(
    framing: Framing,
    input: &[u8],
    step: usize,
) -> Result<Option<(Vec<u8>, usize)>, Refusal> {
    let limits = LIMITS();
    let mut decoder = Decoder::new(framing);
    let mut content = Vec::new();
    let (mut start, mut end) = (0, 0);
    loop {
        let seen = &input[start..end];
        let (consumed, piece) = decoder.decode(seen, &limits)?;
        match piece {
            Piece::Body(span) => content.extend_from_slice(span.of(seen)),
            Piece::End => return Ok(Some((content, input.len() - start - consumed))),
            Piece::NeedMore if end == input.len() => return Ok(None),
            Piece::NeedMore => end = input.len().min(end + step),
        }
        start += consumed;
    }
}

/// Reads a chunked body in pieces of every size; `Ok` is the content.
fn check(input: &str, expected: Result<&str, Refusal>) {
    for step in 1..=input.len() {
        let found = decoded(Framing::Chunked, input.as_bytes(), step);
        let expected = expected.map(|content| Some((content.as_bytes().to_vec(), 0)));
        assert_eq!(
            found,
            expected,
            "{step} at once of {}",
            input.escape_debug()
        );
    }
}

#[test]
fn content_of_known_length_ends_at_its_length() {
    for step in 1..=8 {
        let found = decoded(Framing::Length(5), b"hellogo", step);
        assert_eq!(found, Ok(Some((b"hello".to_vec(), 2))));
        assert_eq!(decoded(Framing::Length(5), b"hell", step), Ok(None));
    }
    assert_eq!(decoded(Framing::None, b"x", 1), Ok(Some((Vec::new(), 1))));
}

#[test]
fn chunks() {
    use Refusal::*;
    // https://www.rfc-editor.org/rfc/rfc9112#section-7.1
    let cases = [
        ("0\r\n\r\n", Ok("")),
        ("5\r\nhello\r\n0\r\n\r\n", Ok("hello")),
        ("1\r\na\r\n2\r\nbc\r\n000\r\n\r\n", Ok("abc")),
        ("a\r\n0123456789\r\n0\r\n\r\n", Ok("0123456789")),
        ("A\r\n0123456789\r\n0\r\n\r\n", Ok("0123456789")),
        ("0000000000000001\r\na\r\n0\r\n\r\n", Ok("a")),
        ("2\r\n\r\n\r\n0\r\n\r\n", Ok("\r\n")),
        (
            "00000000000000001\r\na\r\n0\r\n\r\n",
            Err(ChunkSizeOverflow),
        ),
        (
            "10000000000000001\r\na\r\n0\r\n\r\n",
            Err(ChunkSizeOverflow),
        ),
        ("ffffffffffffffff\r\na\r\n", Err(BodyTooLarge)),
        ("1\r\na\r\nffffffffffffffff\r\na\r\n", Err(BodyTooLarge)),
        ("41\r\n", Err(BodyTooLarge)),
        ("1\r\na\r\n40\r\n", Err(BodyTooLarge)),
        ("\r\n", Err(ChunkSizeMalformed)),
        ("\n", Err(ChunkSizeMalformed)),
        ("x\r\n", Err(ChunkSizeMalformed)),
        ("0x5\r\nhello\r\n", Err(ChunkSizeMalformed)),
        ("-5\r\nhello\r\n", Err(ChunkSizeMalformed)),
        ("+5\r\nhello\r\n", Err(ChunkSizeMalformed)),
        (" 5\r\nhello\r\n", Err(ChunkSizeMalformed)),
        ("5 \r\nhello\r\n", Err(ChunkSizeMalformed)),
        ("5\t\r\nhello\r\n", Err(ChunkSizeMalformed)),
        ("5 5\r\nhello\r\n", Err(ChunkSizeMalformed)),
        ("5_\r\nhello\r\n", Err(ChunkSizeMalformed)),
        ("5\nhello\r\n", Err(ChunkSizeMalformed)),
        ("5\r\r\nhello\r\n", Err(ChunkSizeMalformed)),
        ("5\rhello\r\n", Err(ChunkSizeMalformed)),
        ("5\r\nhello!\r\n", Err(ChunkEndMalformed)),
        ("5\r\nhello\n0\r\n", Err(ChunkEndMalformed)),
        ("5\r\nhello\r0\r\n", Err(ChunkEndMalformed)),
        ("5\r\nhello0\r\n\r\n", Err(ChunkEndMalformed)),
    ];
    for (input, expected) in cases {
        check(input, expected);
    }
}

#[test]
fn extensions() {
    use Refusal::*;
    // https://www.rfc-editor.org/rfc/rfc9112#section-7.1.1 – a server "ought to limit the total
    // length of chunk extensions received in a request".
    let cases = [
        (";a", Ok("x")),
        (";a=b;c", Ok("x")),
        (" ; a = b ; c", Ok("x")),
        (";a=\"b;\\\"\\\\ \"", Ok("x")),
        (";a=\"\"", Ok("x")),
        (";", Err(ChunkExtensionMalformed)),
        (";;a", Err(ChunkExtensionMalformed)),
        (";a=", Err(ChunkExtensionMalformed)),
        (";=b", Err(ChunkExtensionMalformed)),
        (";a=\"b", Err(ChunkExtensionMalformed)),
        (";a=\"b\\", Err(ChunkExtensionMalformed)),
        (";a=\0", Err(ChunkExtensionMalformed)),
        (";a\r", Err(ChunkSizeMalformed)),
        (";a ", Err(ChunkSizeMalformed)),
        (";a=\"b\"c", Err(ChunkSizeMalformed)),
        (";a123456789a123456789a123456789b", Ok("x")),
        (
            ";a123456789a123456789a123456789bc",
            Err(ChunkExtensionsTooLarge),
        ),
        (
            ";a123456789a123456789a123456789a123456789",
            Err(ChunkExtensionsTooLarge),
        ),
    ];
    for (extension, expected) in cases {
        check(&format!("1{extension}\r\nx\r\n0\r\n\r\n"), expected);
    }
    // The bound is one for all chunks of a message.
    let twice = |len: usize| {
        let extension = "e".repeat(len - 1);
        format!("1;{extension}\r\nx\r\n1;{extension}\r\ny\r\n0\r\n\r\n")
    };
    check(&twice(16), Ok("xy"));
    check(&twice(17), Err(ChunkExtensionsTooLarge));
}

#[test]
fn trailers() {
    use Refusal::*;
    let cases = [
        ("A: b\r\n", Ok("")),
        ("A:\r\nB: c d\r\n", Ok("")),
        ("A : b\r\n", Err(TrailerMalformed)),
        (" A: b\r\n", Err(TrailerMalformed)),
        ("A: b\r\n c\r\n", Err(TrailerMalformed)),
        ("A: b\n", Err(TrailerMalformed)),
        ("A: b\rc\r\n", Err(TrailerMalformed)),
        ("A: b\0\r\n", Err(TrailerMalformed)),
        ("A\r\n", Err(TrailerMalformed)),
        (": b\r\n", Err(TrailerMalformed)),
        ("\rA: b\r\n", Err(TrailerMalformed)),
        ("\n", Err(TrailerMalformed)),
        // What follows a missing end must not be taken for a trailer.
        ("GET / HTTP/1.1\r\nHost: a\r\n", Err(TrailerMalformed)),
        // https://www.rfc-editor.org/rfc/rfc9110#section-6.5.1 – fields that frame or route the
        // message MUST NOT be sent as trailers.
        ("Content-Length: 5\r\n", Err(TrailerForbidden)),
        ("transfer-encoding: chunked\r\n", Err(TrailerForbidden)),
        ("HOST: a\r\n", Err(TrailerForbidden)),
        ("A: 345678901234567890123456789\r\n", Ok("")),
        ("A: 3456789012345678901234567890\r\n", Err(TrailersTooLarge)),
        ("A: 3456789012\r\nA: 345678901234\r\n", Ok("")),
        (
            "A: 3456789012\r\nA: 3456789012345\r\n",
            Err(TrailersTooLarge),
        ),
    ];
    for (lines, expected) in cases {
        check(&format!("0\r\n{lines}\r\n"), expected);
    }
}
