use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use cutaway_reactor::{Handler, Publish, RealClock, Ticket};
use proptest::prelude::*;

use super::connection::Connection;
use super::job::Verdict;
use super::watch::{Cancel, Watch};
use super::*;
use crate::effect::row::{Column, ResultBuffer, TooLarge};
use crate::effect::{SqlMode, SqlStatement, SqlValue};

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
        self.started_count += 1;
        let request = Ticket::new(self.started_count, std::num::NonZeroU32::MIN);
        let now = self.clock.now();
        let effects = &mut self.effects;
        let statement = SqlStatement {
            sql,
            params: values,
            rows_max: u32::MAX,
            expects_change: false,
        };
        effects.try_start(request, mode, &[statement], deadline, now)
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

    fn read_int(&mut self, sql: &'static str) -> i64 {
        int(&self.run(sql, SqlMode::Read, &[]).unwrap())
    }
}

fn int(result: &ResultBuffer) -> i64 {
    result.rows().next().unwrap().read(0).unwrap()
}

fn author(id: i64, name: &str) -> [SqlValue<'_>; 2] {
    [SqlValue::Int(id), SqlValue::Text(name)]
}

#[test]
fn what_was_written_is_read() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let written = shard
        .run(INSERT, SqlMode::Write, &author(7, "Ada"))
        .unwrap();
    assert_eq!((written.changed_count, written.last_row_id), (1, 7));
    assert_eq!(written.rows().len(), 0);

    let sql = "SELECT id, name FROM authors WHERE id = ?1";
    let read = shard.run(sql, SqlMode::Read, &[SqlValue::Int(7)]).unwrap();
    let row = read.rows().next().unwrap();
    assert_eq!(row.read(0), Ok(7_i64));
    assert_eq!(row.read(1), Ok("Ada"));
    assert_eq!(read.changed_count, 0);

    // What comes back tells when it waited and when it ran.
    let handle = shard.start(COUNT, SqlMode::Read, &[]);
    let finished = shard.wait_for(handle);
    assert!(finished.queued_at <= finished.started_at);
    assert!(finished.started_at < finished.finished_at);
    assert_eq!(finished.request.index(), shard.started_count);
    assert_eq!(finished.batch_count, 0);
}

#[test]
fn returning_gives_rows_and_changes() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let sql = "INSERT INTO authors (name) VALUES (?1), (?2) RETURNING id";
    let names = [SqlValue::Text("Ada"), SqlValue::Text("Grace")];
    let written = shard.run(sql, SqlMode::Write, &names).unwrap();
    let ids: Vec<i64> = written.rows().map(|row| row.read(0).unwrap()).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(written.changed_count, 2);
    // A statement that changes nothing reports no changes of an earlier one.
    let sql = "UPDATE authors SET name = 'x' WHERE id = 99";
    assert_eq!(
        shard.run(sql, SqlMode::Write, &[]).unwrap().changed_count,
        0
    );
}

#[test]
fn a_lock_holds_up_the_writer_and_no_reader() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let stranger = place.stranger();
    speak(&stranger, "BEGIN IMMEDIATE");
    let write = shard.start(INSERT, SqlMode::Write, &author(1, "Ada"));
    for _ in 0..10 {
        assert_eq!(shard.read_int(COUNT), 0);
    }
    assert_eq!(shard.effects.in_flight(), 1);
    speak(&stranger, "COMMIT");
    assert!(shard.wait_for(write).result.is_ok());
    assert_eq!(shard.read_int(COUNT), 1);
}

