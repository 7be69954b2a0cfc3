//! SQLite: a step says what it needs, the engine performs it, the next step finds the result.
//!
//! A statement is a value. While it runs on a worker's thread, the shard serves others; no step waits.
//! The file is made at first start, with the schema below.
//!
//! ```text
//! cargo run --release --example 03_sqlite
//! curl -H 'Content-Type: application/json' -d '{"text": "buy milk"}' http://127.0.0.1:8080/notes
//! {"id":1,"text":"buy milk"}
//! curl http://127.0.0.1:8080/notes
//! [{"id":1,"text":"buy milk"}]
//! curl -X DELETE http://127.0.0.1:8080/notes/1
//! curl http://127.0.0.1:8080/notes/1
//! {"type":"about:blank","title":"Not Found","status":404,"detail":"note 1"}
//! ```

#[path = "flags/alone.rs"]
mod flags;

use cutaway::prelude::*;
use cutaway::{BuiltRoutes, RoutesRefused};
use serde::{Deserialize, Serialize};

resource!(Notes: Sqlite);

slot!(Id: i64 = path "id");
slot!(New<'r>: NewNote<'r> = body json);
slot!(Created<'r>: Note<'r>);
slot!(Found<'r>: Note<'r>);
slot!(All<'r>: &'r [Note<'r>]);

#[derive(Deserialize)]
struct NewNote<'r> {
    text: &'r str,
}

/// A row. Its text lies in the request's own memory.
#[derive(Clone, Copy, Serialize)]
struct Note<'r> {
    id: i64,
    text: &'r str,
}

impl<'r> FromRow<'r> for Note<'r> {
    fn from_row(row: Row<'r>) -> Result<Self, DecodeError> {
        let (id, text) = FromRow::from_row(row)?;
        Ok(Note { id, text })
    }
}

fn create(cx: &mut Cx<Reads<New>, Writes<Created>, Uses<Notes>>) -> Step {
    let text = cx.get(New).text;
    let insert = "INSERT INTO notes (text) VALUES (?1) RETURNING id, text";
    cx.need(cx.on(Notes).returning_one(insert).bind(text).into(Created))
}

fn show_created(cx: &mut Cx<Reads<Created>>) -> Step {
    let note = cx.get(Created);
    cx.response_header("Location", &format!("/notes/{}", note.id))?;
    cx.status(Status::CREATED).json(note)
}

fn load(cx: &mut Cx<Reads<Id>, Writes<Found>, Uses<Notes>>) -> Step {
    let id = *cx.get(Id);
    let query = "SELECT id, text FROM notes WHERE id = ?1";
    let note = cx.on(Notes).query_one(query).bind(id);
    cx.need(note.or_missing("note", id).into(Found))
}

fn show(cx: &mut Cx<Reads<Found>>) -> Step {
    cx.json(cx.get(Found))
}

fn load_all(cx: &mut Cx<Writes<All>, Uses<Notes>>) -> Step {
    let query = "SELECT id, text FROM notes ORDER BY id LIMIT 100";
    cx.need(cx.on(Notes).query(query).into(All))
}

fn show_all(cx: &mut Cx<Reads<All>>) -> Step {
    cx.json(cx.get(All))
}

/// Nobody looks at what was deleted, so it goes into no slot.
fn delete(cx: &mut Cx<Reads<Id>, Uses<Notes>>) -> Step {
    let id = *cx.get(Id);
    let delete = cx
        .on(Notes)
        .exec("DELETE FROM notes WHERE id = ?1")
        .bind(id);
    cx.need(delete.or_missing("note", id))
}

fn gone(cx: &mut Cx) -> Step {
    cx.empty()
}

/// Runs at each start, so it must be able to run again.
const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)";

fn routes() -> Result<BuiltRoutes, RoutesRefused> {
    Routes::new()
        .resource(Notes, Sqlite::open("03_sqlite.db").schema(SCHEMA))
        .get("/notes", chain(load_all).then(show_all))
        .post("/notes", chain(create).then(show_created))
        .get("/notes/{id}", chain(load).then(show))
        .delete("/notes/{id}", chain(delete).then(gone))
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let running = Engine::new(routes()?).config(flags::config()).start()?;
    let notes = format!("http://{}/notes", running.address());
    println!("curl -H 'Content-Type: application/json' -d '{{\"text\": \"buy milk\"}}' {notes}");
    println!("curl {notes}");
    println!("curl -X DELETE {notes}/1");
    println!("curl {notes}/1");
    Ok(running.wait()?)
}

#[cfg(test)]
mod tests {
    use cutaway::effect::SqlValue;
    use cutaway::testing::{self, App};

    use super::*;

    #[test]
    fn a_step_asks_for_a_statement_with_its_value() {
        let tested = testing::get("/notes/7").param("id", "7").run(load);
        assert_eq!(tested.decision(), Ok(Decision::Need));
        let effect = tested.effect().unwrap();
        assert_eq!(effect.statements()[0].params, [SqlValue::Int(7)]);
    }

    #[test]
    fn what_was_written_is_read_until_it_is_deleted() {
        let app = App::new(routes().unwrap());
        let note = serde_json::json!({"text": "escape \"this\""});
        let created = app.post("/notes").json(&note).send();
        created.assert_status(Status::CREATED);
        assert_eq!(created.field("location"), Some("/notes/1"));
        let shown: serde_json::Value = app.get("/notes/1").send().json();
        assert_eq!(shown["text"], note["text"]);
        let deleted = app.delete("/notes/1").send();
        deleted.assert_status(Status::NO_CONTENT);
        app.delete("/notes/1")
            .send()
            .assert_status(Status::NOT_FOUND);
        assert_eq!(app.get("/notes").send().text(), "[]");
        app.finish();
    }
}
