use super::{Head, parse};
use crate::http::{FieldSpan, Framing, Method, Refusal, Version};
use crate::limits::Limits;

fn parsed(input: &[u8], limits: &Limits) -> Result<Option<Head>, Refusal> {
    parse(input, limits, &mut Vec::new())
}

/// Reads `input` whole, and at every shorter length, where nothing may be told that is not told
/// of the whole.
fn check(input: &str, expected: Result<(), Refusal>) {
    let limits = Limits::default();
    let whole = parsed(input.as_bytes(), &limits);
    let shown = input.escape_debug();
    assert_eq!(
        whole.map(|head| assert!(head.is_some())),
        expected,
        "{shown}"
    );
    for len in 0..input.len() {
        let part = parsed(&input.as_bytes()[..len], &limits);
        assert!(
            part == Ok(None) || part == whole,
            "{len} bytes of {shown}: {part:?}"
        );
    }
}

/// A request with these field lines behind Host.
fn with_fields(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

fn check_fields(lines: &str, expected: Result<(), Refusal>) {
    check(&with_fields(lines), expected);
}

fn head_of(input: &str) -> Head {
    parsed(input.as_bytes(), &Limits::default())
        .expect("a legal head")
        .expect("a whole head")
}

#[test]
fn a_head_is_told_by_its_offsets() {
    let input = "\r\nPUT /a%20b/c?d=1 HTTP/1.1\r\nHost: h:80\r\nX-Y: \t v w \r\nEmpty:\r\n\r\nrest";
    let bytes = input.as_bytes();
    let mut fields = vec![FieldSpan::default(); 3];
    let head = parse(bytes, &Limits::default(), &mut fields)
        .expect("a legal head")
        .expect("a whole head");
    assert_eq!(head.len_bytes as usize, input.len() - "rest".len());
    assert_eq!(head.method, Method::Put);
    assert_eq!(head.version, Version::Http11);
    assert_eq!(head.target.text(bytes), "/a%20b/c?d=1");
    assert_eq!(head.path.text(bytes), "/a%20b/c");
    assert_eq!(head.query.map(|query| query.text(bytes)), Some("d=1"));
    assert_eq!(head.authority.text(bytes), "h:80");
    let fields: Vec<_> = fields
        .iter()
        .map(|field| (field.name.text(bytes), field.value.text(bytes)))
        .collect();
    assert_eq!(fields, [("Host", "h:80"), ("X-Y", "v w"), ("Empty", "")]);
}

#[test]
fn request_line() {
    use Refusal::*;
    // https://www.rfc-editor.org/rfc/rfc9112#section-3 – `method SP request-target SP HTTP-version`.
    let cases = [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(())),
        ("GET / HTTP/1.0\r\n\r\n", Ok(())),
        ("\r\nGET / HTTP/1.0\r\n\r\n", Ok(())),
        ("\r\n\r\nGET / HTTP/1.0\r\n\r\n", Err(RequestLineMalformed)),
        ("\nGET / HTTP/1.0\r\n\r\n", Err(RequestLineMalformed)),
        ("\rGET / HTTP/1.0\r\n\r\n", Err(LineEndMalformed)),
        (" GET / HTTP/1.0\r\n\r\n", Err(RequestLineMalformed)),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}", Err(RequestLineMalformed)),
        (
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            Err(RequestLineMalformed),
        ),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", Err(VersionMalformed)),
        (
            "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
            Err(RequestLineMalformed),
        ),
        ("GET /\r\n\r\n", Err(RequestLineMalformed)),
        ("GET\r\n\r\n", Err(RequestLineMalformed)),
        (
            "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            Err(RequestLineMalformed),
        ),
        (
            "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
            Err(RequestLineMalformed),
        ),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Err(LineEndMalformed)),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", Err(LineEndMalformed)),
        ("GET / HTTP/1.1\rHost: a\r\n\r\n", Err(LineEndMalformed)),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", Err(LineEndMalformed)),
        // https://www.rfc-editor.org/rfc/rfc9112#section-2.3 – the version is case-sensitive.
        ("GET / http/1.1\r\nHost: a\r\n\r\n", Err(VersionMalformed)),
        ("GET / HTTP/1\r\nHost: a\r\n\r\n", Err(VersionMalformed)),
        ("GET / HTTP/+.1\r\nHost: a\r\n\r\n", Err(VersionMalformed)),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Err(VersionUnsupported)),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", Err(VersionUnsupported)),
        ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", Err(VersionUnsupported)),
        ("PRI * HTTP/2.0\r\n\r\n", Err(VersionUnsupported)),
        // https://www.rfc-editor.org/rfc/rfc9110#section-9.1 – unrecognized: SHOULD be 501.
        ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", Err(MethodUnknown)),
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", Err(MethodUnknown)),
    ];
    for (input, expected) in cases {
        check(input, expected);
    }
}

