//! Clients: on connections that stay, in pipelines, and gone.

use cutaway::prelude::*;
use cutaway::shard::Close;
use cutaway::testing::App;
use cutaway::testing::simulation::ClientEnd;
use cutaway::timeline::{MarkKind, Stage};

use crate::service::routes;

#[test]
fn a_connection_serves_one_request_after_another() {
    let app = App::new(routes());
    let client = app.client();
    for _ in 0..3 {
        client.get("/hello").send().assert_status(Status::OK);
        assert!(client.is_open());
    }
    assert_eq!(app.stats().accepted_count, 1);
    app.get("/hello").send();
    assert_eq!(app.stats().accepted_count, 2);
    assert_eq!(app.stats().closed(Close::PeerDone), 1, "its own connection");
    app.finish();
}

#[test]
fn a_reply_is_held_behind_the_one_before_it() {
    let app = App::new(routes());
    let client = app.client();
    let slow = client.get("/posts/1").start();
    let quick = client.get("/hello").start();
    let (slow, quick) = (slow.wait(), quick.wait());
    slow.assert_status(Status::NOT_FOUND);
    quick.assert_status(Status::OK);
    let parked = slow.timeline().stage(Stage::Park);
    quick.timeline().assert_stages(&[(Stage::Hold, parked)]);
    app.finish();
}

#[test]
fn a_head_has_no_content() {
    let app = App::new(routes());
    let client = app.client();
    let to_head = client.request(cutaway::http::Method::Head, "/hello").send();
    assert_eq!(to_head.field("Content-Length"), Some("13"));
    assert_eq!(to_head.body(), b"");
    assert_eq!(client.get("/hello").send().text(), "Hello, World!");
    app.finish();
}

#[test]
fn a_request_comes_in_pieces() {
    let app = App::new(routes());
    let client = app.client();
    client.send(b"GET /hello HTTP/1.1\r\nHo");
    app.advance(30.millis());
    client.send(b"st: a\r\n\r\n");
    let response = client.response();
    response.assert_status(Status::OK);
    response
        .timeline()
        .assert_stages(&[(Stage::Read, 30.millis())]);
    app.finish();
}

#[test]
fn content_comes_while_its_request_is_parked() {
    let app = App::new(routes());
    let client = app.client();
    client.send(
        b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n",
    );
    app.advance(2.millis());
    client.send(b"abc");
    app.advance(3.millis());
    client.send(b"def");
    let response = client.response();
    assert_eq!(response.assert_status(Status::OK).text(), "6");
    response
        .timeline()
        .assert_stages(&[(Stage::Park, 5.millis())]);
    app.finish();
}

#[test]
fn a_client_that_goes_away_cancels_its_request() {
    let app = App::new(routes());
    let pending = app.get("/posts/1").start();
    // The statement is under way for as long as the worker looks at its clock.
    app.simulation(|simulation| {
        while simulation.stats().request_count == 0 {
            simulation.turn();
        }
    });
    pending.disconnect();
    app.advance(5.millis());
    assert!(!pending.is_answered());
    let timeline = pending.timeline().unwrap();
    assert!(timeline.has(MarkKind::ClientGone), "{timeline}");
    assert_eq!(timeline.status(), 0);
    assert_eq!(app.timelines().len(), 1);
    assert_eq!(app.stats().cancelled_count, 1);
    assert_eq!(app.stats().late_result_count, 1);
    app.finish();
}

#[test]
fn a_client_that_does_not_read_keeps_its_reply_waiting() {
    let app = App::new(routes());
    let client = app.client();
    client.stop_reading();
    let pending = client.get("/hello").start();
    app.advance(5.millis());
    assert!(!pending.is_answered());
    client.read_again();
    assert!(app.get("/hello").send().has_timeline());
    assert_eq!(pending.wait().text(), "Hello, World!");
    app.finish();
}

#[test]
fn a_client_that_sends_no_more_is_answered_before_the_end() {
    let app = App::new(routes());
    let client = app.client();
    let pending = client.get("/posts/1").start();
    client.finish();
    pending.wait().assert_status(Status::NOT_FOUND);
    app.advance(1.millis());
    assert_eq!(client.end(), Some(ClientEnd::Finished));
    app.finish();
}
