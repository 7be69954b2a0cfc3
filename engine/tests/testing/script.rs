//! Databases that a script plays.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use cutaway::effect::SqlValue;
use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
use cutaway::prelude::*;
use cutaway::testing::{App, ScriptedAnswer, ScriptedStatement};
use cutaway::timeline::{MarkKind, Stage};

use crate::service::{Blog, CREATE, LOAD, routes};

#[test]
fn a_script_sees_text_and_values_and_answers_rows() {
    let app = App::new(routes());
    let seen = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&seen);
    app.script(Blog, move |statement| {
        noted
            .borrow_mut()
            .push((statement.sql, format!("{:?}", statement.params)));
        match (statement.sql, statement.params) {
            (LOAD, [SqlValue::Int(7)]) => ScriptedAnswer::row((7, "First")),
            (LOAD, _) => ScriptedAnswer::none(),
            (CREATE, _) => ScriptedAnswer::inserted(12),
            _ => ScriptedAnswer::error(SqlErrorKind::Statement),
        }
    });
    assert_eq!(app.get("/posts/7").send().text(), r#"[7,"First"]"#);
    app.get("/posts/8").send().assert_status(Status::NOT_FOUND);
    let created = app.post("/posts").json("Second").send();
    assert_eq!(created.field("Location"), Some("/posts/12"));
    let params: Vec<String> = seen
        .borrow()
        .iter()
        .map(|(_, params)| params.clone())
        .collect();
    assert_eq!(params, ["[Int(7)]", "[Int(8)]", r#"[Text("Second")]"#]);
    app.finish();
}

#[test]
fn a_delay_is_the_park_exactly() {
    let app = App::new(routes());
    app.script(Blog, |_| ScriptedAnswer::none().after(20.millis()));
    app.advance(Duration::from_nanos(1_234_567));
    let response = app.get("/posts/7").send();
    let timeline = response.timeline();
    timeline.assert_stages(&[(Stage::Park, 20.millis())]);
    let effect = timeline.effects()[0];
    assert_eq!(effect.submitted_after, Duration::ZERO);
    assert_eq!(effect.started_after, Some(Duration::ZERO));
    assert_eq!(effect.finished_after, Some(20.millis()));
    assert_eq!(app.now(), Duration::from_nanos(21_234_567));
    app.finish();
}

#[test]
fn answers_come_in_the_order_of_their_delays() {
    let app = App::new(routes());
    app.script(Blog, |statement| {
        let SqlValue::Int(id) = statement.params[0] else {
            panic!("the id is a number")
        };
        ScriptedAnswer::row((id, "late")).after(Duration::from_millis(id as u64))
    });
    let late = app.get("/posts/9").start();
    let early = app.get("/posts/4").start();
    app.advance(4.millis());
    assert!(early.is_answered() && !late.is_answered());
    app.advance(Duration::from_nanos(4_999_999));
    assert!(!late.is_answered());
    app.advance(Duration::from_nanos(1));
    assert!(late.is_answered());
    early
        .wait()
        .timeline()
        .assert_stages(&[(Stage::Park, 4.millis())]);
    late.wait()
        .timeline()
        .assert_stages(&[(Stage::Park, 9.millis())]);
    app.finish();
}

#[test]
fn every_way_to_fail_has_its_status() {
    let app = App::new(routes());
    let check = |answer: fn() -> ScriptedAnswer, expected: Status| {
        app.script(Blog, move |_| answer());
        let response = app.post("/posts").json("A post").send();
        response.assert_status(expected).timeline().assert_tiles();
    };
    check(
        || ScriptedAnswer::constraint(Constraint::Unique, "posts.title"),
        Status::CONFLICT,
    );
    check(
        || ScriptedAnswer::constraint(Constraint::NotNull, "posts.title"),
        Status::UNPROCESSABLE_CONTENT,
    );
    check(
        || ScriptedAnswer::error(SqlErrorKind::Busy),
        Status::SERVICE_UNAVAILABLE,
    );
    check(
        || ScriptedAnswer::error(SqlErrorKind::Storage),
        Status::INTERNAL_SERVER_ERROR,
    );
    check(ScriptedAnswer::never, Status::GATEWAY_TIMEOUT);
    app.finish();
}

#[test]
fn a_panic_in_the_worker_fails_its_request_only() {
    let app = App::new(routes());
    app.script(Blog, |statement| match statement.params {
        [SqlValue::Int(1)] => std::panic::resume_unwind(Box::new("the script's own")),
        _ => ScriptedAnswer::row((2, "Second")),
    });
    let (struck, other) = (app.get("/posts/1").start(), app.get("/posts/2").start());
    struck.wait().assert_status(Status::INTERNAL_SERVER_ERROR);
    other.wait().assert_status(Status::OK);
    app.finish();
}

#[test]
fn what_never_comes_is_cancelled_with_its_client() {
    let app = App::new(routes());
    app.script(Blog, |_| ScriptedAnswer::never());
    let pending = app.get("/patient/7").start();
    app.advance(3_600.secs());
    assert!(!pending.is_answered());
    pending.disconnect();
    app.advance(Duration::ZERO);
    let timeline = pending.timeline().unwrap();
    assert_eq!(timeline.stage(Stage::Park), 3_600.secs());
    assert!(timeline.has(MarkKind::ClientGone));
    // The worker has let go of it at once.
    assert_eq!(app.stats().late_result_count, 1);
    app.finish();
}

#[test]
fn an_answer_after_the_deadline_is_a_timeout_at_the_deadline() {
    let app = App::new(routes());
    app.script(Blog, |_| ScriptedAnswer::row((7, "late")).after(10.secs()));
    let response = app.get("/posts/7").send();
    response.assert_status(Status::GATEWAY_TIMEOUT);
    let timeline = response.timeline();
    timeline.assert_stages(&[(Stage::Park, timeline.total())]);
    assert!(timeline.total() < 10.secs());
    app.finish();
}

fn by_text(statement: &ScriptedStatement<'_>) -> ScriptedAnswer {
    match statement.sql {
        "one" => ScriptedAnswer::row((1,)).after(3.millis()),
        _ => ScriptedAnswer::row((2,)).after(5.millis()),
    }
}

#[test]
fn effects_side_by_side_take_as_long_as_the_longest() {
    let app = App::new(routes());
    app.script(Blog, by_text);
    let response = app.get("/both").send();
    let timeline = response.timeline();
    timeline.assert_stages(&[(Stage::Park, 5.millis())]);
    let effects = timeline.effects();
    let finished: Vec<_> = effects
        .iter()
        .map(|it| (it.which, it.finished_after))
        .collect();
    assert_eq!(finished, [(0, Some(3.millis())), (1, Some(5.millis()))]);
    app.finish();
}

#[test]
fn a_loser_of_a_race_is_let_go() {
    let app = App::new(routes());
    app.script(Blog, by_text);
    let response = app.get("/race").send();
    assert_eq!(response.text(), "1");
    let timeline = response.timeline();
    timeline.assert_stages(&[(Stage::Park, 3.millis())]);
    let [winner, loser] = timeline.effects()[..] else {
        panic!("two effects:\n{timeline}")
    };
    assert_eq!(
        (winner.run(), winner.let_go_after),
        (Some(3.millis()), None)
    );
    assert_eq!((loser.run(), loser.let_go_after), (None, Some(3.millis())));
    assert_eq!(app.stats().late_result_count, 1);
    app.finish();
}

#[test]
fn a_timer_is_exact_wherever_its_request_begins() {
    let app = App::new(routes());
    for step in 0..7 {
        app.advance(Duration::from_micros(700 * step));
        for millis in [1, 2, 20] {
            let response = app.get(&format!("/wait/{millis}")).send();
            assert_eq!(response.text(), millis.to_string());
            let timeline = response.timeline();
            timeline.assert_stages(&[(Stage::Park, millis.millis())]);
            assert_eq!(timeline.effects()[0].finished_after, Some(millis.millis()));
        }
    }
    app.finish();
}