#[test]
fn field_lines() {
    use Refusal::*;
    let cases = [
        ("A: b\r\nA: c\r\n", Ok(())),
        ("A:b\r\n", Ok(())),
        ("A:\r\n", Ok(())),
        ("A: \u{e9}\r\n", Ok(())),
        // https://www.rfc-editor.org/rfc/rfc9112#section-5.1 – "A server MUST reject, with a
        // response status code of 400, any received request message that contains whitespace
        // between a header field name and colon".
        ("A : b\r\n", Err(FieldNameMalformed)),
        ("A\t: b\r\n", Err(FieldNameMalformed)),
        (" A: b\r\n", Err(FieldNameMalformed)),
        // https://www.rfc-editor.org/rfc/rfc9112#section-5.2 – obs-fold MUST be rejected or
        // replaced.
        ("A: b\r\n c\r\n", Err(FieldNameMalformed)),
        ("A: b\r\n\tc\r\n", Err(FieldNameMalformed)),
        (": b\r\n", Err(FieldNameMalformed)),
        ("A\r\n", Err(FieldNameMalformed)),
        ("A(: b\r\n", Err(FieldNameMalformed)),
        ("A\u{e9}: b\r\n", Err(FieldNameMalformed)),
        ("A: b\0\r\n", Err(FieldValueMalformed)),
        ("A: b\u{b}\r\n", Err(FieldValueMalformed)),
        ("A: b\u{7f}\r\n", Err(FieldValueMalformed)),
        // https://www.rfc-editor.org/rfc/rfc9112#section-2.2 – a bare CR is invalid.
        ("A: b\rc\r\n", Err(FieldValueMalformed)),
        ("A: b\nB: c\r\n", Err(LineEndMalformed)),
        ("A:\nB: c\r\n", Err(LineEndMalformed)),
        ("A: b\r\n\n", Err(LineEndMalformed)),
        ("A: b\n", Err(LineEndMalformed)),
        ("A: b\n\n", Err(LineEndMalformed)),
    ];
    for (lines, expected) in cases {
        check_fields(lines, expected);
    }
}

#[test]
fn host() {
    use Refusal::*;
    let legal = [
        "",
        "a",
        "a.b",
        "a:80",
        "a:",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:80",
        "a_b-c~,d",
        "%41",
    ];
    for value in legal {
        check(&format!("GET / HTTP/1.1\r\nHost: {value}\r\n\r\n"), Ok(()));
    }
    let illegal = [
        "a b", "a/b", "a@b", "a:b", "a:80:80", "[::1", "[x]", "[]", "[::1]x", "%4", "a:65536",
        "a:000080", "a?", "a#", "http://a", "\u{e9}",
    ];
    for value in illegal {
        let input = format!("GET / HTTP/1.1\r\nHost: {value}\r\n\r\n");
        check(&input, Err(HostMalformed));
    }
    // https://www.rfc-editor.org/rfc/rfc9112#section-3.2 – lacking, repeated, invalid: 400.
    check("GET / HTTP/1.1\r\n\r\n", Err(HostMissing));
    check("GET http://a/ HTTP/1.1\r\n\r\n", Err(HostMissing));
    check(
        "GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n",
        Err(HostRepeated),
    );
    check(
        "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        Err(HostRepeated),
    );
}

