//! Running jobs on a connection: readers, and the one writer.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use cutaway_reactor::{Handler, Publish};
use cutaway_scheduler::{Clock, Nanos};

use super::cache::StatementCache;
use super::connection::{Connection, Statement};
use super::error::{SqlError, SqlErrorKind};
use super::job::{SqliteJob, Verdict};
use super::watch::{Stop, Watch};
use super::{OpenError, Sqlite};
use crate::effect::row::{Column, FromColumn};

/// Runs statements that read. One connection, one thread.
pub struct Reader<C> {
    session: Session<C>,
}

impl<C: Clock + 'static> Reader<C> {
    pub(super) fn open(settings: &Sqlite, clock: C) -> Result<Reader<C>, OpenError> {
        let session = Session::open(settings, clock)?;
        session.set_up("PRAGMA query_only = ON")?;
        // In WAL mode readers wait for nobody. What could still make them wait is a recovery after a
        // crash or somebody closing the database; that is an error to try again, not a wait.
        session.connection.watch().set_busy_timeout(Nanos::ZERO);
        Ok(Reader { session })
    }
}

impl<C: Clock + 'static> Handler<SqliteJob> for Reader<C> {
    fn run(&mut self, job: &mut SqliteJob) -> Publish {
        job.started_at = self.session.now();
        match self.session.begin(job) {
            Ok(()) => self.session.run_watched(job),
            Err(refused) => job.fail(refused),
        }
        self.session.end();
        job.finished_at = self.session.now();
        Publish::Now
    }

    fn expected(&self, job: &SqliteJob) -> Nanos {
        self.session.expected(job)
    }
}

/// Runs statements that write, several in one transaction. One connection for the whole process.
///
/// A statement is atomic by itself, so jobs need no savepoints: one that fails undoes its own changes
/// and no others. Where that does not hold (SQLite ends the whole transaction when a writing
/// statement is interrupted, a disk is full or `ON CONFLICT ROLLBACK` strikes) the jobs beside it are
/// run again, each in a transaction of its own. Nobody has heard of their results before the commit.
pub struct Writer<C> {
    session: Session<C>,
    transaction: Transaction,
    begin: Statement,
    commit: Statement,
    rollback: Statement,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    None,
    Open,
    /// It was open, and must not be or cannot be committed. Jobs wait for `settle` unrun, so that
    /// they keep their order.
    Lost,
}

