//! A continuation lies in the request's arena, where nothing is dropped.

use cutaway::prelude::*;

fn wait(cx: &mut Cx) -> Step {
    let words = String::from("done");
    cx.need(cx.timer(1.millis()).then(move |cx: &mut Cx| cx.text(&words)))
}

fn main() {}
