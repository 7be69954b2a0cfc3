//! Parameters and slots: what a request says, and what one step leaves for the next.
//!
//! A slot is a type that names a value of the request. Those with a source behind `=` are filled from
//! the request before the first step that reads them; the others are put by a step. The compiler holds
//! each step to what its signature says, and each chain to an order in which every value is there.
//!
//! ```text
//! cargo run --release --example 02_slots
//! curl 'http://127.0.0.1:8080/greet/J%C3%BCrgen?times=2'
//! Hello, Jürgen! Hello, Jürgen!
//! curl 'http://127.0.0.1:8080/greet/Ann?times=many'
//! {"type":"about:blank","title":"Bad Request","status":400,"detail":"query times"}
//! curl -H 'Content-Type: application/json' -d '{"prices": [2, 40]}' http://127.0.0.1:8080/total
//! {"count":2,"total":42}
//! ```

#[path = "flags/alone.rs"]
mod flags;

use cutaway::prelude::*;
use cutaway::{BuiltRoutes, RoutesRefused};
use serde::{Deserialize, Serialize};

slot!(Name<'r>: &'r str = path "name");
slot!(Times: u8 = query "times" or 1);
slot!(Language<'r>: Option<&'r str> = header "accept-language");
slot!(
    /// Borrows from the request's own memory; a list is a slice.
    Words<'r>: &'r [&'r str]
);
slot!(Basket: Prices = body json);
slot!(
    /// Owns its value, which is dropped once when the request ends.
    Sum: Total
);

#[derive(Deserialize)]
struct Prices {
    prices: Vec<u32>,
}

#[derive(Serialize)]
struct Total {
    count: usize,
    total: u64,
}

/// Chooses the words: reads three slots, writes one. Without a decision of its own it continues.
fn choose(cx: &mut Cx<Reads<(Name, Times, Language)>, Writes<Words>>) {
    let hello = match cx.get(Language) {
        Some(language) if language.starts_with("de") => "Hallo",
        _ => "Hello",
    };
    let name = *cx.get(Name);
    let greeting = cx.arena().text(&format!("{hello}, {name}!"));
    let times = usize::from(*cx.get(Times));
    let words = cx.arena().slice(&vec![greeting; times]);
    cx.put(Words, words);
}

fn greet(cx: &mut Cx<Reads<Words>>) -> Step {
    let line = cx.get(Words).join(" ");
    cx.text(&format!("{line}\n"))
}

fn add(cx: &mut Cx<Reads<Basket>, Writes<Sum>>) -> Step {
    let prices = &cx.get(Basket).prices;
    if prices.is_empty() {
        return fail(Unprocessable, "basket", "is empty");
    }
    let total = prices.iter().map(|&price| u64::from(price)).sum();
    let count = prices.len();
    cx.put(Sum, Total { count, total });
    Continue
}

fn show(cx: &mut Cx<Reads<Sum>>) -> Step {
    cx.json(cx.get(Sum))
}

fn routes() -> Result<BuiltRoutes, RoutesRefused> {
    Routes::new()
        .get("/greet/{name}", chain(choose).then(greet))
        .post("/total", chain(add).then(show).body_bytes_max(4096))
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let running = Engine::new(routes()?).config(flags::config()).start()?;
    let address = running.address();
    println!("curl 'http://{address}/greet/J%C3%BCrgen?times=2'");
    println!("curl 'http://{address}/greet/Ann?times=many'");
    println!(
        "curl -H 'Content-Type: application/json' -d '{{\"prices\": [2, 40]}}' http://{address}/total"
    );
    Ok(running.wait()?)
}

#[cfg(test)]
mod tests {
    use cutaway::testing::{self, App};

    use super::*;

    #[test]
    fn a_step_puts_what_it_writes() {
        let request = testing::get("/greet/Ann?times=3").param("name", "Ann");
        let tested = request.field("Accept-Language", "de-AT").run(choose);
        assert_eq!(tested.decision(), Ok(Decision::Continue));
        let words = tested.slot(Words, |words| words.join("/"));
        assert_eq!(
            words.as_deref(),
            Some("Hallo, Ann!/Hallo, Ann!/Hallo, Ann!")
        );
    }

    #[test]
    fn a_query_field_that_is_no_number_is_a_400() {
        let request = testing::get("/greet/Ann?times=many").param("name", "Ann");
        let tested = request.run(choose);
        let failure = tested.failure().unwrap();
        assert_eq!((failure.kind(), failure.key()), (BadRequest, "times"));
    }

    #[test]
    fn a_basket_is_added_up() {
        let app = App::new(routes().unwrap());
        let check = |content: &str, status: Status, part: &str| {
            let basket = app.post("/total").body(content);
            let response = basket.field("Content-Type", "application/json").send();
            response.assert_status(status);
            assert!(response.text().contains(part), "{}", response.text());
        };
        check(r#"{"prices": [1, 2]}"#, Status::OK, r#""total":3"#);
        check(
            r#"{"prices": []}"#,
            Status::UNPROCESSABLE_CONTENT,
            "is empty",
        );
        check(
            r#"{"prices": [-1]}"#,
            Status::UNPROCESSABLE_CONTENT,
            "prices[0]",
        );
        check(r#"{"prices""#, Status::BAD_REQUEST, "body");
        check(&" ".repeat(5000), Status::CONTENT_TOO_LARGE, "");
        app.finish();
    }
}
