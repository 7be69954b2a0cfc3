//! A warm server allocates nothing for a request: not on its shard, not on its workers, nowhere in
//! the process. Alone in its process, because it counts everybody's allocations.
//!
//! What glommio allocates to put an idle core to sleep is no request's; it is told apart by its
//! backtrace, because a client that is held up for a few milliseconds lets the shard fall asleep.
//!
//! `CUTAWAY_BACKTRACE_ALLOCATIONS=1 cargo test -p cutaway --test allocations -- --nocapture` prints
//! where each counted allocation comes from.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![expect(unsafe_code, reason = "an allocator that counts")]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use cutaway::TraceMode;
use cutaway::effect::sqlite::memory;
use cutaway::prelude::*;

#[path = "harness/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod server;

use server::{Scratch, Server};

/// How long requests wait that are to be there at once: long enough for all of them to come.
const WIDE_FOR: Duration = Duration::from_millis(50);
/// Every allocation is looked at: one that puts the core to sleep is no request's, and on a busy
/// machine there are many.
const ALL: u64 = u64::MAX;
/// How many threads are told apart.
const THREADS_MAX: usize = 64;

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static IS_TRACING: AtomicBool = AtomicBool::new(false);
/// Kernel ids of the threads that have allocated while it was counted, and how often.
static THREADS: [AtomicU32; THREADS_MAX] = [const { AtomicU32::new(0) }; THREADS_MAX];
static COUNTS: [AtomicU64; THREADS_MAX] = [const { AtomicU64::new(0) }; THREADS_MAX];
/// Allocations by which glommio puts a core to sleep.
static ASLEEP_COUNT: AtomicU64 = AtomicU64::new(0);
/// How many more backtraces are looked at; one costs as much as a few requests.
static BACKTRACES_LEFT: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(bytes);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(memory, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: usize) {
    if !IS_COUNTING.load(Ordering::Relaxed) {
        return;
    }
    thread_local!(static IS_INSIDE: Cell<bool> = const { Cell::new(false) });
    if IS_INSIDE.replace(true) {
        return;
    }
    let is_looked_at = BACKTRACES_LEFT
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
        .is_ok();
    let backtrace = is_looked_at.then(|| Backtrace::force_capture().to_string());
    if backtrace.as_deref().is_some_and(is_falling_asleep) {
        ASLEEP_COUNT.fetch_add(1, Ordering::Relaxed);
    } else {
        // SAFETY: takes nothing and cannot fail.
        let thread = unsafe { libc::gettid() } as u32;
        let place = THREADS.iter().position(|known| {
            let claimed = known.compare_exchange(0, thread, Ordering::Relaxed, Ordering::Relaxed);
            claimed.is_ok() || claimed == Err(thread)
        });
        COUNTS[place.expect("fewer threads than places")].fetch_add(1, Ordering::Relaxed);
        if IS_TRACING.load(Ordering::Relaxed) {
            eprintln!("{bytes} bytes\n{}", backtrace.unwrap_or_default());
        }
    }
    IS_INSIDE.set(false);
}

/// Whether the allocation is glommio's own: a frame of glommio comes before the engine's first one,
/// and the engine has handed the core over or is about to.
fn is_falling_asleep(backtrace: &str) -> bool {
    let glommio = backtrace.find(": glommio::").unwrap_or(usize::MAX);
    let engine = backtrace.find(": cutaway::").unwrap_or(usize::MAX);
    glommio < engine
}

/// What was allocated, by the name of the thread.
#[derive(Debug)]
struct Allocated(Vec<(String, u64)>);

