//! A pipeline beside the same work as plain calls: what typed slots, erased steps and a caught panic
//! cost.
//!
//! `3 steps, 2 slots` less `begin and end` is the figure that `ctx/frame.rs` speaks of; the goal is
//! 40 ns.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use cutaway::Failure;
use cutaway::ctx::{Context, RequestParts};
use cutaway::http::{FieldSpan, Method, Span};
use cutaway::prelude::*;
use cutaway::route::Params;
use cutaway::step::{Chain, Outcome, Route, Unobserved};

slot!(PostId: i64);
slot!(Post<'r>: Option<PostRow<'r>>);
slot!(OwnedPost: Option<Box<i64>>);
slot!(Id: i64 = path "id");

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

/// What the parser would say of [`HEAD`].
struct Parsed {
    fields: Vec<FieldSpan>,
    params: Params,
}

impl Parsed {
    fn new() -> Parsed {
        let mut at = 26;
        let fields = (HEAD[26..HEAD.len() - 4].split(|byte| *byte == b'\n'))
            .map(|line| {
                let start = at;
                at += line.len() + 1;
                let colon = line.iter().position(|byte| *byte == b':');
                let colon = start + colon.expect("a field line");
                FieldSpan {
                    name: Span::between(start, colon),
                    value: Span::between(colon + 2, start + line.len()),
                }
            })
            .collect();
        let mut params = Params::new();
        params.push(Span { start: 7, len: 4 });
        Parsed { fields, params }
    }

    fn parts(&self) -> RequestParts<'_> {
        RequestParts {
            method: Method::Get,
            target: Span { start: 4, len: 11 },
            path: Span { start: 4, len: 11 },
            query: None,
            fields: &self.fields,
            params: &self.params,
            body: &[],
        }
    }
}

fn route<G, A, O>(chain: Chain<G, A, O>) -> Route {
    Route::alone(Method::Get, "/posts/{id}", chain).expect("the steps fit together")
}

fn pipeline(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pipeline");
    let parsed = Parsed::new();
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

    let one = route(chain(|cx: &mut Cx| cx.text("hello")));
    group.bench_function("begin and end", |bencher| {
        bencher.iter(|| {
            context.begin(black_box(&one), black_box(HEAD), &parsed.parts());
            context.end(drop);
        });
    });

    let nothing = |_: &mut Cx| ();
    let six = chain(by_id).then(nothing).then(load);
    let routes = [
        ("1 step, 0 slots", one),
        (
            "3 steps, 2 slots",
            route(chain(by_id).then(load).then(render)),
        ),
        (
            "3 steps, 2 slots, 1 dropped",
            route(chain(by_id).then(load_owned).then(render_owned)),
        ),
        (
            "3 steps, 3 slots, 1 extracted",
            route(chain(by_slot).then(load).then(render)),
        ),
        (
            "6 steps, 2 slots",
            route(six.then(nothing).then(nothing).then(render)),
        ),
    ];
    for (name, route) in &routes {
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
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
