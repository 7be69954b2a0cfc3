//! `Uses` names resources.

use cutaway::prelude::*;

pub struct Blog;

fn load(cx: &mut Cx<Uses<Blog>>) {
    let _ = cx;
}

fn main() {
    let _ = chain(load);
}
