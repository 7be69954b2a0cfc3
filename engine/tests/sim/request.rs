//! What clients ask, and what may be the answer.

use cutaway::testing::simulation::Stream;

use crate::reply::Reply;
use crate::routes::{SUM_BYTES_MAX, pattern};

/// A request and what is expected of its reply.
#[derive(Clone, Debug)]
pub struct Request {
    pub bytes: Vec<u8>,
    pub expected: Expected,
}

/// What is expected of a reply.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Its status where nothing goes wrong.
    pub status: u16,
    content: Content,
    /// Its other statuses: what the machine's state can make of such a request.
    others: &'static [u16],
    pub is_to_head: bool,
    /// The connection ends with this reply.
    pub is_last: bool,
    /// The reply has to say that the connection stays.
    is_kept_by_word: bool,
    /// Content may be asked for by a 100.
    pub may_be_asked_for: bool,
    /// It is refused for what it is; that may show before its last byte.
    pub is_malformed: bool,
    pub taking: Taking,
}

/// When a request's content is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// Before it runs.
    First,
    /// While it runs: should it fail, then perhaps before its content was sent, and with the
    /// connection's end.
    Meanwhile,
    /// Perhaps not at all: it may be answered before, and where its content is too much, or waits to be
    /// asked for, the connection ends with the reply or behind it.
    Never,
}

#[derive(Clone, Debug)]
enum Content {
    Exactly(Vec<u8>),
    BeginsWith(Vec<u8>),
    /// One of these: what an optional effect has given, or none.
    Either([Vec<u8>; 2]),
    Problem,
}

/// What may happen to a request that is answered where it is read.
const AT_INTAKE: &[u16] = &[503];
/// What may happen to one that waits in the queue and runs steps.
const IN_QUEUE: &[u16] = &[503, 504];
/// What may happen to one that takes its content while it runs: it breaks off, or it takes too long.
const IN_STREAM: &[u16] = &[400, 408, 500, 503, 504];
/// What may happen to one with an effect.
const AT_WORKER: &[u16] = &[500, 503, 504];

impl Expected {
    fn new(status: u16, content: Content, others: &'static [u16]) -> Expected {
        Expected {
            status,
            content,
            others,
            is_to_head: false,
            is_last: false,
            is_kept_by_word: false,
            may_be_asked_for: false,
            is_malformed: false,
            taking: Taking::First,
        }
    }

    fn taking(self, taking: Taking) -> Expected {
        Expected { taking, ..self }
    }

    /// Whether a reply of this status may come before the request was sent whole, and may be the last.
    pub fn may_cut_short(&self, status: u16) -> bool {
        match self.taking {
            Taking::First => self.is_malformed,
            Taking::Meanwhile => status != self.status || self.is_malformed,
            Taking::Never => true,
        }
    }

    /// Whether this reply may be the one.
    ///
    /// # Errors
    /// In words, why not.
    pub fn check(&self, reply: &Reply) -> Result<(), String> {
        if reply.status != self.status && !self.others.contains(&reply.status) {
            return Err(format!("expected {}, got {}", self.status, reply.status));
        }
        if !reply.is_last() && self.is_last {
            return Err("the last reply does not say `Connection: close`".into());
        }
        let says_kept = reply.field("Connection") == Some("keep-alive");
        if self.is_kept_by_word && !reply.is_last() && !says_kept {
            return Err("an HTTP/1.0 client is not told that the connection stays".into());
        }
        if self.is_to_head || matches!(reply.status, 204) {
            return Ok(());
        }
        let is_right = if reply.status != self.status {
            is_problem(reply)
        } else {
            match &self.content {
                Content::Exactly(content) => reply.content == *content,
                Content::BeginsWith(content) => reply.content.starts_with(content),
                Content::Either(contents) => contents.contains(&reply.content),
                Content::Problem => is_problem(reply),
            }
        };
        if is_right {
            Ok(())
        } else {
            Err(format!(
                "a {} with \"{}\"",
                reply.status,
                reply.content.escape_ascii()
            ))
        }
    }
}

fn is_problem(reply: &Reply) -> bool {
    let content = &reply.content;
    reply.field("Content-Type") == Some("application/problem+json")
        && content.starts_with(b"{\"")
        && content.ends_with(b"}")
}