#[test]
fn a_lock_held_too_long_is_busy() {
    let place = Place::new();
    let settings = place.settings().busy_timeout(Nanos::from_millis(200));
    let mut shard = Shard::open(&settings);
    let stranger = place.stranger();
    speak(&stranger, "BEGIN IMMEDIATE");
    let write = shard.start(INSERT, SqlMode::Write, &author(1, "Ada"));
    let finished = shard.wait_for(write);
    assert_eq!(finished.result.unwrap_err().kind, SqlErrorKind::Busy);
    let waited = finished.finished_at.since(finished.started_at);
    assert!(waited >= Nanos::from_millis(200), "{waited:?}");

    // A deadline ends the wait earlier, and says so; so does a cancel.
    let deadline = shard.clock.now() + Nanos::from_millis(5);
    let values = author(1, "Ada");
    let write = shard.try_start(INSERT, SqlMode::Write, &values, deadline);
    let finished = shard.wait_for(write.unwrap());
    assert_eq!(finished.result.unwrap_err().kind, SqlErrorKind::Deadline);

    let write = shard.start(INSERT, SqlMode::Write, &values);
    shard.effects.cancel(write);
    let finished = shard.wait_for(write);
    assert_eq!(finished.result.unwrap_err().kind, SqlErrorKind::Cancelled);
    speak(&stranger, "COMMIT");
    assert!(shard.run(INSERT, SqlMode::Write, &values).is_ok());
}

#[test]
fn a_deadline_stops_a_query_that_computes() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let deadline = shard.clock.now() + Nanos::from_millis(5);
    let query = shard.try_start(ENDLESS, SqlMode::Read, &[], deadline);
    let finished = shard.wait_for(query.unwrap());
    let error = finished.result.unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Deadline);
    assert!(finished.finished_at >= deadline);

    // One that is over already does not start.
    let query = shard.try_start(ENDLESS, SqlMode::Read, &[], deadline);
    let finished = shard.wait_for(query.unwrap());
    assert_eq!(finished.result.unwrap_err().kind, SqlErrorKind::Deadline);
}

#[test]
fn a_cancel_stops_its_own_statement_alone() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings().readers(1));
    for _ in 0..20 {
        let endless = shard.start(ENDLESS, SqlMode::Read, &[]);
        let next = shard.start(COUNT, SqlMode::Read, &[]);
        shard.effects.cancel(endless);
        let stopped = shard.wait_for(endless);
        assert_eq!(stopped.result.unwrap_err().kind, SqlErrorKind::Cancelled);
        // Late cancels of a use that has ended hit neither the next use nor the neighbour.
        shard.effects.cancel(endless);
        assert!(shard.wait_for(next).result.is_ok());
    }
}

#[test]
fn a_point_read_does_not_wait_behind_slow_queries() {
    let place = Place::new();
    // Time stands still, so that no machine that dawdles makes the quick statement a slow one.
    let mut shard = Shard::open_on(&place.settings(), StillClock);
    // A statement that nobody knows yet is taken for slow; from its second run on it is quick.
    shard.read_int(COUNT);
    let slow: Vec<_> = (0..5)
        .map(|_| shard.start(ENDLESS, SqlMode::Read, &[]))
        .collect();
    for _ in 0..50 {
        let first = shard.start(COUNT, SqlMode::Read, &[]);
        let second = shard.start(COUNT, SqlMode::Read, &[]);
        assert!(shard.wait_for(first).result.is_ok());
        assert!(shard.wait_for(second).result.is_ok());
    }
    for handle in slow {
        shard.effects.cancel(handle);
        let stopped = shard.wait_for(handle);
        assert_eq!(stopped.result.unwrap_err().kind, SqlErrorKind::Cancelled);
    }
}

#[test]
fn a_statement_costs_what_its_reads_took() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let mut expected = None;
    for _ in 0..20 {
        let handle = shard.start(COUNT, SqlMode::Read, &[]);
        let finished = shard.wait_for(handle);
        let took = finished.finished_at.since(finished.started_at);
        // One run counts as a millisecond at most, and an eighth of the average.
        let took = took.min(Nanos::from_millis(1)).0;
        expected = Some(expected.map_or(took, |average| average - average / 8 + took / 8));
        assert_eq!(shard.effects.cost(COUNT).map(|cost| cost.0), expected);
    }

    let given = author(1, "Ada");
    shard.run(INSERT, SqlMode::Write, &given).unwrap();
    assert_eq!(shard.effects.cost(INSERT), None);

    let handle = shard.start(ENDLESS, SqlMode::Read, &[]);
    shard.effects.cancel(handle);
    let error = shard.wait_for(handle).result.unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Cancelled);
    assert_eq!(shard.effects.cost(ENDLESS), None);
}

