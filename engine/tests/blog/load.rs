//! Many clients at once, reading and writing, with every bound and deadline as it comes.

use std::net::SocketAddr;
use std::thread;

use cutaway::limits::Limits;
use serde_json::{Value, json};

use crate::client::{Client, Response};
use crate::example;
use crate::server::{Scratch, Server};
use crate::site::{Ask, Site, database, get, post};

const CLIENTS: usize = 16;
const ROUNDS: usize = 20;

/// How often a run is tried. A deadline is a length of time: where the machine itself stands still for
/// longer, as one may that does something else as well, a miss says nothing of the server. What it has
/// acknowledged must be there after every try.
const TRIES_MAX: usize = 5;

/// One connection, kept for all its requests.
struct Visitor(Client);

/// A request was answered 504: its deadline had passed.
struct Missed;

impl Visitor {
    fn expect(&mut self, status: u16, ask: &Ask) -> Result<Response, Missed> {
        let response = self.ask(ask);
        let (method, target, text) = (ask.method, &ask.target, response.text());
        match response.status {
            504 => Err(Missed),
            found if found == status => Ok(response),
            found => panic!("{method} {target}: {found} {text}"),
        }
    }

    fn json(&mut self, status: u16, ask: &Ask) -> Result<Value, Missed> {
        let response = self.expect(status, ask)?;
        Ok(serde_json::from_slice(&response.body).unwrap())
    }
}

impl Site for Visitor {
    fn ask(&mut self, ask: &Ask) -> Response {
        self.0.send(ask.bytes());
        let response = self.0.response_to(ask.method);
        assert!(!response.closes());
        response
    }
}

/// What a visitor was told is saved.
struct Saved {
    id: i64,
    title: String,
    comment_count: usize,
}

/// Writes, comments, changes and reads; each answer must be the one that is meant.
fn visit(address: SocketAddr, number: usize, saved: &mut Vec<Saved>) -> Result<(), Missed> {
    let mut visitor = Visitor(Client::connect(address));
    for round in 0..ROUNDS {
        let draft = json!({"title": "Draft", "content": format!("{number}.{round}")});
        let written = visitor.json(201, &post("/blog/posts").json(&draft))?;
        let id = written["id"].as_i64().unwrap();
        let at = format!("/blog/posts/{id}");
        let comment_count = 1 + (number + round) % 3;
        for comment in 0..comment_count {
            let comment = json!({"content": format!("{number}.{round}.{comment}")});
            visitor.expect(201, &post(format!("{at}/comments")).json(&comment))?;
        }
        let title = format!("post {number}.{round}");
        let patch = Ask::new("PATCH", &at).json(&json!({"title": title}));
        let patched = visitor.json(200, &patch)?;
        // Whoever has been told that it is saved finds it saved.
        assert_eq!(patched["title"], title.as_str());
        assert_eq!(patched["comment_count"], comment_count);
        if round % 4 == 3 {
            visitor.expect(204, &Ask::new("DELETE", &at))?;
            visitor.expect(404, &get(&at))?;
        } else {
            saved.push(Saved {
                id,
                title,
                comment_count,
            });
            visitor.expect(200, &get(format!("/posts/{id}")))?;
        }
        visitor.expect(200, &get("/"))?;
        visitor.expect(200, &get("/blog/posts?limit=5"))?;
    }
    Ok(())
}

/// Everything that was acknowledged is there, as it was acknowledged.
fn check(address: SocketAddr, saved: &[Saved]) {
    let mut site = Visitor(Client::connect(address));
    // Nobody hurries any more, so what is late here is asked again.
    let mut ask = |target: String| {
        let found = (0..TRIES_MAX).find_map(|_| site.json(200, &get(&target)).ok());
        found.unwrap_or_else(|| panic!("{target} is late each time"))
    };
    for saved in saved {
        let post = ask(format!("/blog/posts/{}", saved.id));
        assert_eq!(post["title"], saved.title.as_str());
        assert_eq!(post["comment_count"], saved.comment_count);
        let comments = ask(format!("/blog/posts/{}/comments", saved.id));
        let comments = comments["comments"].as_array().unwrap();
        assert_eq!(comments.len(), saved.comment_count);
    }
}

/// Whether no deadline was missed.
fn run() -> bool {
    let scratch = Scratch::in_memory("blog-load");
    let routes = example::routes(database(&scratch)).build().unwrap();
    let server = Server::start_with(routes, |engine| engine.shards(2).limits(Limits::default()));
    let address = server.address;
    let visitors: Vec<_> = (0..CLIENTS)
        .map(|number| {
            thread::spawn(move || {
                let mut saved = Vec::new();
                let visited = visit(address, number, &mut saved);
                (saved, visited.is_ok())
            })
        })
        .collect();
    let (mut saved, mut is_in_time) = (Vec::new(), true);
    for visitor in visitors {
        let (theirs, was_in_time) = visitor.join().unwrap();
        saved.extend(theirs);
        is_in_time &= was_in_time;
    }
    check(address, &saved);
    let stats = server.stop_all();
    if is_in_time {
        assert_eq!(saved.len(), CLIENTS * ROUNDS * 3 / 4);
    }
    for stats in stats {
        let late_count = stats.missed_count + stats.expired_count + stats.timed_out_count;
        assert_eq!(stats.reply_count[5], late_count, "{stats:?}");
    }
    is_in_time
}

#[test]
fn many_at_once_are_all_served_in_time_and_nothing_saved_is_lost() {
    assert!(
        (0..TRIES_MAX).any(|_| run()),
        "a deadline was missed in each of {TRIES_MAX} runs"
    );
}
