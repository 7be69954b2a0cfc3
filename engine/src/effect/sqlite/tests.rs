//! What the tests of a database have in common: a place, a shard, jobs without one, clocks.

mod batch;
mod bound;
mod model;
mod open;
mod reader;
mod statement;
mod stop;
mod transaction;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use cutaway_reactor::{Handler, Publish, RealClock, Ticket};

use super::connection::Connection;
use super::job::Verdict;
use super::watch::{Cancel, Watch};
use super::*;
use crate::effect::row::{Column, ResultBuffer, TooLarge};
use crate::effect::{Executed, SqlMode, SqlStatement, SqlValue};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE IF NOT EXISTS posts (
        id INTEGER PRIMARY KEY,
        author INTEGER REFERENCES authors DEFERRABLE INITIALLY DEFERRED,
        title TEXT CHECK (title <> '')
    ) STRICT;";
const INSERT: &str = "INSERT INTO authors (id, name) VALUES (?1, ?2)";

const COUNT: &str = "SELECT count(*) FROM authors";

/// Counts for ever.
const ENDLESS: &str = "
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)
    SELECT max(n) FROM numbers";
/// Inserts for ever.
const ENDLESS_INSERT: &str = "
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)
    INSERT INTO posts (title) SELECT 'endless' FROM numbers";

/// A database in a directory of its own, removed in the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cutaway-sqlite-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("test.db")
    }

    fn settings(&self) -> Sqlite {
        Sqlite::open(self.file()).schema(SCHEMA)
    }

    /// Another process's view of the file, as far as SQLite is concerned.
    fn stranger(&self) -> Connection<RealClock> {
        let path = CString::new(self.file().as_os_str().as_bytes()).unwrap();
        let watch = Rc::new(Watch::new(RealClock::new(), Nanos::ZERO));
        Connection::open(&path, watch).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn speak(connection: &Connection<RealClock>, sql: &str) {
    let spoken = connection.watch().as_engine(|| connection.run_all(sql));
    spoken.unwrap();
}

/// One shard, as far as the database sees it.
struct Shard {
    effects: SqliteEffects<ThreadPort<SqliteJob>>,
    waker: Waker,
    clock: RealClock,
    started_count: u32,
}

impl Shard {
    fn open(settings: &Sqlite) -> Shard {
        Shard::open_on(settings, RealClock::new())
    }

    fn open_on(settings: &Sqlite, clock: impl Clock + Clone + Send + 'static) -> Shard {
        let waker = Waker::new().unwrap();
        let seat = Seat {
            core: None,
            waker: waker.clone(),
        };
        let no_death = Arc::new(|death: &Death| panic!("{death:?}"));
        let mut effects = settings.start("test", &[seat], clock, no_death).unwrap();
        Shard {
            effects: effects.remove(0),
            waker,
            clock: RealClock::new(),
            started_count: 0,
        }
    }

    fn try_start(
        &mut self,
        sql: &'static str,
        mode: SqlMode,
        values: &[SqlValue<'_>],
        deadline: Nanos,
    ) -> Result<JobHandle, Refused> {
        self.try_start_all(mode, &[statement(sql, values)], deadline)
    }

    fn try_start_all(
        &mut self,
        mode: SqlMode,
        statements: &[SqlStatement<'_>],
        deadline: Nanos,
    ) -> Result<JobHandle, Refused> {
        self.started_count += 1;
        let request = Ticket::new(self.started_count, std::num::NonZeroU32::MIN);
        let now = self.clock.now();
        let effects = &mut self.effects;
        effects.try_start(request, mode, statements, deadline, now)
    }

    fn start(&mut self, sql: &'static str, mode: SqlMode, values: &[SqlValue<'_>]) -> JobHandle {
        self.try_start(sql, mode, values, Nanos::NEVER).unwrap()
    }

    /// The next statement that comes back, sleeping as a shard does.
    fn wait(&mut self) -> SqlFinished {
        loop {
            if let Some(finished) = self.effects.poll() {
                return finished;
            }
            if !self.effects.prepare_sleep() {
                // `clear` reads the eventfd without blocking; yielding in between is sleep enough.
                self.waker.clear();
                std::thread::yield_now();
            }
        }
    }

    fn wait_for(&mut self, handle: JobHandle) -> SqlFinished {
        let finished = self.wait();
        assert_eq!(finished.handle, handle);
        finished
    }

    fn run(
        &mut self,
        sql: &'static str,
        mode: SqlMode,
        values: &[SqlValue<'_>],
    ) -> Result<ResultBuffer, SqlError> {
        let handle = self.start(sql, mode, values);
        self.wait_for(handle).result
    }

    fn transact(&mut self, statements: &[SqlStatement<'_>]) -> Result<ResultBuffer, SqlError> {
        let started = self.try_start_all(SqlMode::Write, statements, Nanos::NEVER);
        self.wait_for(started.unwrap()).result
    }

    fn read_int(&mut self, sql: &'static str) -> i64 {
        int(&self.run(sql, SqlMode::Read, &[]).unwrap())
    }
}

fn int(result: &ResultBuffer) -> i64 {
    result.rows().next().unwrap().read(0).unwrap()
}

/// A statement all of whose rows are wanted.
fn statement<'v>(sql: &'static str, values: &'v [SqlValue<'v>]) -> SqlStatement<'v> {
    SqlStatement {
        sql,
        params: values,
        rows_max: u32::MAX,
        expects_row: false,
        wanted: None,
    }
}

/// A statement that has to find a row.
fn expecting<'v>(sql: &'static str, values: &'v [SqlValue<'v>]) -> SqlStatement<'v> {
    SqlStatement {
        expects_row: true,
        wanted: None,
        ..statement(sql, values)
    }
}

