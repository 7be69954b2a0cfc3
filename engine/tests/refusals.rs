//! What the engine answers by itself: which of it passes the chains before the routes, and what
//! becomes of content that nobody takes.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::cell::RefCell;
use std::io::{self, Write};
use std::time::Duration;

use cutaway::BuiltRoutes;
use cutaway::chains::request_id;
use cutaway::ctx::list::ListOf;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::response::{Problem, problem};
use cutaway::testing::{App, Response, ScriptedAnswer};
use cutaway::timeline::{MarkKind, Stage};
use cutaway_scheduler::{ManualClock, Nanos};

#[path = "harness/client.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod client;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;

use server::Server;

resource!(pub Users: Sqlite);
slot!(pub User: (i64,));
slot!(pub Id: i64 = path "id");
slot!(pub Page: u32 = query "page" or 1);
slot!(pub Note<'r>: NoteInput<'r> = body json);
slot!(pub Raw<'r>: &'r [u8] = body bytes);
slot!(pub Taken<'r>: &'r [u8]);
slot!(pub Waited: Elapsed);

#[derive(serde::Deserialize)]
pub struct NoteInput<'r> {
    text: &'r str,
}

fn guard(cx: &mut Cx) -> Step {
    cx.response_header("Content-Security-Policy", "default-src 'none'")?;
    match cx.request().field("x-key") {
        Some(b"wrong") => fail(Unauthorized, "key", "x-key"),
        Some(b"panic") => panic!("a step before a refusal that panics"),
        _ => Continue,
    }
}

fn find_user(cx: &mut Cx<Writes<User>, Uses<Users>>) -> Step {
    cx.need(cx.on(Users).query_one("SELECT 7").into(User))
}

fn name_user(cx: &mut Cx<Reads<User>>) -> Step {
    let (user,) = *cx.get(User);
    cx.response_header("X-User", &user.to_string())?;
    Continue
}

fn in_api(cx: &mut Cx) -> Step {
    cx.response_header("X-Api", "1")?;
    Continue
}

fn write_note(cx: &mut Cx<Reads<(Id, Page, Note)>>) -> Step {
    let length = cx.get(Note).text.len() + usize::from(*cx.get(Id) > 0 && *cx.get(Page) > 0);
    cx.json(&length)
}

fn check_signature(cx: &mut Cx<Reads<Raw>>) -> Step {
    cx.response_header("X-Signed", &cx.get(Raw).len().to_string())?;
    Continue
}

fn take(cx: &mut Cx<Writes<Taken>, Uses<Body>>) -> Step {
    cx.need(cx.body().bytes().into(Taken))
}

fn say_taken(cx: &mut Cx<Reads<Taken>>) -> Step {
    cx.json(&cx.get(Taken).len())
}

fn plain(cx: &mut Cx) -> Step {
    cx.text("plain")
}

/// A page for browsers, problem+json for everybody else.
fn render(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    let accept = failed.request().and_then(|request| request.field("accept"));
    if accept != Some(b"text/html") {
        return problem(failed, out);
    }
    write!(out, "<h1>{}</h1>", failed.status().reason())?;
    Ok("text/html; charset=utf-8")
}

/// Where nothing says otherwise.
const BYTES_MAX: u64 = 1000;

fn guarded() -> Routes<ListOf<User>> {
    // A slow machine must not turn an answer into a 504.
    let patient = 30.secs();
    let write = || chain(write_note).deadline(patient);
    let api = Routes::new()
        .before(chain(in_api))
        .post("/notes/{id}", write());
    let signed = Routes::new()
        .before(chain(check_signature))
        .before(chain(in_api))
        .post("/{id}", write());
    Routes::new()
        .resource(Users, Sqlite::open("users.db"))
        .renderer(render)
        .post("/free/{id}", write())
        .before(request_id())
        .before(chain(guard))
        .before(chain(find_user).then(name_user))
        .get("/plain", chain(plain).deadline(patient))
        .post("/notes/{id}", write())
        .post("/stream", chain(take).then(say_taken).deadline(patient))
        .mount("/api", api)
        .mount("/signed", signed)
}

