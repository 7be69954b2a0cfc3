//! Several effects at once: a join waits for all of them, a race for the first success.
//!
//! Two databases with the same posts stand for two replicas. The page of a post takes as long as the
//! slowest of its parts; the title alone, as long as the faster replica.
//!
//! ```text
//! cargo run --release --example 04_join_and_race
//! curl http://127.0.0.1:8080/posts/1
//! {"title":"First light","comments":["Nice.","Indeed."],"views":7}
//! curl http://127.0.0.1:8080/posts/1/title
//! "First light"
//! ```

#[path = "flags/alone.rs"]
mod flags;

use cutaway::prelude::*;
use cutaway::{BuiltRoutes, RoutesRefused};
use serde::Serialize;

resource!(Near: Sqlite);
resource!(Far: Sqlite);

slot!(Id: i64 = path "id");
slot!(Title<'r>: (&'r str,));
slot!(Comments<'r>: &'r [(&'r str,)]);
slot!(
    /// None where the count could not be had in time: the page does without it.
    Views: Option<(i64,)>
);

/// What a page is made of.
type Parts = (Title, Comments, Views);

const TITLE: &str = "SELECT title FROM posts WHERE id = ?1";
const COMMENTS: &str = "SELECT text FROM comments WHERE post = ?1 ORDER BY id LIMIT 100";
const VIEWS: &str = "SELECT views FROM posts WHERE id = ?1";

/// Three effects side by side. Without the post there is no page; the views are optional.
fn load_page(cx: &mut Cx<Reads<Id>, Writes<Parts>, Uses<(Near, Far)>>) -> Step {
    let id = *cx.get(Id);
    let title = cx.on(Near).query_one(TITLE).bind(id).or_missing("post", id);
    let comments = cx.on(Near).query(COMMENTS).bind(id);
    let views = cx.on(Far).query_one(VIEWS).bind(id).timeout(20.millis());
    cx.need((
        title.into(Title),
        comments.into(Comments),
        views.optional().into(Views),
    ))
}

fn show_page(cx: &mut Cx<Reads<Parts>>) -> Step {
    #[derive(Serialize)]
    struct Page<'r> {
        title: &'r str,
        comments: Vec<&'r str>,
        views: Option<i64>,
    }
    let page = Page {
        title: cx.get(Title).0,
        comments: cx.get(Comments).iter().map(|&(text,)| text).collect(),
        views: cx.get(Views).map(|(views,)| views),
    };
    cx.json(&page)
}

/// Asks both replicas. The first that has the post wins; the other statement is cancelled.
fn race(cx: &mut Cx<Reads<Id>, Writes<Title>, Uses<(Near, Far)>>) -> Step {
    let id = *cx.get(Id);
    let near = cx.on(Near).query_one(TITLE).bind(id).or_missing("post", id);
    let far = cx.on(Far).query_one(TITLE).bind(id).or_missing("post", id);
    cx.need(first([near, far]).into(Title))
}

fn show_title(cx: &mut Cx<Reads<Title>>) -> Step {
    cx.json(cx.get(Title).0)
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL, views INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS comments (id INTEGER PRIMARY KEY, post INTEGER NOT NULL, text TEXT NOT NULL);
    INSERT OR IGNORE INTO posts VALUES (1, 'First light', 7);
    INSERT OR IGNORE INTO comments VALUES (1, 1, 'Nice.'), (2, 1, 'Indeed.');
";

fn routes() -> Result<BuiltRoutes, RoutesRefused> {
    Routes::new()
        .resource(Near, Sqlite::open("04_near.db").schema(SCHEMA))
        .resource(Far, Sqlite::open("04_far.db").schema(SCHEMA))
        .get("/posts/{id}", chain(load_page).then(show_page))
        .get("/posts/{id}/title", chain(race).then(show_title))
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let running = Engine::new(routes()?).config(flags::config()).start()?;
    let address = running.address();
    println!("curl http://{address}/posts/1");
    println!("curl http://{address}/posts/1/title");
    Ok(running.wait()?)
}

#[cfg(test)]
mod tests {
    use cutaway::testing::{App, ScriptedAnswer};
    use cutaway::timeline::Stage;

    use super::*;

    /// The near replica answers after so many milliseconds, the far one after so many.
    fn app(near_ms: u64, far_ms: u64) -> App {
        let app = App::new(routes().unwrap());
        let answer = |sql: &str, ms: u64| {
            let rows = match sql {
                TITLE => ScriptedAnswer::row(("First light",)),
                COMMENTS => ScriptedAnswer::row(("Nice.",)),
                _ => ScriptedAnswer::row((7,)),
            };
            rows.after(ms.millis())
        };
        app.script(Near, move |statement| answer(statement.sql, near_ms));
        app.script(Far, move |statement| answer(statement.sql, far_ms));
        app
    }

    #[test]
    fn a_join_takes_as_long_as_its_slowest_part() {
        let app = app(5, 15);
        let response = app.get("/posts/1").send();
        let page = r#"{"title":"First light","comments":["Nice."],"views":7}"#;
        assert_eq!(response.text(), page);
        response
            .timeline()
            .assert_stages(&[(Stage::Park, 15.millis())]);
        app.finish();
    }

    #[test]
    fn an_optional_part_that_is_late_is_done_without() {
        let app = app(5, 1000);
        let response = app.get("/posts/1").send();
        assert!(response.text().ends_with(r#""views":null}"#));
        response
            .timeline()
            .assert_stages(&[(Stage::Park, 20.millis())]);
        app.finish();
    }

    #[test]
    fn a_race_takes_as_long_as_its_winner() {
        let app = app(30, 10);
        let response = app.get("/posts/1/title").send();
        assert_eq!(response.text(), r#""First light""#);
        response
            .timeline()
            .assert_stages(&[(Stage::Park, 10.millis())]);
        // The loser came back as well, and was dropped.
        assert_eq!(app.stats().late_result_count, 1);
        app.finish();
    }
}
