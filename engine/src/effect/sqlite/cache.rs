//! The compiled statements of one connection.

use std::ptr;

use cutaway_scheduler::{Clock, Nanos};

use super::connection::{Connection, Statement};
use super::error::SqlError;

/// Compiled statements, found by the address of their text.
///
/// A text in a program has one address for ever, so comparing addresses is enough where it hits and
/// costs less than hashing. The same text at another address is found by comparing the texts.
///
/// # Complexity
/// Linear in the number of statements, about 1 ns for each four of them.
pub(super) struct StatementCache {
    entries: Vec<Entry>,
    statements_max: usize,
    /// Counts uses, so that the entry used least recently is known.
    uses_count: u64,
}

/// A compiled statement and how long it takes.
pub(super) struct Entry {
    sql: &'static str,
    used_at: u64,
    average: Option<Nanos>,
    pub(super) statement: Statement,
}

impl StatementCache {
    pub(super) fn new(statements_max: usize) -> StatementCache {
        let statements_max = statements_max.max(1);
        StatementCache {
            entries: Vec::with_capacity(statements_max),
            statements_max,
            uses_count: 0,
        }
    }

    /// The statement of that text, compiled now where it is not known yet.
    pub(super) fn statement<C: Clock + 'static>(
        &mut self,
        connection: &Connection<C>,
        sql: &'static str,
    ) -> Result<&mut Entry, SqlError> {
        self.uses_count += 1;
        let index = match self.position(sql) {
            Some(index) => index,
            None => self.insert(sql, connection.prepare(sql)?),
        };
        let entry = &mut self.entries[index];
        entry.used_at = self.uses_count;
        Ok(entry)
    }

    /// How long the statement took of late; none where nobody knows.
    pub(super) fn average(&self, sql: &'static str) -> Option<Nanos> {
        self.entries[self.position(sql)?].average
    }

    fn position(&self, sql: &'static str) -> Option<usize> {
        let by_address = self
            .entries
            .iter()
            .position(|entry| ptr::eq(entry.sql, sql));
        by_address.or_else(|| self.entries.iter().position(|entry| entry.sql == sql))
    }

    fn insert(&mut self, sql: &'static str, statement: Statement) -> usize {
        let entry = Entry {
            sql,
            used_at: self.uses_count,
            average: None,
            statement,
        };
        if self.entries.len() < self.statements_max {
            self.entries.push(entry);
            return self.entries.len() - 1;
        }
        let oldest = (0..self.entries.len())
            .min_by_key(|&index| self.entries[index].used_at)
            .expect("a cache holds at least one statement");
        self.entries[oldest] = entry;
        oldest
    }
}

impl Entry {
    /// Takes a run into the average, an eighth at a time.
    pub(super) fn took(&mut self, length: Nanos) {
        let average = self.average.unwrap_or(length).0;
        self.average = Some(Nanos(average - average / 8 + length.0 / 8));
    }
}
