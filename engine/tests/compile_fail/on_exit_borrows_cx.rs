//! A callback has no context: the request's code is over when it runs.

use cutaway::prelude::*;

fn watch(cx: &mut Cx) {
    let seen = &*cx;
    seen.request();
    cx.on_exit(move |_| println!("{}", seen.request().path()));
}

fn main() {}
