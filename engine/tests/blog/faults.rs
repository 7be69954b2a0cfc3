//! Every route of the blog through everything that can go wrong behind it, on the simulated machine.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::OnceLock;

use cutaway::effect::sqlite::scripted::{Script, ScriptedAnswer, ScriptedStatement};
use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
use cutaway::http::Method;
use cutaway::testing::simulation::{Fault, FaultPlan};
use serde_json::json;

use crate::client::Response;
use crate::example;
use crate::server::Scratch;
use crate::site::{Ask, SimulatedSite, Site, database, get, post};

/// What a route does with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Touch {
    Nothing,
    Reads,
    Writes,
}

/// A route, a request that it serves on the prepared blog, and what comes of it.
#[derive(Clone, Debug)]
struct Case {
    pattern: &'static str,
    ask: Ask,
    status: u16,
    touch: Touch,
}

fn case(pattern: &'static str, status: u16, touch: Touch, ask: Ask) -> Case {
    Case {
        pattern,
        ask,
        status,
        touch,
    }
}

/// All of them, in the order of their declaration.
fn cases() -> Vec<Case> {
    use Touch::{Nothing, Reads, Writes};
    let ask = |method, target: &str| Ask::new(method, target);
    let text = json!({"title": "t", "content": "c"});
    let part = json!({"content": "c"});
    let form = [("title", "t"), ("content", "c")];
    vec![
        case("/blog/posts", 200, Reads, get("/blog/posts")),
        case("/blog/posts/{id}", 200, Reads, get("/blog/posts/1")),
        case("/blog/posts", 201, Writes, post("/blog/posts").json(&text)),
        case(
            "/blog/posts/{id}",
            200,
            Writes,
            ask("PUT", "/blog/posts/1").json(&text),
        ),
        case(
            "/blog/posts/{id}",
            200,
            Writes,
            ask("PATCH", "/blog/posts/1").json(&part),
        ),
        case(
            "/blog/posts/{id}",
            204,
            Writes,
            ask("DELETE", "/blog/posts/1"),
        ),
        case(
            "/blog/posts/{id}/comments",
            200,
            Reads,
            get("/blog/posts/1/comments"),
        ),
        case(
            "/blog/posts/{id}/comments/{comment_id}",
            200,
            Reads,
            get("/blog/posts/1/comments/1"),
        ),
        case(
            "/blog/posts/{id}/comments",
            201,
            Writes,
            post("/blog/posts/1/comments").json(&part),
        ),
        case(
            "/blog/posts/{id}/comments/{comment_id}",
            200,
            Writes,
            ask("PUT", "/blog/posts/1/comments/1").json(&part),
        ),
        case(
            "/blog/posts/{id}/comments/{comment_id}",
            200,
            Writes,
            ask("PATCH", "/blog/posts/1/comments/1").json(&part),
        ),
        case(
            "/blog/posts/{id}/comments/{comment_id}",
            204,
            Writes,
            ask("DELETE", "/blog/posts/1/comments/1"),
        ),
        case("/", 200, Reads, get("/")),
        case("/new", 200, Nothing, get("/new")),
        case("/posts/{id}", 200, Reads, get("/posts/1")),
        case("/posts/{id}/edit", 200, Reads, get("/posts/1/edit")),
        case(
            "/posts/{id}/comments/{comment_id}",
            200,
            Reads,
            get("/posts/1/comments/1"),
        ),
        case("/style.css", 200, Nothing, get("/style.css")),
        case("/script.js", 200, Nothing, get("/script.js")),
        case("/posts", 303, Writes, post("/posts").form(&form)),
        case("/posts/{id}", 303, Writes, post("/posts/1").form(&form)),
        case("/posts/{id}/delete", 303, Writes, post("/posts/1/delete")),
        case(
            "/posts/{id}/comments",
            303,
            Writes,
            post("/posts/1/comments").form(&form[1..]),
        ),
        case(
            "/posts/{id}/comments/{comment_id}",
            303,
            Writes,
            post("/posts/1/comments/1").form(&form[1..]),
        ),
        case(
            "/posts/{id}/comments/{comment_id}/delete",
            303,
            Writes,
            post("/posts/1/comments/1/delete"),
        ),
    ]
}

