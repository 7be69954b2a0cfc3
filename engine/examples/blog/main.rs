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

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use cutaway::prelude::*;
use cutaway::{TraceMode, chains};

resource!(
    /// The database, as steps name it.
    pub Blog: Sqlite
);

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

/// Serves a blog.
#[derive(Parser)]
struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    /// The SQLite file; made at first start.
    #[arg(long, default_value = "blog.db")]
    db: PathBuf,
    /// How many shards; one for each core if not told.
    #[arg(long)]
    shards: Option<usize>,
    /// Which timelines to print: all, slow or off.
    #[arg(long, default_value = "slow")]
    trace: TraceMode,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let mut engine = Engine::new(routes(Sqlite::open(options.db)).build()?)
        .address(options.addr)
        .trace(options.trace);
    if let Some(shards) = options.shards {
        engine = engine.shards(shards);
    }
    let running = engine.start()?;
    let address = running.address();
    println!("listening on http://{address}; open it, or try");
    println!("  curl -i http://{address}/blog/posts");
    println!(
        "  curl -i http://{address}/blog/posts -H 'Content-Type: application/json' \\\n       \
         -d '{{\"title\": \"Hello\", \"content\": \"The first post.\"}}'"
    );
    Ok(running.wait()?)
}
