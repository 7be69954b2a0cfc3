//! A route reads what only a `before` chain registered after it writes.

use cutaway::prelude::*;

slot!(pub User: String);

fn authenticate(cx: &mut Cx<Writes<User>>) {
    cx.put(User, "ann".to_owned());
}

fn greet(cx: &mut Cx<Reads<User>>) -> Step {
    cx.text(cx.get(User))
}

fn main() {
    let _ = Routes::new()
        .get("/hello", given::<User>().then(greet))
        .before(chain(authenticate));
}
