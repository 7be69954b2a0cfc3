//! What borrows from the request does not outlive it.

use cutaway::prelude::*;

use std::cell::Cell;

slot!(pub Title<'r>: &'r str);

thread_local!(static KEPT: Cell<&'static str> = const { Cell::new("") });

fn keep(cx: &mut Cx<Reads<Title>>) {
    KEPT.set(*cx.get(Title));
}

fn main() {}
