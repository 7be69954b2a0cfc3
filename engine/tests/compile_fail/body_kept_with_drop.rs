//! A body that borrows cannot hold a list that must be dropped: such a body is owned.

use cutaway::prelude::*;

#[derive(serde::Deserialize)]
pub struct PostInput<'r> {
    #[serde(borrow)]
    pub tags: Vec<&'r str>,
}

slot!(pub NewPost<'r>: PostInput<'r> = body json);

fn main() {}
