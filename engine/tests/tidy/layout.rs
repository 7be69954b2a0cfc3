//! What a file may be called, how it begins, and how long it may grow.

use crate::source::{Source, contains_word};

/// The lines of code of a file, tests, comments and blank lines not counted.
const CODE_LINES_MAX: usize = 500;

/// Names that say nothing of what is inside.
const BANNED: [&str; 9] = [
    "util", "utils", "helper", "helpers", "common", "misc", "manager", "types", "impls",
];

/// The file is the folder's interface: `foo.rs` beside `foo/`.
pub fn no_mod_rs(source: &Source) -> Vec<String> {
    let is_mod = source.path.ends_with("/mod.rs");
    report(
        source,
        is_mod,
        "call it by its folder's name, beside the folder",
    )
}

pub fn no_banned_name(source: &Source) -> Vec<String> {
    let stem = (source.path.rsplit('/').next()).and_then(|name| name.strip_suffix(".rs"));
    let stem = stem.unwrap_or_default();
    let is_banned = stem.split('_').any(|word| BANNED.contains(&word));
    report(source, is_banned, "the name does not say what is inside")
}

/// The centre that grows without bound is where other projects went wrong.
pub fn not_too_long(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let count = source
        .code
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count();
    let sentence = format!("{count} lines of code, more than {CODE_LINES_MAX}: split it");
    report(source, count > CODE_LINES_MAX, &sentence)
}

pub fn opens_with_a_head(source: &Source) -> Vec<String> {
    // A module of tests is introduced by the file that it tests.
    let is_headless = !source.text.starts_with("//! ") && !source.path.ends_with("/tests.rs");
    report(
        source,
        is_headless,
        "open with `//!` and what the file is for",
    )
}

/// Work that is not done is not in the code.
pub fn no_marker_words(source: &Source) -> Vec<String> {
    // Spelled in halves, so that this file does not find itself.
    let markers = [
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("X", "XX"),
        concat!("HA", "CK"),
    ];
    let is_marked = |line: &str| markers.iter().any(|word| contains_word(line, word));
    (source.text.lines().enumerate())
        .filter(|(_, line)| is_marked(line))
        .map(|(index, _)| source.finding(index, "do it, or say why it is so"))
        .collect()
}

fn report(source: &Source, is_wrong: bool, sentence: &str) -> Vec<String> {
    is_wrong
        .then(|| source.finding(0, sentence))
        .into_iter()
        .collect()
}

#[test]
fn violations_are_caught() {
    use crate::assert_told_apart;

    let good = "//! Head.\n";
    for (path, check) in [
        ("engine/src/http/mod.rs", no_mod_rs as crate::Check),
        ("engine/src/utils.rs", no_banned_name),
        ("engine/src/row_helpers.rs", no_banned_name),
    ] {
        assert!(!check(&Source::new(path, good)).is_empty(), "{path}");
    }
    for path in ["engine/src/http/model.rs", "engine/src/subtypes.rs"] {
        let source = Source::new(path, good);
        assert_eq!(no_mod_rs(&source), no_banned_name(&source), "{path}");
    }
    let path = "engine/src/a.rs";
    let code = "let a = 1;\n";
    let long = code.repeat(CODE_LINES_MAX);
    let remarks = "// A remark.\n\n".repeat(CODE_LINES_MAX);
    assert_told_apart(
        not_too_long,
        path,
        &format!("{long}{code}"),
        &format!("{long}{remarks}"),
    );
    assert_told_apart(opens_with_a_head, path, "use a;\n", good);
    let marked = format!("// {}: later\n", concat!("TO", "DO"));
    assert_told_apart(no_marker_words, path, &marked, "// AUTODOC\n");
}