impl<C: Clock + 'static> Writer<C> {
    pub(super) fn open(settings: &Sqlite, clock: C) -> Result<Writer<C>, OpenError> {
        let session = Session::open(settings, clock)?;
        session.use_wal()?;
        session.set_up(settings.schema)?;
        let prepare = |sql| {
            let connection = &session.connection;
            let prepared = connection.watch().as_engine(|| connection.prepare(sql));
            prepared.map_err(|error| session.failed(error))
        };
        Ok(Writer {
            // Immediate, because a transaction that starts as a reader and then wants to write can
            // fail with `BUSY_SNAPSHOT`, which no waiting cures.
            begin: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            rollback: prepare("ROLLBACK")?,
            session,
            transaction: Transaction::None,
        })
    }

    /// Runs a job in the batch's transaction.
    fn run_held(&mut self, job: &mut SqliteJob) -> Publish {
        job.started_at = self.session.now();
        if self.transaction == Transaction::Lost {
            return Publish::Held;
        }
        let begun = self.session.begin(job).map_err(SqlError::from);
        let begun = match self.transaction {
            Transaction::None => begun.and_then(|()| self.begin()),
            Transaction::Open | Transaction::Lost => begun,
        };
        if let Err(refused) = begun {
            self.session.end();
            job.fail(refused);
            job.finished_at = self.session.now();
            return Publish::Now;
        }
        self.transaction = Transaction::Open;
        self.run_inside(job);
        Publish::Held
    }

    /// Commits the batch's transaction, or runs again what a lost one held.
    fn settle_all(&mut self, held: &mut [Box<SqliteJob>]) {
        if self.transaction == Transaction::Open {
            match self.commit() {
                Ok(()) => {
                    let batch_count = u32::try_from(held.len()).unwrap_or(u32::MAX);
                    for job in held.iter_mut() {
                        job.batch_count = batch_count;
                    }
                }
                // A constraint that is checked at the commit is one job's fault: find out whose.
                Err(error) if matches!(error.kind, SqlErrorKind::Constraint(_)) => {
                    self.roll_back();
                    self.transaction = Transaction::Lost;
                }
                Err(error) => {
                    self.roll_back();
                    for job in held.iter_mut() {
                        job.fail(error.clone());
                    }
                }
            }
        }
        if self.transaction == Transaction::Lost {
            for job in held.iter_mut().filter(|job| job.verdict != Verdict::Failed) {
                self.run_alone(job);
            }
        }
        self.transaction = Transaction::None;
        let finished_at = self.session.now();
        for job in held {
            job.finished_at = finished_at;
        }
    }

    /// Opens a transaction on behalf of a job that is watched.
    fn begin(&mut self) -> Result<(), SqlError> {
        let watch = self.session.connection.watch();
        let begun = watch.as_engine(|| self.begin.run());
        begun.map_err(|error| watch.explain(error))
    }

    fn commit(&mut self) -> Result<(), SqlError> {
        let watch = self.session.connection.watch();
        watch.as_engine(|| self.commit.run())
    }

    /// Makes sure that no transaction is open.
    fn roll_back(&mut self) {
        if self.session.connection.in_transaction() {
            let watch = self.session.connection.watch();
            // It fails only where SQLite has rolled back by itself.
            let _ = watch.as_engine(|| self.rollback.run());
        }
    }

    /// Runs a part of the handler; a panic leaves neither a transaction nor a watch behind.
    fn guarded<T>(&mut self, part: impl FnOnce(&mut Writer<C>) -> T) -> T {
        match catch_unwind(AssertUnwindSafe(|| part(self))) {
            Ok(done) => done,
            Err(payload) => {
                self.session.end();
                self.roll_back();
                // Where jobs are held, they have to be run again; where none is, no harm is done.
                self.transaction = Transaction::Lost;
                resume_unwind(payload)
            }
        }
    }

    /// Runs a job inside the open transaction.
    fn run_inside(&mut self, job: &mut SqliteJob) {
        self.session.run_watched(job);
        self.session.end();
        // A statement that returns too many rows has made its changes before the first of them.
        let is_half_done = matches!(
            &job.error,
            Some(SqlError {
                kind: SqlErrorKind::TooLarge(_),
                ..
            })
        );
        if is_half_done || !self.session.connection.in_transaction() {
            self.roll_back();
            self.transaction = Transaction::Lost;
        } else if job.verdict == Verdict::Failed {
            // Its failure may rest on what a neighbour has done in this transaction.
            job.verdict = Verdict::Ran;
        }
    }

    /// Runs a job in a transaction of its own.
    fn run_alone(&mut self, job: &mut SqliteJob) {
        job.verdict = Verdict::Pending;
        job.error = None;
        let begun = self.session.begin(job).map_err(SqlError::from);
        if let Err(refused) = begun.and_then(|()| self.begin()) {
            self.session.end();
            return job.fail(refused);
        }
        self.transaction = Transaction::Open;
        self.run_inside(job);
        if self.transaction == Transaction::Open {
            match self.commit() {
                Ok(()) => job.batch_count = 1,
                Err(error) => {
                    self.roll_back();
                    job.fail(error);
                }
            }
        }
        self.transaction = Transaction::None;
    }
}

impl<C: Clock + 'static> Handler<SqliteJob> for Writer<C> {
    fn run(&mut self, job: &mut SqliteJob) -> Publish {
        self.guarded(|writer| writer.run_held(job))
    }

    fn settle(&mut self, held: &mut [Box<SqliteJob>]) {
        self.guarded(|writer| writer.settle_all(held));
    }

    fn expected(&self, job: &SqliteJob) -> Nanos {
        self.session.expected(job)
    }
}

