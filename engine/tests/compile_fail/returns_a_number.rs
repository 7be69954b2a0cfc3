//! A step returns a decision.

use cutaway::prelude::*;

slot!(pub Id: i64 = path "id");

fn wrong(cx: &mut Cx<Reads<Id>>) -> i64 {
    *cx.get(Id)
}

fn main() {
    let _ = chain(wrong);
}
