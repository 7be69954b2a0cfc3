//! A panic anywhere in a program's own code costs exactly that request a 500: its neighbours on the
//! same connection are answered, the shard lives, nothing leaks, and the timeline says what it was.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::panic;
use std::sync::Once;

use bytes::Bytes;
use cutaway::BuiltRoutes;
use cutaway::ctx::ExitKind;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::response::{Problem, problem};
use cutaway::testing::simulation::{SimClient, SimConfig, Simulation};
use cutaway::timeline::{KeepReasons, KeptRecord, MarkKind};
use cutaway_scheduler::{ManualClock, Nanos};

#[path = "harness/client.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod client;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;

use client::{Client, get};
use server::{Scratch, Server};

/// A request that panics.
struct Case {
    target: &'static str,
    /// How the name of what has panicked ends in the trace.
    named: &'static str,
    /// How many panics it has.
    panics: u64,
}

const CASES: &[Case] = &[
    case("/step", "::panics"),
    case("/after", "::panics_after_its_effect"),
    case("/extractor/7", "::reads"),
    case("/query?page=7", "::reads_page"),
    case("/search?words=seven", "::searches"),
    case("/sent", "::takes"),
    case("/decoder", "::load_unreadable"),
    case("/rows", "::load_unreadable_rows"),
    case("/joined", "::load_both"),
    case("/continued", "::load_and_continue"),
    case("/serialize", "::serializes"),
    case("/before", "::tracks"),
    case("/drop", "Planted"),
    case("/callback", "::watches::{{closure}}"),
    case("/unsent", "response"),
    case("/renderer", "renderer"),
    case("/nowhere", "renderer"),
    // The second value is dropped in the step, the first one at the exit.
    Case {
        panics: 2,
        ..case("/twice", "::puts_twice")
    },
    Case {
        panics: 3,
        ..case("/everything", "::panics")
    },
];

const fn case(target: &'static str, named: &'static str) -> Case {
    Case {
        target,
        named,
        panics: 1,
    }
}

fn planned_count() -> u64 {
    CASES.iter().map(|case| case.panics).sum()
}

/// What everything here says when it panics; no client may read it.
const PLANNED: &str = "a panic that the test planned";

resource!(pub Notes: Sqlite);
slot!(pub Note<'r>: Option<(&'r str,)>);
slot!(pub Unreadable: Option<Panicky>);
slot!(pub UnreadableRows<'r>: &'r [Panicky]);
slot!(pub Parsed: Panicky = path "id");
slot!(pub Size: usize = path "n");
slot!(pub Page: Panicky = query "page");
slot!(pub Search: Panicky = query);
slot!(pub Sent: Panicky = body json);
slot!(pub Planted: Bomb);
slot!(pub Kept: Tracked);

thread_local! {
    /// Values and callbacks of requests that are there.
    static LIVE: Cell<i64> = const { Cell::new(0) };
    /// How requests were seen to exit.
    static EXITS: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    static CLOCK: RefCell<Option<ManualClock>> = const { RefCell::new(None) };
}

/// Counts itself.
pub struct Tracked;

impl Tracked {
    fn new() -> Tracked {
        LIVE.set(LIVE.get() + 1);
        Tracked
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        LIVE.set(LIVE.get() - 1);
    }
}

pub struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{PLANNED}");
    }
}

/// Owns bytes of a response, and panics when they are given back.
struct Lender(Vec<u8>);

impl AsRef<[u8]> for Lender {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        panic!("{PLANNED}");
    }
}

/// Neither read from text, nor from a row, nor written as JSON without a panic.
#[derive(Clone, Copy)]
pub struct Panicky;

impl FromText<'_> for Panicky {
    fn from_text(_: &str) -> Option<Self> {
        panic!("{PLANNED}");
    }
}

impl<'r> FromRow<'r> for Panicky {
    fn from_row(_: Row<'r>) -> Result<Self, DecodeError> {
        panic!("{PLANNED}");
    }
}

impl serde::Serialize for Panicky {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("{PLANNED}");
    }
}

impl<'de> serde::Deserialize<'de> for Panicky {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("{PLANNED}");
    }
}