/// A blog with a post and a comment, closed again.
fn prepared() -> Scratch {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let scratch = Scratch::in_memory("blog-faults");
        let mut site = SimulatedSite::new(&scratch, 1, FaultPlan::none());
        assert_eq!(site.write_post("Post"), 1);
        let comment = json!({"content": "Comment"});
        site.expect(201, post("/blog/posts/1/comments").json(&comment));
        site.end();
        std::fs::read(scratch.join("blog.db")).unwrap()
    });
    let scratch = Scratch::in_memory("blog-faults");
    std::fs::write(scratch.join("blog.db"), file).unwrap();
    scratch
}

/// What everybody can see of a blog.
fn contents(scratch: &Scratch) -> Vec<Response> {
    let mut site = SimulatedSite::new(scratch, 1, FaultPlan::none());
    let contents = ["/blog/posts", "/blog/posts/1/comments"].map(|target| {
        let mut response = site.expect(200, get(target));
        response.fields.clear();
        response
    });
    site.end();
    contents.into()
}

/// Whether an error is one for people or one for programs, as the path says.
fn check_error(case: &Case, response: &Response) {
    if case.ask.target.starts_with("/blog/") {
        response.problem();
    } else {
        assert_eq!(
            response.field("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(response.text().starts_with("<!DOCTYPE html>"));
    }
    let is_to_retry = response.status == 503;
    assert_eq!(
        response.field("retry-after").is_some(),
        is_to_retry,
        "{case:?}"
    );
}

#[test]
fn every_route_has_a_case() {
    let scratch = Scratch::in_memory("blog-faults");
    let routes = example::routes(database(&scratch)).build().unwrap();
    let found: Vec<(Method, &str)> = routes
        .routes()
        .iter()
        .map(|route| (route.method(), route.pattern()))
        .collect();
    let cases = cases();
    let expected: Vec<(Method, &str)> = cases
        .iter()
        .map(|case| {
            let method = Method::from_name(case.ask.method.as_bytes()).unwrap();
            (method, case.pattern)
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn without_a_fault_every_route_serves() {
    for case in cases() {
        let scratch = prepared();
        let mut site = SimulatedSite::new(&scratch, 3, FaultPlan::none());
        site.expect(case.status, case.ask);
        site.end();
    }
}

/// Every route with a fault that always strikes; what touches the database fails with this status,
/// and changes nothing.
fn check(fault: Fault, status: u16) {
    for case in cases() {
        let scratch = prepared();
        let before = contents(&scratch);
        let mut site = SimulatedSite::new(&scratch, 3, FaultPlan::none().with(fault, 1000));
        if case.touch == Touch::Nothing {
            site.expect(case.status, case.ask.clone());
        } else {
            let response = site.expect(status, case.ask.clone());
            check_error(&case, &response);
        }
        site.end();
        assert_eq!(contents(&scratch), before, "{case:?} with {fault:?}");
    }
}

#[test]
fn a_full_disk_is_an_error_of_ours() {
    check(Fault::DiskFull, 500);
}

#[test]
fn a_broken_disk_is_an_error_of_ours() {
    check(Fault::DiskFailed, 500);
}

#[test]
fn a_worker_with_no_room_is_worth_another_try() {
    check(Fault::JobRefused, 503);
}

#[test]
fn a_worker_that_panics_is_an_error_of_ours() {
    check(Fault::JobPanicked, 500);
}

fn gives_rows(statement: &ScriptedStatement<'_>) -> bool {
    !statement.sql.starts_with("DELETE") && !statement.sql.contains("SET comment_count")
}

/// What a database answers in which everything is there.
fn found(statement: &ScriptedStatement<'_>) -> ScriptedAnswer {
    let at = "2026-11-21T10:05:00.000Z";
    let sql = statement.sql;
    if !gives_rows(statement) {
        ScriptedAnswer::changed(1)
    } else if sql.contains("count(*)") {
        ScriptedAnswer::row((1,))
    } else if sql.contains("comments") {
        ScriptedAnswer::row((1, 1, "Comment", "Ada", at, at))
    } else {
        ScriptedAnswer::row((1, "Post", "Text", "Ada", at, at, 1))
    }
}

/// Every statement of every route by itself is answered in this way; the request fails with this
/// status.
fn check_answer(status: u16, answer: fn(&ScriptedStatement<'_>) -> ScriptedAnswer) {
    for case in cases() {
        for failing in 0.. {
            let asked_count = Rc::new(Cell::new(0));
            let script = Script::new({
                let asked_count = Rc::clone(&asked_count);
                move |statement| {
                    let number = asked_count.replace(asked_count.get() + 1);
                    if number == failing {
                        answer(statement)
                    } else {
                        found(statement)
                    }
                }
            });
            let mut site = SimulatedSite::scripted(&script);
            let response = site.ask(&case.ask);
            site.end();
            if asked_count.get() <= failing {
                // All of them have had their turn.
                assert_eq!(response.status, case.status, "{case:?}: {response:?}");
                assert_eq!(failing > 0, case.touch != Touch::Nothing, "{case:?}");
                break;
            }
            assert_eq!(response.status, status, "{case:?}, {failing}: {response:?}");
            check_error(&case, &response);
        }
    }
}

#[test]
fn a_database_that_is_busy_is_worth_another_try() {
    check_answer(503, |_| ScriptedAnswer::error(SqlErrorKind::Busy));
}

#[test]
fn a_statement_that_takes_too_long_is_given_up() {
    check_answer(504, |_| ScriptedAnswer::never());
}

#[test]
fn a_constraint_is_a_conflict_or_a_fault_of_the_input() {
    check_answer(409, |_| {
        ScriptedAnswer::constraint(Constraint::ForeignKey, "")
    });
    check_answer(409, |_| {
        ScriptedAnswer::constraint(Constraint::Unique, "posts.id")
    });
    check_answer(422, |_| {
        ScriptedAnswer::constraint(Constraint::NotNull, "posts.title")
    });
    check_answer(422, |_| {
        ScriptedAnswer::constraint(Constraint::Check, "posts.title")
    });
}

#[test]
fn a_database_that_does_not_do_as_it_should_is_an_error_of_ours() {
    check_answer(500, |_| ScriptedAnswer::error(SqlErrorKind::Storage));
    check_answer(500, |_| ScriptedAnswer::error(SqlErrorKind::Statement));
    // Rows that nobody can read; where no rows are read, another error.
    check_answer(500, |statement| {
        if gives_rows(statement) {
            ScriptedAnswer::row(("a column", "too few"))
        } else {
            ScriptedAnswer::error(SqlErrorKind::Other)
        }
    });
    check_answer(500, |_| panic!("a panic that the test planned"));
}

#[test]
fn a_client_that_leaves_leaves_nothing_behind() {
    for case in cases() {
        for micros in [0, 20, 50, 100, 200, 400] {
            let scratch = prepared();
            let mut site = SimulatedSite::new(&scratch, micros + 1, FaultPlan::none());
            site.leave_after(&case.ask, micros);
            site.end();
        }
    }
}

/// Whatever the kernel, the network, a worker or the disk can do, all at once: each answer is one of
/// those that are meant, and in the end nothing is left.
#[test]
fn no_fault_makes_an_answer_that_nobody_meant() {
    let plan = FaultPlan::all()
        // These end a connection or the wait for an answer, and are told of elsewhere.
        .with(Fault::ConnectionReset, 0)
        .with(Fault::TimedOut, 0)
        .with(Fault::BrokenPipe, 0)
        .with(Fault::Cancelled, 0)
        .with(Fault::Preempted, 0);
    for case in cases() {
        for seed in 0..8 {
            let scratch = prepared();
            let mut site = SimulatedSite::new(&scratch, seed, plan);
            let response = site.ask(&case.ask);
            if response.status != case.status {
                assert!(
                    [500, 503, 504].contains(&response.status),
                    "{case:?}: {response:?}"
                );
                assert!(case.touch != Touch::Nothing, "{case:?}: {response:?}");
                check_error(&case, &response);
            }
            site.end();
        }
    }
}
