//! One connection at work: its statements, its watch, and the running of a job's statements.

use std::rc::Rc;

use cutaway_scheduler::{Clock, Nanos};
use libsqlite3_sys as ffi;

use super::cache::StatementCache;
use super::connection::{Connection, Statement};
use super::error::{SqlError, SqlErrorKind};
use super::job::{JobStatement, SqliteJob, Verdict};
use super::watch::{Stop, Watch};
use super::{OpenError, Sqlite};
use crate::effect::record::SqlMode;
use crate::effect::row::{Column, Columns, Executed, FromColumn, ResultBuffer};

/// A connection with its statements and its watch.
pub(super) struct Session<C> {
    cache: StatementCache,
    connection: Connection<C>,
    result_bytes_max: usize,
    path: String,
}

impl<C: Clock + 'static> Session<C> {
    pub(super) fn open(settings: &Sqlite, clock: C) -> Result<Session<C>, OpenError> {
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
    pub(super) fn use_wal(&self) -> Result<(), OpenError> {
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

    pub(super) fn set_up(&self, sql: &str) -> Result<(), OpenError> {
        let connection = &self.connection;
        let done = connection.watch().as_engine(|| connection.run_all(sql));
        done.map_err(|error| self.failed(error))
    }

    pub(super) fn failed(&self, error: SqlError) -> OpenError {
        OpenError::Database {
            path: self.path.clone(),
            error: Box::new(error),
        }
    }

    pub(super) fn now(&self) -> Nanos {
        self.connection.watch().now()
    }

    /// Runs one of the engine's own statements.
    pub(super) fn as_engine(&self, statement: &mut Statement) -> Result<(), SqlError> {
        self.connection.watch().as_engine(|| statement.run())
    }

    /// Compiles one of the engine's own statements.
    pub(super) fn prepare_as_engine(&self, sql: &str) -> Result<Statement, SqlError> {
        let connection = &self.connection;
        connection.watch().as_engine(|| connection.prepare(sql))
    }

    /// Whether the open transaction could not be committed, because a row refers to none.
    pub(super) fn breaks_references(&self) -> bool {
        self.connection.breaks_references()
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.connection.in_transaction()
    }

    pub(super) fn set_busy_timeout(&self, busy_timeout: Nanos) {
        self.connection.watch().set_busy_timeout(busy_timeout);
    }

    /// An error as the job that is watched should see it.
    pub(super) fn explain(&self, error: SqlError) -> SqlError {
        self.connection.watch().explain(error)
    }

    /// Watches over a job from now on, or says why it must not start.
    pub(super) fn begin(&self, job: &SqliteJob) -> Result<(), Stop> {
        self.connection.watch().begin(job.deadline, &job.cancel)
    }

    pub(super) fn end(&self) {
        self.connection.watch().end();
    }

    pub(super) fn expected(&self, job: &SqliteJob) -> Nanos {
        let of_each = job.statements.iter().map(|of| self.cache.average(of.sql));
        let of_all = of_each.reduce(|sum, average| Some(sum? + average?));
        of_all.flatten().unwrap_or(Nanos::NEVER)
    }

    /// Runs the job's statements under the watch and leaves the outcome in the job.
    pub(super) fn run_watched(&mut self, job: &mut SqliteJob) {
        job.error = None;
        job.verdict = Verdict::Ran;
        if let Err(error) = self.execute(job) {
            job.fail(self.explain(error));
        }
    }

    fn execute(&mut self, job: &mut SqliteJob) -> Result<(), SqlError> {
        let result = job.result.get_or_insert_default();
        result.clear();
        let row = job.operands.rows().next();
        let mut operands = row.expect("a job's operands are one row").columns();
        let mut started_at = self.now();
        for (index, statement) in job.statements.iter().enumerate() {
            // SQLite asks the watch only every thousand of its operations: short statements, however
            // many, would never be stopped.
            if index > 0
                && let Some(stop) = self.connection.watch().must_stop()
            {
                return Err(stop.into());
            }
            let is_last = index + 1 == job.statements.len();
            let run = Run {
                statement,
                // Nobody sees the rows of an earlier one.
                rows_max: if is_last { statement.rows_max } else { 0 },
                result_bytes_max: self.result_bytes_max,
            };
            let entry = self.cache.statement(&self.connection, statement.sql)?;
            run.execute(
                &self.connection,
                &mut entry.statement,
                &mut operands,
                result,
            )
            .map_err(|error| error.at(index))?;
            let ended_at = self.connection.watch().now();
            entry.took(ended_at.since(started_at));
            started_at = ended_at;
        }
        // The commit would say so, but not whose fault it is; and another job could make good for it.
        if job.mode == SqlMode::Write && self.breaks_references() {
            let (code, words) = (
                ffi::SQLITE_CONSTRAINT_FOREIGNKEY,
                b"FOREIGN KEY constraint failed",
            );
            return Err(SqlError::reported(code, words));
        }
        Ok(())
    }
}

/// One statement of a job, at work.
struct Run<'j> {
    statement: &'j JobStatement,
    rows_max: u32,
    result_bytes_max: usize,
}

impl Run<'_> {
    /// Runs the statement on the next ones of the operands; its rows go into the result.
    fn execute<C: Clock + 'static>(
        &self,
        connection: &Connection<C>,
        compiled: &mut Statement,
        operands: &mut Columns<'_>,
        result: &mut ResultBuffer,
    ) -> Result<(), SqlError> {
        let given = self.statement.params_count;
        let expected = compiled.parameters_count();
        if expected != u32::from(given) {
            let given = given.into();
            let kind = SqlErrorKind::Parameters { expected, given };
            return Err(SqlError::new(kind, ""));
        }
        // What a statement that writes does not return it must do all the same.
        let may_end_early = self.rows_max > 0 && compiled.is_readonly();
        let changed_before = connection.changed_in_all_count();
        let mut bound = compiled.bind(operands.take(given.into()))?;
        let mut is_row = bound.step()?;
        let columns_count = bound.columns_count();
        let mut writer = result.writer(columns_count, self.result_bytes_max);
        let mut rows_left = self.rows_max;
        while is_row {
            if rows_left > 0 {
                for index in 0..columns_count {
                    writer.column(bound.column(index)?)?;
                }
                writer.end_row();
                rows_left -= 1;
                if rows_left == 0 && may_end_early {
                    break;
                }
            }
            is_row = bound.step()?;
        }
        drop(bound);
        let has_changed = connection.changed_in_all_count() != changed_before;
        if self.statement.expects_row && !has_changed && rows_left == self.rows_max {
            return Err(SqlError::new(SqlErrorKind::NoRow, "no row"));
        }
        // SQLite leaves both numbers as they were where a statement changes nothing.
        result.push_executed(if has_changed {
            Executed {
                changed_count: connection.changed_count(),
                last_row_id: connection.last_row_id(),
            }
        } else {
            Executed::default()
        });
        Ok(())
    }
}
