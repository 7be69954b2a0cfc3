//! The numbered examples: the tests at their feet, and the very lines that their heads tell to try.
//!
//! Each example is started as its head says, and each `curl` line of the head is run by a shell as it
//! stands there, but for the port. What it prints must be what the head says it prints; `…` stands for
//! anything. The program prints the same lines itself.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "each example has its flags for itself when it runs"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use harness::Scratch;

#[path = "harness/server.rs"]
#[expect(dead_code, reason = "only its scratch directory is needed")]
mod harness;

macro_rules! examples {
    ($($name:ident $path:literal)+) => {
        $(
            #[path = $path]
            #[expect(dead_code, reason = "its `main` runs in the example")]
            mod $name;
        )+

        const EXAMPLES: &[&str] = &[$($path),+];
    };
}

examples! {
    hello "../examples/01_hello.rs"
    slots "../examples/02_slots.rs"
    sqlite "../examples/03_sqlite.rs"
    join_and_race "../examples/04_join_and_race.rs"
    deadlines "../examples/05_deadlines.rs"
    shared_chains "../examples/06_shared_chains.rs"
    errors "../examples/07_errors.rs"
    testing "../examples/08_testing.rs"
    uploads "../examples/09_uploads.rs"
}

/// Where the heads say that an example listens.
const ADDRESS: &str = "127.0.0.1:8080";

/// One line to try, and what it prints.
#[derive(Debug)]
struct Trial {
    line: String,
    printed: String,
}

/// The lines to try of a head.
fn trials(source: &str) -> Vec<Trial> {
    let head = source.lines().map_while(|line| line.strip_prefix("//!"));
    let listing = head
        .skip_while(|line| line.trim() != "```text")
        .skip(1)
        .take_while(|line| line.trim() != "```");
    let mut trials: Vec<Trial> = Vec::new();
    for line in listing.map(str::trim) {
        if line.starts_with("curl ") {
            let line = line.to_owned();
            let printed = String::new();
            trials.push(Trial { line, printed });
        } else if let Some(trial) = trials.last_mut() {
            trial.printed.push_str(line);
        }
    }
    trials
}

/// Whether the text is what was expected, where `…` stands for anything.
fn is_as_said(text: &str, expected: &str) -> bool {
    match expected.split_once('…') {
        None => text == expected,
        Some((begin, end)) => {
            text.len() >= begin.len() + end.len() && text.starts_with(begin) && text.ends_with(end)
        }
    }
}

/// An example that runs, in a directory of its own.
struct Running {
    child: Child,
    told: Vec<String>,
    address: String,
}

impl Running {
    /// Starts it and reads the lines that it prints, as many as there are to try.
    fn start(program: &Path, scratch: &Scratch, trials_count: usize) -> Running {
        let mut child = Command::new(program)
            .args(["--addr", "127.0.0.1:0", "--shards", "1", "--trace", "off"])
            .current_dir(scratch.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told: Vec<String> = lines.take(trials_count).map(Result::unwrap).collect();
        let after = told.first().and_then(|line| line.split_once("http://"));
        let Some((_, rest)) = after else {
            panic!("{} has not started: {}", program.display(), end(child).1);
        };
        let address = rest.split('/').next().unwrap().to_owned();
        Running {
            child,
            told,
            address,
        }
    }
}

/// Waits for its end: whether it was in order, and what was said on standard error.
fn end(mut child: Child) -> (bool, String) {
    let mut said = String::new();
    (child.stderr.take().unwrap())
        .read_to_string(&mut said)
        .unwrap();
    (child.wait().unwrap().success(), said)
}

/// Runs a line as a user's shell does.
fn shell(line: &str, scratch: &Scratch) -> String {
    let ran = Command::new("sh")
        .args(["-c", line])
        // Where curl looks for its settings: none of the user's, and an end to waiting.
        .env("CURL_HOME", scratch.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{line}: {said}");
    String::from_utf8(ran.stdout).unwrap()
}

/// The examples as programs, built as this test is.
fn built() -> Vec<(&'static str, PathBuf)> {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let names = EXAMPLES.iter().map(|path| {
        let name = Path::new(path).file_stem().unwrap();
        name.to_str().unwrap()
    });
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--package", "cutaway"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    build.arg("--target-dir").arg(profile.parent().unwrap());
    for name in names.clone() {
        build.args(["--example", name]);
    }
    assert!(
        build.status().unwrap().success(),
        "the examples do not build"
    );
    let folder = profile.join("examples");
    names.map(|name| (name, folder.join(name))).collect()
}

#[test]
fn every_line_of_a_head_does_what_it_says() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("SKIPPED curl: apt-get install curl");
        return;
    }
    for (name, program) in built() {
        let scratch = Scratch::new("examples");
        fs::write(
            scratch.join(".curlrc"),
            "silent\nshow-error\nmax-time = 10\n",
        )
        .unwrap();
        let path = format!("{}/examples/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        let trials = trials(&fs::read_to_string(path).unwrap());
        assert!(!trials.is_empty(), "{name} has nothing to try");

        let running = Running::start(&program, &scratch, trials.len());
        for (trial, told) in trials.iter().zip(&running.told) {
            let line = trial.line.replace(ADDRESS, &running.address);
            assert_eq!(&line, told, "{name} tells another line than its head");
            let printed = shell(&line, &scratch);
            assert!(
                is_as_said(printed.trim_end(), &trial.printed),
                "{name}: {line}\nprints  {printed}\nand not {}",
                trial.printed
            );
        }
        shell(&format!("kill -TERM {}", running.child.id()), &scratch);
        let (is_in_order, said) = end(running.child);
        assert!(is_in_order, "{name} does not end in order: {said}");
    }
}

/// Whoever adds an example adds it here.
#[test]
fn every_numbered_example_is_tried() {
    let folder = format!("{}/examples", env!("CARGO_MANIFEST_DIR"));
    let names = fs::read_dir(folder).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.starts_with(|first: char| first.is_ascii_digit())
            .then(|| format!("../examples/{name}"))
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, EXAMPLES);
}

#[test]
fn a_head_is_read_as_it_stands() {
    let source = "//! Head.\n//!\n//! ```text\n//! cargo run\n//! curl a\n//! one\n//! curl b\n\
                  //! ```\n//!\n//! curl c\n\nfn main() {}\n//! curl d\n";
    let read: Vec<_> = (trials(source).into_iter())
        .map(|trial| (trial.line, trial.printed))
        .collect();
    let pair = |line: &str, printed: &str| (line.to_owned(), printed.to_owned());
    assert_eq!(read, [pair("curl a", "one"), pair("curl b", "")]);
    assert!(is_as_said("id 7 end", "id … end") && !is_as_said("id end", "id … end"));
    assert!(is_as_said("one", "one") && !is_as_said("one", "two"));
}
