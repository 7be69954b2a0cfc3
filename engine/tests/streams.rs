//! Content that a request takes while it is under way, on real sockets.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::sync::atomic::{AtomicU32, Ordering};

use cutaway::BuiltRoutes;
use cutaway::Failure;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::shard::Close;
use cutaway_scheduler::Nanos;

#[path = "harness/client.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod client;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;

use client::Client;
use server::{Scratch, Server};

resource!(pub Notes: Sqlite);
slot!(pub Raw<'r>: &'r [u8]);
slot!(pub Text<'r>: &'r str);
slot!(pub Document<'r>: Post<'r>);
slot!(pub Form: OwnPost);
slot!(pub Sum: u64);
slot!(pub Tracked: Counted);
slot!(pub Waited: Elapsed);
slot!(pub One: (i64,));
slot!(pub Again: Vec<u8>);

#[derive(serde::Deserialize)]
pub struct Post<'r> {
    title: &'r str,
}

#[derive(serde::Deserialize)]
pub struct OwnPost {
    title: String,
}

/// Counts bytes, and how many of it there are.
pub struct Counted(u64);

static ALIVE: AtomicU32 = AtomicU32::new(0);

impl Counted {
    fn new() -> Counted {
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Counted(0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

fn take_bytes(cx: &mut Cx<Writes<Raw>, Uses<Body>>) -> Step {
    cx.need(cx.body().bytes().into(Raw))
}

fn show_bytes(cx: &mut Cx<Reads<Raw>>) -> Step {
    let content = *cx.get(Raw);
    cx.slice("application/octet-stream", content)
}

fn take_text(cx: &mut Cx<Writes<Text>, Uses<Body>>) -> Step {
    cx.need(cx.body().text().into(Text))
}

fn show_text(cx: &mut Cx<Reads<Text>>) -> Step {
    let text = *cx.get(Text);
    cx.text(text)
}

fn take_json(cx: &mut Cx<Writes<Document>, Uses<Body>>) -> Step {
    cx.need(cx.body().json().into(Document))
}

fn show_json(cx: &mut Cx<Reads<Document>>) -> Step {
    let title = cx.get(Document).title;
    cx.text(title)
}

fn take_form(cx: &mut Cx<Writes<Form>, Uses<Body>>) -> Step {
    cx.need(cx.body().form().into(Form))
}

fn show_form(cx: &mut Cx<Reads<Form>>) -> Step {
    cx.text(&cx.get(Form).title)
}

fn sum(cx: &mut Cx<Writes<Sum>, Uses<Body>>) -> Step {
    cx.need(cx.body().fold(0, add).into(Sum))
}

/// As [`sum`], for the one test that counts what is alive.
fn track(cx: &mut Cx<Writes<Tracked>, Uses<Body>>) -> Step {
    let add_tracked = |sum: &mut Counted, piece: &[u8]| add(&mut sum.0, piece);
    cx.need(cx.body().fold(Counted::new(), add_tracked).into(Tracked))
}

/// Adds the bytes up; will have no exclamation mark, and panics at a question mark.
fn add(sum: &mut u64, piece: &[u8]) -> Result<(), Failure> {
    if piece.contains(&b'!') {
        return Err(Failure::new(Conflict, "mark", "!"));
    }
    assert!(!piece.contains(&b'?'), "a fold that panics");
    *sum += piece.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    Ok(())
}

fn show_sum(cx: &mut Cx<Reads<Sum>>) -> Step {
    cx.json(cx.get(Sum))
}

fn show_tracked(cx: &mut Cx<Reads<Tracked>>) -> Step {
    cx.json(&cx.get(Tracked).0)
}

/// Answers without a look at the content.
fn heedless(cx: &mut Cx<Uses<Body>>) -> Step {
    cx.text("heedless")
}

fn panics(_: &mut Cx<Uses<Body>>) -> Step {
    panic!("a step that panics before it takes the content");
}

fn wait(cx: &mut Cx<Writes<Waited>>) -> Step {
    cx.need(cx.timer(20.millis()).into(Waited))
}

/// Takes the content and asks the database at once.
fn take_both(cx: &mut Cx<Writes<(Raw, One)>, Uses<(Body, Notes)>>) -> Step {
    let one = cx.on(Notes).query_one("SELECT 1");
    cx.need((cx.body().bytes().into(Raw), one.into(One)))
}

fn take_again(cx: &mut Cx<Writes<Again>, Uses<Body>>) -> Step {
    cx.need(cx.body().bytes().into(Again))
}

fn race_for_it(cx: &mut Cx<Writes<Raw>, Uses<Body>>) -> Step {
    cx.need(first([cx.body().bytes(), cx.body().bytes()]).into(Raw))
}

fn take_hastily(cx: &mut Cx<Writes<Raw>, Uses<Body>>) -> Step {
    cx.need(cx.body().bytes().timeout(10.millis()).into(Raw))
}

const BYTES_MAX: u64 = 4000;
const DISCARD_MAX: usize = 1000;

fn routes(scratch: &Scratch) -> BuiltRoutes {
    // A slow machine must not turn an answer into a 504.
    let patient = 30.secs();
    let bytes = || chain(take_bytes).then(show_bytes).deadline(patient);
    Routes::new()
        .resource(Notes, Sqlite::open(scratch.join("notes.db")))
        .post("/bytes", bytes())
        .post("/large", bytes().body_bytes_max(1 << 30))
        .post("/text", chain(take_text).then(show_text).deadline(patient))
        .post("/json", chain(take_json).then(show_json).deadline(patient))
        .post("/form", chain(take_form).then(show_form).deadline(patient))
        .post(
            "/sum",
            chain(sum)
                .then(show_sum)
                .deadline(patient)
                .body_bytes_max(1 << 30),
        )
        .post(
            "/tracked",
            chain(track).then(show_tracked).deadline(patient),
        )
        .post(
            "/heedless",
            chain(heedless).deadline(patient).body_bytes_max(1 << 30),
        )
        .post("/panic", chain(panics).deadline(patient))
        .post(
            "/late",
            chain(wait)
                .then(take_bytes)
                .then(show_bytes)
                .deadline(patient),
        )
        .post("/both", chain(take_both).then(show_bytes).deadline(patient))
        .post(
            "/again",
            chain(take_bytes)
                .then(take_again)
                .then(show_bytes)
                .deadline(patient),
        )
        .post(
            "/race",
            chain(race_for_it).then(show_bytes).deadline(patient),
        )
        .post(
            "/hasty",
            chain(take_hastily).then(show_bytes).deadline(patient),
        )
        .post(
            "/brief",
            chain(take_bytes).then(show_bytes).deadline(10.millis()),
        )
        .build()
        .unwrap()
}

fn serve_with(limits: Limits) -> (Server, Scratch) {
    let scratch = Scratch::new("streams");
    let limits = Limits {
        body_bytes_max: BYTES_MAX,
        discard_bytes_max: DISCARD_MAX,
        ..limits
    };
    (Server::start(routes(&scratch), limits), scratch)
}

fn serve() -> (Server, Scratch) {
    serve_with(Limits::default())
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

fn head(target: &str, fields: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")
}

fn post(target: &str, content_type: &str, content: &str) -> String {
    let length = content.len();
    let fields = format!("Content-Type: {content_type}\r\nContent-Length: {length}");
    head(target, &fields) + content
}

fn chunked(target: &str, content_type: &str, content: &str, size: usize) -> String {
    let chunks = content.as_bytes().chunks(size);
    let chunks: String = chunks
        .map(|chunk| {
            format!(
                "{:x}\r\n{}\r\n",
                chunk.len(),
                String::from_utf8_lossy(chunk)
            )
        })
        .collect();
    let fields = format!("Content-Type: {content_type}\r\nTransfer-Encoding: chunked");
    head(target, &fields) + &chunks + "0\r\n\r\n"
}

#[test]
fn content_is_taken_in_any_pieces() {
    let (server, _scratch) = serve();
    let sum_of = |text: &str| text.bytes().map(u64::from).sum::<u64>().to_string();
    let abc = "abc".repeat(300);
    // Far beyond what a connection keeps unread.
    let long = "0123456789".repeat(30_000);
    let cases = [
        (post("/bytes", "x/y", &abc), abc.clone()),
        (chunked("/bytes", "x/y", &abc, 7), abc.clone()),
        (post("/bytes", "x/y", ""), String::new()),
        (chunked("/bytes", "x/y", "", 1), String::new()),
        (post("/text", "text/plain", "ä"), "ä".into()),
        (
            post("/json", JSON, r#"{"title": "a \"b\""}"#),
            "a \"b\"".into(),
        ),
        (chunked("/json", JSON, r#"{"title": "a"}"#, 2), "a".into()),
        (post("/form", FORM, "title=a+%22b%22"), "a \"b\"".into()),
        (post("/sum", "x/y", &abc), sum_of(&abc)),
        (chunked("/sum", "x/y", &abc, 11), sum_of(&abc)),
        (post("/late", "x/y", &abc), abc.clone()),
        (chunked("/late", "x/y", &abc, 100), abc.clone()),
        (post("/both", "x/y", &abc), abc.clone()),
        (chunked("/sum", "x/y", &long, 5000), sum_of(&long)),
    ];
    let mut whole = Client::connect(server.address);
    let mut bytewise = Client::connect(server.address);
    for (request, expected) in &cases {
        whole.send(request);
        if request.len() < 10_000 {
            request.bytes().for_each(|byte| bytewise.send([byte]));
        } else {
            bytewise.send(request);
        }
        for client in [&mut whole, &mut bytewise] {
            let response = client.response();
            assert_eq!(response.status, 200, "{request}: {response:?}");
            assert_eq!(response.text(), expected, "{request}");
            assert!(!response.closes());
        }
    }
    // All of them in one go, one behind the other.
    let all: String = cases.iter().map(|(request, _)| request.as_str()).collect();
    whole.send(all);
    for (request, expected) in &cases {
        assert_eq!(whole.response().text(), expected, "{request}");
    }
    drop((whole, bytewise));
    server.stop();
}

#[test]
fn what_is_wrong_with_content_is_told_by_its_effect() {
    let (server, _scratch) = serve();
    let long = "x".repeat(BYTES_MAX as usize + 1);
    // What, the status, the detail, and whether the connection ends with it.
    let cases = [
        (
            post("/json", "x/y", "{}"),
            415,
            "body application/json",
            false,
        ),
        (
            post("/json", JSON, "{"),
            400,
            "body json at line 1 column 1",
            false,
        ),
        (post("/json", JSON, "{}"), 422, "body title", false),
        (post("/form", FORM, "title=%ff"), 400, "body UTF-8", false),
        (
            post("/text", "text/plain; charset=latin1", "a"),
            400,
            "body charset",
            false,
        ),
        (
            post("/bytes", "x/y", &long),
            413,
            "body more than 4000 bytes",
            true,
        ),
        (
            chunked("/bytes", "x/y", &long, 1000),
            413,
            "body more than 4000 bytes",
            true,
        ),
        (post("/sum", "x/y", "abc!"), 409, "mark !", false),
        (
            head("/bytes", "Transfer-Encoding: chunked") + "1\r\nab\r\n",
            400,
            "body a chunk does not end in CR LF",
            true,
        ),
        (
            post("/again", "x/y", "abc"),
            500,
            "streams::take_again took the content a second time",
            false,
        ),
        (
            post("/race", "x/y", "abc"),
            500,
            "streams::race_for_it took the content a second time",
            false,
        ),
    ];
    for (request, status, detail, is_last) in &cases {
        let mut client = Client::connect(server.address);
        client.try_send(request);
        let response = client.response();
        let context = format!("{request:.200}: {response:?}");
        assert_eq!(response.status, *status, "{context}");
        assert_eq!(response.problem()["detail"], *detail, "{context}");
        assert_eq!(response.closes(), *is_last, "{context}");
        if *is_last {
            assert!(client.is_ended(), "{context}");
        } else {
            client.send(post("/bytes", "x/y", "still there"));
            assert_eq!(client.response().text(), "still there", "{context}");
        }
    }
    server.stop();
}

#[test]
fn a_fold_is_dropped_once_whatever_becomes_of_it() {
    let (server, _scratch) = serve();
    let mut client = Client::connect(server.address);
    for _ in 0..3 {
        client.send(post("/tracked", "x/y", "abc"));
        assert_eq!(client.response().text(), "294");
        client.send(post("/tracked", "x/y", "a!"));
        assert_eq!(client.response().status, 409);
        client.send(post("/tracked", "x/y", "a?"));
        assert_eq!(client.response().status, 500);
        // One that is given up by its client.
        let mut gone = Client::connect(server.address);
        gone.send(head("/tracked", "Content-Length: 100") + "abc");
        gone.finish_sending();
        let response = gone.response();
        assert_eq!((response.status, response.closes()), (400, true));
        assert_eq!(response.problem()["detail"], "body cut off");
    }
    drop(client);
    let stats = server.stop();
    assert_eq!(stats.panic_count, 3);
    assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
}

/// Content that nobody takes: the connection stays where little of it is left.
#[test]
fn what_nobody_takes_is_thrown_away_or_ends_the_connection() {
    let (server, _scratch) = serve();
    let content = |length: usize| "x".repeat(length);
    let cases = [
        (post("/heedless", "x/y", &content(0)), false),
        (post("/heedless", "x/y", &content(1)), false),
        (post("/heedless", "x/y", &content(DISCARD_MAX)), false),
        (
            chunked("/heedless", "x/y", &content(DISCARD_MAX), 100),
            false,
        ),
        (post("/heedless", "x/y", &content(DISCARD_MAX + 1)), true),
        (post("/panic", "x/y", &content(10)), false),
        (post("/panic", "x/y", &content(DISCARD_MAX + 1)), true),
    ];
    for (request, is_last) in &cases {
        for is_whole in [true, false] {
            let mut client = Client::connect(server.address);
            if is_whole {
                client.send(request);
            } else {
                for byte in request.bytes() {
                    if !client.try_send([byte]) {
                        break;
                    }
                }
            }
            let response = client.response();
            assert!(matches!(response.status, 200 | 500), "{response:?}");
            assert_eq!(response.closes(), *is_last, "{request:.100}");
            if *is_last {
                assert!(client.is_ended());
            } else {
                client.send(post("/bytes", "x/y", "still there"));
                assert_eq!(client.response().text(), "still there");
            }
        }
    }
    // In chunks nobody knows how much is left; what is too much is told apart when it comes.
    let mut client = Client::connect(server.address);
    client.try_send(chunked("/heedless", "x/y", &content(2 * DISCARD_MAX), 100));
    assert_eq!(client.response().text(), "heedless");
    assert!(client.is_ended());
    drop(client);
    server.stop();
}

#[test]
fn content_is_asked_for_when_somebody_takes_it() {
    let (server, _scratch) = serve();
    let expecting = |target: &str, length: usize| {
        head(
            target,
            &format!("Content-Length: {length}\r\nExpect: 100-continue"),
        )
    };
    let mut client = Client::connect(server.address);
    for target in ["/bytes", "/late", "/large"] {
        client.send(expecting(target, 3));
        assert_eq!(client.response().status, 100, "{target}");
        client.send("abc");
        assert_eq!(client.response().text(), "abc", "{target}");
    }
    // Behind a reply that is still owed the interim response waits.
    client.send(post("/late", "x/y", "first") + &expecting("/bytes", 3));
    assert_eq!(client.response().text(), "first");
    assert_eq!(client.response().status, 100);
    client.send("abc");
    assert_eq!(client.response().text(), "abc");
    // Nobody takes it: no 100, and the end, for nobody knows whether it comes.
    client.send(expecting("/heedless", 3));
    let response = client.response();
    assert_eq!((response.text(), response.closes()), ("heedless", true));
    assert!(client.is_ended());
    drop(client);
    server.stop();
}

#[test]
fn who_sends_no_content_is_given_up() {
    let (server, _scratch) = serve_with(Limits {
        body_idle_timeout: Nanos::from_millis(50),
        ..Limits::default()
    });
    let begin = |target: &str| {
        let mut client = Client::connect(server.address);
        client.send(head(target, "Content-Length: 100") + "abc");
        client
    };
    let mut slow = begin("/bytes");
    let response = slow.response();
    assert_eq!((response.status, response.closes()), (408, true));
    assert_eq!(response.problem()["detail"], "body too slow");
    assert!(slow.is_ended());

    // Its own time, or that of its request, is over before that; little is left of the content, so
    // the connection waits for it.
    for (target, status) in [("/hasty", 408), ("/brief", 408)] {
        let mut client = begin(target);
        let response = client.response();
        assert_eq!(
            (response.status, response.closes()),
            (status, false),
            "{target}"
        );
        client.send("x".repeat(97) + &post("/bytes", "x/y", "still there"));
        assert_eq!(client.response().text(), "still there", "{target}");
    }

    // What is thrown away has the same time, and ends without another word.
    let mut silent = begin("/heedless");
    assert_eq!(silent.response().text(), "heedless");
    assert!(silent.is_ended());
    drop((slow, silent));
    let stats = server.stop();
    assert_eq!(stats.closed_count[Close::TooSlow as usize], 2);
}
