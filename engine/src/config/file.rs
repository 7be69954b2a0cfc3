//! TOML files.
//!
//! A file is read to its end whatever is wrong with it: the parser goes on behind a fault of syntax,
//! and every key is looked at.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::fault::{Fault, Place, nearest, suggestion};
use super::key::{KeyPath, Section, unknown_key};
use super::raw::Raw;
use super::{Config, FILE_BYTES_MAX};

/// Takes what the file at a path says, and notes what is wrong with it.
pub(super) fn read(config: &mut Config, path: &Path) {
    match content(path) {
        Ok(text) => parse(config, path, &text),
        Err(Unreadable { line, column, text }) => {
            let place = Place::File {
                path: path.display().to_string().into(),
                line,
                column,
            };
            config.faults.push(Fault::new(place, text));
        }
    }
}

/// Why a file has no text; line 0 where that concerns the whole of it.
struct Unreadable {
    line: usize,
    column: usize,
    text: String,
}

fn content(path: &Path) -> Result<String, Unreadable> {
    let whole = |text| Unreadable {
        line: 0,
        column: 0,
        text,
    };
    let mut bytes = Vec::new();
    let opened = File::open(path);
    let read = opened.and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| whole(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(whole("is larger than 1 MiB".to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        // Up to there it is text, so that the place can be told in characters.
        let text = String::from_utf8_lossy(&error.as_bytes()[..valid]);
        let (line, column) = position(&text, &line_starts(&text), valid);
        Unreadable {
            line,
            column,
            text: "is not UTF-8".to_owned(),
        }
    })
}

/// Takes what a text says, and notes what is wrong with it.
pub(super) fn parse(config: &mut Config, path: &Path, text: &str) {
    let source = Source {
        path: path.display().to_string().into(),
        folder: path.parent().unwrap_or(Path::new("")),
        text,
        line_starts: line_starts(text),
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut said = Config::new();
    source.take_root(&mut said, table.get_ref());
    let syntax = Syntax::of(&source, &errors);
    said.faults.retain(|fault| !syntax.has_broken(&fault.place));
    (said.mentions).retain(|mention| !syntax.has_broken(&mention.place));
    config.faults.extend(syntax.faults);
    config.extend(said);
}

/// What is wrong with the syntax of a text, and what of it can therefore not be judged.
struct Syntax {
    faults: Vec<Fault>,
    /// Lines whose key or value may not be the one that was meant.
    broken: BTreeSet<usize>,
}

impl Syntax {
    fn of(source: &Source<'_>, errors: &[toml::de::Error]) -> Syntax {
        let mut faults: Vec<Fault> = Vec::new();
        let mut told = BTreeSet::new();
        let mut broken = BTreeSet::new();
        for error in errors {
            let span = error.span().unwrap_or_default();
            let start = span.start;
            let (line, _) = position(source.text, &source.line_starts, start);
            // What the parser says of the rest of a line follows from the first fault in it.
            if !told.insert(line) {
                continue;
            }
            broken.insert(line);
            let behind = source.text.get(start..).unwrap_or_default();
            let rest_of_line = behind.lines().next().unwrap_or_default().trim_start();
            // Of the parser's words, those for what happens most say too little.
            let text = match error.message() {
                "duplicate key" => {
                    let key = source.text.get(span).unwrap_or_default();
                    format!("`{key}` is there twice")
                }
                message if message.starts_with("string values must be quoted") => {
                    if rest_of_line.is_empty() || rest_of_line.starts_with('#') {
                        "there is no value".to_owned()
                    } else {
                        "a text needs quotes".to_owned()
                    }
                }
                message => {
                    // Below a broken heading nothing is known to be where it was meant to be.
                    broken.extend(source.lines_below_heading(line));
                    message.to_owned()
                }
            };
            faults.push(Fault::new(source.place(start), text));
        }
        Syntax { faults, broken }
    }

    fn has_broken(&self, place: &Place) -> bool {
        place.line().is_some_and(|line| self.broken.contains(&line))
    }
}

/// A file's text, and what is needed to tell places in it.
struct Source<'a> {
    path: Arc<str>,
    /// What paths in it are relative to.
    folder: &'a Path,
    text: &'a str,
    /// The offset of each line.
    line_starts: Vec<usize>,
}

type Name<'a> = Spanned<DeString<'a>>;
type Value<'a> = Spanned<DeValue<'a>>;

impl Source<'_> {
    fn take_root(&self, config: &mut Config, table: &DeTable<'_>) {
        for (name, value) in table {
            let is_table = value.get_ref().is_table();
            let section = match Section::find(name.get_ref()) {
                Some(section) => section,
                None if is_table => match self.misnamed_section(config, name) {
                    Some(section) => section,
                    None => continue,
                },
                None => {
                    self.fault(config, name, unknown_key(&bare(name)));
                    continue;
                }
            };
            match value.get_ref() {
                DeValue::Table(table) if section.has_entries() => {
                    self.take_entries(config, section, table);
                }
                DeValue::Table(table) => self.take_keys(config, section, None, table),
                other => {
                    let kind = kind(other);
                    let text = format!("`{section}` is {kind}; it takes a table of keys");
                    self.fault(config, value, text);
                }
            }
        }
    }

    /// Notes the fault. Where it is clear what was meant, its keys can still be looked at.
    fn misnamed_section(&self, config: &mut Config, name: &Name<'_>) -> Option<Section> {
        let names = Section::ALL.map(|section| section.name().to_owned());
        let near = nearest(name.get_ref(), names);
        let section = near.as_deref().and_then(Section::find);
        let text = format!("unknown section `{}`{}", bare(name), suggestion(near));
        self.fault(config, name, text);
        section
    }

    fn take_entries(&self, config: &mut Config, section: Section, table: &DeTable<'_>) {
        for (name, value) in table {
            match value.get_ref() {
                DeValue::Table(table) => {
                    let place = self.place(name.span().start);
                    config.mention(section, name.get_ref(), place);
                    self.take_keys(config, section, Some(name.get_ref()), table);
                }
                other => {
                    let path = format!("{section}.{}", bare(name));
                    let text = match section.key(name.get_ref()) {
                        // A key of an entry, but of which?
                        Some(_) => unknown_key(&path),
                        None => format!("`{path}` is {}; it takes a table of keys", kind(other)),
                    };
                    self.fault(config, name, text);
                }
            }
        }
    }

    fn take_keys(
        &self,
        config: &mut Config,
        section: Section,
        entry: Option<&str>,
        table: &DeTable<'_>,
    ) {
        for (name, value) in table {
            let Some(key) = section.key(name.get_ref()) else {
                let between = entry.map_or(String::new(), |entry| format!("{entry}."));
                let path = format!("{section}.{between}{}", bare(name));
                self.fault(config, name, unknown_key(&path));
                continue;
            };
            let place = self.place(value.span().start);
            let path = KeyPath::new(key, entry);
            config.take(path, place, raw(value), self.folder);
        }
    }

    fn fault<T>(&self, config: &mut Config, at: &Spanned<T>, text: String) {
        let place = self.place(at.span().start);
        config.faults.push(Fault::new(place, text));
    }

    /// The lines up to the next heading, if this one is a heading.
    fn lines_below_heading(&self, line: usize) -> Range<usize> {
        let is_heading = |line: usize| {
            let text = (self.line_starts.get(line - 1)).and_then(|start| self.text.get(*start..));
            text.is_some_and(|text| text.trim_start_matches([' ', '\t']).starts_with('['))
        };
        let below = line + 1;
        if !is_heading(line) {
            return below..below;
        }
        let mut lines = below..self.line_starts.len() + 1;
        let next = lines.find(|line| is_heading(*line));
        below..next.unwrap_or(lines.end)
    }

    fn place(&self, offset: usize) -> Place {
        let (line, column) = position(self.text, &self.line_starts, offset);
        Place::File {
            path: Arc::clone(&self.path),
            line,
            column,
        }
    }
}

/// A name as a path shows it: with its quotes where it needs them.
fn bare(name: &Name<'_>) -> String {
    let name = name.get_ref();
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_string()
    } else {
        format!("{name:?}")
    }
}

fn raw<'a>(value: &'a Value<'_>) -> Raw<'a> {
    match value.get_ref() {
        DeValue::String(text) => Raw::Text(text),
        DeValue::Integer(number) => {
            Raw::Number(i128::from_str_radix(number.as_str(), number.radix()).ok())
        }
        other => Raw::Other(kind(other)),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let behind = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(behind).collect()
}

/// Line and column of an offset, both from 1. Columns count characters.
fn position(text: &str, line_starts: &[usize], offset: usize) -> (usize, usize) {
    let line = line_starts.partition_point(|start| *start <= offset);
    let start = line_starts[line - 1];
    let before = text.get(start..offset).unwrap_or_default();
    (line, before.chars().count() + 1)
}