fn limits() -> Limits {
    Limits {
        body_bytes_max: BYTES_MAX,
        ..Limits::default()
    }
}

fn app(routes: Routes<ListOf<User>>) -> App {
    let app = App::new(routes.build().unwrap()).limits(limits());
    app.script(Users, |_| ScriptedAnswer::row((7,)));
    app
}

fn ask(app: &App, bytes: &str) -> Response {
    let client = app.client();
    client.send(bytes.as_bytes());
    client.response()
}

fn detail(response: &Response) -> String {
    let problem: serde_json::Value = response.json();
    assert_eq!(problem["status"], response.status().code());
    // The response and its problem have one id, or none.
    assert_eq!(
        problem["request_id"].as_str(),
        response.field("X-Request-Id")
    );
    problem["detail"].as_str().unwrap_or_default().to_owned()
}

fn head(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

const JSON: &str = "Content-Type: application/json\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

fn chunk(length: usize) -> String {
    format!("{length:x}\r\n{}\r\n", "x".repeat(length))
}

/// Every answer that the engine makes by itself where it knows the request, with what is wrong.
fn refused_behind_chains(prefix: &str) -> Vec<(String, u16, String)> {
    let large = BYTES_MAX as usize + 1;
    let note = format!("POST {prefix}/notes/7");
    let length = format!("Content-Length: {large}\r\n");
    let json = |content: &str| {
        let length = content.len();
        let fields = format!("{JSON}Content-Length: {length}\r\n");
        head(&note, &fields) + content
    };
    let too_large = "body more than 1000 bytes";
    let case = |request: String, status, detail: &str| (request, status, detail.to_owned());
    vec![
        // Told by the head.
        case(head(&note, &format!("{JSON}{length}")), 413, too_large),
        case(
            head(&note, &format!("{JSON}{length}Expect: 100-continue\r\n")),
            413,
            too_large,
        ),
        case(
            head(&note, "Content-Length: 9\r\n"),
            415,
            "body application/json",
        ),
        case(
            head(&note, "Content-Type: text/html\r\nContent-Length: 9\r\n"),
            415,
            "body application/json",
        ),
        // Told while the content comes.
        case(
            head(&note, &format!("{JSON}{CHUNKED}")) + &chunk(large - 1) + &chunk(1),
            413,
            too_large,
        ),
        case(
            head(&note, &format!("{JSON}{CHUNKED}")) + "ffffffffffffffff\r\nx",
            413,
            too_large,
        ),
        case(
            head(&note, &format!("{JSON}{CHUNKED}")) + "4\r\nabcdX",
            400,
            "body a chunk does not end in CR LF",
        ),
        case(
            head(&note, &format!("{JSON}Content-Length: 9\r\n")) + "{",
            408,
            "body too slow",
        ),
        // Told by what is read of it.
        case(json("{"), 400, "body json at line 1 column 1"),
        case(json("{}"), 422, "body text"),
        case(
            json(r#"{"text":"a"}"#).replace("/7 ", "/x "),
            400,
            "path id",
        ),
        case(
            json(r#"{"text":"a"}"#).replace("/7 ", "/7?page=x "),
            400,
            "query page",
        ),
    ]
}

/// Those that no mount has to do with.
fn refused_outermost() -> Vec<(String, u16, String)> {
    let large = BYTES_MAX as usize + 1;
    let length = format!("Content-Length: {large}\r\n");
    let case = |request: String, status, detail: &str| (request, status, detail.to_owned());
    vec![
        case(head("GET /nowhere", ""), 404, "route /nowhere"),
        case(head("PUT /notes/7", ""), 405, "method /notes/7"),
        // The content is none of their business, however much of it there is.
        case(head("POST /nowhere", &length), 404, "route /nowhere"),
        case(
            head("POST /nowhere", CHUNKED) + &chunk(large),
            404,
            "route /nowhere",
        ),
        case(head("PUT /notes/7", &length), 405, "method /notes/7"),
        case(
            head("POST /nowhere", CHUNKED) + "x\r\n",
            400,
            "body a chunk size is malformed",
        ),
        // A route that does not read it.
        case(
            head("GET /plain", &length),
            413,
            "body more than 1000 bytes",
        ),
        case(
            head("POST /stream", &length),
            413,
            "body more than 1000 bytes",
        ),
        case(
            head("POST /stream", CHUNKED) + &chunk(large),
            413,
            "body more than 1000 bytes",
        ),
        case(
            head("POST /stream", CHUNKED) + "x\r\n",
            400,
            "body a chunk size is malformed",
        ),
    ]
}

#[test]
fn what_is_refused_behind_its_head_passes_the_chains() {
    let app = app(guarded());
    let check = |prefix: &str, (request, status, expected): (String, u16, String)| {
        let response = ask(&app, &request);
        let context = format!("{request:?}: {response:?}");
        assert_eq!(response.status().code(), status, "{context}");
        assert_eq!(detail(&response), expected, "{context}");
        assert!(response.field("X-Request-Id").is_some(), "{context}");
        assert!(
            response.field("Content-Security-Policy").is_some(),
            "{context}"
        );
        assert_eq!(response.field("X-User"), Some("7"), "{context}");
        let is_in_api = prefix == "/api";
        assert_eq!(response.field("X-Api").is_some(), is_in_api, "{context}");

        let timeline = response.timeline().assert_tiles();
        for kind in [MarkKind::Admitted, MarkKind::Parked, MarkKind::Failed] {
            assert!(timeline.has(kind), "{timeline}");
        }
        let why = timeline.record().why().unwrap();
        assert_eq!(format!("{} {}", why.what, why.key), expected, "{context}");
        assert!(timeline.steps().len() >= 4, "{timeline}");

        // The same for a browser: its renderer has seen it.
        let page = ask(
            &app,
            &request.replacen("Host: a\r\n", "Host: a\r\nAccept: text/html\r\n", 1),
        );
        assert_eq!(page.status().code(), status);
        let reason = page.status().reason();
        assert_eq!(page.text(), format!("<h1>{reason}</h1>"), "{context}");
        assert!(page.field("X-Request-Id").is_some());
    };
    for prefix in ["", "/api"] {
        for case in refused_behind_chains(prefix) {
            check(prefix, case);
        }
    }
    for case in refused_outermost() {
        check("", case);
    }
    app.finish();
}

/// A chain that takes the content cannot run without it, nor can what stands behind it.
#[test]
fn a_chain_that_takes_the_content_does_not_run_without_it() {
    let app = app(guarded());
    let whole = head("POST /signed/7", &format!("{JSON}Content-Length: 12\r\n"));
    let response = ask(&app, &(whole + r#"{"text":"a"}"#));
    assert_eq!(response.text(), "2");
    assert_eq!(response.field("X-Signed"), Some("12"));

    let large = head("POST /signed/7", &format!("{JSON}Content-Length: 1001\r\n"));
    let response = ask(&app, &large);
    assert_eq!(detail(&response), "body more than 1000 bytes");
    assert_eq!(response.field("X-User"), Some("7"));
    assert_eq!(response.field("X-Signed"), None);
    assert_eq!(response.field("X-Api"), None);
    app.finish();
}

/// Without a chain before it a refusal is answered at once, and says the same.
#[test]
fn without_a_chain_a_refusal_waits_for_nobody() {
    let app = app(guarded());
    for (request, status, expected) in refused_behind_chains("/free")
        .into_iter()
        .map(|(request, status, detail)| (request.replace("/free/notes", "/free"), status, detail))
        .take(8)
    {
        let response = ask(&app, &request);
        assert_eq!(response.status().code(), status, "{request:?}");
        assert_eq!(detail(&response), expected, "{request:?}");
        assert!(response.field("Content-Security-Policy").is_none());
        let timeline = response.timeline().assert_tiles();
        assert!(timeline.has(MarkKind::Refused), "{timeline}");
        assert!(!timeline.has(MarkKind::Enqueued), "{timeline}");
    }
    app.finish();
}

/// What cannot be read as a request has no route, and so no chain: nobody asks for its id.
#[test]
fn what_is_refused_at_its_head_passes_no_chain() {
    let app = app(guarded());
    let long = "x".repeat(9000);
    let cases = [
        (head("BREW /notes/7", ""), 501),
        (
            head("POST /notes/7", "Transfer-Encoding: gzip, chunked\r\n"),
            501,
        ),
        ("GET /plain HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), 505),
        ("GET /plain\r\nHost: a\r\n\r\n".to_owned(), 400),
        (head("GET /plain", "Host: b\r\n"), 400),
        (head("POST /notes/7", "Content-Length: x\r\n"), 400),
        (head(&format!("GET /{long}"), ""), 414),
        (head("GET /plain", &"a: b\r\n".repeat(100)), 431),
        (head("GET /plain", "Expect: more\r\n"), 417),
        ("GET /plain HT".to_owned(), 408),
    ];
    for (request, status) in cases {
        let response = ask(&app, &request);
        assert_eq!(response.status().code(), status, "{request:?}");
        assert!(detail(&response).starts_with("request "), "{response:?}");
        assert!(response.field("Content-Security-Policy").is_none());
        assert_eq!(response.field("Connection"), Some("close"));
        let timeline = response.timeline().assert_tiles();
        assert!(timeline.has(MarkKind::Refused), "{timeline}");
        // Nobody is to fill the trace of what went wrong here by what he sends.
        let reasons = timeline.record().reasons;
        assert_eq!(reasons.names().next(), None, "{timeline}");
    }
    // By their statuses they count as what they are.
    assert_eq!(app.stats().reply_count, [0, 0, 0, 0, 7, 3]);
    app.finish();
}

#[test]
fn a_chain_answers_in_place_of_a_refusal() {
    let app = app(guarded());
    let ask = |field: &str| {
        let fields = format!("{JSON}Content-Length: 2000\r\nExpect: 100-continue\r\n{field}\r\n");
        ask(&app, &head("POST /notes/7", &fields))
    };
    let response = ask("X-Key: wrong");
    response.assert_status(Status::UNAUTHORIZED);
    assert_eq!(detail(&response), "key x-key");
    assert_eq!(response.field("Connection"), Some("close"));
    let response = ask("X-Key: panic");
    response.assert_status(Status::INTERNAL_SERVER_ERROR);
    assert!(response.field("X-Request-Id").is_some());
    // Neither has left anything behind for the next refusal.
    assert_eq!(detail(&ask("X-Key: right")), "body more than 1000 bytes");
    assert_eq!(app.stats().panic_count, 1);
    app.finish();
}

/// What the chains before a refusal take counts against the deadline of its route, from the moment
/// on at which it was refused.
#[test]
fn a_refusal_has_the_deadline_of_its_route() {
    let routes = || {
        let brief = chain(write_note).deadline(50.millis());
        Routes::new()
            .resource(Users, Sqlite::open("users.db"))
            .before(chain(find_user).then(name_user))
            .post("/notes/{id}", brief)
            .build()
            .unwrap()
    };
    let slow = |length: Duration| {
        let app = App::new(routes()).limits(limits());
        app.script(Users, move |_| ScriptedAnswer::row((7,)).after(length));
        // Slow content: what it has taken is not held against what comes after it.
        let fields = format!("{JSON}Content-Length: 9\r\n");
        ask(&app, &(head("POST /notes/7", &fields) + "{"))
    };
    let response = slow(40.millis());
    response.assert_status(Status::REQUEST_TIMEOUT);
    response
        .timeline()
        .assert_stages(&[(Stage::Read, 10.secs()), (Stage::Park, 40.millis())]);
    let response = slow(60.millis());
    response.assert_status(Status::GATEWAY_TIMEOUT);
    response
        .timeline()
        .assert_stages(&[(Stage::Read, 10.secs()), (Stage::Park, 50.millis())]);
}

fn stamp(cx: &mut Cx) -> Step {
    cx.response_header("X-Stamp", "1")?;
    match cx.request().field("x-key") {
        Some(b"wrong") => fail(Unauthorized, "key", "x-key"),
        _ => Continue,
    }
}

fn serve() -> Server {
    let patient = 30.secs();
    let routes: BuiltRoutes = Routes::new()
        .before(chain(stamp))
        .post("/notes/{id}", chain(write_note).deadline(patient))
        .post(
            "/stream",
            (chain(take).then(say_taken))
                .body_bytes_max(1 << 30)
                .deadline(patient),
        )
        .get("/plain", chain(plain).deadline(patient))
        .build()
        .unwrap();
    Server::start(routes, limits())
}

thread_local! {
    /// The simulated machine's, so that a step can take its time.
    static CLOCK: RefCell<Option<ManualClock>> = const { RefCell::new(None) };
}

fn wait(cx: &mut Cx<Writes<Waited>>) -> Step {
    cx.need(cx.timer(20.millis()).into(Waited))
}

/// Computes for 60 ms.
fn work(cx: &mut Cx) -> Step {
    CLOCK.with_borrow(|clock| {
        let clock = clock.as_ref().unwrap();
        clock.advance(Nanos::from_millis(60));
    });
    cx.text("worked")
}

fn take_briefly(cx: &mut Cx<Writes<Taken>, Uses<Body>>) -> Step {
    cx.need(cx.body().bytes().timeout(20.millis()).into(Taken))
}

fn take_with_user(cx: &mut Cx<Writes<(Taken, User)>, Uses<(Body, Users)>>) -> Step {
    let user = cx.on(Users).query_one("SELECT 7");
    let taken = cx.body().bytes().timeout(20.millis());
    cx.need((taken.into(Taken), user.into(User)))
}

/// A service in which a user is found 20 ms after he is asked for, or after what a test says.
fn slow_app() -> App {
    let find = || chain(find_user).then(name_user).then(plain);
    let routes = Routes::new()
        .resource(Users, Sqlite::open("users.db"))
        .get("/user", find().deadline(50.millis()))
        .get("/timer", chain(wait).then(plain).deadline(50.millis()))
        .get("/timer/work", chain(wait).then(work).deadline(45.millis()))
        .get("/work", chain(work).deadline(5.millis()))
        .get("/plain", chain(plain).deadline(50.millis()))
        .post(
            "/stream",
            (chain(take).then(say_taken)).deadline(50.millis()),
        )
        .post("/stream/brief", chain(take_briefly).then(say_taken))
        .post("/stream/user", chain(take_with_user).then(say_taken));
    let app = App::new(routes.build().unwrap());
    app.script(Users, |_| ScriptedAnswer::row((7,)).after(20.millis()));
    let clock = app.simulation(|simulation| simulation.clock());
    CLOCK.set(Some(clock));
    app
}

/// A request that is late says what it waited for when its deadline passed, by its timeline.
#[test]
fn a_late_request_says_what_it_waited_for() {
    let app = slow_app();
    let late = |after: Duration| {
        app.script(Users, move |_| ScriptedAnswer::row((7,)).after(after));
        let response = app.get("/user").send();
        response.assert_status(Status::GATEWAY_TIMEOUT);
        (response.timeline()).assert_stages(&[(Stage::Park, 50.millis())]);
        detail(&response)
    };
    // It comes with the deadline, or never.
    assert_eq!(late(50.millis()), "effect User");
    assert_eq!(late(60.secs()), "effect User");
    let stats = app.stats();
    assert_eq!((stats.timed_out_count, stats.expired_count), (2, 0));

    // It comes in time, but something more urgent comes with it.
    let (timer, urgent) = (app.get("/timer").start(), app.get("/timer/work").start());
    let response = timer.wait();
    assert_eq!(detail(&response), "queue too long");
    response
        .timeline()
        .assert_stages(&[(Stage::Park, 20.millis()), (Stage::QueueWait, 60.millis())]);
    assert!(detail(&urgent.wait()).starts_with("step "));
    let stats = app.stats();
    assert_eq!((stats.timed_out_count, stats.expired_count), (2, 1));

    // Before its first step.
    let (urgent, waiting) = (app.get("/work").start(), app.get("/plain").start());
    assert_eq!(detail(&waiting.wait()), "queue too long");
    urgent.wait();
    app.finish();
}

/// Content that does not come in time is its client's doing, however its time was said.
#[test]
fn late_content_is_no_fault_of_the_server() {
    let app = slow_app();
    for (target, millis) in [("/stream", 50), ("/stream/brief", 20), ("/stream/user", 20)] {
        let stream = head(&format!("POST {target}"), "Content-Length: 9\r\n");
        let response = ask(&app, &(stream.clone() + "abc"));
        response.assert_status(Status::REQUEST_TIMEOUT);
        assert_eq!(detail(&response), "body too slow", "{target}");
        (response.timeline()).assert_stages(&[(Stage::Park, millis.millis())]);

        // Its last byte comes with the end of its time.
        let client = app.client();
        client.send((stream + "abc").as_bytes());
        app.advance(millis.millis());
        client.send(b"defghi");
        let response = client.response();
        response.assert_status(Status::REQUEST_TIMEOUT);
        assert_eq!(detail(&response), "body too slow", "{target}");
    }
    app.finish();
}

/// A client that writes all it has before it reads: nothing of the answer is lost, though most of the
/// content is never looked at (<https://www.rfc-editor.org/rfc/rfc9112#section-9.6>).
#[test]
fn an_answer_survives_content_that_nobody_takes() {
    const LENGTH: usize = 4 << 20;
    let server = serve();
    let length = format!("Content-Length: {LENGTH}\r\n");
    let content = "x".repeat(LENGTH);
    let in_chunks = format!("{LENGTH:x}\r\n{content}\r\n0\r\n\r\n");
    let cases = [
        ("POST /notes/7", JSON, 413, 413),
        // Only its length tells before its type.
        ("POST /notes/7", "Content-Type: text/html\r\n", 413, 415),
        ("POST /notes/7", "X-Key: wrong\r\n", 401, 401),
        ("POST /stream", "X-Key: wrong\r\n", 401, 401),
        ("GET /plain", "", 413, 413),
        ("GET /plain", "X-Key: wrong\r\n", 401, 401),
        ("POST /nowhere", "", 404, 404),
        ("POST /nowhere", "X-Key: wrong\r\n", 401, 401),
        ("PUT /plain", "", 405, 405),
    ];
    for (line, fields, by_length, by_chunk) in cases {
        for (framing, content, status) in [
            (length.as_str(), &content, by_length),
            (CHUNKED, &in_chunks, by_chunk),
        ] {
            let mut client = client::Client::connect(server.address);
            client.send(head(line, &format!("{fields}{framing}")));
            client.send(content);
            let response = client.response();
            let context = format!("{line} {fields:?} {framing:?}: {response:?}");
            assert_eq!(response.status, status, "{context}");
            assert_eq!(response.field("x-stamp"), Some("1"), "{context}");
            // How much is left of a stream in chunks shows only behind its answer.
            let may_end_soon = line == "POST /stream" && framing == CHUNKED;
            assert!(response.closes() || may_end_soon, "{context}");
            // To its orderly end: no reset, and no further byte.
            assert_eq!(client.rest(), b"", "{context}");
        }
    }
    let stats = server.stop();
    assert_eq!(stats.request_count, 18, "{stats:?}");
}
