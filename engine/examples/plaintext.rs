//! The smallest whole server: text, JSON, path parameters, and a row from SQLite.
//!
//! ```text
//! cargo run --release --example plaintext -- --addr 127.0.0.1:8080 --trace all
//! curl -i http://127.0.0.1:8080/posts/7
//! ```

#[path = "flags/serving.rs"]
mod serving;

use clap::Parser;
use cutaway::prelude::*;
use serde::Serialize;

resource!(Blog: Sqlite);
slot!(UserId: u64 = path "id");
slot!(PostNumber: u64 = path "post");
slot!(PostId: i64 = path "id");
slot!(Post<'r>: Option<PostRow<'r>>);

/// A row of `posts`. Its text lies in the request's own memory.
#[derive(Clone, Copy, Serialize)]
struct PostRow<'r> {
    id: i64,
    title: &'r str,
    body: &'r str,
}

impl<'r> FromRow<'r> for PostRow<'r> {
    fn from_row(row: Row<'r>) -> Result<Self, DecodeError> {
        let mut columns = row.columns();
        Ok(PostRow {
            id: columns.read()?,
            title: columns.read()?,
            body: columns.read()?,
        })
    }
}

fn plaintext(cx: &mut Cx) -> Step {
    cx.text("Hello, World!")
}

fn json(cx: &mut Cx) -> Step {
    #[derive(Serialize)]
    struct Greeting {
        message: &'static str,
    }
    cx.json(&Greeting {
        message: "Hello, World!",
    })
}

fn user_post(cx: &mut Cx<Reads<(UserId, PostNumber)>>) -> Step {
    #[derive(Serialize)]
    struct Pair {
        user: u64,
        post: u64,
    }
    let (user, post) = (*cx.get(UserId), *cx.get(PostNumber));
    cx.json(&Pair { user, post })
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

/// Made at first start; the second start finds it.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS posts (
        id INTEGER PRIMARY KEY, title TEXT NOT NULL, body TEXT NOT NULL
    );
    WITH RECURSIVE numbers(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM numbers WHERE id < 1000)
    INSERT INTO posts (id, title, body)
        SELECT id, 'Post number ' || id, 'lorem ipsum dolor sit amet' FROM numbers
        WHERE NOT EXISTS (SELECT 1 FROM posts);
";

/// Serves text, JSON, path parameters and rows from SQLite.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    serving: serving::Serving,
    /// The SQLite file, if not plaintext.db; made at first start.
    #[arg(long, value_name = "PATH")]
    db: Option<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let mut config = options.serving.config();
    if let Some(db) = options.db {
        config = config.set("resources.Blog.path", db);
    }
    let routes = Routes::new()
        .resource(Blog, Sqlite::open("plaintext.db").schema(SCHEMA))
        .get("/plaintext", chain(plaintext))
        .get("/json", chain(json))
        .get("/users/{id}/posts/{post}", chain(user_post))
        .get("/posts/{id}", chain(load_post).then(show_post))
        .build()?;
    let running = Engine::new(routes).config(config).start()?;
    let address = running.address();
    println!("listening on http://{address}; try");
    for path in ["/plaintext", "/json", "/users/7/posts/9", "/posts/1"] {
        println!("  curl -i http://{address}{path}");
    }
    Ok(running.wait()?)
}
