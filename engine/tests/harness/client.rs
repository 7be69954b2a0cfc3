//! A client that reads responses strictly: what does not parse as one fails the test.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a read waits before the test is given up: a server that hangs must not hang the run.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// One response, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in lower case, in the order they came.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client {
            stream,
            unread: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// As [`send`](Client::send) to a server that may have said enough already.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    pub fn finish_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// A GET on this connection, and its response.
    pub fn get(&mut self, target: &str) -> Response {
        self.send(get(target));
        self.response()
    }

    /// The next response to anything but HEAD.
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// The next response to a request of this method.
    pub fn response_to(&mut self, method: &str) -> Response {
        loop {
            if let Some(response) = Response::take(&mut self.unread, method) {
                return response;
            }
            assert!(
                self.fill(),
                "the connection ended before a response was whole: {:?}",
                self.so_far()
            );
        }
    }

    /// As [`response_to`](Client::response_to) a server that may be gone before it has answered.
    pub fn try_response_to(&mut self, method: &str) -> Option<Response> {
        loop {
            if let Some(response) = Response::take(&mut self.unread, method) {
                return Some(response);
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Everything until the server's end of the connection; fails on a reset.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.unread)
    }

    /// Whether the server has ended the connection without another word. A reset counts as an end:
    /// the server need not read what it no longer wants.
    pub fn is_ended(&mut self) -> bool {
        let mut byte = [0];
        let end = self.stream.read(&mut byte);
        let is_end = match end {
            Ok(count) => count == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        };
        self.unread.is_empty() && is_end
    }

    /// Waits until something has come, and leaves it unread: from now on dropping the client resets
    /// the connection, as every socket does that is closed with bytes unread.
    pub fn wait_for_bytes(&self) {
        assert_eq!(
            self.stream.peek(&mut [0]).unwrap(),
            1,
            "the connection ended"
        );
    }

    /// Everything until the connection ends, by a reset too.
    pub fn rest_or_reset(&mut self) -> Vec<u8> {
        loop {
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error}"),
            }
        }
        std::mem::take(&mut self.unread)
    }

    /// Whether nothing has come so far.
    pub fn is_waiting(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        self.unread.is_empty() && peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn fill(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.stream.read(&mut bytes).unwrap();
        self.unread.extend_from_slice(&bytes[..count]);
        count > 0
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.unread).into_owned()
    }
}

impl Response {
    /// Takes the response to a request of this method off the front, where it is there as a whole.
    pub fn take(unread: &mut Vec<u8>, method: &str) -> Option<Response> {
        let head_end = unread.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        let head_len = head_end + 4;
        let mut response = Response::of_head(std::str::from_utf8(&unread[..head_len]).unwrap());
        let has_body =
            method != "HEAD" && response.status >= 200 && ![204, 304].contains(&response.status);
        let len = if has_body {
            response.content_length()
        } else {
            0
        };
        response.body = unread.get(head_len..head_len + len)?.to_vec();
        unread.drain(..head_len + len);
        Some(response)
    }

    fn of_head(head: &str) -> Response {
        let mut lines = head.strip_suffix("\r\n\r\n").unwrap().split("\r\n");
        let line = lines.next().unwrap();
        let code = line
            .strip_prefix("HTTP/1.1 ")
            .unwrap_or_else(|| panic!("{line:?}"));
        assert_eq!(code.as_bytes()[3], b' ', "{line:?}");
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
            (name.to_ascii_lowercase(), value.to_owned())
        });
        let response = Response {
            status: code[..3].parse().unwrap(),
            fields: fields.collect(),
            body: Vec::new(),
        };
        if response.status >= 200 {
            response.check_fields();
        }
        response
    }

    /// What holds of every final response.
    fn check_fields(&self) {
        for (name, _) in &self.fields {
            let count = self
                .fields
                .iter()
                .filter(|(other, _)| other == name)
                .count();
            assert_eq!(count, 1, "{name} is repeated: {self:?}");
        }
        // A server with a clock MUST send Date in 2xx, 3xx and 4xx (RFC 9110 section 6.6.1).
        let date = self
            .field("date")
            .unwrap_or_else(|| panic!("no Date: {self:?}"));
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
        let is_bodyless = matches!(self.status, 204 | 304);
        assert_eq!(
            self.field("content-length").is_none(),
            is_bodyless,
            "{self:?}"
        );
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn content_length(&self) -> usize {
        self.field("content-length")
            .map_or(0, |length| length.parse().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Whether it says that the connection ends with it.
    pub fn closes(&self) -> bool {
        self.field("connection") == Some("close")
    }

    /// The body of a problem (RFC 9457), once it was found to be one of this status.
    pub fn problem(&self) -> serde_json::Value {
        assert_eq!(
            self.field("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert!(problem["title"].is_string(), "{problem}");
        problem
    }
}

/// A GET request as bytes.
pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n")
}
