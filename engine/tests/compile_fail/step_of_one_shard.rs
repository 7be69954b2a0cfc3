//! All shards share a route: what its steps keep can be shared.

use std::cell::Cell;

use cutaway::prelude::*;

fn main() {
    let count = Cell::new(0);
    let _ = chain(move |_: &mut Cx| count.set(count.get() + 1));
}
