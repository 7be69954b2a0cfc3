//! Nobody but the engine gives leave to act on a resource, and only by `Uses`.

use cutaway::effect::{Kind, ResourceIndex, Sqlite};
use cutaway::prelude::*;

fn load(cx: &mut Cx) {
    let _ = <Sqlite as Kind>::handle(7, cx.arena());
    let _ = <Sqlite as Kind>::handle(ResourceIndex(7), cx.arena());
}

fn main() {
    let _ = chain(load);
}
