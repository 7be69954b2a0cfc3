//! Each column of a row is read as a type that knows how.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Post: (i64, String));

fn load(cx: &mut Cx<Writes<Post>, Uses<Blog>>) -> Step {
    cx.need(cx.on(Blog).query_one("SELECT id, title FROM posts").into(Post))
}

fn main() {}
