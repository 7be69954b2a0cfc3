//! A database that a test plays: a closure answers each statement, on the simulated machine.
//!
//! What stands around it is what stands around SQLite: the same jobs on simulated workers, the same
//! bounds, deadlines and cancels, rows through the same `RowWriter`, the same failures. There is no
//! file and no SQL; what a statement means is the script's business.
//!
//! ```
//! use cutaway::effect::sqlite::scripted::{Script, ScriptedAnswer};
//! use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
//! use cutaway::prelude::*;
//!
//! let script = Script::new(|statement| match statement.sql {
//!     "SELECT id, title FROM posts" => ScriptedAnswer::rows([(1, "one"), (2, "two")]),
//!     "INSERT INTO posts (title) VALUES (?1)" => ScriptedAnswer::inserted(3).after(5.millis()),
//!     "INSERT INTO authors (name) VALUES (?1)" => {
//!         ScriptedAnswer::constraint(Constraint::Unique, "authors.name")
//!     }
//!     "SELECT count(*) FROM posts" => ScriptedAnswer::never(),
//!     _ => ScriptedAnswer::error(SqlErrorKind::Busy),
//! });
//! # let _ = script;
//! ```

mod answer;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use cutaway_reactor::sim::{SimNet, SimPort, WorkClock};
use cutaway_reactor::{Handler, Publish};
use cutaway_scheduler::{Clock, Nanos};

pub use answer::{IntoScriptedRow, ScriptedAnswer};

use super::error::{SqlError, SqlErrorKind};
use super::job::{JobStatement, SqliteJob, Verdict};
use super::watch::Stop;
use super::{Sqlite, SqliteEffects};
use crate::effect::query::SqlValue;
use crate::effect::record::SqlMode;
use crate::effect::row::{Column, Columns, ResultBuffer};

/// What answers the statements of one or several databases.
///
/// It is asked when a statement starts, one at a time and in the order of their starts; those of a
/// transaction one after the other, up to the first that fails. There is nothing to undo but what the
/// script itself keeps.
///
/// # Panics
/// A panic of the script is the panic of the job: the request gets a 500, the test goes on. So note
/// in the script what came, and assert on that afterwards.
#[derive(Clone)]
pub struct Script(Rc<RefCell<Played>>);

