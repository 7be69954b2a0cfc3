//! The tool `cutaway` as a user starts it, and a server that is configured.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::process::{Command, Output};

use cutaway::prelude::*;
use cutaway::{Config, Engine};

#[path = "harness/client.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod client;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;

use client::Client;
use server::{Scratch, Server};

fn cutaway(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cutaway"))
        .args(words)
        .output()
        .unwrap()
}

/// A folder with a file `blog.toml` of this text.
fn folder_with(text: &str) -> (Scratch, String) {
    let scratch = Scratch::new("configuration");
    let path = scratch.join("blog.toml");
    std::fs::write(&path, text).unwrap();
    (scratch, path.to_str().unwrap().to_owned())
}

#[test]
fn a_good_file_is_called_good() {
    let text = "[limits]\nhead_bytes_max = '8 KiB'\n[resources.Anything]\nreaders = 3\n";
    let (_scratch, file) = folder_with(text);
    let output = cutaway(&["check", &file]);
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, format!("{}: good\n", file));
    assert!(output.stderr.is_empty());
}

#[test]
fn every_fault_of_a_bad_file_is_a_line() {
    let text = "[limits]\nhead_byte_max = 1\nfields_max = 0\n[server]\nshards =\n";
    let (_scratch, file) = folder_with(text);
    let output = cutaway(&["check", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = "\
FILE:2:1: unknown key `limits.head_byte_max`; did you mean `limits.head_bytes_max`?
FILE:3:14: `limits.fields_max` is 0; it takes 1 to 128
FILE:5:9: there is no value
";
    assert_eq!(said, expected.replace("FILE", &file));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = cutaway(&["check", "/nowhere/blog.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("/nowhere/blog.toml: cannot be read: "),
        "{said}"
    );
}

#[test]
fn words_that_mean_nothing_are_answered_with_those_that_do() {
    for words in [&[][..], &["chekc"], &["check"], &["keys", "x"]] {
        let output = cutaway(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("cutaway check FILE"), "{said}");
    }
    assert_eq!(cutaway(&["--help"]).status.code(), Some(0));
}

#[test]
fn the_keys_are_printed_as_the_page() {
    let output = cutaway(&["keys"]);
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, cutaway::config::page());
}

resource!(pub Notes: Sqlite);
slot!(pub Count: (i64,));

fn count(cx: &mut Cx<Writes<Count>, Uses<Notes>>) -> Step {
    let query = cx.on(Notes).query_one("SELECT count(*) FROM notes");
    cx.need(query.into(Count))
}

fn show(cx: &mut Cx<Reads<Count>>) -> Step {
    let (count,) = *cx.get(Count);
    cx.json(&count)
}

#[test]
fn a_server_serves_as_it_is_configured() {
    let text = "
        [server]
        shards = 2
        [limits]
        head_bytes_max = 256
        target_bytes_max = 64
        linger_timeout = '0 s'
        [resources.Notes]
        path = 'configured.db'
    ";
    let (scratch, file) = folder_with(text);
    let own = Sqlite::open(scratch.join("own.db")).schema("CREATE TABLE IF NOT EXISTS notes (id)");
    let routes = Routes::new()
        .resource(Notes, own)
        .get("/count", chain(count).then(show).deadline(5.secs()))
        .build()
        .unwrap();
    let variables = [("CUTAWAY_LIMITS__TARGET_BYTES_MAX", "32")];
    let server = Server::start_with(routes, |engine| {
        let config = Config::new()
            .environment(variables)
            .set("limits.fields_max", 2);
        engine.config_file(&file).config(config)
    });

    let mut client = Client::connect(server.address);
    assert_eq!(client.get("/count").text(), "0");
    assert!(scratch.join("configured.db").exists());
    assert!(!scratch.join("own.db").exists());
    let status_of = |head: String| {
        let mut client = Client::connect(server.address);
        client.send(head);
        client.response().status
    };
    // The file's, the environment's, the command line's.
    let long = "x".repeat(300);
    let field = format!("GET /count HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n");
    assert_eq!(status_of(field), 431);
    let target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", &long[..40]);
    assert_eq!(status_of(target), 414);
    let fields = "GET /count HTTP/1.1\r\nHost: a\r\nB: b\r\nC: c\r\n\r\n";
    assert_eq!(status_of(fields.to_owned()), 431);
    assert_eq!(server.stop_all().len(), 2);
}

#[test]
fn a_server_does_not_start_on_what_is_wrong() {
    let (_scratch, file) = folder_with("[limits]\nfields_max = 0\n");
    let routes = Routes::new().build().unwrap();
    let config = Config::new().environment([("CUTAWAY_SERVER__SHARD", "1")]);
    let engine = Engine::new(routes).config(config).config_file(&file);
    let told = engine.run().unwrap_err().to_string();
    let expected = format!(
        "this configuration cannot be used:
  {file}:2:14: `limits.fields_max` is 0; it takes 1 to 128
  CUTAWAY_SERVER__SHARD: no key has this variable; did you mean `CUTAWAY_SERVER__SHARDS`?"
    );
    assert_eq!(told, expected);
}
