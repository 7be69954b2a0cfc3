//! An effect that gives rows needs the slot that they go into.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);

fn count(cx: &mut Cx<Uses<Blog>>) -> Step {
    cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts"))
}

fn main() {}
