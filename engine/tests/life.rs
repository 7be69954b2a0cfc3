//! How a server begins and ends, shown on a process of its own: signals, drains, addresses that are
//! taken, and the quiet in between.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::shard::Close;
use cutaway::{BuiltRoutes, Engine, TraceMode};
use libc::{SIGINT, SIGTERM};

#[path = "harness/child.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
#[expect(unsafe_code, reason = "kill(2)")]
mod child;
#[path = "harness/client.rs"]
#[allow(dead_code, reason = "as above")]
mod client;
#[path = "harness/notes.rs"]
#[allow(dead_code, reason = "as above")]
mod notes;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;

use child::{ChildServer, fail_to_start};
use client::{Client, get};
use notes::{Notes, Rival, SCHEMA, changed, hold_lock, load, plain, show, write};
use server::{Scratch, Server};

/// Takes the shards' rings away from them, as no request can without being so rude.
fn sabotage(cx: &mut Cx) -> Step {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        let is_ring = std::fs::read_link(&path)
            .is_ok_and(|target| target.to_string_lossy().contains("io_uring"));
        if is_ring && let Some(number) = path.file_name().and_then(|name| name.to_str()) {
            child::close(number.parse()?);
        }
    }
    cx.text("gone")
}

fn routes(scratch: &str) -> BuiltRoutes {
    let patient = 60.secs();
    let sqlite = Sqlite::open(format!("{scratch}/notes.db")).busy_timeout(patient);
    Routes::new()
        .resource(Notes, sqlite.clone().schema(SCHEMA))
        .resource(Rival, sqlite)
        .get("/plain", chain(plain).deadline(patient))
        .get("/notes/{id}", chain(load).then(show).deadline(patient))
        .get("/sabotage", chain(sabotage))
        .get("/lock", chain(hold_lock).then(changed).deadline(patient))
        .get("/write/{id}", chain(write).then(changed).deadline(patient))
        .get(
            "/brief/{id}",
            chain(write).then(changed).deadline(60.millis()),
        )
        .build()
        .unwrap()
}

/// The server that the other tests start as a process of its own.
#[test]
#[ignore = "serves until it is told to stop; the other tests start it"]
fn serve() {
    let setting = |name: &str| std::env::var(name).ok();
    let mut limits = Limits::default();
    if let Some(millis) = setting("TEST_DRAIN_MS") {
        limits.drain_timeout = Duration::from_millis(millis.parse().unwrap()).into();
    }
    let address = setting("TEST_ADDRESS").unwrap_or("127.0.0.1:0".into());
    let engine = Engine::new(routes(&setting("TEST_SCRATCH").unwrap()))
        .address(address.parse().unwrap())
        .shards(setting("TEST_SHARDS").map_or(1, |count| count.parse().unwrap()))
        .trace(TraceMode::Slow)
        .limits(limits);
    let ended = engine.start().and_then(|running| {
        println!("listening on {}", running.address());
        running.wait()
    });
    let Err(error) = ended else {
        std::process::exit(0)
    };
    eprintln!("error: {error}");
    std::process::exit(1);
}

fn start(scratch: &Scratch, settings: &[(&str, &str)]) -> ChildServer {
    let scratch = scratch.path().to_str().unwrap();
    ChildServer::start(&[&[("TEST_SCRATCH", scratch)], settings].concat())
}

/// A client whose request has the lock for writing, and one whose write waits for it. Dropping the
/// first lets the second go on.
fn parked(server: &ChildServer) -> (Client, Client) {
    let mut holder = Client::connect(server.address);
    holder.send(get("/plain"));
    holder.wait_for_bytes();
    holder.send(get("/lock"));
    let mut writer = Client::connect(server.address);
    for _ in 0..1_000 {
        if writer.get("/brief/3").status != 200 {
            writer.send(get("/write/1"));
            return (holder, writer);
        }
    }
    panic!("the lock was never taken");
}

