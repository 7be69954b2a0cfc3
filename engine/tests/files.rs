//! Content that goes into a file, on real sockets and a real directory.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::fs;
use std::path::Path;

use cutaway::effect::NewFile;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::{BuiltRoutes, Engine};

#[path = "harness/child.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
#[expect(unsafe_code, reason = "kill(2)")]
mod child;
#[path = "harness/client.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod client;
#[path = "files/faults.rs"]
mod faults;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;

use child::ChildServer;
use client::Client;
use server::{Scratch, Server};

resource!(pub Uploads: Directory);
slot!(pub Name<'r>: &'r str = path "name");
slot!(pub Saved: StoredFile);
slot!(pub MaybeSaved: Option<StoredFile>);
slot!(pub Second: Option<StoredFile>);

type Save<'r> = Cx<'r, Reads<Name>, Writes<Saved>, Uses<(Body, Uploads)>>;

fn file<'r>(cx: &Save<'r>) -> NewFile<'r> {
    cx.on(Uploads).file(cx.get(Name))
}

fn save(cx: &mut Save<'_>) -> Step {
    cx.need(cx.body().to_file(file(cx)).into(Saved))
}

fn replace(cx: &mut Save<'_>) -> Step {
    cx.need(cx.body().to_file(file(cx).replacing()).into(Saved))
}

fn show(cx: &mut Cx<Reads<Saved>>) -> Step {
    let saved = cx.get(Saved);
    let status = if saved.has_replaced {
        Status::OK
    } else {
        Status::CREATED
    };
    cx.status(status).json(&saved.bytes)
}

fn try_save(cx: &mut Cx<Reads<Name>, Writes<MaybeSaved>, Uses<(Body, Uploads)>>) -> Step {
    let file = cx.on(Uploads).file(cx.get(Name));
    cx.need(cx.body().to_file(file).optional().into(MaybeSaved))
}

/// Another name, where the first was taken: the content was not touched.
fn save_elsewhere(cx: &mut SaveElsewhere<'_>) -> Step {
    if cx.get(MaybeSaved).is_some() {
        cx.put(Second, None);
        return Continue;
    }
    let file = cx.on(Uploads).file("elsewhere");
    cx.need(cx.body().to_file(file).optional().into(Second))
}

type SaveElsewhere<'r> = Cx<'r, Reads<MaybeSaved>, Writes<Second>, Uses<(Body, Uploads)>>;

fn show_either(cx: &mut Cx<Reads<(MaybeSaved, Second)>>) -> Step {
    let bytes = |saved: &Option<StoredFile>| saved.map(|saved| saved.bytes);
    let either = (bytes(cx.get(MaybeSaved)), bytes(cx.get(Second)));
    cx.json(&either)
}

const BYTES_MAX: u64 = 4000;
/// How much of content the shard looks at in one go, with the limits of here.
const PIECE_BYTES_MAX: usize = 16 << 10;
/// How much is written at a time.
const WRITE_BYTES: usize = 16 << 10;

fn routes(directory: &Path) -> BuiltRoutes {
    // A slow machine must not turn an answer into a 504.
    let patient = 30.secs();
    let saving = || chain(save).then(show).deadline(patient);
    Routes::new()
        .resource(Uploads, Directory::open(directory).write_bytes(WRITE_BYTES))
        .post("/files/{name}", saving())
        .post("/large/{name}", saving().body_bytes_max(1 << 30))
        .put("/files/{name}", chain(replace).then(show).deadline(patient))
        .post(
            "/either/{name}",
            chain(try_save)
                .then(save_elsewhere)
                .then(show_either)
                .deadline(patient),
        )
        .build()
        .unwrap()
}

fn serve() -> (Server, Scratch) {
    let scratch = Scratch::new("files");
    let limits = Limits {
        body_bytes_max: BYTES_MAX,
        discard_bytes_max: 1000,
        ..Limits::default()
    };
    // It is made at the start.
    let routes = routes(&scratch.join("uploads"));
    (Server::start(routes, limits), scratch)
}

