//! The runner, by tables.

use std::any::TypeId;
use std::cell::Cell;

use super::*;
use crate::ctx::RequestParts;
use crate::effect::{
    Column, DecodeError, Executed, FromRow, Operation, ResultBuffer, Row, SqlMode, SqlStatement,
    SqlValue,
};
use crate::http::Span;
use crate::prelude::*;
use crate::response::{Body, problem};
use crate::route::Params;
use crate::step::{Cause, Chain, Entry, Fail, Unobserved};
use crate::testing::silenced;

resource!(Blog: Sqlite);
slot!(Id: i64 = path "id");
slot!(Slug<'r>: &'r str = path "slug");
slot!(PostId: i64);
slot!(Post<'r>: Option<PostRow<'r>>);
slot!(Title<'r>: (&'r str,));
slot!(Related<'r>: &'r [PostRow<'r>]);
slot!(Deleted: Executed);
slot!(One: Loud);
slot!(Two: Vec<Loud>);
slot!(Three: Loud);

#[derive(Clone, Copy, serde::Serialize)]
struct PostRow<'r> {
    id: i64,
    title: &'r str,
}

impl<'r> FromRow<'r> for PostRow<'r> {
    fn from_row(row: Row<'r>) -> Result<Self, DecodeError> {
        let mut columns = row.columns();
        let (id, title) = (columns.read()?, columns.read()?);
        assert!(id != 1313, "a row that panics");
        Ok(PostRow { id, title })
    }
}

thread_local!(static DROPS: Cell<u32> = const { Cell::new(0) });

/// Counts its drops; the drop of number nine panics.
struct Loud(u8);

impl Drop for Loud {
    fn drop(&mut self) {
        DROPS.set(DROPS.get() + 1);
        assert!(
            self.0 != 9 || std::thread::panicking(),
            "a drop that panics"
        );
    }
}

fn by_id(cx: &mut Cx<Reads<Id>, Writes<PostId>>) -> Step {
    let id = *cx.get(Id);
    if id < 1 {
        return fail(BadRequest, "post", "id");
    }
    cx.put(PostId, id);
    Continue
}

fn load(cx: &mut Cx<Reads<PostId>, Writes<Post>, Uses<Blog>>) -> Step {
    let id = *cx.get(PostId);
    cx.need(cx.on(Blog).query_opt(SQL).bind(id).into(Post))
}

const SQL: &str = "SELECT id, title FROM posts WHERE id = ?1";

fn render(cx: &mut Cx<Reads<Post>>) -> Step {
    let post = cx
        .get(Post)
        .as_ref()
        .or_fail(NotFound, "post", cx.param("id"))?;
    cx.json(post)
}

fn writes_loud(cx: &mut Cx<Writes<(One, Two)>>) {
    cx.put(One, Loud(1));
    cx.put(Two, vec![Loud(2), Loud(3)]);
}

fn hello(cx: &mut Cx) -> Step {
    cx.text("hello")
}

#[test]
fn a_run_ends_as_its_steps_decide() {
    fn two_slots(cx: &mut Cx<Writes<(PostId, One)>>) {
        cx.put(PostId, 7);
        cx.put(One, Loud(1));
    }
    fn decides(cx: &mut Cx<Reads<PostId>>) -> Decision {
        assert_eq!(*cx.get(PostId), 7);
        Decision::Continue
    }
    fn fails(cx: &mut Cx<Reads<Id>>) -> Step {
        fail(Conflict, "post", cx.get(Id).to_string())
    }
    fn asks_std(cx: &mut Cx) -> Step {
        let _: i64 = cx.param("id").parse::<i64>()? + "x".parse::<i64>()?;
        Continue
    }
    fn panics(cx: &mut Cx<Reads<Id>>) -> Step {
        panic!("number {}", cx.get(Id));
    }
    fn undecided(_: &mut Cx) {}
    fn nothing(cx: &mut Cx) -> Step {
        cx.empty()
    }
    fn created(cx: &mut Cx) -> Step {
        cx.status(Status::CREATED).html("<p>")
    }
    fn shared(cx: &mut Cx) -> Step {
        cx.bytes("image/png", vec![1, 2, 3])
    }
    fn constant(cx: &mut Cx) -> Step {
        cx.fixed("text/css", b"p {}")
    }
    fn just_done(_: &mut Cx) -> Step {
        Done
    }
    fn replaced(cx: &mut Cx) -> Step {
        let _ = cx.text("a long first answer");
        cx.text("second")
    }

    check(chain(hello), "/7", "200 text/plain; charset=utf-8 hello");
    check(
        chain(two_slots).then(decides).then(hello),
        "/7",
        "200 text/plain; charset=utf-8 hello",
    );
    check(chain(nothing), "/7", "204 - ");
    check(chain(just_done), "/7", "204 - ");
    check(chain(created), "/7", "201 text/html; charset=utf-8 <p>");
    check(chain(shared), "/7", "200 image/png \u{1}\u{2}\u{3}");
    check(chain(constant), "/7", "200 text/css p {}");
    check(
        chain(replaced),
        "/7",
        "200 text/plain; charset=utf-8 second",
    );
    check(
        chain(fails),
        "/7",
        r#"409 application/problem+json {"type":"about:blank","title":"Conflict","status":409,"detail":"post 7"}"#,
    );
    let internal = r#"500 application/problem+json {"type":"about:blank","title":"Internal Server Error","status":500}"#;
    check(chain(asks_std), "/7", internal);
    silenced(|| check(chain(panics), "/7", internal));
    check(
        chain(undecided),
        "/7",
        r#"500 application/problem+json {"type":"about:blank","title":"Internal Server Error","status":500,"detail":"cutaway::step::pipeline::tests::a_run_ends_as_its_steps_decide::undecided no step of the pipeline answered"}"#,
    );
}

