//! The slot's type must hold what the effect gives: `query` gives a list.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Post<'r>: Option<(&'r str,)>);

fn load(cx: &mut Cx<Writes<Post>, Uses<Blog>>) -> Step {
    cx.need(cx.on(Blog).query("SELECT title FROM posts").into(Post))
}

fn main() {}
