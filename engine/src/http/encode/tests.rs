use proptest::prelude::*;

use super::*;
use crate::http::date::imf_fixdate;

fn head(status: Status, connection: ConnectionField, content_type: Option<&str>) -> String {
    let mut out = Vec::new();
    ResponseHead {
        status,
        date: &imf_fixdate(784_111_777),
        content_type: content_type.and_then(FieldValue::new),
        content_length: 13,
        connection,
    }
    .write(&mut out);
    end(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_plain_head() {
    assert_eq!(
        head(Status::OK, ConnectionField::Silent, Some("text/plain")),
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n\
         Content-Length: 13\r\n\r\n"
    );
}

#[test]
fn a_status_without_content_has_no_length() {
    for status in [Status::NO_CONTENT, Status::NOT_MODIFIED, Status::CONTINUE] {
        assert!(!head(status, ConnectionField::Silent, None).contains("Content-Length"));
    }
}

#[test]
fn an_unregistered_status_keeps_the_space_of_its_phrase() {
    let status = Status::new(299).unwrap();
    assert!(head(status, ConnectionField::Close, None).starts_with("HTTP/1.1 299 \r\n"));
}

#[test]
fn the_connection_is_spoken_of_only_where_needed() {
    let says = |field| head(Status::OK, field, None).contains("Connection: ");
    assert!(!says(ConnectionField::Silent));
    assert!(says(ConnectionField::Close) && says(ConnectionField::KeepAlive));
}

#[test]
fn an_overloaded_reply_is_whole() {
    for connection in [ConnectionField::Silent, ConnectionField::Close] {
        let mut out = Vec::new();
        overloaded(&mut out, &imf_fixdate(0), connection, Method::Get);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(head.contains("Retry-After: ") && head.contains("Date: "));
        let is_close = connection == ConnectionField::Close;
        assert_eq!(head.contains("Connection: close"), is_close);

        let mut of_head = Vec::new();
        overloaded(&mut of_head, &imf_fixdate(0), connection, Method::Head);
        assert_eq!(of_head, format!("{head}\r\n\r\n").into_bytes());
    }
}

#[test]
fn an_overloaded_reply_to_head_has_no_content() {
    let mut out = Vec::new();
    overloaded(
        &mut out,
        &imf_fixdate(0),
        ConnectionField::Silent,
        Method::Head,
    );
    assert!(out.ends_with(b"\r\n\r\n"));
}

proptest! {
    #[test]
    fn decimals_are_those_of_core(number: u64) {
        let mut out = Vec::new();
        decimal(&mut out, number);
        prop_assert_eq!(out, number.to_string().into_bytes());
    }

    /// Nothing that is a value can end a line.
    #[test]
    fn a_value_never_splits(text in "\\PC{0,4}[\\r\\n\\x00]?\\PC{0,4}") {
        if let Some(value) = FieldValue::new(&text) {
            prop_assert!(!value.as_str().contains(['\r', '\n', '\0']));
        } else {
            let is_odd = text.chars().any(|c| (c < ' ' && c != '\t') || c == '\x7f')
                || text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
            prop_assert!(is_odd);
        }
    }
}
