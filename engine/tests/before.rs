//! Chains before everything: what they do on routes, on paths without a route, and on methods
//! without one; a whole shard on a simulated machine.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use cutaway::BuiltRoutes;
use cutaway::ctx::list::ListOf;
use cutaway::http::Method;
use cutaway::prelude::*;
use cutaway::testing::simulation::{SimClient, SimConfig, Simulation};
use cutaway::timeline::MarkKind;

#[path = "sim/reply.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod reply;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;

use reply::Reply;
use server::Scratch;

resource!(pub Visits: Sqlite);
slot!(pub Counted: Executed);
slot!(pub Total: (i64,));
slot!(pub Id: i64 = path "id");

fn cors(cx: &mut Cx) -> Step {
    cx.response_header("Access-Control-Allow-Origin", "*")?;
    let is_preflight = cx.request().method() == Method::Options
        && cx
            .request()
            .field("access-control-request-method")
            .is_some();
    if is_preflight {
        cx.response_header("Access-Control-Allow-Methods", "GET, PUT")?;
        return cx.empty();
    }
    Continue
}

fn key(cx: &mut Cx) -> Step {
    match cx.request().field("x-key") {
        Some(b"wrong") => fail(Unauthorized, "key", "x-key"),
        Some(b"panic") => panic!("a step before a 404 that panics"),
        _ => Continue,
    }
}

fn count(cx: &mut Cx<Writes<Counted>, Uses<Visits>>) -> Step {
    let path = cx.request().path();
    cx.need(
        cx.on(Visits)
            .exec("INSERT INTO visits (path) VALUES (?1)")
            .bind(path)
            .into(Counted),
    )
}

fn load_total(cx: &mut Cx<Writes<Total>, Uses<Visits>>) -> Step {
    cx.need(
        cx.on(Visits)
            .query_one("SELECT count(*) FROM visits")
            .into(Total),
    )
}

fn show_total(cx: &mut Cx<Reads<Total>>) -> Step {
    let (total,) = *cx.get(Total);
    cx.json(&total)
}

fn api_version(cx: &mut Cx) -> Step {
    cx.response_header("X-Api", "1")?;
    Continue
}

fn item(cx: &mut Cx<Reads<Id>>) -> Step {
    let id = *cx.get(Id);
    cx.json(&id)
}

fn lost(cx: &mut Cx<Reads<Counted>>) -> Step {
    let _ = cx.get(Counted);
    cx.status(Status::NOT_FOUND).html("lost")
}

fn routes(scratch: &Scratch) -> BuiltRoutes {
    outermost(scratch).build().unwrap()
}

fn outermost(scratch: &Scratch) -> Routes<ListOf<Counted>> {
    let visits = Sqlite::open(scratch.join("visits.db"))
        .schema("CREATE TABLE visits (id INTEGER PRIMARY KEY, path TEXT NOT NULL)");
    let api = Routes::new()
        .before(chain(api_version))
        .get("/items/{id}", chain(item));
    Routes::new()
        .resource(Visits, visits)
        .get("/total", chain(load_total).then(show_total))
        .before(chain(cors).then(key))
        .before(chain(count))
        .mount("/api", api)
}

/// A shard and one connection to it.
struct Served {
    simulation: Simulation,
    client: SimClient,
}

impl Served {
    fn new(routes: BuiltRoutes) -> Served {
        let simulation = Simulation::new(routes, SimConfig::new(1)).unwrap();
        let client = simulation.connect();
        Served { simulation, client }
    }

    fn ask(&mut self, method: &str, target: &str, fields: &str) -> Reply {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        self.client.send(head.as_bytes());
        self.simulation.run_for(20.millis());
        let bytes = self.client.take_read();
        let (reply, len) = Reply::read(&bytes, method == "HEAD").unwrap().unwrap();
        assert_eq!(len, bytes.len(), "one reply to one request");
        reply
    }

    fn get(&mut self, target: &str) -> Reply {
        self.ask("GET", target, "")
    }
}

fn text(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.content).unwrap()
}

/// The detail of a problem.
fn detail(reply: &Reply) -> String {
    let problem: serde_json::Value = serde_json::from_slice(&reply.content).unwrap();
    assert_eq!(problem["status"], reply.status);
    problem["detail"].as_str().unwrap_or_default().to_owned()
}

/// The status, and whether the outer chain and the mount's have run.
fn told(reply: &Reply) -> (u16, bool, bool) {
    let has = |name| reply.field(name).is_some();
    (
        reply.status,
        has("Access-Control-Allow-Origin"),
        has("X-Api"),
    )
}

