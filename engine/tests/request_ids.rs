//! Ids of requests: one for each, the client's where it is fit, in answers, problems and timelines.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::collections::BTreeSet;

use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::testing::simulation::{SimConfig, Simulation};
use cutaway::{BuiltRoutes, chains};

#[path = "harness/client.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod client;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;

use client::{Client, Response, get};
use server::Server;

fn plain(cx: &mut Cx) -> Step {
    cx.text("Hello, World!")
}

fn says_id(cx: &mut Cx) -> Step {
    let id = cx.request_id();
    cx.text(id)
}

fn fails(_: &mut Cx) -> Step {
    fail(Conflict, "post", "7")
}

fn breaks(_: &mut Cx) -> Step {
    let number: u8 = "seven".parse()?;
    fail(Conflict, "post", number.to_string())
}

fn routes() -> BuiltRoutes {
    // A slow machine must not turn an answer into a 504.
    let patient = 30.secs();
    Routes::new()
        .get("/unasked", chain(fails).deadline(patient))
        .before(chains::request_id())
        .get("/plain", chain(plain).deadline(patient))
        .get("/id", chain(says_id).deadline(patient))
        .get("/conflict", chain(fails).deadline(patient))
        .get("/broken", chain(breaks).deadline(patient))
        .build()
        .unwrap()
}

fn id_of(response: &Response) -> &str {
    response.field("x-request-id").unwrap()
}

#[test]
fn every_request_of_every_shard_has_its_own() {
    let server = Server::start_with(routes(), |engine| engine.shards(2));
    let mut ids = BTreeSet::new();
    for _ in 0..20 {
        let mut client = Client::connect(server.address);
        client.send(get("/id").repeat(10));
        for _ in 0..10 {
            let response = client.response();
            let id = id_of(&response);
            assert_eq!(response.text(), id);
            assert!(id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()));
            assert!(ids.insert(id.to_owned()), "{id} is given twice");
        }
    }
    let beginnings: BTreeSet<&str> = ids.iter().map(|id| &id[..16]).collect();
    assert_eq!(beginnings.len(), 1, "of one process");
    server.stop_all();
}

#[test]
fn an_id_of_the_client_comes_back_where_it_is_fit() {
    let server = Server::start(routes(), Limits::default());
    let mut client = Client::connect(server.address);
    let mut ask = |value: &str| {
        client.send(format!(
            "GET /plain HTTP/1.1\r\nHost: a\r\nx-request-id: {value}\r\n\r\n"
        ));
        id_of(&client.response()).to_owned()
    };
    let longest = "x".repeat(128);
    for fit in ["7f3a", "0b5c-A_1.~", longest.as_str()] {
        assert_eq!(ask(fit), fit);
    }
    let too_long = "x".repeat(129);
    for unfit in ["", "two words", "<script>", "a\"b", too_long.as_str()] {
        assert_eq!(ask(unfit).len(), 32, "{unfit}");
    }
    drop(client);
    server.stop();
}

#[test]
fn failures_carry_it_where_somebody_has_asked() {
    let server = Server::start(routes(), Limits::default());
    let mut client = Client::connect(server.address);
    for (target, status) in [("/conflict", 409), ("/broken", 500), ("/nowhere", 404)] {
        let response = client.get(target);
        assert_eq!(response.status, status);
        assert_eq!(
            response.problem()["request_id"],
            id_of(&response),
            "{target}"
        );
    }
    client.send("PUT /plain HTTP/1.1\r\nHost: a\r\nX-Request-Id: of-mine\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, id_of(&response)), (405, "of-mine"));
    assert_eq!(response.problem()["request_id"], "of-mine");
    // Registered before the chain, and what is no request.
    let response = client.get("/unasked");
    assert_eq!(
        (response.status, response.field("x-request-id")),
        (409, None)
    );
    assert!(response.problem()["request_id"].is_null());
    client.send("nonsense\r\n\r\n");
    let response = client.response();
    assert_eq!(
        (response.status, response.field("x-request-id")),
        (400, None)
    );
    assert!(response.problem()["request_id"].is_null());
    server.stop();
}

/// The ids of a simulated run, as its client and as its timelines have them.
fn simulated(seed: u64) -> Vec<String> {
    let mut simulation = Simulation::new(routes(), SimConfig::new(seed)).unwrap();
    let client = simulation.connect();
    client.send(get("/id").repeat(3).as_bytes());
    client.send(get("/unasked").as_bytes());
    simulation.run_for(50.millis());
    let read = String::from_utf8(client.take_read()).unwrap();
    let fields = read
        .lines()
        .filter_map(|line| line.strip_prefix("X-Request-Id: "));
    let ids: Vec<String> = fields.map(str::to_owned).collect();
    let told = simulation.kept();
    let told: Vec<&str> = told.iter().map(|record| record.id()).collect();
    assert_eq!(told, [&ids[0], &ids[1], &ids[2], ""]);
    ids
}

#[test]
fn a_simulated_run_has_the_ids_of_its_seed() {
    assert_eq!(simulated(7), simulated(7));
    assert!(simulated(7).iter().all(|id| !simulated(8).contains(id)));
}
