//! A step builds effects only for the resources its `Uses` names.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
resource!(pub Users: Sqlite);
slot!(pub Post<'r>: Option<(&'r str,)>);

fn load(cx: &mut Cx<Writes<Post>, Uses<Blog>>) -> Step {
    cx.need(cx.on(Users).query_opt("SELECT title FROM posts").into(Post))
}

fn main() {}
