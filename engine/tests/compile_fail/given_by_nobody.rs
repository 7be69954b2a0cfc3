//! A route's chain expects only what a `before` chain writes.

use cutaway::prelude::*;

slot!(pub User: String);

fn greet(cx: &mut Cx<Reads<User>>) -> Step {
    cx.text(cx.get(User))
}

fn main() {
    let _ = Routes::new().get("/hello", given::<User>().then(greet));
}
