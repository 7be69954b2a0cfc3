//! Uploads: the content of a request goes into a file as it comes, and is never held in memory.
//!
//! A file has its name when it is whole and on the disk, so nobody ever finds a part of one; where an
//! upload ends early, whatever the reason, nothing is left. While the disk is slower than the client, the
//! client is not read from.
//!
//! ```text
//! cargo run --release --example 09_uploads
//! curl -T Cargo.toml http://127.0.0.1:8080/files/first.toml
//! {"name":"first.toml","bytes":…}
//! curl -T Cargo.toml http://127.0.0.1:8080/files/first.toml
//! {"type":"about:blank","title":"Conflict","status":409,"detail":"file first.toml"}
//! curl -T Cargo.toml 'http://127.0.0.1:8080/files/first.toml?replace=true'
//! {"name":"first.toml","bytes":…}
//! curl -T Cargo.toml http://127.0.0.1:8080/files/..%2fsecret
//! {"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"file name has a `/`"}
//! ```

#[path = "flags/alone.rs"]
mod flags;

use cutaway::prelude::*;
use cutaway::{BuiltRoutes, RoutesRefused};
use serde::Serialize;

resource!(Files: Directory);

slot!(Name<'r>: &'r str = path "name");
slot!(Replaces: bool = query "replace" or false);
slot!(Saved: StoredFile);

/// The request runs as soon as its head is there; its content comes while this effect is performed.
fn save(cx: &mut Cx<Reads<(Name, Replaces)>, Writes<Saved>, Uses<(Body, Files)>>) -> Step {
    let mut file = cx.on(Files).file(cx.get(Name));
    if *cx.get(Replaces) {
        file = file.replacing();
    }
    cx.need(cx.body().to_file(file).into(Saved))
}

fn show(cx: &mut Cx<Reads<(Name, Saved)>>) -> Step {
    #[derive(Serialize)]
    struct Answer<'r> {
        name: &'r str,
        bytes: u64,
    }
    let (name, saved) = (*cx.get(Name), cx.get(Saved));
    let status = if saved.has_replaced {
        Status::OK
    } else {
        Status::CREATED
    };
    let bytes = saved.bytes;
    cx.status(status).json(&Answer { name, bytes })
}

fn routes() -> Result<BuiltRoutes, RoutesRefused> {
    Routes::new()
        .resource(Files, Directory::open("09_uploads"))
        .put(
            "/files/{name}",
            // The deadline covers the whole upload, so it has to be long enough for a slow client.
            // One that sends nothing at all is given up long before.
            (chain(save).then(show))
                .deadline(600.secs())
                .body_bytes_max(10 << 30),
        )
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let running = Engine::new(routes()?).config(flags::config()).start()?;
    let files = format!("http://{}/files", running.address());
    println!("curl -T Cargo.toml {files}/first.toml");
    println!("curl -T Cargo.toml {files}/first.toml");
    println!("curl -T Cargo.toml '{files}/first.toml?replace=true'");
    println!("curl -T Cargo.toml {files}/..%2fsecret");
    Ok(running.wait()?)
}

#[cfg(test)]
mod tests {
    use cutaway::testing::{App, DiskFault};

    use super::*;

    #[test]
    fn a_file_is_stored_once_unless_it_is_replaced() {
        let app = App::new(routes().unwrap());
        let put = |target: &str, content: &str| app.put(target).body(content).send();
        put("/files/a", "first").assert_status(Status::CREATED);
        put("/files/a", "second").assert_status(Status::CONFLICT);
        put("/files/a?replace=true", "third").assert_status(Status::OK);
        assert_eq!(app.disk(Files).file("a").as_deref(), Some(&b"third"[..]));
        app.finish();
    }

    /// A client that goes in the middle, and a disk that is full: nothing is left of either.
    #[test]
    fn what_is_not_whole_is_not_there() {
        let app = App::new(routes().unwrap());
        let client = app.client();
        client.send(b"PUT /files/a HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\npart");
        app.advance(1.secs());
        client.disconnect();
        app.advance(1.millis());
        app.disk(Files).fail(3, DiskFault::Full);
        let full = app.put("/files/b").body("content").send();
        full.assert_status(Status::INSUFFICIENT_STORAGE);
        let disk = app.disk(Files);
        assert!(disk.names().is_empty() && disk.unnamed_count() == 0);
        app.finish();
    }
}
