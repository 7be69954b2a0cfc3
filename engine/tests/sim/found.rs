//! What the simulation, or a look at what it does not reach, has found: each as a small scene of its
//! own.

use cutaway::limits::Limits;
use cutaway::prelude::Durations;
use cutaway::shard::Close;
use cutaway::testing::simulation::{
    ClientEnd, Fault, FaultPlan, SimClient, SimConfig, Simulation, SimulationOptions,
};
use cutaway::timeline::Stage;
use cutaway_scheduler::{Clock, Nanos};

use crate::reply::Reply;
use crate::routes::{Home, pattern, work_by};

fn simulation(home: &Home, limits: Limits) -> Simulation {
    simulation_of(home, limits, SimConfig::new(1))
}

fn simulation_of(home: &Home, limits: Limits, config: SimConfig) -> Simulation {
    let options = SimulationOptions {
        limits,
        ..SimulationOptions::default()
    };
    let simulation =
        Simulation::with_options(home.routes.clone(), config, options).expect("the database opens");
    work_by(simulation.clock());
    simulation
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

/// All replies that a client has read; nothing else may stand between or behind them.
fn replies(client: &SimClient, is_to_head: &[bool]) -> Vec<Reply> {
    let read = client.take_read();
    let mut rest = &read[..];
    let mut replies = Vec::new();
    while !rest.is_empty() {
        let to_head = is_to_head.get(replies.len()).copied().unwrap_or(false);
        let (reply, len) = Reply::read(rest, to_head)
            .expect("well-formed")
            .expect("whole");
        replies.push(reply);
        rest = &rest[len..];
    }
    replies
}

fn statuses(client: &SimClient) -> Vec<u16> {
    replies(client, &[])
        .iter()
        .map(|reply| reply.status)
        .collect()
}

#[test]
fn what_one_client_did_not_take_is_not_sent_to_another() {
    let home = Home::new();
    let mut simulation = simulation(&home, Limits::default());
    let deaf = simulation.connect();
    deaf.stop_reading();
    deaf.send(&get("/large/40000").repeat(2));
    simulation.run_for(5.millis());
    // Its reply waits behind a send that does not end.
    deaf.send(&get("/json"));
    simulation.run_for(5.millis());
    deaf.reset();
    simulation.run_for(5.millis());
    let client = simulation.connect();
    client.send(&get("/plaintext"));
    simulation.run_for(5.millis());
    let replies = replies(&client, &[]);
    assert_eq!(replies[0].content, b"Hello, World!");
}

/// <https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2>: the server "MUST NOT send content" in
/// answer to a HEAD, be it for want of a slot.
#[test]
fn a_head_that_finds_no_slot_is_answered_without_content() {
    let home = Home::new();
    let mut simulation = simulation(
        &home,
        Limits {
            requests_max: 1,
            ..Limits::default()
        },
    );
    let client = simulation.connect();
    client.send(&get("/count/100000"));
    client.send(b"HEAD /plaintext HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send(b"GET /plaintext HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    simulation.run_for(20.millis());
    let replies = replies(&client, &[false, true, false]);
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [504, 503, 503]);
    assert!(replies[1].content.is_empty());
    // An HTTP/1.0 client takes silence for the end of the connection.
    assert_eq!(replies[2].field("Connection"), Some("keep-alive"));
}

/// <https://www.rfc-editor.org/rfc/rfc9112#section-9.6>: behind `Connection: close` nothing is read.
#[test]
fn a_drain_ends_a_pipeline_with_its_last_reply() {
    let home = Home::new();
    let mut simulation = simulation(&home, Limits::default());
    let client = simulation.connect();
    client.send(&get("/patient/1").repeat(3));
    while simulation.stats().request_count < 3 {
        simulation.turn();
    }
    simulation.drain(1.secs());
    simulation.run_for(50.millis());
    let replies = replies(&client, &[]);
    let last: Vec<_> = replies
        .iter()
        .map(|reply| (reply.status, reply.is_last()))
        .collect();
    assert_eq!(last, [(200, false), (200, false), (200, true)]);
    assert_eq!(client.end(), Some(ClientEnd::Finished));
}

#[test]
fn a_drain_lets_an_upload_that_has_begun_end() {
    let home = Home::new();
    let mut simulation = simulation(&home, Limits::default());
    let client = simulation.connect();
    client.send(&get("/patient/1"));
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    while simulation.stats().request_count < 1 {
        simulation.turn();
    }
    simulation.drain(1.secs());
    simulation.run_for(50.millis());
    client.send(b"cd");
    simulation.run_for(50.millis());
    let replies = replies(&client, &[]);
    assert_eq!(replies.len(), 2);
    assert!(!replies[0].is_last() && replies[1].is_last());
    assert_eq!(replies[1].content, b"abcd");
}

/// A drain must not wait for the idle timeout of a connection that has nothing to do.
#[test]
fn a_drain_ends_what_is_accepted_late_and_what_is_still_sending() {
    let home = Home::new();
    for seed in 0..60 {
        let mut simulation = simulation_of(&home, Limits::default(), SimConfig::new(seed));
        let sending = simulation.connect();
        sending.stop_reading();
        sending.send(&get("/large/40000"));
        simulation.run_for(5.millis());
        let late = simulation.connect();
        simulation.run_for(Nanos(seed * 2_000));
        simulation.drain(1.secs());
        sending.read_again();
        simulation.run_for(20.millis());
        for client in [&sending, &late] {
            client.finish();
        }
        simulation.run_for(20.millis());
        simulation.check_drained();
        assert_eq!(replies(&sending, &[])[0].content, pattern(40_000));
    }
}

#[test]
fn each_head_has_its_own_time() {
    let home = Home::new();
    let mut simulation = simulation(&home, Limits::default());
    let client = simulation.connect();
    client.send(b"G");
    for _ in 0..4 {
        // Well below the timeout; but part of the next head is always there.
        simulation.run_for(6.secs());
        client.send(b"ET /plaintext HTTP/1.1\r\nHost: a\r\n\r\nG");
        simulation.run_for(5.millis());
        assert_eq!(statuses(&client), [200]);
    }
    for record in simulation.kept() {
        let read = Nanos(record.sums[Stage::Read as usize]);
        assert!(
            read < Nanos::from_millis(6_100),
            "{read:?} for a head of 6 s"
        );
    }
}

#[test]
fn a_head_behind_the_parse_ahead_bound_is_not_timed() {
    let home = Home::new();
    let limits = Limits {
        parse_ahead_max: 1,
        head_timeout: Nanos::from_millis(2),
        ..Limits::default()
    };
    let mut simulation = simulation(&home, limits);
    let client = simulation.connect();
    client.send(&get("/count/100000"));
    client.send(b"GET /plaintext HTTP/1.1\r\n");
    while simulation.stats().reply_count.iter().sum::<u64>() == 0 {
        simulation.turn();
    }
    simulation.run_for(1.millis());
    client.send(b"Host: a\r\n\r\n");
    simulation.run_for(5.millis());
    assert_eq!(statuses(&client), [504, 200]);
}

/// All of them were there at once: what they waited for is the one before, not the client.
#[test]
fn every_request_behind_the_parse_ahead_bound_waits_in_the_queue() {
    let home = Home::new();
    let mut simulation = simulation(
        &home,
        Limits {
            parse_ahead_max: 2,
            ..Limits::default()
        },
    );
    let client = simulation.connect();
    client.send(&[get("/count/100000").repeat(2), get("/plaintext").repeat(4)].concat());
    simulation.run_for(40.millis());
    assert_eq!(statuses(&client).len(), 6);
    let mut waited = 0;
    for record in simulation.kept() {
        let [read, queued] =
            [Stage::Read, Stage::QueueWait].map(|stage| record.sums[stage as usize]);
        assert!(
            read < 1_000_000,
            "request {} read for {read} ns",
            record.request_id
        );
        waited += u64::from(queued > 3_000_000);
    }
    assert_eq!(waited, 4);
}

#[test]
fn a_drain_forgets_the_accept_that_was_to_be_tried_again() {
    let home = Home::new();
    let faults = FaultPlan::none().with(Fault::ProcessFiles, 1000);
    let config = SimConfig {
        faults,
        ..SimConfig::new(1)
    };
    let mut simulation = simulation_of(&home, Limits::default(), config);
    let _client = simulation.connect();
    simulation.run_for(5.millis());
    assert_eq!(simulation.stats().accept_failed_count, 1);
    simulation.drain(1.secs());
    simulation.run_for(5.millis());
    simulation.check_drained();
}

#[test]
fn a_connection_without_room_takes_nobody_elses_place() {
    let home = Home::new();
    let mut simulation = simulation(
        &home,
        Limits {
            connections_max: 1,
            ..Limits::default()
        },
    );
    let first = simulation.connect();
    simulation.run_for(5.millis());
    // More than are told that there is no room.
    let crowd: Vec<_> = (0..80).map(|_| simulation.connect()).collect();
    simulation.run_for(20.millis());
    assert_eq!(
        crowd.iter().filter(|client| client.end().is_some()).count(),
        crowd.len()
    );
    first.send(&get("/plaintext"));
    simulation.run_for(5.millis());
    assert_eq!(statuses(&first), [200]);
    assert!(simulation.stats().closed(Close::TooMany) > 0);
}

#[test]
fn who_is_slow_and_does_not_read_is_given_up() {
    let home = Home::new();
    let mut simulation = simulation(&home, Limits::default());
    let client = simulation.connect();
    client.stop_reading();
    // Fills the client's window and the server's send buffer but for a few bytes.
    client.send(&get("/large/24400"));
    simulation.run_for(100.millis());
    assert_eq!(simulation.kept().len(), 1, "the reply has left");
    client.send(b"GET");
    simulation.run_for(60.secs());
    let stats = simulation.stats();
    assert_eq!(stats.closed(Close::WriteTimeout), 1, "{stats:?}");
}

/// What the server needed to make a reply is not the client's delay.
#[test]
fn the_write_timeout_begins_with_the_reply() {
    let home = Home::new();
    let limits = Limits {
        write_timeout: Nanos::from_millis(50),
        timer_period_max: Nanos::from_millis(1),
        ..Limits::default()
    };
    let mut simulation = simulation(&home, limits);
    let client = simulation.connect();
    client.stop_reading();
    client.send(&get("/large/24400"));
    simulation.run_for(10.millis());
    client.send(&get("/work/60000"));
    simulation.run_for(80.millis());
    client.read_again();
    simulation.run_for(10.millis());
    assert_eq!(statuses(&client), [200, 504]);
}

#[test]
fn what_came_while_the_shard_was_held_up_is_not_late() {
    let home = Home::new();
    let limits = Limits {
        head_timeout: Nanos::from_millis(2),
        completions_per_turn: 1,
        ..Limits::default()
    };
    for seed in 0..30 {
        let mut simulation = simulation_of(&home, limits.clone(), SimConfig::new(seed));
        let client = simulation.connect();
        client.send(b"GET /plaintext HT");
        simulation.run_for(1.millis());
        client.send(b"TP/1.1\r\nHost: a\r\n\r\n");
        let _others = [simulation.connect(), simulation.connect()];
        // The bytes come in while the shard does not look, and it looks when their time is over.
        let until = simulation.clock().now() + Nanos::from_micros(800);
        while simulation.net().next_at().is_some_and(|at| at < until) {
            simulation.net().step();
        }
        simulation.clock().advance(Nanos::from_millis(5));
        simulation.run_for(5.millis());
        assert_eq!(statuses(&client), [200], "seed {seed}");
    }
}
