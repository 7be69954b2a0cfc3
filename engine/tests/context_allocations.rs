//! A request slot that is warm takes nothing from the heap, whatever its steps do.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![expect(unsafe_code, reason = "a global allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use cutaway::ctx::{Context, RequestParts};
use cutaway::effect::{Column, ResultBuffer};
use cutaway::http::head;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::route::Found;
use cutaway::step::{Outcome, Unobserved};

/// Counts the allocations of the thread that asks.
struct Counting;

thread_local!(static ALLOCATIONS: Cell<u64> = const { Cell::new(0) });

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

resource!(Blog: Sqlite);
slot!(Id: i64 = path "id");
slot!(User<'r>: &'r str);
slot!(Posts<'r>: &'r [(i64, &'r str)]);
slot!(Boxed: Option<Box<i64>>);

fn authenticate(cx: &mut Cx<Writes<User>>) -> Step {
    let host = cx.request().field("host").or_fail(BadRequest, "host", "")?;
    let user = cx
        .arena()
        .format(format_args!("user of {} bytes", host.len()));
    cx.put(User, user);
    Continue
}

fn load(cx: &mut Cx<Reads<(Id, User)>, Writes<Posts>, Uses<Blog>>) -> Step {
    let id = *cx.get(Id);
    let user = *cx.get(User);
    let query = "SELECT id, title FROM posts WHERE id > ?1 AND author = ?2";
    cx.need(cx.on(Blog).query(query).bind(id).bind(user).into(Posts))
}

fn render(cx: &mut Cx<Reads<Posts>>) -> Step {
    cx.response_header("X-Count", "2")?;
    cx.json(cx.get(Posts))
}

fn refuse(_: &mut Cx<Reads<Id>>) -> Step {
    fail(NotFound, "post", "seven")
}

fn boxes(cx: &mut Cx<Writes<Boxed>>) -> Step {
    cx.put(Boxed, Some(Box::new(7)));
    cx.text("boxed")
}

const REQUESTS: u64 = 1_000;

/// The allocations of a thousand requests after ten.
fn allocations_of(target: &str) -> u64 {
    let routes = Routes::new()
        .resource(Blog, Sqlite::open("never-opened.db"))
        .before(chain(authenticate))
        .get("/posts/{id}", given::<User>().then(load).then(render))
        .get("/refused/{id}", chain(refuse))
        .get("/boxed", chain(boxes))
        .build()
        .unwrap();
    let head_bytes = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n");
    let head_bytes = head_bytes.as_bytes();
    let mut fields = Vec::new();
    let head = head::parse(head_bytes, &Limits::default(), &mut fields);
    let head = head.unwrap().unwrap();
    let Found::Route { value, params } = routes.find(head.method, head.path.of(head_bytes)) else {
        panic!("there is such a route");
    };
    let route = routes.route(*value);
    let mut context = Context::with_capacity(4096);
    let mut spare = Some(ResultBuffer::with_capacity(256));
    let mut before = 0;
    for request in 0..REQUESTS + 10 {
        if request == 10 {
            before = ALLOCATIONS.get();
        }
        let parts = RequestParts {
            method: head.method,
            target: head.target,
            path: head.path,
            query: head.query,
            fields: &fields,
            params: &params,
            body: b"content",
        };
        context.begin(route, head_bytes, &parts);
        let mut outcome = context.run(route, &mut Unobserved);
        if outcome == Outcome::Need {
            let mut result = spare.take().unwrap();
            let mut writer = result.writer(2, usize::MAX);
            for id in 0..2 {
                writer.column(Column::Int(id)).unwrap();
                writer.column(Column::Text(b"title")).unwrap();
                writer.end_row();
            }
            outcome = context.resume(route, [Some(result.into())], &mut Unobserved);
        }
        assert!(matches!(outcome, Outcome::Done | Outcome::Failed(_)));
        assert!(!context.response().body().as_slice().is_empty());
        context.end(|result| spare = Some(result));
    }
    ALLOCATIONS.get() - before
}

#[test]
fn an_effect_and_json_allocate_nothing() {
    assert_eq!(allocations_of("/posts/7"), 0);
}

#[test]
fn a_failure_allocates_nothing() {
    assert_eq!(allocations_of("/refused/7"), 0);
    assert_eq!(allocations_of("/refused/seven"), 0);
}

#[test]
fn what_a_step_boxes_is_its_own_and_seen() {
    assert_eq!(allocations_of("/boxed"), REQUESTS);
}
