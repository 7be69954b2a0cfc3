//! What travels between a shard and a worker.

use cutaway_reactor::Ticket;
use cutaway_scheduler::Nanos;

use super::error::SqlError;
use super::watch::Cancel;
use crate::effect::query::SqlValue;
use crate::effect::row::{Column, ResultBuffer, TooLarge};

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

/// One statement to run. A box of it serves one job after the other.
#[derive(Debug)]
pub struct SqliteJob {
    /// The slot of the shard's table that the box belongs to.
    pub(super) index: u32,
    pub(super) request: Ticket,
    pub(super) sql: &'static str,
    pub(super) deadline: Nanos,
    pub(super) cancel: Cancel,
    /// One row: the values of the parameters.
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
            sql: "",
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

    /// Copies the values in.
    pub(super) fn bind(
        &mut self,
        values: &[SqlValue<'_>],
        bytes_max: usize,
    ) -> Result<(), TooLarge> {
        let columns_count = u16::try_from(values.len()).unwrap_or(u16::MAX);
        let mut writer = self.operands.writer(columns_count, bytes_max);
        for value in values.iter().take(usize::from(columns_count)) {
            writer.column(value.column())?;
        }
        writer.end_row();
        Ok(())
    }

    pub(super) fn fail(&mut self, error: impl Into<SqlError>) {
        self.error = Some(error.into());
        self.verdict = Verdict::Failed;
    }
}
