//! The rows of a transaction are its last statement's.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Done: Executed);

fn create(cx: &mut Cx<Writes<Done>, Uses<Blog>>) -> Step {
    let creation = cx
        .on(Blog)
        .transaction()
        .returning_one("INSERT INTO posts (title) VALUES ('hello') RETURNING id")
        .exec("INSERT INTO history (post) VALUES (last_insert_rowid())");
    cx.need(creation.into(Done))
}

fn main() {}
