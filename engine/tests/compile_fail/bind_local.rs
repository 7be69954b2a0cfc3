//! What an effect borrows outlives the step.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Post<'r>: Option<(&'r str,)>);

fn load(cx: &mut Cx<Writes<Post>, Uses<Blog>>) -> Step {
    let slug = String::from("hello");
    cx.need(cx.on(Blog).query_opt("SELECT title FROM posts WHERE slug = ?1").bind(slug.as_str()).into(Post))
}

fn main() {}
