//! `exec` gives what was changed, no rows.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Post<'r>: Option<(&'r str,)>);

fn delete(cx: &mut Cx<Writes<Post>, Uses<Blog>>) -> Step {
    cx.need(cx.on(Blog).exec("DELETE FROM posts").into(Post))
}

fn main() {}