#[test]
fn a_path_slot_is_read_before_the_step_that_reads_it() {
    fn show(cx: &mut Cx<Reads<Id>>) -> Step {
        let id = *cx.get(Id);
        cx.json(&id)
    }
    fn slug(cx: &mut Cx<Reads<Slug>>) -> Step {
        let slug = *cx.get(Slug);
        assert_eq!(slug, cx.param("slug"));
        cx.text(slug)
    }
    let bad_id = r#"400 application/problem+json {"type":"about:blank","title":"Bad Request","status":400,"detail":"path id"}"#;
    check(chain(show), "/7", "200 application/json 7");
    check(chain(show), "/-7", "200 application/json -7");
    check(chain(show), "/%37", "200 application/json 7");
    check(chain(show), "/seven", bad_id);
    check(chain(show), "/9223372036854775808", bad_id);
    check(chain(slug), "/a", "200 text/plain; charset=utf-8 a");
    check(
        chain(slug),
        "/a%2Fb%20%C3%A4",
        "200 text/plain; charset=utf-8 a/b ä",
    );
    let bad_slug = r#"400 application/problem+json {"type":"about:blank","title":"Bad Request","status":400,"detail":"path slug"}"#;
    check(chain(slug), "/%FF", bad_slug);
}

#[test]
fn a_panic_names_the_step_and_keeps_its_message() {
    fn panics(cx: &mut Cx<Reads<Id>>) -> Step {
        panic!("number {}", cx.get(Id));
    }
    fn asks_for_what_is_not_there(cx: &mut Cx) -> Step {
        cx.text(cx.param("slag"))
    }
    let name = |failure: &Failure| failure.what().rsplit("::").next().map(str::to_owned);
    let failure = silenced(|| failure_of(chain(writes_loud).then(panics)));
    assert_eq!(name(&failure).as_deref(), Some("panics"));
    assert_eq!(failure.key(), "number 7");
    assert_eq!(failure.cause(), Cause::Panic);
    let failure = silenced(|| failure_of(chain(asks_for_what_is_not_there)));
    assert_eq!(failure.key(), "the route's pattern has no parameter `slag`");
}

