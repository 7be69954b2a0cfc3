//! Content goes into a slot whose type can be read from it.

use cutaway::prelude::*;

pub struct PostInput {
    pub title: String,
}

slot!(pub NewPost: PostInput);

fn receive(cx: &mut Cx<Writes<NewPost>, Uses<Body>>) -> Step {
    cx.need(cx.body().json().into(NewPost))
}

fn main() {
    let _ = chain(receive);
}