impl Allocated {
    /// Counts while `work` is done, and looks at so many backtraces.
    fn during(work: impl FnOnce(), backtraces_max: u64) -> Allocated {
        for (thread, count) in THREADS.iter().zip(&COUNTS) {
            thread.store(0, Ordering::Relaxed);
            count.store(0, Ordering::Relaxed);
        }
        ASLEEP_COUNT.store(0, Ordering::Relaxed);
        BACKTRACES_LEFT.store(backtraces_max, Ordering::Relaxed);
        IS_COUNTING.store(true, Ordering::SeqCst);
        work();
        IS_COUNTING.store(false, Ordering::SeqCst);
        let counted = THREADS.iter().zip(&COUNTS);
        let counted = counted.map(|(thread, count)| {
            (
                thread.load(Ordering::Relaxed),
                count.load(Ordering::Relaxed),
            )
        });
        let named = counted
            .filter(|(_, count)| *count > 0)
            .map(|(thread, count)| {
                let name = std::fs::read_to_string(format!("/proc/self/task/{thread}/comm"));
                (
                    name.unwrap_or_else(|_| "gone".into()).trim().to_owned(),
                    count,
                )
            });
        Allocated(named.collect())
    }

    fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// By the threads whose names begin so.
    fn of(&self, name: &str) -> u64 {
        let theirs = self.0.iter().filter(|(thread, _)| thread.starts_with(name));
        theirs.map(|(_, count)| count).sum()
    }
}

resource!(pub Notes: Sqlite);
resource!(pub Uploads: Directory);
slot!(pub Saved: StoredFile);
slot!(pub NoteId: i64 = path "id");
slot!(pub Note<'r>: Option<(i64, &'r str)>);
slot!(pub Large: Option<(i64,)>);
slot!(pub Absent: Option<(i64,)>);
slot!(pub Bodies<'r>: &'r [(&'r str,)]);
slot!(pub NewPost<'r>: Post<'r> = body json);
slot!(pub TakenPost<'r>: Post<'r>);
slot!(pub Tally: Tallied);
slot!(pub Form<'r>: FormPost<'r> = body form);
slot!(pub Search<'r>: &'r str = query "q");
slot!(pub Accept<'r>: &'r str = header "accept" or "*/*");

fn plain(cx: &mut Cx) -> Step {
    cx.text("Hello, World!")
}

fn load(cx: &mut Cx<Reads<NoteId>, Writes<Note>, Uses<Notes>>) -> Step {
    let id = *cx.get(NoteId);
    cx.need(
        cx.on(Notes)
            .query_opt("SELECT id, body FROM notes WHERE id = ?1")
            .bind(id)
            .into(Note),
    )
}

/// As [`load`], in other words.
fn load_first(cx: &mut Cx<Reads<NoteId>, Writes<Note>, Uses<Notes>>) -> Step {
    let id = *cx.get(NoteId);
    let query = cx
        .on(Notes)
        .query_opt("SELECT id, body FROM notes WHERE id IS ?1");
    cx.need(query.bind(id).into(Note))
}

/// Two effects at once, a continuation that asks for a list, and one that waits for a timer.
fn load_several(cx: &mut Cx<Reads<NoteId>, Writes<Several>, Uses<Notes>>) -> Step {
    let id = *cx.get(NoteId);
    let note = (cx.on(Notes)).query_opt("SELECT id, body FROM notes WHERE id = ?1");
    let absent = cx.on(Notes).query_one("SELECT id FROM notes WHERE id = 0");
    cx.need((note.bind(id).into(Note), absent.optional().into(Absent)).then(load_list))
}

type Several = (Note, Absent, Bodies);

fn load_list(cx: &mut Cx<Writes<Bodies>, Uses<Notes>>) -> Step {
    let notes = cx.on(Notes);
    let body = |id: i64| {
        notes
            .query_one("SELECT body FROM notes WHERE id = ?1")
            .bind(id)
    };
    let bodies = all([3, 1, 2].map(body)).in_order().into(Bodies);
    cx.need(bodies.then(|cx: &mut Cx| cx.need(cx.timer(Duration::ZERO))))
}

/// The loser's job is on its way for a while after its request was answered.
fn race(cx: &mut Cx<Reads<NoteId>, Writes<Note>, Uses<Notes>>) -> Step {
    let id = *cx.get(NoteId);
    let note = || (cx.on(Notes)).query_opt("SELECT id, body FROM notes WHERE id = ?1");
    let racing = first([note().bind(id), note().bind(id)]);
    cx.need(racing.into(Note))
}

/// Computes for a second or two: long enough for a busy machine to bring on all that waits behind it.
fn load_slow(cx: &mut Cx<Reads<()>, Writes<Large>, Uses<Notes>>) -> Step {
    const SQL: &str = "
        WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 5000000)
        SELECT count(*) FROM numbers";
    cx.need(cx.on(Notes).query_opt(SQL).into(Large))
}

#[derive(serde::Deserialize)]
pub struct Post<'r> {
    title: &'r str,
    stars: u8,
    author: Author<'r>,
}

#[derive(serde::Deserialize)]
pub struct Author<'r> {
    name: &'r str,
}

