//! Deadlines: every request has one, and what does not answer in time is told so, in time.
//!
//! A deadline counts from the last byte of the request's head. It decides in which order the shard runs
//! what is ready; when it passes, what the request waits for is cancelled and the client gets a 504.
//! An effect may have a shorter time of its own, and a request may go on without its result.
//!
//! ```text
//! cargo run --release --example 05_deadlines -- --trace all
//! curl http://127.0.0.1:8080/wait/20
//! waited 20 ms
//! curl http://127.0.0.1:8080/wait/500
//! {"type":"about:blank","title":"Gateway Timeout","status":504,"detail":"effect Waited"}
//! curl http://127.0.0.1:8080/patient/500
//! waited 500 ms
//! curl http://127.0.0.1:8080/primes
//! too many to count in 30 ms
//! ```

#[path = "flags/alone.rs"]
mod flags;

use cutaway::prelude::*;
use cutaway::{BuiltRoutes, RoutesRefused};

resource!(Abacus: Sqlite);

slot!(Length: u64 = path "millis");
slot!(Waited: Elapsed);
slot!(Count: Option<(i64,)>);

/// A timer is an effect: the shard serves others meanwhile.
fn wait(cx: &mut Cx<Reads<Length>, Writes<Waited>>) -> Step {
    let length = cx.get(Length).millis();
    cx.need(cx.timer(length).into(Waited))
}

fn tell(cx: &mut Cx<Reads<(Length, Waited)>>) -> Step {
    // A timer is never early; how late it is depends on the machine.
    assert!(cx.get(Waited).length() >= cx.get(Length).millis());
    cx.text(&format!("waited {} ms\n", cx.get(Length)))
}

/// Counts for minutes if one lets it. One does not: SQLite is interrupted after 30 ms.
fn count(cx: &mut Cx<Writes<Count>, Uses<Abacus>>) -> Step {
    let count = cx.on(Abacus).query_one(PRIMES).timeout(30.millis());
    cx.need(count.optional().into(Count))
}

fn tell_count(cx: &mut Cx<Reads<Count>>) -> Step {
    match cx.get(Count) {
        Some((count,)) => cx.text(&format!("{count}\n")),
        None => cx.text("too many to count in 30 ms\n"),
    }
}

const PRIMES: &str = "
    WITH RECURSIVE n(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 1000000)
    SELECT count(*) FROM n AS p
        WHERE NOT EXISTS (SELECT 1 FROM n AS d WHERE d.n < p.n AND p.n % d.n = 0)";

fn routes() -> Result<BuiltRoutes, RoutesRefused> {
    let waiting = chain(wait).then(tell);
    Routes::new()
        .resource(Abacus, Sqlite::open("05_deadlines.db"))
        // A class is a kind of traffic with a deadline: interactive 10 ms, standard 100 ms, batch 2 s.
        .get("/wait/{millis}", waiting.clone())
        .get("/soon/{millis}", waiting.clone().class(Interactive))
        .get("/patient/{millis}", waiting.class(Batch))
        // A route may have a deadline of its own, and say from when on it counts as slow.
        .get(
            "/primes",
            (chain(count).then(tell_count))
                .deadline(200.millis())
                .slow_after(20.millis()),
        )
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let running = Engine::new(routes()?).config(flags::config()).start()?;
    for path in ["wait/20", "wait/500", "patient/500", "primes"] {
        println!("curl http://{}/{path}", running.address());
    }
    Ok(running.wait()?)
}

#[cfg(test)]
mod tests {
    use cutaway::testing::{App, ScriptedAnswer};
    use cutaway::timeline::{MarkKind, Stage};

    use super::*;

    /// Virtual time: the lengths are exact, and nobody waits for them.
    #[test]
    fn a_class_says_how_long_a_request_may_take() {
        let app = App::new(routes().unwrap());
        let check = |path: &str, status: Status, millis: u64| {
            let response = app.get(path).send();
            response.assert_status(status);
            let timeline = response.timeline();
            timeline.assert_stages(&[(Stage::Park, millis.millis())]);
            let is_late = status == Status::GATEWAY_TIMEOUT;
            assert_eq!(timeline.has(MarkKind::Expired), is_late);
        };
        check("/wait/99", Status::OK, 99);
        check("/wait/101", Status::GATEWAY_TIMEOUT, 100);
        check("/soon/9", Status::OK, 9);
        check("/soon/11", Status::GATEWAY_TIMEOUT, 10);
        check("/patient/1999", Status::OK, 1999);
        check("/patient/2001", Status::GATEWAY_TIMEOUT, 2000);
        app.finish();
    }

    #[test]
    fn an_effect_has_its_own_time_and_the_request_goes_on() {
        let app = App::new(routes().unwrap());
        app.script(Abacus, |_| ScriptedAnswer::never());
        let response = app.get("/primes").send();
        assert_eq!(response.text(), "too many to count in 30 ms\n");
        response
            .timeline()
            .assert_stages(&[(Stage::Park, 30.millis())]);
        app.script(Abacus, |_| ScriptedAnswer::row((78_498,)));
        assert_eq!(app.get("/primes").send().text(), "78498\n");
        app.finish();
    }
}
