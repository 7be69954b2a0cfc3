//! SQL statements as values.

use std::marker::PhantomData;
use std::time::Duration;

use bumpalo::collections::Vec as ArenaVec;
use cutaway_scheduler::Nanos;

use super::ask::{Ask, Effect};
use super::decode::{Changes, Decode, Many, One, OneOrNone};
use super::record::{EffectRecord, Operation, SqlMode, SqlStatement};
use super::shape::{Optional, Shape};
use super::sqlite::Sqlite;
use super::{Kind, ResourceIndex, Settings};
use crate::ctx::{Arena, Slot, Value};

impl Kind for Sqlite {
    type Handle<'r> = SqliteHandle<'r>;

    fn handle<'r>(resource: ResourceIndex, arena: &'r Arena) -> SqliteHandle<'r> {
        let ResourceIndex(resource) = resource;
        SqliteHandle { resource, arena }
    }

    fn settings(self) -> Settings {
        Settings::Sqlite(self)
    }
}

/// Builds the effects of a SQLite database: `cx.on(Blog)`.
///
/// ```
/// use cutaway::prelude::*;
///
/// resource!(pub Blog: Sqlite);
/// slot!(pub PostId: i64);
/// slot!(pub Title<'r>: Option<(&'r str,)>);
///
/// fn load(cx: &mut Cx<Reads<PostId>, Writes<Title>, Uses<Blog>>) -> Step {
///     let id = *cx.get(PostId);
///     cx.need(cx.on(Blog).query_opt("SELECT title FROM posts WHERE id = ?1").bind(id).into(Title))
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SqliteHandle<'r> {
    resource: u16,
    arena: &'r Arena,
}

impl<'r> SqliteHandle<'r> {
    /// A query whose first row, if there is one, goes into a slot of type `Option<T>`.
    pub fn query_opt(self, sql: &'static str) -> Query<'r, OneOrNone> {
        self.statement(sql, SqlMode::Read, 1)
    }

    /// A query whose first row goes into a slot of type `T`. Without one the request fails with a
    /// 404.
    pub fn query_one(self, sql: &'static str) -> Query<'r, One> {
        self.statement(sql, SqlMode::Read, 1)
    }

    /// A query whose rows go into a slot of type `&'r [T]`.
    pub fn query(self, sql: &'static str) -> Query<'r, Many> {
        self.statement(sql, SqlMode::Read, u32::MAX)
    }

    /// A statement that writes. What it changed goes into a slot of type
    /// [`Executed`](super::Executed).
    pub fn exec(self, sql: &'static str) -> Query<'r, Changes> {
        self.statement(sql, SqlMode::Write, 0)
    }

    fn statement<Q>(self, sql: &'static str, mode: SqlMode, rows_max: u32) -> Query<'r, Q> {
        Query {
            resource: self.resource,
            sql,
            mode,
            rows_max,
            params: ArenaVec::new_in(self.arena.bump()),
            timeout: None,
            result: PhantomData,
        }
    }
}

/// A statement that is being built. `Q` is the shape of its result.
#[must_use = "an effect is performed only when it is returned with `cx.need`"]
#[derive(Debug)]
pub struct Query<'r, Q> {
    resource: u16,
    sql: &'static str,
    mode: SqlMode,
    rows_max: u32,
    params: ArenaVec<'r, SqlValue<'r>>,
    timeout: Option<Nanos>,
    result: PhantomData<Q>,
}

impl<'r, Q> Query<'r, Q> {
    /// The value of the next parameter: the first call binds `?1`. Text and bytes must live as long
    /// as the request.
    pub fn bind(mut self, value: impl Into<SqlValue<'r>>) -> Self {
        self.params.push(value.into());
        self
    }

    /// How long the effect may take. Without it only the request's deadline bounds it.
    pub fn timeout(mut self, length: Duration) -> Self {
        self.timeout = Some(length.into());
        self
    }

    /// Lets the request go on where the effect fails: the slot's value is an `Option`, and none
    /// then. A result that does not fit its type is no failure of the effect, but of the program, and
    /// fails the request all the same.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Views: Option<(i64,)>);
    ///
    /// fn views(cx: &mut Cx<Writes<Views>, Uses<Blog>>) -> Step {
    ///     let views = cx.on(Blog).query_one("SELECT count FROM views").timeout(5.millis());
    ///     cx.need(views.optional().into(Views))
    /// }
    /// ```
    pub fn optional(self) -> Query<'r, Optional<Q>> {
        Query {
            resource: self.resource,
            sql: self.sql,
            mode: self.mode,
            rows_max: self.rows_max,
            params: self.params,
            timeout: self.timeout,
            result: PhantomData,
        }
    }
}

impl<'r, Q: Shape> Query<'r, Q> {
    /// The slot that the result goes into; it must be in the step's `Writes`.
    pub fn into<S: Slot>(self, _slot: S) -> Effect<'r, S>
    where
        Value<'r, S>: Decode<'r, Q>,
    {
        Effect::of(self)
    }
}

impl<'r, Q: Shape> Ask<'r> for Query<'r, Q> {
    type Shape = Q;

    fn record(self) -> EffectRecord<'r> {
        let arena = self.params.bump();
        let statement = SqlStatement {
            sql: self.sql,
            params: self.params.into_bump_slice(),
            rows_max: self.rows_max,
            expects_change: false,
        };
        let operation = Operation::Sqlite {
            mode: self.mode,
            statements: arena.alloc_slice_copy(&[statement]),
        };
        EffectRecord {
            timeout: self.timeout,
            ..EffectRecord::new(Some(self.resource), operation)
        }
    }
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SqlValue<'r> {
    /// SQL NULL.
    Null,
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    Text(&'r str),
    /// Bytes.
    Blob(&'r [u8]),
}

macro_rules! from_integer {
    ($($type:ty),*) => {$(
        impl From<$type> for SqlValue<'_> {
            fn from(value: $type) -> Self {
                SqlValue::Int(value.into())
            }
        }
    )*};
}

from_integer!(i8, i16, i32, i64, u8, u16, u32, bool);

impl From<f64> for SqlValue<'_> {
    fn from(value: f64) -> Self {
        SqlValue::Float(value)
    }
}

impl<'r> From<&'r str> for SqlValue<'r> {
    fn from(value: &'r str) -> Self {
        SqlValue::Text(value)
    }
}

impl<'r> From<&'r String> for SqlValue<'r> {
    fn from(value: &'r String) -> Self {
        SqlValue::Text(value)
    }
}

impl<'r> From<&'r [u8]> for SqlValue<'r> {
    fn from(value: &'r [u8]) -> Self {
        SqlValue::Blob(value)
    }
}

impl<'r, T: Into<SqlValue<'r>>> From<Option<T>> for SqlValue<'r> {
    fn from(value: Option<T>) -> Self {
        value.map_or(SqlValue::Null, Into::into)
    }
}
