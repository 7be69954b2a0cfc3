//! The wire on real sockets: what is answered, what is refused, and what becomes of the connection.
//! Every case is sent whole, byte by byte, and cut at several places; the answers are the same.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use cutaway::BuiltRoutes;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::shard::Close;

#[path = "harness/client.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod client;
#[path = "harness/notes.rs"]
#[allow(dead_code, reason = "as above")]
mod notes;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;

use client::{Client, Response, get};
use notes::{Id, Note, Notes, echo, load, plain, show};
use server::{Scratch, Server};

slot!(pub Number: i64);
slot!(pub Planted: Bomb);
slot!(pub NoRow: Option<Unreadable>);

fn item(cx: &mut Cx<Reads<Id>>) -> Step {
    let id = *cx.get(Id);
    cx.json(&id)
}

fn nothing(cx: &mut Cx) -> Step {
    cx.empty()
}

fn panics(_cx: &mut Cx) -> Step {
    panic!("a step that panics");
}

fn panics_late(_cx: &mut Cx<Reads<Note>>) -> Step {
    panic!("a step that panics after its effect");
}

fn says_nothing(_cx: &mut Cx) {}

fn puts_twice(cx: &mut Cx<Writes<Number>>) -> Step {
    cx.put(Number, 1);
    cx.put(Number, 2);
    cx.text("twice")
}

fn needs_nothing(_cx: &mut Cx) -> Step {
    Ok(Decision::Need)
}

#[derive(Debug)]
pub struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a value that panics when it is dropped");
    }
}

fn plants(cx: &mut Cx<Writes<Planted>>) -> Step {
    cx.put(Planted, Bomb);
    cx.text("planted")
}

/// A row that cannot be read without a panic.
#[derive(Debug)]
pub struct Unreadable;

impl<'r> FromRow<'r> for Unreadable {
    fn from_row(_row: Row<'r>) -> Result<Self, DecodeError> {
        panic!("a decoder that panics");
    }
}

fn load_unreadable(cx: &mut Cx<Writes<NoRow>, Uses<Notes>>) -> Step {
    cx.need(cx.on(Notes).query_opt("SELECT 1").into(NoRow))
}

fn answers_in_part(cx: &mut Cx) -> Step {
    cx.status(Status::EARLY_HINTS).text("wait")
}

fn errs(cx: &mut Cx) -> Step {
    let number: u8 = "a secret".parse()?;
    cx.json(&number)
}

const SCHEMA: &str = "
    CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
    WITH RECURSIVE numbers(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM numbers WHERE id < 100)
    INSERT INTO notes (id, body) SELECT id, 'note ' || id FROM numbers;
";

fn routes(scratch: &Scratch) -> BuiltRoutes {
    // A slow machine must not turn an answer into a 504.
    let patient = 30.secs();
    Routes::new()
        .resource(Notes, Sqlite::open(scratch.join("notes.db")).schema(SCHEMA))
        .get("/plain", chain(plain).deadline(patient))
        .get("/items/{id}", chain(item).deadline(patient))
        .put("/items/{id}", chain(echo).deadline(patient))
        .delete("/items/{id}", chain(nothing).deadline(patient))
        .post("/echo", chain(echo).deadline(patient))
        .get("/notes/{id}", chain(load).then(show).deadline(patient))
        .get("/panic", chain(panics).deadline(patient))
        .get(
            "/panic/{id}",
            chain(load).then(panics_late).deadline(patient),
        )
        .get("/silent", chain(says_nothing).deadline(patient))
        .get("/twice", chain(puts_twice).deadline(patient))
        .get("/needless", chain(needs_nothing).deadline(patient))
        .get("/bomb", chain(plants).deadline(patient))
        .get(
            "/unreadable",
            chain(load_unreadable).then(plain).deadline(patient),
        )
        .get("/interim", chain(answers_in_part).deadline(patient))
        .get("/error", chain(errs).deadline(patient))
        .build()
        .unwrap()
}

fn limits() -> Limits {
    Limits {
        head_bytes_max: 1024,
        target_bytes_max: 256,
        fields_max: 8,
        body_bytes_max: 1000,
        chunk_extension_bytes_max: 64,
        trailer_bytes_max: 64,
        ..Limits::default()
    }
}