/// Makes requests up.
pub struct Author<'a> {
    pub choices: &'a mut Stream,
    /// Only requests that are answered as they should be where nothing goes wrong.
    pub is_decent: bool,
}

impl Author<'_> {
    /// One more request.
    pub fn request(&mut self) -> Request {
        let malformed_rate = if self.is_decent { 0 } else { 60 };
        if self.choices.per_mille(malformed_rate) {
            return self.malformed();
        }
        let (method, target, content, mut expected) = self.wish();
        let method = if method == "GET" && self.choices.per_mille(120) {
            expected.is_to_head = true;
            "HEAD"
        } else {
            method
        };
        let (version, connection) = match self.choices.below(40) {
            0 => {
                expected.is_last = true;
                ("1.1", "Connection: close\r\n")
            }
            1 if content.is_none() => {
                expected.is_last = true;
                ("1.0", "")
            }
            2 if content.is_none() => {
                expected.is_kept_by_word = true;
                ("1.0", "Connection: keep-alive\r\n")
            }
            _ => ("1.1", ""),
        };
        let mut bytes =
            format!("{method} {target} HTTP/{version}\r\nHost: simulated\r\n{connection}")
                .into_bytes();
        if target == "/sum" {
            bytes.extend_from_slice(b"Content-Type: application/json\r\n");
        }
        match content {
            None => bytes.extend_from_slice(b"\r\n"),
            Some(content) => self.add_content(&mut bytes, &content, &mut expected),
        }
        Request { bytes, expected }
    }

    fn wish(&mut self) -> (&'static str, String, Option<Vec<u8>>, Expected) {
        use Content::{BeginsWith, Exactly, Problem};
        if self.choices.per_mille(180) {
            return self.need();
        }
        let choices = &mut *self.choices;
        let get = |target: &str, expected| ("GET", target.to_owned(), None, expected);
        let text = |text: &str| Exactly(text.as_bytes().to_vec());
        let id = choices.within(1, 140);
        let post = |id: usize| {
            if id <= 100 {
                let content = format!("[{id},\"Post number {id}\",\"lorem ipsum\"]");
                Expected::new(200, text(&content), AT_WORKER)
            } else {
                Expected::new(404, Problem, AT_WORKER)
            }
        };
        match choices.below(if self.is_decent { 77 } else { 110 }) {
            0..=19 => get(
                "/plaintext",
                Expected::new(200, text("Hello, World!"), IN_QUEUE),
            ),
            20..=25 => {
                let content = text(r#"{"message":"Hello, World!"}"#);
                get("/json", Expected::new(200, content, IN_QUEUE))
            }
            26..=30 => {
                let (user, post) = (choices.below(99), choices.below(1 << 40));
                let content = text(&format!("[{user},{post}]"));
                let target = format!("/users/{user}/posts/{post}");
                get(&target, Expected::new(200, content, IN_QUEUE))
            }
            31..=33 => {
                let count = choices.within(0, 40);
                let numbers: Vec<u64> = (0..count).map(|_| choices.below(1 << 20)).collect();
                let content = format!("{numbers:?}").into_bytes();
                let expected = Expected::new(200, text(&sum_of(&numbers)), IN_QUEUE);
                ("POST", "/sum".into(), Some(content), expected)
            }
            34..=38 => {
                let most = if choices.per_mille(200) { 6000 } else { 200 };
                let len = choices.within(0, most);
                let content = pattern(len);
                let echoed = Exactly(content.clone());
                let streamed =
                    |content| Expected::new(200, content, IN_STREAM).taking(Taking::Meanwhile);
                // The last two may miss their deadlines because of their client.
                let (target, expected) = match choices.below(if self.is_decent { 5 } else { 7 }) {
                    0 => ("/stream".to_owned(), streamed(echoed)),
                    1 => {
                        let sum: u64 = content.iter().map(|&byte| u64::from(byte)).sum();
                        ("/tally".to_owned(), streamed(text(&sum.to_string())))
                    }
                    2 => {
                        let expected = Expected::new(200, text("heedless"), IN_QUEUE);
                        ("/heedless".to_owned(), expected.taking(Taking::Never))
                    }
                    3 | 4 => ("/echo".to_owned(), Expected::new(200, echoed, IN_QUEUE)),
                    5 => ("/later".to_owned(), streamed(echoed)),
                    _ => (format!("/with/{id}"), streamed(echoed)),
                };
                ("POST", target, Some(content), expected)
            }
            39..=53 => get(&format!("/posts/{id}"), post(id)),
            54..=57 => get(&format!("/patient/{id}"), post(id)),
            58..=63 => {
                let note = format!("note {id} is {}", "long ".repeat(choices.within(0, 60)));
                let expected = Expected::new(201, text("1"), AT_WORKER);
                (
                    "PUT",
                    format!("/notes/{id}"),
                    Some(note.into_bytes()),
                    expected,
                )
            }
            64..=66 => get(
                "/steps",
                Expected::new(200, text("worked thrice"), IN_QUEUE),
            ),
            67..=69 => get("/nowhere", Expected::new(404, Problem, AT_INTAKE)),
            70..=71 => (
                "DELETE",
                "/plaintext".into(),
                None,
                Expected::new(405, Problem, AT_INTAKE),
            ),
            72 => {
                let expected = Expected::new(204, Problem, AT_INTAKE);
                ("OPTIONS", "/plaintext".into(), None, expected)
            }
            73..=74 => get("/empty", Expected::new(204, Problem, IN_QUEUE)),
            75 => get("/fail", Expected::new(422, Problem, IN_QUEUE)),
            76 => get("/users/x/posts/9", Expected::new(400, Problem, IN_QUEUE)),
            // What may miss its deadline without a fault.
            77 => get("/count/100", Expected::new(200, text("100"), AT_WORKER)),
            78..=83 => {
                let size = choices.within(10, 40_000);
                let expected = Expected::new(200, Exactly(pattern(size)), IN_QUEUE);
                get(&format!("/large/{size}"), expected)
            }
            84..=85 => get(
                "/fixed",
                Expected::new(200, Exactly(vec![b'f'; 20_000]), IN_QUEUE),
            ),
            86..=88 => get("/panic", Expected::new(500, Problem, IN_QUEUE)),
            89 => get("/forget", Expected::new(500, Problem, IN_QUEUE)),
            90..=94 => {
                let length = choices.below(14_000);
                let expected = Expected::new(200, text("worked"), IN_QUEUE);
                get(&format!("/work/{length}"), expected)
            }
            95..=99 => {
                let until = [1_000, 10_000, 100_000][choices.below(3) as usize];
                let expected = Expected::new(200, text(&until.to_string()), AT_WORKER);
                get(&format!("/count/{until}"), expected)
            }
            100..=104 => get(&format!("/hasty/{id}"), post(id)),
            _ => {
                // Somebody may have written it, or not yet.
                let beginning = BeginsWith(format!("note {id} is ").into_bytes());
                let others = &[404, 500, 503, 504];
                get(
                    &format!("/notes/{id}"),
                    Expected::new(200, beginning, others),
                )
            }
        }
    }

    /// What needs effects in one of the ways there are.
    fn need(&mut self) -> (&'static str, String, Option<Vec<u8>>, Expected) {
        use Content::{Either, Exactly, Problem};
        let choices = &mut *self.choices;
        let id = choices.within(1, 140);
        let is_there = id <= 100;
        let text = |text: &str| Exactly(text.as_bytes().to_vec());
        let either = |one: &str, other: &str| Either([one, other].map(|it| it.as_bytes().to_vec()));
        let with_title = |title: &str| text(&format!("[{title},[100]]"));
        let title = format!("[\"Post number {id}\"]");
        let (target, status, content) = match choices.below(9) {
            0 if is_there => ("parallel", 200, with_title(&title)),
            0 => ("parallel", 200, with_title("null")),
            1 => {
                let expected = Expected::new(200, text("[1]"), AT_WORKER);
                return ("POST", "/needs/in-order".into(), None, expected);
            }
            2 => ("lenient", 200, either("[[100],null]", "[[100],[3000]]")),
            3 => {
                let doubled: Vec<String> = (0..id % 7).map(|n| format!("[{}]", 2 * n)).collect();
                ("list", 200, text(&format!("[{}]", doubled.join(","))))
            }
            4 if is_there => ("race", 200, text(&format!("[{id}]"))),
            4 => ("race", 404, Problem),
            // A disk that fails is a reason for the substitute, too.
            5 if is_there => ("fallback", 200, either(&format!("[{id}]"), "[-1]")),
            5 => ("fallback", 200, text("[-1]")),
            6 => {
                let expected = Expected::new(200, either("[100]", "null"), AT_WORKER);
                return ("GET", "/needs/either".into(), None, expected);
            }
            7 if is_there => ("continued", 200, with_title(&title)),
            7 => ("continued", 404, Problem),
            _ => {
                let target = format!("/needs/pause/{}", choices.below(3_000));
                let expected = Expected::new(200, text("true"), IN_QUEUE);
                return ("GET", target, None, expected);
            }
        };
        let expected = Expected::new(status, content, AT_WORKER);
        ("GET", format!("/needs/{target}/{id}"), None, expected)
    }

    /// Content by its length or in chunks, sometimes only sent once it is asked for.
    fn add_content(&mut self, bytes: &mut Vec<u8>, content: &[u8], expected: &mut Expected) {
        if self.choices.per_mille(150) {
            bytes.extend_from_slice(b"Expect: 100-continue\r\n");
            expected.may_be_asked_for = true;
        }
        if self.choices.per_mille(500) {
            bytes
                .extend_from_slice(format!("Content-Length: {}\r\n\r\n", content.len()).as_bytes());
            bytes.extend_from_slice(content);
            return;
        }
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        let mut rest = content;
        while !rest.is_empty() {
            let (chunk, behind) = rest.split_at(self.choices.within(1, rest.len()));
            let extension = if self.choices.per_mille(100) {
                ";note=\"a b\""
            } else {
                ""
            };
            bytes.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
            rest = behind;
        }
        let trailer = if self.choices.per_mille(100) {
            "X-Sum: 1\r\n"
        } else {
            ""
        };
        bytes.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
    }

    /// Something that must be refused, and ends its connection.
    fn malformed(&mut self) -> Request {
        let kinds: [(u16, String); 19] = [
            (400, "GET /plaintext\r\n\r\n".into()),
            (400, "GET /plaintext HTTP/1.1\r\n\r\n".into()),
            (
                400,
                "GET /plaintext HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(),
            ),
            (400, "GET /plain text HTTP/1.1\r\nHost: a\r\n\r\n".into()),
            (
                400,
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n".into(),
            ),
            (
                400,
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"
                    .into(),
            ),
            (
                413,
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n".into(),
            ),
            (
                413,
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"
                    .into(),
            ),
            // Each of these by its route, at the head or at the content that is too much.
            (
                413,
                "POST /sum HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                 Content-Length: 401\r\n\r\n[1"
                    .into(),
            ),
            (
                413,
                format!(
                    "POST /sum HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                     Transfer-Encoding: chunked\r\n\r\n191\r\n[{}]\r\n",
                    "1".repeat(399)
                ),
            ),
            (
                415,
                "POST /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n[1]".into(),
            ),
            // These while they run.
            (
                400,
                "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"
                    .into(),
            ),
            (
                413,
                "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3\r\nabc\r\nfffff\r\n"
                    .into(),
            ),
            (
                414,
                format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(300)),
            ),
            (
                417,
                "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n".into(),
            ),
            (
                431,
                format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(20)),
            ),
            (501, "BREW /coffee HTTP/1.1\r\nHost: a\r\n\r\n".into()),
            (
                501,
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".into(),
            ),
            (505, "GET /plaintext HTTP/2.0\r\nHost: a\r\n\r\n".into()),
        ];
        let (status, text) = &kinds[self.choices.below(kinds.len() as u64) as usize];
        let mut expected = Expected::new(*status, Content::Problem, AT_INTAKE);
        (expected.is_last, expected.is_malformed) = (true, true);
        if text.starts_with("POST /stream") {
            // One that fails before it takes the content is answered before that is found wrong.
            expected.is_last = false;
            (expected.taking, expected.others) = (Taking::Never, IN_STREAM);
        }
        Request {
            bytes: text.clone().into_bytes(),
            expected,
        }
    }
}

fn sum_of(numbers: &[u64]) -> String {
    numbers.iter().sum::<u64>().to_string()
}

// The refused requests above are one byte too long.
const _: () = assert!(SUM_BYTES_MAX == 400);