#[test]
fn writes_that_wait_together_are_committed_together() {
    let place = Place::new();
    // Time stands still, so that no batch is cut short by a machine that dawdles.
    let mut shard = Shard::open_on(&place.settings(), StillClock);
    shard
        .run(INSERT, SqlMode::Write, &author(100, "first"))
        .unwrap();
    let stranger = place.stranger();
    speak(&stranger, "BEGIN IMMEDIATE");
    let names: Vec<_> = (0..10).map(|id| format!("author {id}")).collect();
    for (id, name) in (0..).zip(&names) {
        shard.start(INSERT, SqlMode::Write, &author(id, name));
    }
    speak(&stranger, "COMMIT");
    for _ in 0..10 {
        let finished = shard.wait();
        assert!(finished.result.is_ok());
        assert_eq!(finished.batch_count, 10);
    }
    assert_eq!(shard.read_int(COUNT), 11);
}

#[test]
fn what_is_too_much_is_refused() {
    let place = Place::new();
    let settings = place.settings().in_flight_max(3).operand_bytes_max(100);
    let mut shard = Shard::open(&settings);
    let stranger = place.stranger();
    speak(&stranger, "BEGIN IMMEDIATE");
    for id in 0..3 {
        let name = id.to_string();
        shard.start(INSERT, SqlMode::Write, &author(id, &name));
    }
    let values = author(9, "one too many");
    let refused = shard.try_start(INSERT, SqlMode::Write, &values, Nanos::NEVER);
    assert_eq!(refused, Err(Refused::Full));
    speak(&stranger, "COMMIT");
    for _ in 0..3 {
        assert!(shard.wait().result.is_ok());
    }
    let long = "x".repeat(100);
    let refused = shard.try_start(INSERT, SqlMode::Write, &author(9, &long), Nanos::NEVER);
    assert!(matches!(refused, Err(Refused::TooLarge(_))), "{refused:?}");
    // A refusal keeps nothing.
    for _ in 0..3 {
        assert_eq!(shard.read_int(COUNT), 3);
    }
}

#[test]
fn a_result_past_its_bound_is_an_error_and_changes_nothing() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings().result_bytes_max(1_000));
    let sql = "SELECT printf('%.*c', ?1, 'x')";
    assert!(shard.run(sql, SqlMode::Read, &[SqlValue::Int(900)]).is_ok());
    let error = shard
        .run(sql, SqlMode::Read, &[SqlValue::Int(5_000)])
        .unwrap_err();
    let bound = TooLarge {
        needed_bytes: 5_011,
        bytes_max: 1_000,
    };
    assert_eq!(error.kind, SqlErrorKind::TooLarge(bound));
    assert_eq!(
        error.to_string(),
        "the result came to 5011 bytes, 1000 are allowed"
    );

    let sql = "INSERT INTO authors (name) VALUES (?1) RETURNING printf('%.*c', 5000, name)";
    let error = shard
        .run(sql, SqlMode::Write, &[SqlValue::Text("x")])
        .unwrap_err();
    assert!(matches!(error.kind, SqlErrorKind::TooLarge(_)));
    assert_eq!(shard.read_int(COUNT), 0);
    assert!(shard.run(INSERT, SqlMode::Write, &author(1, "Ada")).is_ok());
}

