//! A step takes a `Cx`.

use cutaway::prelude::*;

fn wrong(number: u32) -> Step {
    let _ = number;
    Continue
}

fn main() {
    let _ = chain(wrong);
}
