//! A path slot's type is read from text.

use cutaway::prelude::*;

pub struct Version;

slot!(pub At: Version = path "at");

fn main() {}
