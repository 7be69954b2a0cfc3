//! Every answer that a scripted database can give, and what a client hears of it.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::cell::RefCell;
use std::rc::Rc;

use cutaway::effect::sqlite::scripted::{Script, ScriptedAnswer};
use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
use cutaway::prelude::*;
use cutaway::testing::simulation::{SimConfig, Simulation, SimulationOptions};

resource!(pub Blog: Sqlite);
slot!(pub Title<'r>: (i64, &'r str));
slot!(pub Done<'r>: &'r [Executed]);

const SELECT: &str = "SELECT id, title FROM posts WHERE id = 7";

fn load(cx: &mut Cx<Writes<Title>, Uses<Blog>>) -> Step {
    cx.need(cx.on(Blog).query_one(SELECT).into(Title))
}

fn show(cx: &mut Cx<Reads<Title>>) -> Step {
    let title = cx.get(Title);
    cx.json(title)
}

fn delete(cx: &mut Cx<Writes<Done>, Uses<Blog>>) -> Step {
    let deletion = (cx.on(Blog).transaction())
        .exec("DELETE FROM comments WHERE post = 7")
        .exec("DELETE FROM posts WHERE id = 7")
        .expecting_change();
    cx.need(deletion.into(Done))
}

fn deleted(cx: &mut Cx<Reads<Done>>) -> Step {
    let changed: Vec<_> = cx.get(Done).iter().map(|done| done.changed_count).collect();
    cx.json(&changed)
}

/// The status and the content that a request gets from a database that answers like this.
fn ask(target: &str, answer: impl Fn(&str) -> ScriptedAnswer + 'static) -> (u16, String) {
    let routes = Routes::new()
        .resource(Blog, Sqlite::open("/nowhere/never opened.db"))
        .get("/post", chain(load).then(show).deadline(50.millis()))
        .get("/delete", chain(delete).then(deleted).deadline(50.millis()))
        .build()
        .unwrap();
    let script = Script::new(move |statement| answer(statement.sql));
    let options = SimulationOptions::default();
    let mut simulation = Simulation::scripted(routes, SimConfig::new(7), options, &script);
    let client = simulation.connect();
    client
        .send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
    simulation.run_for(100.millis());
    let read = String::from_utf8(client.take_read()).unwrap();
    let status = simulation.kept()[0].status;
    // Nothing of it is left: no job, no request, no timer.
    simulation.drain(1.secs());
    simulation.run_for(2.secs());
    simulation.check_drained();
    (status, read.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[test]
fn each_answer_has_its_status() {
    let check = |answer: fn(&str) -> ScriptedAnswer, status: u16, words: &str| {
        let (got, content) = ask("/post", answer);
        assert_eq!(got, status, "{content}");
        assert!(content.contains(words), "{content}");
    };
    check(|_| ScriptedAnswer::row((7, "hello")), 200, r#"[7,"hello"]"#);
    check(
        |_| ScriptedAnswer::row((7, "late")).after(40.millis()),
        200,
        r#"[7,"late"]"#,
    );
    check(|_| ScriptedAnswer::none(), 404, "Title");
    check(
        |_| ScriptedAnswer::constraint(Constraint::Unique, "posts.title"),
        409,
        "posts.title",
    );
    check(
        |_| ScriptedAnswer::constraint(Constraint::Check, "title <> ''"),
        422,
        "title <> ''",
    );
    check(|_| ScriptedAnswer::error(SqlErrorKind::Busy), 503, "busy");
    check(|_| ScriptedAnswer::error(SqlErrorKind::Storage), 500, "");
    // The statement and the row type disagree.
    check(|_| ScriptedAnswer::row(("seven", "hello")), 500, "");
    check(|_| ScriptedAnswer::never(), 504, "");
    check(
        |_| ScriptedAnswer::row((7, "too late")).after(60.millis()),
        504,
        "",
    );
}

#[test]
fn a_transaction_ends_with_what_fails() {
    let asked = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&asked);
    let (status, content) = ask("/delete", move |sql| {
        notes.borrow_mut().push(sql.to_owned());
        ScriptedAnswer::changed(if sql.contains("comments") { 3 } else { 1 })
    });
    assert_eq!((status, content.as_str()), (200, "[3,1]"));
    assert_eq!(asked.borrow().len(), 2);

    let (status, _) = ask("/delete", |sql| {
        ScriptedAnswer::changed(u64::from(sql.contains("comments")))
    });
    assert_eq!(status, 404);
    let (status, content) = ask("/delete", |sql| {
        assert!(sql.contains("comments"), "the second is not asked for");
        ScriptedAnswer::constraint(Constraint::ForeignKey, "")
    });
    assert_eq!(status, 409);
    assert!(content.contains("FOREIGN KEY"), "{content}");
}

#[test]
fn a_step_is_asked_as_it_is_written() {
    let tested = cutaway::testing::get("/").run(delete);
    let effect = tested.effect().unwrap();
    assert_eq!(effect.sql(), Some("DELETE FROM comments WHERE post = 7"));
    let [first, second] = effect.statements() else {
        panic!("two statements");
    };
    assert!(!first.expects_row && second.expects_row);
}