/// How the bytes of a case reach the server.
#[derive(Clone, Copy, Debug)]
enum Pace {
    Whole,
    Bytes,
    /// A pause after so many bytes, long enough for the first part to be read alone.
    CutAt(usize),
}

impl Pace {
    fn all(len: usize) -> impl Iterator<Item = Pace> {
        let cuts = BTreeSet::from([1, 3, len / 3, len / 2, len.saturating_sub(2), len - 1]);
        let cuts = cuts
            .into_iter()
            .filter(move |at| (1..len).contains(at))
            .map(Pace::CutAt);
        [Pace::Whole, Pace::Bytes].into_iter().chain(cuts)
    }

    fn send(self, client: &mut Client, bytes: &[u8]) {
        match self {
            Pace::Whole => client.send(bytes),
            Pace::Bytes => bytes.iter().for_each(|&byte| client.send([byte])),
            Pace::CutAt(at) => {
                client.send(&bytes[..at]);
                thread::sleep(Duration::from_millis(2));
                client.send(&bytes[at..]);
            }
        }
    }
}

/// Sends each request at every pace; it is refused with its status, a problem and an end.
fn check_refusals(server: &Server, cases: &[(&str, &str, u16)]) {
    for (name, request, status) in cases {
        for pace in Pace::all(request.len()) {
            let mut client = Client::connect(server.address);
            // What stands behind a refused request must never be read as one.
            pace.send(&mut client, request.as_bytes());
            let response = client.response();
            let context = format!("{name}, {pace:?}: {response:?}");
            assert_eq!(response.status, *status, "{context}");
            assert!(response.closes(), "{context}");
            response.problem();
            assert!(client.is_ended(), "{context}");
        }
    }
}

#[test]
fn what_is_no_message_is_refused() {
    let scratch = Scratch::new("wire");
    let server = Server::start(routes(&scratch), limits());
    check_refusals(
        &server,
        &[
            // https://www.rfc-editor.org/rfc/rfc9112#section-3 – the request-line.
            (
                "another protocol",
                "\x16\x03\x01\x02 hello, are you TLS?",
                400,
            ),
            ("no version", "GET /plain\r\nHost: a\r\n\r\n", 400),
            ("two spaces", "GET  /plain HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (
                "lower-case version",
                "GET /plain http/1.1\r\nHost: a\r\n\r\n",
                400,
            ),
            ("fragment", "GET /plain#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("bad escape", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (
                "relative target",
                "GET plain HTTP/1.1\r\nHost: a\r\n\r\n",
                400,
            ),
            ("asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            // https://www.rfc-editor.org/rfc/rfc9112#section-3.2 – Host, exactly one.
            ("no Host", "GET /plain HTTP/1.1\r\n\r\n", 400),
            (
                "two Hosts",
                "GET /plain HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
                400,
            ),
            ("bad Host", "GET /plain HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            // https://www.rfc-editor.org/rfc/rfc9112#section-5 – field lines.
            ("bare LF", "GET /plain HTTP/1.1\nHost: a\n\n", 400),
            (
                "bare CR",
                "GET /plain HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
                400,
            ),
            (
                "NUL",
                "GET /plain HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
                400,
            ),
            (
                "space before colon",
                "GET /plain HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
                400,
            ),
            (
                "obs-fold",
                "GET /plain HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
                400,
            ),
            (
                "no colon",
                "GET /plain HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
                400,
            ),
            // https://www.rfc-editor.org/rfc/rfc9112#section-6 – one reading of the length.
            (
                "sign",
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
                400,
            ),
            (
                "list",
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx",
                400,
            ),
            (
                "repeated length",
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
                400,
            ),
            (
                "64 bits and more",
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\nx",
                400,
            ),
            (
                "length and chunked",
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
                 Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                400,
            ),
            (
                "chunked in HTTP/1.0",
                "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                400,
            ),
            (
                "chunked twice",
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
                400,
            ),
            (
                "chunk of no size",
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
                400,
            ),
            (
                "chunk longer than said",
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
                400,
            ),
            // https://www.rfc-editor.org/rfc/rfc9110#section-15.5.18
            (
                "expectation",
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: tea\r\n\r\nx",
                417,
            ),
            // https://www.rfc-editor.org/rfc/rfc9110#section-15.6.2
            (
                "unknown method",
                "BREW /plain HTTP/1.1\r\nHost: a\r\n\r\n",
                501,
            ),
            (
                "unknown coding",
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                501,
            ),
            // https://www.rfc-editor.org/rfc/rfc9110#section-15.6.6
            ("version 2", "GET /plain HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("version 1.2", "GET /plain HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        ],
    );
    let stats = server.stop();
    assert_eq!(stats.closed(Close::Refused), stats.accepted_count);
}

#[test]
fn what_is_too_large_is_refused() {
    let scratch = Scratch::new("wire");
    let server = Server::start(routes(&scratch), limits());
    let long = "a".repeat(300);
    let target = format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n");
    let endless = format!("GET /{}", "a".repeat(1100));
    let head = format!("GET /plain HTTP/1.1\r\nHost: a\r\nX: {}", long.repeat(4));
    let lines = format!(
        "GET /plain HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: a\r\n".repeat(8)
    );
    let chunks = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        format!("12c\r\n{long}\r\n").repeat(4)
    );
    let trailers = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {long}\r\n\r\n"
    );
    let extensions = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x={long}\r\na\r\n"
    );
    check_refusals(
        &server,
        &[
            ("target", &target, 414),
            ("target without an end", &endless, 414),
            ("head", &head, 431),
            ("fields", &lines, 431),
            ("trailers", &trailers, 431),
            (
                "length",
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n",
                413,
            ),
            (
                "length that nobody waits to hear of",
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\
                 Expect: 100-continue\r\n\r\n",
                413,
            ),
            ("chunks", &chunks, 413),
            ("extensions", &extensions, 413),
        ],
    );
    server.stop();
}

