//! The JSON API: every route, every status, every fault.

use cutaway::prelude::*;
use cutaway::testing::App;
use cutaway::testing::simulation::FaultPlan;
use serde_json::{Value, json};

use crate::example::routes;
use crate::server::Scratch;
use crate::site::{Ask, SimulatedSite, Site, get, on_every_site, post};

fn ask(method: &'static str, target: &str) -> Ask {
    Ask::new(method, target)
}

/// The value without its times, once they were found to be such.
fn timeless(mut value: Value) -> Value {
    for name in ["created_at", "updated_at"] {
        let time = value.as_object_mut().unwrap().remove(name).unwrap();
        let time = time.as_str().unwrap();
        // RFC 3339: 2026-11-21T10:05:00.000Z
        let shape: String = time
            .chars()
            .map(|char| if char.is_ascii_digit() { '0' } else { char })
            .collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000Z");
    }
    value
}

#[test]
fn a_post_is_written_read_changed_and_deleted() {
    on_every_site(|site| {
        let input =
            json!({"title": "First \"light\"", "content": "One\n\ntwo \u{1F30D}", "author": "Ada"});
        let response = site.expect(201, post("/blog/posts").json(&input));
        assert_eq!(response.field("location"), Some("/blog/posts/1"));
        let written: Value = serde_json::from_slice(&response.body).unwrap();
        let expected = json!({
            "id": 1, "title": "First \"light\"", "content": "One\n\ntwo \u{1F30D}", "author": "Ada",
            "comment_count": 0,
        });
        assert_eq!(timeless(written.clone()), expected);
        assert_eq!(written["created_at"], written["updated_at"]);
        assert_eq!(site.json(200, get("/blog/posts/1")), written);
        assert!(
            site.expect(200, ask("HEAD", "/blog/posts/1"))
                .body
                .is_empty()
        );

        // A whole new one: who is not named is nobody.
        let input = json!({"title": "Second", "content": "Text"});
        let replaced = site.json(200, ask("PUT", "/blog/posts/1").json(&input));
        assert_eq!(replaced["title"], "Second");
        assert_eq!(replaced["author"], "Anonymous");
        assert_eq!(replaced["created_at"], written["created_at"]);
        assert!(replaced["updated_at"].as_str() >= written["updated_at"].as_str());

        // A part: the rest stays.
        let input = json!({"author": "Grace"});
        let patched = site.json(200, ask("PATCH", "/blog/posts/1").json(&input));
        assert_eq!(
            (&patched["title"], &patched["author"]),
            (&json!("Second"), &json!("Grace"))
        );
        assert_eq!(site.json(200, get("/blog/posts/1")), patched);

        assert!(
            site.expect(204, ask("DELETE", "/blog/posts/1"))
                .body
                .is_empty()
        );
        for gone in [
            get("/blog/posts/1"),
            ask("HEAD", "/blog/posts/1"),
            ask("DELETE", "/blog/posts/1"),
            ask("PUT", "/blog/posts/1").json(&json!({"title": "t", "content": "c"})),
            ask("PATCH", "/blog/posts/1").json(&json!({"title": "t"})),
            get("/blog/posts/1/comments"),
            get("/blog/posts/1/comments/1"),
            post("/blog/posts/1/comments").json(&json!({"content": "c"})),
            ask("PUT", "/blog/posts/1/comments/1").json(&json!({"content": "c"})),
            ask("PATCH", "/blog/posts/1/comments/1").json(&json!({"content": "c"})),
            ask("DELETE", "/blog/posts/1/comments/1"),
        ] {
            site.expect(404, gone);
        }
        // It says what is missing.
        let details = [
            ("/blog/posts/1", "post 1"),
            ("/blog/posts/1/comments", "post 1"),
            ("/blog/posts/1/comments/7", "comment 7"),
        ];
        for (target, detail) in details {
            assert_eq!(site.problem(404, get(target))["detail"], detail);
        }
        let comment = json!({"content": "c"});
        let detail = &site.problem(404, post("/blog/posts/1/comments").json(&comment))["detail"];
        assert_eq!(detail, "post 1");
        // An id is never used again.
        assert_eq!(site.write_post("Third"), 2);
    });
}