#[test]
fn target_forms() {
    use Refusal::*;
    // Method, target, then path, query and authority or the refusal.
    type Parts = (&'static str, Option<&'static str>, &'static str);
    let cases: [(&str, &str, Result<Parts, Refusal>); 40] = [
        ("GET", "/", Ok(("/", None, "h"))),
        ("GET", "/a//b/../%2F", Ok(("/a//b/../%2F", None, "h"))),
        ("GET", "//a", Ok(("//a", None, "h"))),
        ("GET", "/?", Ok(("/", Some(""), "h"))),
        ("GET", "/a?b?c=/%20", Ok(("/a", Some("b?c=/%20"), "h"))),
        (
            "GET",
            "/a?f[n]=100%&x={y}|`^\\",
            Ok(("/a", Some("f[n]=100%&x={y}|`^\\"), "h")),
        ),
        (
            "GET",
            "/:@!$&'()*+,;=-._~",
            Ok(("/:@!$&'()*+,;=-._~", None, "h")),
        ),
        ("GET", "/%", Err(PercentMalformed)),
        ("GET", "/%2", Err(PercentMalformed)),
        ("GET", "/%2g", Err(PercentMalformed)),
        ("GET", "/%%20", Err(PercentMalformed)),
        ("GET", "/#a", Err(TargetFragment)),
        ("GET", "/?a#b", Err(TargetFragment)),
        ("GET", "/a\"b", Err(TargetMalformed)),
        ("GET", "/<a>", Err(TargetMalformed)),
        ("GET", "/a\\b", Err(TargetMalformed)),
        ("GET", "/?<", Err(TargetMalformed)),
        ("GET", "/\u{e9}", Err(TargetMalformed)),
        ("GET", "/?\u{e9}", Err(TargetMalformed)),
        // https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2 – "A server MUST accept the
        // absolute-form in requests even though most HTTP/1.1 clients will only send [it] to a
        // proxy", and "MUST ignore the received Host".
        ("GET", "http://a:1/b?c", Ok(("/b", Some("c"), "a:1"))),
        ("GET", "HTTPS://[::1]/b", Ok(("/b", None, "[::1]"))),
        ("GET", "http://a", Ok(("/", None, "a"))),
        ("GET", "http://a?b", Ok(("/", Some("b"), "a"))),
        ("GET", "http://a#b", Err(TargetFragment)),
        ("GET", "http:///b", Err(HostMalformed)),
        ("GET", "http://", Err(HostMalformed)),
        ("GET", "http://u:p@a/", Err(HostMalformed)),
        ("GET", "http:/a", Err(TargetFormWrong)),
        ("GET", "ftp://a/", Err(TargetFormWrong)),
        ("GET", "a", Err(TargetFormWrong)),
        ("GET", "?a", Err(TargetFormWrong)),
        ("GET", "a:80", Err(TargetFormWrong)),
        // https://www.rfc-editor.org/rfc/rfc9112#section-3.2.4 – asterisk-form is for OPTIONS.
        ("OPTIONS", "*", Ok(("*", None, "h"))),
        ("OPTIONS", "/a", Ok(("/a", None, "h"))),
        ("OPTIONS", "**", Err(TargetFormWrong)),
        ("GET", "*", Err(TargetFormWrong)),
        // https://www.rfc-editor.org/rfc/rfc9112#section-3.2.3 – authority-form is for CONNECT.
        ("CONNECT", "a:80", Ok(("", None, "a:80"))),
        ("CONNECT", "a", Err(TargetFormWrong)),
        ("CONNECT", ":80", Err(TargetFormWrong)),
        ("CONNECT", "/", Err(TargetFormWrong)),
    ];
    for (method, target, expected) in cases {
        let input = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        check(&input, expected.map(|_| ()));
        let Ok((path, query, authority)) = expected else {
            continue;
        };
        let head = head_of(&input);
        let bytes = input.as_bytes();
        assert_eq!(head.target.text(bytes), target);
        assert_eq!(head.path.text(bytes), path, "{target}");
        assert_eq!(head.query.map(|query| query.text(bytes)), query, "{target}");
        assert_eq!(head.authority.text(bytes), authority, "{target}");
    }
}

#[test]
fn framing() {
    use Refusal::*;
    let cases = [
        ("", Ok(Framing::None)),
        ("Content-Length: 0\r\n", Ok(Framing::None)),
        ("content-length: 5\r\n", Ok(Framing::Length(5))),
        ("Content-Length: 005 \r\n", Ok(Framing::Length(5))),
        ("Content-Length: 1048576\r\n", Ok(Framing::Length(1 << 20))),
        // However much it is: what may come is for the route to say.
        (
            "Content-Length: 18446744073709551615\r\n",
            Ok(Framing::Length(u64::MAX)),
        ),
        // 2^64, which wraps to zero, and the same with more digits.
        (
            "Content-Length: 18446744073709551616\r\n",
            Err(ContentLengthMalformed),
        ),
        (
            "Content-Length: 184467440737095516160\r\n",
            Err(ContentLengthMalformed),
        ),
        ("Content-Length:\r\n", Err(ContentLengthMalformed)),
        ("Content-Length: +5\r\n", Err(ContentLengthMalformed)),
        ("Content-Length: -5\r\n", Err(ContentLengthMalformed)),
        ("Content-Length: 5 5\r\n", Err(ContentLengthMalformed)),
        ("Content-Length: 0x5\r\n", Err(ContentLengthMalformed)),
        ("Content-Length: 5,5\r\n", Err(ContentLengthMalformed)),
        (
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            Err(ContentLengthRepeated),
        ),
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            Err(ContentLengthRepeated),
        ),
        ("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked)),
        ("transfer-encoding: \tChunKed \r\n", Ok(Framing::Chunked)),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            Err(TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            Err(TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: , chunked\r\n",
            Err(TransferCodingUnknown),
        ),
        (
            "Transfer-Encoding: chunked, chunked\r\n",
            Err(ChunkedRepeated),
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Err(ChunkedRepeated),
        ),
        (
            "Transfer-Encoding: chunked, gzip, chunked\r\n",
            Err(ChunkedRepeated),
        ),
        ("Transfer-Encoding: chunked, gzip\r\n", Err(ChunkedNotLast)),
        ("Transfer-Encoding: chunked,\r\n", Err(ChunkedNotLast)),
        ("Transfer-Encoding: chunked;a=b\r\n", Err(ChunkedNotLast)),
        ("Transfer-Encoding: \"chunked\"\r\n", Err(ChunkedNotLast)),
        ("Transfer-Encoding: xchunked\r\n", Err(ChunkedNotLast)),
        ("Transfer-Encoding: identity\r\n", Err(ChunkedNotLast)),
        ("Transfer-Encoding:\r\n", Err(ChunkedNotLast)),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            Err(FramingConflict),
        ),
        (
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            Err(FramingConflict),
        ),
        (
            "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
            Err(FramingConflict),
        ),
    ];
    for (lines, expected) in cases {
        check_fields(lines, expected.map(|_| ()));
        if let Ok(framing) = expected {
            assert_eq!(head_of(&with_fields(lines)).framing, framing, "{lines}");
        }
    }
    // https://www.rfc-editor.org/rfc/rfc9112#section-6.1 – a server receiving Transfer-Encoding
    // in HTTP/1.0 "MUST treat the message as if the framing is faulty".
    let early = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(early, Err(TransferEncodingTooEarly));
}

#[test]
fn persistence() {
    // https://www.rfc-editor.org/rfc/rfc9112#section-9.3
    let cases = [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "connection: CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive, x , close\r\n", false),
        (
            "1.1",
            "Connection: close\r\nConnection: keep-alive\r\n",
            false,
        ),
        ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: te,keep-alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ];
    for (version, lines, expected) in cases {
        let input = format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
        assert_eq!(head_of(&input).keep_alive, expected, "{version} {lines}");
    }
}