/// What a conversation expects of one response.
struct Answer {
    method: &'static str,
    status: u16,
    body: &'static str,
}

fn answer(status: u16, body: &'static str) -> Answer {
    Answer {
        method: "GET",
        status,
        body,
    }
}

/// Whether the connection is good for another request afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Open,
    Ended,
}

/// Sends the bytes at every pace and expects these answers in this order.
fn check(server: &Server, name: &str, requests: &str, answers: &[Answer], after: After) {
    for pace in Pace::all(requests.len()) {
        let mut client = Client::connect(server.address);
        pace.send(&mut client, requests.as_bytes());
        for (index, expected) in answers.iter().enumerate() {
            let response = client.response_to(expected.method);
            let context = format!("{name}, {pace:?}, answer {index}: {response:?}");
            assert_eq!(response.status, expected.status, "{context}");
            if expected.status < 400 {
                assert_eq!(response.text(), expected.body, "{context}");
            } else {
                response.problem();
            }
            let is_last = index + 1 == answers.len();
            assert_eq!(
                response.closes(),
                is_last && after == After::Ended,
                "{context}"
            );
        }
        match after {
            After::Open => assert_eq!(client.get("/plain").text(), "Hello, World!", "{name}"),
            After::Ended => assert!(client.is_ended(), "{name}, {pace:?}"),
        }
    }
}

