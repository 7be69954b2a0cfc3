//! Nobody but the engine says what a step may read: memory safety rests on it.

use cutaway::prelude::*;

use cutaway::ctx::list::{Cons, Here, Nil, Readable};

slot!(pub PostId: i64);
slot!(pub Post: String);

impl Readable<Cons<PostId, Nil>, Here> for Post {}

fn main() {}
