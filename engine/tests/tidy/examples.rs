//! What a user calls has an example that runs.

use crate::source::Source;

/// Every public function of the libraries shows itself in use, in an example of its own or in its
/// type's, unless it is listed: as a folder, as a file, or by its name. An entry that excuses nothing
/// is a finding too.
pub fn what_is_called_is_shown(sources: &[Source], listed: &str) -> Vec<String> {
    let is_entry = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let mut entries: Vec<(&str, bool)> = (listed.lines().map(str::trim))
        .filter(is_entry)
        .map(|line| (line, false))
        .collect();
    let mut findings = Vec::new();
    for source in sources {
        if !source.is_in_src_of(&["scheduler", "reactor", "engine"]) || source.is_test() {
            continue;
        }
        for (index, name) in unshown(source) {
            let named = format!("{}: fn {name}", source.path);
            let is_excused = |entry: &str| entry == named || source.path.starts_with(entry);
            match entries.iter_mut().find(|(entry, _)| is_excused(entry)) {
                Some((_, is_used)) => *is_used = true,
                None => {
                    let sentence = format!("`{name}` has no example, and is not listed as without");
                    findings.push(source.finding(index, &sentence));
                }
            }
        }
    }
    let unused = entries.iter().filter(|(_, is_used)| !is_used);
    findings.extend(unused.map(|(entry, _)| format!("listed without need: {entry}")));
    findings
}

/// The public functions without an example: in which line, and how they are called.
fn unshown(source: &Source) -> Vec<(usize, &str)> {
    let text: Vec<&str> = source.text.lines().map(str::trim).collect();
    let of_types = examples_of_types(&text);
    (source.code.lines().enumerate())
        .filter_map(|(index, line)| {
            let line = line.trim();
            let rest = line.strip_prefix("pub ")?;
            let rest = rest.strip_prefix("const ").unwrap_or(rest);
            rest.strip_prefix("fn ")?;
            let after = text[index].split_once("fn ")?.1;
            let name = after.split(['(', '<']).next()?;
            let is_shown = !examples(&text[..index]).is_empty() || calls(&of_types, name);
            (!is_shown).then_some((index, name))
        })
        .collect()
}

/// What the examples of the file's types say: where one shows several methods at work together, they
/// need not be shown again one by one.
fn examples_of_types<'a>(text: &[&'a str]) -> Vec<&'a str> {
    let is_type = |line: &str| {
        let rest = line.strip_prefix("pub ").unwrap_or_default();
        ["struct ", "enum ", "trait "]
            .iter()
            .any(|word| rest.starts_with(word))
    };
    (text.iter().enumerate())
        .filter(|(_, line)| is_type(line))
        .flat_map(|(index, _)| examples(&text[..index]))
        .collect()
}

/// Whether a function or method of that name is called there.
fn calls(lines: &[&str], name: &str) -> bool {
    let is_call = |line: &&str, separator| {
        (line.match_indices(&format!("{separator}{name}")))
            .any(|(at, found)| line[at + found.len()..].starts_with(['(', ':']))
    };
    (lines.iter()).any(|line| is_call(line, ".") || is_call(line, "::"))
}

/// The lines of the compiled blocks in the documentation at the end of these lines.
fn examples<'a>(above: &[&'a str]) -> Vec<&'a str> {
    let mut documentation = Vec::new();
    let mut is_in_attribute = false;
    for line in above.iter().rev() {
        // Attributes stand between a function and its documentation, some on several lines.
        is_in_attribute = !line.starts_with("#[") && (line.ends_with(")]") || is_in_attribute);
        match line.strip_prefix("///") {
            Some(words) => documentation.push(words),
            None if line.starts_with("#[") || is_in_attribute => {}
            None => break,
        }
    }
    let is_compiled = |word: &str| matches!(word, "" | "no_run" | "should_panic");
    let mut shown = Vec::new();
    let mut block = None;
    for line in documentation.into_iter().rev() {
        match (line.strip_prefix(" ```"), block) {
            (Some(words), None) => block = Some(words.split(',').all(is_compiled)),
            (Some(_), Some(_)) => block = None,
            (None, Some(true)) => shown.push(line),
            (None, _) => {}
        }
    }
    shown
}

#[test]
fn violations_are_caught() {
    let check = |text: &str, listed: &str| {
        let source = Source::new("engine/src/a/b.rs", text);
        what_is_called_is_shown(&[source], listed).len()
    };
    let bare = "/// Gives.\npub fn a() {}\n";
    let shown = "/// Gives.\n///\n/// ```\n/// a();\n/// ```\n#[inline]\npub const fn a() {}\n";
    let long = "/// ```no_run\n/// a();\n/// ```\n#[allow(\n    dead_code,\n    reason = \"\"\n)]\npub fn a() {}\n";
    assert_eq!(check(bare, ""), 1);
    assert_eq!(check(shown, ""), 0);
    assert_eq!(check(long, ""), 0);
    assert_eq!(
        check("/// ```text\n/// a();\n/// ```\npub fn a() {}\n", ""),
        1
    );
    assert_eq!(
        check("/// ```\n/// a();\n/// ```\nfn b() {}\npub fn a() {}\n", ""),
        1
    );
    let by_its_type = "/// ```\n/// A.a();\n/// ```\npub struct A;\n\npub fn a() {}\n";
    assert_eq!(check(by_its_type, ""), 0);
    assert_eq!(check(&by_its_type.replace("A.a", "A.ab"), ""), 1);
    assert_eq!(
        check(&by_its_type.replace("struct A", "const A: u8"), ""),
        1
    );
    assert_eq!(check("pub(crate) fn a() {}\nfn b() {}\n", ""), 0);
    for entry in [
        "engine/src/a/",
        "engine/src/a/b.rs",
        "engine/src/a/b.rs: fn a",
    ] {
        assert_eq!(check(bare, entry), 0);
        assert_eq!(check(shown, &format!("# Why.\n{entry}")), 1);
    }
    assert_eq!(check(bare, "engine/src/a/b.rs: fn c"), 2);
}
