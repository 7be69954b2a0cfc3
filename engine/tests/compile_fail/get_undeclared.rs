//! A step reads only what its `Reads` names.

use cutaway::prelude::*;

slot!(pub PostId: i64);
slot!(pub Post: String);

fn render(cx: &mut Cx<Reads<PostId>>) -> Step {
    let post = cx.get(Post);
    cx.text(post)
}

fn main() {}
