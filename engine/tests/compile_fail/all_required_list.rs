//! Which of several effects are required is said of effects with slots of their own.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Counts<'r>: &'r [(i64,)]);

fn count(cx: &mut Cx<Writes<Counts>, Uses<Blog>>) -> Step {
    let count = || cx.on(Blog).query_one("SELECT count(*) FROM posts");
    cx.need(all_required([count(), count()]))
}

fn main() {}
