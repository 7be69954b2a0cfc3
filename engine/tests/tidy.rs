//! The house's rules that no compiler checks: who may know whom, where threads and clocks live,
//! which files are unsafe, what a file may be called and how long it may grow.
//!
//! A check is a function over a path and a text, so each is also shown a text that breaks its rule.
//! `ARCHITECTURE.md` prints the same rules with their reasons.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

#[path = "tidy/examples.rs"]
mod examples;
#[path = "tidy/islands.rs"]
mod islands;
#[path = "tidy/knowledge.rs"]
mod knowledge;
#[path = "tidy/layout.rs"]
mod layout;
#[path = "tidy/papers.rs"]
mod papers;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use std::path::{Path, PathBuf};
use std::process::Command;

use source::Source;

/// What one rule finds wrong with one file; each finding names path and line.
type Check = fn(&Source) -> Vec<String>;

const CHECKS: &[Check] = &[
    layout::no_mod_rs,
    layout::no_banned_name,
    layout::not_too_long,
    layout::opens_with_a_head,
    layout::no_marker_words,
    knowledge::only_the_host_names_glommio,
    knowledge::only_the_clock_reads_the_time,
    knowledge::only_the_stream_is_random,
    knowledge::threads_start_in_their_files,
    knowledge::crates_know_the_left_only,
    knowledge::the_engine_knows_downwards_only,
    islands::unsafe_stands_on_islands_only,
    islands::an_island_opens_with_its_invariants,
    islands::safety_comments_cite_an_invariant,
    islands::an_island_offers_no_unsafe,
];

/// The repository's root.
fn root() -> PathBuf {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR"));
    engine.parent().expect("the engine lies in it").to_owned()
}

/// Every Rust file of the workspace.
fn sources() -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    for crate_folder in ["scheduler", "reactor", "engine", "bench", "loadtest"] {
        collect(&root.join(crate_folder), &mut paths);
    }
    assert!(paths.len() > 50, "the walk lost its way: {paths:?}");
    (paths.iter())
        .map(|path| {
            let text = std::fs::read_to_string(path).expect("a source file is text");
            let inside = path.strip_prefix(&root).expect("found below it");
            Source::new(&inside.to_string_lossy(), &text)
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("a folder of the workspace");
    for entry in entries {
        let path = entry.expect("readable").path();
        // Error texts of programs that must not compile are not code of the house.
        let skipped = ["target", "compile_fail"].map(|name| path.ends_with(name));
        if path.is_dir() && !skipped.contains(&true) {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    paths.sort();
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

#[test]
fn every_source_file_keeps_the_rules() {
    let sources = sources();
    let findings: Vec<String> = (sources.iter())
        .flat_map(|source| CHECKS.iter().flat_map(move |check| check(source)))
        .collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn the_islands_offer_what_is_listed() {
    let listed = include_str!("tidy/islands.txt");
    let findings = islands::offers_what_is_listed(&sources(), listed);
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn what_is_called_is_shown() {
    let listed = include_str!("tidy/without_examples.txt");
    let findings = examples::what_is_called_is_shown(&sources(), listed);
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn every_island_is_there_and_needed() {
    let findings = islands::every_island_is_used(&sources());
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn manifests_depend_on_the_left_only() {
    for name in ["scheduler", "reactor", "engine", "bench", "loadtest"] {
        let path = format!("{name}/Cargo.toml");
        let findings = tree::manifest_keeps_the_chain(&path, &read(&path));
        assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
    }
}

#[test]
fn tokio_is_not_in_the_engines_tree() {
    let cargo = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["tree", "--locked", "--package", "cutaway"]);
        command.args(["--edges", "normal,dev", "--prefix", "none"]);
        command.args(more).current_dir(root());
        command.output().expect("cargo runs: it runs this test")
    };
    // Without the net where that suffices; a first run may have to fetch what other targets need.
    let mut output = cargo(&["--offline"]);
    if !output.status.success() {
        output = cargo(&[]);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree failed: {why}");
    assert!(text.contains("glommio"), "this is not the engine's tree");
    let findings = tree::no_foreign_runtime(&text);
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn the_map_names_every_module() {
    let findings = papers::map_names_every_module(&read("ARCHITECTURE.md"), &sources());
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn the_readme_has_the_two_commands() {
    let readme = read("README.md");
    for command in [
        "cargo run --release --example blog",
        "cargo test --workspace",
    ] {
        assert!(
            readme.contains(command),
            "the README does not say `{command}`"
        );
    }
}

#[test]
fn the_papers_name_files_that_exist() {
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let exists = |path: &str| root().join(path).exists();
        let findings = papers::links_lead_somewhere(name, &read(name), exists);
        assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
    }
}

/// Asserts that a rule refuses one text and lets another pass, both at the same path.
fn assert_told_apart(check: Check, path: &str, violation: &str, good: &str) {
    let found = check(&Source::new(path, violation));
    assert!(!found.is_empty(), "not caught in {path}:\n{violation}");
    let at = format!("{path}:");
    assert!(
        found.iter().all(|finding| finding.starts_with(&at)),
        "{found:?}"
    );
    let found = check(&Source::new(path, good));
    assert!(found.is_empty(), "refused in {path}:\n{good}\n{found:?}");
}
