//! Errors: what a client may read, what only the timeline says, and what a panic costs.
//!
//! A step fails with a kind, which is a status, and two words for the client. An error that comes by
//! `?` is a 500 whose words stay inside. A panic is that request's 500 and nobody else's.
//!
//! ```text
//! cargo run --release --example 07_errors
//! curl http://127.0.0.1:8080/shelf/3
//! {"type":"about:blank","title":"Not Found","status":404,"detail":"shelf 3"}
//! curl -H 'Accept: text/html' http://127.0.0.1:8080/shelf/3
//! <h1>Not Found</h1><p>shelf 3</p>
//! curl http://127.0.0.1:8080/shelf/2
//! {"type":"about:blank","title":"Internal Server Error","status":500}
//! curl http://127.0.0.1:8080/panic
//! {"type":"about:blank","title":"Internal Server Error","status":500}
//! ```

#[path = "flags/alone.rs"]
mod flags;

use std::io::{self, Write};

use cutaway::ctx::ExitKind;
use cutaway::prelude::*;
use cutaway::response::{Problem, problem};
use cutaway::{BuiltRoutes, RoutesRefused};

slot!(Number: usize = path "number");
slot!(Weight: f64);

const SHELVES: [&str; 3] = ["1.5", "20", "heavy"];

fn weigh(cx: &mut Cx<Reads<Number>, Writes<Weight>>) -> Step {
    let number = *cx.get(Number);
    // Absent: a 404 that says of what.
    let label = SHELVES
        .get(number)
        .or_fail(NotFound, "shelf", cx.param("number"))?;
    // An error of ours, not the client's: a 500, the error's words in the timeline only.
    let weight: f64 = label.parse()?;
    if weight > 10.0 {
        return fail(Conflict, "shelf", "is overloaded");
    }
    cx.put(Weight, weight);
    Continue
}

fn show(cx: &mut Cx<Reads<Weight>>) -> Step {
    cx.text(&format!("{} kg\n", cx.get(Weight)))
}

fn stumble(_: &mut Cx) -> Step {
    panic!("a mistake of the program");
}

/// Runs when the request's own code is over, however it ended.
fn watch(cx: &mut Cx) {
    let path = cx.request().path();
    cx.on_exit(move |exit| {
        if exit.kind() == ExitKind::Panicked {
            eprintln!("{path}: {:?}", exit.failure());
        }
    });
}

/// A page where the client asks for one, problem+json for everybody else.
fn render(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    let accept = failed.request().and_then(|request| request.field("accept"));
    if !accept.is_some_and(|types| types.starts_with(b"text/html")) {
        return problem(failed, out);
    }
    write!(out, "<h1>{}</h1>", failed.status().reason())?;
    let failure = failed.failure();
    if failure.is_public() {
        // The key may be the client's own text.
        let key = failure.key().replace('&', "&amp;").replace('<', "&lt;");
        write!(out, "<p>{} {key}</p>", failure.what())?;
    }
    Ok("text/html; charset=utf-8")
}

fn routes() -> Result<BuiltRoutes, RoutesRefused> {
    Routes::new()
        .renderer(render)
        .before(chain(watch))
        .get("/shelf/{number}", chain(weigh).then(show))
        .get("/panic", chain(stumble))
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let running = Engine::new(routes()?).config(flags::config()).start()?;
    let address = running.address();
    println!("curl http://{address}/shelf/3");
    println!("curl -H 'Accept: text/html' http://{address}/shelf/3");
    println!("curl http://{address}/shelf/2");
    println!("curl http://{address}/panic");
    Ok(running.wait()?)
}

#[cfg(test)]
mod tests {
    use cutaway::step::Cause;
    use cutaway::testing::{self, App};
    use cutaway::timeline::MarkKind;

    use super::*;

    #[test]
    fn each_way_to_fail_has_its_kind_and_its_cause() {
        let check = |number: &str, kind, cause, key: &str| {
            let request = testing::get("/shelf").param("number", number);
            let tested = request.run(weigh);
            let failure = tested.failure().unwrap();
            assert_eq!((failure.kind(), failure.cause()), (kind, cause));
            assert_eq!(failure.key(), key);
        };
        check("1", Conflict, Cause::Step, "is overloaded");
        check("2", Internal, Cause::Error, "invalid float literal");
        check("3", NotFound, Cause::Step, "3");
        check("three", BadRequest, Cause::Step, "number");
    }

    #[test]
    fn a_panic_is_one_requests_500() {
        let app = App::new(routes().unwrap());
        let (struck, other) = (app.get("/panic").start(), app.get("/shelf/0").start());
        let struck = struck.wait();
        struck.assert_status(Status::INTERNAL_SERVER_ERROR);
        assert!(struck.timeline().has(MarkKind::Panicked));
        assert!(
            !struck.text().contains("mistake"),
            "that is for the timeline"
        );
        assert_eq!(other.wait().text(), "1.5 kg\n");
        app.finish();
    }

    #[test]
    fn a_client_gets_the_form_it_asks_for() {
        let app = App::new(routes().unwrap());
        let page = app.get("/shelf/9").field("Accept", "text/html").send();
        assert_eq!(page.text(), "<h1>Not Found</h1><p>shelf 9</p>");
        let json: serde_json::Value = app.get("/shelf/9").send().json();
        assert_eq!(json["detail"], "shelf 9");
        app.finish();
    }
}
