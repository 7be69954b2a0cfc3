//! What a user's code leaves in a request ends once, however the request does. Run under Miri too.

use std::cell::{Cell, RefCell};

use cutaway_scheduler::Nanos;

use super::*;
use crate::effect::{BodyHandle, Column, DecodeError, EffectResult, FromRow, Row};
use crate::http::{Method, Span, Status};
use crate::prelude::*;
use crate::response::{Problem, problem};
use crate::route::Params;
use crate::step::{Chain, Entry, RouteParts, Unobserved};
use crate::testing::silenced;

resource!(Blog: Sqlite);
slot!(First: Noted);
slot!(Second: Vec<Noted>);
slot!(Third: (u64, Noted));
slot!(Found: Option<Decoded>);

thread_local!(static NOTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });

fn note(text: impl Into<String>) {
    NOTES.with_borrow_mut(|notes| notes.push(text.into()));
}

/// Notes its drop, which panics where its name says so.
struct Noted(&'static str);

impl Drop for Noted {
    fn drop(&mut self) {
        note(format!("drop {}", self.0));
        assert!(
            !self.0.contains("panics") || std::thread::panicking(),
            "a drop that panics"
        );
    }
}

/// Reads a number; no other type, and not the number seven.
struct Decoded(Noted);

impl<'r> FromRow<'r> for Decoded {
    fn from_row(row: Row<'r>) -> Result<Self, DecodeError> {
        let partial = Noted("partial");
        let number: i64 = row.columns().read()?;
        assert!(number != 7, "a decoder that panics");
        std::mem::forget(partial);
        Ok(Decoded(Noted("decoded")))
    }
}

fn prepares(cx: &mut Cx<Writes<(First, Second)>>) {
    cx.put(First, Noted("first"));
    cx.put(Second, vec![Noted("second a"), Noted("second b")]);
    let path = cx.request().path();
    let captured = Noted("captured");
    cx.on_exit(move |exit| {
        let Noted(_) = &captured;
        let status = exit.status().map_or(0, Status::code);
        note(format!("exit of {path}: {:?} {status}", exit.kind()));
    });
}

fn plants(cx: &mut Cx<Writes<Third>>) {
    cx.put(Third, (7, Noted("third, panics")));
}

fn watches_badly(cx: &mut Cx) {
    cx.on_exit(|exit| {
        note(format!("bad exit: {:?}", exit.kind()));
        panic!("a callback that panics");
    });
}

fn asks(cx: &mut Cx<Reads<First>, Writes<Found>, Uses<Blog>>) -> Step {
    let name = cx.get(First).0;
    let query = cx.on(Blog).query_opt("SELECT ?1").bind(name);
    cx.need(query.into(Found))
}

fn answers(cx: &mut Cx) -> Step {
    cx.text("answered")
}

fn fails(_: &mut Cx) -> Step {
    fail(NotFound, "post", "7")
}

fn panics(_: &mut Cx) -> Step {
    panic!("a step that panics")
}

fn shows(cx: &mut Cx<Reads<Found>>) -> Step {
    let found = cx.get(Found).as_ref().map(|decoded| decoded.0.0);
    cx.text(found.unwrap_or("nothing"))
}

/// What becomes of a request that waits.
#[derive(Clone, Copy)]
enum Fate {
    Row(i64),
    Text,
    TimesOut,
    ClientGoes,
    IsCutOff,
    IsForgotten,
}

const PREPARED: [&str; 3] = ["drop second a", "drop second b", "drop first"];

/// Runs a request to its end, and checks its answer and the notes that it left.
fn check<G, A, O>(chain: Chain<G, A, O>, fate: Fate, status: u16, panics: u32, notes: &[&str]) {
    let route = route(chain, problem);
    let mut context = Context::with_capacity(256);
    begin(&mut context, &route);
    NOTES.take();
    silenced(|| {
        let outcome = context.run(&route, &mut Unobserved);
        let kind = match (outcome, fate) {
            (Outcome::Need, Fate::Row(_) | Fate::Text) => {
                let result = Some(result(fate).into());
                kind_of(&context.resume(&route, [result], &mut Unobserved))
            }
            (Outcome::Need, Fate::ClientGoes) => ExitKind::ClientGone,
            (Outcome::Need, Fate::IsCutOff) => ExitKind::Cancelled,
            (Outcome::Need, Fate::TimesOut) => {
                let _ = context.fail(&route, Failure::new(Timeout, "effect", ""));
                ExitKind::Expired
            }
            (Outcome::Need, Fate::IsForgotten) => return drop(context),
            (outcome, _) => kind_of(&outcome),
        };
        let kind = match context.panic_count() {
            0 => kind,
            _ => ExitKind::Panicked,
        };
        context.exit(problem, kind);
        let response = context.response();
        let code = if kind.has_reply() {
            response.status().code()
        } else {
            0
        };
        assert_eq!(code, status);
        let body = String::from_utf8_lossy(response.body().as_slice()).into_owned();
        assert!(!body.contains("panics"), "{body}");
        drop(response);
        assert_eq!(context.panic_count(), panics);
        assert_eq!(context.failure().is_some(), panics > 0 || status >= 400);
        let at_exit = NOTES.with_borrow(Vec::len);
        context.end(drop);
        assert_eq!(
            NOTES.with_borrow(Vec::len),
            at_exit,
            "all is over at the exit"
        );
        assert_eq!((context.panic_count(), context.failure()), (0, None));
    });
    assert_eq!(NOTES.take(), notes);
}

fn kind_of(outcome: &Outcome) -> ExitKind {
    match outcome {
        Outcome::Done => ExitKind::Done,
        _ => ExitKind::Failed,
    }
}

fn and_prepared<'n>(first: &[&'n str]) -> Vec<&'n str> {
    first.iter().copied().chain(PREPARED).collect()
}

