//! A tuple has at most eight effects.

use cutaway::prelude::*;

fn wait(cx: &mut Cx) -> Step {
    let timer = || cx.timer(1.millis());
    cx.need((timer(), timer(), timer(), timer(), timer(), timer(), timer(), timer(), timer()))
}

fn main() {}
