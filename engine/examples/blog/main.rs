//! A blog on SQLite: a JSON API below `/blog/`, and pages for people.
//!
//! ```text
//! cargo run --release --example blog
//! curl -i http://127.0.0.1:8080/blog/posts -H 'Content-Type: application/json' \
//!      -d '{"title": "Hello", "content": "The first post."}'
//! ```
//!
//! Read on in `posts.rs`: slots, steps, effects. Then `comments.rs` for a transaction and two effects
//! at once, `pages.rs` for forms and a step with two ways on, `input.rs` for what is checked.

mod before;
mod comments;
mod input;
mod list;
mod pages;
mod posts;
mod problem;
mod view;

#[path = "../flags/serving.rs"]
mod serving;

use std::time::Duration;

use clap::Parser;
use cutaway::chains;
use cutaway::prelude::*;

resource!(
    /// The database, as steps name it.
    pub Blog: Sqlite
);

/// How long a write may take. The disk has its bad moments, and to be told late is better than not to
/// know; who only reads has the deadline of the class.
const WRITE: Duration = Duration::from_secs(2);

/// Everything the blog answers, on this database.
pub fn routes(database: Sqlite) -> Routes {
    let database = database
        .schema(include_str!("schema.sql"))
        // A page of a hundred posts, each as long as it may be.
        .result_bytes_max(8 << 20);
    Routes::new()
        .resource(Blog, database)
        .renderer(problem::render)
        .before(chains::request_id())
        .before(chain(before::restrict).then(before::refuse_cross_site))
        .mount("/blog", posts::routes())
        .mount("/blog", comments::routes())
        .mount("", pages::routes())
}

/// Serves a blog. `--print-routes` prints its routes instead.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    serving: serving::Serving,
    /// The SQLite file, if not blog.db; made at first start.
    #[arg(long, value_name = "PATH")]
    db: Option<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let routes = routes(Sqlite::open("blog.db")).build()?;
    if routes.answer_flags(std::env::args_os())? {
        return Ok(());
    }
    let options = Options::parse();
    let mut config = options.serving.config();
    if let Some(db) = options.db {
        config = config.set("resources.Blog.path", db);
    }
    let running = Engine::new(routes).config(config).start()?;
    let address = running.address();
    println!("listening on http://{address}; open it, or try");
    println!("  curl -i http://{address}/blog/posts");
    println!(
        "  curl -i http://{address}/blog/posts -H 'Content-Type: application/json' \\\n       \
         -d '{{\"title\": \"Hello\", \"content\": \"The first post.\"}}'"
    );
    Ok(running.wait()?)
}
