//! The tool `cutaway`: whether a configuration can be used, and which keys there are.
//!
//! Two words need no parser of command lines, so none is a dependency of whoever uses the library.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use cutaway::{Config, config};

const USAGE: &str = "\
usage:
  cutaway check FILE   tells everything that is wrong with a configuration file
  cutaway keys         prints every key with its default and its range, as Markdown
";

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let command = words.first().and_then(|word| word.to_str());
    match (command, words.get(1..).unwrap_or_default()) {
        (Some("check"), [file]) => check(Path::new(file)),
        (Some("keys"), []) => print(&config::page()),
        (Some("help" | "-h" | "--help"), []) => print(USAGE),
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// One fault a line, each beginning with its place, as editors and other tools expect it.
fn check(file: &Path) -> ExitCode {
    match Config::new().file(file).check() {
        Ok(()) => print(&format!("{}: good\n", file.display())),
        Err(refused) => {
            for fault in refused.faults() {
                eprintln!("{fault}");
            }
            ExitCode::FAILURE
        }
    }
}

/// A reader that leaves early, like `head`, is no fault of what was asked for.
fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("cannot print: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