#[test]
fn comments_belong_to_their_post() {
    on_every_site(|site| {
        let (mine, other) = (site.write_post("Mine"), site.write_post("Other"));
        let at = format!("/blog/posts/{mine}/comments");
        let response = site.expect(201, post(&at).json(&json!({"content": "Well said."})));
        assert_eq!(response.field("location"), Some(format!("{at}/1").as_str()));
        let written: Value = serde_json::from_slice(&response.body).unwrap();
        let expected =
            json!({"id": 1, "post_id": mine, "content": "Well said.", "author": "Anonymous"});
        assert_eq!(timeless(written.clone()), expected);
        assert_eq!(site.json(200, get(format!("{at}/1"))), written);
        assert_eq!(
            site.json(200, get(format!("/blog/posts/{mine}")))["comment_count"],
            1
        );

        // Under another post it is not there, whatever is asked.
        let elsewhere = format!("/blog/posts/{other}/comments/1");
        let input = json!({"content": "c"});
        site.problem(404, get(&elsewhere));
        site.problem(404, ask("PUT", &elsewhere).json(&input));
        site.problem(404, ask("PATCH", &elsewhere).json(&input));
        site.problem(404, ask("DELETE", &elsewhere));
        assert_eq!(site.json(200, get(format!("{at}/1"))), written);

        let patched = site.json(
            200,
            ask("PATCH", &format!("{at}/1")).json(&json!({"author": "Bob"})),
        );
        assert_eq!(
            (&patched["content"], &patched["author"]),
            (&json!("Well said."), &json!("Bob"))
        );
        let put = ask("PUT", &format!("{at}/1")).json(&json!({"content": "On second thought."}));
        let replaced = site.json(200, put);
        assert_eq!(replaced["author"], "Anonymous");

        site.expect(204, ask("DELETE", &format!("{at}/1")));
        site.problem(404, get(format!("{at}/1")));
        assert_eq!(
            site.json(200, get(format!("/blog/posts/{mine}")))["comment_count"],
            0
        );
        assert_eq!(
            site.json(200, get(&at)),
            json!({"comments": [], "next": null})
        );

        // A post takes its comments along.
        site.expect(201, post(&at).json(&input));
        site.expect(204, ask("DELETE", &format!("/blog/posts/{mine}")));
        site.problem(404, get(format!("{at}/2")));
    });
}

/// The ids of a list, page by page, following the links.
fn pages(site: &mut dyn Site, name: &str, first: &str) -> Vec<Vec<i64>> {
    let (mut pages, mut at) = (Vec::new(), first.to_owned());
    loop {
        let response = site.expect(200, get(&at));
        let page: Value = serde_json::from_slice(&response.body).unwrap();
        let ids = page[name].as_array().unwrap().iter();
        pages.push(ids.map(|entry| entry["id"].as_i64().unwrap()).collect());
        let Some(next) = page["next"].as_str() else {
            assert_eq!(response.field("link"), None);
            return pages;
        };
        let link = format!("<{next}>; rel=\"next\"");
        assert_eq!(response.field("link"), Some(link.as_str()));
        at = next.to_owned();
    }
}

#[test]
fn lists_come_in_pages_newest_first() {
    on_every_site(|site| {
        assert_eq!(pages(site, "posts", "/blog/posts"), [[0_i64; 0]]);
        for number in 1..=7 {
            assert_eq!(site.write_post(&format!("Post {number}")), number);
        }
        let found = pages(site, "posts", "/blog/posts?limit=3");
        assert_eq!(found, [vec![7, 6, 5], vec![4, 3, 2], vec![1]]);
        assert_eq!(
            pages(site, "posts", "/blog/posts?limit=7"),
            [[7, 6, 5, 4, 3, 2, 1]]
        );
        assert_eq!(pages(site, "posts", "/blog/posts?before=3"), [[2, 1]]);
        assert_eq!(pages(site, "posts", "/blog/posts?before=-5"), [[0_i64; 0]]);

        for number in 1..=5 {
            let comment = json!({"content": format!("Comment {number}")});
            site.json(201, post("/blog/posts/4/comments").json(&comment));
        }
        let found = pages(site, "comments", "/blog/posts/4/comments?limit=2");
        assert_eq!(found, [vec![5, 4], vec![3, 2], vec![1]]);
        assert_eq!(
            pages(site, "comments", "/blog/posts/3/comments"),
            [[0_i64; 0]]
        );

        for (query, key) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=-1", "limit"),
            ("limit=many", "limit"),
            ("before=x", "before"),
        ] {
            for path in ["/blog/posts", "/blog/posts/4/comments"] {
                let problem = site.problem(400, get(format!("{path}?{query}")));
                assert!(
                    problem["detail"].as_str().unwrap().contains(key),
                    "{problem}"
                );
            }
        }
    });
}

