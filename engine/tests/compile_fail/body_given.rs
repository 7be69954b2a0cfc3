//! The request's content is the engine's own resource: nobody can give it, or another one of its kind.

use cutaway::prelude::*;

fn main() {
    let _ = Routes::new().resource(Body, Body);
}