#[test]
fn errors_say_what_to_conclude() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    shard
        .run(INSERT, SqlMode::Write, &author(1, "Ada"))
        .unwrap();
    let mut check = |sql, mode, values: &[SqlValue<'_>], kind: SqlErrorKind, text: &str| {
        let error = shard.run(sql, mode, values).unwrap_err();
        assert_eq!(
            (error.kind, error.to_string().as_str()),
            (kind, text),
            "{sql}"
        );
    };
    let constraint = SqlErrorKind::Constraint;
    check(
        INSERT,
        SqlMode::Write,
        &author(2, "Ada"),
        constraint(Constraint::Unique),
        "UNIQUE constraint failed: authors.name (SQLite 2067)",
    );
    check(
        INSERT,
        SqlMode::Write,
        &author(1, "Grace"),
        constraint(Constraint::PrimaryKey),
        "UNIQUE constraint failed: authors.id (SQLite 1555)",
    );
    check(
        INSERT,
        SqlMode::Write,
        &[SqlValue::Int(3), SqlValue::Null],
        constraint(Constraint::NotNull),
        "NOT NULL constraint failed: authors.name (SQLite 1299)",
    );
    check(
        "INSERT INTO posts (title) VALUES ('')",
        SqlMode::Write,
        &[],
        constraint(Constraint::Check),
        "CHECK constraint failed: title <> '' (SQLite 275)",
    );
    // Checked at the commit.
    check(
        "INSERT INTO posts (author) VALUES (99)",
        SqlMode::Write,
        &[],
        constraint(Constraint::ForeignKey),
        "FOREIGN KEY constraint failed (SQLite 787)",
    );
    check(
        "SELECT missing",
        SqlMode::Read,
        &[],
        SqlErrorKind::Statement,
        "no such column: missing (SQLite 1)",
    );
    check(
        "SELECT ?1, ?2",
        SqlMode::Read,
        &[SqlValue::Null],
        SqlErrorKind::Parameters {
            expected: 2,
            given: 1,
        },
        "the statement has 2 parameters, 1 values were given",
    );
    check(
        "DELETE FROM authors",
        SqlMode::Read,
        &[],
        SqlErrorKind::Forbidden,
        "attempt to write a readonly database (SQLite 8)",
    );
    for sql in ["COMMIT", "SAVEPOINT mine", "ATTACH ':memory:' AS mine"] {
        let text = "not authorized (SQLite 23)";
        check(sql, SqlMode::Write, &[], SqlErrorKind::Forbidden, text);
    }
    check(
        "SELECT 1; SELECT 2",
        SqlMode::Read,
        &[],
        SqlErrorKind::Statement,
        "more than one statement in one text",
    );
    assert_eq!(shard.read_int("SELECT 5; -- and a comment"), 5);
    assert_eq!(shard.read_int(COUNT), 1);
}

#[test]
fn a_text_with_a_zero_byte_is_refused() {
    let place = Place::new();
    let refused = "there is a zero byte in the text";
    let mut shard = Shard::open(&place.settings());
    for sql in ["SELECT 1\0", "SELECT 1\0; SELECT 2", "SELECT '\0'"] {
        let error = shard.run(sql, SqlMode::Read, &[]).unwrap_err();
        assert_eq!(
            (error.kind, error.message()),
            (SqlErrorKind::Statement, refused)
        );
    }
    let settings = place.settings().schema("CREATE TABLE lost (id);\0");
    let error = settings.writer(StillClock).err().unwrap().to_string();
    assert!(error.contains(refused), "{error}");
    let error = shard.run("SELECT * FROM lost", SqlMode::Read, &[]);
    assert_eq!(error.unwrap_err().message(), "no such table: lost");
}

#[test]
fn statements_beyond_the_cache_are_compiled_again() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings().statements_max(2).readers(1));
    for _ in 0..3 {
        assert_eq!(shard.read_int("SELECT 1"), 1);
        assert_eq!(shard.read_int("SELECT 2"), 2);
        assert_eq!(shard.read_int("SELECT 3"), 3);
    }
}

#[test]
fn a_changed_schema_is_noticed() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings().readers(1));
    shard
        .run(INSERT, SqlMode::Write, &author(1, "Ada"))
        .unwrap();
    let sql = "SELECT * FROM authors";
    let columns = |result: ResultBuffer| result.rows().columns_count();
    assert_eq!(columns(shard.run(sql, SqlMode::Read, &[]).unwrap()), 2);
    let alter = "ALTER TABLE authors ADD COLUMN born INTEGER";
    shard.run(alter, SqlMode::Write, &[]).unwrap();
    assert_eq!(columns(shard.run(sql, SqlMode::Read, &[]).unwrap()), 3);
}

