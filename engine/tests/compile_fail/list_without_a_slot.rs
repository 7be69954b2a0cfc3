//! A list has one slot, whose slice takes all results.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Counts<'r>: &'r [(i64,)]);

fn count(cx: &mut Cx<Writes<Counts>, Uses<Blog>>) -> Step {
    let count = || cx.on(Blog).query_one("SELECT count(*) FROM posts");
    let (one, two) = (count(), count());
    cx.need(all([one, two]))
}

fn main() {}
