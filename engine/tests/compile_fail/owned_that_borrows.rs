//! A slot that borrows says so.

use cutaway::prelude::*;

slot!(pub Title: &str);

fn main() {}