fn author(id: i64, name: &str) -> [SqlValue<'_>; 2] {
    [SqlValue::Int(id), SqlValue::Text(name)]
}

/// A clock on which nothing ever happens.
#[derive(Clone)]
struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Nanos {
        Nanos::ZERO
    }
}

/// A clock that moves 1 µs on every look, and panics when it is told to.
#[derive(Clone, Default)]
struct CountingClock(Rc<Cell<u64>>);

const BROKEN: u64 = u64::MAX;

impl Clock for CountingClock {
    fn now(&self) -> Nanos {
        assert_ne!(self.0.get(), BROKEN, "the clock is broken");
        self.0.set(self.0.get() + 1_000);
        Nanos(self.0.get())
    }
}

fn job(sql: &'static str, values: &[SqlValue<'_>]) -> Box<SqliteJob> {
    job_of(SqlMode::Write, &[statement(sql, values)])
}

fn job_of(mode: SqlMode, statements: &[SqlStatement<'_>]) -> Box<SqliteJob> {
    let cancel = Cancel {
        flag: Arc::new(AtomicU32::new(0)),
        generation: 1,
    };
    let request = Ticket::new(0, std::num::NonZeroU32::MIN);
    let mut job = Box::new(SqliteJob::new(0, request, cancel));
    job.bind(mode, statements, 1_000).unwrap();
    job
}

fn outcomes(jobs: &[Box<SqliteJob>]) -> Vec<Option<SqlErrorKind>> {
    let kind = |job: &SqliteJob| job.error.as_ref().map(|error| error.kind);
    jobs.iter().map(|job| kind(job)).collect()
}

fn names(place: &Place) -> Vec<String> {
    let stranger = place.stranger();
    let mut statement = stranger
        .prepare("SELECT name FROM authors ORDER BY rowid")
        .unwrap();
    let mut bound = statement.bind_none();
    let mut names = Vec::new();
    while bound.step().unwrap() {
        match bound.column(0).unwrap() {
            Column::Text(name) => names.push(String::from_utf8(name.to_vec()).unwrap()),
            other => panic!("{other:?}"),
        }
    }
    names
}

#[test]
fn a_bound_that_cannot_hold_starts_nothing() {
    let place = Place::new();
    let no_death: Arc<dyn Fn(&Death) + Send + Sync> = Arc::new(|_| {});
    let settings = place.settings().readers(0);
    let refused = settings.start("test", &[], RealClock::new(), no_death);
    let told = refused.err().unwrap().to_string();
    assert!(told.ends_with(": readers is 0; it takes 1 to 64"), "{told}");
}
