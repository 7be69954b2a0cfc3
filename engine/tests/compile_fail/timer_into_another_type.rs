//! A timer gives how long it was.

use cutaway::prelude::*;

slot!(pub Waited: u64);

fn wait(cx: &mut Cx<Writes<Waited>>) -> Step {
    cx.need(cx.timer(5.millis()).into(Waited))
}

fn main() {}
