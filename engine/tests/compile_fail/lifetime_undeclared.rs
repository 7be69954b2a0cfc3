//! The lifetime of a slot stands behind its name.

use cutaway::prelude::*;

slot!(pub Title: &'r str);

fn main() {}