/// A connection with its statements and its watch.
struct Session<C> {
    cache: StatementCache,
    connection: Connection<C>,
    result_bytes_max: usize,
    path: String,
}

impl<C: Clock + 'static> Session<C> {
    fn open(settings: &Sqlite, clock: C) -> Result<Session<C>, OpenError> {
        super::memory::count();
        let watch = Rc::new(Watch::new(clock, settings.bounds.busy_timeout));
        let path = settings.c_path()?;
        let display = settings.path.display().to_string();
        let connection = match Connection::open(&path, watch) {
            Ok(connection) => connection,
            Err(error) => {
                return Err(OpenError::Database {
                    path: display,
                    error: Box::new(error),
                });
            }
        };
        let session = Session {
            cache: StatementCache::new(settings.bounds.statements_max),
            connection,
            result_bytes_max: settings.bounds.result_bytes_max,
            path: display,
        };
        session.set_up("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON")?;
        Ok(session)
    }

    /// Makes readers and the writer independent of each other.
    fn use_wal(&self) -> Result<(), OpenError> {
        let failed = |error| self.failed(error);
        let sql = "PRAGMA journal_mode = WAL";
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let mut bound = statement.bind_none();
        bound.step().map_err(failed)?;
        match bound.column(0).map_err(failed)? {
            Column::Text(b"wal") => Ok(()),
            other => Err(OpenError::NotWal {
                path: self.path.clone(),
                mode: <&str>::from_column(other).unwrap_or("unknown").to_owned(),
            }),
        }
    }

    fn set_up(&self, sql: &str) -> Result<(), OpenError> {
        let connection = &self.connection;
        let done = connection.watch().as_engine(|| connection.run_all(sql));
        done.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: SqlError) -> OpenError {
        OpenError::Database {
            path: self.path.clone(),
            error: Box::new(error),
        }
    }

    fn now(&self) -> Nanos {
        self.connection.watch().now()
    }

    /// Watches over a job from now on, or says why it must not start.
    fn begin(&self, job: &SqliteJob) -> Result<(), Stop> {
        self.connection.watch().begin(job.deadline, &job.cancel)
    }

    fn end(&self) {
        self.connection.watch().end();
    }

    fn expected(&self, job: &SqliteJob) -> Nanos {
        self.cache.average(job.sql).unwrap_or(Nanos::NEVER)
    }

    /// Runs the job's statement under the watch and leaves the outcome in the job.
    fn run_watched(&mut self, job: &mut SqliteJob) {
        let started_at = self.now();
        job.error = None;
        job.verdict = Verdict::Ran;
        if let Err(error) = self.execute(job, started_at) {
            job.fail(self.connection.watch().explain(error));
        }
    }

    fn execute(&mut self, job: &mut SqliteJob, started_at: Nanos) -> Result<(), SqlError> {
        let connection = &self.connection;
        let entry = self.cache.statement(connection, job.sql)?;
        let statement = &mut entry.statement;
        let operands = job.operands.rows();
        let expected = statement.parameters_count();
        let given = operands.columns_count() as u32;
        if expected != given {
            let kind = SqlErrorKind::Parameters { expected, given };
            return Err(SqlError::new(kind, ""));
        }
        let result = job.result.get_or_insert_default();
        let changed_before = connection.changed_in_all_count();
        let mut bound = statement.bind(operands.flat_map(|row| row.columns()))?;
        let mut is_row = bound.step()?;
        let columns_count = bound.columns_count();
        let mut writer = result.writer(columns_count, self.result_bytes_max);
        while is_row {
            for index in 0..columns_count {
                writer.column(bound.column(index)?)?;
            }
            writer.end_row();
            is_row = bound.step()?;
        }
        drop(bound);
        // SQLite leaves both numbers as they were where a statement changes nothing.
        if connection.changed_in_all_count() != changed_before {
            result.changed_count = connection.changed_count();
            result.last_row_id = connection.last_row_id();
        }
        entry.took(connection.watch().now().since(started_at));
        Ok(())
    }
}