/// Stands before every route, so that every request has something to lose.
fn tracks(cx: &mut Cx<Writes<Kept>>) -> Step {
    cx.put(Kept, Tracked::new());
    let (path, tracked) = (cx.request().path(), Tracked::new());
    cx.on_exit(move |exit| {
        let _tracked = tracked;
        EXITS.with_borrow_mut(|exits| exits.insert(format!("{:?}", exit.kind())));
        let has_failed = exit.failure().is_some();
        assert_eq!(
            has_failed,
            matches!(
                exit.kind(),
                ExitKind::Panicked | ExitKind::Failed | ExitKind::Expired
            ),
            "{path}"
        );
    });
    if path == "/before" {
        panic!("{PLANNED}");
    }
    Continue
}

fn panics(_: &mut Cx) -> Step {
    panic!("{PLANNED}")
}

fn answers(cx: &mut Cx) -> Step {
    cx.text("answered")
}

fn fails(_: &mut Cx) -> Step {
    fail(Gone, "thing", "7")
}

fn load(cx: &mut Cx<Writes<Note>, Uses<Notes>>) -> Step {
    let query = cx
        .on(Notes)
        .query_opt("SELECT body FROM notes WHERE id = 1");
    cx.need(query.into(Note))
}

fn show(cx: &mut Cx<Reads<Note>>) -> Step {
    let (body,) = cx.get(Note).as_ref().or_fail(NotFound, "note", "1")?;
    cx.text(body)
}

fn panics_after_its_effect(_: &mut Cx<Reads<Note>>) -> Step {
    panic!("{PLANNED}")
}

fn reads(cx: &mut Cx<Reads<Parsed>>) -> Step {
    let Panicky = cx.get(Parsed);
    cx.text("read")
}

fn reads_page(_: &mut Cx<Reads<Page>>) -> Step {
    Done
}

fn searches(_: &mut Cx<Reads<Search>>) -> Step {
    Done
}

fn takes(_: &mut Cx<Reads<Sent>>) -> Step {
    Done
}

fn load_unreadable(cx: &mut Cx<Writes<Unreadable>, Uses<Notes>>) -> Step {
    cx.need(cx.on(Notes).query_opt("SELECT 1").into(Unreadable))
}

fn load_unreadable_rows(cx: &mut Cx<Writes<UnreadableRows>, Uses<Notes>>) -> Step {
    cx.need(cx.on(Notes).query("SELECT 1").into(UnreadableRows))
}

fn load_both(cx: &mut Cx<Writes<(Note, Unreadable)>, Uses<Notes>>) -> Step {
    let note = cx.on(Notes).query_opt("SELECT body FROM notes");
    let unreadable = cx.on(Notes).query_opt("SELECT 1");
    cx.need((note.into(Note), unreadable.into(Unreadable)))
}

fn load_and_continue(cx: &mut Cx<Writes<Note>, Uses<Notes>>) -> Step {
    let note = cx.on(Notes).query_opt("SELECT body FROM notes");
    cx.need(note.into(Note).then(continues))
}

fn continues(_: &mut Cx<Reads<Note>>) -> Step {
    panic!("{PLANNED}")
}

fn serializes(cx: &mut Cx) -> Step {
    cx.json(&("half of it", Panicky))
}

fn lends_to_nobody(cx: &mut Cx) -> Step {
    let _ = cx.bytes("text/plain", Bytes::from_owner(Lender(vec![b'a'; 10])));
    fail(Conflict, "bytes", "unsent")
}

fn lends(cx: &mut Cx<Reads<Size>>) -> Step {
    let size = *cx.get(Size);
    cx.bytes("text/plain", Bytes::from_owner(Lender(vec![b'a'; size])))
}

fn puts_twice(cx: &mut Cx<Writes<Planted>>) -> Step {
    cx.put(Planted, Bomb);
    cx.put(Planted, Bomb);
    Continue
}

fn plants(cx: &mut Cx<Writes<Planted>>) {
    cx.put(Planted, Bomb);
}

fn watches(cx: &mut Cx) {
    let tracked = Tracked::new();
    cx.on_exit(move |_| {
        let _tracked = tracked;
        panic!("{PLANNED}")
    });
}

/// Takes longer than its route allows, on the simulated machine.
fn works(_: &mut Cx) {
    CLOCK.with_borrow(|clock| {
        if let Some(clock) = clock {
            clock.advance(Nanos::from_millis(20));
        }
    });
}

