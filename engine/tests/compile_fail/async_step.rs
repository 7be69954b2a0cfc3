//! A step does not wait by itself.

use cutaway::prelude::*;

async fn hello(cx: &mut Cx<'_>) -> Step {
    cx.text("hello")
}

fn main() {
    let _ = chain(hello);
}