#[test]
fn a_database_that_cannot_be_opened_is_named() {
    fn refused(path: impl AsRef<Path>) -> String {
        let settings = Sqlite::open(path.as_ref());
        let no_death = Arc::new(|_: &Death| {});
        match settings.start("bad", &[], RealClock::new(), no_death) {
            Ok(_) => panic!("it cannot be opened"),
            Err(error) => error.to_string(),
        }
    }
    assert_eq!(
        refused("/nowhere/test.db"),
        "/nowhere/test.db: unable to open database file (SQLite 14)"
    );
    assert_eq!(
        refused(":memory:"),
        ":memory:: a write-ahead log is needed, SQLite says `memory`"
    );
    assert_eq!(refused("a\0b"), "not a path: \"a\\0b\"");
    let place = Place::new();
    std::fs::write(place.file(), "this is no database, only a text in a file").unwrap();
    let error = refused(place.file());
    assert!(
        error.ends_with("file is not a database (SQLite 26)"),
        "{error}"
    );
}

#[test]
fn sqlite_s_memory_is_counted() {
    let place = Place::new();
    let shard = Shard::open(&place.settings());
    let open = memory();
    assert!(open.allocation_count > 0);
    assert!(open.bytes > 0);
    drop(shard);
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
    let cancel = Cancel {
        flag: Arc::new(AtomicU32::new(0)),
        generation: 1,
    };
    let request = Ticket::new(0, std::num::NonZeroU32::MIN);
    let mut job = Box::new(SqliteJob::new(0, request, cancel));
    job.sql = sql;
    job.bind(values, 1_000).unwrap();
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

/// A job that takes the whole transaction down does not take its neighbours with it.
#[test]
fn neighbours_of_a_lost_transaction_are_run_again() {
    fn check(culprit: Box<SqliteJob>, kind: SqlErrorKind) {
        let place = Place::new();
        let clock = CountingClock::default();
        let mut writer = place.settings().writer(clock.clone()).unwrap();
        let mut held = vec![
            job("INSERT INTO authors (name) VALUES ('before')", &[]),
            job("INSERT INTO authors (name) VALUES ('before')", &[]),
            culprit,
            job("INSERT INTO authors (name) VALUES ('after')", &[]),
        ];
        for job in &mut held {
            if job.deadline != Nanos::NEVER {
                job.deadline = Nanos(clock.0.get()) + job.deadline;
            }
            assert_eq!(writer.run(job), Publish::Held);
        }
        assert_eq!(names(&place), [""; 0]);
        writer.settle(&mut held);
        let unique = Some(SqlErrorKind::Constraint(Constraint::Unique));
        assert_eq!(outcomes(&held), [None, unique, Some(kind), None]);
        assert_eq!(names(&place), ["before", "after"]);

        // Nothing of it lingers.
        let mut held = vec![job("INSERT INTO authors (name) VALUES ('later')", &[])];
        assert_eq!(writer.run(&mut held[0]), Publish::Held);
        assert_eq!(held[0].verdict, Verdict::Ran);
        writer.settle(&mut held);
        assert_eq!(held[0].batch_count, 1);
        assert_eq!(names(&place), ["before", "after", "later"]);
    }
    // SQLite rolls the whole transaction back when a writing statement is interrupted.
    let mut endless = job(ENDLESS_INSERT, &[]);
    endless.deadline = Nanos::from_micros(50);
    check(endless, SqlErrorKind::Deadline);

    let unique = SqlErrorKind::Constraint(Constraint::Unique);
    let sql = "INSERT OR ROLLBACK INTO authors (name) VALUES ('before')";
    check(job(sql, &[]), unique);

    // Found out only at the commit.
    let foreign = SqlErrorKind::Constraint(Constraint::ForeignKey);
    let sql = "INSERT INTO posts (author) VALUES (99)";
    check(job(sql, &[]), foreign);
}

#[test]
fn a_panic_keeps_neither_lock_nor_changes() {
    let place = Place::new();
    let clock = CountingClock::default();
    let mut writer = place.settings().writer(clock.clone()).unwrap();
    let mut held = vec![job("INSERT INTO authors (name) VALUES ('before')", &[])];
    writer.run(&mut held[0]);
    let at = clock.0.replace(BROKEN);
    let mut panicking = job("INSERT INTO authors (name) VALUES ('lost')", &[]);
    let run = std::panic::AssertUnwindSafe(|| writer.run(&mut panicking));
    assert!(std::panic::catch_unwind(run).is_err());
    clock.0.set(at);
    // The lock is free at once.
    speak(&place.stranger(), "BEGIN IMMEDIATE; COMMIT");
    writer.settle(&mut held);
    assert_eq!(outcomes(&held), [None]);
    assert_eq!(names(&place), ["before"]);
}

#[test]
fn a_panic_on_a_reader_is_contained() {
    /// Breaks for one look, at the moment the test arms it.
    #[derive(Clone, Default)]
    struct Breaking(Arc<AtomicU64>);
    impl Clock for Breaking {
        fn now(&self) -> Nanos {
            assert_ne!(
                self.0.swap(0, Ordering::Relaxed),
                BROKEN,
                "the clock is broken"
            );
            Nanos::ZERO
        }
    }
    let place = Place::new();
    let clock = Breaking::default();
    let waker = Waker::new().unwrap();
    let setup = |name: &str| Setup {
        name: name.into(),
        placement: Placement::default(),
        batch: Batch::default(),
        on_death: Box::new(|death| panic!("{death:?}")),
    };
    let settings = place.settings();
    let make = move || settings.writer(StillClock);
    let writers = worker::spawn(setup("writer"), vec![waker.clone()], StillClock, make);
    let (settings, of_reader) = (place.settings(), clock.clone());
    let make = move || settings.reader(of_reader);
    let readers = worker::spawn(setup("reader"), vec![waker.clone()], StillClock, make);
    let mut shard = Shard {
        effects: SqliteEffects::new(
            &place.settings(),
            readers.unwrap(),
            writers.unwrap().remove(0),
        ),
        waker,
        clock: RealClock::new(),
        started_count: 0,
    };

    clock.0.store(BROKEN, Ordering::Relaxed);
    let error = shard.run(COUNT, SqlMode::Read, &[]).unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Panicked);
    assert!(error.message().contains("the clock is broken"), "{error}");
    assert_eq!(shard.read_int(COUNT), 0);
}

