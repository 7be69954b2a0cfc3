//! The table of keys.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cutaway_scheduler::{ClassTable, Nanos};

use super::Serving;
use super::fault::{nearest, suggestion};
use super::raw::Raw;
use crate::bound::{Bound, End, Range, Unit};
use crate::effect::directory::DirectoryBounds;
use crate::effect::sqlite::SqliteBounds;
use crate::limits::Limits;
use crate::timeline::TraceMode;

/// A part of a file, with a heading of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Server,
    Limits,
    Classes,
    Resources,
}

impl Section {
    pub const ALL: [Section; 4] = [
        Section::Server,
        Section::Limits,
        Section::Classes,
        Section::Resources,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Section::Server => "server",
            Section::Limits => "limits",
            Section::Classes => "classes",
            Section::Resources => "resources",
        }
    }

    pub fn find(name: &str) -> Option<Section> {
        Section::ALL
            .into_iter()
            .find(|section| section.name() == name)
    }

    /// Whether its keys stand below a name: `classes.interactive.deadline`.
    pub fn has_entries(self) -> bool {
        matches!(self, Section::Classes | Section::Resources)
    }

    /// Its keys, in the order of the page.
    pub fn keys(self) -> impl Iterator<Item = Key> {
        keys().filter(move |key| key.section == self)
    }

    pub fn key(self, name: &str) -> Option<Key> {
        self.keys().find(|key| key.name == name)
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One row of the table.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub section: Section,
    pub name: &'static str,
    /// What it does, in lines.
    pub doc: &'static [&'static str],
    pub takes: Takes,
    target: Target,
}

/// What values a key takes.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    Amount(&'static Range),
    /// A text that is read in its own way; in words.
    Word(&'static str),
}

