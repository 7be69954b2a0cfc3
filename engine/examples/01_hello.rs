//! The smallest service: one step, one route.
//!
//! A step is a function. It gets the request as `cx` and returns what happens next; here it answers.
//!
//! ```text
//! cargo run --release --example 01_hello
//! curl http://127.0.0.1:8080/hello
//! Hello, World!
//! ```

#[path = "flags/alone.rs"]
mod flags;

use cutaway::prelude::*;
use cutaway::{BuiltRoutes, RoutesRefused};

fn hello(cx: &mut Cx) -> Step {
    cx.text("Hello, World!\n")
}

fn routes() -> Result<BuiltRoutes, RoutesRefused> {
    Routes::new().get("/hello", chain(hello)).build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let running = Engine::new(routes()?).config(flags::config()).start()?;
    println!("curl http://{}/hello", running.address());
    Ok(running.wait()?)
}

#[cfg(test)]
mod tests {
    use cutaway::testing::{self, App};

    use super::*;

    #[test]
    fn the_step_answers() {
        let tested = testing::get("/hello").run(hello);
        assert_eq!(tested.decision(), Ok(Decision::Done));
        assert_eq!(tested.response().body().as_slice(), b"Hello, World!\n");
    }

    #[test]
    fn the_service_answers_where_it_has_a_route() {
        let app = App::new(routes().unwrap());
        let response = app.get("/hello").send();
        assert_eq!(response.text(), "Hello, World!\n");
        assert_eq!(
            response.field("content-type"),
            Some("text/plain; charset=utf-8")
        );
        app.get("/goodbye").send().assert_status(Status::NOT_FOUND);
        let refused = app.post("/hello").send();
        refused.assert_status(Status::METHOD_NOT_ALLOWED);
        assert_eq!(refused.field("allow"), Some("GET, HEAD, OPTIONS"));
        app.finish();
    }
}
