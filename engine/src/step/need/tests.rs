//! Needs without a shard: what is written down, and what results make of it.

use std::any::TypeId;
use std::cell::Cell;
use std::time::Duration;

use cutaway_reactor::Join;
use cutaway_scheduler::Nanos;

use super::*;
use crate::ctx::{Context, RequestParts};
use crate::effect::{Column, EffectResult, Operation, ResourceMeta, ResultBuffer, SqlValue};
use crate::http::{Method, Span};
use crate::prelude::*;
use crate::response::problem;
use crate::route::Params;
use crate::step::{Chain, Outcome, Route, RouteParts, Unobserved};
use crate::testing::silenced;

resource!(Blog: Sqlite);
resource!(Cache: Sqlite);
slot!(Ids<'r>: &'r [i64]);
slot!(One<'r>: (&'r str,));
slot!(Two<'r>: (&'r str,));
slot!(Maybe<'r>: Option<(&'r str,)>);
slot!(Many<'r>: &'r [(&'r str,)]);
slot!(Sparse<'r>: &'r [Option<(&'r str,)>]);
slot!(Waited: Elapsed);
slot!(Length: usize);
slot!(Kept: Loud);

thread_local!(static DROPS: Cell<u32> = const { Cell::new(0) });

/// Counts its drops.
struct Loud;

impl Drop for Loud {
    fn drop(&mut self) {
        DROPS.set(DROPS.get() + 1);
    }
}

const SQL: &str = "SELECT title FROM posts";

type Both = (Blog, Cache);

fn pair(cx: &mut Cx<Writes<(One, Two)>, Uses<Both>>) -> Step {
    let (one, two) = (cx.on(Blog).query_one(SQL), cx.on(Cache).query_one(SQL));
    cx.need((one.into(One), two.timeout(5.millis()).into(Two)))
}

fn shows_pair(cx: &mut Cx<Reads<(One, Two)>>) -> Step {
    let text = cx
        .arena()
        .format(format_args!("{} {}", cx.get(One).0, cx.get(Two).0));
    cx.text(text)
}

fn shows_maybe(cx: &mut Cx<Reads<Maybe>>) -> Step {
    cx.text(cx.get(Maybe).map_or("none", |(text,)| text))
}

fn shows_one(cx: &mut Cx<Reads<One>>) -> Step {
    cx.text(cx.get(One).0)
}

fn racing(cx: &mut Cx<Writes<One>, Uses<Both>>) -> Step {
    let asks = [cx.on(Blog).query_one(SQL), cx.on(Cache).query_one(SQL)];
    cx.need(first(asks).into(One))
}

fn racing_in_vain(cx: &mut Cx<Writes<Maybe>, Uses<Both>>) -> Step {
    let asks = [cx.on(Blog).query_one(SQL), cx.on(Cache).query_one(SQL)];
    cx.need(any(asks).optional().into(Maybe))
}

fn listing(cx: &mut Cx<Writes<Many>, Uses<Blog>>) -> Step {
    let blog = cx.on(Blog);
    cx.need(all((0..3).map(|n: i64| blog.query_one(SQL).bind(n))).into(Many))
}

fn listing_sparsely(cx: &mut Cx<Writes<Sparse>, Uses<Blog>>) -> Step {
    let (one, two) = (cx.on(Blog).query_one(SQL), cx.on(Blog).query_one(SQL));
    let list = all([one.optional(), two.optional()]);
    cx.need(list.in_order().into(Sparse))
}

fn shows_many(cx: &mut Cx<Reads<Many>>) -> Step {
    cx.json(cx.get(Many))
}

fn shows_sparse(cx: &mut Cx<Reads<Sparse>>) -> Step {
    cx.json(cx.get(Sparse))
}

fn with_continuations(cx: &mut Cx<Writes<Continued>, Uses<Blog>>) -> Step {
    cx.put(Kept, Loud);
    let (bonus, one) = (7, cx.on(Blog).query_one(SQL).into(One));
    // A closure may hold what is `Copy`.
    cx.need(one.then(
        move |cx: &mut Cx<Reads<(One, Kept)>, Writes<Later>, Uses<Blog>>| {
            assert_ne!(cx.get(One).0, "panic", "a continuation that panics");
            let key = cx.get(One).0.len() as i64 + bonus;
            let two = cx.on(Blog).query_one(SQL).bind(key);
            cx.need(two.into(Two).then(measures))
        },
    ))
}

type Continued = (One, Two, Length, Kept);
type Later = (Two, Length);

fn measures(cx: &mut Cx<Reads<(One, Two, Kept)>, Writes<Length>>) {
    let _ = cx.get(Kept);
    let length = cx.get(One).0.len() + cx.get(Two).0.len();
    cx.put(Length, length);
}

fn shows_length(cx: &mut Cx<Reads<Length>>) -> Step {
    cx.json(cx.get(Length))
}

#[test]
fn what_is_asked_for_is_written_down() {
    fn check<G, A, O>(chain: Chain<G, A, O>, join: Join, order: Order, effects: &str) {
        let (_, context) = waiting(chain);
        let need = context.need().unwrap();
        assert_eq!((need.join, need.order), (join, order));
        let told = need.effects.iter().map(|effect| {
            let kind = match effect.operation {
                Operation::Sqlite { .. } => format!("on {}", effect.resource.unwrap()),
                Operation::Timer { length } => format!("for {}", length.as_u64()),
                Operation::Body { .. } | Operation::Store { .. } => "on the content".to_owned(),
            };
            let timeout = effect
                .timeout
                .map_or(String::new(), |it| format!(" within {}", it.as_u64()));
            let is = if effect.is_required { "is" } else { "may be" };
            format!("{} {is} {kind}{timeout}", effect.slot)
        });
        assert_eq!(told.collect::<Vec<_>>().join(", "), effects);
    }
    fn required(cx: &mut Cx<Writes<(One, Maybe)>, Uses<Blog>>) -> Step {
        let (one, maybe) = (cx.on(Blog).query_one(SQL), cx.on(Blog).query_one(SQL));
        cx.need(all_required((one.into(One), maybe.optional().into(Maybe))))
    }
    fn timed(cx: &mut Cx<Writes<(One, Waited)>, Uses<Blog>>) -> Step {
        let one = cx.on(Blog).query_one(SQL).into(One);
        let timers = (cx.timer(1.millis()), cx.timer(2.millis()).into(Waited));
        cx.need(all((timers.0, one, timers.1)).in_order())
    }
    use Order::{InOrder, Parallel};
    check(
        chain(pair),
        Join::All,
        Parallel,
        "One is on 0, Two is on 1 within 5000000",
    );
    check(
        chain(required),
        Join::AllRequired,
        Parallel,
        "One is on 0, Maybe may be on 0",
    );
    check(
        chain(timed),
        Join::All,
        InOrder,
        " is for 1000000, One is on 0, Waited is for 2000000",
    );
    check(
        chain(racing),
        Join::FirstSuccess,
        Parallel,
        "One is on 0, One is on 1",
    );
    check(
        chain(racing_in_vain),
        Join::Any,
        Parallel,
        "Maybe may be on 0, Maybe may be on 1",
    );
    check(
        chain(listing_sparsely),
        Join::All,
        InOrder,
        "Sparse may be on 0, Sparse may be on 0",
    );
}

#[test]
fn results_go_into_their_slots() {
    fn check<G, A, O>(chain: Chain<G, A, O>, results: &[Option<&str>], expected: &str) {
        let (route, context) = waiting(chain);
        // A slab may move its entries while a request waits.
        let mut context = *Box::new(context);
        let results = results.iter().map(|title| title.map(titled));
        let _ = context.resume(&route, results, &mut Unobserved);
        let response = context.response();
        let body = String::from_utf8_lossy(response.body().as_slice()).into_owned();
        assert_eq!(body, expected);
    }
    check(chain(pair).then(shows_pair), &[Some("a"), Some("b")], "a b");
    let only = Some("winner");
    check(chain(racing).then(shows_one), &[None, only], "winner");
    check(chain(racing).then(shows_one), &[only, None], "winner");
    check(
        chain(racing_in_vain).then(shows_maybe),
        &[None, only],
        "winner",
    );
    check(
        chain(racing_in_vain).then(shows_maybe),
        &[None, None],
        "none",
    );
    check(
        chain(listing).then(shows_many),
        &[Some("a"), Some("b"), Some("c")],
        r#"[["a"],["b"],["c"]]"#,
    );
    check(
        chain(listing_sparsely).then(shows_sparse),
        &[None, Some("b")],
        r#"[null,["b"]]"#,
    );
}

#[test]
fn a_result_of_another_type_is_no_failure_of_an_optional_effect() {
    fn optional(cx: &mut Cx<Writes<Maybe>, Uses<Blog>>) -> Step {
        cx.need(cx.on(Blog).query_one(SQL).optional().into(Maybe))
    }
    let (route, mut context) = waiting(chain(optional).then(shows_maybe));
    let mut number = ResultBuffer::default();
    let mut writer = number.writer(1, usize::MAX);
    writer.column(Column::Int(7)).unwrap();
    writer.end_row();
    let outcome = context.resume(&route, [Some(number.into())], &mut Unobserved);
    let Outcome::Failed(failure) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((failure.kind(), failure.what()), (Internal, "Maybe"));
}

#[test]
fn a_timer_tells_how_long_it_was() {
    fn wait(cx: &mut Cx<Writes<Waited>>) -> Step {
        cx.need(cx.timer(20.millis()).into(Waited))
    }
    fn say(cx: &mut Cx<Reads<Waited>>) -> Step {
        assert_eq!(cx.get(Waited).length(), Duration::from_millis(21));
        cx.text("so long")
    }
    let (route, mut context) = waiting(chain(wait).then(say));
    let elapsed = EffectResult::Elapsed(Nanos::from_millis(21));
    let outcome = context.resume(&route, [Some(elapsed)], &mut Unobserved);
    assert_eq!(outcome, Outcome::Done);
}

#[test]
fn continuations_run_in_place_of_the_next_step() {
    let (route, mut context) = waiting(chain(with_continuations).then(shows_length));
    let name = |context: &Context| {
        let name = context.need().unwrap().continuation_name().unwrap();
        name.rsplit("::").next().unwrap().to_owned()
    };
    assert_eq!(name(&context), "{{closure}}");
    let outcome = context.resume(&route, [Some(titled("abc"))], &mut Unobserved);
    assert_eq!((outcome, context.step()), (Outcome::Need, 0));
    let statement = context.effect().unwrap().statements()[0];
    assert_eq!(statement.params, [SqlValue::Int(10)]);
    assert_eq!(name(&context), "measures");
    let mut context = *Box::new(context);
    let outcome = context.resume(&route, [Some(titled("de"))], &mut Unobserved);
    assert_eq!((outcome, context.step()), (Outcome::Done, 1));
    assert_eq!(context.response().body().as_slice(), b"5");
}

#[test]
fn values_are_dropped_once_however_a_continuation_ends() {
    let ends: [fn(&mut Context, &Route); 4] = [
        // While it waits for the first effect, and for the second.
        |_, _| (),
        |context, route| {
            let _ = context.resume(route, [Some(titled("abc"))], &mut Unobserved);
        },
        |context, route| {
            let outcome = context.resume(route, [Some(titled("panic"))], &mut Unobserved);
            assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
        },
        |context, route| {
            let _ = context.resume(route, [Some(titled("abc"))], &mut Unobserved);
            let outcome = context.resume(route, [Some(titled("de"))], &mut Unobserved);
            assert_eq!(outcome, Outcome::Done);
        },
    ];
    for end in ends {
        let (route, mut context) = waiting(chain(with_continuations).then(shows_length));
        DROPS.set(0);
        let mut returned_count = 0;
        silenced(|| end(&mut context, &route));
        context.end(|_| returned_count += 1);
        assert_eq!(DROPS.get(), 1);
        assert!(returned_count <= 2);
        assert!(context.need().is_none());
        // The same context serves the next request.
        begin(&mut context, &route);
        assert_eq!(context.run(&route, &mut Unobserved), Outcome::Need);
        drop(context);
        assert_eq!(DROPS.get(), 2);
    }
}

#[test]
fn a_need_has_sixteen_effects_at_most() {
    fn counted<const COUNT: usize>(cx: &mut Cx<Writes<Many>, Uses<Blog>>) -> Step {
        let blog = cx.on(Blog);
        cx.need(all((0..COUNT).map(|_| blog.query_one(SQL))).into(Many))
    }
    let (route, mut context) = waiting(chain(counted::<EFFECTS_PER_NEED_MAX>).then(shows_many));
    let results = (0..EFFECTS_PER_NEED_MAX).map(|_| Some(titled("x")));
    assert_eq!(
        context.resume(&route, results, &mut Unobserved),
        Outcome::Done
    );

    let route = route_of(chain(counted::<{ EFFECTS_PER_NEED_MAX + 1 }>));
    let mut context = Context::with_capacity(256);
    begin(&mut context, &route);
    let outcome = context.run(&route, &mut Unobserved);
    let Outcome::Failed(failure) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(failure.key(), "asked for more than 16 effects at once");
    assert!(context.need().is_none());
}

/// A request that waits for what its first step has asked for.
fn waiting<G, A, O>(chain: Chain<G, A, O>) -> (Route, Context) {
    let route = route_of(chain);
    let mut context = Context::with_capacity(256);
    begin(&mut context, &route);
    assert_eq!(context.run(&route, &mut Unobserved), Outcome::Need);
    (route, context)
}

fn route_of<G, A, O>(chain: Chain<G, A, O>) -> Route {
    let resource = |id, name| ResourceMeta { id, name };
    let parts = RouteParts {
        method: Method::Get,
        pattern: "/",
        params: Vec::new(),
        settings: chain.settings,
        entries: chain.entries,
        resources: &[
            resource(TypeId::of::<Blog>(), "Blog"),
            resource(TypeId::of::<Cache>(), "Cache"),
        ],
        renderer: problem,
    };
    Route::build(parts).unwrap()
}

fn begin(context: &mut Context, route: &Route) {
    let path = Span { start: 4, len: 1 };
    let parts = RequestParts {
        method: Method::Get,
        target: path,
        path,
        query: None,
        fields: &[],
        params: &Params::new(),
        body: &[],
    };
    context.begin(route, b"GET / HTTP/1.1\r\n\r\n", &parts);
}

/// One row with one text.
fn titled(title: &str) -> EffectResult {
    let mut buffer = ResultBuffer::default();
    let mut writer = buffer.writer(1, usize::MAX);
    writer.column(Column::Text(title.as_bytes())).unwrap();
    writer.end_row();
    buffer.into()
}
