//! The timelines that a server prints, read from its standard error.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::io::{BufRead, BufReader, Read};
use std::process::ChildStderr;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use cutaway::Engine;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use libc::SIGTERM;

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

use child::ChildServer;
use client::{Client, get};
use notes::{Notes, SCHEMA, count_for_ever, load, plain, show};
use server::Scratch;

/// Keeps the shard busy for some milliseconds.
fn spin(cx: &mut Cx) -> Step {
    let sum = (0..200_000_u64).fold(0, |sum, number| std::hint::black_box(sum ^ number));
    cx.json(&sum)
}

/// The server that the other tests start as a process of its own.
#[test]
#[ignore = "serves until it is told to stop; the other tests start it"]
fn serve() {
    let setting = |name: &str| std::env::var(name).unwrap();
    let patient = 60.secs();
    let path = format!("{}/notes.db", setting("TEST_SCRATCH"));
    let routes = Routes::new()
        // One reader, so that one query stands behind another.
        .resource(Notes, Sqlite::open(path).readers(1).schema(SCHEMA))
        .get("/plain", chain(plain).deadline(patient))
        .get("/spin", chain(spin).deadline(30.secs()))
        .get("/notes/{id}", chain(load).then(show).deadline(patient))
        .get(
            "/brief",
            // Far longer than the shard spins on any machine: who waits for both is to wait for this one
            // the longer.
            chain(count_for_ever).then(plain).deadline(500.millis()),
        )
        .build()
        .unwrap();
    let limits = Limits {
        trace_queue_len: setting("TEST_TRACE_QUEUE_LEN").parse().unwrap(),
        ..Limits::default()
    };
    let engine = Engine::new(routes)
        .address("127.0.0.1:0".parse().unwrap())
        .shards(1)
        .trace(setting("TEST_TRACE").parse().unwrap())
        .limits(limits);
    let running = engine.start().unwrap();
    println!("listening on {}", running.address());
    running.wait().unwrap();
    std::process::exit(0);
}

fn start(scratch: &Scratch, trace: &str, queue_len: &str) -> ChildServer {
    let scratch = scratch.path().to_str().unwrap();
    ChildServer::start(&[
        ("TEST_SCRATCH", scratch),
        ("TEST_TRACE", trace),
        ("TEST_TRACE_QUEUE_LEN", queue_len),
    ])
}

/// All that the server prints, once it has drained.
fn printed(mut server: ChildServer) -> String {
    let mut stderr = server.stderr();
    server.signal(SIGTERM);
    let mut text = String::new();
    stderr.read_to_string(&mut text).unwrap();
    assert_eq!(server.end().code(), Some(0));
    text
}

/// The lines of the one request with this title.
fn timeline<'t>(text: &'t str, title: &str) -> Vec<&'t str> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(title));
    let title = lines.next().unwrap_or_else(|| panic!("no {title}: {text}"));
    let rest = lines.take_while(|line| line.starts_with(' '));
    [title].into_iter().chain(rest).collect()
}

/// The length that stands behind this label, in nanoseconds.
fn length_behind(line: &str, label: &str) -> f64 {
    let (_, behind) = line
        .split_once(label)
        .unwrap_or_else(|| panic!("no {label}: {line}"));
    let mut words = behind.split_whitespace();
    let number: f64 = words.next().unwrap().parse().unwrap();
    let unit = words
        .next()
        .unwrap()
        .trim_matches(|letter| ",)".contains(letter));
    let factor = match unit {
        "ns" => 1.0,
        "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => panic!("{line}"),
    };
    number * factor
}

#[test]
fn where_a_read_has_waited_is_told_apart() {
    let scratch = Scratch::new("timelines");
    let server = start(&scratch, "all", "1024");
    let mut brief = Client::connect(server.address);
    brief.send(get("/brief"));
    // Behind a step that runs long, and then behind a query that runs long.
    let mut client = Client::connect(server.address);
    client.send(get("/spin") + &get("/notes/2"));
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().text(), "two");
    assert_eq!(brief.response().status, 504);
    drop((brief, client));

    let text = printed(server);
    let note = timeline(&text, "GET /notes/2 ");
    println!("{}", note.join("\n"));
    assert!(note[0].contains("  200  "), "{}", note[0]);
    let line = |label: &str| {
        let found = note.iter().find(|line| line.contains(label));
        found.unwrap_or_else(|| panic!("no {label}: {note:?}"))
    };
    let queue_wait = length_behind(line("  queue wait "), "queue wait");
    let park = length_behind(line("  park "), "park");
    let effect = line("  effect Notes ");
    let worker_queue = length_behind(effect, "worker queue");
    let worker_run = length_behind(effect, "worker run");
    // Each is the wait that it was, and none has another's in it.
    let spin = length_behind(timeline(&text, "GET /spin ")[0], "  200 ");
    assert!(queue_wait > 0.0 && queue_wait <= spin, "{note:?}");
    assert!(worker_run < worker_queue, "{note:?}");
    assert!(worker_queue + worker_run <= park * 1.01, "{note:?}");
    let total = length_behind(note[0], "  200 ");
    assert!(queue_wait + park <= total * 1.01, "{note:?}");

    let brief = timeline(&text, "GET /brief ");
    assert!(brief[0].contains("  504  "), "{}", brief[0]);
    assert!(
        brief.iter().any(|line| line.contains("deadline passed")),
        "{brief:?}"
    );
}

