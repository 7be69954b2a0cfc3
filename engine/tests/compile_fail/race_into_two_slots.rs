//! A race has one slot: only one of its effects has a result.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Count: (i64,));
slot!(pub Total: (i64,));

fn count(cx: &mut Cx<Writes<(Count, Total)>, Uses<Blog>>) -> Step {
    let posts = cx.on(Blog).query_one("SELECT count(*) FROM posts");
    let users = cx.on(Blog).query_one("SELECT count(*) FROM users");
    cx.need(first((posts.into(Count), users.into(Total))))
}

fn main() {}
