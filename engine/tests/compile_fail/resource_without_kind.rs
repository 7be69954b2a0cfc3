//! A resource has a kind.

use cutaway::prelude::*;

resource!(pub Blog);

fn main() {}
