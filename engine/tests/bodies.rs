//! Content of requests on real sockets: what is taken, when it is refused, and what becomes of the
//! connection. What the head tells is told before the content comes.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use cutaway::BuiltRoutes;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::shard::Close;
use serde::{Deserialize, Serialize};

#[path = "harness/client.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod client;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;

use client::Client;
use server::Server;

slot!(pub NewPost<'r>: Post<'r> = body json);
slot!(pub Form<'r>: Post<'r> = body form);
slot!(pub Text<'r>: &'r str = body text);
slot!(pub Raw<'r>: &'r [u8] = body bytes);
slot!(pub Length: u64 = header "content-length" or 0);

#[derive(Debug, Serialize, Deserialize)]
pub struct Post<'r> {
    title: &'r str,
    #[serde(default)]
    stars: u8,
}

fn json(cx: &mut Cx<Reads<NewPost>>) -> Step {
    cx.json(cx.get(NewPost))
}

fn form(cx: &mut Cx<Reads<Form>>) -> Step {
    cx.json(cx.get(Form))
}

fn text(cx: &mut Cx<Reads<Text>>) -> Step {
    let text = *cx.get(Text);
    cx.text(text)
}

fn bytes(cx: &mut Cx<Reads<Raw>>) -> Step {
    cx.json(&cx.get(Raw).len())
}

/// The same content twice: as it came, and as what it says.
fn signed(cx: &mut Cx<Reads<(Raw, NewPost)>>) -> Step {
    let pair = (cx.get(Raw).len(), cx.get(NewPost).title);
    cx.json(&pair)
}

fn heedless(cx: &mut Cx<Reads<Length>>) -> Step {
    cx.json(cx.get(Length))
}

/// Where nothing says otherwise.
const BYTES_MAX: u64 = 1000;

fn routes() -> BuiltRoutes {
    // A slow machine must not turn an answer into a 504.
    let patient = 30.secs();
    Routes::new()
        .post("/json", chain(json).deadline(patient))
        .post("/form", chain(form).deadline(patient))
        .post("/text", chain(text).deadline(patient))
        .post("/bytes", chain(bytes).deadline(patient))
        .post("/signed", chain(signed).deadline(patient))
        .post("/heedless", chain(heedless).deadline(patient))
        .post("/small", chain(bytes).body_bytes_max(10).deadline(patient))
        .post(
            "/large",
            chain(bytes).body_bytes_max(5000).deadline(patient),
        )
        .build()
        .unwrap()
}

fn serve() -> Server {
    let limits = Limits {
        body_bytes_max: BYTES_MAX,
        ..Limits::default()
    };
    Server::start(routes(), limits)
}

fn post(target: &str, content_type: &str, content: &str) -> String {
    let length = content.len();
    let content_type = match content_type {
        "" => String::new(),
        content_type => format!("Content-Type: {content_type}\r\n"),
    };
    format!(
        "POST {target} HTTP/1.1\r\nHost: a\r\n{content_type}Content-Length: {length}\r\n\r\n{content}"
    )
}