/// Waits until nobody can connect any more.
fn wait_for_refusal(server: &ChildServer) {
    for _ in 0..2_000 {
        if TcpStream::connect(server.address).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("connections are still accepted");
}

#[test]
fn a_signal_drains() {
    for signal in [SIGTERM, SIGINT] {
        let scratch = Scratch::new("life");
        let server = start(&scratch, &[]);
        let (holder, mut writer) = parked(&server);
        let mut idle = Client::connect(server.address);
        assert_eq!(idle.get("/notes/2").text(), "two");
        let mut silent = Client::connect(server.address);

        server.signal(signal);
        // Whoever asks for nothing is sent away, and nobody else comes in.
        assert!(idle.is_ended());
        assert!(silent.is_ended());
        wait_for_refusal(&server);
        // Who has asked gets an answer.
        assert!(writer.is_waiting());
        drop(holder);
        let response = writer.response();
        assert_eq!(response.text(), "1");
        assert!(response.closes());
        assert!(writer.is_ended());
        drop((writer, idle, silent));
        assert_eq!(server.end().code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let scratch = Scratch::new("life");
    let mut server = start(&scratch, &[]);
    let (_holder, mut writer) = parked(&server);
    let mut stderr = server.stderr();
    server.signal(SIGTERM);
    wait_for_refusal(&server);
    server.signal(SIGTERM);
    assert!(writer.rest_or_reset().is_empty(), "nothing was answered");
    assert_eq!(server.end().code(), Some(1));
    let mut words = String::new();
    stderr.read_to_string(&mut words).unwrap();
    assert!(words.contains("second signal"), "{words}");
}

#[test]
fn a_drain_that_takes_too_long_is_cut_off() {
    let scratch = Scratch::new("life");
    let server = start(&scratch, &[("TEST_DRAIN_MS", "50")]);
    let (_holder, mut writer) = parked(&server);
    server.signal(SIGTERM);
    assert!(writer.rest_or_reset().is_empty(), "nothing was answered");
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let scratch = Scratch::new("life");
    let settings = |address: &str| {
        let scratch = scratch.path().to_str().unwrap().to_owned();
        [
            ("TEST_SCRATCH", scratch),
            ("TEST_ADDRESS", address.to_owned()),
        ]
    };
    let check = |address: &str| {
        let settings = settings(address);
        let settings = settings
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let (status, words) = fail_to_start(&settings);
        assert_eq!(status.code(), Some(1), "{words}");
        let expected = format!("error: cannot listen on {address}: Address already in use");
        assert!(words.contains(&expected), "{words}");
    };
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    check(&other.local_addr().unwrap().to_string());
    // Another server of this kind is no better, though it shares its port among its shards.
    let server = start(&scratch, &[]);
    check(&server.address.to_string());
    assert_eq!(Client::connect(server.address).get("/plain").status, 200);
}

#[test]
fn a_shard_that_breaks_ends_the_server() {
    let scratch = Scratch::new("life");
    let mut server = start(&scratch, &[("TEST_SHARDS", "2")]);
    let mut stderr = server.stderr();
    let mut client = Client::connect(server.address);
    let mut parked = Client::connect(server.address);
    parked.send(get("/lock"));
    client.send(get("/sabotage"));
    assert_eq!(server.end().code(), Some(1));
    let mut words = String::new();
    stderr.read_to_string(&mut words).unwrap();
    assert!(
        words.contains("error: shard ") && words.contains(" ended: "),
        "{words}"
    );
}

#[test]
fn an_idle_server_sleeps() {
    let scratch = Scratch::new("life");
    let server = start(&scratch, &[]);
    let mut client = Client::connect(server.address);
    assert_eq!(client.get("/notes/2").text(), "two");
    // A moment to fall asleep, and one to be watched.
    thread::sleep(Duration::from_millis(200));
    let before = server.wake_ups();
    thread::sleep(Duration::from_millis(300));
    let after = server.wake_ups();
    assert!(
        before.iter().any(|(name, _)| name == "shard-0"),
        "{before:?}"
    );
    assert!(
        before.iter().any(|(name, _)| name == "Notes-r0.0"),
        "{before:?}"
    );
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        assert!(
            after - before < 10,
            "{name} was awake {} times",
            after - before
        );
    }
    // It wakes for a client it has, and for a new one.
    assert_eq!(client.get("/notes/2").text(), "two");
    assert_eq!(Client::connect(server.address).get("/plain").status, 200);
}

#[test]
fn every_shard_serves() {
    let scratch = Scratch::new("life");
    let routes = routes(scratch.path().to_str().unwrap());
    let server = Server::start_with(routes, |engine| engine.shards(2));
    // Which shard a connection goes to is decided by a hash of its addresses.
    let mut clients: Vec<Client> = (0..64).map(|_| Client::connect(server.address)).collect();
    for client in &mut clients {
        client.send(get("/plain") + &get("/notes/2"));
    }
    for client in &mut clients {
        assert_eq!(client.response().text(), "Hello, World!");
        assert_eq!(client.response().text(), "two");
    }
    drop(clients);
    let stats = server.stop_all();
    assert_eq!(
        stats.iter().map(|stats| stats.request_count).sum::<u64>(),
        128
    );
    for stats in stats {
        assert!(stats.accepted_count > 0);
        assert_eq!(stats.request_count, 2 * stats.accepted_count);
        assert_eq!(stats.closed(Close::ClientGone), 0);
    }
}