#[test]
fn callbacks_run_and_values_are_dropped_once_when_it_is_answered() {
    let none = Fate::Text;
    let exit = |words: &'static str| and_prepared(&[words, "drop captured"]);
    check(
        chain(prepares).then(answers),
        none,
        200,
        0,
        &exit("exit of /7: Done 200"),
    );
    check(
        chain(prepares).then(fails),
        none,
        404,
        0,
        &exit("exit of /7: Failed 404"),
    );
    check(
        chain(prepares).then(panics),
        none,
        500,
        1,
        &exit("exit of /7: Panicked 500"),
    );
}

#[test]
fn a_panic_on_the_way_out_is_the_answer_and_ends_nothing_else() {
    let none = Fate::Text;
    // The drop comes after the callback, which was told of an answer then.
    let dropped = [
        "exit of /7: Done 200",
        "drop captured",
        "drop third, panics",
    ];
    let chain_of = || chain(prepares).then(plants);
    check(
        chain_of().then(answers),
        none,
        500,
        1,
        &and_prepared(&dropped),
    );
    let failed = ["exit of /7: Failed 404", dropped[1], dropped[2]];
    check(chain_of().then(fails), none, 500, 1, &and_prepared(&failed));
    let panicked = ["exit of /7: Panicked 500", dropped[1], dropped[2]];
    check(
        chain_of().then(panics),
        none,
        500,
        2,
        &and_prepared(&panicked),
    );

    let called = [
        "bad exit: Done",
        "exit of /7: Panicked 500",
        "drop captured",
    ];
    let chain = chain(prepares).then(watches_badly).then(answers);
    check(chain, none, 500, 1, &and_prepared(&called));
}