/// As [`post`], in chunks of so many bytes.
fn chunked(target: &str, content_type: &str, content: &str, size: usize) -> String {
    let chunks = content.as_bytes().chunks(size);
    let chunks: String = chunks
        .map(|chunk| {
            format!(
                "{:x}\r\n{}\r\n",
                chunk.len(),
                std::str::from_utf8(chunk).unwrap()
            )
        })
        .collect();
    format!(
        "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\n\
         Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
    )
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// What is sent, and the status with the content or the problem's detail.
type Case = (String, u16, &'static str);

/// Sends each case whole and byte by byte, all on connections that stay.
fn check(server: &Server, cases: &[Case]) {
    let mut kept = Client::connect(server.address);
    for (request, status, expected) in cases {
        for is_whole in [true, false] {
            if is_whole {
                kept.send(request);
            } else {
                request.bytes().for_each(|byte| kept.send([byte]));
            }
            let response = kept.response();
            let context = format!("{request:?}: {response:?}");
            assert_eq!(response.status, *status, "{context}");
            if *status == 200 {
                assert_eq!(response.text(), *expected, "{context}");
            } else {
                assert_eq!(response.problem()["detail"], *expected, "{context}");
            }
            if response.closes() {
                assert!(kept.is_ended(), "{context}");
                kept = Client::connect(server.address);
            }
        }
    }
}

#[test]
fn content_is_read_as_what_the_chain_takes_it() {
    let server = serve();
    let escaped = r#"{"title": "a \"b\" \u2713", "stars": 5}"#;
    let shown = r#"{"title":"a \"b\" ✓","stars":5}"#;
    check(
        &server,
        &[
            (post("/json", JSON, escaped), 200, shown),
            (chunked("/json", JSON, escaped, 3), 200, shown),
            (
                post("/form", FORM, "title=a+%22b%22+%E2%9C%93&stars=5"),
                200,
                shown,
            ),
            (post("/text", "text/plain", "ä"), 200, "ä"),
            (post("/bytes", "", "abc"), 200, "3"),
            (post("/bytes", "image/png", ""), 200, "0"),
            (
                post("/signed", JSON, r#"{"title":"a"}"#),
                200,
                r#"[13,"a"]"#,
            ),
            (post("/heedless", "", "12345"), 200, "5"),
            (chunked("/heedless", "x/y", "12345", 1), 200, "0"),
            // The content is wrong, but ends where it says: the connection stays.
            (
                post("/json", JSON, "{"),
                400,
                "body json at line 1 column 1",
            ),
            (post("/json", JSON, "{}"), 422, "body title"),
            (
                post("/json", JSON, r#"{"title":"","stars":256}"#),
                422,
                "body stars",
            ),
            (post("/form", FORM, "title=%ff"), 400, "body UTF-8"),
            (post("/form", FORM, "title=a&stars=x"), 422, "body stars"),
            (post("/json", "", ""), 415, "body application/json"),
        ],
    );
    server.stop();
}

/// Sends a head whose content never comes: the answer does not wait for it.
fn check_head(server: &Server, head: &str, status: u16, detail: &str) {
    for extra in ["", "a", "abc\r\n\r\nGET / HTTP/1.1\r\n"] {
        let mut client = Client::connect(server.address);
        client.send(format!("{head}\r\n\r\n{extra}"));
        let response = client.response();
        let context = format!("{head:?}: {response:?}");
        assert_eq!(response.status, status, "{context}");
        assert_eq!(response.problem()["detail"], detail, "{context}");
        assert!(response.closes(), "{context}");
        assert!(client.is_ended(), "{context}");
    }
}

// https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1 – a server may answer with a final status
// "instead of" reading the content, and should say whether it closes the connection.
#[test]
fn what_the_head_tells_is_refused_before_the_content_comes() {
    let server = serve();
    let head =
        |target: &str, fields: &str| format!("POST {target} HTTP/1.1\r\nHost: a\r\n{fields}");
    for wait in ["", "\r\nExpect: 100-continue"] {
        let check = |target: &str, fields: &str, status, detail: &str| {
            check_head(
                &server,
                &head(target, &format!("{fields}{wait}")),
                status,
                detail,
            );
        };
        let length = |length: u64| format!("Content-Length: {length}");
        check("/bytes", &length(1001), 413, "body more than 1000 bytes");
        check("/small", &length(11), 413, "body more than 10 bytes");
        // More than any route takes.
        check("/large", &length(5001), 413, "body more than 5000 bytes");
        check(
            "/large",
            &length(u64::MAX),
            413,
            "body more than 5000 bytes",
        );
        let typed = |content_type: &str| format!("{}\r\nContent-Type: {content_type}", length(9));
        check("/json", &typed("text/json"), 415, "body application/json");
        check("/json", &length(9), 415, "body application/json");
        check("/form", &typed(JSON), 415, &format!("body {FORM}"));
        check(
            "/text",
            &typed("text/plain; charset=latin1"),
            400,
            "body charset",
        );
        let chunked = "Transfer-Encoding: chunked\r\nContent-Type: text/html";
        check("/signed", chunked, 415, "body application/json");
    }
    let stats = server.stop();
    assert_eq!(stats.closed_count[Close::Refused as usize], 54);
}

#[test]
fn a_chain_has_its_own_bound() {
    let server = serve();
    let content = |length: usize| "x".repeat(length);
    for size in [1, 7, 100, 10_000] {
        let mut client = Client::connect(server.address);
        for (target, length) in [
            ("/bytes", 1000),
            ("/small", 10),
            ("/large", 5000),
            ("/heedless", 1000),
        ] {
            client.send(chunked(target, "x/y", &content(length), size));
            let response = client.response();
            assert_eq!(response.status, 200, "{target} {size}");
        }
        for (target, length) in [
            ("/bytes", 1001),
            ("/small", 11),
            ("/large", 5001),
            ("/heedless", 1001),
        ] {
            let mut client = Client::connect(server.address);
            client.try_send(chunked(target, "x/y", &content(length), size));
            let response = client.response();
            assert_eq!(response.status, 413, "{target} {size}");
            assert!(response.closes());
        }
    }
    server.stop();
}

#[test]
fn content_is_asked_for_only_where_it_is_wanted() {
    let server = serve();
    let head = |target: &str, length: usize| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: {JSON}\r\n\
             Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    let mut client = Client::connect(server.address);
    for _ in 0..2 {
        client.send(head("/json", 13));
        assert_eq!(client.response().status, 100);
        client.send(r#"{"title":"a"}"#);
        assert_eq!(client.response().text(), r#"{"title":"a","stars":0}"#);
    }
    drop(client);
    // Nobody there reads it: answered at once, and whether it comes is not waited for.
    for target in ["/heedless", "/nowhere"] {
        let mut client = Client::connect(server.address);
        client.send(head(target, 5));
        let response = client.response();
        assert!(matches!(response.status, 200 | 404), "{response:?}");
        assert!(response.closes());
        assert!(client.is_ended());
    }
    server.stop();
}

/// Behind requests that are still being answered an early refusal waits for its turn.
#[test]
fn an_early_refusal_keeps_its_place() {
    let server = serve();
    let mut client = Client::connect(server.address);
    let first = post("/json", JSON, r#"{"title":"first"}"#);
    let refused = "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{}";
    client.send(format!("{first}{first}{refused}{first}"));
    for _ in 0..2 {
        assert_eq!(client.response().text(), r#"{"title":"first","stars":0}"#);
    }
    assert_eq!(client.response().status, 413);
    assert!(client.is_ended());
    drop(client);
    server.stop();
}