#[derive(Clone, Debug)]
enum Value {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Value {
    fn bound(&self) -> SqlValue<'_> {
        match self {
            Value::Null => SqlValue::Null,
            Value::Int(value) => SqlValue::Int(*value),
            Value::Float(value) => SqlValue::Float(*value),
            Value::Text(text) => SqlValue::Text(text),
            Value::Blob(bytes) => SqlValue::Blob(bytes),
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Int),
        prop::num::f64::NORMAL.prop_map(Value::Float),
        "\\PC{0,20}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Blob),
    ]
}

#[test]
fn values_go_through_sqlite_unchanged() {
    let place = Place::new();
    place.settings().writer(RealClock::new()).unwrap();
    let reader = RefCell::new(place.settings().reader(RealClock::new()).unwrap());
    let mut runner = proptest::test_runner::TestRunner::default();
    let values = (value(), value(), value());
    let checked = runner.run(&values, |(first, second, third)| {
        let values = [first.bound(), second.bound(), third.bound()];
        let mut job = job("SELECT ?1, ?2, ?3 UNION ALL SELECT ?3, ?1, ?2", &values);
        assert_eq!(reader.borrow_mut().run(&mut job), Publish::Now);
        prop_assert_eq!(&job.error, &None);
        let result = job.result.take().unwrap();
        let rows: Vec<Vec<_>> = result.rows().map(|row| row.columns().collect()).collect();
        let [first, second, third] = values.map(SqlValue::column);
        prop_assert_eq!(rows, [[first, second, third], [third, first, second]]);
        Ok(())
    });
    checked.unwrap();
}
