//! Whole pipelines: what a request meets, and where its time goes.

use std::time::Duration;

use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::shard::Close;
use cutaway::testing::{self, App};
use cutaway::timeline::{MarkKind, Stage};

use crate::service::{Blog, routes};

#[test]
fn what_is_written_is_read_and_gone_with_the_app() {
    let app = App::new(routes());
    app.get("/posts/1").send().assert_status(Status::NOT_FOUND);
    let created = app.post("/posts").json("First").send();
    assert_eq!(
        created.assert_status(Status::CREATED).field("location"),
        Some("/posts/1")
    );
    let (id, title): (i64, String) = app.get("/posts/1").send().json();
    assert_eq!((id, title.as_str()), (1, "First"));
    app.finish();

    let app = App::new(routes());
    app.get("/posts/1").send().assert_status(Status::NOT_FOUND);
    app.finish();
}

#[test]
fn a_database_in_a_file_stays() {
    let folder = std::env::temp_dir().join(format!("cutaway-testing-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("kept.db");
    let app = App::new(routes()).file(Blog, &path);
    app.post("/posts").json("Kept").send();
    app.finish();
    let app = App::new(routes()).file(Blog, &path);
    assert_eq!(app.get("/posts/1").send().text(), r#"[1,"Kept"]"#);
    app.finish();
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_machine_that_stands_still_takes_no_time() {
    let app = App::new(routes());
    let response = app.get("/hello").send();
    let timeline = response.timeline();
    assert_eq!(timeline.total(), Duration::ZERO);
    timeline.assert_stages(&[]);
    assert_eq!(
        (timeline.method(), timeline.path().as_str()),
        ("GET", "/hello")
    );
    assert_eq!(timeline.status(), 200);
    let steps = timeline.steps();
    assert_eq!(steps.len(), 1);
    assert!(steps[0].name.ends_with("hello"), "{steps:?}");
    assert!(timeline.effects().is_empty());
    assert_eq!(app.now(), Duration::ZERO);
    app.finish();
}

#[test]
fn requests_that_come_together_wait_for_each_other() {
    let app = App::new(routes());
    let first = app.get("/think/3").start();
    let second = app.get("/think/4").start();
    let third = app.get("/hello").start();
    let (first, second, third) = (first.wait(), second.wait(), third.wait());
    first.timeline().assert_stages(&[(Stage::Run, 3.millis())]);
    let second = second.timeline();
    assert_eq!(second.stage(Stage::Run), 4.millis());
    // Each carries its own run, and its neighbour's as a wait.
    assert_eq!(second.total(), 7.millis());
    assert_eq!(third.timeline().stage(Stage::Run), Duration::ZERO);
    assert_eq!(app.now(), 7.millis());
    app.finish();
}

#[test]
fn a_real_database_shows_its_effects() {
    let app = App::new(routes());
    let response = app.get("/posts/1").send();
    let timeline = response.timeline();
    let effects = timeline.effects();
    assert_eq!(effects.len(), 1);
    let effect = effects[0];
    assert_eq!((effect.which, effect.resource), (0, "Blog"));
    let run = effect.run().unwrap();
    assert!(run > Duration::ZERO && run <= timeline.stage(Stage::Park));
    let names: Vec<_> = timeline.steps().iter().map(|step| step.name).collect();
    assert!(
        names[0].ends_with("load") && names[1].ends_with("show"),
        "{names:?}"
    );
    let printed = timeline.to_string();
    assert!(printed.contains("GET /posts/1"), "{printed}");
    assert!(printed.contains("effect Blog"), "{printed}");
    app.finish();
}

#[test]
fn time_passes_only_as_it_is_told() {
    let app = App::new(routes());
    app.advance(20.millis());
    assert_eq!(app.now(), 20.millis());
    let pending = app.get("/hello").start();
    assert!(!pending.is_answered());
    assert!(pending.timeline().is_none());
    app.advance(Duration::ZERO);
    assert!(pending.is_answered());
    assert_eq!(app.now(), 20.millis());
    assert_eq!(pending.timeline().unwrap().total(), Duration::ZERO);
    app.finish();
}

#[test]
fn an_hour_is_soon_over() {
    let app = App::new(routes());
    let client = app.client();
    client.get("/hello").send();
    app.advance(3_600.secs());
    assert!(!client.is_open(), "it was idle for too long");
    assert_eq!(app.stats().closed(Close::IdleTimeout), 1);
    app.finish();
}

#[test]
fn the_deadline_counts_in_virtual_time() {
    let app = App::new(
        Routes::new()
            .get("/late", chain(late).deadline(10.millis()))
            .build()
            .unwrap(),
    );
    let response = app.get("/late").send();
    response.assert_status(Status::GATEWAY_TIMEOUT);
    assert!(response.timeline().has(MarkKind::Expired));
    assert_eq!(response.timeline().stage(Stage::Run), 11.millis());
    assert_eq!(app.stats().missed_count, 1);
    app.finish();
}

fn late(cx: &mut Cx) -> Step {
    testing::spend(11.millis());
    cx.text("late")
}

#[test]
fn who_finds_no_slot_has_no_timeline() {
    let limits = Limits {
        requests_max: 1,
        ..Limits::default()
    };
    let app = App::new(routes()).limits(limits);
    let taken = app.get("/posts/1").start();
    let turned_away = app.get("/posts/1").start();
    let response = turned_away.wait();
    response.assert_status(Status::SERVICE_UNAVAILABLE);
    assert!(!response.has_timeline());
    assert!(taken.wait().has_timeline());
    app.finish();
}

#[test]
fn in_a_pipeline_each_response_has_its_own_timeline() {
    let limits = Limits {
        requests_max: 1,
        ..Limits::default()
    };
    let app = App::new(routes()).limits(limits);
    let client = app.client();
    let parked = client.get("/posts/1").start();
    let refused = client.get("/hello").start();
    parked.wait().assert_status(Status::NOT_FOUND);
    refused.wait().assert_status(Status::SERVICE_UNAVAILABLE);
    let served = client.get("/hello").send();
    assert_eq!(parked.wait().timeline().path(), "/posts/1");
    assert!(!refused.wait().has_timeline());
    assert_eq!(served.timeline().path(), "/hello");
    app.finish();
}

/// What an app does from one seed, to the last bit of its log.
fn noisy(seed: u64) -> (u64, Duration) {
    let app = App::new(routes()).seed(seed).noise();
    let all: Vec<_> = (0..5)
        .map(|number| app.post("/posts").json(&format!("Post {number}")).start())
        .collect();
    for pending in all {
        let response = pending.wait();
        response.assert_status(Status::CREATED);
        response.timeline().assert_tiles();
    }
    let told = (
        app.simulation(|simulation| simulation.log_hash()),
        app.now(),
    );
    app.finish();
    told
}

#[test]
fn a_seed_repeats_and_another_one_differs() {
    assert_eq!(noisy(7), noisy(7));
    assert_ne!(noisy(7), noisy(8));
}

#[test]
fn with_faults_it_ends_in_order_all_the_same() {
    use cutaway::testing::simulation::{Fault, FaultPlan};

    testing::for_each_seed(0..20, |seed| {
        let faults = FaultPlan::none()
            .with(Fault::ShortReceive, 500)
            .with(Fault::ShortSend, 500)
            .with(Fault::JobLate, 200);
        let app = App::new(routes()).seed(seed).noise().faults(faults);
        let all: Vec<_> = (0..8).map(|_| app.get("/hello").start()).collect();
        let posts = app.get("/patient/1").start();
        for pending in all {
            assert_eq!(pending.wait().text(), "Hello, World!");
        }
        posts.wait().assert_status(Status::NOT_FOUND);
        app.finish();
    });
}
