//! A step writes only what its `Writes` names.

use cutaway::prelude::*;

slot!(pub PostId: i64);
slot!(pub Post: String);

fn load(cx: &mut Cx<Reads<PostId>, Writes<PostId>>) {
    cx.put(Post, String::new());
}

fn main() {}
