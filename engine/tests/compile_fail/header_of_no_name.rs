//! The name of a header is a token.

use cutaway::prelude::*;

slot!(pub Agent<'r>: &'r str = header "user agent:");

fn main() {}
