//! A slot of a JSON body holds what serde can read.

use cutaway::prelude::*;

pub struct PostInput<'r> {
    pub title: &'r str,
}

slot!(pub NewPost<'r>: PostInput<'r> = body json);

fn main() {}
