//! That the kit's assertions fail when they should, in words that say what is wrong.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use cutaway::prelude::*;
use cutaway::testing::{self, App, ScriptedAnswer};
use cutaway::timeline::Stage;

use crate::service::{Blog, routes};

thread_local!(static IS_SILENT: Cell<bool> = const { Cell::new(false) });

/// The words with which this fails.
fn words(fails: impl FnOnce()) -> String {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_SILENT.get() {
                loud(info);
            }
        }));
    });
    IS_SILENT.set(true);
    let failed = catch_unwind(AssertUnwindSafe(fails));
    IS_SILENT.set(false);
    let payload = failed.expect_err("it does not fail");
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap()
}

/// It fails with all of these words.
fn check(fails: impl FnOnce(), expected: &[&str]) {
    let words = words(fails);
    for expected in expected {
        assert!(words.contains(expected), "`{expected}` is not in:\n{words}");
    }
}

#[test]
fn another_status_shows_the_whole_response() {
    let app = App::new(routes());
    let response = app.get("/nothing").send();
    check(
        || {
            response.assert_status(Status::OK);
        },
        &[
            "expected 200 OK",
            "HTTP/1.1 404 Not Found",
            "application/problem+json",
            "GET /nothing",
        ],
    );
}

#[test]
fn content_of_another_kind_is_shown() {
    let app = App::new(routes());
    let response = app.get("/hello").send();
    check(
        || {
            response.json::<Vec<u8>>();
        },
        &["no such JSON", "Hello, World!"],
    );
}

#[test]
fn lengths_that_differ_are_named() {
    let app = App::new(routes());
    let response = app.get("/think/3").send();
    let timeline = response.timeline();
    check(
        || {
            timeline.assert_stages(&[(Stage::Run, 2.millis())]);
        },
        &["run took 3ms, expected 2ms", "GET /think/3"],
    );
    check(
        || {
            timeline.assert_stages(&[]);
        },
        &["run took 3ms, expected 0ns"],
    );
    check(
        || {
            timeline.assert_stages(&[(Stage::Run, 3.millis()), (Stage::Park, 1.millis())]);
        },
        &["park took 0ns, expected 1ms"],
    );
}

#[test]
fn patience_ends() {
    let app = App::new(routes()).patience(2.secs());
    let client = app.client();
    client.send(b"GET /hello HTTP/1.1\r\n");
    check(
        || {
            client.response();
        },
        &[
            "no response to what was sent within 2s",
            "does not have the whole of it",
        ],
    );
    assert_eq!(app.now(), 2.secs());
}

#[test]
fn a_connection_that_ended_has_no_further_response() {
    let app = App::new(routes());
    let client = app.client();
    client.send(b"nonsense\r\n\r\n");
    client.response().assert_status(Status::BAD_REQUEST);
    check(
        || {
            client.get("/hello").send();
        },
        &["no response to GET /hello", "closed the connection"],
    );
    let pending = app.get("/posts/1").start();
    pending.disconnect();
    check(
        || {
            pending.wait();
        },
        &["no response to GET /posts/1: its client has disconnected"],
    );
}

#[test]
fn a_timeline_that_is_missing_is_said_to_be() {
    let limits = cutaway::limits::Limits {
        requests_max: 1,
        ..Default::default()
    };
    let app = App::new(routes()).limits(limits);
    let _taken = app.get("/posts/1").start();
    let response = app.get("/posts/1").send();
    check(
        || {
            response.timeline();
        },
        &["refused without a slot", "503"],
    );
}

#[test]
fn an_app_is_set_up_before_it_runs() {
    let app = App::new(routes());
    app.get("/hello").send();
    check(
        || {
            let _ = app.noise();
        },
        &["set up before its first request"],
    );
}

resource!(Other: Sqlite);

#[test]
fn a_resource_that_the_routes_lack_is_refused() {
    check(
        || {
            let _ = App::new(routes()).file(Other, "other.db");
        },
        &["the routes have no resource `Other`"],
    );
}

