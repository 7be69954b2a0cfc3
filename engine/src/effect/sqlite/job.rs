//! What travels between a shard and a worker.

use cutaway_reactor::Ticket;
use cutaway_scheduler::Nanos;

use super::effects::Refused;
use super::error::SqlError;
use super::watch::Cancel;
use crate::effect::query::SqlValue;
use crate::effect::record::{SqlMode, SqlStatement};
use crate::effect::row::{Column, ResultBuffer};

impl<'v> SqlValue<'v> {
    pub(super) fn column(self) -> Column<'v> {
        match self {
            SqlValue::Null => Column::Null,
            SqlValue::Int(value) => Column::Int(value),
            SqlValue::Float(value) => Column::Float(value),
            SqlValue::Text(text) => Column::Text(text.as_bytes()),
            SqlValue::Blob(bytes) => Column::Blob(bytes),
        }
    }
}

/// One statement to run, or the statements of a transaction. A box of it serves one job after the
/// other.
#[derive(Debug)]
pub struct SqliteJob {
    /// The slot of the shard's table that the box belongs to.
    pub(super) index: u32,
    pub(super) request: Ticket,
    pub(super) mode: SqlMode,
    pub(super) statements: heapless::Vec<JobStatement, STATEMENTS_PER_TRANSACTION_MAX>,
    pub(super) deadline: Nanos,
    pub(super) cancel: Cancel,
    /// One row: the values of the parameters of all statements.
    pub(super) operands: ResultBuffer,
    /// Where the rows go. Given away with the result, and replaced before the next use.
    pub(super) result: Option<ResultBuffer>,
    pub(super) error: Option<SqlError>,
    pub(super) verdict: Verdict,
    pub(super) queued_at: Nanos,
    pub(super) started_at: Nanos,
    pub(super) finished_at: Nanos,
    /// How many jobs were committed together with this one, itself included; 0 for one that was not.
    pub(super) batch_count: u32,
}

/// One of a job's statements. Its values are the next ones among the job's operands.
#[derive(Clone, Copy, Debug)]
pub(super) struct JobStatement {
    pub(super) sql: &'static str,
    pub(super) params_count: u16,
    pub(super) rows_max: u32,
    pub(super) expects_row: bool,
}

/// How far the writer is with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not run yet, or what it did was rolled back through no fault of its own.
    Pending,
    /// It was run inside the open transaction.
    Ran,
    /// Its error stands whatever becomes of the others.
    Failed,
}

impl SqliteJob {
    pub(super) fn new(index: u32, request: Ticket, cancel: Cancel) -> SqliteJob {
        SqliteJob {
            index,
            request,
            mode: SqlMode::Read,
            statements: heapless::Vec::new(),
            deadline: Nanos::NEVER,
            cancel,
            operands: ResultBuffer::default(),
            result: None,
            error: None,
            verdict: Verdict::Pending,
            queued_at: Nanos::ZERO,
            started_at: Nanos::ZERO,
            finished_at: Nanos::ZERO,
            batch_count: 0,
        }
    }

    /// Copies the statements and their values in.
    pub(super) fn bind(
        &mut self,
        mode: SqlMode,
        statements: &[SqlStatement<'_>],
        bytes_max: usize,
    ) -> Result<(), Refused> {
        let (count, count_max) = (statements.len(), statements_max(mode));
        if !(1..=count_max).contains(&count) {
            return Err(Refused::Statements { count, count_max });
        }
        let params_count = statements.iter().map(|of| of.params.len()).sum();
        let columns_count = u16::try_from(params_count).map_err(|_| Refused::Parameters {
            count: params_count,
            count_max: usize::from(u16::MAX),
        })?;
        self.mode = mode;
        self.statements.clear();
        let mut writer = self.operands.writer(columns_count, bytes_max);
        for statement in statements {
            for value in statement.params {
                writer.column(value.column()).map_err(Refused::TooLarge)?;
            }
            let bound = JobStatement {
                sql: statement.sql,
                params_count: u16::try_from(statement.params.len())
                    .expect("a part is not larger than the whole"),
                rows_max: statement.rows_max,
                expects_row: statement.expects_row,
            };
            (self.statements.push(bound)).expect("their number was compared with the bound");
        }
        writer.end_row();
        Ok(())
    }

    pub(super) fn fail(&mut self, error: impl Into<SqlError>) {
        self.error = Some(error.into());
        self.verdict = Verdict::Failed;
    }
}

/// How many statements an effect may have.
fn statements_max(mode: SqlMode) -> usize {
    match mode {
        // Several would each see the database as of another moment.
        SqlMode::Read => 1,
        SqlMode::Write => STATEMENTS_PER_TRANSACTION_MAX,
    }
}

/// How many statements a transaction may have. They hold up the one writer of the database together,
/// and every job has room for so many.
pub const STATEMENTS_PER_TRANSACTION_MAX: usize = 16;
