//! The process is killed in the middle of its writes, again and again, and nothing that it has
//! acknowledged is lost, nothing is there by half.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cutaway::prelude::*;
use cutaway::{Config, Engine, TraceMode};
use libc::SIGKILL;
use serde::Serialize;
use serde_json::{Value, json};

use crate::child::ChildServer;
use crate::client::{Client, Response};
use crate::example::{self, Blog};
use crate::server::Scratch;
use crate::site::{Ask, Site, get, post};

slot!(pub Damage<'r>: &'r [(&'r str,)]);
slot!(pub Halves: (u64,));

/// What SQLite finds in the file, and how many posts have not as many comments as they say.
fn inspect(cx: &mut Cx<Writes<(Damage, Halves)>, Uses<Blog>>) -> Step {
    let damage = cx.on(Blog).query("SELECT * FROM pragma_integrity_check");
    let halves = cx.on(Blog).query_one(
        "SELECT count(*) FROM posts WHERE comment_count <>
             (SELECT count(*) FROM comments WHERE post_id = posts.id)",
    );
    cx.need((damage.into(Damage), halves.into(Halves)))
}

fn show_inspection(cx: &mut Cx<Reads<(Damage, Halves)>>) -> Step {
    #[derive(Serialize)]
    struct Inspection<'r> {
        damage: &'r [(&'r str,)],
        halves: u64,
    }
    let (damage, (halves,)) = (cx.get(Damage), *cx.get(Halves));
    cx.json(&Inspection { damage, halves })
}

/// The server that the test below starts as a process of its own.
#[test]
#[ignore = "serves until it is killed; another test starts it"]
fn serve() {
    let scratch = std::env::var("TEST_SCRATCH").unwrap();
    let routes = example::routes(Sqlite::open(format!("{scratch}/blog.db")))
        .get(
            "/inspect",
            chain(inspect).then(show_inspection).no_deadline(),
        )
        .build()
        .unwrap();
    // A write whose deadline has passed is not acknowledged: a slow disk would leave nothing to look for.
    let patient = Config::new().set("classes.standard.deadline", "60 s");
    let running = Engine::new(routes)
        .address(SocketAddr::from(([127, 0, 0, 1], 0)))
        .shards(2)
        .trace(TraceMode::Off)
        .config(patient)
        .start()
        .unwrap();
    println!("listening on {}", running.address());
    running.wait().unwrap();
}

/// How often it is killed.
const KILLS: u64 = 25;
const WRITERS: usize = 4;

/// A connection that may end at any moment.
struct Writer {
    client: Client,
}

impl Writer {
    /// Asks; nothing where the server is gone before it has answered.
    fn ask(&mut self, ask: &Ask) -> Option<Response> {
        if !self.client.try_send(ask.bytes()) {
            return None;
        }
        self.client.try_response_to(ask.method)
    }
}

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    /// Comments by their post.
    posts: BTreeMap<i64, Vec<i64>>,
    deleted: Vec<i64>,
}

/// Writes until the server is gone.
fn write(address: SocketAddr, told: &AtomicU64) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let mut writer = Writer {
        client: Client::connect(address),
    };
    loop {
        let input = json!({"title": "Post", "content": "Text", "author": "Ada"});
        let Some(response) = writer.ask(&post("/blog/posts").json(&input)) else {
            return acknowledged;
        };
        let id = id_of(&response);
        acknowledged.posts.insert(id, Vec::new());
        told.fetch_add(1, Ordering::Relaxed);
        let at = format!("/blog/posts/{id}/comments");
        for _ in 0..4 {
            let comment = post(&at).json(&json!({"content": "Comment"}));
            let Some(response) = writer.ask(&comment) else {
                return acknowledged;
            };
            let comments = acknowledged.posts.get_mut(&id).unwrap();
            comments.push(id_of(&response));
            told.fetch_add(1, Ordering::Relaxed);
        }
        if id % 5 == 0 {
            // Whether it was done is not known unless it is acknowledged.
            acknowledged.posts.remove(&id);
            match writer.ask(&Ask::new("DELETE", format!("/blog/posts/{id}"))) {
                Some(response) => assert_eq!(response.status, 204),
                None => return acknowledged,
            }
            acknowledged.deleted.push(id);
        }
    }
}

fn id_of(response: &Response) -> i64 {
    assert_eq!(response.status, 201, "{response:?}");
    let written: Value = serde_json::from_slice(&response.body).unwrap();
    written["id"].as_i64().unwrap()
}

struct Reader(Client);

impl Site for Reader {
    fn ask(&mut self, ask: &Ask) -> Response {
        self.0.send(ask.bytes());
        self.0.response_to(ask.method)
    }
}

/// Everything that was acknowledged is there, and everything that is there is whole.
fn check(address: SocketAddr, acknowledged: &Acknowledged) {
    let mut site = Reader(Client::connect(address));
    let inspection = site.json(200, get("/inspect"));
    assert_eq!(inspection, json!({"damage": [["ok"]], "halves": 0}));
    for (id, comments) in &acknowledged.posts {
        let found = site.json(200, get(format!("/blog/posts/{id}/comments?limit=100")));
        let found: Vec<i64> = found["comments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|comment| comment["id"].as_i64().unwrap())
            .collect();
        assert!(
            comments.iter().all(|comment| found.contains(comment)),
            "{comments:?} of {id}: {found:?}"
        );
        // The one that was on its way may have been written without a word.
        assert!(
            found.len() <= comments.len() + 1,
            "{comments:?} of {id}: {found:?}"
        );
    }
    for id in &acknowledged.deleted {
        site.problem(404, get(format!("/blog/posts/{id}")));
    }
}

#[test]
fn a_kill_in_the_middle_of_writes_loses_nothing_acknowledged() {
    let scratch = Scratch::new("blog-crash");
    let path = scratch.path().to_str().unwrap();
    let mut longest_start = Duration::ZERO;
    let mut acknowledged = Acknowledged::default();
    let mut told_count = 0;
    for kill in 0..=KILLS {
        let begun = Instant::now();
        let server = ChildServer::start_test("crash::serve", &[("TEST_SCRATCH", path)]);
        longest_start = longest_start.max(begun.elapsed());
        let address = server.address;
        check(address, &acknowledged);
        if kill == KILLS {
            break;
        }
        acknowledged = Acknowledged::default();
        let told = AtomicU64::new(0);
        thread::scope(|scope| {
            let told = &told;
            let writers: Vec<_> = (0..WRITERS)
                .map(|_| scope.spawn(move || write(address, told)))
                .collect();
            // Somewhere in the middle, each time somewhere else.
            let is_writing = || writers.iter().all(|writer| !writer.is_finished());
            while told.load(Ordering::Relaxed) < 20 + 7 * kill && is_writing() {
                thread::yield_now();
            }
            server.signal(SIGKILL);
            for writer in writers {
                let theirs = writer.join().unwrap();
                acknowledged.posts.extend(theirs.posts);
                acknowledged.deleted.extend(theirs.deleted);
            }
        });
        server.end();
        told_count += told.load(Ordering::Relaxed);
    }
    println!("{KILLS} kills, {told_count} writes acknowledged, longest start-up {longest_start:?}");
}
