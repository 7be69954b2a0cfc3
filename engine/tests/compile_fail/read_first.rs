//! The first step of a chain reads nothing that a step would have to write.

use cutaway::prelude::*;

slot!(pub Post: String);

fn render(cx: &mut Cx<Reads<Post>>) -> Step {
    cx.text(cx.get(Post))
}

fn main() {
    let _ = chain(render);
}