fn renders(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    let is_renderers = ["thing", "route"].contains(&failed.failure().what());
    if is_renderers {
        out.extend_from_slice(b"half of a");
        panic!("{PLANNED}");
    }
    problem(failed, out)
}

fn routes(scratch: &Scratch) -> BuiltRoutes {
    const SCHEMA: &str = "
        CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
        INSERT OR IGNORE INTO notes (id, body) VALUES (1, 'one');
    ";
    // A slow machine must not turn an answer into a 504.
    let patient = 30.secs();
    Routes::new()
        .resource(Notes, Sqlite::open(scratch.join("notes.db")).schema(SCHEMA))
        .renderer(renders)
        .before(chain(tracks))
        .get("/plain", chain(answers).deadline(patient))
        .get("/note", chain(load).then(show).deadline(patient))
        .get("/step", chain(panics).deadline(patient))
        .get(
            "/after",
            chain(load).then(panics_after_its_effect).deadline(patient),
        )
        .get("/extractor/{id}", chain(reads).deadline(patient))
        .get("/query", chain(reads_page).deadline(patient))
        .get("/search", chain(searches).deadline(patient))
        .post("/sent", chain(takes).deadline(patient))
        .get(
            "/decoder",
            chain(load_unreadable).then(answers).deadline(patient),
        )
        .get(
            "/rows",
            chain(load_unreadable_rows).then(answers).deadline(patient),
        )
        .get("/joined", chain(load_both).then(answers).deadline(patient))
        .get(
            "/continued",
            chain(load_and_continue).then(answers).deadline(patient),
        )
        .get("/serialize", chain(serializes).deadline(patient))
        .get("/before", chain(answers).deadline(patient))
        .get("/twice", chain(puts_twice).then(answers).deadline(patient))
        .get("/drop", chain(plants).then(answers).deadline(patient))
        .get("/callback", chain(watches).then(answers).deadline(patient))
        .get("/renderer", chain(fails).deadline(patient))
        .get(
            "/everything",
            chain(plants).then(watches).then(panics).deadline(patient),
        )
        .get("/unsent", chain(lends_to_nobody).deadline(patient))
        .get("/lent/{n}", chain(lends).deadline(patient))
        .get("/late", chain(works).then(answers).deadline(5.millis()))
        .build()
        .unwrap()
}

/// Planned panics make no noise.
fn keep_quiet() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<String>();
            if text.is_none_or(|text| text != PLANNED) {
                loud(info);
            }
        }));
    });
}

/// The request between two others, in one piece.
fn between_neighbours(target: &str) -> String {
    let request = match target {
        "/sent" => "POST /sent HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                    Content-Length: 2\r\n\r\n{}"
            .to_owned(),
        _ => get(target),
    };
    get("/note") + &request + &get("/note") + &get("/plain")
}

#[test]
fn on_real_sockets_the_neighbours_are_answered() {
    keep_quiet();
    let scratch = Scratch::new("panics");
    let server = Server::start(routes(&scratch), Limits::default());
    let mut client = Client::connect(server.address);
    for Case { target, .. } in CASES {
        client.send(between_neighbours(target));
        assert_eq!(client.response().text(), "one", "before {target}");
        let response = client.response();
        assert_eq!(response.status, 500, "{target}: {response:?}");
        assert!(!response.closes(), "{target}");
        let is_problem = response.field("content-type") == Some("application/problem+json");
        assert!(is_problem, "{target}: {response:?}");
        assert!(!response.text().contains("panic"), "{target}: {response:?}");
        assert_eq!(client.response().text(), "one", "after {target}");
        assert_eq!(client.response().text(), "answered", "after {target}");
    }
    drop(client);
    let stats = server.stop();
    assert_eq!(stats.panic_count, planned_count());
    assert_eq!(stats.reply_count[5], CASES.len() as u64);
    assert_eq!(stats.reply_count[2], 3 * CASES.len() as u64);
    assert_eq!(stats.accepted_count, 1);
}