/// On the simulated machine alone: without optimisation, to write so much takes longer than a
/// request may.
#[test]
fn the_longest_page_there_can_be_is_answered() {
    let scratch = Scratch::in_memory("blog");
    let mut site = SimulatedSite::new(&scratch, 1, FaultPlan::none());
    let content = "\u{1F30D}".repeat(10_000);
    let longest = json!({"title": "t", "content": content, "author": "a".repeat(80)});
    for _ in 0..101 {
        site.expect(201, post("/blog/posts").json(&longest));
    }
    let page = site.json(200, get("/blog/posts?limit=100"));
    assert_eq!(page["posts"].as_array().unwrap().len(), 100);
    assert_eq!(page["posts"][99]["content"], content);
    assert_eq!(page["next"], "/blog/posts?before=2&limit=100");
    site.end();
}

#[test]
fn every_fault_of_an_input_is_told_at_once() {
    on_every_site(|site| {
        let id = site.write_post("Post");
        site.json(
            201,
            post(format!("/blog/posts/{id}/comments")).json(&json!({"content": "c"})),
        );
        let errors = |site: &mut dyn Site, ask: Ask| {
            let response = site.expect(422, ask);
            let problem = response.problem();
            assert_eq!(
                problem["request_id"].as_str(),
                response.field("x-request-id")
            );
            let errors = problem["errors"].as_array().unwrap().iter();
            let told = errors.map(|error| {
                assert!(!error["detail"].as_str().unwrap().is_empty());
                error["pointer"].as_str().unwrap().to_owned()
            });
            told.collect::<Vec<_>>()
        };
        let wrong = json!({"title": 5, "author": "a".repeat(81), "colour": "blue"});
        for (method, target) in [("POST", "/blog/posts"), ("PUT", "/blog/posts/1")] {
            let found = errors(site, ask(method, target).json(&wrong));
            assert_eq!(found, ["/title", "/content", "/author", "/colour"]);
        }
        let found = errors(site, ask("PATCH", "/blog/posts/1").json(&wrong));
        assert_eq!(found, ["/title", "/author", "/colour"]);
        assert_eq!(
            errors(site, ask("PATCH", "/blog/posts/1").json(&json!({}))),
            [""]
        );
        for (method, target) in [
            ("POST", "/blog/posts/1/comments"),
            ("PUT", "/blog/posts/1/comments/1"),
        ] {
            let found = errors(site, ask(method, target).json(&wrong));
            assert_eq!(found, ["/content", "/author", "/colour", "/title"]);
        }
        let patch = ask("PATCH", "/blog/posts/1/comments/1");
        assert_eq!(
            errors(site, patch.clone().json(&wrong)),
            ["/author", "/colour", "/title"]
        );
        assert_eq!(errors(site, patch.json(&json!({}))), [""]);
        // Nothing of all this was written.
        assert_eq!(site.json(200, get("/blog/posts/1"))["title"], "Post");
        assert_eq!(
            site.json(200, get("/blog/posts"))["posts"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    });
}

/// What takes a body.
const WRITES: [(&str, &str); 6] = [
    ("POST", "/blog/posts"),
    ("PUT", "/blog/posts/1"),
    ("PATCH", "/blog/posts/1"),
    ("POST", "/blog/posts/1/comments"),
    ("PUT", "/blog/posts/1/comments/1"),
    ("PATCH", "/blog/posts/1/comments/1"),
];

#[test]
fn a_body_that_is_no_input_is_refused() {
    on_every_site(|site| {
        for (method, target) in WRITES {
            let ask = || ask(method, target);
            site.problem(415, ask());
            site.problem(
                415,
                ask().body("text/plain", r#"{"title": "t", "content": "c"}"#),
            );
            site.problem(415, ask().form(&[("title", "t"), ("content", "c")]));
            site.problem(400, ask().body("application/json", ""));
            site.problem(400, ask().body("application/json", r#"{"title": "#));
            site.problem(400, ask().body("application/json", r#"{"title": "t"} {}"#));
            for shape in ["[]", "\"title\"", "null", "7"] {
                site.problem(422, ask().body("application/json", shape));
            }
            site.problem(
                413,
                ask().body("application/json", vec![b' '; (1 << 20) + 1]),
            );
        }
    });
}

#[test]
fn an_address_that_is_not_one_is_refused() {
    on_every_site(|site| {
        for target in [
            "/blog/",
            "/blog/posts/",
            "/blog/posts/1/likes",
            "/blog/authors",
        ] {
            site.problem(404, get(target));
        }
        for target in [
            "/blog/posts/one",
            "/blog/posts/1.5",
            "/blog/posts/99999999999999999999",
            "/blog/posts/one/comments",
            "/blog/posts/1/comments/one",
        ] {
            site.problem(400, get(target));
        }
        for target in [
            "/blog/posts/0",
            "/blog/posts/-1",
            "/blog/posts/9223372036854775807",
        ] {
            site.problem(404, get(target));
        }
    });
}

#[test]
fn a_method_that_is_not_there_is_refused_with_those_that_are() {
    on_every_site(|site| {
        for (method, target, allowed) in [
            ("PUT", "/blog/posts", "GET, HEAD, POST, OPTIONS"),
            (
                "POST",
                "/blog/posts/1",
                "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
            ),
            (
                "DELETE",
                "/blog/posts/1/comments",
                "GET, HEAD, POST, OPTIONS",
            ),
            (
                "POST",
                "/blog/posts/1/comments/1",
                "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
            ),
        ] {
            let response = site.expect(405, ask(method, target));
            let mut found: Vec<&str> = response.field("allow").unwrap().split(", ").collect();
            let mut allowed: Vec<&str> = allowed.split(", ").collect();
            found.sort_unstable();
            allowed.sort_unstable();
            assert_eq!(found, allowed);
            response.problem();
            site.expect(204, ask("OPTIONS", target));
        }
    });
}

#[test]
fn another_site_can_make_nobody_write() {
    on_every_site(|site| {
        let write = || post("/blog/posts").json(&json!({"title": "t", "content": "c"}));
        for refused in [
            write().field("Sec-Fetch-Site", "cross-site"),
            write().field("Sec-Fetch-Site", "same-site"),
            write()
                .field("Sec-Fetch-Site", "cross-site")
                .field("Origin", "http://blog.test"),
            write().field("Origin", "http://evil.test"),
            write().field("Origin", "http://blog.test.evil.test"),
            write().field("Origin", "http://blog.test:81"),
            write().field("Origin", "null"),
            ask("DELETE", "/blog/posts/1").field("Origin", "http://evil.test"),
            ask("PUT", "/nowhere").field("Origin", "http://evil.test"),
        ] {
            site.expect(403, refused);
        }
        assert_eq!(site.json(200, get("/blog/posts"))["posts"], json!([]));
        for taken in [
            write(),
            write()
                .field("Sec-Fetch-Site", "same-origin")
                .field("Origin", "http://blog.test"),
            write().field("Sec-Fetch-Site", "none"),
            write().field("Origin", "http://blog.test"),
            write().field("Origin", "https://blog.test"),
        ] {
            site.expect(201, taken);
        }
        // To read is free.
        site.expect(
            200,
            get("/blog/posts").field("Sec-Fetch-Site", "cross-site"),
        );
    });
}

/// HTTP/1.0 knows no Host, so no origin can be that of the request.
#[test]
fn an_origin_is_not_ours_where_nobody_says_who_we_are() {
    let app = App::new(routes(Sqlite::open("blog.db")).build().unwrap());
    let client = app.client();
    client.send(b"POST /posts/1/delete HTTP/1.0\r\nOrigin: null\r\n\r\n");
    client.response().assert_status(Status::FORBIDDEN);
    app.finish();
}

#[test]
fn every_answer_says_which_request_it_is_for() {
    on_every_site(|site| {
        for (status, ask) in [
            (200, get("/blog/posts")),
            (404, get("/blog/posts/1")),
            (404, get("/nowhere")),
            (405, ask("PUT", "/")),
            (403, post("/posts").field("Origin", "http://evil.test")),
            (422, post("/blog/posts").json(&json!({}))),
            (200, get("/")),
        ] {
            let own = site.expect(status, ask.clone());
            let id = own.field("x-request-id").unwrap().to_owned();
            assert_eq!(id.len(), 32, "{id}");
            let next = site.expect(status, ask.clone());
            assert_ne!(next.field("x-request-id"), Some(id.as_str()));
            let named = site.expect(status, ask.field("X-Request-Id", "theirs-7"));
            assert_eq!(named.field("x-request-id"), Some("theirs-7"));
        }
    });
}
