//! SQLite as a resource: readers for each shard, one writer for the process.
//!
//! ```text
//!  shard 0: SqliteEffects ─┬─▶ reader, reader        WAL: readers wait for nobody
//!                          └──────────────┐
//!  shard 1: SqliteEffects ─┬─▶ reader, …  ├─▶ writer: BEGIN IMMEDIATE … COMMIT around a batch
//!                          └──────────────┘
//! ```
//!
//! A statement runs on a worker's thread and puts its rows as bytes into a buffer of its job; the
//! shard gives that buffer to the request, whose steps read the rows in place. A deadline or a cancel
//! stops a statement while it runs. After warm-up no job allocates, and neither does SQLite for a
//! statement it has compiled, as far as SQLite can help it.
//!
//! A job is one statement, or several that happen together or not at all. Also inside the writer's
//! batch: what fails there is undone alone, and nobody hears of a write before its commit.

mod bounds;
mod cache;
#[expect(unsafe_code, reason = "SQLite's C interface")]
mod connection;
mod effects;
mod error;
mod job;
#[expect(unsafe_code, reason = "installs allocation functions in SQLite")]
mod memory;
mod run;
pub mod scripted;
mod session;
mod simulated;
mod watch;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cutaway_reactor::Waker;
use cutaway_reactor::worker::{self, Batch, Death, Placement, Setup, SpawnError, ThreadPort};
use cutaway_scheduler::{Clock, Nanos};

use crate::bound::refusals;

pub use bounds::SqliteBounds;
pub use effects::{JobHandle, Refused, SqlFinished, SqliteEffects};
pub use error::{Constraint, SqlError, SqlErrorKind};
pub use job::{STATEMENTS_PER_TRANSACTION_MAX, SqliteJob};
pub use memory::{MemoryStats, memory};
pub use run::{Reader, Writer};

/// How a database is opened and used.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
    schema: &'static str,
    bounds: SqliteBounds,
}

/// A method for each bound. What is to be known of one stands at its field, so that it stands once.
macro_rules! setters {
    ($($(#[$attribute:meta])* $name:ident: $type:ty)+) => {$(
        $(#[$attribute])*
        #[doc = ""]
        #[doc = concat!(
            "Default, range, and what happens past it: [`SqliteBounds::", stringify!($name), "`]."
        )]
        pub fn $name(mut self, $name: $type) -> Sqlite {
            self.bounds.$name = $name.into();
            self
        }
    )+};
}

impl Sqlite {
    /// The database in the file at `path`, made where it is not there. Opens nothing yet.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// resource!(pub Blog: Sqlite);
    ///
    /// let routes = Routes::new().resource(Blog, Sqlite::open("blog.db").readers(3).busy_timeout(1.secs()));
    /// ```
    pub fn open(path: impl Into<PathBuf>) -> Sqlite {
        Sqlite {
            path: path.into(),
            schema: "",
            bounds: SqliteBounds::default(),
        }
    }

    /// Statements that the writer runs before anybody else sees the database, separated by
    /// semicolons. Default: none. Make them such that they can run again (`IF NOT EXISTS`).
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// let schema = "
    ///     CREATE TABLE IF NOT EXISTS posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
    ///     CREATE INDEX IF NOT EXISTS posts_by_title ON posts (title);";
    /// let routes = Routes::new().resource(Blog, Sqlite::open("blog.db").schema(schema));
    /// ```
    pub fn schema(self, schema: &'static str) -> Sqlite {
        Sqlite { schema, ..self }
    }

    /// The file.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// assert_eq!(Sqlite::open("blog.db").path().to_str(), Some("blog.db"));
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How much of everything it takes.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// assert_eq!(Sqlite::open("blog.db").readers(3).bounds().readers, 3);
    /// ```
    pub fn bounds(&self) -> &SqliteBounds {
        &self.bounds
    }

    /// Another file, under the same settings.
    pub(crate) fn set_path(&mut self, path: &Path) {
        self.path = path.to_owned();
    }

    /// To change a bound that is known by its name only.
    pub(crate) fn bounds_mut(&mut self) -> &mut SqliteBounds {
        &mut self.bounds
    }

    setters! {
        /// Reader threads for each shard.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// let sqlite = Sqlite::open("blog.db").readers(3);
        /// assert_eq!(sqlite.bounds().readers, 3);
        /// ```
        readers: usize
        /// How long the writer waits for a lock that another process holds.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// let sqlite = Sqlite::open("blog.db").busy_timeout(1.secs());
        /// assert_eq!(sqlite.bounds().busy_timeout, 1.secs().into());
        /// ```
        busy_timeout: impl Into<Nanos>
        /// The largest result of a statement, as bytes of rows.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// let sqlite = Sqlite::open("blog.db").result_bytes_max(8 << 20);
        /// assert_eq!(sqlite.bounds().result_bytes_max, 8 << 20);
        /// ```
        result_bytes_max: usize
        /// The largest sum of a statement's operands.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// let sqlite = Sqlite::open("blog.db").operand_bytes_max(4 << 20);
        /// assert_eq!(sqlite.bounds().operand_bytes_max, 4 << 20);
        /// ```
        operand_bytes_max: usize
        /// How many compiled statements each connection keeps.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// let sqlite = Sqlite::open("blog.db").statements_max(16);
        /// assert_eq!(sqlite.bounds().statements_max, 16);
        /// ```
        statements_max: usize
        /// How many statements a shard has on their way, readers and writer together.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// let sqlite = Sqlite::open("blog.db").in_flight_max(256);
        /// assert_eq!(sqlite.bounds().in_flight_max, 256);
        /// ```
        in_flight_max: usize
    }

