//! A clause names so many slots and no more.

use cutaway::prelude::*;

slot!(pub A: u8);
slot!(pub B: u8);
slot!(pub C: u8);
slot!(pub D: u8);
slot!(pub E: u8);
slot!(pub F: u8);
slot!(pub G: u8);
slot!(pub H: u8);
slot!(pub I: u8);
slot!(pub J: u8);
slot!(pub K: u8);
slot!(pub L: u8);
slot!(pub M: u8);

fn all(_: &mut Cx<Writes<(A, B, C, D, E, F, G, H, I, J, K, L, M)>>) {}

fn main() {
    let _ = chain(all);
}
