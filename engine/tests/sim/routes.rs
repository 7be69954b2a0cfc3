//! What the simulated shard serves: one route for each way a request can go.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cutaway::BuiltRoutes;
use cutaway::prelude::*;
use cutaway_scheduler::{ManualClock, Nanos};

use crate::needs;

resource!(pub Blog: Sqlite);
slot!(pub UserId: u64 = path "id");
slot!(pub PostNumber: u64 = path "post");
slot!(pub PostId: i64 = path "id");
slot!(pub Post<'r>: Option<(i64, &'r str, &'r str)>);
slot!(pub NoteId: i64 = path "id");
slot!(pub Content<'r>: &'r [u8] = body bytes);
slot!(pub Numbers: Vec<u64> = body json);
slot!(pub Taken<'r>: &'r [u8]);
slot!(pub Tally: Box<u64>);
slot!(pub Paused: Elapsed);
slot!(pub Note<'r>: Option<(&'r str,)>);
slot!(pub Written: Executed);
slot!(pub Until: i64 = path "n");
slot!(pub Counted: (i64,));
slot!(pub Size: u64 = path "n");
slot!(pub Forgotten: u64);

thread_local! {
    /// The machine's time, for steps that take their time.
    static CLOCK: RefCell<Option<ManualClock>> = const { RefCell::new(None) };
}

/// The clock that steps of this thread move from now on.
pub fn work_by(clock: ManualClock) {
    CLOCK.set(Some(clock));
}

fn work(length: Nanos) {
    CLOCK.with_borrow(|clock| {
        if let Some(clock) = clock {
            clock.advance(length);
        }
    });
}

fn plaintext(cx: &mut Cx) -> Step {
    cx.text("Hello, World!")
}

fn json(cx: &mut Cx) -> Step {
    #[derive(serde::Serialize)]
    struct Greeting {
        message: &'static str,
    }
    cx.json(&Greeting {
        message: "Hello, World!",
    })
}

fn user_post(cx: &mut Cx<Reads<(UserId, PostNumber)>>) -> Step {
    let pair = (*cx.get(UserId), *cx.get(PostNumber));
    cx.json(&pair)
}

fn echo(cx: &mut Cx<Reads<Content>>) -> Step {
    let content = *cx.get(Content);
    cx.slice("application/octet-stream", content)
}

/// Content as something else than bytes, with a bound of its own.
fn sum(cx: &mut Cx<Reads<Numbers>>) -> Step {
    let sum: u64 = cx.get(Numbers).iter().sum();
    cx.json(&sum)
}

/// The largest content that [`sum`] takes.
pub const SUM_BYTES_MAX: u64 = 400;

fn take(cx: &mut Cx<Writes<Taken>, Uses<Body>>) -> Step {
    cx.need(cx.body().bytes().into(Taken))
}

fn show_taken(cx: &mut Cx<Reads<Taken>>) -> Step {
    let content = *cx.get(Taken);
    cx.slice("application/octet-stream", content)
}

/// Lets the content wait.
fn pause(cx: &mut Cx<Writes<Paused>>) -> Step {
    cx.need(cx.timer(2.millis()).into(Paused))
}

/// Takes the content while the database is asked; one of them may fail the other.
fn take_and_load(cx: &mut TakeAndLoad<'_>) -> Step {
    let id = *cx.get(PostId);
    let query = cx
        .on(Blog)
        .query_opt("SELECT id, title, body FROM posts WHERE id = ?1");
    cx.need((cx.body().bytes().into(Taken), query.bind(id).into(Post)))
}

type TakeAndLoad<'r> = Cx<'r, Reads<PostId>, Writes<(Taken, Post)>, Uses<(Body, Blog)>>;

fn tally(cx: &mut Cx<Writes<Tally>, Uses<Body>>) -> Step {
    let add = |tally: &mut Box<u64>, piece: &[u8]| {
        **tally += piece.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        Ok(())
    };
    cx.need(cx.body().fold(Box::new(0), add).into(Tally))
}