#[test]
fn a_broken_contract_names_the_step_and_the_slot() {
    fn forgets(_: &mut Cx<Writes<PostId>>) {}
    fn twice(cx: &mut Cx<Writes<PostId>>) {
        assert_eq!(*cx.put(PostId, 1), 1);
        assert_eq!(*cx.put(PostId, 2), 1, "the first stays");
    }
    fn twice_and_done(cx: &mut Cx<Writes<PostId>>) -> Step {
        cx.put(PostId, 1);
        cx.put(PostId, 2);
        cx.text("done")
    }
    fn asks_for_nothing(_: &mut Cx) -> Decision {
        Decision::Need
    }
    fn forgets_its_effect(cx: &mut Cx<Writes<Post>, Uses<Blog>>) {
        let _ = cx.need(cx.on(Blog).query_opt(SQL).into(Post));
        cx.put(Post, None);
    }
    fn asks_twice(cx: &mut Cx<Writes<Post>, Uses<Blog>>) -> Step {
        let _ = cx.need(cx.on(Blog).query_opt(SQL).into(Post));
        cx.need(cx.on(Blog).query_opt(SQL).into(Post))
    }
    fn check<G, A, O>(chain: Chain<G, A, O>, step: &str, words: &str) {
        let failure = failure_of(chain);
        assert_eq!(failure.cause(), Cause::Contract);
        assert_eq!(failure.kind(), Fail::Internal);
        assert_eq!(failure.what().rsplit("::").next(), Some(step));
        assert_eq!(failure.key(), words);
    }
    check(
        chain(forgets).then(hello),
        "forgets",
        "slot `PostId` was not put",
    );
    check(
        chain(twice).then(hello),
        "twice",
        "slot `PostId` was put twice",
    );
    check(
        chain(twice_and_done),
        "twice_and_done",
        "slot `PostId` was put twice",
    );
    check(
        chain(asks_for_nothing),
        "asks_for_nothing",
        "decided Need without an effect",
    );
    check(
        chain(forgets_its_effect).then(hello),
        "forgets_its_effect",
        "did not return what cx.need gave",
    );
    check(
        chain(asks_twice).then(hello),
        "asks_twice",
        "called cx.need more than once",
    );
    check(chain(by_id), "by_id", "no step of the pipeline answered");
}

#[test]
fn values_are_dropped_once_however_the_request_ends() {
    fn panics(cx: &mut Cx<Reads<Two>, Writes<Three>>) {
        cx.put(Three, Loud(4));
        let two = cx.get(Two);
        let _ = two[7].0;
    }
    fn fails(_: &mut Cx) -> Step {
        fail(Conflict, "x", "y")
    }
    fn twice(cx: &mut Cx<Writes<One>>) {
        cx.put(One, Loud(1));
        cx.put(One, Loud(2));
    }
    fn panics_when_dropped(cx: &mut Cx<Writes<(One, Three)>>) {
        cx.put(One, Loud(1));
        cx.put(Three, Loud(9));
    }
    fn check<G, A, O>(chain: Chain<G, A, O>, drops: u32) {
        // Ended, dropped without an end, and ended twice.
        let endings: [fn(Context); 3] = [
            |mut context| context.end(drop),
            drop,
            |mut context| {
                context.end(drop);
                context.end(drop);
            },
        ];
        let route = route(chain);
        for end in endings {
            DROPS.set(0);
            let mut context = begun(&route, "/7");
            silenced(|| {
                let _ = context.run(&route, &mut Unobserved);
                end(context);
            });
            assert_eq!(DROPS.get(), drops);
        }
    }
    check(chain(writes_loud).then(hello), 3);
    check(chain(writes_loud).then(panics).then(hello), 4);
    check(chain(writes_loud).then(fails), 3);
    check(chain(twice).then(hello), 2);
    check(chain(panics_when_dropped).then(hello), 2);
    // Cancelled while it waits.
    check(chain(writes_loud).then(by_id).then(load).then(render), 3);
}

#[test]
fn an_effect_parks_the_request_and_fills_its_slot() {
    let route = route(chain(writes_loud).then(by_id).then(load).then(render));
    let mut context = begun(&route, "/7");
    assert_eq!(context.run(&route, &mut Unobserved), Outcome::Need);
    assert_eq!(
        route.step_name(context.step()).rsplit("::").next(),
        Some("load")
    );
    let effect = context.effect().unwrap();
    assert_eq!(effect.resource, Some(0));
    assert_eq!(
        effect.operation,
        Operation::Sqlite {
            mode: SqlMode::Read,
            statements: &[SqlStatement {
                sql: SQL,
                params: &[SqlValue::Int(7)],
                rows_max: 1,
                expects_row: false,
                wanted: None,
            }],
        }
    );
    // A slab may move its entries while a request waits.
    let mut context = *Box::new(context);
    let result = given(posts(&[(7, "hello")]));
    let outcome = context.resume(&route, result, &mut Unobserved);
    assert_eq!(outcome, Outcome::Done);
    assert!(context.effect().is_none());
    assert_eq!(
        context.response().body().as_slice(),
        br#"{"id":7,"title":"hello"}"#
    );
    let mut returned = Vec::new();
    DROPS.set(0);
    context.end(|buffer| returned.push(buffer.len_bytes()));
    assert_eq!((DROPS.get(), returned.len()), (3, 1));
    assert!(!context.is_begun());
}

