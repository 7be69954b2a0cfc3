//! What is wrong with a configuration, and where.

use std::fmt;
use std::sync::Arc;

use super::key::KeyPath;

/// Where a setting stands, the weakest kind first: what stands later wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In the program itself, which needs no telling where that is.
    Program,
    /// In a file; line and column count from 1, columns in characters. Line 0 is the file as a whole.
    File {
        path: Arc<str>,
        line: usize,
        column: usize,
    },
    /// In a variable of the environment.
    Variable(String),
    /// On the command line.
    CommandLine,
}

impl Place {
    /// How strong a setting from here is.
    pub fn rank(&self) -> u8 {
        match self {
            Place::Program => 0,
            Place::File { .. } => 1,
            Place::Variable(_) => 2,
            Place::CommandLine => 3,
        }
    }

    /// Its line, if it is in a file.
    pub fn line(&self) -> Option<usize> {
        match self {
            Place::File { line, .. } => Some(*line),
            Place::Program | Place::Variable(_) | Place::CommandLine => None,
        }
    }

    /// Whether a name that is written here means this class or resource. A variable has it in
    /// capitals, however the program spells it.
    pub fn names(&self, written: &str, name: &str) -> bool {
        match self {
            Place::Variable(_) => written.eq_ignore_ascii_case(name),
            Place::Program | Place::File { .. } | Place::CommandLine => written == name,
        }
    }
}

impl Place {
    /// A name as it is written there: nothing but capitals stands in a variable.
    pub(super) fn spelled(&self, name: &str) -> String {
        match self {
            Place::Variable(_) => name.to_ascii_uppercase(),
            Place::Program | Place::File { .. } | Place::CommandLine => name.to_owned(),
        }
    }

    /// What should have been written there instead of this entry: of a variable it is all of its name.
    pub(super) fn with_entry(&self, entry: &str, right: &str) -> String {
        match self {
            Place::Variable(variable) => {
                variable.replacen(&format!("__{entry}__"), &format!("__{right}__"), 1)
            }
            Place::Program | Place::File { .. } | Place::CommandLine => right.to_owned(),
        }
    }
}

impl fmt::Display for Place {
    /// What a fault's text is put behind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Program => Ok(()),
            Place::File { path, line: 0, .. } => write!(f, "{path}: "),
            Place::File { path, line, column } => write!(f, "{path}:{line}:{column}: "),
            Place::Variable(name) => write!(f, "{name}: "),
            Place::CommandLine => f.write_str("command line: "),
        }
    }
}

/// A fault, and the key whose value it concerns.
#[derive(Clone)]
pub(super) struct Fault {
    pub place: Place,
    pub path: Option<KeyPath>,
    pub text: String,
}

impl Fault {
    pub fn new(place: Place, text: String) -> Fault {
        Fault {
            place,
            path: None,
            text,
        }
    }

    pub fn of_key(place: Place, path: KeyPath, text: String) -> Fault {
        Fault {
            place,
            path: Some(path),
            text,
        }
    }
}

/// One thing that is wrong with a configuration: its place, what it is, and the nearest right name
/// where a name is not known. Values are told where they are numbers only, so that no secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault(String);

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A configuration that cannot be used, with everything that is wrong with it.
#[derive(PartialEq, Eq)]
pub struct ConfigRefused(Vec<ConfigFault>);

impl ConfigRefused {
    /// All faults in the order of their places, each told once.
    pub(super) fn of(mut faults: Vec<Fault>) -> ConfigRefused {
        faults.sort_by(|a, b| a.place.cmp(&b.place));
        let told = faults.into_iter().map(|Fault { place, text, .. }| {
            let text = printable(&format!("{place}{text}"));
            ConfigFault(text)
        });
        let mut told: Vec<ConfigFault> = told.collect();
        told.dedup();
        ConfigRefused(told)
    }

    /// What is wrong: first what concerns the program, then files from top to bottom, then variables,
    /// then the command line.
    ///
    /// ```
    /// use cutaway::Config;
    ///
    /// let refused = Config::new().text("blog.toml", "[server]\nshard = 2").check().unwrap_err();
    /// assert_eq!(
    ///     refused.faults()[0].to_string(),
    ///     "blog.toml:2:1: unknown key `server.shard`; did you mean `server.shards`?"
    /// );
    /// ```
    pub fn faults(&self) -> &[ConfigFault] {
        &self.0
    }
}

impl fmt::Display for ConfigRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this configuration cannot be used:")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// As `Display`, so that a `main` which returns it shows every fault.
impl fmt::Debug for ConfigRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigRefused {}

/// A fault is one line, whatever the names in it are made of.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The candidate that a mistyped name most likely means, if any is near enough to be worth saying.
pub(super) fn nearest(name: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    let length = name.chars().count();
    // No name is as long as that, and the comparison would take its time.
    if length > 100 {
        return None;
    }
    // A third of the letters may differ: beyond that a guess is more often wrong than right.
    let most = (length / 3).max(1);
    (candidates.into_iter())
        .map(|candidate| (strsim::osa_distance(name, &candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `; did you mean ..?`, or nothing.
pub(super) fn suggestion(nearest: Option<String>) -> String {
    match nearest {
        Some(name) => format!("; did you mean `{name}`?"),
        None => String::new(),
    }
}
