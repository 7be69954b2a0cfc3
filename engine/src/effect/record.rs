//! An effect as the shard finds it.

use cutaway_scheduler::Nanos;

use super::body::Fold;
use super::decode::Undecoded;
use super::file::{NameRefused, StoredFile};
use super::query::SqlValue;
use super::row::ResultBuffer;
use super::shape::Shape;
use crate::ctx::{BodyFormat, Slot};
use crate::step::Failure;

/// An effect that a step asked for. Plain data; what it borrows lies in the request's arena.
#[derive(Clone, Copy)]
pub struct EffectRecord<'r> {
    /// Which resource, in the order of registration; none where it needs none.
    pub resource: Option<u16>,
    /// What to do.
    pub operation: Operation<'r>,
    /// How long it may take; none where only the request's deadline bounds it.
    pub timeout: Option<Nanos>,
    /// Whether the need fails where it fails.
    pub is_required: bool,
    /// Whether it has failed where it gives no row.
    pub needs_row: bool,
    /// The name of the slot that its result goes into; empty for none.
    pub slot: &'static str,
}

impl<'r> EffectRecord<'r> {
    /// A required effect without a slot.
    pub(crate) fn new(resource: Option<u16>, operation: Operation<'r>) -> EffectRecord<'r> {
        EffectRecord {
            resource,
            operation,
            timeout: None,
            is_required: true,
            needs_row: false,
            slot: "",
        }
    }

    /// With what its shape and its slot say of it.
    pub(crate) fn shaped<Q: Shape, S: Slot>(self) -> EffectRecord<'r> {
        EffectRecord {
            slot: S::NAME,
            ..self.without_slot::<Q>()
        }
    }

    /// With what its shape says of it.
    pub(crate) fn without_slot<Q: Shape>(self) -> EffectRecord<'r> {
        EffectRecord {
            is_required: !Q::IS_OPTIONAL,
            needs_row: Q::NEEDS_ROW,
            ..self
        }
    }

    /// The failure of this one of its statements, which has not found the row it has to find.
    #[cold]
    pub(crate) fn missing_row(&self, statement: usize) -> Failure {
        let wanted = self.statements().get(statement).and_then(|it| it.wanted);
        match wanted {
            Some(Wanted { what, key }) => Failure::missing(what, &key),
            None if self.slot.is_empty() => Failure::missing("row", &""),
            None => Undecoded::NoRow.into_failure(self.slot),
        }
    }

    /// The statements it runs, in their order; none where it is no effect of a database.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: (i64,));
    /// fn count(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    ///     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts").into(Found))
    /// }
    ///
    /// let tested = testing::get("/").run(count);
    /// assert!(tested.effect().unwrap().statements()[0].params.is_empty());
    /// ```
    pub fn statements(&self) -> &'r [SqlStatement<'r>] {
        match self.operation {
            Operation::Sqlite { statements, .. } => statements,
            Operation::Timer { .. } | Operation::Body { .. } | Operation::Store { .. } => &[],
        }
    }

    /// What it folds the request's content into, if it does.
    pub(crate) fn fold(&self) -> Option<Fold<'r>> {
        match self.operation {
            Operation::Body { fold, .. } => fold,
            Operation::Sqlite { .. } | Operation::Timer { .. } | Operation::Store { .. } => None,
        }
    }

    /// The name of the file that it writes, if it does.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// resource!(pub Uploads: Directory);
    /// slot!(pub Saved: StoredFile);
    ///
    /// fn save(cx: &mut Cx<Writes<Saved>, Uses<(Body, Uploads)>>) -> Step {
    ///     cx.need(cx.body().to_file(cx.on(Uploads).file("a.txt")).into(Saved))
    /// }
    ///
    /// let tested = cutaway::testing::post("/").run(save);
    /// assert_eq!(tested.effect().unwrap().file_name(), Some("a.txt"));
    /// ```
    pub fn file_name(&self) -> Option<&'r str> {
        match self.operation {
            Operation::Store { name, .. } => name.ok(),
            _ => None,
        }
    }

    /// The text of its first statement; none where it is no effect of a database.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: (i64,));
    /// fn count(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    ///     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts").into(Found))
    /// }
    ///
    /// let tested = testing::get("/").run(count);
    /// assert_eq!(tested.effect().unwrap().sql(), Some("SELECT count(*) FROM posts"));
    /// ```
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
    /// Nothing, for a while.
    Timer {
        /// How long.
        length: Nanos,
    },
    /// The request's own content is read.
    Body {
        /// What it has to be by its own words.
        format: BodyFormat,
        /// What its pieces are added to; none where they are kept.
        fold: Option<Fold<'r>>,
    },
    /// The request's own content is written into a file.
    Store {
        /// The file's name in its directory, or why it cannot be one.
        name: Result<&'r str, NameRefused>,
        /// Whether it takes the place of a file of that name.
        is_replacing: bool,
    },
}

/// What an effect gave.
#[derive(Debug)]
pub enum EffectResult {
    /// Rows and counts. The buffer stays with the request until its end.
    Rows(ResultBuffer),
    /// It took so long.
    Elapsed(Nanos),
    /// The content of the request. The buffer stays with the request until its end.
    Content(ResultBuffer),
    /// The content of the request was folded.
    Folded,
    /// The content of the request is in a file.
    Stored(StoredFile),
}

impl EffectResult {
    /// The buffer that goes back to where it came from when the request ends.
    pub(crate) fn into_buffer(self) -> Option<ResultBuffer> {
        match self {
            EffectResult::Rows(buffer) | EffectResult::Content(buffer) => Some(buffer),
            EffectResult::Elapsed(_) | EffectResult::Folded | EffectResult::Stored(_) => None,
        }
    }
}

impl From<ResultBuffer> for EffectResult {
    fn from(buffer: ResultBuffer) -> EffectResult {
        EffectResult::Rows(buffer)
    }
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
    /// What that row is to whoever asked; where nobody says, the slot's name does.
    pub wanted: Option<Wanted<'r>>,
}

/// What a client is told that a missing row is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted<'r> {
    /// The kind of thing.
    pub what: &'static str,
    /// Which one.
    pub key: SqlValue<'r>,
}

/// Which connection a statement needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlMode {
    /// It only reads.
    Read,
    /// It writes: it goes to the one writer of the database.
    Write,
}