type Played = dyn FnMut(&ScriptedStatement<'_>) -> ScriptedAnswer;

impl Script {
    /// A script that asks this function.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    ///
    /// use cutaway::effect::sqlite::scripted::{Script, ScriptedAnswer};
    ///
    /// let asked_count = Rc::new(Cell::new(0));
    /// let count = Rc::clone(&asked_count);
    /// let script = Script::new(move |_| {
    ///     count.set(count.get() + 1);
    ///     ScriptedAnswer::row((count.get(),))
    /// });
    /// # let _ = script;
    /// ```
    pub fn new(answer: impl FnMut(&ScriptedStatement<'_>) -> ScriptedAnswer + 'static) -> Script {
        Script(Rc::new(RefCell::new(answer)))
    }

    fn answer(&self, statement: &ScriptedStatement<'_>) -> ScriptedAnswer {
        (self.0.borrow_mut())(statement)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}

/// A statement that a script is asked about.
///
/// ```
/// use cutaway::effect::SqlValue;
/// use cutaway::effect::sqlite::scripted::{Script, ScriptedAnswer};
///
/// let script = Script::new(|statement| match statement.params {
///     [SqlValue::Int(id)] if statement.sql.starts_with("SELECT") => ScriptedAnswer::row((*id,)),
///     _ => ScriptedAnswer::none(),
/// });
/// # let _ = script;
/// ```
#[derive(Debug)]
pub struct ScriptedStatement<'j> {
    /// The name of the database's resource.
    pub database: &'static str,
    /// Whether it, or its transaction, goes to the writer.
    pub mode: SqlMode,
    /// Its text.
    pub sql: &'static str,
    /// The values of `?1`, `?2`, …
    pub params: &'j [SqlValue<'j>],
    /// Which statement of its effect it is, from zero, …
    pub index: usize,
    /// … of how many: more than one is a transaction.
    pub count: usize,
}

impl Sqlite {
    /// The database as the script plays it, for the one shard of a simulated machine.
    ///
    /// Statements that read do not wait for each other, so that a delay is a delay and not a place in
    /// somebody's queue; those that write come one after the other, as they do at the one writer.
    pub(crate) fn simulate_scripted(
        &self,
        database: &'static str,
        script: &Script,
        net: &SimNet,
        jobs_max: usize,
    ) -> SqliteEffects<SimPort<SqliteJob>> {
        let port = || {
            let clock = WorkClock::new(net, Nanos::ZERO);
            let worker = ScriptedWorker {
                database,
                script: script.clone(),
                clock: clock.clone(),
                result_bytes_max: self.bounds.result_bytes_max,
            };
            SimPort::with_clock(net, jobs_max, clock, worker)
        };
        SqliteEffects::new(self, vec![port().lanes(jobs_max)], port())
    }
}

/// Runs jobs by asking a script.
#[derive(Debug)]
pub struct ScriptedWorker {
    database: &'static str,
    script: Script,
    clock: WorkClock,
    result_bytes_max: usize,
}

impl Handler<SqliteJob> for ScriptedWorker {
    fn run(&mut self, job: &mut SqliteJob) -> Publish {
        job.started_at = self.clock.now();
        job.verdict = Verdict::Ran;
        match self.execute(job) {
            Ok(()) => job.batch_count = u32::from(job.mode == SqlMode::Write),
            Err(error) => job.fail(error),
        }
        job.finished_at = self.clock.now();
        Publish::Now
    }

    fn stops(&mut self, job: &mut SqliteJob) -> bool {
        let is_cancelled = job.cancel.is_set();
        if is_cancelled {
            job.finished_at = self.clock.now();
            job.fail(Stop::Cancelled);
        }
        is_cancelled
    }
}

impl ScriptedWorker {
    fn execute(&self, job: &mut SqliteJob) -> Result<(), SqlError> {
        let result = job.result.get_or_insert_default();
        result.clear();
        let row = job.operands.rows().next();
        let mut operands = row.expect("a job's operands are one row").columns();
        let count = job.statements.len();
        for (index, statement) in job.statements.iter().enumerate() {
            if job.cancel.is_set() {
                return Err(Stop::Cancelled.into());
            }
            self.spend(Nanos::ZERO, job.deadline)?;
            let params = values(&mut operands, statement);
            let answer = self.script.answer(&ScriptedStatement {
                database: self.database,
                mode: job.mode,
                sql: statement.sql,
                params: &params,
                index,
                count,
            });
            self.spend(answer.delay, job.deadline)?;
            let is_last = index + 1 == count;
            self.take(&answer, job.mode, statement, is_last, result)
                .map_err(|error| error.at(index))?;
        }
        Ok(())
    }

    /// Lets time pass, but not beyond the deadline, which stops a statement wherever it is.
    fn spend(&self, length: Nanos, deadline: Nanos) -> Result<(), Stop> {
        let left = deadline.since(self.clock.now());
        if deadline < Nanos::NEVER && length >= left {
            self.clock.spend(left);
            return Err(Stop::Deadline);
        }
        self.clock.spend(length);
        Ok(())
    }

    /// Takes an answer as SQLite's would be taken.
    fn take(
        &self,
        answer: &ScriptedAnswer,
        mode: SqlMode,
        statement: &JobStatement,
        is_last: bool,
        result: &mut ResultBuffer,
    ) -> Result<(), SqlError> {
        let given = answer.given.as_ref().map_err(SqlError::clone)?;
        let rows = given.rows();
        let has_row = rows.len() > 0;
        let rows_max = if is_last { statement.rows_max } else { 0 };
        let columns_count =
            u16::try_from(rows.columns_count()).expect("a row's header counts in 16 bits");
        let mut writer = result.writer(columns_count, self.result_bytes_max);
        for row in rows.take(rows_max as usize) {
            for column in row.columns() {
                writer.column(column)?;
            }
            writer.end_row();
        }
        let executed = answer.executed(given, mode);
        if statement.expects_row && !has_row && executed.changed_count == 0 {
            return Err(SqlError::new(SqlErrorKind::NoRow, "no row"));
        }
        result.push_executed(executed);
        Ok(())
    }
}

/// The values of the next statement.
fn values<'j>(operands: &mut Columns<'j>, statement: &JobStatement) -> Vec<SqlValue<'j>> {
    let columns = operands.take(statement.params_count.into());
    let value = |column: Column<'j>| match column {
        Column::Null => SqlValue::Null,
        Column::Int(value) => SqlValue::Int(value),
        Column::Float(value) => SqlValue::Float(value),
        Column::Text(bytes) => {
            let text = std::str::from_utf8(bytes);
            SqlValue::Text(text.expect("it was bound as text"))
        }
        Column::Blob(bytes) => SqlValue::Blob(bytes),
    };
    columns.map(value).collect()
}

#[cfg(test)]
mod tests;