#[test]
fn results_are_decoded_by_their_shape() {
    fn one(cx: &mut Cx<Writes<Title>, Uses<Blog>>) -> Step {
        cx.need(cx.on(Blog).query_one("SELECT title FROM posts").into(Title))
    }
    fn show_one(cx: &mut Cx<Reads<Title>>) -> Step {
        cx.text(cx.get(Title).0)
    }
    fn many(cx: &mut Cx<Writes<Related>, Uses<Blog>>) -> Step {
        cx.need(
            cx.on(Blog)
                .query("SELECT id, title FROM posts")
                .into(Related),
        )
    }
    fn show_many(cx: &mut Cx<Reads<Related>>) -> Step {
        cx.json(cx.get(Related))
    }
    fn delete(cx: &mut Cx<Writes<Deleted>, Uses<Blog>>) -> Step {
        cx.need(cx.on(Blog).exec("DELETE FROM posts").into(Deleted))
    }
    fn show_deleted(cx: &mut Cx<Reads<Deleted>>) -> Step {
        let deleted = *cx.get(Deleted);
        cx.json(&(deleted.changed_count, deleted.last_row_id))
    }
    fn check<G, A, O>(chain: Chain<G, A, O>, result: ResultBuffer, expected: &str) {
        let route = route(chain);
        let mut context = begun(&route, "/7");
        assert_eq!(context.run(&route, &mut Unobserved), Outcome::Need);
        let _ = silenced(|| context.resume(&route, given(result), &mut Unobserved));
        let response = context.response();
        let body = String::from_utf8_lossy(response.body().as_slice()).into_owned();
        assert_eq!(format!("{} {body}", response.status().code()), expected);
    }
    let two = || posts(&[(1, "a"), (2, "b")]);
    check(
        chain(by_id).then(load).then(render),
        two(),
        r#"200 {"id":1,"title":"a"}"#,
    );
    check(
        chain(by_id).then(load).then(render),
        posts(&[]),
        r#"404 {"type":"about:blank","title":"Not Found","status":404,"detail":"post 7"}"#,
    );
    check(
        chain(many).then(show_many),
        two(),
        r#"200 [{"id":1,"title":"a"},{"id":2,"title":"b"}]"#,
    );
    check(chain(many).then(show_many), posts(&[]), "200 []");
    check(chain(one).then(show_one), titles(&["a"]), "200 a");
    check(
        chain(one).then(show_one),
        titles(&[]),
        r#"404 {"type":"about:blank","title":"Not Found","status":404,"detail":"Title"}"#,
    );
    let mut executed = ResultBuffer::default();
    executed.push_executed(Executed {
        changed_count: 3,
        last_row_id: 42,
    });
    check(chain(delete).then(show_deleted), executed, "200 [3,42]");
    // The statement and the row type disagree, and a row that panics: both are ours, not the client's.
    let internal = r#"500 {"type":"about:blank","title":"Internal Server Error","status":500}"#;
    check(
        chain(by_id).then(load).then(render),
        titles(&["a"]),
        internal,
    );
    check(
        chain(by_id).then(load).then(render),
        posts(&[(1313, "a")]),
        internal,
    );
}

#[test]
fn an_effect_may_fail_the_request() {
    let route = route(chain(writes_loud).then(by_id).then(load).then(render));
    let mut context = begun(&route, "/7");
    assert_eq!(context.run(&route, &mut Unobserved), Outcome::Need);
    let outcome = context.fail(&route, Failure::new(Fail::Timeout, "blog", ""));
    assert!(matches!(outcome, Outcome::Failed(_)));
    assert!(context.effect().is_none());
    assert_eq!(context.response().status(), Status::GATEWAY_TIMEOUT);
    DROPS.set(0);
    context.end(drop);
    assert_eq!(DROPS.get(), 3);
}

