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

impl<'r> EffectRecord<'r> {
    /// The statements it runs, in their order; none where it is no effect of a database.
    pub fn statements(&self) -> &'r [SqlStatement<'r>] {
        let Operation::Sqlite { statements, .. } = self.operation;
        statements
    }

    /// The text of its first statement; none where it is no effect of a database.
    pub fn sql(&self) -> Option<&'static str> {
        self.statements().first().map(|statement| statement.sql)
    }
}

/// What to do with a resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation<'r> {
    /// SQL statements.
    Sqlite {
        /// Whether they go to a reader or to the writer.
        mode: SqlMode,
        /// One statement, or those of a transaction in their order.
        statements: &'r [SqlStatement<'r>],
    },
}

/// One SQL statement with its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SqlStatement<'r> {
    /// Its text.
    pub sql: &'static str,
    /// The values of `?1`, `?2`, …
    pub params: &'r [SqlValue<'r>],
    /// How many rows are of use. What comes after them is not kept, but a statement that writes runs
    /// to its end.
    pub rows_max: u32,
    /// Whether it is a failure that it neither changes nor gives a row.
    pub expects_row: bool,
}

/// Which connection a statement needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlMode {
    /// It only reads.
    Read,
    /// It writes: it goes to the one writer of the database.
    Write,
}
