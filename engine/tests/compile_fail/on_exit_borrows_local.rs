//! A callback outlasts its step: it takes along what it needs, or borrows from the request.

use cutaway::prelude::*;

fn watch(cx: &mut Cx) {
    let words = String::from("it is over");
    cx.on_exit(|_| println!("{words}"));
}

fn main() {}
