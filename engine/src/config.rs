//! Configuration: what a program, a file, the environment and a command line say, laid over each
//! other and checked as one.
//!
//! ```text
//!  Engine::new(..).address(..)   the program's own     weakest
//!  [server] address = ".."       a TOML file             │
//!  CUTAWAY_SERVER__ADDRESS=..    the environment         │
//!  Config::set("server.address") the command line      strongest
//! ```
//!
//! One table of keys drives all of it: what a file may say, what a variable is called, what
//! a value may be, what a fault says, and the page that tells it to people. The bounds in it are
//! declared where their fields are. Everything that is wrong is told at once, each fault with its
//! place; a configuration with a fault changes nothing.

mod environment;
mod fault;
mod file;
mod key;
mod page;
mod raw;
mod settle;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;

use cutaway_scheduler::{ClassTable, Nanos};

use crate::limits::Limits;
use crate::timeline::TraceMode;
use fault::{Fault, Place};
use key::{Change, KeyPath, Section};
use raw::Raw;
pub(crate) use settle::Base;

pub use fault::{ConfigFault, ConfigRefused};
pub use page::page;

/// Settings from outside the program: a file, the environment, a command line.
///
/// Where two of them set one key, the order in which they were given does not matter: the command
/// line ([`set`](Config::set)) is stronger than the environment, the environment stronger than a
/// file, and the last of several files stronger than the others. All are stronger than what the
/// program set on its [`Engine`](crate::Engine) itself.
///
/// What is wrong with one is kept until it is used, and then told with everything else.
///
/// ```
/// use cutaway::Config;
///
/// let config = Config::new()
///     .text("blog.toml", "[limits]\nhead_bytes_max = '8 KiB'\n[server]\nshards = 2")
///     .environment([("CUTAWAY_SERVER__SHARDS", "4")])
///     .set("server.address", "127.0.0.1:9090");
/// assert!(config.check().is_ok());
///
/// let config = Config::new().text("blog.toml", "[limits]\nhead_byte_max = 8192");
/// assert_eq!(
///     config.check().unwrap_err().faults()[0].to_string(),
///     "blog.toml:2:1: unknown key `limits.head_byte_max`; did you mean `limits.head_bytes_max`?",
/// );
/// ```
#[derive(Clone, Default)]
#[must_use = "a configuration does nothing until an engine gets it, or it is checked"]
pub struct Config {
    settings: Vec<Setting>,
    mentions: Vec<Mention>,
    faults: Vec<Fault>,
    has_environment: bool,
}

/// One key with its value, from one place.
#[derive(Clone)]
struct Setting {
    path: KeyPath,
    change: Change,
    place: Place,
}

/// Where a class or a resource is named; whether there is one is known when the configuration is
/// used.
#[derive(Clone)]
struct Mention {
    section: Section,
    entry: String,
    place: Place,
}

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

impl Config {
    /// Nothing set.
    ///
    /// ```
    /// use cutaway::Config;
    ///
    /// let config = Config::new().file("/nowhere/blog.toml");
    /// assert!(config.check().is_err());
    /// ```
    pub fn new() -> Config {
        Config::default()
    }

    /// Lays a TOML file over what is there. Reads it now; paths in it are relative to its folder.
    ///
    /// # Bounds
    /// 1 MiB. A larger file is refused unread.
    ///
    /// ```
    /// use cutaway::Config;
    ///
    /// let refused = Config::new().file("/nowhere/blog.toml").check().unwrap_err();
    /// let told = refused.faults()[0].to_string();
    /// assert!(told.starts_with("/nowhere/blog.toml: cannot be read"));
    /// ```
    pub fn file(mut self, path: impl AsRef<Path>) -> Config {
        file::read(&mut self, path.as_ref());
        self
    }

    /// As [`file`](Config::file), with the file's content at hand. `path` is for messages and for
    /// the paths in it.
    ///
    /// ```
    /// use cutaway::Config;
    ///
    /// let config = Config::new().text("blog.toml", "[server]\nshards = 2");
    /// assert!(config.check().is_ok());
    /// ```
    pub fn text(mut self, path: impl AsRef<Path>, text: &str) -> Config {
        file::parse(&mut self, path.as_ref(), text);
        self
    }

