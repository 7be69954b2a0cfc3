//! A borrowed slot borrows from the request, not from the step.

use cutaway::prelude::*;

slot!(pub Title<'r>: &'r str);

fn name(cx: &mut Cx<Writes<Title>>) {
    let title = String::from("hello");
    cx.put(Title, &title);
}

fn main() {}
