//! A chain ahead of a route's own steps expects a slot that nobody writes.

use cutaway::prelude::*;

slot!(pub User: String);
slot!(pub Rights: u32);

fn find_rights(cx: &mut Cx<Reads<User>, Writes<Rights>>) {
    let rights = cx.get(User).len() as u32;
    cx.put(Rights, rights);
}

fn show(cx: &mut Cx<Reads<Rights>>) -> Step {
    cx.json(cx.get(Rights))
}

fn main() {
    let rights = given::<User>().then(find_rights);
    let _ = Routes::new().get("/rights", given::<Rights>().then(show).before(&rights));
}
