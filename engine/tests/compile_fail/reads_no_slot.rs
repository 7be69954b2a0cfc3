//! `Reads` names slots.

use cutaway::prelude::*;

pub struct PostId;

fn by_id(cx: &mut Cx<Reads<PostId>>) {
    let _ = cx;
}

fn main() {
    let _ = chain(by_id);
}
