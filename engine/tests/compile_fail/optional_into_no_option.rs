//! The slot of an optional effect holds an `Option`: none where it has failed.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Count: (i64,));

fn count(cx: &mut Cx<Writes<Count>, Uses<Blog>>) -> Step {
    let count = cx.on(Blog).query_one("SELECT count(*) FROM posts");
    cx.need(count.optional().into(Count))
}

fn main() {}
