//! A statement that only reads changes nothing.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);
slot!(pub Title<'r>: (&'r str,));

fn load(cx: &mut Cx<Writes<Title>, Uses<Blog>>) -> Step {
    let title = cx.on(Blog).query_one("SELECT title FROM posts").expecting_change();
    cx.need(title.into(Title))
}

fn main() {}