#[test]
fn only_what_is_slow_is_printed_unless_all_is_asked_for() {
    for (trace, is_plain_told, is_slow_told) in [
        ("all", true, true),
        ("slow", false, true),
        ("off", false, false),
    ] {
        let scratch = Scratch::new("timelines");
        let server = start(&scratch, trace, "1024");
        let mut client = Client::connect(server.address);
        assert_eq!(client.get("/plain").status, 200);
        assert_eq!(client.get("/brief").status, 504);
        drop(client);
        let text = printed(server);
        assert_eq!(
            text.contains("GET /plain "),
            is_plain_told,
            "{trace}: {text}"
        );
        assert_eq!(
            text.contains("GET /brief "),
            is_slow_told,
            "{trace}: {text}"
        );
    }
}

#[test]
fn what_could_not_be_read_is_told_as_far_as_it_was() {
    let scratch = Scratch::new("timelines");
    let server = start(&scratch, "all", "1024");
    let mut client = Client::connect(server.address);
    client.send("nonsense\r\n\r\n");
    assert_eq!(client.response().status, 400);
    let mut client = Client::connect(server.address);
    client.send("POST /plain HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
    assert_eq!(client.response().status, 400);
    drop(client);
    let text = printed(server);
    let unreadable = timeline(&text, "unreadable request  #");
    assert!(unreadable[0].contains("  400  "), "{text}");
    assert!(
        unreadable
            .iter()
            .any(|line| line.contains("refused: request ")),
        "{text}"
    );
    let half_read = timeline(&text, "POST /plain  #");
    assert!(half_read[0].contains("  400  "), "{text}");
}

/// The lines of a server, read by a thread of their own from the first call on.
fn lines_of(stderr: ChildStderr) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines() {
            let _ = sender.send(line.unwrap());
        }
    });
    lines
}

#[test]
fn what_the_printer_cannot_keep_up_with_is_counted() {
    let scratch = Scratch::new("timelines");
    let mut server = start(&scratch, "all", "8");
    let stderr = server.stderr();
    // Nobody reads what is printed, so the pipe fills up and the printer stands still. The requests
    // are answered all the same.
    let mut client = Client::connect(server.address);
    let mut sent_count = 0;
    for _ in 0..100 {
        client.send(get("/plain").repeat(16));
        for _ in 0..16 {
            assert_eq!(client.response().status, 200);
            sent_count += 1;
        }
    }
    // Now somebody reads. What comes later tells of what was lost.
    let lines = lines_of(stderr);
    let mut printed_count = 0;
    let mut lost_count = 0;
    let mut read = |line: &str| {
        printed_count += u64::from(line.starts_with("GET /plain "));
        if let Some(rest) = line.strip_prefix('(')
            && line.contains(" lost: the printer was behind")
        {
            lost_count += rest.split(' ').next().unwrap().parse::<u64>().unwrap();
        }
        lost_count
    };
    let is_told = (0..1_000).any(|_| {
        assert_eq!(client.get("/plain").status, 200);
        sent_count += 1;
        thread::sleep(Duration::from_millis(2));
        lines.try_iter().fold(0, |_, line| read(&line)) > 0
    });
    assert!(is_told, "no loss was told");
    // The ring has room by now: the last one is not lost, and tells of all before it.
    thread::sleep(Duration::from_millis(100));
    assert_eq!(client.get("/plain").status, 200);
    sent_count += 1;
    drop(client);
    server.signal(SIGTERM);
    lines.iter().for_each(|line| _ = read(&line));
    assert_eq!(server.end().code(), Some(0));
    assert!(lost_count > 0);
    assert_eq!(printed_count + lost_count, sent_count);
}
