//! A slot that borrows must not need Drop: nothing would drop it.

use cutaway::prelude::*;

slot!(pub Names<'r>: Vec<&'r str>);

fn main() {}
