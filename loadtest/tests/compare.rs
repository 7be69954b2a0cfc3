//! The runner from end to end, with the bare loop as every subject.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::thread::sched_getaffinity;

use cutaway_loadtest::client::response::Fault;
use cutaway_loadtest::client::{Body, Exchange};
use cutaway_loadtest::compare::{self, Comparison};
use cutaway_loadtest::noisy::{self, Neighbours};
use cutaway_loadtest::process::{Launcher, Scratch};
use cutaway_loadtest::scenario::Scenario;
use cutaway_loadtest::subject::Subject;
use cutaway_loadtest::{Failure, smoke};

fn launcher() -> Launcher {
    Launcher {
        tool: PathBuf::from(env!("CARGO_BIN_EXE_cutaway-loadtest")),
    }
}

fn free_addr() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("bound")
}

/// Two cores that this process may use, or the same one twice.
fn cores() -> (usize, usize) {
    let set = sched_getaffinity(None).expect("our own affinity");
    let mut cores = (0..1024).filter(|&core| set.is_set(core));
    let first = cores.next().expect("a core to run on");
    (first, cores.next().unwrap_or(first))
}

/// The bare loop behind the flags of the engine's example, so that it can have any name.
fn bare_as(name: &str, scratch: &Scratch) -> Subject {
    let script = scratch.path(&format!("{name}.sh"));
    let tool = env!("CARGO_BIN_EXE_cutaway-loadtest");
    fs::write(
        &script,
        format!(
            "#!/bin/sh\nexec {tool} peer bare --addr \"$2\" --core {}\n",
            cores().0
        ),
    )
    .expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("our own file");
    Subject::engine(name, script).expect("just written")
}

#[test]
fn a_comparison_measures_everyone_in_every_round_and_leaves_a_record() {
    let scratch = Scratch::new().expect("a folder");
    for hog in [false, true] {
        let comparison = Comparison {
            scenario: Scenario::named("plaintext64").expect("a scenario"),
            subjects: vec![bare_as("one", &scratch), bare_as("other", &scratch)],
            base: "other".to_owned(),
            rounds: 2,
            duration: Duration::from_millis(50),
            hog,
            wrk: None,
            addr: free_addr(),
            cores: cores(),
            record: Some(scratch.path("record")),
        };
        let standings = compare::run(&comparison, &launcher()).expect("two servers of one kind");
        let names: Vec<_> = standings
            .iter()
            .map(|standing| standing.subject.as_str())
            .collect();
        assert_eq!(names, ["one", "other"]);
        assert!(
            standings
                .iter()
                .all(|standing| standing.cpu_s_per_million > 0.0 && standing.rate > 0.0)
        );
        assert_eq!(
            (
                standings[1].ratio,
                standings[1].ratio_min,
                standings[1].ratio_max
            ),
            (1.0, 1.0, 1.0)
        );
    }
    let record =
        fs::read_to_string(scratch.path("record").join("plaintext64.jsonl")).expect("a record");
    let lines: Vec<serde_json::Value> = record
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    assert_eq!(
        lines
            .iter()
            .map(|line| line["hog"].as_bool())
            .collect::<Vec<_>>(),
        [Some(false), Some(true)]
    );
    for line in &lines {
        let rounds = line["rounds"].as_array().expect("the rounds");
        let order: Vec<_> = rounds
            .iter()
            .map(|round| round["subject"].as_str().expect("a name"))
            .collect();
        assert_eq!(order, ["one", "other", "one", "other"]);
        assert!(
            rounds
                .iter()
                .all(|round| round["answered_count"].as_u64() > Some(0))
        );
        for key in ["date", "command", "commit", "kernel", "cpu"] {
            assert!(
                line["origin"][key]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{key}"
            );
        }
    }
}

#[test]
fn a_subject_that_answers_wrongly_is_not_measured() {
    let scratch = Scratch::new().expect("a folder");
    let comparison = Comparison {
        scenario: Scenario::named("sqlite-read").expect("a scenario"),
        subjects: vec![bare_as("bare", &scratch)],
        base: "bare".to_owned(),
        rounds: 1,
        duration: Duration::from_millis(50),
        hog: false,
        wrk: None,
        addr: free_addr(),
        cores: cores(),
        record: None,
    };
    let failure =
        compare::run(&comparison, &launcher()).expect_err("the bare loop has no database");
    assert!(
        matches!(
            failure,
            Failure::Answer {
                fault: Fault::Status { expected: 200, .. },
                ..
            }
        ),
        "{failure}"
    );
}

#[test]
fn neighbours_are_measured_quiet_and_noisy() {
    let scratch = Scratch::new().expect("a folder");
    let neighbours = Neighbours {
        subject: bare_as("bare", &scratch),
        foreground: Exchange::get("/plaintext", Body::Exact(b"Hello, World!".to_vec())),
        rate: 500,
        connections: 4,
        background: Exchange::get("/nowhere", Body::Any).answered(404),
        every: Duration::from_millis(20),
        background_connections: 2,
        hold_lock: None,
        rounds: 2,
        duration: Duration::from_millis(100),
        addr: free_addr(),
        cores: cores(),
        record: Some(scratch.path("record")),
    };
    let ratio = noisy::run(&neighbours, &launcher()).expect("right answers");
    assert!(ratio > 0.0);
    let record = fs::read_to_string(scratch.path("record").join("noisy.jsonl")).expect("a record");
    let line: serde_json::Value = serde_json::from_str(&record).expect("one line of JSON");
    let samples = line["samples"].as_array().expect("the samples");
    let due = |stream: &str| -> Vec<_> {
        samples
            .iter()
            .filter(|it| it["stream"] == stream)
            .map(|it| it["due_count"].as_u64())
            .collect()
    };
    assert_eq!(due("foreground"), [Some(50); 4]);
    assert_eq!(due("background"), [Some(5); 2]);
    assert!(samples.iter().all(|it| it["unanswered_count"] == 0));
}

#[test]
fn the_smoke_refuses_a_server_that_lacks_a_route() {
    let scratch = Scratch::new().expect("a folder");
    bare_as("bare", &scratch);
    let failure =
        smoke::run(scratch.path("bare.sh"), free_addr(), &launcher()).expect_err("no such route");
    assert!(
        matches!(
            failure,
            Failure::Answer {
                fault: Fault::Status { .. },
                ..
            }
        ),
        "{failure}"
    );
}
