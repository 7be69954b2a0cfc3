//! A route has a chain, even one of a single step.

use cutaway::prelude::*;

fn hello(cx: &mut Cx) -> Step {
    cx.text("hello")
}

fn main() {
    let _ = Routes::new().get("/hello", hello);
}
