//! One writer a slot. Stable has no clean sentence for it: the name of the parameter that cannot be inferred says it.

use cutaway::prelude::*;

slot!(pub PostId: i64);

fn by_id(cx: &mut Cx<Writes<PostId>>) {
    cx.put(PostId, 1);
}

fn by_slug(cx: &mut Cx<Writes<PostId>>) {
    cx.put(PostId, 2);
}

fn main() {
    let _ = chain(by_id).then(by_slug);
}
