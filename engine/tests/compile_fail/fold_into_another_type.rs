//! A fold fills a slot of the type that it adds to.

use cutaway::prelude::*;

slot!(pub Length: u64);

fn measure(cx: &mut Cx<Writes<Length>, Uses<Body>>) -> Step {
    cx.need(cx.body().fold(0_usize, add).into(Length))
}

fn add(length: &mut usize, piece: &[u8]) -> Result<(), cutaway::Failure> {
    *length += piece.len();
    Ok(())
}

fn main() {}
