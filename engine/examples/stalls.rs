//! Slow statements beside quick requests: a query that computes, a write that waits for a lock.
//!
//! At its end it prints how long each shard's longest turn was. Whatever the statements did, no turn
//! waited for one.
//!
//! ```text
//! cargo run --release --example stalls -- --addr 127.0.0.1:8080
//! curl -i http://127.0.0.1:8080/compute
//! ```

#[path = "flags/serving.rs"]
mod serving;

use clap::Parser;
use cutaway::effect::Executed;
use cutaway::prelude::*;
use serde::Serialize;

resource!(Blog: Sqlite);
slot!(Sum: (i64,));
slot!(Written: Executed);

fn plaintext(cx: &mut Cx) -> Step {
    cx.text("Hello, World!")
}

/// About 200 ms of one core, on the machine this was written on.
fn compute(cx: &mut Cx<Writes<Sum>, Uses<Blog>>) -> Step {
    let query = cx.on(Blog).query_one(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1500000)
         SELECT sum(n) FROM numbers",
    );
    cx.need(query.into(Sum))
}

fn show_sum(cx: &mut Cx<Reads<Sum>>) -> Step {
    #[derive(Serialize)]
    struct Answer {
        sum: i64,
    }
    let sum = cx.get(Sum).0;
    cx.json(&Answer { sum })
}

/// Waits for whoever holds the database's write lock.
fn write(cx: &mut Cx<Writes<Written>, Uses<Blog>>) -> Step {
    cx.need(
        cx.on(Blog)
            .exec("UPDATE counter SET value = value + 1")
            .into(Written),
    )
}

fn written(cx: &mut Cx<Reads<Written>>) -> Step {
    let changed = cx.get(Written).changed_count;
    if changed == 1 {
        cx.text("written")
    } else {
        fail(Internal, "counter", "missing")
    }
}

/// Made at first start.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS counter (value INTEGER NOT NULL);
    INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);
";

/// Serves quick requests beside slow statements.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    serving: serving::Serving,
    /// The SQLite file, if not stalls.db; made at first start.
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
        .resource(Blog, Sqlite::open("stalls.db").schema(SCHEMA))
        .get("/plaintext", chain(plaintext))
        .get("/compute", chain(compute).then(show_sum).deadline(5.secs()))
        .get("/locked", chain(write).then(written).deadline(5.secs()))
        .build()?;
    let running = Engine::new(routes).shards(1).config(config).start()?;
    let address = running.address();
    println!("listening on http://{address}; try");
    for path in ["/plaintext", "/compute", "/locked"] {
        println!("  curl -i http://{address}{path}");
    }
    for (index, stats) in running.wait_for_stats()?.iter().enumerate() {
        let longest_us = stats.turn_ns_max / 1_000;
        println!(
            "shard {index}: {} turns, the longest {longest_us} us",
            stats.turn_count
        );
    }
    Ok(())
}
