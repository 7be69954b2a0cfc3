//! The papers keep up with the code.

use crate::source::Source;

/// Each module that lies at the top of a library's `src` stands in the map as `name.rs` or `name/`.
pub fn map_names_every_module(map: &str, sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for name in ["scheduler", "reactor", "engine"] {
        let folder = format!("{name}/src/");
        // What the map says of a crate begins at its heading and ends at the next one.
        let heading = format!("### `{name}/`");
        let part = map
            .split("\n### ")
            .find(|part| format!("### {part}").starts_with(&heading));
        let Some(part) = part else {
            findings.push(format!(
                "ARCHITECTURE.md:1: no part of the map is headed {heading}"
            ));
            continue;
        };
        for source in sources {
            let Some(file) = source.path.strip_prefix(&folder) else {
                continue;
            };
            if file.contains('/') {
                continue;
            }
            let stem = file.trim_end_matches(".rs");
            if !part.contains(&format!("`{file}`")) && !part.contains(&format!("`{stem}/`")) {
                findings.push(format!(
                    "ARCHITECTURE.md:1: the map does not name {folder}{file}"
                ));
            }
        }
    }
    findings
}

/// A link to a file of the repository leads to one.
pub fn links_lead_somewhere(name: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for rest in line.split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap_or_default();
            let is_file = !target.is_empty() && !target.contains("://");
            if is_file && !exists(target) {
                findings.push(format!("{name}:{}: there is no {target}", index + 1));
            }
        }
    }
    findings
}

#[test]
fn violations_are_caught() {
    let sources = [
        Source::new("scheduler/src/ready.rs", ""),
        Source::new("scheduler/src/wheel.rs", ""),
        Source::new("scheduler/src/wheel/tests.rs", ""),
    ];
    let rest = "\n### `reactor/`\n\n### `engine/`\n`ready.rs`";
    let whole = format!("\n### `scheduler/`\n`ready.rs`, `wheel/`{rest}");
    assert_eq!(map_names_every_module(&whole, &sources), [""; 0]);
    let partial = format!("\n### `scheduler/`\n`wheel.rs`{rest}");
    assert_eq!(map_names_every_module(&partial, &sources).len(), 1);
    assert_eq!(map_names_every_module("", &sources).len(), 3);

    let exists = |path: &str| path == "a.md";
    let found = |text: &str| links_lead_somewhere("R.md", text, exists).len();
    assert_eq!(
        found("[a](a.md) [a](a.md#part) [w](https://w.example/) [p](#part)"),
        0
    );
    assert_eq!(found("[a](a.md)\n[b](b.md)"), 1);
}
