//! Running jobs on a connection: readers, and the one writer.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use cutaway_reactor::{Handler, Publish};
use cutaway_scheduler::{Clock, Nanos};

use super::connection::Statement;
use super::error::{SqlError, SqlErrorKind};
use super::job::{SqliteJob, Verdict};
use super::session::Session;
use super::{OpenError, Sqlite};

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
        session.set_busy_timeout(Nanos::ZERO);
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
/// A statement is atomic by itself, so a job of one statement needs no savepoint: where it fails, it
/// undoes its own changes and no others. A job of several runs inside a savepoint: two inserts cost
/// 4 µs so, as much as two jobs of one, and 60 µs with a commit of their own
/// (`bench/benches/transaction.rs`). Where neither holds (SQLite ends the whole transaction when a
/// writing statement is interrupted, a disk is full or `ON CONFLICT ROLLBACK` strikes) the jobs
/// beside it are run again, each in a transaction of its own. Nobody has heard of their results
/// before the commit.
pub struct Writer<C> {
    session: Session<C>,
    transaction: Transaction,
    begin: Statement,
    commit: Statement,
    rollback: Statement,
    savepoint: Statement,
    undo: Statement,
    release: Statement,
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
            let prepared = session.prepare_as_engine(sql);
            prepared.map_err(|error| session.failed(error))
        };
        Ok(Writer {
            // Immediate, because a transaction that starts as a reader and then wants to write can
            // fail with `BUSY_SNAPSHOT`, which no waiting cures.
            begin: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            rollback: prepare("ROLLBACK")?,
            savepoint: prepare("SAVEPOINT job")?,
            undo: prepare("ROLLBACK TO job")?,
            release: prepare("RELEASE job")?,
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
                // No job's fault: what a commit checks was checked after each of them.
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
        let begun = self.session.as_engine(&mut self.begin);
        begun.map_err(|error| self.session.explain(error))
    }

    fn commit(&mut self) -> Result<(), SqlError> {
        self.session.as_engine(&mut self.commit)
    }

    /// Makes sure that no transaction is open.
    fn roll_back(&mut self) {
        if self.session.in_transaction() {
            // It fails only where SQLite has rolled back by itself.
            let _ = self.session.as_engine(&mut self.rollback);
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

    /// Runs a job inside the batch's transaction.
    fn run_inside(&mut self, job: &mut SqliteJob) {
        let is_whole = if job.statements.len() > 1 {
            self.run_in_savepoint(job)
        } else {
            self.session.run_watched(job);
            self.session.end();
            // A statement that returns too many rows has made its changes before the first of them,
            // and a reference may point nowhere up to the commit.
            let kind = job.error.as_ref().map(|error| error.kind);
            !matches!(kind, Some(SqlErrorKind::TooLarge(_))) && !self.session.breaks_references()
        };
        if !is_whole || !self.session.in_transaction() {
            self.roll_back();
            self.transaction = Transaction::Lost;
        } else if job.verdict == Verdict::Failed {
            // Its failure may rest on what a neighbour has done in this transaction.
            job.verdict = Verdict::Ran;
        }
    }

    /// Runs a job so that it leaves all of its changes or none. False where it could not be made so.
    fn run_in_savepoint(&mut self, job: &mut SqliteJob) -> bool {
        if let Err(error) = self.session.as_engine(&mut self.savepoint) {
            job.fail(self.session.explain(error));
            self.session.end();
            return false;
        }
        self.session.run_watched(job);
        // What follows must not be stopped by what has stopped the job.
        self.session.end();
        // The savepoint went with the transaction.
        if !self.session.in_transaction() {
            return false;
        }
        let undone = match job.error {
            Some(_) => self.session.as_engine(&mut self.undo),
            None => Ok(()),
        };
        // Undoing leaves the savepoint itself behind.
        let released = undone.and_then(|()| self.session.as_engine(&mut self.release));
        released.is_ok()
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
        self.session.run_watched(job);
        self.session.end();
        if job.error.is_none() {
            match self.commit() {
                Ok(()) => job.batch_count = 1,
                Err(error) => job.fail(error),
            }
        }
        // Nothing is left to undo where it was committed.
        self.roll_back();
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
