//! What a step reads was written by an earlier one: `render` stands before `load`.

use cutaway::prelude::*;

slot!(pub PostId: i64);
slot!(pub Post: String);

fn by_id(cx: &mut Cx<Writes<PostId>>) {
    cx.put(PostId, 1);
}

fn load(cx: &mut Cx<Reads<PostId>, Writes<Post>>) {
    cx.put(Post, cx.get(PostId).to_string());
}

fn render(cx: &mut Cx<Reads<Post>>) -> Step {
    cx.text(cx.get(Post))
}

fn main() {
    let _ = chain(by_id).then(render).then(load);
}
