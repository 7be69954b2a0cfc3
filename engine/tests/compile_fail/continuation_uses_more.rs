//! A continuation uses only what its step declares.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
resource!(pub Users: Sqlite);
slot!(pub Count: (i64,));
slot!(pub Total: (i64,));

fn count(cx: &mut Cx<Writes<(Count, Total)>, Uses<Blog>>) -> Step {
    let count = cx.on(Blog).query_one("SELECT count(*) FROM posts");
    cx.need(count.into(Count).then(count_users))
}

fn count_users(cx: &mut Cx<Writes<Total>, Uses<Users>>) -> Step {
    cx.need(cx.on(Users).query_one("SELECT count(*) FROM users").into(Total))
}

fn main() {}
