use std::sync::Arc;

use super::*;
use crate::prelude::*;
use crate::testing::Scratch;
use crate::testing::simulation::{SimConfig, Simulation};

slot!(Id: i64 = path "id");
slot!(User: String);
slot!(Rights: u32);

fn hello(cx: &mut Cx) -> Step {
    cx.text("hello")
}

fn authenticate(cx: &mut Cx<Writes<(User, Rights)>>) -> Step {
    if cx.request().field("x-fails").is_some() {
        return fail(Unauthorized, "user", "");
    }
    cx.put(User, "ann".to_owned());
    cx.put(Rights, 7);
    Continue
}

fn greet(cx: &mut Cx<Reads<(User, Id)>>) -> Step {
    if cx.request().field("x-by-id").is_some() {
        return cx.text(&cx.get(Id).to_string());
    }
    cx.text(cx.get(User))
}

fn told(slots: &[VainSlot]) -> Vec<String> {
    let own = "cutaway::routes::vain::tests::";
    (slots.iter())
        .map(|slot| slot.to_string().replace(own, ""))
        .collect()
}

#[test]
fn a_slot_that_no_later_step_reads_is_listed() {
    let routes = Routes::new()
        .get("/a/{id}", chain(authenticate).then(greet))
        .post("/b", chain(hello).then(authenticate).then(hello))
        .build()
        .unwrap();
    // Both read nothing of `Rights`; `User` is read behind the first.
    assert_eq!(
        told(&routes.unread_slots()),
        [
            "GET /a/{id}: step authenticate declares `Writes<Rights>`",
            "POST /b: step authenticate declares `Writes<Rights>`",
        ]
    );
}

#[test]
fn a_step_before_all_is_read_where_one_route_reads_it() {
    fn rights(cx: &mut Cx<Reads<Rights>>) -> Step {
        cx.json(cx.get(Rights))
    }
    let routes = Routes::new()
        .before(chain(authenticate))
        .get("/a/{id}", given::<User>().then(greet))
        .get("/b", given::<Rights>().then(rights))
        .get("/c", chain(hello))
        .build()
        .unwrap();
    assert_eq!(told(&routes.unread_slots()), Vec::<String>::new());
}

#[cfg(debug_assertions)]
#[test]
fn a_slot_that_a_step_never_touches_is_listed_once_it_has_run() {
    let routes = Routes::new()
        .get("/a/{id}", chain(authenticate).then(greet))
        .before(chain(authenticate))
        .build()
        .unwrap();
    let routes = Arc::new(routes);
    let mut simulation = Simulation::new(Arc::clone(&routes), SimConfig::new(1)).unwrap();
    let client = simulation.connect();
    let mut ask = |target: &str, fields: &str, expected: &[&str]| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        client.send(head.as_bytes());
        simulation.run_for(5.millis());
        assert_eq!(told(&routes.unused_slots()), expected, "{target} {fields}");
    };
    ask("/a/7", "X-Fails: 1\r\n", &[]);
    // Reading a slot from the request is no reading of the step's.
    ask(
        "/a/7",
        "",
        &["GET /a/{id}: step greet declares `Reads<Id>`"],
    );
    ask("/a/7", "X-By-Id: 1\r\n", &[]);
    ask("/nowhere", "", &[]);
}

#[cfg(debug_assertions)]
#[test]
fn a_promise_to_an_effect_is_a_touch() {
    resource!(Blog: Sqlite);
    slot!(Title<'r>: Option<(&'r str,)>);
    slot!(Other: i64);
    fn load(cx: &mut Cx<Writes<(Title, Other)>, Uses<Blog>>) -> Step {
        cx.put(Other, 1);
        cx.need(cx.on(Blog).query_opt("SELECT 'x'").into(Title))
    }
    fn answers(cx: &mut Cx<Writes<(Title, Other)>>) -> Step {
        cx.text("before it is asked")
    }
    let scratch = Scratch::new();
    let routes = Routes::new()
        .resource(Blog, Sqlite::open(scratch.database("Blog")))
        .get("/load", chain(load).then(hello))
        .get("/answers", chain(answers))
        .build()
        .unwrap();
    let routes = Arc::new(routes);
    let mut simulation = Simulation::new(Arc::clone(&routes), SimConfig::new(1)).unwrap();
    let client = simulation.connect();
    for target in ["/load", "/answers"] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        client.send(head.as_bytes());
        simulation.run_for(20.millis());
    }
    let expected = ["`Writes<Title>`", "`Writes<Other>`"];
    let names = "a_promise_to_an_effect_is_a_touch::answers";
    let expected = expected.map(|slot| format!("GET /answers: step {names} declares {slot}"));
    assert_eq!(told(&routes.unused_slots()), expected);
    let words = routes.unused_report();
    assert_eq!(words.lines().count(), 2);
    assert!(
        words.ends_with(", and has used it in no request\n"),
        "{words}"
    );
}