fn show_tally(cx: &mut Cx<Reads<Tally>>) -> Step {
    cx.json(&**cx.get(Tally))
}

/// Might take the content, and does not.
fn heedless(cx: &mut Cx<Uses<Body>>) -> Step {
    cx.text("heedless")
}

/// Owned bytes, beyond what is copied behind the head from some size on.
fn large(cx: &mut Cx<Reads<Size>>) -> Step {
    let size = *cx.get(Size) as usize;
    cx.bytes("application/octet-stream", pattern(size))
}

/// So many bytes that no two places near each other are alike.
pub fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + at / 251) as u8).collect()
}

static FIXED: [u8; 20_000] = [b'f'; 20_000];

fn fixed(cx: &mut Cx) -> Step {
    cx.fixed("text/plain", &FIXED)
}

fn empty(cx: &mut Cx) -> Step {
    cx.empty()
}

fn load_post(cx: &mut Cx<Reads<PostId>, Writes<Post>, Uses<Blog>>) -> Step {
    let id = *cx.get(PostId);
    let query = cx
        .on(Blog)
        .query_opt("SELECT id, title, body FROM posts WHERE id = ?1");
    cx.need(query.bind(id).into(Post))
}

fn show_post(cx: &mut Cx<Reads<Post>>) -> Step {
    let post = cx
        .get(Post)
        .as_ref()
        .or_fail(NotFound, "post", cx.param("id"))?;
    cx.json(post)
}

fn write_note(cx: &mut Cx<Reads<(NoteId, Content)>, Writes<Written>, Uses<Blog>>) -> Step {
    let id = *cx.get(NoteId);
    let text = std::str::from_utf8(cx.get(Content)).or_fail(BadRequest, "note", "text")?;
    let write = cx
        .on(Blog)
        .exec("INSERT OR REPLACE INTO notes (id, text) VALUES (?1, ?2)");
    cx.need(write.bind(id).bind(text).into(Written))
}

fn show_written(cx: &mut Cx<Reads<(Written, NoteId)>>) -> Step {
    let written = cx.get(Written);
    if written.last_row_id != *cx.get(NoteId) {
        return fail(Internal, "note", "row id");
    }
    cx.status(Status::CREATED).json(&written.changed_count)
}

fn load_note(cx: &mut Cx<Reads<NoteId>, Writes<Note>, Uses<Blog>>) -> Step {
    let id = *cx.get(NoteId);
    let query = cx
        .on(Blog)
        .query_opt("SELECT text FROM notes WHERE id = ?1");
    cx.need(query.bind(id).into(Note))
}

fn show_note(cx: &mut Cx<Reads<Note>>) -> Step {
    let (text,) = cx
        .get(Note)
        .as_ref()
        .or_fail(NotFound, "note", cx.param("id"))?;
    cx.text(text)
}

/// A query that computes for as long as it is told.
fn count(cx: &mut Cx<Reads<Until>, Writes<Counted>, Uses<Blog>>) -> Step {
    let until = *cx.get(Until);
    let query = cx.on(Blog).query_one(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
         SELECT count(*) FROM numbers",
    );
    cx.need(query.bind(until).into(Counted))
}

fn show_count(cx: &mut Cx<Reads<Counted>>) -> Step {
    cx.json(&cx.get(Counted).0)
}

/// An effect that is to be done sooner than its request.
fn load_impatiently(cx: &mut Cx<Reads<PostId>, Writes<Post>, Uses<Blog>>) -> Step {
    let id = *cx.get(PostId);
    let query = cx
        .on(Blog)
        .query_opt("SELECT id, title, body FROM posts WHERE id = ?1");
    cx.need(query.bind(id).timeout(1.millis()).into(Post))
}

fn panics(_: &mut Cx) -> Step {
    panic!("{PLANNED_PANIC}")
}

