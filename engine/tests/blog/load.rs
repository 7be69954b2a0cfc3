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

/// One connection, kept for all its requests.
struct Visitor(Client);

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
fn visit(address: SocketAddr, number: usize) -> Vec<Saved> {
    let mut site = Visitor(Client::connect(address));
    let mut saved = Vec::new();
    for round in 0..ROUNDS {
        let id = site.write_post(&format!("draft {number}.{round}"));
        let at = format!("/blog/posts/{id}");
        let comments = 1 + (number + round) % 3;
        for comment in 0..comments {
            let comment = json!({"content": format!("{number}.{round}.{comment}")});
            site.expect(201, post(format!("{at}/comments")).json(&comment));
        }
        let title = format!("post {number}.{round}");
        let patch = Ask::new("PATCH", &at).json(&json!({"title": title}));
        assert_eq!(site.json(200, patch)["title"], title.as_str());
        // Whoever has been told that it is saved finds it saved.
        assert_eq!(site.json(200, get(&at))["comment_count"], comments);
        site.page(200, get("/"));
        site.page(200, get(format!("/posts/{id}")));
        site.json(200, get("/blog/posts?limit=5"));
        if round % 4 == 3 {
            site.expect(204, Ask::new("DELETE", &at));
            site.problem(404, get(&at));
        } else {
            saved.push(Saved {
                id,
                title,
                comment_count: comments,
            });
        }
    }
    saved
}

#[test]
fn many_at_once_are_all_served_and_nothing_saved_is_lost() {
    let scratch = Scratch::new("blog-load");
    let routes = example::routes(database(&scratch)).build().unwrap();
    let server = Server::start_with(routes, |engine| engine.shards(2).limits(Limits::default()));
    let address = server.address;
    let visitors: Vec<_> = (0..CLIENTS)
        .map(|number| thread::spawn(move || visit(address, number)))
        .collect();
    let saved: Vec<Saved> = visitors
        .into_iter()
        .flat_map(|visitor| visitor.join().unwrap())
        .collect();
    assert_eq!(saved.len(), CLIENTS * ROUNDS * 3 / 4);

    let mut site = Visitor(Client::connect(address));
    for Saved {
        id,
        title,
        comment_count,
    } in &saved
    {
        let post = site.json(200, get(format!("/blog/posts/{id}")));
        assert_eq!(post["title"], title.as_str());
        assert_eq!(post["comment_count"], *comment_count);
        let comments: Value = site.json(200, get(format!("/blog/posts/{id}/comments")));
        assert_eq!(
            comments["comments"].as_array().unwrap().len(),
            *comment_count
        );
    }
    let total = format!("{} posts", saved.len());
    assert!(site.page(200, get("/")).contains(&total), "{total}");
    drop(site);
    for stats in server.stop_all() {
        assert_eq!(stats.reply_count[5], 0, "{stats:?}");
        assert_eq!(
            stats.missed_count + stats.expired_count + stats.timed_out_count,
            0
        );
    }
}