#[test]
fn connections_stay_open_as_their_requests_say() {
    use After::{Ended, Open};
    let scratch = Scratch::new("wire");
    let server = Server::start(routes(&scratch), limits());
    let hello = || [answer(200, "Hello, World!")];
    let check = |name: &str, requests: &str, answers: &[Answer], after| {
        check(&server, name, requests, answers, after);
    };

    // https://www.rfc-editor.org/rfc/rfc9112#section-9.3
    check(
        "1.1",
        "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n",
        &hello(),
        Open,
    );
    check(
        "1.1, empty line first",
        "\r\nGET /plain HTTP/1.1\r\nHost: a\r\n\r\n",
        &hello(),
        Open,
    );
    check(
        "absolute-form",
        "GET http://a/plain HTTP/1.1\r\nHost: a\r\n\r\n",
        &hello(),
        Open,
    );
    let close = "GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    check("1.1 with close", close, &hello(), Ended);
    check("1.0", "GET /plain HTTP/1.0\r\n\r\n", &hello(), Ended);
    let kept = "GET /plain HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    check("1.0 with keep-alive", kept, &hello(), Open);
    // https://www.rfc-editor.org/rfc/rfc9112#section-9.6 – nothing behind the last request counts.
    check(
        "request behind close",
        &format!("{close}{close}"),
        &hello(),
        Ended,
    );
    check(
        "rubbish behind close",
        &format!("{close}\0\0\0"),
        &hello(),
        Ended,
    );

    // What fails for a reason of its own leaves the next request where it is.
    check(
        "not found",
        "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        &[answer(404, "")],
        Open,
    );
    let post = "POST /plain HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    check("not allowed, with content", post, &[answer(405, "")], Open);
    check(
        "bad parameter",
        "GET /items/x HTTP/1.1\r\nHost: a\r\n\r\n",
        &[answer(400, "")],
        Open,
    );
    check(
        "no row",
        "GET /notes/999 HTTP/1.1\r\nHost: a\r\n\r\n",
        &[answer(404, "")],
        Open,
    );
    check(
        "no content",
        "DELETE /items/1 HTTP/1.1\r\nHost: a\r\n\r\n",
        &[answer(204, "")],
        Open,
    );

    let stats = server.stop();
    assert_eq!(stats.closed(Close::Refused), 0);
    assert_eq!(stats.closed(Close::ClientGone), 0);
}

#[test]
fn content_arrives_in_any_pieces() {
    use After::{Ended, Open};
    let scratch = Scratch::new("wire");
    let server = Server::start(routes(&scratch), limits());
    let check = |name: &str, requests: &str, answers: &[Answer], after| {
        check(&server, name, requests, answers, after);
    };
    let sized = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello there";
    let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   6;x=1\r\nhello \r\n5\r\nthere\r\n0\r\nX-Sum: 1\r\n\r\n";
    let echoed = || answer(200, "hello there");
    check("sized", sized, &[echoed()], Open);
    check("chunked", chunked, &[echoed()], Open);
    let empty = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    check("empty", empty, &[answer(200, "")], Open);
    let empty = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    check("empty, chunked", empty, &[answer(200, "")], Open);
    check(
        "no length",
        "POST /echo HTTP/1.1\r\nHost: a\r\n\r\n",
        &[answer(200, "")],
        Open,
    );
    let one = "POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc";
    check("1.0", one, &[answer(200, "abc")], Ended);
    check(
        "pipelined",
        &format!("{sized}{chunked}{sized}"),
        &[echoed(), echoed(), echoed()],
        Open,
    );
    let put =
        "PUT /items/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    check(
        "last",
        &format!("{chunked}{put}"),
        &[echoed(), answer(200, "abc")],
        Ended,
    );
    let large = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{}",
        "0123456789".repeat(100)
    );
    let mut client = Client::connect(server.address);
    Pace::Bytes.send(&mut client, large.as_bytes());
    assert_eq!(client.response().text(), "0123456789".repeat(100));
    drop(client);
    server.stop();
}

