//! A query that may find nothing misses nothing.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Title<'r>: Option<(&'r str,)>);

fn load(cx: &mut Cx<Writes<Title>, Uses<Blog>>) -> Step {
    let title = cx.on(Blog).query_opt("SELECT title FROM posts").or_missing("post", 7);
    cx.need(title.into(Title))
}

fn main() {}
