//! A slot of a list that borrows says so.

use cutaway::prelude::*;

slot!(pub Posts: &[(i64, &str)]);

fn main() {}
