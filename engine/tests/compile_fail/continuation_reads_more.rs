//! A continuation reads only what its step declares.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub User: i64);
slot!(pub Count: (i64,));

fn count(cx: &mut Cx<Writes<Count>, Uses<Blog>>) -> Step {
    let count = cx.on(Blog).query_one("SELECT count(*) FROM posts");
    cx.need(count.into(Count).then(show))
}

fn show(cx: &mut Cx<Reads<(Count, User)>>) -> Step {
    cx.json(&(cx.get(Count), cx.get(User)))
}

fn main() {}
