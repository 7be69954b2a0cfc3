//! Nobody but the engine says how a slot is kept: memory safety rests on it.

use cutaway::ctx::Store;

pub struct Leaking;

impl Store for Leaking {
    type Value<'r> = Vec<&'r str>;
    const IS_DROPPED: bool = true;
}

fn main() {}
