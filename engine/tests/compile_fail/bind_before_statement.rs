//! A value belongs to a statement.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Done: Executed);

fn delete(cx: &mut Cx<Writes<Done>, Uses<Blog>>) -> Step {
    cx.need(cx.on(Blog).transaction().bind(7).exec("DELETE FROM posts WHERE id = ?1").into(Done))
}

fn main() {}
