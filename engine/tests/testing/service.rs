//! The service that the tests of the kit test.

use cutaway::BuiltRoutes;
use cutaway::prelude::*;
use cutaway::testing;

resource!(pub Blog: Sqlite);
slot!(pub PostId: i64 = path "id");
slot!(pub Post<'r>: Option<(i64, &'r str)>);
slot!(pub Title: String = body json);
slot!(pub Written: Executed);
slot!(pub Length: u64 = path "millis");
slot!(pub One: (i64,));
slot!(pub Two: (i64,));
slot!(pub Waited: cutaway::effect::Elapsed);
slot!(pub Content: Vec<u8>);

fn hello(cx: &mut Cx) -> Step {
    cx.text("Hello, World!")
}

fn load(cx: &mut Cx<Reads<PostId>, Writes<Post>, Uses<Blog>>) -> Step {
    let id = *cx.get(PostId);
    cx.need(cx.on(Blog).query_opt(LOAD).bind(id).into(Post))
}

fn show(cx: &mut Cx<Reads<Post>>) -> Step {
    let post = cx
        .get(Post)
        .as_ref()
        .or_fail(NotFound, "post", cx.param("id"))?;
    cx.json(post)
}

fn create(cx: &mut Cx<Reads<Title>, Writes<Written>, Uses<Blog>>) -> Step {
    let title = cx.get(Title);
    cx.need(cx.on(Blog).exec(CREATE).bind(title).into(Written))
}

fn created(cx: &mut Cx<Reads<Written>>) -> Step {
    let id = cx.get(Written).last_row_id;
    cx.response_header("Location", &format!("/posts/{id}"))?;
    cx.status(Status::CREATED).json(&id)
}

/// Two statements at once.
fn both(cx: &mut Cx<Writes<(One, Two)>, Uses<Blog>>) -> Step {
    let (one, two) = (cx.on(Blog).query_one("one"), cx.on(Blog).query_one("two"));
    cx.need((one.into(One), two.into(Two)))
}

/// Two statements, of which the first one counts.
fn race(cx: &mut Cx<Writes<One>, Uses<Blog>>) -> Step {
    let blog = cx.on(Blog);
    cx.need(first([blog.query_one("one"), blog.query_one("two")]).into(One))
}

fn show_one(cx: &mut Cx<Reads<One>>) -> Step {
    cx.json(&cx.get(One).0)
}

fn wait(cx: &mut Cx<Reads<Length>, Writes<Waited>>) -> Step {
    let length = cx.get(Length).millis();
    cx.need(cx.timer(length).into(Waited))
}

fn waited(cx: &mut Cx<Reads<Waited>>) -> Step {
    let millis = cx.get(Waited).length().as_millis();
    cx.json(&millis)
}

/// Takes its content while it arrives.
fn receive(cx: &mut Cx<Writes<Content>, Uses<Body>>) -> Step {
    cx.need(cx.body().bytes().into(Content))
}

fn received(cx: &mut Cx<Reads<Content>>) -> Step {
    cx.json(&cx.get(Content).len())
}

/// Computes for so many milliseconds.
fn think(cx: &mut Cx<Reads<Length>>) -> Step {
    testing::spend(cx.get(Length).millis());
    cx.text("thought")
}

pub const LOAD: &str = "SELECT id, title FROM posts WHERE id = ?1";
pub const CREATE: &str = "INSERT INTO posts (title) VALUES (?1)";

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL)";

pub fn routes() -> BuiltRoutes {
    Routes::new()
        .resource(Blog, Sqlite::open("never opened.db").schema(SCHEMA))
        .get("/hello", chain(hello))
        .get("/posts/{id}", chain(load).then(show))
        .get("/patient/{id}", chain(load).then(show).no_deadline())
        .post("/posts", chain(create).then(created))
        .post("/upload", chain(receive).then(received))
        .get("/both", chain(both).then(show_one))
        .get("/race", chain(race).then(show_one))
        .get("/wait/{millis}", chain(wait).then(waited).no_deadline())
        .get("/think/{millis}", chain(think).no_deadline())
        .build()
        .unwrap()
}
