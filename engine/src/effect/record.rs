//! An effect as the shard finds it.

use cutaway_scheduler::Nanos;

use super::query::SqlValue;
use crate::ctx::Expected;

/// An effect that a step asked for. Plain data; what it borrows lies in the request's arena.
#[derive(Clone, Copy)]
pub struct EffectRecord<'r> {
    /// Which resource, in the order of registration.
    pub resource: u16,
    /// What to do.
    pub operation: Operation<'r>,
    /// How long it may take; none where only the request's deadline bounds it.
    pub timeout: Option<Nanos>,
    pub(crate) expected: Expected,
}

/// What to do with a resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation<'r> {
    /// One SQL statement.
    Sqlite {
        /// Its text.
        sql: &'static str,
        /// Whether it goes to a reader or to the writer.
        mode: SqlMode,
        /// The values of `?1`, `?2`, …
        params: &'r [SqlValue<'r>],
        /// How many rows are of use; what comes after them need not be read.
        rows_max: u32,
    },
}

/// Which connection a statement needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlMode {
    /// It only reads.
    Read,
    /// It writes: it goes to the one writer of the database.
    Write,
}
