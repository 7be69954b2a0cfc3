//! From a result to the value of a slot. Runs on the shard; the value borrows from the result.

use std::mem;
use std::slice;

use bumpalo::collections::Vec as ArenaVec;
use cutaway_scheduler::Nanos;

use super::body::Fold;
use super::file::StoredFile;
use super::record::{EffectRecord, EffectResult, Operation};
use super::row::{Columns, DecodeError, Executed, FromColumn, Row, Rows};
use crate::ctx::Arena;
use crate::step::{Fail, Failure};

/// What an effect gave.
#[derive(Clone, Debug)]
pub struct Answer<'r> {
    /// Its rows.
    pub rows: Rows<'r>,
    /// What each of its statements has done.
    pub executed: &'r [Executed],
    /// How long a timer was; zero for everything else.
    pub elapsed: Nanos,
    /// The content of the request; empty for everything else.
    pub content: &'r [u8],
    /// What the content was folded into.
    pub(crate) fold: Option<Fold<'r>>,
    /// The file that the content went into.
    pub(crate) stored: Option<StoredFile>,
}

impl<'r> Answer<'r> {
    pub(crate) fn of(result: &'r EffectResult, operation: Operation<'r>) -> Answer<'r> {
        let nothing = Answer {
            rows: Rows::none(),
            executed: &[],
            elapsed: Nanos::ZERO,
            content: &[],
            fold: None,
            stored: None,
        };
        match (result, operation) {
            (EffectResult::Rows(buffer), _) => Answer {
                rows: buffer.rows(),
                executed: buffer.executed(),
                ..nothing
            },
            (EffectResult::Elapsed(elapsed), _) => Answer {
                elapsed: *elapsed,
                ..nothing
            },
            (EffectResult::Content(buffer), _) => Answer {
                content: buffer.content(),
                ..nothing
            },
            (EffectResult::Folded, Operation::Body { fold, .. }) => Answer { fold, ..nothing },
            (EffectResult::Folded, _) => nothing,
            (EffectResult::Stored(stored), _) => Answer {
                stored: Some(*stored),
                ..nothing
            },
        }
    }
}

/// What several effects gave, in their order; none for one that has failed and was optional.
#[derive(Clone)]
pub struct Answers<'r> {
    results: slice::Iter<'r, Option<EffectResult>>,
    effects: slice::Iter<'r, EffectRecord<'r>>,
}

impl<'r> Answers<'r> {
    /// The results of these effects, place by place.
    pub(crate) fn of(
        results: &'r [Option<EffectResult>],
        effects: &'r [EffectRecord<'r>],
    ) -> Answers<'r> {
        debug_assert!(
            results.len() == effects.len(),
            "each effect has a result or none"
        );
        Answers {
            results: results.iter(),
            effects: effects.iter(),
        }
    }
}

impl<'r> Iterator for Answers<'r> {
    type Item = Option<Answer<'r>>;

    fn next(&mut self) -> Option<Option<Answer<'r>>> {
        let (result, effect) = (self.results.next()?, self.effects.next()?);
        Some((result.as_ref()).map(|result| Answer::of(result, effect.operation)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.results.size_hint()
    }
}

impl ExactSizeIterator for Answers<'_> {}

/// A value that is read from a row. Tuples of columns are such values.
///
/// ```
/// use cutaway::prelude::*;
///
/// #[derive(Clone, Copy)]
/// pub struct PostRow<'r> {
///     id: i64,
///     title: &'r str,
/// }
///
/// impl<'r> FromRow<'r> for PostRow<'r> {
///     fn from_row(row: Row<'r>) -> Result<Self, DecodeError> {
///         let mut columns = row.columns();
///         Ok(PostRow { id: columns.read()?, title: columns.read()? })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a row",
    note = "implement `FromRow<'r>` for it"
)]
pub trait FromRow<'r>: Sized {
    /// The value.
    ///
    /// # Errors
    /// Where the row holds something else; the request fails with a 500 then.
    fn from_row(row: Row<'r>) -> Result<Self, DecodeError>;
}

macro_rules! from_row_for_tuples {
    ($(($($name:ident)+))+) => {$(
        impl<'r, $($name: FromColumn<'r>),+> FromRow<'r> for ($($name,)+) {
            fn from_row(row: Row<'r>) -> Result<Self, DecodeError> {
                let mut columns: Columns<'r> = row.columns();
                Ok(($(columns.read::<$name>()?,)+))
            }
        }
    )+};
}

from_row_for_tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

/// The result of `query_opt` and `returning_opt`.
#[derive(Debug)]
pub struct OneOrNone;

/// The result of `query_one` and `returning_one`.
#[derive(Debug)]
pub struct One;