/// Content by serde, a field of the query and a header: what is decoded lies in the arena.
fn take(cx: &mut Cx<Reads<(NewPost, Search, Accept)>>) -> Step {
    let (post, search, accept) = (cx.get(NewPost), *cx.get(Search), *cx.get(Accept));
    let stars = usize::from(post.stars);
    let lengths = [
        post.title.len(),
        post.author.name.len(),
        search.len(),
        accept.len(),
        stars,
    ];
    cx.json(&lengths)
}

/// As [`take`], of content that comes while the request runs; what is folded is not kept.
fn take_meanwhile(cx: &mut Cx<Writes<TakenPost>, Uses<Body>>) -> Step {
    cx.need(cx.body().json().into(TakenPost))
}

fn show_taken(cx: &mut Cx<Reads<TakenPost>>) -> Step {
    let post = cx.get(TakenPost);
    cx.json(&(post.title, post.stars, post.author.name))
}

fn tally(cx: &mut Cx<Writes<Tally>, Uses<Body>>) -> Step {
    let add = |tally: &mut Tallied, piece: &[u8]| {
        tally.0 += piece.len() as u64;
        Ok(())
    };
    cx.need(cx.body().fold(Tallied(0), add).into(Tally))
}

fn show_tally(cx: &mut Cx<Reads<Tally>>) -> Step {
    cx.json(&cx.get(Tally).0)
}

/// Has something to drop, as what is folded may have.
pub struct Tallied(u64);

impl Drop for Tallied {
    fn drop(&mut self) {
        std::hint::black_box(self.0);
    }
}

/// What is stored is not kept; the file of before is replaced.
fn store(cx: &mut Cx<Writes<Saved>, Uses<(Body, Uploads)>>) -> Step {
    let file = cx.on(Uploads).file("a.txt").replacing();
    cx.need(cx.body().to_file(file).into(Saved))
}

fn show_stored(cx: &mut Cx<Reads<Saved>>) -> Step {
    cx.json(&cx.get(Saved).bytes)
}

fn take_form(cx: &mut Cx<Reads<Form>>) -> Step {
    let form = cx.get(Form);
    cx.json(&(form.title, form.stars))
}

#[derive(serde::Deserialize)]
pub struct FormPost<'r> {
    title: &'r str,
    stars: u8,
}

fn show(cx: &mut Cx<Reads<Note>>) -> Step {
    let (_, body) = cx
        .get(Note)
        .as_ref()
        .or_fail(NotFound, "note", cx.param("id"))?;
    cx.text(body)
}

/// Nobody looks at what it has changed; but there is nothing to change.
fn delete(cx: &mut Cx<Reads<NoteId>, Uses<Notes>>) -> Step {
    let id = *cx.get(NoteId);
    let delete = cx.on(Notes).exec("DELETE FROM notes WHERE id = -?1");
    cx.need(delete.bind(id).or_missing("note", id))
}

