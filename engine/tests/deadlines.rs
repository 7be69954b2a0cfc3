//! Deadlines, locks and clients that leave: what waits in SQLite keeps nobody else waiting.
//!
//! Nothing here looks at a clock: a request is shown to be slow by what is answered before it.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::thread;
use std::time::Duration;

use cutaway::BuiltRoutes;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::shard::{Close, ShardStats};

#[path = "harness/client.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod client;
#[path = "harness/notes.rs"]
#[allow(dead_code, reason = "as above")]
mod notes;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;

use client::{Client, get};
use notes::{Notes, Rival, SCHEMA, changed, count_for_ever, hold_lock, load, plain, show, write};
use server::{Scratch, Server};

fn routes(notes: Sqlite, rival: Sqlite) -> BuiltRoutes {
    let (patient, brief) = (30.secs(), 60.millis());
    Routes::new()
        .resource(Notes, notes.schema(SCHEMA))
        .resource(Rival, rival)
        .get("/plain", chain(plain).deadline(patient))
        .get("/notes/{id}", chain(load).then(show).deadline(patient))
        .get(
            "/forever",
            chain(count_for_ever).then(plain).deadline(patient),
        )
        .get("/brief", chain(count_for_ever).then(plain).deadline(brief))
        .get("/lock", chain(hold_lock).then(changed).deadline(patient))
        .put("/notes/{id}", chain(write).then(changed).deadline(patient))
        .put("/brief/{id}", chain(write).then(changed).deadline(brief))
        .build()
        .unwrap()
}

/// A server that knows its reads to be quick: what it does not know shares a reader with what is
/// slow.
fn start(scratch: &Scratch, busy_timeout: Duration) -> Server {
    let sqlite = Sqlite::open(scratch.join("notes.db")).busy_timeout(busy_timeout);
    let server = Server::start(routes(sqlite.clone(), sqlite), Limits::default());
    let mut client = Client::connect(server.address);
    for _ in 0..20 {
        assert_eq!(client.get("/notes/1").text(), "one");
    }
    server
}

fn put(target: &str) -> String {
    format!("PUT {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
}

/// A client with this request on its way; dropping it resets its connection.
fn leaving(server: &Server, target: &str) -> Client {
    let mut client = Client::connect(server.address);
    client.send(get("/plain"));
    client.wait_for_bytes();
    client.send(get(target));
    client
}

/// A client whose request has the lock for writing. That it has it shows in that others do not get
/// it: their writes miss their deadline.
fn holding_lock(server: &Server) -> Client {
    let holder = leaving(server, "/lock");
    let mut other = Client::connect(server.address);
    for _ in 0..1_000 {
        other.send(put("/brief/3"));
        match other.response().status {
            200 => thread::sleep(Duration::from_millis(1)),
            503 | 504 => return holder,
            status => panic!("{status}"),
        }
    }
    panic!("the lock was never taken");
}

/// Stops the server; each request that was given up has left a job that came back late, or its
/// place in the ready queue if it never got so far.
fn check_late_results(server: Server, late_count: u64) -> ShardStats {
    let stats = server.stop();
    assert_eq!(
        stats.late_result_count + stats.stale_count,
        late_count,
        "{stats:?}"
    );
    assert!(stats.late_result_count > 0, "{stats:?}");
    stats
}

#[test]
fn a_query_that_never_ends_keeps_nobody_waiting() {
    let scratch = Scratch::new("deadlines");
    let server = start(&scratch, Duration::from_secs(5));
    let endless = leaving(&server, "/forever");
    let mut endless_too = Client::connect(server.address);
    endless_too.send(get("/brief"));
    let mut client = Client::connect(server.address);
    for _ in 0..50 {
        assert_eq!(client.get("/plain").text(), "Hello, World!");
    }
    // Its deadline answers for it, though no worker has said a word; the next on its connection is
    // read as always.
    let response = endless_too.response();
    assert_eq!(response.status, 504);
    response.problem();
    assert!(!response.closes());
    assert_eq!(endless_too.get("/notes/2").text(), "two");
    assert_eq!(client.get("/notes/3").text(), "three");
    drop((endless, endless_too, client));
    let stats = check_late_results(server, 2);
    assert_eq!(stats.timed_out_count, 1);
    assert_eq!(stats.cancelled_count, 1);
}

#[test]
fn a_lock_that_another_holds_keeps_only_writers_waiting() {
    let scratch = Scratch::new("deadlines");
    let server = start(&scratch, Duration::from_secs(25));
    let holder = holding_lock(&server);
    let mut writer = Client::connect(server.address);
    writer.send(put("/notes/1"));
    let mut reader = Client::connect(server.address);
    for _ in 0..20 {
        assert_eq!(reader.get("/notes/2").text(), "two");
        assert_eq!(reader.get("/plain").text(), "Hello, World!");
    }
    // A write whose deadline comes first is answered first, and is not done later.
    let mut hurried = Client::connect(server.address);
    hurried.send(put("/brief/2"));
    assert_eq!(hurried.response().status, 504);
    assert!(writer.is_waiting());
    drop(holder);
    assert_eq!(writer.response().text(), "1");
    assert_eq!(reader.get("/notes/1").text(), "new");
    assert_eq!(reader.get("/notes/2").text(), "two");
    drop((writer, reader, hurried));
    server.stop();
}

#[test]
fn a_lock_held_for_too_long_is_said_to_be_busy() {
    let scratch = Scratch::new("deadlines");
    let server = start(&scratch, Duration::from_millis(20));
    let holder = holding_lock(&server);
    let mut writer = Client::connect(server.address);
    writer.send(put("/notes/1"));
    let response = writer.response();
    assert_eq!(response.status, 503);
    assert_eq!(response.field("retry-after"), Some("1"));
    response.problem();
    drop(holder);
    // The lock is free as soon as the holder's job has ended.
    let is_free = (0..2_000).any(|_| {
        writer.send(put("/notes/1"));
        let status = writer.response().status;
        thread::sleep(Duration::from_millis(1));
        status == 200
    });
    assert!(is_free);
    assert_eq!(writer.get("/notes/1").text(), "new");
    drop(writer);
    server.stop();
}

#[test]
fn a_client_that_leaves_takes_its_job_along() {
    let scratch = Scratch::new("deadlines");
    let server = start(&scratch, Duration::from_secs(5));
    // More than there are readers, so that some are cancelled while they run and some in the queue.
    for _ in 0..4 {
        let leaving: Vec<Client> = (0..4).map(|_| leaving(&server, "/forever")).collect();
        drop(leaving);
    }
    // Readers that still computed would keep this one waiting.
    let mut client = Client::connect(server.address);
    assert_eq!(client.get("/notes/1").text(), "one");
    drop(client);
    let stats = check_late_results(server, 16);
    assert_eq!(stats.cancelled_count, 16);
    assert_eq!(stats.closed(Close::ClientGone), 16);
}