/// The result of `query` and `returning`.
#[derive(Debug)]
pub struct Many;

/// The result of `exec`: of one statement, or of a transaction that ends with it.
#[derive(Debug)]
pub struct Changes;

/// A slot's value that can hold the result of an effect whose shape is `Q`.
///
/// The rows of a list must not need Drop, for nothing would drop them:
///
/// ```compile_fail
/// use cutaway::prelude::*;
///
/// resource!(pub Blog: Sqlite);
/// slot!(pub Titles<'r>: &'r [Title]);
///
/// pub struct Title(String);
///
/// impl<'r> FromRow<'r> for Title {
///     fn from_row(row: Row<'r>) -> Result<Self, DecodeError> {
///         row.read::<&str>(0).map(|title| Title(title.to_owned()))
///     }
/// }
///
/// fn load(cx: &mut Cx<Writes<Titles>, Uses<Blog>>) -> Step {
///     cx.need(cx.on(Blog).query("SELECT title FROM posts").into(Titles))
/// }
///
/// let loading = chain(load);
/// ```
#[diagnostic::on_unimplemented(
    message = "a value of type `{Self}` cannot hold the result of this effect ({Q})",
    label = "wrong slot type",
    note = "`query_opt` and `returning_opt` fill `Option<T>`, `query_one` and `returning_one` fill `T`, `query` and `returning` fill `&'r [T]`, with `T: FromRow<'r>`; `exec` fills `Executed`, and a transaction that ends with it `&'r [Executed]` too; an optional effect fills an `Option` of that",
    note = "of the request's content, `json` and `form` fill a `T: Deserialize<'r>`, `text` a `T: FromText<'r>`, `bytes` a `T: From<&'r [u8]>`, `fold` the type that it adds to, `to_file` a `StoredFile`; a timer fills `Elapsed`"
)]
pub trait Decode<'r, Q>: Sized {
    /// The value.
    ///
    /// # Errors
    /// Where the result is not what the value needs.
    fn decode(answer: Answer<'r>, arena: &'r Arena) -> Result<Self, Undecoded>;

    /// The value where the effect has failed and the request goes on; none where it cannot.
    fn absent() -> Option<Self> {
        None
    }
}

impl<'r, T: FromRow<'r>> Decode<'r, OneOrNone> for Option<T> {
    fn decode(mut answer: Answer<'r>, _: &'r Arena) -> Result<Self, Undecoded> {
        answer
            .rows
            .next()
            .map(T::from_row)
            .transpose()
            .map_err(Undecoded::Row)
    }
}

impl<'r, T: FromRow<'r>> Decode<'r, One> for T {
    fn decode(mut answer: Answer<'r>, _: &'r Arena) -> Result<Self, Undecoded> {
        let row = answer.rows.next().ok_or(Undecoded::NoRow)?;
        T::from_row(row).map_err(Undecoded::Row)
    }
}

impl<'r, T: FromRow<'r>> Decode<'r, Many> for &'r [T] {
    fn decode(answer: Answer<'r>, arena: &'r Arena) -> Result<Self, Undecoded> {
        const {
            assert!(
                !mem::needs_drop::<T>(),
                "rows in a slot are never dropped, so they must not need Drop: use `&'r str`, not String"
            );
        }
        let mut values = ArenaVec::with_capacity_in(answer.rows.len(), arena.bump());
        for row in answer.rows {
            values.push(T::from_row(row).map_err(Undecoded::Row)?);
        }
        Ok(values.into_bump_slice())
    }
}

impl<'r> Decode<'r, Changes> for Executed {
    fn decode(answer: Answer<'r>, _: &'r Arena) -> Result<Self, Undecoded> {
        // Whatever runs statements notes each of them; where none ran, nothing was changed.
        Ok(answer.executed.last().copied().unwrap_or_default())
    }
}

impl<'r> Decode<'r, Changes> for &'r [Executed] {
    fn decode(answer: Answer<'r>, _: &'r Arena) -> Result<Self, Undecoded> {
        Ok(answer.executed)
    }
}

/// Why a result did not become a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecoded {
    /// There is no such row: answered with a 404.
    #[error("no row")]
    NoRow,
    /// The statement and the type disagree: a 500.
    #[error(transparent)]
    Row(#[from] DecodeError),
    /// The content is not what the type needs: a 400 or a 422.
    #[error("{0}")]
    Content(Failure),
}

impl Undecoded {
    /// The failure of the request whose slot stays empty.
    pub(crate) fn into_failure(self, slot: &'static str) -> Failure {
        match self {
            Undecoded::NoRow => Failure::new(Fail::NotFound, slot, ""),
            Undecoded::Row(error) => Failure::error(slot, &error),
            Undecoded::Content(failure) => failure,
        }
    }
}
