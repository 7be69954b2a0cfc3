//! A slot has a type.

use cutaway::prelude::*;

slot!(pub Title);

fn main() {}
