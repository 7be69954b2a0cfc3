//! A pipeline beside the same work as plain calls: what typed slots, erased steps and a caught panic
//! cost.
//!
//! `3 steps, 2 slots` less `begin and end` is the figure that `ctx/frame.rs` speaks of: 33 ns, or 440
//! instructions by callgrind, and the goal is 40 ns. A step that does nothing is 34 instructions.

use std::any::Any;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use cutaway::ctx::list::{AvailableIn, Nil};
use cutaway::ctx::{Context, RequestParts};
use cutaway::effect::ResultBuffer;
use cutaway::http::encode::{self, ConnectionField, ResponseHead};
use cutaway::http::{FieldSpan, Head, head};
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::response::ResponseView;
use cutaway::route::{Found, Params};
use cutaway::step::{Chain, Outcome, Unobserved};
use cutaway::{BuiltRoutes, Failure};

slot!(PostId: i64);
slot!(Post<'r>: Option<PostRow<'r>>);
slot!(OwnedPost: Option<Box<i64>>);
slot!(Id: i64 = path "id");
slot!(Written: Executed);

resource!(Blog: Sqlite);

#[derive(Clone, Copy)]
struct PostRow<'r> {
    id: i64,
    title: &'r str,
}

#[inline(never)]
fn by_id(cx: &mut Cx<Writes<PostId>>) -> Step {
    let id = cx.param("id").parse().or_fail(BadRequest, "post", "id")?;
    cx.put(PostId, id);
    Continue
}

#[inline(never)]
fn load(cx: &mut Cx<Reads<PostId>, Writes<Post>>) -> Step {
    let id = *cx.get(PostId);
    cx.put(Post, Some(PostRow { id, title: "hello" }));
    Continue
}

#[inline(never)]
fn render(cx: &mut Cx<Reads<Post>>) -> Step {
    let post = cx.get(Post).as_ref().or_fail(NotFound, "post", "id")?;
    black_box(post.id);
    cx.text(post.title)
}

#[inline(never)]
fn load_owned(cx: &mut Cx<Reads<PostId>, Writes<OwnedPost>>) -> Step {
    black_box(*cx.get(PostId));
    cx.put(OwnedPost, None);
    Continue
}

#[inline(never)]
fn render_owned(cx: &mut Cx<Reads<OwnedPost>>) -> Step {
    black_box(cx.get(OwnedPost));
    cx.text("hello")
}

#[inline(never)]
fn by_slot(cx: &mut Cx<Reads<Id>, Writes<PostId>>) {
    let id = *cx.get(Id);
    cx.put(PostId, id);
}

#[inline(never)]
fn write(cx: &mut Cx<Reads<PostId>, Writes<Written>, Uses<Blog>>) -> Step {
    let id = *cx.get(PostId);
    let delete = cx.on(Blog).exec("DELETE FROM posts WHERE id = ?1");
    cx.need(delete.bind(id).into(Written))
}

#[inline(never)]
fn show_written(cx: &mut Cx<Reads<Written>>) -> Step {
    black_box(cx.get(Written).changed_count);
    cx.text("hello")
}

#[inline(never)]
fn plain_by_id(text: &str) -> Result<i64, Failure> {
    text.parse().or_fail(BadRequest, "post", "id")
}

#[inline(never)]
fn plain_load<'a>(id: i64) -> Result<Option<PostRow<'a>>, Failure> {
    Ok(Some(PostRow { id, title: "hello" }))
}

#[inline(never)]
fn plain_render(post: &Option<PostRow<'_>>, out: &mut Vec<u8>) -> Step {
    let post = post.as_ref().or_fail(NotFound, "post", "id")?;
    black_box(post.id);
    out.extend_from_slice(post.title.as_bytes());
    Done
}

/// 150 bytes, five fields.
const HEAD: &[u8] = b"GET /posts/1234 HTTP/1.1\r\n\
    Host: localhost:8080\r\n\
    User-Agent: wrk/4.2.0 (linux)\r\n\
    Accept: application/json, text/html\r\n\
    Connection: keep-alive\r\n\
    X: 1234\r\n\r\n";

/// What the parser and the router say of [`HEAD`].
struct Parsed {
    head: Head,
    fields: Vec<FieldSpan>,
    params: Params,
}

impl Parsed {
    fn new(routes: &BuiltRoutes) -> Parsed {
        let mut fields = Vec::new();
        let head = head::parse(HEAD, &Limits::default(), &mut fields)
            .expect("a well-formed head")
            .expect("a whole head");
        let Found::Route { params, .. } = routes.find(head.method, head.path.of(HEAD)) else {
            panic!("the route is there");
        };
        Parsed {
            head,
            fields,
            params,
        }
    }

    fn parts(&self) -> RequestParts<'_> {
        RequestParts {
            method: self.head.method,
            target: self.head.target,
            path: self.head.path,
            query: self.head.query,
            fields: &self.fields,
            params: &self.params,
            body: &[],
        }
    }
}

