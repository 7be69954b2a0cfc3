//! The type of a shared chain says all that the chain expects.

use cutaway::prelude::*;
use cutaway::step::Shared;

slot!(pub User: String);
slot!(pub Rights: u32);

fn find_rights(cx: &mut Cx<Reads<User>, Writes<Rights>>) {
    let rights = cx.get(User).len() as u32;
    cx.put(Rights, rights);
}

fn rights() -> Shared<(), Rights> {
    given::<User>().then(find_rights)
}

fn main() {}