#[test]
fn an_app_that_has_finished_does_nothing_more() {
    let app = App::new(routes());
    let client = app.client();
    app.finish();
    check(
        || {
            client.get("/hello").send();
        },
        &["the app has finished"],
    );
}

#[test]
fn a_step_cannot_use_the_app_it_runs_in() {
    thread_local!(static CLIENT: std::cell::RefCell<Option<testing::Client>> = const {
        std::cell::RefCell::new(None)
    });

    fn meddle(_: &mut Cx) -> Step {
        CLIENT.with_borrow(|client| client.as_ref().unwrap().is_open());
        Continue
    }

    let app = App::new(Routes::new().get("/", chain(meddle)).build().unwrap());
    CLIENT.set(Some(app.client()));
    let mut response = None;
    IS_SILENT.set(true);
    response.replace(app.get("/").send());
    IS_SILENT.set(false);
    let response = response.unwrap();
    response.assert_status(Status::INTERNAL_SERVER_ERROR);
    assert_eq!(app.stats().panic_count, 1);
    CLIENT.set(None);
}

#[test]
fn a_seed_that_fails_is_run_alone() {
    let mut seen = Vec::new();
    let words = words(|| {
        testing::for_each_seed(3..9, |seed| {
            seen.push(seed);
            assert!(seed < 5, "seed {seed} fails");
        });
    });
    assert_eq!(words, "seed 5 fails");
    assert_eq!(seen, [3, 4, 5]);
}

#[test]
fn a_slot_that_is_missing_or_of_no_use_is_named() {
    slot!(Wanted: i64);
    slot!(Unwanted: i64);

    fn step(cx: &mut Cx<Reads<Wanted>>) -> Step {
        cx.json(cx.get(Wanted))
    }

    check(
        || {
            let _ = testing::get("/").run(step);
        },
        &["reads slot `Wanted`, which no earlier step writes"],
    );
    check(
        || {
            let _ = testing::get("/").put(Wanted, 1).put(Unwanted, 2).run(step);
        },
        &["does not read `Unwanted`"],
    );
}

#[test]
fn what_never_comes_keeps_an_app_from_its_end() {
    let app = App::new(routes());
    app.script(Blog, |_| ScriptedAnswer::never());
    let _stuck = app.get("/patient/7").start();
    app.advance(1.millis());
    check(
        || app.finish(),
        &[
            "the app does not end",
            "had to cut off",
            "GET /patient/7 is in the stage `park`",
        ],
    );
}

#[test]
fn a_database_that_was_opened_is_not_scripted_any_more() {
    let app = App::new(routes());
    app.get("/posts/7").send();
    check(
        || app.script(Blog, |_| ScriptedAnswer::none()),
        &["set up before its first request"],
    );
}

#[test]
fn patience_says_where_a_request_is() {
    let app = App::new(routes()).patience(2.secs());
    app.script(Blog, |_| ScriptedAnswer::never());
    check(
        || {
            app.get("/patient/7").send();
        },
        &["no response to GET /patient/7 within 2s: it is in the stage `park`"],
    );
    assert_eq!(app.now(), 2.secs());
}

#[test]
fn the_words_of_a_test_that_fails_say_what_was_found() {
    slot!(Id: i64 = path "id");

    fn lost(cx: &mut Cx<Reads<Id>>) -> Step {
        let id = cx.get(Id).to_string();
        fail(NotFound, "post", id)
    }

    fn found(cx: &mut Cx) -> Step {
        cx.text("found")
    }

    let tested = testing::get("/posts/7").param("id", "7").run(lost);
    tested.assert_fails(NotFound, "post", "7");
    check(
        || tested.assert_fails(NotFound, "post", "8"),
        &["expected the failure NotFound: post 8, got NotFound: post 7"],
    );
    check(
        || {
            testing::get("/")
                .run(found)
                .assert_fails(NotFound, "post", "7")
        },
        &["got the decision Done"],
    );
    check(
        || {
            testing::get("/").run(found).json::<i64>();
        },
        &["no such JSON", "found"],
    );
    check(
        || {
            let _ = testing::get("/users/7").pattern("/posts/{id}");
        },
        &["`/users/7` does not match `/posts/{id}`"],
    );
}
