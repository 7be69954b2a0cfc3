//! A race stands alone: what it takes with it when it fails could not be said.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Count: (i64,));
slot!(pub Total: (i64,));

fn count(cx: &mut Cx<Writes<(Count, Total)>, Uses<Blog>>) -> Step {
    let count = || cx.on(Blog).query_one("SELECT count(*) FROM posts");
    let race = first([count(), count()]).into(Count);
    let total = count().into(Total);
    cx.need((race, total))
}

fn main() {}