    /// Lays variables over what is there. An engine does this with the process's own, unless its
    /// configuration has been given others: an empty list keeps the process's out.
    ///
    /// A key's variable is `CUTAWAY_` and its path in capitals, with `__` for each dot:
    /// `CUTAWAY_LIMITS__HEAD_BYTES_MAX`. Variables without `CUTAWAY_` are somebody else's, and so are
    /// those without `__`, unless one looks like a key that was mistyped.
    ///
    /// ```
    /// use cutaway::Config;
    ///
    /// let variables = [("CUTAWAY_LIMITS__HEAD_BYTES_MAX", "8 KiB"), ("HOME", "/root")];
    /// assert!(Config::new().environment(variables).check().is_ok());
    ///
    /// let variables = [("CUTAWAY_LIMITS_HEAD_BYTES_MAX", "8 KiB")];
    /// let refused = Config::new().environment(variables).check().unwrap_err();
    /// assert!(refused.to_string().ends_with("did you mean `CUTAWAY_LIMITS__HEAD_BYTES_MAX`?"));
    /// ```
    pub fn environment<K, V>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Config
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        self.has_environment = true;
        let variables = variables.into_iter();
        environment::read(
            &mut self,
            variables.map(|(name, value)| (name.into(), value.into())),
        );
        self
    }

    /// Sets one key, as text: for what comes from a command line.
    ///
    /// ```
    /// use cutaway::Config;
    ///
    /// let config = Config::new().set("server.shards", 2).set("resources.Blog.path", "blog.db");
    /// assert!(config.check().is_ok());
    /// ```
    pub fn set(mut self, key: &str, value: impl Display) -> Config {
        let place = Place::CommandLine;
        match KeyPath::parse(key) {
            Ok(path) => {
                if let Some(entry) = &path.entry {
                    self.mention(path.key.section, entry, place.clone());
                }
                let value = value.to_string();
                self.take(path, place, Raw::Loose(&value), Path::new(""));
            }
            Err(text) => self.faults.push(Fault::new(place, text)),
        }
        self
    }

    /// Whether an engine could use this. Which resources a program has is not known here, so any
    /// name of one holds.
    ///
    /// ```
    /// use cutaway::Config;
    ///
    /// let config = Config::new().set("limits.batch_max", 0).set("server.shards", "many");
    /// assert_eq!(config.check().unwrap_err().faults().len(), 2);
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn check(&self) -> Result<(), ConfigRefused> {
        self.settle(Base {
            serving: &mut Serving::default(),
            limits: &mut Limits::default(),
            classes: &mut ClassTable::default(),
            resources: None,
        })
    }

    /// Lays another one over this one.
    pub(crate) fn extend(&mut self, other: Config) {
        self.settings.extend(other.settings);
        self.mentions.extend(other.mentions);
        self.faults.extend(other.faults);
        self.has_environment |= other.has_environment;
    }

    /// With these variables, unless it was given others.
    pub(crate) fn or_environment(
        self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Config {
        if self.has_environment {
            return self;
        }
        self.environment(variables)
    }

    /// Sets the deadline of a class from within the program, where anything else is stronger.
    pub(crate) fn deadline(&mut self, class: &str, deadline: Nanos) {
        self.mention(Section::Classes, class, Place::Program);
        if let Some(key) = Section::Classes.key("deadline") {
            let path = KeyPath::new(key, Some(class));
            let raw = Raw::Amount(deadline.as_u64());
            self.take(path, Place::Program, raw, Path::new(""));
        }
    }

    /// Takes a value for a key, or notes what is wrong with it. `folder` is what paths are relative
    /// to.
    fn take(&mut self, path: KeyPath, place: Place, raw: Raw<'_>, folder: &Path) {
        match path.key.read(raw, folder) {
            Ok(change) => self.settings.push(Setting {
                path,
                change,
                place,
            }),
            Err(refusal) => {
                let text = format!("`{path}` {refusal}");
                self.faults.push(Fault::of_key(place, path, text));
            }
        }
    }

    /// Notes that a class or a resource is named.
    fn mention(&mut self, section: Section, entry: &str, place: Place) {
        self.mentions.push(Mention {
            section,
            entry: entry.to_owned(),
            place,
        });
    }
}

/// Where an engine serves, and how it is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Serving {
    pub address: SocketAddr,
    /// None: one for each core that the process may use.
    pub shards: Option<usize>,
    pub trace: TraceMode,
}

impl Default for Serving {
    fn default() -> Serving {
        Serving {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            shards: None,
            trace: TraceMode::Slow,
        }
    }
}
