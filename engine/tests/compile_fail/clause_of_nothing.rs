//! The parameters of `Cx` are clauses.

use cutaway::prelude::*;

slot!(pub PostId: i64);

fn by_id(cx: &mut Cx<PostId>) {
    let _ = cx;
}

fn main() {
    let _ = chain(by_id);
}