#[test]
fn what_waits_ends_once_whatever_becomes_of_it() {
    let chain_of = || chain(prepares).then(asks).then(shows);
    let exit = |words: &'static str| and_prepared(&[words, "drop captured"]);
    let decoded = ["exit of /7: Done 200", "drop captured", "drop decoded"];
    check(chain_of(), Fate::Row(1), 200, 0, &and_prepared(&decoded));
    let partial = |words| and_prepared(&["drop partial", words, "drop captured"]);
    check(
        chain_of(),
        Fate::Row(7),
        500,
        1,
        &partial("exit of /7: Panicked 500"),
    );
    check(
        chain_of(),
        Fate::Text,
        500,
        0,
        &partial("exit of /7: Failed 500"),
    );
    check(
        chain_of(),
        Fate::TimesOut,
        504,
        0,
        &exit("exit of /7: Expired 504"),
    );
    check(
        chain_of(),
        Fate::ClientGoes,
        0,
        0,
        &exit("exit of /7: ClientGone 0"),
    );
    check(
        chain_of(),
        Fate::IsCutOff,
        0,
        0,
        &exit("exit of /7: Cancelled 0"),
    );
    check(
        chain_of(),
        Fate::IsForgotten,
        0,
        0,
        &exit("exit of /7: Cancelled 0"),
    );
}

#[test]
fn a_panic_after_the_client_has_gone_is_counted() {
    let chain = chain(prepares).then(plants).then(asks).then(shows);
    let notes = [
        "exit of /7: ClientGone 0",
        "drop captured",
        "drop third, panics",
    ];
    check(chain, Fate::ClientGoes, 0, 1, &and_prepared(&notes));
}