#[test]
fn bytes_whose_owner_panics_are_sent_and_nothing_dies_of_it() {
    keep_quiet();
    let scratch = Scratch::new("panics");
    let server = Server::start(routes(&scratch), Limits::default());
    let mut client = Client::connect(server.address);
    // Copied behind the head, and sent from where they lie.
    for size in [0, 10, 100_000] {
        for method in ["GET", "HEAD"] {
            client.send(format!("{method} /lent/{size} HTTP/1.1\r\nHost: a\r\n\r\n"));
            client.send(get("/plain"));
            let response = client.response_to(method);
            assert_eq!((response.status, response.content_length()), (200, size));
            assert_eq!(client.response().text(), "answered");
        }
    }
    // Encoded behind a reply that is still to come, and given up with it.
    let mut leaver = Client::connect(server.address);
    leaver.send(get("/lent/10000000") + &get("/lent/10000000"));
    leaver.wait_for_bytes();
    drop(leaver);
    assert_eq!(client.get("/plain").text(), "answered");
    drop(client);
    // Too late to be a reply of theirs.
    assert_eq!(server.stop().panic_count, 0);
}

/// The statuses of the replies that have come.
fn statuses(client: &SimClient) -> Vec<String> {
    let read = String::from_utf8(client.take_read()).unwrap();
    assert!(!read.contains("panic"), "{read}");
    let heads = read.split("HTTP/1.1 ").skip(1);
    heads.map(|head| head[..3].to_owned()).collect()
}

fn simulation(scratch: &Scratch, seed: u64) -> Simulation {
    let simulation = Simulation::new(routes(scratch), SimConfig::new(seed)).unwrap();
    CLOCK.set(Some(simulation.clock()));
    LIVE.set(0);
    simulation
}

/// Drains it, and sees to it that nothing is left.
fn drain(mut simulation: Simulation) -> u64 {
    simulation.drain(1.secs());
    simulation.run_for(2.secs());
    simulation.check_drained();
    assert_eq!(LIVE.get(), 0, "values and callbacks that nobody has ended");
    simulation.stats().panic_count
}

fn has_panicked(record: &KeptRecord) -> bool {
    record.reasons.contains(KeepReasons::PANICKED)
}

#[test]
fn on_the_simulated_ring_nothing_leaks_and_the_timeline_names_it() {
    keep_quiet();
    let scratch = Scratch::new("panics");
    for seed in 0..4 {
        let mut simulation = simulation(&scratch, seed);
        for case in CASES {
            let client = simulation.connect();
            client.send(between_neighbours(case.target).as_bytes());
            simulation.run_for(50.millis());
            assert_eq!(
                statuses(&client),
                ["200", "500", "200", "200"],
                "{}",
                case.target
            );
            client.finish();
            simulation.run_for(5.millis());
            assert_eq!(LIVE.get(), 0, "{}: ended when it was answered", case.target);

            let (panicked, others): (Vec<_>, Vec<_>) =
                simulation.kept().into_iter().partition(has_panicked);
            assert_eq!((panicked.len(), others.len()), (1, 3), "{}", case.target);
            let record = &panicked[0];
            let path = case.target.split('?').next().unwrap();
            assert_eq!(record.path(), path.as_bytes());
            let why = record.why().unwrap();
            assert!(why.what.ends_with(case.named), "{}: {why:?}", case.target);
            assert_eq!(why.key, PLANNED);
            let is_marked = |mark: MarkKind| record.marks().iter().any(|of| of.kind() == mark);
            assert!(is_marked(MarkKind::Panicked) && !is_marked(MarkKind::Answered));
            assert!(others.iter().all(|other| other.why().is_none()));
        }
        assert_eq!(drain(simulation), planned_count());
    }
}

#[test]
fn however_a_request_ends_its_callbacks_run_and_its_values_are_dropped() {
    keep_quiet();
    let scratch = Scratch::new("panics");
    EXITS.take();
    for seed in 0..24 {
        let mut simulation = simulation(&scratch, seed);
        let targets = ["/note", "/after", "/plain", "/drop", "/late", "/decoder"];
        let requests: String = targets.map(get).concat();
        let clients: Vec<_> = (0..3).map(|_| simulation.connect()).collect();
        for client in &clients {
            client.send(requests.as_bytes());
        }
        // Later with each seed: before the first turn, in the middle of an effect, after all of it.
        simulation.run_for(Nanos::from_micros(40 * seed));
        clients[0].reset();
        clients[1].finish();
        if seed % 2 == 0 {
            simulation.run_for(Nanos::from_micros(40));
            simulation.drain(Nanos(1));
            simulation.run_for(100.millis());
        }
        drain(simulation);
    }
    let seen = EXITS.take();
    let all = ["Cancelled", "ClientGone", "Done", "Expired", "Panicked"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all);
}
