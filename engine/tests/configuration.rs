//! The tool `cutaway` as a user starts it, and the page that it prints.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn cutaway(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cutaway"))
        .args(words)
        .output()
        .unwrap()
}

/// A file that goes with its test.
struct Scratch(PathBuf);

impl Scratch {
    fn file(name: &str, text: &str) -> Scratch {
        let name = format!("cutaway-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Scratch(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_good_file_is_called_good() {
    let text = "[limits]\nhead_bytes_max = '8 KiB'\n[resources.Anything]\nreaders = 3\n";
    let file = Scratch::file("good.toml", text);
    let output = cutaway(&["check", file.path()]);
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, format!("{}: good\n", file.path()));
    assert!(output.stderr.is_empty());
}

#[test]
fn every_fault_of_a_bad_file_is_a_line() {
    let text = "[limits]\nhead_byte_max = 1\nfields_max = 0\n[server]\nshards =\n";
    let file = Scratch::file("bad.toml", text);
    let output = cutaway(&["check", file.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = "\
FILE:2:1: unknown key `limits.head_byte_max`; did you mean `limits.head_bytes_max`?
FILE:3:14: `limits.fields_max` is 0; it takes 1 to 128
FILE:5:9: there is no value
";
    assert_eq!(said, expected.replace("FILE", file.path()));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = cutaway(&["check", "/nowhere/blog.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("/nowhere/blog.toml: cannot be read: "),
        "{said}"
    );
}

#[test]
fn words_that_mean_nothing_are_answered_with_those_that_do() {
    for words in [&[][..], &["chekc"], &["check"], &["keys", "x"]] {
        let output = cutaway(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("cutaway check FILE"), "{said}");
    }
    assert_eq!(cutaway(&["--help"]).status.code(), Some(0));
}

#[test]
fn the_page_of_keys_is_current() {
    let output = cutaway(&["keys"]);
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(
        printed == kept,
        "engine/docs/configuration.md is old; it is made by\n  \
         cargo run -p cutaway -- keys > engine/docs/configuration.md"
    );
}
