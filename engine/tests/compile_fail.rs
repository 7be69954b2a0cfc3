//! What the compiler must refuse, and in which words: they are part of the product.
//!
//! `TRYBUILD=overwrite cargo test -p cutaway --test compile_fail` writes the words anew; read them
//! before they are committed.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use std::process::Command;

#[test]
fn the_compiler_refuses_and_says_why() {
    // The compiler's own half of each text changes from version to version.
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output();
    let version = String::from_utf8(version.expect("a compiler is at hand").stdout).unwrap();
    if !version.starts_with("rustc 1.95.") {
        eprintln!("texts are compared on 1.95 only, this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
