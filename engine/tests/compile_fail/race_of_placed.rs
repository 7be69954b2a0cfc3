//! A race has the slot, not each of its effects.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Count: (i64,));

fn count(cx: &mut Cx<Writes<Count>, Uses<Blog>>) -> Step {
    let count = || cx.on(Blog).query_one("SELECT count(*) FROM posts").into(Count);
    let race = first([count(), count()]);
    cx.need(race)
}

fn main() {}
