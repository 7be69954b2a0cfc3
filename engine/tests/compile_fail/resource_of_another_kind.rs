//! A resource is given as the kind that it was declared with.

use cutaway::prelude::*;

resource!(pub Blog: Sqlite);

fn main() {
    let _ = Routes::new().resource(Blog, "blog.db");
}
