//! Content that goes into a file gives a `StoredFile`.

use cutaway::prelude::*;

resource!(pub Uploads: Directory);
slot!(pub Length: u64);

fn save(cx: &mut Cx<Writes<Length>, Uses<(Body, Uploads)>>) -> Step {
    cx.need(cx.body().to_file(cx.on(Uploads).file("a")).into(Length))
}

fn main() {
    let _ = chain(save);
}