#[test]
fn a_context_serves_one_request_after_another() {
    let with_effect = route(chain(by_id).then(load).then(render));
    let without = route(chain(writes_loud).then(hello));
    let mut context = Context::with_capacity(64);
    for turn in 0..20_i64 {
        begin(&mut context, &with_effect, &format!("/{}", turn + 1));
        assert_eq!(context.run(&with_effect, &mut Unobserved), Outcome::Need);
        // Every third is cancelled while it waits.
        if turn % 3 != 0 {
            let title = "x".repeat(turn as usize * 10);
            let result = given(posts(&[(turn, &title)]));
            let outcome = context.resume(&with_effect, result, &mut Unobserved);
            assert_eq!(outcome, Outcome::Done);
            let body = format!(r#"{{"id":{turn},"title":"{title}"}}"#);
            assert_eq!(context.response().body().as_slice(), body.as_bytes());
        }
        context.end(drop);
        begin(&mut context, &without, "/7");
        assert_eq!(context.run(&without, &mut Unobserved), Outcome::Done);
        context.end(drop);
    }
}

#[test]
fn a_context_knows_its_route() {
    let (first, second) = (route(chain(hello)), route(chain(hello)));
    let mut context = begun(&first, "/7");
    let ran = crate::testing::caught(|| context.run(&second, &mut Unobserved));
    assert_eq!(
        ran,
        Err("a request is run by the route it was begun with".to_owned())
    );
    assert_eq!(context.run(&first, &mut Unobserved), Outcome::Done);
}

#[test]
fn the_observer_sees_every_step_and_may_pause() {
    #[derive(Default)]
    struct Watcher {
        seen: Vec<(u16, Option<StepEnd>)>,
        pauses: bool,
    }
    impl StepObserver for Watcher {
        fn step_start(&mut self, step: u16) {
            self.seen.push((step, None));
        }
        fn step_end(&mut self, step: u16, end: StepEnd) -> Go {
            self.seen.push((step, Some(end)));
            if self.pauses { Go::Pause } else { Go::On }
        }
    }
    fn panics(_: &mut Cx) {
        panic!("on purpose");
    }
    fn watch<G, A, O>(chain: Chain<G, A, O>) -> Vec<(u16, StepEnd)> {
        let route = route(chain);
        let mut context = begun(&route, "/7");
        let mut watcher = Watcher::default();
        let _ = silenced(|| context.run(&route, &mut watcher));
        (watcher.seen.chunks(2))
            .map(|pair| {
                assert_eq!(pair[0], (pair[1].0, None), "each end follows its start");
                (pair[1].0, pair[1].1.unwrap())
            })
            .collect()
    }
    use StepEnd::*;
    assert_eq!(
        watch(chain(writes_loud).then(hello)),
        [(0, Continue), (1, Done)]
    );
    assert_eq!(
        watch(chain(by_id).then(load).then(render)),
        [(0, Continue), (1, Need)]
    );
    assert_eq!(
        watch(chain(writes_loud).then(panics)),
        [(0, Continue), (1, Panicked)]
    );
    assert_eq!(watch(chain(by_id)), [(0, Continue)]);

    let route = route(chain(writes_loud).then(by_id).then(hello));
    let mut context = begun(&route, "/7");
    let mut watcher = Watcher {
        pauses: true,
        ..Watcher::default()
    };
    assert_eq!(context.run(&route, &mut watcher), Outcome::Paused);
    assert_eq!(context.run(&route, &mut watcher), Outcome::Paused);
    assert_eq!(context.run(&route, &mut watcher), Outcome::Done);
    assert_eq!(watcher.seen.len(), 6);
}

#[test]
fn a_renderer_that_fails_is_answered_for() {
    fn fails(_: &mut Cx) -> Step {
        fail(Gone, "post", "7")
    }
    let own: Renderer = |problem, out| {
        out.extend_from_slice(problem.failure().what().as_bytes());
        Ok("text/plain")
    };
    let failing: Renderer = |_, out| {
        out.extend_from_slice(b"half of");
        Err(std::io::Error::other("no"))
    };
    let panicking: Renderer = |_, _| panic!("no");
    let check = |renderer: Renderer, status: Status, content_type: &str, body: &[u8]| {
        let mut parts = parts(chain(fails));
        parts.renderer = renderer;
        let route = Route::build(parts).unwrap();
        let mut context = begun(&route, "/7");
        let _ = silenced(|| context.run(&route, &mut Unobserved));
        let response = context.response();
        assert_eq!(response.status(), status);
        assert_eq!(
            response.content_type().map(|value| value.as_str()),
            Some(content_type)
        );
        assert_eq!(response.body().as_slice(), body);
    };
    check(own, Status::GONE, "text/plain", b"post");
    check(
        failing,
        Status::GONE,
        "application/problem+json",
        br#"{"type":"about:blank"}"#,
    );
    check(
        panicking,
        Status::INTERNAL_SERVER_ERROR,
        "application/problem+json",
        br#"{"type":"about:blank"}"#,
    );
}

#[test]
fn header_fields_are_kept_and_checked() {
    fn adds(cx: &mut Cx) -> Step {
        cx.response_header("X-First", "1")?;
        cx.response_header("X-Second", "two words")?;
        Continue
    }
    fn fails(_: &mut Cx) -> Step {
        fail(Gone, "post", "7")
    }
    fn splits(cx: &mut Cx) -> Step {
        cx.response_header("X", "1\r\nSet-Cookie: 2")?;
        cx.empty()
    }
    fn frames(cx: &mut Cx) -> Step {
        cx.response_header("content-length", "7")?;
        cx.empty()
    }
    fn check<G, A, O>(chain: Chain<G, A, O>, status: Status, fields: &[(&str, &str)]) {
        let route = route(chain);
        let mut context = begun(&route, "/7");
        let _ = context.run(&route, &mut Unobserved);
        let response = context.response();
        assert_eq!(response.status(), status);
        let seen: Vec<_> = (response.fields())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(seen, fields);
    }
    let both = [("X-First", "1"), ("X-Second", "two words")];
    check(chain(adds).then(hello), Status::OK, &both);
    check(chain(adds).then(fails), Status::GONE, &both);
    check(
        chain(adds).then(splits),
        Status::INTERNAL_SERVER_ERROR,
        &both,
    );
    check(chain(frames), Status::INTERNAL_SERVER_ERROR, &[]);
}

#[test]
fn every_refusal_of_a_route_is_listed() {
    fn by_slug(cx: &mut Cx<Writes<PostId>>) {
        cx.put(PostId, 1);
    }
    let mut parts = parts(chain(by_id).then(load).then(render).deadline(0.millis()));
    // The compiler refuses these two; the traits it does so by are open.
    parts.entries.push(Entry::of(by_slug));
    parts.entries.insert(0, Entry::of(render));
    parts.pattern = "/posts";
    parts.params.clear();
    parts.resources = &[];
    let refusals = Route::build(parts).err().unwrap();
    let words: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    let at = "cutaway::step::pipeline::tests::";
    assert_eq!(
        words,
        [
            "/posts: a deadline of zero can never be met".to_owned(),
            format!("/posts: step {at}render reads slot `Post`, which no earlier step writes"),
            format!("/posts: step {at}by_id reads path parameter `id`, which the pattern lacks"),
            format!("/posts: step {at}load uses resource `Blog`, which is not given to the engine"),
            format!(
                "/posts: slot `PostId` has two writers: {at}by_id and \
                 {at}every_refusal_of_a_route_is_listed::by_slug"
            ),
        ]
    );
    let mut parts = self::parts(chain(hello));
    parts.entries.clear();
    let refusals = Route::build(parts).err().unwrap();
    assert_eq!(refusals, [RouteRefusal::EmptyChain { pattern: PATTERN }]);
}

#[test]
fn a_route_says_what_it_is() {
    let classes = ClassTable::default();
    let interactive = route(chain(by_id).then(load).then(render).class(Interactive));
    assert_eq!(interactive.deadline(&classes), Some(Nanos::from_millis(10)));
    assert_eq!(
        interactive.slow_after(&classes),
        Some(Nanos::from_millis(5))
    );
    assert!(interactive.has_class_deadline());
    let own = route(chain(hello).deadline(50.millis()).slow_after(7.millis()));
    assert_eq!(own.deadline(&classes), Some(Nanos::from_millis(50)));
    assert_eq!(own.slow_after(&classes), Some(Nanos::from_millis(7)));
    let endless = route(chain(hello).no_deadline());
    assert_eq!(endless.deadline(&classes), None);
    assert_eq!(endless.slow_after(&classes), None);

    let load = interactive.contract(1).unwrap();
    assert_eq!(load.reads().collect::<Vec<_>>(), ["PostId"]);
    assert_eq!(load.writes().collect::<Vec<_>>(), ["Post"]);
    assert_eq!(load.uses().collect::<Vec<_>>(), ["Blog"]);
    assert!(interactive.contract(3).is_none());
}

#[test]
fn shards_share_a_route() {
    let route = std::sync::Arc::new(route(chain(writes_loud).then(hello)));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let route = route.clone();
            std::thread::spawn(move || begun(&route, "/7").run(&route, &mut Unobserved))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Outcome::Done);
    }
}

