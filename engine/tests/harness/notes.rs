//! The steps that several tests serve: notes in a database, with ways to take long over them.

use cutaway::prelude::*;

resource!(pub Notes: Sqlite);
// The same file a second time: another writer, which the first one has to wait for.
resource!(pub Rival: Sqlite);
slot!(pub Id: i64 = path "id");
slot!(pub Content<'r>: &'r [u8] = body bytes);
slot!(pub Note<'r>: Option<(&'r str,)>);
slot!(pub Count: (i64,));
slot!(pub Written: Executed);

/// Three notes, made by whoever comes first.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
    INSERT OR IGNORE INTO notes (id, body) VALUES (1, 'one'), (2, 'two'), (3, 'three');
";

pub fn plain(cx: &mut Cx) -> Step {
    cx.text("Hello, World!")
}

pub fn echo(cx: &mut Cx<Reads<Content>>) -> Step {
    let content = *cx.get(Content);
    cx.slice("application/octet-stream", content)
}

pub fn load(cx: &mut Cx<Reads<Id>, Writes<Note>, Uses<Notes>>) -> Step {
    let id = *cx.get(Id);
    cx.need(
        cx.on(Notes)
            .query_opt("SELECT body FROM notes WHERE id = ?1")
            .bind(id)
            .into(Note),
    )
}

pub fn show(cx: &mut Cx<Reads<Note>>) -> Step {
    let (body,) = cx
        .get(Note)
        .as_ref()
        .or_fail(NotFound, "note", cx.param("id"))?;
    cx.text(body)
}

/// Computes until it is cancelled.
pub fn count_for_ever(cx: &mut Cx<Writes<Count>, Uses<Notes>>) -> Step {
    const SQL: &str = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)
        SELECT count(*) FROM numbers";
    cx.need(cx.on(Notes).query_one(SQL).into(Count))
}

/// Has the lock for writing until it is cancelled, and changes nothing then.
pub fn hold_lock(cx: &mut Cx<Writes<Written>, Uses<Rival>>) -> Step {
    const SQL: &str = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)
        UPDATE notes SET body = 'rival' WHERE id = (SELECT count(*) FROM numbers)";
    cx.need(cx.on(Rival).exec(SQL).into(Written))
}

pub fn write(cx: &mut Cx<Reads<Id>, Writes<Written>, Uses<Notes>>) -> Step {
    let id = *cx.get(Id);
    cx.need(
        cx.on(Notes)
            .exec("UPDATE notes SET body = 'new' WHERE id = ?1")
            .bind(id)
            .into(Written),
    )
}

pub fn changed(cx: &mut Cx<Reads<Written>>) -> Step {
    let written = cx.get(Written);
    cx.json(&written.changed_count)
}
