//! The effects of a race are of one type: either's result goes into the same slot.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Count: (i64,));

fn count(cx: &mut Cx<Writes<Count>, Uses<Blog>>) -> Step {
    let one = cx.on(Blog).query_one("SELECT count(*) FROM posts");
    let many = cx.on(Blog).query("SELECT count(*) FROM users");
    cx.need(first([one, many]).into(Count))
}

fn main() {}