/// A detail and members of its own.
fn complain(cx: &mut Cx) -> Step {
    #[derive(serde::Serialize)]
    struct Faults {
        r#type: &'static str,
        errors: [(&'static str, usize); 2],
    }
    let faults = Faults {
        r#type: "/faults",
        errors: [("/title", 1), ("/content", 2)],
    };
    let detail = "the content has more faults than fit into a failure's key: it has two of them";
    cx.problem(Unprocessable, detail, &faults)
}

/// Keeps those that ask for it for a while, so that many are there at once.
fn stamp(cx: &mut Cx) -> Step {
    cx.response_header("X-Stamp", "before everything")?;
    if cx.request().field("wait").is_some() {
        return cx.need(cx.timer(WIDE_FOR));
    }
    Continue
}

/// Whatever follows on its connection is held until this is answered.
fn wait(cx: &mut Cx) -> Step {
    cx.need(cx.timer(WIDE_FOR))
}

/// The plant on the shard: one box a request.
fn plain_boxed(cx: &mut Cx) -> Step {
    let greeting = std::hint::black_box(Box::new(*b"Hello, World!"));
    cx.slice("text/plain; charset=utf-8", &*greeting)
}

/// The plant on the worker: a result too large for the buffer that is kept, so that the worker has
/// to grow one for each request.
fn load_large(cx: &mut Cx<Reads<()>, Writes<Large>, Uses<Notes>>) -> Step {
    cx.need(
        cx.on(Notes)
            .query_opt("SELECT 7, zeroblob(100000)")
            .into(Large),
    )
}

fn show_large(cx: &mut Cx<Reads<Large>>) -> Step {
    let (number,) = cx.get(Large).or_fail(NotFound, "row", "")?;
    cx.json(&number)
}

/// Connections, each with its request and a buffer as large as the responses to it: once warm, not
/// one byte of this client is allocated.
struct Load {
    streams: Vec<TcpStream>,
    requests: Vec<u8>,
    responses: Vec<u8>,
    /// What every response begins with.
    status: &'static [u8],
    /// Requests in one write.
    depth: usize,
}

impl Load {
    fn new(address: SocketAddr, target: &str, connections: usize, depth: usize) -> Load {
        let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n");
        Load::of(address, &request, connections, depth)
    }

    fn of(address: SocketAddr, request: &str, connections: usize, depth: usize) -> Load {
        Load::answered(address, request, b"HTTP/1.1 200 OK\r\n", connections, depth)
    }

    fn answered(
        address: SocketAddr,
        request: &str,
        status: &'static [u8],
        connections: usize,
        depth: usize,
    ) -> Load {
        let mut streams: Vec<TcpStream> = (0..connections)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        for stream in &streams {
            stream.set_nodelay(true).unwrap();
        }
        // Responses to one target are of one length: even their dates are.
        streams[0].write_all(request.as_bytes()).unwrap();
        let mut first = [0; 4096];
        let len = streams[0].read(&mut first).unwrap();
        assert!(first.starts_with(status), "{}", first[..len].escape_ascii());
        Load {
            streams,
            requests: request.repeat(depth).into_bytes(),
            responses: vec![0; len * depth],
            status,
            depth,
        }
    }

    /// Lets every connection owe as many replies at once as it ever will: how many do without depends
    /// on chance. They are all held behind one that waits.
    fn widen(&mut self) {
        let first = b"GET /wait HTTP/1.1\r\nHost: test\r\n\r\n";
        let mut answer = [0; 4096];
        self.streams[0].write_all(first).unwrap();
        let len = self.streams[0].read(&mut answer).unwrap();
        let together = [&first[..], &self.requests].concat();
        for stream in &mut self.streams {
            stream.write_all(&together).unwrap();
        }
        for stream in &mut self.streams {
            stream.read_exact(&mut answer[..len]).unwrap();
            stream.read_exact(&mut self.responses).unwrap();
        }
    }

    /// Sends so many requests in all, each connection with its share on the way at once.
    fn run(&mut self, requests: usize) {
        for _ in 0..requests / (self.depth * self.streams.len()) {
            for stream in &mut self.streams {
                stream.write_all(&self.requests).unwrap();
            }
            for stream in &mut self.streams {
                stream.read_exact(&mut self.responses).unwrap();
                assert!(self.responses.starts_with(self.status));
            }
        }
    }

    /// What requests 1,000 to 11,000 allocate.
    fn measured(mut self, backtraces_max: u64, name: &str) -> Allocated {
        self.widen();
        self.run(1_000);
        let sqlite = memory().allocation_count;
        let allocated = Allocated::during(|| self.run(10_000), backtraces_max);
        let sqlite = memory().allocation_count - sqlite;
        let asleep = ASLEEP_COUNT.load(Ordering::Relaxed);
        println!("{name}: {allocated:?}; SQLite itself: {sqlite}; falling asleep: {asleep}");
        allocated
    }
}

fn post(target: &str, content_type: &str, content: &str) -> String {
    let length = content.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: test\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\n\r\n{content}"
    )
}

/// Lets every pool meet a number that no load below reaches: how many requests are there at once
/// depends on chance, but these all wait behind one query. Their statement has never run, so they go
/// to the reader that slow statements go to.
fn widen(address: SocketAddr) {
    let (connections, depth) = (7, 16);
    let mut wide = Load::new(address, "/notes/2", connections, depth);
    wide.requests = b"GET /first/2 HTTP/1.1\r\nHost: test\r\n\r\n".repeat(depth);
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    wide.run(connections * depth);
    let mut answer = [0; 4096];
    assert!(slow.read(&mut answer).unwrap() > 0);

    // What a step adds to a response, and what is allowed instead, is kept by each request on its own.
    let request = "PUT /mount/ HTTP/1.1\r\nHost: test\r\nWait: a while\r\n\r\n";
    let refused = b"HTTP/1.1 405 ";
    Load::answered(address, request, refused, connections, depth).run(connections * depth);

    // As are the words of a problem.
    let request = "GET /mount/problem HTTP/1.1\r\nHost: test\r\nWait: a while\r\n\r\n";
    let refused = b"HTTP/1.1 422 ";
    Load::answered(address, request, refused, connections, depth).run(connections * depth);
}

/// Lets content of more requests wait at once than any load below has: each keeps what it is, in
/// memory or on its way into a file.
fn widen_contents(address: SocketAddr) {
    let content = format!(
        r#"{{"title": "{}", "author": {{"name": ""}}, "stars": 5}}"#,
        "a".repeat(500)
    );
    for target in ["/taken", "/stored"] {
        let request = post(target, "application/json", &content);
        let (begin, rest) = request.split_at(request.len() - 10);
        let mut streams: Vec<TcpStream> = (0..20)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        for stream in &mut streams {
            stream.write_all(begin.as_bytes()).unwrap();
        }
        // What the shard answers now it reads behind all of these.
        Load::new(address, "/plain", 1, 1).run(10);
        for stream in &mut streams {
            stream.write_all(rest.as_bytes()).unwrap();
            let mut answer = [0; 4096];
            assert!(stream.read(&mut answer).unwrap() > 0);
        }
    }
}

#[test]
fn a_warm_request_allocates_nothing() {
    let scratch = Scratch::new("allocations");
    // Ten thousand files that a disk would have to make durable.
    let in_memory = Scratch::in_memory("allocations");
    let schema = "
        CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
        INSERT INTO notes (body) VALUES ('one'), ('two'), ('three');";
    // A slow machine must not make requests slow enough to be printed.
    let patient = 60.secs();
    let routes = Routes::new()
        .resource(Notes, Sqlite::open(scratch.join("notes.db")).schema(schema))
        .resource(Uploads, Directory::open(in_memory.join("uploads")))
        .get("/plain", chain(plain).deadline(patient))
        .get("/notes/{id}", chain(load).then(show).deadline(patient))
        .get(
            "/first/{id}",
            chain(load_first).then(show).deadline(patient),
        )
        .get(
            "/several/{id}",
            chain(load_several).then(show).deadline(patient),
        )
        .delete("/notes/{id}", chain(delete).deadline(patient))
        .get("/race/{id}", chain(race).then(show).deadline(patient))
        .get("/slow", chain(load_slow).then(show_large).deadline(patient))
        .post("/posts", chain(take).deadline(patient))
        .post(
            "/taken",
            chain(take_meanwhile).then(show_taken).deadline(patient),
        )
        .post("/tally", chain(tally).then(show_tally).deadline(patient))
        .post("/stored", chain(store).then(show_stored).deadline(patient))
        .post("/form", chain(take_form).deadline(patient))
        .get("/wait", chain(wait).then(plain).deadline(patient))
        .get("/boxed", chain(plain_boxed).deadline(patient))
        .get(
            "/large",
            chain(load_large).then(show_large).deadline(patient),
        )
        .mount(
            "/mount",
            Routes::new()
                .before(chain(stamp))
                .get("/", chain(plain))
                .get("/problem", chain(complain)),
        )
        .build()
        .unwrap();
    let server = Server::start_with(routes, |engine| {
        engine
            .trace(TraceMode::Slow)
            .class_deadline(Standard, patient)
    });
    IS_TRACING.store(
        std::env::var_os("CUTAWAY_BACKTRACE_ALLOCATIONS").is_some(),
        Ordering::SeqCst,
    );

    widen(server.address);
    widen_contents(server.address);
    for (target, connections, depth) in [
        ("/plain", 1, 1),
        ("/plain", 8, 1),
        ("/plain", 4, 16),
        ("/notes/2", 1, 1),
        ("/notes/2", 8, 1),
        ("/notes/2", 4, 16),
        ("/several/2", 4, 2),
        ("/race/2", 4, 2),
    ] {
        let name = format!("{target}, {connections} connections, {depth} at once");
        let load = Load::new(server.address, target, connections, depth);
        let allocated = load.measured(ALL, &name);
        assert_eq!(allocated.total(), 0, "{name}: {allocated:?}");
    }
    for (name, request) in [
        (
            "a JSON document",
            post(
                "/posts?page=1&q=100%25+%E2%9C%93",
                "application/json",
                r#"{"title": "A title", "author": {"name": "Ann"}, "stars": 5}"#,
            ),
        ),
        (
            "a JSON document that is taken meanwhile",
            post(
                "/taken",
                "application/json",
                r#"{"title": "A title", "author": {"name": "Ann"}, "stars": 5}"#,
            ),
        ),
        (
            "a file",
            post("/stored", "text/plain", &"one two three".repeat(300)),
        ),
        ("a fold", post("/tally", "text/plain", "one two three")),
        (
            "a form",
            post(
                "/form",
                "application/x-www-form-urlencoded",
                "stars=5&title=A+%22title%22",
            ),
        ),
    ] {
        let load = Load::of(server.address, &request, 4, 4);
        let allocated = load.measured(ALL, name);
        assert_eq!(allocated.total(), 0, "{name}: {allocated:?}");
    }

    let not_found = &b"HTTP/1.1 404 "[..];
    let not_allowed = &b"HTTP/1.1 405 "[..];
    for (method, target, status) in [
        ("GET", "/nowhere", not_found),
        ("PUT", "/plain", not_allowed),
        ("PUT", "/mount/", not_allowed),
        ("DELETE", "/notes/2", not_found),
        ("GET", "/mount/problem", &b"HTTP/1.1 422 "[..]),
    ] {
        let name = format!("{method} {target}");
        let request = format!("{name} HTTP/1.1\r\nHost: test\r\n\r\n");
        let load = Load::answered(server.address, &request, status, 4, 4);
        let allocated = load.measured(ALL, &name);
        assert_eq!(allocated.total(), 0, "{name}: {allocated:?}");
    }

    // The plants are found, each on its thread.
    IS_TRACING.store(false, Ordering::SeqCst);
    let load = |target| Load::new(server.address, target, 8, 1);
    let boxed = load("/boxed").measured(0, "a box on the shard");
    assert!(boxed.of("shard-0") >= 10_000, "{boxed:?}");
    let large = load("/large").measured(0, "a growing buffer on the worker");
    assert!(large.of("Notes-r") >= 10_000, "{large:?}");
    server.stop();
}
