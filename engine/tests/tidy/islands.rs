//! Where `unsafe` may stand, and what an island owes.

use crate::source::Source;

/// The files that opt in to `unsafe` (invariant 5), each by `#[expect(unsafe_code, …)]` at its
/// `mod` line. Tests and peers that need one opt in for themselves.
const ISLANDS: &[&str] = &[
    "reactor/src/buffers.rs",
    "reactor/src/clock.rs",
    "reactor/src/uring.rs",
    "reactor/src/uring/message.rs",
    "reactor/src/uring/queue.rs",
    "reactor/src/waker.rs",
    "reactor/src/worker/place.rs",
    "reactor/src/worker/spsc.rs",
    "engine/src/ctx/arena.rs",
    "engine/src/ctx/frame.rs",
    "engine/src/ctx/frame/ending.rs",
    "engine/src/ctx/frame/need.rs",
    "engine/src/effect/sqlite/connection.rs",
    "engine/src/effect/sqlite/memory.rs",
    "engine/src/shard/host.rs",
    "loadtest/src/peers/bare.rs",
    "loadtest/src/peers/bare/buffers.rs",
];

fn is_island(source: &Source) -> bool {
    ISLANDS.contains(&source.path.as_str())
}

/// Invariant 5.
pub fn unsafe_stands_on_islands_only(source: &Source) -> Vec<String> {
    if is_island(source) || source.is_test() {
        return Vec::new();
    }
    source.find_words(&["unsafe"], "`unsafe` stands on the listed islands only")
}

/// An island that was emptied leaves the list.
pub fn every_island_is_used(sources: &[Source]) -> Vec<String> {
    let uses = |path: &&&str| {
        let mut found = sources.iter().filter(|source| source.path == ***path);
        found.any(|source| !source.find_words(&["unsafe"], "").is_empty())
    };
    (ISLANDS.iter())
        .filter(|path| !uses(path))
        .map(|path| format!("{path}:1: listed as an island, but has no `unsafe`"))
        .collect()
}

pub fn an_island_opens_with_its_invariants(source: &Source) -> Vec<String> {
    if is_island(source) && invariant_count(source) == 0 {
        return vec![source.finding(0, "open with `Invariants` as a numbered list")];
    }
    Vec::new()
}

/// Each justification names the invariant it rests on, by number, or says that it passes on its
/// caller's promise, or why it needs none.
pub fn safety_comments_cite_an_invariant(source: &Source) -> Vec<String> {
    if !is_island(source) {
        return Vec::new();
    }
    let count = invariant_count(source);
    let mut findings = Vec::new();
    let lines: Vec<&str> = source.text.lines().collect();
    for (index, _) in (lines.iter().enumerate()).filter(|(_, line)| line.contains("// SAFETY:")) {
        let block = lines[index..]
            .iter()
            .take_while(|line| line.trim().starts_with("//"));
        let text: String = block
            .flat_map(|line| [line.trim().trim_start_matches('/'), " "])
            .collect();
        let cited = numbers(&text);
        let stands_alone = ["needs nothing", "caller's promise", "as above"]
            .iter()
            .any(|word| text.contains(word));
        if cited.is_empty() && !stands_alone {
            let sentence = "cite an invariant by its number, or say why it `needs nothing`";
            findings.push(source.finding(index, sentence));
        }
        if cited.iter().any(|number| *number > count) {
            findings.push(source.finding(index, "there is no invariant of this number"));
        }
    }
    findings
}

/// A safe interface only: nobody outside has to keep a promise that a compiler cannot see. What an
/// island's own folder shares (`pub(super)`, `pub(in …)`) is inside.
pub fn an_island_offers_no_unsafe(source: &Source) -> Vec<String> {
    if !is_island(source) {
        return Vec::new();
    }
    let words = ["pub unsafe", "pub(crate) unsafe"];
    source.find_words(&words, "an island offers safe functions only")
}

/// How many invariants the head lists.
fn invariant_count(source: &Source) -> usize {
    let head = source
        .text
        .lines()
        .take_while(|line| line.starts_with("//!"));
    head.skip_while(|line| !line.contains("nvariants"))
        .filter_map(|line| line.trim_start_matches("//!").trim().split_once(". "))
        .filter_map(|(number, _)| number.parse().ok())
        .max()
        .unwrap_or(0)
}

