//! Routes that expect a slot are built by themselves.

use cutaway::prelude::*;

slot!(pub User: String);

fn greet(cx: &mut Cx<Reads<User>>) -> Step {
    cx.text(cx.get(User))
}

fn main() {
    let private = Routes::given::<User>().get("/hello", given::<User>().then(greet));
    let _ = private.build();
}
