//! A resource is of a kind that the engine performs effects on.

use cutaway::prelude::*;

pub struct Postgres;

resource!(pub Blog: Postgres);

fn main() {}
