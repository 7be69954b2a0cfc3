//! A route's steps expect more than the chain ahead of them writes.

use cutaway::prelude::*;

slot!(pub User: String);

fn stamp(_: &mut Cx) {}

fn greet(cx: &mut Cx<Reads<User>>) -> Step {
    cx.text(cx.get(User))
}

fn main() {
    let _ = given::<User>().then(greet).before(&chain(stamp));
}
