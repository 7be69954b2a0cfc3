//! A full machine says so, and serves again once there is room: one test for each bound.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use cutaway::BuiltRoutes;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::shard::Close;
use cutaway_scheduler::Nanos;

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
use notes::{Notes, SCHEMA, count_for_ever, echo, load, plain, show};
use server::{Scratch, Server};

fn routes(sqlite: Sqlite) -> BuiltRoutes {
    let patient = 30.secs();
    Routes::new()
        .resource(Notes, sqlite.schema(SCHEMA))
        .get("/plain", chain(plain).deadline(patient))
        .post("/echo", chain(echo).deadline(patient))
        .get("/notes/{id}", chain(load).then(show).deadline(patient))
        .get(
            "/forever",
            chain(count_for_ever).then(plain).deadline(patient),
        )
        .build()
        .unwrap()
}

fn check_refusal(response: &Response) {
    assert_eq!(response.status, 503, "{response:?}");
    assert_eq!(response.field("retry-after"), Some("1"), "{response:?}");
    response.problem();
}

/// Asks, on a new connection each time, until there is room again.
fn check_recovery(address: SocketAddr, target: &str) {
    for _ in 0..2_000 {
        let mut client = Client::connect(address);
        client.send(get(target));
        if client.response().status == 200 {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("{target} is still refused");
}

/// A client whose requests to this target are on their way; dropping it resets its connection, so
/// that they are cancelled.
fn occupying(address: SocketAddr, target: &str, count: usize) -> Client {
    let mut client = Client::connect(address);
    client.send(get("/plain"));
    client.wait_for_bytes();
    client.send(get(target).repeat(count));
    client
}

#[test]
fn connections() {
    let scratch = Scratch::new("full");
    let limits = Limits {
        connections_max: 2,
        ..Limits::default()
    };
    let server = Server::start(routes(Sqlite::open(scratch.join("notes.db"))), limits);
    let mut served: Vec<Client> = (0..2).map(|_| Client::connect(server.address)).collect();
    for client in &mut served {
        assert_eq!(client.get("/plain").status, 200);
    }
    // One more is told so without having asked.
    let mut refused = Client::connect(server.address);
    let response = refused.response();
    check_refusal(&response);
    assert!(response.closes());
    assert!(refused.is_ended());
    // So are others, until there is not even room to say so; none of them hangs.
    let crowd: Vec<Client> = (0..100).map(|_| Client::connect(server.address)).collect();
    let mut told_count = 0;
    for mut client in crowd {
        let last_words = client.rest_or_reset();
        told_count += usize::from(last_words.starts_with(b"HTTP/1.1 503 "));
        assert!(last_words.is_empty() || last_words.starts_with(b"HTTP/1.1 503 "));
    }
    assert!(told_count > 0);
    // Those who were served notice nothing.
    for client in &mut served {
        assert_eq!(client.get("/notes/2").text(), "two");
    }
    drop(served);
    check_recovery(server.address, "/plain");
    assert!(server.stop().closed(Close::TooMany) >= 101);
}

#[test]
fn requests() {
    let scratch = Scratch::new("full");
    let limits = Limits {
        requests_max: 2,
        ..Limits::default()
    };
    let sqlite = Sqlite::open(scratch.join("notes.db")).readers(3);
    let server = Server::start(routes(sqlite), limits);
    let occupying = occupying(server.address, "/forever", 2);
    let mut client = Client::connect(server.address);
    let response = client.get("/plain");
    check_refusal(&response);
    assert!(!response.closes(), "what is not in doubt stays open");
    client.send("HEAD /plain HTTP/1.1\r\nHost: a\r\n\r\n");
    let of_head = client.response_to("HEAD");
    assert_eq!(
        (of_head.status, of_head.content_length()),
        (503, response.body.len())
    );
    client.send("GET /plain HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.response().field("connection"), Some("keep-alive"));
    // A request that cannot be read is refused as well as may be.
    let mut broken = Client::connect(server.address);
    broken.send("\0");
    check_refusal(&broken.response());
    assert!(broken.is_ended());

    drop(occupying);
    check_recovery(server.address, "/plain");
    assert_eq!(client.get("/notes/2").text(), "two");
    drop(client);
    let stats = server.stop();
    assert!(stats.refused_slot_count >= 4);
    assert_eq!(stats.cancelled_count, 2);
}

#[test]
fn queue() {
    let scratch = Scratch::new("full");
    let limits = Limits {
        queue_depth_max: 1,
        ..Limits::default()
    };
    let server = Server::start(routes(Sqlite::open(scratch.join("notes.db"))), limits);
    let mut client = Client::connect(server.address);
    // Requests that arrive together are queued together.
    client.send(get("/plain").repeat(16));
    let responses: Vec<Response> = (0..16).map(|_| client.response()).collect();
    let answered = responses
        .iter()
        .filter(|response| response.status == 200)
        .count();
    for response in responses.iter().filter(|response| response.status != 200) {
        check_refusal(response);
    }
    assert!((1..16).contains(&answered), "{answered} of 16");
    assert_eq!(client.get("/plain").status, 200);
    assert_eq!(client.get("/notes/2").text(), "two");
    drop(client);
    assert_eq!(server.stop().refused_queue_count, 16 - answered as u64);
}

#[test]
fn effects() {
    let scratch = Scratch::new("full");
    let sqlite = Sqlite::open(scratch.join("notes.db")).in_flight_max(1);
    let server = Server::start(routes(sqlite), Limits::default());
    let occupying = occupying(server.address, "/forever", 1);
    let mut client = Client::connect(server.address);
    check_refusal(&client.get("/notes/2"));
    assert_eq!(
        client.get("/plain").status,
        200,
        "what needs no effect is answered"
    );
    drop(occupying);
    check_recovery(server.address, "/notes/2");
    assert_eq!(client.get("/notes/3").text(), "three");
    drop(client);
    assert!(server.stop().refused_effect_count >= 1);
}

#[test]
fn receive_buffers() {
    let scratch = Scratch::new("full");
    let limits = Limits {
        receive_buffers: 2,
        receive_buffer_bytes: 256,
        ..Limits::default()
    };
    let server = Server::start(routes(Sqlite::open(scratch.join("notes.db"))), limits);
    let content = "0123456789".repeat(2_000);
    let upload = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{content}",
        content.len()
    );
    let mut clients: Vec<Client> = (0..32).map(|_| Client::connect(server.address)).collect();
    for _ in 0..5 {
        for client in &mut clients {
            client.send(get("/plain") + &upload + &get("/notes/2"));
        }
        for client in &mut clients {
            assert_eq!(client.response().text(), "Hello, World!");
            assert_eq!(client.response().text(), content);
            assert_eq!(client.response().text(), "two");
        }
    }
    drop(clients);
    assert_eq!(server.stop().request_count, 32 * 5 * 3);
}

/// A drain lets many idle connections linger; when their time is up, the shard dozes. Everything the
/// turn submits that ends them has to reach the kernel before the core sleeps, and so has the task
/// work that one `enter` leaves undone: otherwise the drain never ends.
#[test]
fn a_shard_that_dozes_off_has_told_the_kernel_everything() {
    let limits = Limits {
        linger_timeout: Nanos::from_millis(200),
        ..Limits::default()
    };
    let routes = Routes::new().get("/plain", chain(plain)).build().unwrap();
    let server = Server::start(routes, limits);
    let mut clients: Vec<Client> = (0..100).map(|_| Client::connect(server.address)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/plain").status, 200);
    }
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || tell.send(Box::new(server.stop())).is_ok());
    // Far more than it takes; a server that left something behind would never end.
    let stats = told
        .recv_timeout(Duration::from_secs(30))
        .expect("the drain ends");
    assert_eq!(stats.closed(Close::Draining), 100);
    drop(clients);
}
