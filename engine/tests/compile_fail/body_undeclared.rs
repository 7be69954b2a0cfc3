//! A step takes the content only where it declares that it does.

use cutaway::prelude::*;

slot!(pub Upload: Vec<u8>);

fn receive(cx: &mut Cx<Writes<Upload>>) -> Step {
    cx.need(cx.body().bytes().into(Upload))
}

fn main() {
    let _ = chain(receive);
}