#[test]
fn a_head_is_a_get_without_content() {
    let scratch = Scratch::new("wire");
    let server = Server::start(routes(&scratch), limits());
    let head = |target| format!("HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut client = Client::connect(server.address);
    for target in ["/plain", "/notes/7", "/nowhere", "/items/x", "/panic"] {
        client.send(get(target));
        let of_get = client.response();
        client.send(head(target));
        let of_head = client.response_to("HEAD");
        assert!(of_head.body.is_empty());
        assert_eq!(of_head.status, of_get.status);
        let without_date = |response: &Response| {
            let fields = response.fields.clone();
            fields
                .into_iter()
                .filter(|(name, _)| name != "date")
                .collect::<Vec<_>>()
        };
        assert_eq!(without_date(&of_head), without_date(&of_get));
        assert_eq!(of_head.content_length(), of_get.body.len());
    }
    // In a pipeline, nothing of its content stands before the next answer.
    client.send(format!(
        "{}{}{}",
        head("/plain"),
        get("/items/3"),
        head("/notes/7")
    ));
    assert_eq!(client.response_to("HEAD").content_length(), 13);
    assert_eq!(client.response().text(), "3");
    assert_eq!(client.response_to("HEAD").status, 200);
    assert_eq!(client.get("/items/4").text(), "4");
    drop(client);
    server.stop();
}

#[test]
fn every_path_says_what_it_allows() {
    fn allowed(response: &Response) -> Vec<&str> {
        let allow = response
            .field("allow")
            .unwrap_or_else(|| panic!("no Allow: {response:?}"));
        let mut methods: Vec<&str> = allow.split(", ").collect();
        methods.sort_unstable();
        methods
    }
    let scratch = Scratch::new("wire");
    let server = Server::start(routes(&scratch), limits());
    let mut client = Client::connect(server.address);
    for (method, target, status, methods) in [
        // https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6 – 405 MUST carry Allow.
        ("POST", "/plain", 405, &["GET", "HEAD", "OPTIONS"][..]),
        (
            "PATCH",
            "/items/3",
            405,
            &["DELETE", "GET", "HEAD", "OPTIONS", "PUT"],
        ),
        ("TRACE", "/echo", 405, &["OPTIONS", "POST"]),
        // https://www.rfc-editor.org/rfc/rfc9110#section-9.3.7
        ("OPTIONS", "/plain", 204, &["GET", "HEAD", "OPTIONS"]),
        (
            "OPTIONS",
            "/items/3",
            204,
            &["DELETE", "GET", "HEAD", "OPTIONS", "PUT"],
        ),
    ] {
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.status, status, "{response:?}");
        assert_eq!(allowed(&response), methods);
    }
    // https://www.rfc-editor.org/rfc/rfc9110#section-9.3.7 – the server in general.
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 204);
    client.send("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n");
    let refused = client.response();
    assert!(matches!(refused.status, 404 | 405 | 501), "{refused:?}");
    drop(client);
    server.stop();
}

#[test]
fn pipelined_answers_keep_their_order() {
    let scratch = Scratch::new("wire");
    let server = Server::start(routes(&scratch), limits());
    let mut client = Client::connect(server.address);
    let is_slow = |index: usize| index.is_multiple_of(5);
    let requests: String = (1..=16)
        .map(|index| match is_slow(index - 1) {
            true => get(&format!("/notes/{index}")),
            false => get(&format!("/items/{index}")),
        })
        .collect();
    for pace in [Pace::Whole, Pace::Bytes, Pace::CutAt(100), Pace::CutAt(101)] {
        pace.send(&mut client, requests.as_bytes());
        for index in 1..=16 {
            let expected = match is_slow(index - 1) {
                true => format!("note {index}"),
                false => format!("{index}"),
            };
            assert_eq!(client.response().text(), expected, "{pace:?}");
        }
    }
    // More than may be ahead at once: the rest waits, and none is lost.
    let many: String = (1..=100)
        .map(|index| get(&format!("/notes/{index}")))
        .collect();
    client.send(many);
    for index in 1..=100 {
        assert_eq!(client.response().text(), format!("note {index}"));
    }
    drop(client);
    server.stop();
}

#[test]
fn a_client_may_wait_to_be_asked_for_its_content() {
    // https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1
    let scratch = Scratch::new("wire");
    let server = Server::start(routes(&scratch), limits());
    let head =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    for pace in Pace::all(head.len()) {
        let mut client = Client::connect(server.address);
        for _ in 0..2 {
            pace.send(&mut client, head.as_bytes());
            assert_eq!(client.response().status, 100, "{pace:?}");
            client.send("hello");
            assert_eq!(client.response().text(), "hello", "{pace:?}");
        }
    }
    // HTTP/1.0 does not know the expectation; whoever speaks it must not be sent a 1xx.
    let mut client = Client::connect(server.address);
    client.send(head.replace("1.1", "1.0"));
    client.send("hello");
    assert_eq!(client.response().text(), "hello");
    drop(client);
    server.stop();
}

#[test]
fn a_half_closed_connection_is_still_answered() {
    let scratch = Scratch::new("wire");
    let server = Server::start(routes(&scratch), limits());
    for requests in [
        vec![get("/plain")],
        vec![get("/notes/7")],
        vec![get("/notes/7"), get("/plain"), get("/notes/8")],
    ] {
        let mut client = Client::connect(server.address);
        client.send(requests.concat());
        client.finish_sending();
        for _ in &requests {
            assert_eq!(client.response().status, 200);
        }
        assert!(client.is_ended());
    }
    // An end inside a request leaves nothing to answer.
    let mut client = Client::connect(server.address);
    client.send("GET /plain HTTP/1.1\r\nHo");
    client.finish_sending();
    assert!(client.is_ended());
    let stats = server.stop();
    assert_eq!(stats.closed(Close::PeerDone), 3);
    assert_eq!(stats.closed(Close::PeerGaveUp), 1);
}

