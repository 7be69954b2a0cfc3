//! JSON is made of what serde can write.

use cutaway::prelude::*;

pub struct Post {
    pub title: &'static str,
}

fn show(cx: &mut Cx) -> Step {
    cx.json(&Post { title: "hello" })
}

fn main() {}