/// What a key sets.
#[derive(Clone, Copy)]
enum Target {
    Address,
    Shards,
    Trace,
    Limit(&'static Bound<Limits>),
    Deadline,
    Path,
    Sqlite(&'static Bound<SqliteBounds>),
    Directory(&'static Bound<DirectoryBounds>),
}

/// A key's value, ready to be set.
#[derive(Clone)]
pub(super) enum Change {
    Address(SocketAddr),
    Shards(usize),
    Trace(TraceMode),
    Limit(&'static Bound<Limits>, u64),
    Deadline(Nanos),
    Path(PathBuf),
    Sqlite(&'static Bound<SqliteBounds>, u64),
    Directory(&'static Bound<DirectoryBounds>, u64),
}

/// The keys that are not declared as a bound elsewhere.
static OWN: [Key; 5] = [
    Key {
        section: Section::Server,
        name: "address",
        doc: &[" Where to listen. Port 0 takes a free one."],
        takes: Takes::Word("an address with its port, like \"127.0.0.1:8080\""),
        target: Target::Address,
    },
    Key::of_amount(Section::Server, &SHARDS, Target::Shards),
    Key {
        section: Section::Server,
        name: "trace",
        doc: &[
            " Which requests' timelines are printed to standard error: all, those that were slow or",
            " ended badly, or none.",
        ],
        takes: Takes::Word("\"all\", \"slow\" or \"off\""),
        target: Target::Trace,
    },
    Key::of_amount(Section::Classes, &DEADLINE, Target::Deadline),
    Key {
        section: Section::Resources,
        name: "path",
        doc: &[
            " The SQLite file, or the directory that files are written into; made where it is not there.",
            " In a configuration file it is relative to that file's folder.",
        ],
        takes: Takes::Word("a path, like \"blog.db\""),
        target: Target::Path,
    },
];

static SHARDS: Range = Range {
    name: "shards",
    unit: Unit::Count,
    default: 1,
    least: End::At(1),
    // More than any machine has cores: a number beyond it was meant for something else.
    most: End::At(1024),
    is_power_of_two: false,
    doc: &[" How many shards. Each is pinned to a core of its own while there are cores left."],
};

static DEADLINE: Range = Range {
    name: "deadline",
    unit: Unit::Time,
    default: Unit::Time.exact("50 ms"),
    least: End::At(1),
    most: End::Open,
    is_power_of_two: false,
    doc: &[
        " How long a request of this class may take, from its complete head to its response's head.",
        "",
        " Beyond it the request is answered 504. Where a route has its own deadline, that one counts.",
    ],
};

/// The table: everything that can be configured.
pub(super) fn keys() -> impl Iterator<Item = Key> {
    let limit = |bound: &'static Bound<Limits>| {
        Key::of_amount(Section::Limits, &bound.range, Target::Limit(bound))
    };
    let sqlite = |bound: &'static Bound<SqliteBounds>| {
        Key::of_amount(Section::Resources, &bound.range, Target::Sqlite(bound))
    };
    let directory = |bound: &'static Bound<DirectoryBounds>| {
        Key::of_amount(Section::Resources, &bound.range, Target::Directory(bound))
    };
    (OWN.iter().copied())
        .chain(Limits::BOUNDS.iter().map(limit))
        .chain(SqliteBounds::BOUNDS.iter().map(sqlite))
        .chain(DirectoryBounds::BOUNDS.iter().map(directory))
}

impl Key {
    const fn of_amount(section: Section, range: &'static Range, target: Target) -> Key {
        Key {
            section,
            name: range.name,
            doc: range.doc,
            takes: Takes::Amount(range),
            target,
        }
    }

    /// The kind of resource that it is a key of; none where that makes no difference.
    pub fn kind(&self) -> Option<&'static str> {
        match self.target {
            Target::Sqlite(_) => Some("Sqlite"),
            Target::Directory(_) => Some("Directory"),
            _ => None,
        }
    }

    /// Reads a value of this key, or says what is wrong with it, as the rest of a sentence that begins
    /// with the key. Paths are relative to `folder`.
    pub fn read(&self, raw: Raw<'_>, folder: &Path) -> Result<Change, String> {
        Ok(match self.target {
            Target::Address => Change::Address(raw.parsed(&self.takes)?),
            Target::Shards => Change::Shards(raw.amount(&SHARDS)? as usize),
            Target::Trace => Change::Trace(raw.parsed(&self.takes)?),
            Target::Limit(bound) => Change::Limit(bound, raw.amount(&bound.range)?),
            Target::Deadline => Change::Deadline(Nanos(raw.amount(&DEADLINE)?)),
            Target::Path => Change::Path(folder.join(raw.word(&self.takes)?)),
            Target::Sqlite(bound) => Change::Sqlite(bound, raw.amount(&bound.range)?),
            Target::Directory(bound) => Change::Directory(bound, raw.amount(&bound.range)?),
        })
    }

    /// The value it has where nothing sets it; that of a deadline depends on its class.
    pub fn default_value(&self, entry: Option<&str>) -> DefaultValue {
        let serving = Serving::default();
        let quoted = |value: &dyn fmt::Display| DefaultValue::Written(format!("\"{value}\""));
        let amount = |range: &Range, amount: u64| match range.unit {
            Unit::Count => DefaultValue::Written(amount.to_string()),
            Unit::Bytes | Unit::Time => quoted(&range.unit.written(amount)),
        };
        match self.target {
            Target::Address => quoted(&serving.address),
            Target::Shards => DefaultValue::Told("one for each core that the process may use"),
            Target::Trace => quoted(&serving.trace),
            Target::Limit(bound) => amount(&bound.range, bound.range.default),
            Target::Path => DefaultValue::Told("what the program says"),
            Target::Sqlite(bound) => amount(&bound.range, bound.range.default),
            Target::Directory(bound) => amount(&bound.range, bound.range.default),
            Target::Deadline => {
                let classes = ClassTable::default();
                match entry.and_then(|entry| classes.find(entry)) {
                    Some(id) => amount(&DEADLINE, classes.class(id).deadline.as_u64()),
                    None => DefaultValue::Told("what the class has"),
                }
            }
        }
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = match self {
            Takes::Amount(range) => range,
            Takes::Word(words) => return f.write_str(words),
        };
        let example = range.unit.written(range.default);
        match range.unit {
            Unit::Count => f.write_str("a whole number, ")?,
            Unit::Bytes => write!(f, "a size like \"{example}\", ")?,
            Unit::Time => write!(f, "a length of time like \"{example}\", ")?,
        }
        write!(f, "{}", range.words())
    }
}

/// What a key is where nothing sets it.
pub(super) enum DefaultValue {
    /// As a file would write it.
    Written(String),
    /// Something that depends on the machine or the program.
    Told(&'static str),
}

/// A key with the entry it stands below.
#[derive(Clone)]
pub(super) struct KeyPath {
    pub key: Key,
    pub entry: Option<String>,
}

impl KeyPath {
    pub fn new(key: Key, entry: Option<&str>) -> KeyPath {
        KeyPath {
            key,
            entry: entry.map(str::to_owned),
        }
    }

    /// The key of a dotted path, or what is wrong with that.
    pub fn parse(text: &str) -> Result<KeyPath, String> {
        let mut parts = text.split('.');
        let section = parts.next().and_then(Section::find);
        let found = section.and_then(|section| {
            let entry = if section.has_entries() {
                Some(parts.next()?)
            } else {
                None
            };
            let key = section.key(parts.next()?)?;
            let is_whole = parts.next().is_none();
            is_whole.then(|| KeyPath::new(key, entry))
        });
        found.ok_or_else(|| unknown_key(text))
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (section, name) = (self.key.section.name(), self.key.name);
        match &self.entry {
            Some(entry) => write!(f, "{section}.{entry}.{name}"),
            None => write!(f, "{section}.{name}"),
        }
    }
}

/// The fault of a path that is no key's, with the key that was most likely meant.
pub(super) fn unknown_key(path: &str) -> String {
    let leaf = path.rsplit('.').next().unwrap_or(path);
    let mut parts = path.split('.');
    let (first, second) = (parts.next().unwrap_or(path), parts.next());
    // The name between belongs to whoever wrote it; it is kept in what is proposed.
    let entry = second.filter(|second| *second != leaf).unwrap_or("NAME");
    let candidate = |key: Key| {
        let entry = key.section.has_entries().then_some(entry);
        KeyPath::new(key, entry).to_string()
    };
    // A right name in a wrong place says more than a wrong name that looks alike.
    let here = |key: &Key| key.section.name() == first;
    let displaced = keys().find(|key| key.name == leaf && !here(key));
    let near = match displaced {
        Some(key) => Some(candidate(key)),
        None => nearest(path, keys().map(candidate)).or_else(|| {
            let name = nearest(leaf, keys().map(|key| key.name.to_owned()))?;
            let key = keys().find(|key| key.name == name)?;
            Some(candidate(key))
        }),
    };
    format!("unknown key `{path}`{}", suggestion(near))
}