#[test]
fn expectation() {
    let body = "Content-Length: 1\r\n";
    // https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1
    let cases = [
        ("1.1", format!("Expect: 100-Continue\r\n{body}"), true),
        ("1.1", body.to_owned(), false),
        ("1.1", "Expect: 100-continue\r\n".to_owned(), false),
        ("1.0", format!("Expect: 100-continue\r\n{body}"), false),
    ];
    for (version, lines, expected) in cases {
        let input = format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
        assert_eq!(
            head_of(&input).expect_continue,
            expected,
            "{version} {lines}"
        );
    }
    for lines in [
        "Expect: 200-ok\r\n",
        "Expect:\r\n",
        "Expect: 100-continue, x\r\n",
    ] {
        check_fields(lines, Err(Refusal::ExpectationUnknown));
    }
}

#[test]
fn bounds() {
    use Refusal::*;
    let limits = Limits {
        head_bytes_max: 256,
        fields_max: 4,
        target_bytes_max: 32,
        ..Limits::default()
    };
    let legal = |lines: String| format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let sized = |len: usize| {
        let empty = legal("A: \r\n".to_owned()).len();
        legal(format!("A: {}\r\n", "v".repeat(len - empty)))
    };
    let target = |len: usize| format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(len - 1));
    let cases = [
        (sized(256), Ok(())),
        (sized(257), Err(HeadTooLarge)),
        (format!("\r\n{}", sized(256)), Ok(())),
        (legal("A: b\r\n".repeat(3)), Ok(())),
        (legal("A: b\r\n".repeat(4)), Err(FieldsTooMany)),
        (target(32), Ok(())),
        (target(33), Err(TargetTooLong)),
        (target(300), Err(TargetTooLong)),
        (
            target(33).replace("\r\n\r\n", &format!("\r\nA: {}", "v".repeat(300))),
            Err(TargetTooLong),
        ),
        ("G".repeat(300), Err(HeadTooLarge)),
        // What is malformed is told before what is too large.
        (
            format!("GET / HTTP/1.0\r\nA : {}", "v".repeat(300)),
            Err(FieldNameMalformed),
        ),
    ];
    for (input, expected) in cases {
        let whole = parsed(input.as_bytes(), &limits);
        assert_eq!(
            whole.map(|head| assert!(head.is_some())),
            expected,
            "{input}"
        );
        for len in 0..input.len() {
            let part = parsed(&input.as_bytes()[..len], &limits);
            assert!(
                part == Ok(None) || part == whole,
                "{len} of {input}: {part:?}"
            );
        }
    }
}

#[test]
fn more_fields_than_there_are_places_for_are_too_many() {
    let limits = Limits {
        fields_max: usize::MAX,
        ..Limits::default()
    };
    let head = |count| format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert!(parsed(head(128).as_bytes(), &limits).is_ok());
    assert_eq!(
        parsed(head(129).as_bytes(), &limits),
        Err(Refusal::FieldsTooMany)
    );
}
