use proptest::prelude::*;

use super::*;

const FULL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nHello, World!";

/// What matters of a response: status, content, close.
type Seen = (u16, Vec<u8>, bool);

fn check(bytes: &[u8], expected: Result<Option<Seen>, Fault>) {
    let seen =
        parse(bytes).map(|response| response.map(|it| (it.status, it.body.to_vec(), it.close)));
    assert_eq!(seen, expected, "{:?}", String::from_utf8_lossy(bytes));
}

fn refuses(bytes: &[u8], fault: Fault) {
    check(bytes, Err(fault));
}

#[test]
fn well_formed_responses() {
    check(FULL, Ok(Some((200, b"Hello, World!".to_vec(), false))));
    check(
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        Ok(Some((200, vec![], false))),
    );
    check(
        b"HTTP/1.1 404 \r\nContent-Length: 2\r\n\r\nno and more",
        Ok(Some((404, b"no".to_vec(), false))),
    );
    check(
        b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1",
        Ok(Some((204, vec![], false))),
    );
    check(
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        Ok(Some((304, vec![], false))),
    );
    check(
        b"HTTP/1.1 503 Busy\r\nConnection: keep-alive , Close\r\nContent-Length: 1\r\n\r\n!",
        Ok(Some((503, b"!".to_vec(), true))),
    );
}

#[test]
fn the_date_is_where_it_says() {
    let response = parse(FULL).unwrap().unwrap();
    assert_eq!(
        &FULL[response.date_range().unwrap()],
        b"Sun, 06 Nov 1994 08:49:37 GMT"
    );
    assert_eq!(response.len_bytes(), FULL.len());
}

#[test]
fn what_no_server_may_send() {
    refuses(
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        Fault::Version,
    );
    refuses(b"ICY 200 OK\r\n\r\n", Fault::Syntax("version"));
    refuses(b"HTTP/1.1 2x0 OK\r\n\r\n", Fault::Syntax("status line"));
    refuses(
        b"HTTP/1.1 200 OK\r\nContent Length: 0\r\n\r\n",
        Fault::Syntax("field name"),
    );
    refuses(
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        Fault::Syntax("a line end that is not CRLF"),
    );
    refuses(
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
        Fault::Syntax("a line end that is not CRLF"),
    );
    refuses(b"HTTP/1.1 100 Continue\r\n\r\n", Fault::Interim(100));
    refuses(b"HTTP/1.1 200 OK\r\nDate: today\r\n\r\n", Fault::Date);
}

/// RFC 9112, section 6.3: nothing but one Content-Length says where the content of these answers
/// ends.
#[test]
fn where_the_content_ends() {
    refuses(b"HTTP/1.1 200 OK\r\n\r\n", Fault::LengthMissing);
    refuses(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n!",
        Fault::LengthRepeated,
    );
    for length in ["+1", "1, 1", "0x1", "", "-0", "99999999999999999999999"] {
        let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n!");
        refuses(bytes.as_bytes(), Fault::LengthInvalid);
    }
    refuses(
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        Fault::LengthForbidden,
    );
    refuses(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Fault::Coded,
    );
}

#[test]
fn a_head_without_end_is_refused() {
    let mut bytes = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
    bytes.resize(HEAD_BYTES_MAX, b'x');
    check(&bytes, Ok(None));
    bytes.push(b'x');
    refuses(&bytes, Fault::HeadTooLarge);
}

#[test]
fn fixdates() {
    assert!(is_fixdate(b"Sun, 06 Nov 1994 08:49:37 GMT"));
    for other in [
        "",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:3x GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 nov 1994 08:49:37 GMT",
    ] {
        assert!(!is_fixdate(other.as_bytes()), "{other}");
    }
}

fn response() -> impl Strategy<Value = Vec<u8>> {
    (
        200u16..600,
        prop::collection::vec(any::<u8>(), 0..200),
        0usize..5,
    )
        .prop_map(|(status, body, fields)| {
            let has_content = !matches!(status, 204 | 304);
            let mut bytes = format!("HTTP/1.1 {status} Reason\r\n");
            (0..fields).for_each(|field| bytes += &format!("X-Field-{field}: value\r\n"));
            if has_content {
                bytes += &format!("Content-Length: {}\r\n", body.len());
            }
            bytes += "\r\n";
            let mut bytes = bytes.into_bytes();
            if has_content {
                bytes.extend_from_slice(&body);
            }
            bytes
        })
}

proptest! {
    /// However the bytes arrive, nothing is seen before the last one, and then the same, whatever
    /// follows.
    #[test]
    fn any_split_is_the_same_response(first in response(), second in response()) {
        for end in 0..first.len() {
            prop_assert_eq!(parse(&first[..end]), Ok(None));
        }
        let alone = parse(&first).unwrap().unwrap();
        let followed_bytes = [first.as_slice(), second.as_slice()].concat();
        let followed = parse(&followed_bytes).unwrap().unwrap();
        prop_assert_eq!(alone, followed);
        prop_assert_eq!(alone.len_bytes(), first.len());
    }

    #[test]
    fn any_bytes_are_refused_or_read_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(Some(response)) = parse(&bytes) {
            prop_assert!(response.len_bytes() <= bytes.len());
        }
    }

    /// One changed byte anywhere never makes the parser read past what is there or panic.
    #[test]
    fn a_changed_byte_is_seen_or_harmless(at in 0..FULL.len(), byte: u8) {
        let mut bytes = FULL.to_vec();
        bytes[at] = byte;
        if let Ok(Some(response)) = parse(&bytes) {
            prop_assert!(response.len_bytes() <= bytes.len());
        }
    }
}
