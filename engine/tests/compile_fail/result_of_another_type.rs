//! The slot's type must be readable from a row.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Post: PostRow);

pub struct PostRow {
    pub id: i64,
}

fn load(cx: &mut Cx<Writes<Post>, Uses<Blog>>) -> Step {
    cx.need(cx.on(Blog).query_one("SELECT id FROM posts").into(Post))
}

fn main() {}
