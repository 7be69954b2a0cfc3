//! The slot says what JSON becomes; `json` takes no type.

use cutaway::prelude::*;

#[derive(serde::Deserialize)]
pub struct Post {
    pub title: String,
}

slot!(pub NewPost: Post);

fn receive(cx: &mut Cx<Writes<NewPost>, Uses<Body>>) -> Step {
    cx.need(cx.body().json::<Post>().into(NewPost))
}

fn main() {
    let _ = chain(receive);
}