    /// What a reader's thread runs.
    ///
    /// # Errors
    /// Where the database cannot be opened. The writer comes first: it makes the file.
    pub fn reader<C: Clock + 'static>(&self, clock: C) -> Result<Reader<C>, OpenError> {
        Reader::open(self, clock)
    }

    /// What the writer's thread runs.
    ///
    /// # Errors
    /// Where the database cannot be opened, or its schema is refused.
    pub fn writer<C: Clock + 'static>(&self, clock: C) -> Result<Writer<C>, OpenError> {
        Writer::open(self, clock)
    }

    /// Opens the database and starts its threads: the readers of each seat, and one writer.
    ///
    /// `name` goes into the names of the threads. `on_death` is called if one of them dies, which
    /// only a bug can bring about.
    ///
    /// # Errors
    /// Where the database cannot be opened or the threads cannot be had. No thread is left then.
    pub fn start<C: Clock + Clone + Send + 'static>(
        &self,
        name: &str,
        seats: &[Seat],
        clock: C,
        on_death: Arc<dyn Fn(&Death) + Send + Sync>,
    ) -> Result<Vec<SqliteEffects<ThreadPort<SqliteJob>>>, OpenError> {
        self.check()?;
        let setup = |name: String, core| {
            let on_death = on_death.clone();
            Setup {
                name,
                placement: Placement {
                    core,
                    background: true,
                },
                batch: Batch::default(),
                on_death: Box::new(move |death| on_death(death)),
            }
        };
        let wakers = seats.iter().map(|seat| seat.waker.clone()).collect();
        let (settings, handler_clock) = (self.clone(), clock.clone());
        let writers = worker::spawn(
            // The writer serves all shards, so it belongs to no core.
            setup(format!("{name}-w"), None),
            wakers,
            clock.clone(),
            move || settings.writer(handler_clock),
        )?;
        let mut effects = Vec::with_capacity(seats.len());
        for (shard, (seat, writer)) in seats.iter().zip(writers).enumerate() {
            let mut readers = Vec::with_capacity(self.bounds.readers);
            for reader in 0..self.bounds.readers {
                // The last of several readers has the slow statements. It may run where there is room.
                let is_for_slow = reader > 0 && reader + 1 == self.bounds.readers;
                let core = seat.core.filter(|_| !is_for_slow);
                let (settings, handler_clock) = (self.clone(), clock.clone());
                readers.extend(worker::spawn(
                    setup(format!("{name}-r{shard}.{reader}"), core),
                    vec![seat.waker.clone()],
                    clock.clone(),
                    move || settings.reader(handler_clock),
                )?);
            }
            effects.push(SqliteEffects::new(self, readers, writer));
        }
        Ok(effects)
    }

    /// Whether its bounds lie in their ranges.
    fn check(&self) -> Result<(), OpenError> {
        let refusals = refusals(&self.bounds, SqliteBounds::BOUNDS);
        match refusals.first() {
            None => Ok(()),
            Some((range, refusal)) => Err(OpenError::Bound {
                path: self.path.display().to_string(),
                refusal: format!("{} {refusal}", range.name),
            }),
        }
    }

    fn c_path(&self) -> Result<CString, OpenError> {
        CString::new(self.path.as_os_str().as_bytes()).map_err(|_| OpenError::Path {
            path: self.path.display().to_string(),
        })
    }
}

/// The shard that readers work for.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The core it runs on; its readers for quick statements run there too, behind it.
    pub core: Option<usize>,
    /// Wakes its ring.
    pub waker: Waker,
}

/// Why a database could not be opened. All of them are faults of the set-up or of the machine.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A path with a zero byte in it.
    #[error("not a path: {path:?}")]
    Path {
        /// The path.
        path: String,
    },
    /// A bound lies outside its range. An engine tells this with all that is wrong beside it.
    #[error("{path}: {refusal}")]
    Bound {
        /// The path.
        path: String,
        /// Which, and what it takes.
        refusal: String,
    },
    /// SQLite refused the file, a setting, or the schema.
    #[error("{path}: {error}")]
    Database {
        /// The path.
        path: String,
        /// Its word.
        error: Box<SqlError>,
    },
    /// The database cannot use a write-ahead log, without which readers and writer would wait for
    /// each other: it is in memory, or on a file system without shared memory.
    #[error("{path}: a write-ahead log is needed, SQLite says `{mode}`")]
    NotWal {
        /// The path.
        path: String,
        /// The journal mode it has.
        mode: String,
    },
    /// A thread could not be started.
    #[error("{0}")]
    Worker(String),
}

impl From<SpawnError<OpenError>> for OpenError {
    fn from(error: SpawnError<OpenError>) -> OpenError {
        match error {
            SpawnError::Make(error) => error,
            other => OpenError::Worker(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