#[test]
fn a_step_that_breaks_its_word_breaks_nothing_else() {
    let scratch = Scratch::new("wire");
    let server = Server::start(routes(&scratch), limits());
    let mut client = Client::connect(server.address);
    for target in [
        "/panic",
        "/panic/3",
        "/unreadable",
        "/bomb",
        "/interim",
        "/error",
        "/silent",
        "/twice",
        "/needless",
    ] {
        let response = client.get(target);
        assert_eq!(response.status, 500, "{target}: {response:?}");
        assert!(!response.closes());
        // A broken contract is shown; what else went wrong inside is no client's business.
        let is_contract = ["/silent", "/twice", "/needless"].contains(&target);
        assert_eq!(
            response.problem()["detail"].is_string(),
            is_contract,
            "{target}"
        );
        assert_eq!(client.get("/plain").text(), "Hello, World!");
        assert_eq!(client.get("/notes/3").text(), "note 3");
    }
    // Beside others in one write, too.
    client.send(format!(
        "{}{}{}",
        get("/notes/1"),
        get("/panic"),
        get("/notes/2")
    ));
    assert_eq!(client.response().text(), "note 1");
    assert_eq!(client.response().status, 500);
    assert_eq!(client.response().text(), "note 2");
    drop(client);
    // Those of the list: step, step after its effect, decoder, drop, no final status; and the one
    // beside others.
    assert_eq!(server.stop().panic_count, 6);
}

#[test]
fn a_renderer_that_panics_is_answered_for() {
    let routes = Routes::new()
        .get("/plain", chain(plain).deadline(30.secs()))
        .renderer(|_, out| {
            out.extend_from_slice(b"half of a");
            panic!("a renderer that panics");
        })
        .build()
        .unwrap();
    let server = Server::start(routes, limits());
    let mut client = Client::connect(server.address);
    let answered = client.get("/nowhere");
    assert_eq!(answered.status, 500);
    assert_eq!(answered.text(), r#"{"type":"about:blank"}"#);
    assert_eq!(client.get("/plain").text(), "Hello, World!");
    drop(client);
    server.stop();
}

#[test]
fn what_does_not_arrive_is_given_up() {
    let scratch = Scratch::new("wire");
    let short = Duration::from_millis(50);
    let limits = Limits {
        head_timeout: short.into(),
        body_idle_timeout: short.into(),
        ..limits()
    };
    let server = Server::start(routes(&scratch), limits);
    for part in [
        "GET /plain HTTP/1.1\r\nHo",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ] {
        let mut slow = Client::connect(server.address);
        slow.send(part);
        // Others are answered meanwhile.
        let mut other = Client::connect(server.address);
        assert_eq!(other.get("/plain").status, 200);
        let response = slow.response();
        assert_eq!(response.status, 408, "{part}");
        assert!(response.closes());
        response.problem();
        assert!(slow.is_ended());
        assert_eq!(other.get("/plain").status, 200);
    }
    // A request that was answered before keeps its answer.
    let mut slow = Client::connect(server.address);
    slow.send(get("/notes/5") + "GET /pl");
    assert_eq!(slow.response().text(), "note 5");
    assert_eq!(slow.response().status, 408);
    assert!(slow.is_ended());
    assert_eq!(server.stop().closed(Close::TooSlow), 4);
}

#[test]
fn a_connection_without_requests_is_closed_without_a_word() {
    let scratch = Scratch::new("wire");
    let limits = Limits {
        keep_alive_idle: Duration::from_millis(50).into(),
        ..limits()
    };
    let server = Server::start(routes(&scratch), limits);
    let mut silent = Client::connect(server.address);
    let mut served = Client::connect(server.address);
    assert_eq!(served.get("/plain").status, 200);
    assert!(silent.is_ended());
    assert!(served.is_ended());
    assert_eq!(server.stop().closed(Close::IdleTimeout), 2);
}
