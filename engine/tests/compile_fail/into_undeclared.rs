//! An effect's result goes only into a slot that `Writes` names.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub PostId: i64);
slot!(pub Post<'r>: Option<(&'r str,)>);

fn load(cx: &mut Cx<Reads<PostId>, Uses<Blog>>) -> Step {
    cx.need(cx.on(Blog).query_opt("SELECT title FROM posts").into(Post))
}

fn main() {}
