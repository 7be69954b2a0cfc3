//! The page that tells people what can be configured, made from the table of keys.

use std::fmt::Write;

use cutaway_scheduler::ClassTable;

use super::key::{DefaultValue, Key, Section, Takes};

/// The page `engine/docs/configuration.md`: every key with its default, its range and what it does,
/// and a file that sets each to its default.
///
/// ```
/// let page = cutaway::config::page();
/// assert!(page.contains("| `head_bytes_max` | `\"16 KiB\"` | 256 B to 1 MiB |"));
/// ```
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for section in Section::ALL {
        page += &heading(section);
        page += "| key | default | takes | what it does |\n|---|---|---|---|\n";
        for key in section.keys() {
            page += &row(&key);
        }
        page.push('\n');
    }
    page + "## Everything at its default\n\n```toml\n" + &defaults() + "```\n"
}

fn heading(section: Section) -> String {
    let (title, about) = match section {
        Section::Server => ("[server]", "Where and how the engine serves."),
        Section::Limits => (
            "[limits]",
            "How much of everything a shard takes, holds and waits for. In a program: `Limits`.",
        ),
        Section::Classes => (
            "[classes.NAME]",
            "A traffic class; `NAME` is `interactive`, `standard` or `batch`.",
        ),
        Section::Resources => (
            "[resources.NAME]",
            "A resource; `NAME` is what the program calls it: `Blog` for `resource!(Blog: Sqlite)`. Some \
             keys are those of one kind of resource.",
        ),
    };
    format!("## `{title}`\n\n{about}\n\n")
}

fn row(key: &Key) -> String {
    let default = match (key.section, key.default_value(None)) {
        (Section::Classes, _) => classes_defaults(key),
        (_, DefaultValue::Written(value)) => format!("`{value}`"),
        (_, DefaultValue::Told(words)) => words.to_owned(),
    };
    let takes = match key.takes {
        Takes::Amount(range) => range.words().to_string(),
        Takes::Word(words) => words.to_owned(),
    };
    // The lines of documentation begin with the blank behind their slashes.
    let doc: Vec<&str> = key.doc.iter().map(|line| line.trim()).collect();
    let doc = doc.join(" ").replace("  ", " ");
    let kind = (key.kind()).map_or(String::new(), |kind| format!("`{kind}`: "));
    format!(
        "| `{}` | {default} | {takes} | {kind}{} |\n",
        key.name,
        doc.trim()
    )
}

/// A class's key has a default for each class.
fn classes_defaults(key: &Key) -> String {
    let classes = ClassTable::default();
    let default = |name: &str| match key.default_value(Some(name)) {
        DefaultValue::Written(value) => format!("`{name}` `{value}`"),
        DefaultValue::Told(words) => words.to_owned(),
    };
    let defaults: Vec<String> = classes
        .iter()
        .map(|(_, class)| default(class.name))
        .collect();
    defaults.join(", ")
}

/// A file that sets every key to its default; what has none is a comment.
pub(super) fn defaults() -> String {
    let classes = ClassTable::default();
    let mut file = String::new();
    for section in Section::ALL {
        let entries: Vec<(Option<&str>, Option<&str>)> = match section {
            Section::Server | Section::Limits => vec![(None, None)],
            Section::Classes => {
                let classes = classes.iter();
                classes.map(|(_, class)| (Some(class.name), None)).collect()
            }
            Section::Resources => vec![
                (Some("Blog"), Some("Sqlite")),
                (Some("Uploads"), Some("Directory")),
            ],
        };
        for (entry, kind) in entries {
            let blank = if file.is_empty() { "" } else { "\n" };
            let below = entry.map_or(String::new(), |entry| format!(".{entry}"));
            file += &format!("{blank}[{section}{below}]\n");
            for key in section
                .keys()
                .filter(|key| key.kind().is_none_or(|of| kind == Some(of)))
            {
                let written = match key.default_value(entry) {
                    DefaultValue::Written(value) => writeln!(file, "{} = {value}", key.name),
                    DefaultValue::Told(words) => writeln!(file, "# {}: {words}", key.name),
                };
                written.expect("a string takes what is written to it");
            }
        }
    }
    file
}

/// What goes for all keys.
const HEAD: &str = "\
# Configuration

Made by `cargo run -p cutaway -- keys > engine/docs/configuration.md`; a test holds it to the code.

A key is set by the program on its `Engine`, by a TOML file (`Engine::config_file`), by a variable of
the environment, or on a command line that the program hands on (`Config::set`). Each is stronger
than those before it.

- A variable is called `CUTAWAY_` and the key's path in capitals, with `__` for each dot:
  `limits.head_bytes_max` is `CUTAWAY_LIMITS__HEAD_BYTES_MAX`, and the path of the resource `Blog` is
  `CUTAWAY_RESOURCES__BLOG__PATH`. The engine reads them where it starts.
- A size is a number of bytes or a text with a unit: `\"512 B\"`, `\"16 KiB\"`, `\"1 MiB\"`, `\"2 GiB\"`,
  `\"1 TiB\"`, by powers of 1024. A length of time is a text with a unit: `\"10 ns\"`, `\"500 µs\"` or
  `\"500 us\"`, `\"50 ms\"`, `\"10 s\"`, `\"5 min\"`, `\"1 h\"`. Numbers are whole.
- A path in a file is relative to that file's folder; in a variable, to the folder the program runs in.
- What is wrong is told at once and completely, each fault with file, line and column or with its
  variable, and nothing is set then. `cutaway check FILE` does so without a program; which resources a
  program has it cannot know, nor what the program set itself.
- A file has at most 1 MiB.

";
