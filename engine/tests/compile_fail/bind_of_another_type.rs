//! A parameter's value is one that SQLite knows: its integers have 63 bits and a sign.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Done: Executed);

fn delete(cx: &mut Cx<Writes<Done>, Uses<Blog>>) -> Step {
    let id: u64 = 7;
    cx.need(cx.on(Blog).exec("DELETE FROM posts WHERE id = ?1").bind(id).into(Done))
}

fn main() {}