#[test]
fn the_first_panic_stays_the_failure() {
    let route = route(chain(prepares).then(plants).then(panics), |_, _| {
        panic!("a renderer that panics")
    });
    let mut context = Context::with_capacity(256);
    begin(&mut context, &route);
    silenced(|| {
        let _ = context.run(&route, &mut Unobserved);
        context.exit(route.renderer(), ExitKind::Panicked);
    });
    let failure = context.failure().unwrap();
    assert!(failure.what().ends_with("::panics"), "{failure}");
    assert_eq!(failure.key(), "a step that panics");
    // The step, the renderer, the drop.
    assert_eq!(context.panic_count(), 3);
    let response = context.response();
    assert_eq!(response.status(), Status::INTERNAL_SERVER_ERROR);
    assert_eq!(response.body().as_slice(), br#"{"type":"about:blank"}"#);
}

#[test]
fn a_drop_and_a_callback_that_panic_are_named() {
    let what_of = |route: Route| {
        let mut context = Context::with_capacity(256);
        begin(&mut context, &route);
        silenced(|| {
            let _ = context.run(&route, &mut Unobserved);
            context.exit(problem, ExitKind::Done);
        });
        let failure = context.failure().unwrap();
        assert_eq!(failure.cause(), Cause::Panic);
        failure.what()
    };
    assert_eq!(
        what_of(route(chain(plants).then(answers), problem)),
        "Third"
    );
    let callback = what_of(route(chain(watches_badly).then(answers), problem));
    assert!(
        callback.ends_with("::watches_badly::{{closure}}"),
        "{callback}"
    );
}

#[test]
fn a_renderer_sees_the_request() {
    fn tells(problem: &Problem<'_>, out: &mut Vec<u8>) -> std::io::Result<&'static str> {
        use std::io::Write as _;
        let path = problem.request().map(Request::path);
        write!(out, "{path:?} {}", problem.status().code())?;
        Ok("text/plain")
    }
    let route = route(chain(fails), tells);
    let mut context = Context::with_capacity(256);
    begin(&mut context, &route);
    let _ = context.run(&route, &mut Unobserved);
    let body = |context: &Context| {
        let response = context.response();
        String::from_utf8(response.body().as_slice().to_vec()).unwrap()
    };
    assert_eq!(body(&context), r#"Some("/7") 404"#);
    context.end(drop);
    context.refuse(tells, Failure::new(BadRequest, "request", "malformed"));
    assert_eq!(body(&context), "None 400");
}

#[test]
fn a_problem_names_the_request_that_was_asked_for_its_id() {
    fn asks(cx: &mut Cx) {
        cx.request_id();
    }
    let body = |chain: Chain<list::Nil, list::Nil, list::Nil>| {
        let route = route(chain, problem);
        let mut context = Context::with_ids(256, IdSource::new([1, 2], 3));
        context.number(4);
        begin(&mut context, &route);
        let _ = context.run(&route, &mut Unobserved);
        let response = context.response();
        let body: serde_json::Value = serde_json::from_slice(response.body().as_slice()).unwrap();
        (
            body["request_id"].as_str().map(str::to_owned),
            context.known_id().map(str::to_owned),
        )
    };
    assert_eq!(body(chain(fails)), (None, None));
    let (shown, known) = body(chain(asks).then(fails));
    assert_eq!(shown, known);
    assert!(shown.unwrap().starts_with("0000000000000001"));
}

/// A handle may be kept for a later step, or for the exit, while the context moves: what it makes
/// belongs to its own request.
#[test]
fn a_handle_stays_with_its_request() {
    slot!(Kept<'r>: Cell<Option<BodyHandle<'r>>>);
    slot!(Sum: Noted);
    fn nothing(_: &mut Noted, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
    fn keeps(cx: &mut Cx<Writes<Kept>, Uses<Body>>) -> Step {
        let (now, at_exit) = (cx.body(), cx.body());
        cx.put(Kept, Cell::new(Some(now)));
        cx.on_exit(move |_| drop(at_exit.fold(Noted("at exit"), nothing)));
        cx.need(cx.timer(1.millis()))
    }
    fn folds(cx: &mut Cx<Reads<Kept>, Writes<Sum>, Uses<Body>>) -> Step {
        let body = cx.get(Kept).take().or_fail(Internal, "handle", "")?;
        cx.need(body.fold(Noted("folded"), nothing).into(Sum))
    }
    let route = route(chain(keeps).then(folds), problem);
    let mut contexts = [Context::with_capacity(256), Context::with_capacity(256)];
    for context in &mut contexts {
        begin(context, &route);
        assert_eq!(context.run(&route, &mut Unobserved), Outcome::Need);
    }
    NOTES.take();
    contexts.reverse();
    let [mut context, other] = contexts;
    let elapsed = EffectResult::Elapsed(Nanos::from_millis(1));
    let outcome = context.resume(&route, [Some(elapsed)], &mut Unobserved);
    assert_eq!(outcome, Outcome::Need);
    drop(other);
    assert_eq!(NOTES.take(), ["drop at exit"]);
    context.end(drop);
    assert_eq!(NOTES.take(), ["drop folded", "drop at exit"]);
}

fn route<G, A, O>(chain: Chain<G, A, O>, renderer: Renderer) -> Route {
    let resources: Vec<_> = (chain.entries.iter())
        .flat_map(|entry: &Entry| entry.uses.clone())
        .collect();
    let parts = RouteParts {
        method: Method::Get,
        pattern: "/{id}",
        params: vec!["id"],
        settings: chain.settings,
        entries: chain.entries,
        resources: &resources,
        renderer,
    };
    Route::build(parts).unwrap()
}

fn begin(context: &mut Context, route: &Route) {
    let path = Span { start: 4, len: 2 };
    let mut params = Params::new();
    params.push(Span { start: 1, len: 1 });
    let parts = RequestParts {
        method: Method::Get,
        target: path,
        path,
        query: None,
        fields: &[],
        params: &params,
        body: &[],
    };
    context.begin(route, b"GET /7 HTTP/1.1\r\n\r\n", &parts);
}

fn result(fate: Fate) -> ResultBuffer {
    let mut result = ResultBuffer::default();
    let mut writer = result.writer(1, usize::MAX);
    let column = match fate {
        Fate::Row(number) => Column::Int(number),
        _ => Column::Text(b"no number"),
    };
    writer.column(column).unwrap();
    writer.end_row();
    result
}
