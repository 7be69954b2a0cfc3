//! A slot of a query field holds what is read from text.

use cutaway::prelude::*;

pub struct Version;

slot!(pub At: Option<Version> = query "at");

fn main() {}