/// All names in the directory, hidden ones too, in order.
fn names(scratch: &Scratch) -> Vec<String> {
    let entries = fs::read_dir(scratch.join("uploads")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn content(scratch: &Scratch, name: &str) -> Vec<u8> {
    fs::read(scratch.join("uploads").join(name)).unwrap()
}

fn head(method: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")
}

fn post(target: &str, content: &str) -> String {
    let length = content.len();
    head("POST", target, &format!("Content-Length: {length}")) + content
}

fn put(target: &str, content: &str) -> String {
    let length = content.len();
    head("PUT", target, &format!("Content-Length: {length}")) + content
}

fn chunked(target: &str, content: &str, size: usize) -> String {
    let chunks = content.as_bytes().chunks(size);
    let chunks: String = chunks
        .map(|chunk| {
            let text = std::str::from_utf8(chunk).unwrap();
            format!("{:x}\r\n{text}\r\n", chunk.len())
        })
        .collect();
    head("POST", target, "Transfer-Encoding: chunked") + &chunks + "0\r\n\r\n"
}

#[test]
fn content_is_stored_in_any_pieces() {
    let (server, scratch) = serve();
    let abc = "abc".repeat(300);
    let mut client = Client::connect(server.address);
    let mut bytewise = Client::connect(server.address);
    let cases = [
        (post("/files/a", &abc), "a", abc.as_str()),
        (chunked("/files/b", &abc, 7), "b", &abc),
        (post("/files/empty", ""), "empty", ""),
        (chunked("/files/none", "", 1), "none", ""),
        (post("/files/%c3%bc%20b.txt", "x"), "ü b.txt", "x"),
    ];
    for (request, name, expected) in &cases {
        client.send(request);
        let response = client.response();
        assert_eq!(response.status, 201, "{name}: {response:?}");
        assert_eq!(response.text(), expected.len().to_string());
        assert_eq!(content(&scratch, name), expected.as_bytes(), "{name}");
    }
    for (request, name, expected) in &cases {
        let request = request.replace("/files/", "/files/again-");
        (request.bytes()).for_each(|byte| bytewise.send([byte]));
        assert_eq!(bytewise.response().status, 201, "{name}");
        let name = format!("again-{name}");
        assert_eq!(content(&scratch, &name), expected.as_bytes(), "{name}");
    }
    // One behind the other on one connection.
    client.send(post("/files/one", "1") + &post("/files/two", "22") + &post("/files/three", "3"));
    for length in ["1", "2", "1"] {
        assert_eq!(client.response().text(), length);
    }
    assert_eq!(names(&scratch).len(), 2 * cases.len() + 3);
    drop((client, bytewise));
    server.stop();
}

/// What is stored is the content, however large, and what waits for the disk is bounded by a number
/// that has nothing to do with its length.
#[test]
fn a_large_file_is_never_held_in_memory() {
    const LARGE: usize = 64 << 20;
    let (server, scratch) = serve();
    let mut client = Client::connect(server.address);
    let length = format!("Content-Length: {LARGE}");
    client.send(head("POST", "/large/film", &length));
    let mut block: Vec<u8> = (0..1 << 20)
        .map(|at: u32| (at * 7 + at / 251) as u8)
        .collect();
    for number in 0..LARGE / block.len() {
        block[0] = number as u8;
        client.send(&block);
    }
    let response = client.response();
    assert_eq!(response.status, 201, "{response:?}");
    assert_eq!(response.text(), LARGE.to_string());
    let film = content(&scratch, "film");
    assert_eq!(film.len(), LARGE);
    for (number, part) in film.chunks(block.len()).enumerate() {
        assert!(part[0] == number as u8 && part[1..] == block[1..]);
    }
    drop(client);
    let stats = server.stop();
    // Two buffers, each up to a piece beyond its bound.
    let held_max = 2 * (WRITE_BYTES + PIECE_BYTES_MAX) as u64;
    assert!(
        stats.unwritten_bytes_max >= 1024,
        "{}",
        stats.unwritten_bytes_max
    );
    assert!(
        stats.unwritten_bytes_max <= held_max,
        "{} > {held_max}",
        stats.unwritten_bytes_max
    );
}

#[test]
fn a_name_is_taken_once_unless_it_is_replaced() {
    let (server, scratch) = serve();
    let mut client = Client::connect(server.address);
    client.send(post("/files/a", "first"));
    assert_eq!(client.response().status, 201);
    client.send(post("/files/a", "second"));
    let response = client.response();
    assert_eq!((response.status, response.closes()), (409, false));
    assert_eq!(response.problem()["detail"], "file a");
    assert_eq!(content(&scratch, "a"), b"first");

    client.send(put("/files/a", "second"));
    assert_eq!(client.response().status, 200);
    assert_eq!(content(&scratch, "a"), b"second");
    client.send(put("/files/b", "new"));
    assert_eq!(client.response().status, 201);

    // A conflict is no end: the content is still there to be stored.
    client.send(post("/either/c", "12"));
    assert_eq!(client.response().text(), "[2,null]");
    client.send(post("/either/c", "123"));
    assert_eq!(client.response().text(), "[null,3]");
    assert_eq!(content(&scratch, "elsewhere"), b"123");
    client.send(post("/either/c", "1234"));
    assert_eq!(client.response().text(), "[null,null]");
    assert_eq!(names(&scratch), ["a", "b", "c", "elsewhere"]);
    drop(client);
    server.stop();
}

/// A conflict is told before the content is asked for.
#[test]
fn content_is_asked_for_when_there_is_a_place_for_it() {
    let (server, scratch) = serve();
    let fields = "Content-Length: 3\r\nExpect: 100-continue";
    let mut client = Client::connect(server.address);
    client.send(head("POST", "/files/a", fields));
    assert_eq!(client.response().status, 100);
    client.send("abc");
    assert_eq!(client.response().status, 201);
    for (target, status) in [("/files/a", 409), ("/files/%2e%2e", 422)] {
        let mut client = Client::connect(server.address);
        client.send(head("POST", target, fields));
        let response = client.response();
        assert_eq!((response.status, response.closes()), (status, true));
        assert!(client.is_ended());
    }
    assert_eq!(names(&scratch), ["a"]);
    drop(client);
    server.stop();
}

#[test]
fn no_name_leads_out_of_the_directory() {
    let (server, scratch) = serve();
    fs::write(scratch.join("secret"), "untouched").unwrap();
    let uploads = scratch.join("uploads");
    std::os::unix::fs::symlink(scratch.join("secret"), uploads.join("link")).unwrap();
    std::os::unix::fs::symlink(scratch.path(), uploads.join("up")).unwrap();
    let mut client = Client::connect(server.address);
    let long = "x".repeat(256);
    let cases = [
        ("%2e%2e", "begins with `.`"),
        ("..%2fsecret", "has a `/`"),
        ("%2e%2e%2fsecret", "has a `/`"),
        ("..%2f..%2f..%2f..%2fetc%2fpasswd", "has a `/`"),
        ("%2fetc%2fpasswd", "has a `/`"),
        ("up%2fsecret", "has a `/`"),
        ("a%2f..%2f..%2fsecret", "has a `/`"),
        (".htaccess", "begins with `.`"),
        (".cutaway-1-1", "begins with `.`"),
        ("a%00b", "has a control character"),
        ("a%0d%0ab", "has a control character"),
        (long.as_str(), "has more than 255 bytes"),
    ];
    for (name, detail) in cases {
        for request in [
            post(&format!("/files/{name}"), "x"),
            put(&format!("/files/{name}"), "x"),
        ] {
            client.send(request);
            let response = client.response();
            assert_eq!(response.status, 422, "{name}");
            let expected = format!("file name {detail}");
            assert_eq!(response.problem()["detail"], expected.as_str(), "{name}");
        }
    }
    // What leads elsewhere is a name that is taken; replaced is the link, not what it leads to.
    client.send(post("/files/link", "x"));
    assert_eq!(client.response().status, 409);
    client.send(put("/files/link", "x"));
    assert_eq!(client.response().status, 200);
    assert_eq!(fs::read(scratch.join("secret")).unwrap(), b"untouched");
    assert_eq!(names(&scratch), ["link", "up"]);
    let around = fs::read_dir(scratch.path()).unwrap().count();
    assert_eq!(around, 2, "something was written beside the directory");
    drop(client);
    server.stop();
}

/// However content ends before it is whole, nothing of it is left, and whoever still listens is told.
#[test]
fn what_is_not_whole_is_not_there() {
    let (server, scratch) = serve();
    let long = "x".repeat(BYTES_MAX as usize + 1);
    let fields = "Content-Length: 1000";
    // What is sent, whether more is announced to come not, the status.
    let cases = [
        (post("/files/a", &long), false, 413),
        (chunked("/files/a", &long, 1000), false, 413),
        (head("POST", "/files/a", fields) + "abc", true, 400),
        (
            head("POST", "/files/a", "Transfer-Encoding: chunked") + "3\r\nabc\r\n",
            true,
            400,
        ),
        (
            head("POST", "/files/a", "Transfer-Encoding: chunked") + "1\r\nab\r\n",
            false,
            400,
        ),
    ];
    for (request, is_cut, status) in &cases {
        let mut client = Client::connect(server.address);
        client.try_send(request);
        if *is_cut {
            client.finish_sending();
        }
        let response = client.response();
        assert_eq!((response.status, response.closes()), (*status, true));
        assert!(client.is_ended());
    }
    // Those that go without a word: in the middle of the content, and at its very end.
    for request in [
        head("POST", "/large/b", "Content-Length: 10000000") + &"x".repeat(100_000),
        head("POST", "/large/b", fields),
    ] {
        let mut client = Client::connect(server.address);
        client.send(request);
        drop(client);
    }
    // A half-closed client that has sent everything is a client like any other.
    let mut client = Client::connect(server.address);
    client.send(post("/large/whole", &"x".repeat(300_000)));
    client.finish_sending();
    assert_eq!(client.response().status, 201);
    drop(client);
    let stats = server.stop();
    assert_eq!(names(&scratch), ["whole"]);
    assert_eq!(stats.panic_count, 0);
}

#[test]
fn a_directory_that_cannot_be_written_to_keeps_the_engine_from_starting() {
    let scratch = Scratch::new("files-refused");
    fs::write(scratch.join("file"), "x").unwrap();
    for path in ["missing/uploads", "file"] {
        let started = Engine::new(routes(&scratch.join(path))).start();
        let words = started.err().unwrap().to_string();
        let place = scratch.join(path).display().to_string();
        assert!(words.starts_with("resource Uploads: "), "{words}");
        assert!(
            words.contains(&place) && words.contains("os error"),
            "{words}"
        );
    }
}

/// The server of the test below; it is killed.
#[test]
#[ignore = "serves; started by the test that kills it"]
fn serve_to_be_killed() {
    let directory = std::env::var("FILES_DIRECTORY").unwrap();
    let engine = Engine::new(routes(Path::new(&directory)))
        .address(([127, 0, 0, 1], 0).into())
        .shards(1);
    let running = engine.start().unwrap();
    println!("listening on {}", running.address());
    running.wait().unwrap();
}

/// A process that is killed has no time to put anything right, and need not.
#[test]
fn a_process_that_is_killed_leaves_nothing_unfinished() {
    let scratch = Scratch::new("files-killed");
    let directory = scratch.join("uploads").display().to_string();
    let server = ChildServer::start_test("serve_to_be_killed", &[("FILES_DIRECTORY", &directory)]);
    let mut whole = Client::connect(server.address);
    whole.send(post("/files/whole", "content"));
    assert_eq!(whole.response().status, 201);
    let mut part = Client::connect(server.address);
    part.send(head(
        "POST",
        "/large/part",
        "Content-Length: 10000000\r\nExpect: 100-continue",
    ));
    assert_eq!(part.response().status, 100);
    part.send("x".repeat(1_000_000));
    server.signal(libc::SIGKILL);
    assert!(!server.end().success());
    assert_eq!(content(&scratch, "whole"), b"content");
    // Where files have names from the beginning, the next start removes what is left.
    Server::start(routes(Path::new(&directory)), Limits::default()).stop();
    assert_eq!(names(&scratch), ["whole"]);
}
