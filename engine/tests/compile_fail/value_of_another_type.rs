//! A slot takes a value of its type.

use cutaway::prelude::*;

slot!(pub PostId: i64);

fn by_id(cx: &mut Cx<Writes<PostId>>) {
    cx.put(PostId, "seven");
}

fn main() {}