#[test]
fn before_chains_run_where_no_route_is() {
    let scratch = Scratch::new("before");
    let mut served = Served::new(routes(&scratch));
    let mut check = |method, target, fields, expected| {
        let reply = served.ask(method, target, fields);
        assert_eq!(told(&reply), expected, "{method} {target}: {reply:?}");
        reply
    };
    check("GET", "/api/items/7", "", (200, true, true));
    check("GET", "/api/items/x", "", (400, true, true));

    let lost = check("GET", "/api/nothing", "", (404, true, false));
    assert_eq!(detail(&lost), "route /api/nothing");
    let refused = check("PUT", "/api/items/7", "", (405, true, true));
    assert_eq!(detail(&refused), "method /api/items/7");
    assert_eq!(refused.field("Allow"), Some("GET, HEAD, OPTIONS"));
    // With content, which is read and not looked at.
    let content = "Content-Length: 3\r\n\r\nabc";
    check("POST", "/api/items/7", content, (405, true, true));
    check("HEAD", "/nowhere", "", (404, true, false));
    check("OPTIONS", "*", "", (204, true, false));

    // Registered before the chain.
    check("GET", "/total", "", (200, false, false));
}

#[test]
fn a_before_chain_answers_where_no_route_is() {
    let scratch = Scratch::new("before");
    let mut served = Served::new(routes(&scratch));
    let preflight = "Origin: https://a\r\nAccess-Control-Request-Method: PUT\r\n";
    for target in ["/api/items/7", "/nowhere", "*"] {
        let answer = served.ask("OPTIONS", target, preflight);
        assert_eq!(answer.status, 204, "{answer:?}");
        let methods = answer.field("Access-Control-Allow-Methods");
        assert_eq!(methods, Some("GET, PUT"), "{answer:?}");
        assert_eq!(answer.field("X-Api"), None, "it ended the request");
    }
    // No preflight: the engine says what the path allows.
    let answer = served.ask("OPTIONS", "/api/items/7", "");
    assert_eq!(told(&answer), (204, true, true));
    assert_eq!(answer.field("Allow"), Some("GET, HEAD, OPTIONS"));

    for (method, target) in [("GET", "/nowhere"), ("PUT", "/api/items/7")] {
        let answer = served.ask(method, target, "X-Key: wrong\r\n");
        assert_eq!(answer.status, 401);
        assert_eq!(detail(&answer), "key x-key");
        let answer = served.ask(method, target, "X-Key: panic\r\n");
        assert_eq!(told(&answer), (500, true, false));
    }
    assert_eq!(served.simulation.stats().panic_count, 2);
}

#[test]
fn effects_of_a_before_chain_are_performed_where_no_route_is() {
    let scratch = Scratch::new("before");
    let mut served = Served::new(routes(&scratch));
    let mut statuses = Vec::new();
    for target in ["/nowhere", "/api", "/api/items/7"] {
        statuses.push(served.get(target).status);
    }
    for method in ["PUT", "OPTIONS"] {
        statuses.push(served.ask(method, "/api/items/7", "").status);
    }
    assert_eq!(statuses, [404, 404, 200, 405, 204]);
    assert_eq!(text(&served.get("/total")), "5");
    let kept = served.simulation.kept();
    let parked = kept.iter().filter(|record| {
        let mut kinds = record.marks().iter().map(|mark| mark.kind());
        kinds.any(|kind| kind == MarkKind::Parked)
    });
    assert_eq!(parked.count(), 6);
}

#[test]
fn a_fallback_answers_for_paths_without_a_route() {
    let scratch = Scratch::new("before");
    let routes = outermost(&scratch).fallback(given::<Counted>().then(lost));
    let mut served = Served::new(routes.build().unwrap());
    let answer = served.ask("POST", "/nowhere", "Content-Length: 3\r\n\r\nabc");
    assert_eq!(told(&answer), (404, true, false));
    assert_eq!(text(&answer), "lost");
    // Not for a method, nor for the server as a whole.
    assert_eq!(served.ask("PUT", "/api/items/7", "").status, 405);
    assert_eq!(served.ask("OPTIONS", "*", "").status, 204);
    assert_eq!(text(&served.get("/total")), "3");
}

// https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2
#[test]
fn a_path_may_have_escapes_that_it_does_not_need() {
    let scratch = Scratch::new("before");
    let mut served = Served::new(routes(&scratch));
    for target in ["/%61pi/items/7", "/api/%69tem%73/%37", "/ap%69/items/7?%61"] {
        let answer = served.get(target);
        assert_eq!((answer.status, text(&answer)), (200, "7"), "{target}");
    }
    for target in ["/api%2Fitems/7", "/api/items%2f7"] {
        assert_eq!(served.get(target).status, 404, "{target}");
    }
}

#[test]
fn nothing_stands_before_the_engines_own_answers() {
    let routes = Routes::new().get("/items/{id}", chain(item)).build();
    let mut served = Served::new(routes.unwrap());
    assert_eq!(detail(&served.get("/nowhere")), "route /nowhere");
    let refused = served.ask("PUT", "/items/7", "");
    assert_eq!(detail(&refused), "method /items/7");
    assert_eq!(refused.field("Allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(served.ask("OPTIONS", "/items/7", "").status, 204);
    // At once: none of them has waited for its turn.
    let kept = served.simulation.kept();
    assert_eq!(kept.len(), 3);
    for record in kept {
        let mut kinds = record.marks().iter().map(|mark| mark.kind());
        assert!(kinds.all(|kind| kind != MarkKind::Enqueued));
    }
}