#[test]
fn a_request_is_read_where_it_lies() {
    slot!(Content<'r>: &'r [u8] = body bytes);
    fn shows(cx: &mut Cx<Reads<Content>>) -> Step {
        let request = cx.request();
        assert_eq!(request.method(), Method::Get);
        assert_eq!(request.target(), "/7?x=1");
        assert_eq!(request.path(), "/7");
        assert_eq!(request.query(), Some("x=1"));
        assert_eq!(request.field("HOST"), Some(&b"h"[..]));
        assert_eq!(request.field("hos"), None);
        assert_eq!(request.fields().count(), 2);
        assert_eq!(request.param_bytes("id"), Some(&b"7"[..]));
        assert_eq!(request.param("slag", cx.arena()), None);
        let content = *cx.get(Content);
        cx.slice("text/plain", content)
    }
    let tested = crate::testing::get("/7?x=1")
        .param("id", "7")
        .field("Host", "h")
        .field("Accept", "*/*")
        .body("content")
        .run(shows);
    assert_eq!(tested.decision(), Ok(Decision::Done));
    assert!(matches!(tested.response().body(), Body::Slice(b"content")));
}

const PATTERN: &str = "/{id}";

fn parts<G, A, O>(chain: Chain<G, A, O>) -> RouteParts<'static> {
    const BLOG: &[ResourceMeta] = &[ResourceMeta {
        id: TypeId::of::<Blog>(),
        name: "Blog",
    }];
    RouteParts {
        method: Method::Get,
        pattern: PATTERN,
        params: vec!["id", "slug"],
        settings: chain.settings,
        entries: chain.entries,
        resources: BLOG,
        renderer: problem,
    }
}

