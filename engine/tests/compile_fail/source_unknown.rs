//! A slot is read from the sources there are.

use cutaway::prelude::*;

slot!(pub Input: String = body xml);

fn main() {}