/// The small whole numbers that stand alone in a text.
fn numbers(text: &str) -> Vec<usize> {
    (text.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// The list of what the islands offer, one `path: item` a line, against what they do offer. Whoever
/// widens an island's interface changes the list too, and so sees what is to be upheld.
pub fn offers_what_is_listed(sources: &[Source], listed: &str) -> Vec<String> {
    let mut offered: Vec<String> = (sources.iter())
        .filter(|source| is_island(source))
        .flat_map(public_items)
        .collect();
    let mut listed: Vec<String> = listed.lines().map(str::to_owned).collect();
    offered.sort();
    offered.dedup();
    listed.sort();
    let extra = offered.iter().filter(|item| !listed.contains(item));
    let missing = listed.iter().filter(|item| !offered.contains(item));
    extra
        .map(|item| format!("{item}  <- not in engine/tests/tidy/islands.txt"))
        .chain(missing.map(|item| format!("{item}  <- listed, but no longer there")))
        .collect()
}

/// What a file offers beyond its own folder, as `path: kind name`.
fn public_items(source: &Source) -> Vec<String> {
    let kinds = ["fn", "struct", "enum", "trait", "type", "const", "static"];
    let item = |line: &str| {
        let rest = line.trim().strip_prefix("pub")?;
        let rest = rest.strip_prefix("(crate)").unwrap_or(rest);
        let mut words = rest.strip_prefix(' ')?.split_whitespace().peekable();
        while words
            .peek()
            .is_some_and(|word| ["async", "unsafe", "extern"].contains(word))
        {
            words.next();
        }
        let mut kind = words.next()?;
        if kind == "const" && words.peek() == Some(&"fn") {
            kind = words.next()?;
        }
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let name = words.next()?.split(|c| !is_name(c)).next()?;
        let kind = kinds.contains(&kind).then_some(kind)?;
        Some(format!("{}: {kind} {name}", source.path))
    };
    source.code.lines().filter_map(item).collect()
}

const ISLAND: &str = "reactor/src/waker.rs";

#[test]
fn violations_are_caught() {
    use crate::assert_told_apart as told;

    let path = "engine/src/shard/turn.rs";
    told(
        unsafe_stands_on_islands_only,
        path,
        "unsafe { a() }",
        "// unsafe\n\"unsafe\"; unsafe_a()",
    );
    let head = "//! Head. Invariants:\n//! 1. One\n//!    of 9 lines.\n";
    told(
        an_island_opens_with_its_invariants,
        ISLAND,
        "//! Head.\n",
        head,
    );
    let said = |comment: &str| format!("{head}\n{comment}\nunsafe {{ a() }}\n");
    let cited = "// SAFETY: the descriptor is fresh,\n// by 1.\nunsafe { b() }";
    let good = said(&format!(
        "{cited}\n// SAFETY: needs nothing: takes an integer."
    ));
    for bad in ["// SAFETY: trust me.", "// SAFETY: by 2."] {
        let bad = said(&format!("{cited}\n{bad}"));
        told(safety_comments_cite_an_invariant, ISLAND, &bad, &good);
    }
    for bad in ["pub unsafe fn a() {}", "pub(crate) unsafe fn a() {}"] {
        told(
            an_island_offers_no_unsafe,
            ISLAND,
            bad,
            "unsafe fn a() {}\npub fn b() {}",
        );
    }
}

#[test]
fn a_wider_island_is_noticed_and_a_deserted_one_too() {
    let island = Source::new(
        ISLAND,
        "pub struct A;\nimpl A {\n    pub const fn b<T>() {}\n    pub(super) fn c() {}\n    fn d() {}\n}",
    );
    let listed = format!("{ISLAND}: struct A\n{ISLAND}: fn b\n");
    let sources = [island];
    assert_eq!(offers_what_is_listed(&sources, &listed), [""; 0]);
    let narrow = listed.replace(&format!("{ISLAND}: fn b\n"), "");
    assert_eq!(offers_what_is_listed(&sources, &narrow).len(), 1);
    let wide = format!("{listed}{ISLAND}: fn e\n");
    assert_eq!(offers_what_is_listed(&sources, &wide).len(), 1);
    assert_eq!(every_island_is_used(&sources).len(), ISLANDS.len());
    let inhabited = [Source::new(ISLAND, "unsafe { a() }")];
    assert_eq!(every_island_is_used(&inhabited).len(), ISLANDS.len() - 1);
}
