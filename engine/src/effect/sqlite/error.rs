//! What SQLite refused, in words that say what to do about it.

use std::fmt;

use libsqlite3_sys as ffi;

use super::effects::Refused;
use crate::effect::record::EffectRecord;
use crate::effect::row::TooLarge;
use crate::step::{Fail, Failure};

/// A statement that failed.
///
/// Holds its message inline, so that failing allocates nothing.
///
/// ```
/// use cutaway::effect::sqlite::{SqlError, SqlErrorKind};
///
/// /// Whether somebody should look at the machine.
/// fn is_grave(error: &SqlError) -> bool {
///     if error.kind == SqlErrorKind::Storage {
///         eprintln!("SQLite {}: {}", error.code(), error.message());
///     }
///     error.kind == SqlErrorKind::Storage
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// What to conclude from it.
    pub kind: SqlErrorKind,
    /// SQLite's extended result code; 0 where SQLite did not fail.
    pub extended_code: i32,
    /// Which of the job's statements it was, from 0.
    pub statement: u8,
    message: Message,
}

/// What a failure means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlErrorKind {
    // It would not help to ask again: the statement or its operands are wrong.
    /// A constraint forbids it. Answer with a conflict.
    Constraint(Constraint),
    /// The statement does not compile, or failed by its own logic.
    Statement,
    /// The statement is not one that a pipeline may run: it writes on a reader, or opens, ends or
    /// attaches what the engine opens, ends and attaches.
    Forbidden,
    /// The statement has another number of parameters than it was given.
    Parameters {
        /// How many it has.
        expected: u32,
        /// How many were given.
        given: u32,
    },
    /// The result passed its bound.
    TooLarge(TooLarge),
    /// A statement that had to find a row found none to change or to give. Answer with a 404.
    NoRow,

    // Nothing was changed; whoever asked has gone or may ask again.
    /// Its deadline passed before it was done.
    Deadline,
    /// It was cancelled.
    Cancelled,
    /// Another process held the database locked for longer than the busy timeout.
    Busy,

    // Somebody should look at the machine, or at the engine.
    /// The file cannot be read or written, is damaged, or is no database; or memory ran out.
    Storage,
    /// The job panicked.
    Panicked,
    /// Anything else.
    Other,
}

/// Which kind of constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// UNIQUE.
    Unique,
    /// PRIMARY KEY, also the row id.
    PrimaryKey,
    /// REFERENCES.
    ForeignKey,
    /// NOT NULL.
    NotNull,
    /// CHECK.
    Check,
    /// A trigger, a function, a type of a STRICT table.
    Other,
}

impl SqlError {
    /// A failure that SQLite did not report.
    pub(super) fn new(kind: SqlErrorKind, message: &str) -> SqlError {
        SqlError {
            kind,
            extended_code: 0,
            statement: 0,
            message: Message::cut(message.as_bytes()),
        }
    }

    /// A failure that SQLite reported.
    pub(super) fn reported(extended_code: i32, message: &[u8]) -> SqlError {
        SqlError {
            kind: kind(extended_code),
            extended_code,
            statement: 0,
            message: Message::cut(message),
        }
    }

    /// As the error of the job's statement with this index.
    pub(super) fn at(self, statement: usize) -> SqlError {
        let statement = u8::try_from(statement).expect("a job has at most 16 statements");
        SqlError { statement, ..self }
    }

    /// What it means for the request that has asked for this.
    pub(crate) fn failure(&self, effect: &EffectRecord<'_>) -> Failure {
        let refused = |kind| Failure::new(kind, "constraint", self.broken_constraint());
        match self.kind {
            SqlErrorKind::Constraint(
                Constraint::Unique | Constraint::PrimaryKey | Constraint::ForeignKey,
            ) => refused(Fail::Conflict),
            SqlErrorKind::Constraint(Constraint::Check | Constraint::NotNull) => {
                refused(Fail::Unprocessable)
            }
            SqlErrorKind::NoRow => effect.missing_row(self.statement.into()),
            SqlErrorKind::Deadline => Failure::new(Fail::Timeout, "effect", effect.slot),
            SqlErrorKind::Busy => Failure::new(Fail::Unavailable, "database", "busy"),
            _ => Failure::error("effect", self),
        }
    }

    /// Which constraint it was, in SQLite's words: `UNIQUE constraint failed: authors.name`. Of a
    /// foreign key it does not say which, only that it was one.
    fn broken_constraint(&self) -> &str {
        let (kind, which) = (self.message().split_once(" constraint failed")).unwrap_or_default();
        which.strip_prefix(": ").unwrap_or(kind)
    }

    /// SQLite's primary result code; 0 where SQLite did not fail.
    pub fn code(&self) -> i32 {
        self.extended_code & 0xff
    }

    /// What SQLite said.
    ///
    /// # Bounds
    /// The first 80 bytes, so that the error stays small.
    pub fn message(&self) -> &str {
        &self.message.0
    }
}