/// What a step that panics on purpose says.
pub const PLANNED_PANIC: &str = "a panic that the simulation planned";

fn forgets(_: &mut Cx<Writes<Forgotten>>) -> Step {
    Continue
}

fn is_unreached(cx: &mut Cx<Reads<Forgotten>>) -> Step {
    cx.text("unreached")
}

fn fails(_: &mut Cx) -> Step {
    fail(Unprocessable, "thing", "shape")
}

/// Holds the core for a while.
fn works(cx: &mut Cx<Reads<Size>>) -> Step {
    work(Nanos::from_micros(*cx.get(Size)));
    cx.text("worked")
}

fn works_a_little(_: &mut Cx) {
    work(Nanos::from_micros(300));
}

fn has_worked(cx: &mut Cx) -> Step {
    cx.text("worked thrice")
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS posts (
        id INTEGER PRIMARY KEY, title TEXT NOT NULL, body TEXT NOT NULL
    );
    WITH RECURSIVE numbers(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM numbers WHERE id < 100)
    INSERT INTO posts (id, title, body)
        SELECT id, 'Post number ' || id, 'lorem ipsum' FROM numbers
        WHERE NOT EXISTS (SELECT 1 FROM posts);
    CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
    DELETE FROM notes;
    CREATE TABLE IF NOT EXISTS visits (id INTEGER PRIMARY KEY);
    DELETE FROM visits;
";

/// A directory for one thread's database, in memory where the machine has such a place. Every run
/// begins with the same rows in it, so runs of one thread can share it.
pub struct Home {
    directory: PathBuf,
    pub routes: Arc<BuiltRoutes>,
}

impl Home {
    pub fn new() -> Home {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let in_memory = Path::new("/dev/shm");
        let base = if in_memory.is_dir() {
            in_memory.into()
        } else {
            std::env::temp_dir()
        };
        let directory = base.join(format!("cutaway-sim-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory can be made");
        let database = Sqlite::open(directory.join("blog.db")).schema(SCHEMA);
        let routes = Routes::new()
            .resource(Blog, database)
            .mount("/needs", needs::routes())
            .get("/plaintext", chain(plaintext).class(Interactive))
            .get("/json", chain(json).class(Interactive))
            .get(
                "/users/{id}/posts/{post}",
                chain(user_post).class(Interactive),
            )
            .post("/sum", chain(sum).body_bytes_max(SUM_BYTES_MAX))
            .post("/echo", chain(echo))
            .post("/stream", chain(take).then(show_taken).no_deadline())
            .post("/later", chain(pause).then(take).then(show_taken))
            .post("/with/{id}", chain(take_and_load).then(show_taken))
            .post("/tally", chain(tally).then(show_tally).no_deadline())
            .post("/heedless", chain(heedless))
            .get("/large/{n}", chain(large))
            .get("/fixed", chain(fixed))
            .get("/empty", chain(empty))
            .get("/posts/{id}", chain(load_post).then(show_post))
            .get("/hasty/{id}", chain(load_impatiently).then(show_post))
            .get(
                "/patient/{id}",
                chain(load_post).then(show_post).no_deadline(),
            )
            .put("/notes/{id}", chain(write_note).then(show_written))
            .get("/notes/{id}", chain(load_note).then(show_note))
            .get(
                "/count/{n}",
                chain(count).then(show_count).deadline(5.millis()),
            )
            .get("/panic", chain(panics))
            .get("/forget", chain(forgets).then(is_unreached))
            .get("/fail", chain(fails))
            .get("/work/{n}", chain(works).class(Interactive))
            .get(
                "/steps",
                chain(works_a_little)
                    .then(works_a_little)
                    .then(works_a_little)
                    .then(has_worked),
            )
            .build()
            .expect("the routes fit together");
        Home {
            directory,
            routes: Arc::new(routes),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
