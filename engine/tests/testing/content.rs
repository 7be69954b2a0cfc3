//! Steps that take the content of their request, without a shard.

use cutaway::Failure;
use cutaway::prelude::*;
use cutaway::testing::{self, App, ScriptedAnswer};

use crate::service::Blog;

slot!(pub Title<'r>: Post<'r>);
slot!(pub Length: usize);
slot!(pub Again: Vec<u8>);
slot!(pub One: (i64,));

#[derive(serde::Deserialize)]
pub struct Post<'r> {
    title: &'r str,
}

fn take(cx: &mut Cx<Writes<Title>, Uses<Body>>) -> Step {
    cx.need(cx.body().json().into(Title))
}

fn show(cx: &mut Cx<Reads<Title>>) -> Step {
    let title = cx.get(Title).title;
    cx.text(title)
}

fn measure(cx: &mut Cx<Writes<Length>, Uses<Body>>) -> Step {
    cx.need(cx.body().fold(0, add).into(Length))
}

fn add(length: &mut usize, piece: &[u8]) -> Result<(), Failure> {
    if piece == b"!" {
        return fail(Conflict, "mark", "!").map(|_| ());
    }
    assert!(piece != b"?", "a fold that panics");
    assert!(!piece.is_empty(), "a piece without a byte");
    *length += piece.len();
    Ok(())
}

fn take_again(cx: &mut Cx<Writes<Again>, Uses<Body>>) -> Step {
    cx.need(cx.body().bytes().into(Again))
}

fn end(cx: &mut Cx<Reads<Length>>) -> Step {
    cx.json(cx.get(Length))
}

fn take_and_ask(cx: &mut TakeAndAsk<'_>) -> Step {
    let one = cx.on(Blog).query_one("SELECT 1");
    cx.need((cx.body().bytes().into(Again), one.into(One)))
}

type TakeAndAsk<'r> = Cx<'r, Writes<(Again, One)>, Uses<(Body, Blog)>>;

#[test]
fn content_is_what_the_test_has_given() {
    let post = || testing::post("/posts").json(&serde_json::json!({"title": "a \"b\""}));
    assert_eq!(post().run_chain(chain(take).then(show)).text(), "a \"b\"");
    let tested = testing::post("/")
        .body("content")
        .run_chain(chain(measure).then(end));
    assert_eq!(tested.slot(Length, |length| *length), Some(7));
    let tested = testing::post("/").run_chain(chain(measure).then(end));
    assert_eq!(tested.slot(Length, |length| *length), Some(0));
}

#[test]
fn what_is_wrong_with_it_fails_the_request() {
    let post = |content: &'static str| testing::post("/").body(content);
    let json = |content| post(content).field("content-type", "application/json");
    post("{}").run_chain(chain(take).then(show)).assert_fails(
        UnsupportedMediaType,
        "body",
        "application/json",
    );
    json("{").run_chain(chain(take).then(show)).assert_fails(
        BadRequest,
        "body",
        "json at line 1 column 1",
    );
    json("{}")
        .run_chain(chain(take).then(show))
        .assert_fails(Unprocessable, "body", "title");
    post("!")
        .run_chain(chain(measure))
        .assert_fails(Conflict, "mark", "!");
    let panicked = post("?").run_chain(chain(measure));
    assert_eq!(
        panicked.failure().map(Failure::key),
        Some("a fold that panics")
    );
    let twice = post("a").run_chain(chain(measure).then(take_again));
    let failure = twice.failure().expect("it takes the content twice");
    assert_eq!(failure.key(), "took the content a second time");
    assert!(failure.what().ends_with("take_again"));
}

#[test]
fn other_effects_beside_it_are_answered_or_not() {
    let post = || testing::post("/").body("content");
    let tested = post().answer(ScriptedAnswer::row((1,))).run(take_and_ask);
    assert_eq!(tested.decision(), Ok(Decision::Continue));
    assert_eq!(tested.slot(Again, Vec::len), Some(7));
    let chained = post().run_chain(chain(take_and_ask));
    assert_eq!(chained.decision(), Ok(Decision::Need));
}

#[test]
fn a_fold_that_panics_is_told_however_late_it_is() {
    fn holds_the_core(cx: &mut Cx) -> Step {
        testing::spend(20.millis());
        cx.empty()
    }
    let hold = chain(holds_the_core).class(Interactive);
    let routes = Routes::new()
        .post("/measure", chain(measure).then(end).deadline(10.millis()))
        .get("/hold", hold.deadline(5.millis()))
        .build()
        .unwrap();
    let app = App::new(routes);
    let (upload, other) = (app.client(), app.client());
    upload.send(b"POST /measure HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
    app.advance(1.millis());
    let held = other.get("/hold").start();
    upload.send(b"?");
    let response = upload.response();
    response.assert_status(Status::INTERNAL_SERVER_ERROR);
    assert_eq!(response.timeline().total(), 20.millis() + 1.millis());
    held.wait().assert_status(Status::GATEWAY_TIMEOUT);
    assert_eq!(app.stats().panic_count, 1);
    app.finish();
}