fn route<G, A, O>(chain: Chain<G, A, O>) -> Route {
    Route::build(parts(chain)).unwrap()
}

fn begun(route: &Route, path: &str) -> Context {
    let mut context = Context::with_capacity(256);
    begin(&mut context, route, path);
    context
}

/// The path's one segment is both of the pattern's parameters.
fn begin(context: &mut Context, route: &Route, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\n\r\n");
    let segment = Span {
        start: 1,
        len: path.len() as u32 - 1,
    };
    let mut params = Params::new();
    params.push(segment);
    params.push(segment);
    let path = Span {
        start: 4,
        len: path.len() as u32,
    };
    let parts = RequestParts {
        method: Method::Get,
        target: path,
        path,
        query: None,
        fields: &[],
        params: &params,
        body: &[],
    };
    context.begin(route, head.as_bytes(), &parts);
}

fn check<G, A, O>(chain: Chain<G, A, O>, path: &str, expected: &str) {
    let route = route(chain);
    let mut context = begun(&route, path);
    let outcome = context.run(&route, &mut Unobserved);
    assert!(!matches!(outcome, Outcome::Need | Outcome::Paused));
    let response = context.response();
    let answer = format!(
        "{} {} {}",
        response.status().code(),
        response.content_type().map_or("-", |value| value.as_str()),
        String::from_utf8_lossy(response.body().as_slice()),
    );
    assert_eq!(answer, expected);
}

fn failure_of<G, A, O>(chain: Chain<G, A, O>) -> Failure {
    let route = route(chain);
    match begun(&route, "/7").run(&route, &mut Unobserved) {
        Outcome::Failed(failure) => failure,
        outcome => panic!("it did not fail: {outcome:?}"),
    }
}

/// The result of a need of one effect.
fn given(buffer: ResultBuffer) -> [Option<EffectResult>; 1] {
    [Some(buffer.into())]
}

fn posts(rows: &[(i64, &str)]) -> ResultBuffer {
    let mut result = ResultBuffer::default();
    let mut writer = result.writer(2, usize::MAX);
    for (id, title) in rows {
        writer.column(Column::Int(*id)).unwrap();
        writer.column(Column::Text(title.as_bytes())).unwrap();
        writer.end_row();
    }
    result
}

fn titles(rows: &[&str]) -> ResultBuffer {
    let mut result = ResultBuffer::default();
    let mut writer = result.writer(1, usize::MAX);
    for title in rows {
        writer.column(Column::Text(title.as_bytes())).unwrap();
        writer.end_row();
    }
    result
}
