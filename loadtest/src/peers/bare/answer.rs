//! Requests in, answers out: the bytes the engine's example gives, made once a second.

use std::mem::MaybeUninit;
use std::time::SystemTime;

use httparse::{Header, Request, Status};

/// The answers of the present second.
pub(super) struct Answers {
    second: u64,
    plaintext: Vec<u8>,
    json: Vec<u8>,
    nothing: Vec<u8>,
}

/// How far [`Answers::answer`] came.
pub(super) struct Taken {
    /// The bytes of whole requests.
    pub(super) bytes: usize,
    /// Nothing may follow: the peer asks to close, or does not speak HTTP/1.1.
    pub(super) is_last: bool,
}

impl Answers {
    pub(super) fn new() -> Answers {
        let mut answers = Answers {
            second: 0,
            plaintext: Vec::new(),
            json: Vec::new(),
            nothing: Vec::new(),
        };
        answers.renew();
        answers
    }

    /// Renews the date where its second has passed.
    pub(super) fn renew(&mut self) {
        let now = SystemTime::now();
        let second = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if second == self.second {
            return;
        }
        self.second = second;
        let date = httpdate::fmt_http_date(now);
        let text = "text/plain; charset=utf-8";
        self.plaintext = whole("200 OK", text, "Hello, World!", &date);
        self.json = whole(
            "200 OK",
            "application/json",
            r#"{"message":"Hello, World!"}"#,
            &date,
        );
        self.nothing = whole("404 Not Found", text, "", &date);
    }

    /// Appends the answers to all whole requests in `bytes` to `output`.
    pub(super) fn answer(&self, bytes: &[u8], output: &mut Vec<u8>) -> Taken {
        let mut taken = Taken {
            bytes: 0,
            is_last: false,
        };
        while taken.bytes < bytes.len() && !taken.is_last {
            let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS_MAX];
            let mut request = Request::new(&mut []);
            let rest = &bytes[taken.bytes..];
            match request.parse_with_uninit_headers(rest, &mut fields) {
                Ok(Status::Complete(head_bytes)) => {
                    let content_bytes = match content_bytes(&request) {
                        Some(content_bytes) if head_bytes + content_bytes > rest.len() => break,
                        Some(content_bytes) => content_bytes,
                        None => {
                            taken.is_last = true;
                            break;
                        }
                    };
                    output.extend_from_slice(match (request.method, request.path) {
                        (Some("GET"), Some("/plaintext")) => &self.plaintext,
                        (Some("GET"), Some("/json")) => &self.json,
                        _ => &self.nothing,
                    });
                    taken.bytes += head_bytes + content_bytes;
                    taken.is_last = asks_to_close(&request);
                }
                Ok(Status::Partial) => break,
                Err(_) => taken.is_last = true,
            }
        }
        taken
    }
}

/// How much content follows the head; none where its framing is beyond this server.
fn content_bytes(request: &Request<'_, '_>) -> Option<usize> {
    let mut content_bytes = 0;
    for field in &*request.headers {
        if field.name.eq_ignore_ascii_case("content-length") {
            content_bytes = std::str::from_utf8(field.value).ok()?.parse().ok()?;
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return None;
        }
    }
    Some(content_bytes)
}

fn asks_to_close(request: &Request<'_, '_>) -> bool {
    let connection = request
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("connection"));
    match connection {
        Some(field) => field.value.eq_ignore_ascii_case(b"close"),
        None => request.version == Some(0),
    }
}

fn whole(status: &str, content_type: &str, content: &str, date: &str) -> Vec<u8> {
    let len = content.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len}\r\n\
         Date: {date}\r\n\r\n{content}"
    )
    .into_bytes()
}

const FIELDS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// The status codes of the answers, how many bytes were taken, and whether it ends.
    fn check(bytes: &str, codes: &[&str], taken_bytes: usize, is_last: bool) {
        let mut output = Vec::new();
        let taken = Answers::new().answer(bytes.as_bytes(), &mut output);
        let output = String::from_utf8(output).unwrap();
        let found: Vec<&str> = output
            .split("HTTP/1.1 ")
            .skip(1)
            .map(|answer| &answer[..3])
            .collect();
        assert_eq!(found, codes, "{bytes:?}");
        assert_eq!(
            (taken.bytes, taken.is_last),
            (taken_bytes, is_last),
            "{bytes:?}"
        );
    }

    #[test]
    fn answers_whole_requests_and_leaves_the_rest() {
        let plaintext = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";
        let len = plaintext.len();
        check("", &[], 0, false);
        check(plaintext, &["200"], len, false);
        check(&plaintext[..len - 1], &[], 0, false);
        check(&plaintext.repeat(16), &["200"; 16], 16 * len, false);
        check(&format!("{plaintext}GET /js"), &["200"], len, false);
        let post = "POST /json HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        check(post, &["404"], post.len(), false);
        check(&post[..post.len() - 1], &[], 0, false);
    }

    #[test]
    fn ends_where_the_peer_asks_or_is_not_understood() {
        let close = "GET /json HTTP/1.1\r\nConnection: close\r\n\r\n";
        check(&close.repeat(2), &["200"], close.len(), true);
        let old = "GET /json HTTP/1.0\r\n\r\n";
        check(old, &["200"], old.len(), true);
        check("\0", &[], 0, true);
        check(
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            &[],
            0,
            true,
        );
    }

    #[test]
    fn answers_are_whole() {
        let mut output = Vec::new();
        Answers::new().answer(b"GET /plaintext HTTP/1.1\r\n\r\n", &mut output);
        let output = String::from_utf8(output).unwrap();
        let (head, content) = output.split_once("\r\n\r\n").unwrap();
        assert_eq!(content, "Hello, World!");
        for line in [
            "HTTP/1.1 200 OK",
            "Content-Length: 13",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(head.lines().any(|found| found == line), "{line} in {head}");
        }
        let date = head
            .lines()
            .find_map(|line| line.strip_prefix("Date: "))
            .unwrap();
        httpdate::parse_http_date(date).unwrap();
    }
}
