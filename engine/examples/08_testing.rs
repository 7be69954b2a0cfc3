//! Testing: a step by itself, a service on a simulated machine, a database that a script plays.
//!
//! The service counts visits; its tests, at the foot, are what this example is about. They open no
//! socket, sleep for nothing and take microseconds: time is virtual, and what chance would decide a
//! seed decides.
//!
//! ```text
//! cargo test --example 08_testing
//! cargo run --release --example 08_testing
//! curl -X POST http://127.0.0.1:8080/visits/home
//! {"page":"home","visits":1}
//! ```

#[path = "flags/alone.rs"]
mod flags;

use cutaway::prelude::*;
use cutaway::{BuiltRoutes, RoutesRefused};
use serde::Serialize;

resource!(Visits: Sqlite);

slot!(Page<'r>: &'r str = path "page");
slot!(Visited: (i64,));

fn visit(cx: &mut Cx<Reads<Page>, Writes<Visited>, Uses<Visits>>) -> Step {
    let page = *cx.get(Page);
    if page.len() > 40 {
        return fail(BadRequest, "page", "is longer than 40 bytes");
    }
    cx.need(cx.on(Visits).returning_one(VISIT).bind(page).into(Visited))
}

fn show(cx: &mut Cx<Reads<(Page, Visited)>>) -> Step {
    #[derive(Serialize)]
    struct Answer<'r> {
        page: &'r str,
        visits: i64,
    }
    let (page, (visits,)) = (cx.get(Page), *cx.get(Visited));
    cx.json(&Answer { page, visits })
}

const VISIT: &str = "
    INSERT INTO visits (page, count) VALUES (?1, 1)
    ON CONFLICT (page) DO UPDATE SET count = count + 1 RETURNING count";

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS visits (page TEXT PRIMARY KEY, count INTEGER)";

fn routes() -> Result<BuiltRoutes, RoutesRefused> {
    Routes::new()
        .resource(Visits, Sqlite::open("08_testing.db").schema(SCHEMA))
        .post("/visits/{page}", chain(visit).then(show))
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let running = Engine::new(routes()?).config(flags::config()).start()?;
    println!("curl -X POST http://{}/visits/home", running.address());
    Ok(running.wait()?)
}

#[cfg(test)]
mod tests {
    use cutaway::effect::SqlValue;
    use cutaway::effect::sqlite::SqlErrorKind;
    use cutaway::testing::simulation::{Fault, FaultPlan};
    use cutaway::testing::{self, App, ScriptedAnswer};
    use cutaway::timeline::{MarkKind, Stage};

    use super::*;

    /// A step is a function: give it what it reads, look at what it decides and asks for.
    #[test]
    fn a_visit_asks_for_one_statement() {
        let tested = testing::post("/visits/home")
            .param("page", "home")
            .run(visit);
        assert_eq!(tested.decision(), Ok(Decision::Need));
        let effect = tested.effect().unwrap();
        assert_eq!(effect.sql(), Some(VISIT));
        assert_eq!(effect.statements()[0].params, [SqlValue::Text("home")]);
    }

    #[test]
    fn a_long_name_is_refused() {
        let request = testing::post("/visits/-").param("page", "x".repeat(41));
        let tested = request.run(visit);
        assert_eq!(tested.failure().unwrap().kind(), BadRequest);
        assert!(tested.effect().is_none());
    }

    /// A slot that an effect would fill is put by the test.
    #[test]
    fn the_count_is_shown() {
        let request = testing::post("/visits/home").param("page", "home");
        let tested = request.put(Visited, (7,)).run(show);
        let content = r#"{"page":"home","visits":7}"#;
        assert_eq!(tested.response().body().as_slice(), content.as_bytes());
        assert!(tested.unread().is_empty());
    }

    /// The whole service on a real database: a fresh file, gone at the end.
    #[test]
    fn visits_add_up() {
        let app = App::new(routes().unwrap());
        for count in 1..=3 {
            let answer: serde_json::Value = app.post("/visits/home").send().json();
            assert_eq!(answer["visits"], count);
        }
        // Ends in order, and fails where a slot, a job, a timer or a socket is left.
        app.finish();
    }

    /// A script plays the database; its delays are exact, and so are the request's stages.
    #[test]
    fn the_time_goes_where_it_should() {
        let app = App::new(routes().unwrap());
        app.script(Visits, |_| ScriptedAnswer::row((1,)).after(20.millis()));
        let response = app.post("/visits/home").send();
        response
            .timeline()
            .assert_stages(&[(Stage::Park, 20.millis())]);
        assert_eq!(app.now(), 20.millis());
        app.finish();
    }

    #[test]
    fn every_failure_of_the_database_has_its_status() {
        let app = App::new(routes().unwrap());
        let check = |answer: fn() -> ScriptedAnswer, status: Status| {
            app.script(Visits, move |_| answer());
            app.post("/visits/home").send().assert_status(status);
        };
        check(ScriptedAnswer::never, Status::GATEWAY_TIMEOUT);
        check(
            || ScriptedAnswer::error(SqlErrorKind::Busy),
            Status::SERVICE_UNAVAILABLE,
        );
        check(
            || ScriptedAnswer::error(SqlErrorKind::Storage),
            Status::INTERNAL_SERVER_ERROR,
        );
        app.finish();
    }

    /// What nobody waits for any more is cancelled.
    #[test]
    fn a_client_that_leaves_takes_its_request_along() {
        let app = App::new(routes().unwrap());
        app.script(Visits, |_| ScriptedAnswer::never());
        let pending = app.post("/visits/home").start();
        app.advance(5.millis());
        pending.disconnect();
        app.advance(1.millis());
        assert!(pending.timeline().unwrap().has(MarkKind::ClientGone));
        app.finish();
    }

    /// Many runs in which the network cuts and delays; a seed that fails is named, and
    /// `CUTAWAY_SEED` runs it again.
    #[test]
    fn no_visit_is_lost_on_a_bad_network() {
        testing::for_each_seed(0..20, |seed| {
            let faults = FaultPlan::none()
                .with(Fault::ShortReceive, 500)
                .with(Fault::ShortSend, 500);
            let app = App::new(routes().unwrap())
                .seed(seed)
                .noise()
                .faults(faults);
            let visits: Vec<_> = (0..5).map(|_| app.post("/visits/home").start()).collect();
            let counts = visits.iter().map(|visit| visit.wait().json());
            let mut counts: Vec<_> = counts
                .map(|answer: serde_json::Value| answer["visits"].as_i64())
                .collect();
            counts.sort();
            assert_eq!(counts, [1, 2, 3, 4, 5].map(Some));
            app.finish();
        });
    }
}
