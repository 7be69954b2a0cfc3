//! Who writes files need not take the request's content.

use cutaway::prelude::*;

resource!(pub Uploads: Directory);
slot!(pub Saved: StoredFile);

fn save(cx: &mut Cx<Writes<Saved>, Uses<Uploads>>) -> Step {
    cx.need(cx.body().to_file(cx.on(Uploads).file("a")).into(Saved))
}

fn main() {
    let _ = chain(save);
}
