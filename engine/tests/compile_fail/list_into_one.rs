//! A list of effects gives a list of results.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Count: (i64,));

fn count(cx: &mut Cx<Writes<Count>, Uses<Blog>>) -> Step {
    let count = || cx.on(Blog).query_one("SELECT count(*) FROM posts");
    let counts = all([count(), count()]);
    cx.need(counts.into(Count))
}

fn main() {}