fn routes<G: AvailableIn<Nil, I>, A, O, I>(chain: Chain<G, A, O>) -> BuiltRoutes {
    let routes = Routes::new().get("/posts/{id}", chain);
    routes.build().expect("the steps fit together")
}

fn answer(response: &ResponseView<'_>, out: &mut Vec<u8>) {
    let body = response.body();
    let content = body.as_slice();
    ResponseHead {
        status: response.status(),
        date: b"Sun, 06 Nov 1994 08:49:37 GMT",
        content_type: response.content_type(),
        content_length: content.len() as u64,
        connection: ConnectionField::Silent,
    }
    .write(out);
    encode::end(out);
    out.extend_from_slice(content);
}

fn pipeline(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pipeline");
    let mut context = Context::with_capacity(4096);

    let mut out = Vec::with_capacity(256);
    group.bench_function("3 plain calls", |bencher| {
        bencher.iter(|| {
            out.clear();
            let id = plain_by_id(black_box("1234")).expect("a number");
            let post = plain_load(black_box(id)).expect("a post");
            let _ = black_box(plain_render(black_box(&post), &mut out));
        });
    });

    // What the frame replaces, for the two slots of `3 steps, 2 slots` alone.
    let mut boxes: Vec<Option<Box<dyn Any>>> = vec![None, None];
    group.bench_function("2 slots as a list of boxes", |bencher| {
        bencher.iter(|| {
            boxes[0] = Some(Box::new(black_box(1234_i64)));
            let id = *boxes[0]
                .as_ref()
                .and_then(|id| id.downcast_ref::<i64>())
                .expect("an id");
            boxes[1] = Some(Box::new(Some(PostRow { id, title: "hello" })));
            let post = boxes[1]
                .as_ref()
                .and_then(|post| post.downcast_ref::<Option<PostRow>>());
            black_box(post.expect("a post"));
            boxes.fill_with(|| None);
        });
    });

    let one = routes(chain(|cx: &mut Cx| cx.text("hello")));
    let parsed = Parsed::new(&one);
    group.bench_function("begin and end", |bencher| {
        bencher.iter(|| {
            context.begin(black_box(one.route(0)), black_box(HEAD), &parsed.parts());
            context.end(drop);
        });
    });

    let nothing = |_: &mut Cx| ();
    let six = chain(by_id).then(nothing).then(load);
    let cases = [
        ("1 step, 0 slots", one),
        (
            "3 steps, 2 slots",
            routes(chain(by_id).then(load).then(render)),
        ),
        (
            "3 steps, 2 slots, 1 dropped",
            routes(chain(by_id).then(load_owned).then(render_owned)),
        ),
        (
            "3 steps, 3 slots, 1 extracted",
            routes(chain(by_slot).then(load).then(render)),
        ),
        (
            "6 steps, 2 slots",
            routes(six.then(nothing).then(nothing).then(render)),
        ),
    ];
    for (name, routes) in &cases {
        let route = routes.route(0);
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                context.begin(black_box(route), black_box(HEAD), &parsed.parts());
                let outcome = context.run(route, &mut Unobserved);
                assert!(matches!(outcome, Outcome::Done));
                black_box(context.response().body().as_slice());
                context.end(drop);
            });
        });
    }

    let written = Routes::new()
        .resource(Blog, Sqlite::open("never opened"))
        .get("/posts/{id}", chain(by_id).then(write).then(show_written))
        .build()
        .expect("the steps fit together");
    let mut result = Some(ResultBuffer::default());
    group.bench_function("3 steps, 1 effect", |bencher| {
        let route = written.route(0);
        bencher.iter(|| {
            context.begin(black_box(route), black_box(HEAD), &parsed.parts());
            let outcome = context.run(route, &mut Unobserved);
            assert!(matches!(outcome, Outcome::Need));
            black_box(context.effect().map(|effect| effect.resource));
            let buffer = result.take().unwrap_or_default();
            let outcome = context.resume(route, [Some(buffer.into())], &mut Unobserved);
            assert!(matches!(outcome, Outcome::Done));
            black_box(context.response().body().as_slice());
            context.end(|buffer| result = Some(buffer));
        });
    });

    let whole = &cases[1].1;
    let mut fields = Vec::with_capacity(32);
    let mut out = Vec::with_capacity(1024);
    let limits = Limits::default();
    group.bench_function("head, route, 3 steps, response head", |bencher| {
        bencher.iter(|| {
            fields.clear();
            let head = head::parse(black_box(HEAD), &limits, &mut fields)
                .expect("a well-formed head")
                .expect("a whole head");
            let Found::Route { value, params } = whole.find(head.method, head.path.of(HEAD)) else {
                panic!("the route is there");
            };
            let route = whole.route(*value);
            let parts = RequestParts {
                method: head.method,
                target: head.target,
                path: head.path,
                query: head.query,
                fields: &fields,
                params: &params,
                body: &[],
            };
            context.begin(route, HEAD, &parts);
            let outcome = context.run(route, &mut Unobserved);
            assert!(matches!(outcome, Outcome::Done));
            out.clear();
            answer(&context.response(), &mut out);
            black_box(&out);
            context.end(drop);
        });
    });
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
