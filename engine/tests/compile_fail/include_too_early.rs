//! A shared chain is included where what it expects has been written.

use cutaway::prelude::*;

slot!(pub User: String);
slot!(pub Greeting: String);

fn greeting(cx: &mut Cx<Reads<User>, Writes<Greeting>>) {
    cx.put(Greeting, format!("hello, {}", cx.get(User)));
}

fn show(cx: &mut Cx<Reads<Greeting>>) -> Step {
    cx.text(cx.get(Greeting))
}

fn nothing(_: &mut Cx) {}

fn main() {
    let shared = given::<User>().then(greeting);
    let _ = chain(nothing).include(&shared).then(show);
}