impl Refused {
    /// What it means for the request whose step of that name has asked.
    pub(crate) fn failure(self, step: &'static str) -> Failure {
        match self {
            Refused::Full => Failure::new(Fail::Unavailable, "effect", "busy"),
            Refused::Dead => Failure::new(Fail::Unavailable, "effect", "worker died"),
            Refused::TooLarge(_) => {
                Failure::new(Fail::ContentTooLarge, "effect", "operands too large")
            }
            Refused::Statements { count, count_max } => Failure::contract(
                step,
                format_args!("an effect has {count} statements, 1 to {count_max} are allowed"),
            ),
            Refused::Parameters { count, count_max } => Failure::contract(
                step,
                format_args!("an effect has {count} values, {count_max} are allowed"),
            ),
        }
    }
}

impl std::error::Error for SqlError {}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            SqlErrorKind::Parameters { expected, given } => write!(
                f,
                "the statement has {expected} parameters, {given} values were given"
            ),
            SqlErrorKind::TooLarge(bound) => write!(
                f,
                "the result came to {} bytes, {} are allowed",
                bound.needed_bytes, bound.bytes_max
            ),
            _ if self.extended_code == 0 => f.write_str(self.message()),
            _ => write!(f, "{} (SQLite {})", self.message(), self.extended_code),
        }
    }
}

impl From<TooLarge> for SqlError {
    fn from(bound: TooLarge) -> SqlError {
        SqlError::new(SqlErrorKind::TooLarge(bound), "")
    }
}

fn kind(extended_code: i32) -> SqlErrorKind {
    match extended_code & 0xff {
        ffi::SQLITE_CONSTRAINT => SqlErrorKind::Constraint(constraint(extended_code)),
        ffi::SQLITE_ERROR
        | ffi::SQLITE_MISMATCH
        | ffi::SQLITE_RANGE
        | ffi::SQLITE_TOOBIG
        | ffi::SQLITE_ABORT => SqlErrorKind::Statement,
        ffi::SQLITE_READONLY | ffi::SQLITE_AUTH | ffi::SQLITE_PERM => SqlErrorKind::Forbidden,
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => SqlErrorKind::Busy,
        ffi::SQLITE_INTERRUPT => SqlErrorKind::Cancelled,
        ffi::SQLITE_IOERR
        | ffi::SQLITE_FULL
        | ffi::SQLITE_CORRUPT
        | ffi::SQLITE_NOTADB
        | ffi::SQLITE_CANTOPEN
        | ffi::SQLITE_NOMEM
        | ffi::SQLITE_PROTOCOL
        | ffi::SQLITE_NOLFS => SqlErrorKind::Storage,
        _ => SqlErrorKind::Other,
    }
}

fn constraint(extended_code: i32) -> Constraint {
    match extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE => Constraint::Unique,
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => Constraint::PrimaryKey,
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Constraint::ForeignKey,
        ffi::SQLITE_CONSTRAINT_NOTNULL => Constraint::NotNull,
        ffi::SQLITE_CONSTRAINT_CHECK => Constraint::Check,
        _ => Constraint::Other,
    }
}

/// The beginning of a message.
#[derive(Clone, PartialEq, Eq)]
struct Message(heapless::String<80, u8>);

impl Message {
    fn cut(message: &[u8]) -> Message {
        let mut cut = heapless::String::new();
        for chunk in message.utf8_chunks() {
            for character in chunk.valid().chars() {
                if cut.push(character).is_err() {
                    return Message(cut);
                }
            }
        }
        Message(cut)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classed() {
        fn check(extended_code: i32, expected: SqlErrorKind) {
            assert_eq!(SqlError::reported(extended_code, b"").kind, expected);
        }
        check(
            ffi::SQLITE_CONSTRAINT_UNIQUE,
            SqlErrorKind::Constraint(Constraint::Unique),
        );
        check(
            ffi::SQLITE_CONSTRAINT_TRIGGER,
            SqlErrorKind::Constraint(Constraint::Other),
        );
        check(ffi::SQLITE_BUSY_SNAPSHOT, SqlErrorKind::Busy);
        check(ffi::SQLITE_IOERR_FSYNC, SqlErrorKind::Storage);
        check(ffi::SQLITE_READONLY_DBMOVED, SqlErrorKind::Forbidden);
        check(ffi::SQLITE_NOTICE, SqlErrorKind::Other);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let long = "ü".repeat(100);
        let error = SqlError::reported(ffi::SQLITE_ERROR, long.as_bytes());
        assert_eq!(error.message(), "ü".repeat(40));
        let broken = SqlError::reported(ffi::SQLITE_ERROR, b"near \"\xff\"");
        assert_eq!(broken.message(), "near \"\"");
    }

    #[test]
    fn an_error_is_small_enough_to_return() {
        assert!(size_of::<SqlError>() <= 120, "{}", size_of::<SqlError>());
    }
}
