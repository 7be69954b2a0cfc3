//! A continuation writes only what its step declares.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Count: (i64,));
slot!(pub Total: i64);

fn count(cx: &mut Cx<Writes<Count>, Uses<Blog>>) -> Step {
    let count = cx.on(Blog).query_one("SELECT count(*) FROM posts");
    cx.need(count.into(Count).then(add))
}

fn add(cx: &mut Cx<Reads<Count>, Writes<Total>>) {
    let (count,) = *cx.get(Count);
    cx.put(Total, count + 1);
}

fn main() {}
