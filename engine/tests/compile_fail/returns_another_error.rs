//! A step that fails says with which status.

use std::io;

use cutaway::prelude::*;

fn wrong(_: &mut Cx) -> Result<Decision, io::Error> {
    Err(io::Error::other("no disk"))
}

fn main() {
    let _ = chain(wrong);
}
