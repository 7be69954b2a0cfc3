//! A step serves requests of any lifetime; one for `'static` could keep what it borrows.

use cutaway::prelude::*;

slot!(pub Id: i64 = path "id");

fn wrong(cx: &mut Cx<'static, Reads<Id>>) {
    let _ = cx.get(Id);
}

fn main() {
    let _ = chain(wrong);
}
