//! Shared chains: steps that many routes have in common, as values with a contract of their own.
//!
//! - `Routes::before(chain)` runs ahead of every route registered after it, and ahead of a 404 or 405;
//! - `Chain::before(&chain)` and `include(&chain)` share steps between some routes;
//! - `mount("/prefix", routes)` puts routes below a prefix, with what they bring.
//!
//! What a chain expects it says by `given`; the compiler refuses a route that lacks it.
//!
//! ```text
//! cargo run --release --example 06_shared_chains
//! curl http://127.0.0.1:8080/
//! a public page
//! curl -H 'Authorization: Bearer ann-1' http://127.0.0.1:8080/account/rights
//! ann may read, write
//! curl -H 'X-Request-Id: r7' http://127.0.0.1:8080/account/rights
//! {"type":"about:blank","title":"Unauthorized","status":401,"detail":"token missing","request_id":"r7"}
//! curl -H 'Authorization: Bearer bob-0' -X DELETE http://127.0.0.1:8080/account
//! {"type":"about:blank","title":"Forbidden","status":403,"detail":"right write","request_id":"…"}
//! ```
//!
//! `cargo run --example 06_shared_chains -- --print-routes` prints every route with its steps.

#[path = "flags/alone.rs"]
mod flags;

use cutaway::prelude::*;
use cutaway::step::Shared;
use cutaway::{BuiltRoutes, Routes, RoutesRefused, chains};

slot!(Authorization<'r>: Option<&'r str> = header "authorization");
slot!(User<'r>: &'r str);
slot!(Rights: &'static [&'static str]);

/// Finds out who asks. What it writes, all routes behind it may read.
fn authenticate(cx: &mut Cx<Reads<Authorization>, Writes<User>>) -> Step {
    let sent = cx
        .get(Authorization)
        .or_fail(Unauthorized, "token", "missing")?;
    let token = sent.strip_prefix("Bearer ");
    // A real service looks the token up: by an effect, as any other step.
    let user = match token {
        Some("ann-1") => "ann",
        Some("bob-0") => "bob",
        _ => return fail(Unauthorized, "token", "unknown"),
    };
    cx.put(User, user);
    Continue
}

fn find_rights(cx: &mut Cx<Reads<User>, Writes<Rights>>) {
    let rights: &[&str] = match *cx.get(User) {
        "ann" => &["read", "write"],
        _ => &["read"],
    };
    cx.put(Rights, rights);
}

/// A shared chain: it expects `User` and writes `Rights`.
fn rights() -> Shared<User, Rights> {
    given::<User>().then(find_rights)
}

fn demand_write(cx: &mut Cx<Reads<Rights>>) -> Step {
    let may_write = cx.get(Rights).contains(&"write");
    may_write
        .then_some(())
        .or_fail(Forbidden, "right", "write")?;
    Continue
}

fn public(cx: &mut Cx) -> Step {
    cx.text("a public page\n")
}

fn show_rights(cx: &mut Cx<Reads<(User, Rights)>>) -> Step {
    let (user, rights) = (cx.get(User), cx.get(Rights).join(", "));
    cx.text(&format!("{user} may {rights}\n"))
}

fn delete(cx: &mut Cx<Reads<User>>) -> Step {
    let user = cx.get(User);
    cx.text(&format!("farewell, {user}\n"))
}

/// Adds a field to each answer, whatever becomes of the request.
fn forbid_sniffing(cx: &mut Cx) -> Step {
    cx.response_header("X-Content-Type-Options", "nosniff")?;
    Continue
}

/// All of these know their user.
fn account() -> Routes<impl Sized> {
    let rights = rights();
    Routes::new()
        .before(chain(authenticate))
        .get(
            "/rights",
            given::<User>().include(&rights).then(show_rights),
        )
        .delete(
            "",
            given::<User>()
                .include(&rights)
                .then(demand_write)
                .then(delete),
        )
}

fn routes() -> Result<BuiltRoutes, RoutesRefused> {
    Routes::new()
        .before(chains::request_id())
        .before(chain(forbid_sniffing))
        .get("/", chain(public))
        .mount("/account", account())
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let routes = routes()?;
    if routes.answer_flags(std::env::args())? {
        return Ok(());
    }
    let running = Engine::new(routes).config(flags::config()).start()?;
    let address = running.address();
    println!("curl http://{address}/");
    println!("curl -H 'Authorization: Bearer ann-1' http://{address}/account/rights");
    println!("curl -H 'X-Request-Id: r7' http://{address}/account/rights");
    println!("curl -H 'Authorization: Bearer bob-0' -X DELETE http://{address}/account");
    Ok(running.wait()?)
}

#[cfg(test)]
mod tests {
    use cutaway::testing::App;

    use super::*;

    #[test]
    fn a_chain_says_what_it_expects_and_writes() {
        assert_eq!(rights().reads(), ["User"]);
        assert_eq!(rights().writes(), ["Rights"]);
        let routes = routes().unwrap();
        let steps = routes.routes().iter().map(|route| route.steps_count());
        assert_eq!(steps.collect::<Vec<_>>(), [3, 5, 6]);
    }

    #[test]
    fn only_who_may_comes_through() {
        let app = App::new(routes().unwrap());
        let check = |token: &str, status: Status| {
            let farewell = app.delete("/account").field("Authorization", token);
            farewell.send().assert_status(status);
        };
        check("Bearer ann-1", Status::OK);
        check("Bearer bob-0", Status::FORBIDDEN);
        check("Bearer eve", Status::UNAUTHORIZED);
        app.get("/").send().assert_status(Status::OK);
        app.finish();
    }

    #[test]
    fn what_before_chains_add_is_there_whatever_answers() {
        let app = App::new(routes().unwrap());
        for path in ["/", "/account/rights", "/nowhere"] {
            let response = app.get(path).field("X-Request-Id", "r7").send();
            assert_eq!(response.field("x-request-id"), Some("r7"), "{path}");
            assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
        }
        app.finish();
    }
}
