//! SQL statements as values.

mod transaction;
mod value;

use std::marker::PhantomData;
use std::time::Duration;

use bumpalo::collections::Vec as ArenaVec;
use cutaway_scheduler::Nanos;

pub use transaction::{InTransaction, MayGoOn, Transaction};
pub use value::{Bind, SqlValue};

use super::ask::{Ask, Effect};
use super::decode::{Changes, Decode, Many, One, OneOrNone};
use super::record::{EffectRecord, Operation, SqlMode, SqlStatement, Wanted};
use super::shape::{Optional, Shape};
use super::sqlite::Sqlite;
use super::{Kind, ResourceIndex, Settings};
use crate::ctx::{Arena, Keeper, Slot, Value};

impl Kind for Sqlite {
    type Handle<'r> = SqliteHandle<'r>;

    fn handle<'r>(resource: ResourceIndex, keeper: Keeper<'r>) -> SqliteHandle<'r> {
        let ResourceIndex(resource) = resource;
        let arena = keeper.arena();
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
    /// A query whose first row, if there is one, goes into a slot of type `Option<T>`. Rows behind it
    /// are not read.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Id: i64);
    /// slot!(pub Found<'r>: Option<(&'r str,)>);
    ///
    /// fn ask(cx: &mut Cx<Reads<Id>, Writes<Found>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(Id);
    ///     cx.need(cx.on(Blog).query_opt("SELECT title FROM posts WHERE id = ?1").bind(id).into(Found))
    /// }
    /// # assert_eq!(cutaway::testing::get("/").put(Id, 7).run(ask).decision(), Ok(Decision::Need));
    /// ```
    pub fn query_opt(self, sql: &'static str) -> Query<'r, OneOrNone> {
        Query::first(self, SqlMode::Read, sql, 1)
    }

    /// A query whose first row goes into a slot of type `T`. Without one the request fails with a
    /// 404.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// slot!(pub Found: (i64,));
    ///
    /// fn ask(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    ///     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts").into(Found))
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(ask).decision(), Ok(Decision::Need));
    /// ```
    pub fn query_one(self, sql: &'static str) -> Query<'r, One> {
        Query::first(self, SqlMode::Read, sql, 1)
    }

    /// A query whose rows go into a slot of type `&'r [T]`.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// slot!(pub Found<'r>: &'r [(i64, &'r str)]);
    ///
    /// fn ask(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    ///     cx.need(cx.on(Blog).query("SELECT id, title FROM posts LIMIT 20").into(Found))
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(ask).decision(), Ok(Decision::Need));
    /// ```
    pub fn query(self, sql: &'static str) -> Query<'r, Many> {
        Query::first(self, SqlMode::Read, sql, u32::MAX)
    }

    /// A statement that writes. What it changed goes into a slot of type
    /// [`Executed`](super::Executed).
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Id: i64);
    /// slot!(pub Found: Executed);
    ///
    /// fn ask(cx: &mut Cx<Reads<Id>, Writes<Found>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(Id);
    ///     cx.need(cx.on(Blog).exec("DELETE FROM posts WHERE id = ?1").bind(id).into(Found))
    /// }
    /// # assert_eq!(cutaway::testing::get("/").put(Id, 7).run(ask).decision(), Ok(Decision::Need));
    /// ```
    pub fn exec(self, sql: &'static str) -> Query<'r, Changes, Writing> {
        Query::first(self, SqlMode::Write, sql, 0)
    }

    /// A statement that writes and has a RETURNING clause. The first row that it gives, if it gives
    /// one, goes into a slot of type `Option<T>`; it changes all its rows, whatever it gives.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub PostId: i64);
    /// slot!(pub Deleted<'r>: Option<(&'r str,)>);
    ///
    /// fn delete(cx: &mut Cx<Reads<PostId>, Writes<Deleted>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(PostId);
    ///     let delete = "DELETE FROM posts WHERE id = ?1 RETURNING title";
    ///     cx.need(cx.on(Blog).returning_opt(delete).bind(id).into(Deleted))
    /// }
    /// # let deleted = cutaway::testing::get("/").put(PostId, 7).run(delete);
    /// # assert_eq!(deleted.decision(), Ok(Decision::Need));
    /// ```
    pub fn returning_opt(self, sql: &'static str) -> Query<'r, OneOrNone, Writing> {
        Query::first(self, SqlMode::Write, sql, 1)
    }

    /// A statement that writes and has a RETURNING clause. The first row that it gives goes into a
    /// slot of type `T`. Where it gives none it has changed none, and the request fails with a 404.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Title<'r>: &'r str);
    /// slot!(pub Post<'r>: (i64, &'r str));
    ///
    /// fn create(cx: &mut Cx<Reads<Title>, Writes<Post>, Uses<Blog>>) -> Step {
    ///     let title = *cx.get(Title);
    ///     let insert = "INSERT INTO posts (title) VALUES (?1) RETURNING id, title";
    ///     cx.need(cx.on(Blog).returning_one(insert).bind(title).into(Post))
    /// }
    /// # let created = cutaway::testing::get("/").put_with(Title, |_| "hello").run(create);
    /// # assert_eq!(created.decision(), Ok(Decision::Need));
    /// ```
    pub fn returning_one(self, sql: &'static str) -> Query<'r, One, Writing> {
        Query::first(self, SqlMode::Write, sql, 1)
    }

    /// A statement that writes and has a RETURNING clause. Its rows go into a slot of type
    /// `&'r [T]`, in SQLite's order.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Removed<'r>: &'r [(i64,)]);
    ///
    /// fn clean(cx: &mut Cx<Writes<Removed>, Uses<Blog>>) -> Step {
    ///     let clean = "DELETE FROM comments WHERE is_spam RETURNING id";
    ///     cx.need(cx.on(Blog).returning(clean).into(Removed))
    /// }
    /// # let cleaned = cutaway::testing::get("/").run(clean);
    /// # assert_eq!(cleaned.decision(), Ok(Decision::Need));
    /// ```
    pub fn returning(self, sql: &'static str) -> Query<'r, Many, Writing> {
        Query::first(self, SqlMode::Write, sql, u32::MAX)
    }

    /// Several statements that happen together or not at all, as one effect.
    ///
    /// The first that fails undoes those before it and keeps those behind it from running; so does a
    /// deadline, a cancel, or a result past its bound. Other requests see nothing of it before it is
    /// whole.
    ///
    /// # Bounds
    /// At most [`STATEMENTS_PER_TRANSACTION_MAX`](super::sqlite::STATEMENTS_PER_TRANSACTION_MAX)
    /// statements; the request of a longer one fails with a 500 that says so.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub PostId: i64);
    /// slot!(pub Done: Executed);
    ///
    /// fn delete(cx: &mut Cx<Reads<PostId>, Writes<Done>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(PostId);
    ///     let deletion = cx
    ///         .on(Blog)
    ///         .transaction()
    ///         .exec("DELETE FROM comments WHERE post = ?1")
    ///         .bind(id)
    ///         .exec("DELETE FROM posts WHERE id = ?1")
    ///         .bind(id)
    ///         .expecting_change();
    ///     cx.need(deletion.into(Done))
    /// }
    /// # let deleted = cutaway::testing::get("/").put(PostId, 7).run(delete);
    /// # assert_eq!(deleted.effect().expect("it asks for one").statements().len(), 2);
    /// ```
    pub fn transaction(self) -> Transaction<'r> {
        Transaction::of(self)
    }
}

/// What is being built: `Q` is the shape of its result, `K` what may still be said of it.
///
/// It is one statement, or the statements of a transaction of which the last one is being built.
#[must_use = "an effect is performed only when it is returned with `cx.need`"]
#[derive(Debug)]
pub struct Query<'r, Q, K = Reading> {
    resource: u16,
    mode: SqlMode,
    /// The statements of a transaction before this one.
    earlier: ArenaVec<'r, SqlStatement<'r>>,
    sql: &'static str,
    rows_max: u32,
    expects_row: bool,
    wanted: Option<Wanted<'r>>,
    params: ArenaVec<'r, SqlValue<'r>>,
    timeout: Option<Nanos>,
    result: PhantomData<(Q, K)>,
}

/// Of a statement that only reads.
#[derive(Debug)]
pub struct Reading;

/// Of a statement that writes, in a transaction of its own.
#[derive(Debug)]
pub struct Writing;

/// A statement that may change rows.
#[diagnostic::on_unimplemented(
    message = "a statement that only reads changes no row",
    label = "behind a statement that only reads",
    note = "`expecting_change` stands behind `exec`, `returning`, `returning_one` or `returning_opt`"
)]
pub trait MayChange {}

impl MayChange for Writing {}
impl MayChange for InTransaction {}

/// A statement that has to find a row, or may be said to.
#[diagnostic::on_unimplemented(
    message = "this statement never misses a row",
    label = "behind a statement that may do without a row",
    note = "`or_missing` stands behind `query_one` and statements that write, before `optional`"
)]
pub trait MayMiss {}

impl MayMiss for Query<'_, One> {}
impl<Q> MayMiss for Query<'_, Q, Writing> {}
impl<Q> MayMiss for Query<'_, Q, InTransaction> {}

impl<'r, Q, K> Query<'r, Q, K> {
    /// The value of the statement's next parameter: the first call binds `?1`. Text and bytes must
    /// live as long as the request.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Id: i64);
    /// slot!(pub Found<'r>: &'r [(&'r str,)]);
    ///
    /// fn ask(cx: &mut Cx<Reads<Id>, Writes<Found>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(Id);
    ///     cx.need(cx.on(Blog).query("SELECT title FROM posts WHERE id > ?1 LIMIT ?2").bind(id).bind(20).into(Found))
    /// }
    /// # assert_eq!(cutaway::testing::get("/").put(Id, 7).run(ask).decision(), Ok(Decision::Need));
    /// ```
    pub fn bind(mut self, value: impl Bind<'r>) -> Self {
        if self.params.capacity() == 0 {
            // What the first push would take, without the question how much that is.
            self.params = ArenaVec::with_capacity_in(PARAMS_ROOM, self.params.bump());
        }
        self.params.push(value.into_value());
        self
    }

    /// The statement must change a row. Where it changes none the effect fails with a 404, and where
    /// it is part of a transaction, that is undone.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub PostId: i64);
    /// slot!(pub Done: Executed);
    ///
    /// fn delete(cx: &mut Cx<Reads<PostId>, Writes<Done>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(PostId);
    ///     let deletion = cx.on(Blog).exec("DELETE FROM posts WHERE id = ?1").bind(id);
    ///     cx.need(deletion.expecting_change().into(Done))
    /// }
    /// # let deleted = cutaway::testing::get("/").put(PostId, 7).run(delete);
    /// # assert!(deleted.effect().expect("it asks for one").statements()[0].expects_row);
    /// ```
    pub fn expecting_change(mut self) -> Self
    where
        K: MayChange,
    {
        self.expects_row = true;
        self
    }

    /// Says what it is that the statement has to find: without it the request fails with a 404 that
    /// names `what` and `key`, instead of the slot that would have stayed empty.
    ///
    /// Behind a statement that writes it is [`expecting_change`](Query::expecting_change) too. In a
    /// transaction each statement may have its own.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing::{self, ScriptedAnswer};
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Id: i64 = path "id");
    /// slot!(pub Title<'r>: (&'r str,));
    ///
    /// fn load(cx: &mut Cx<Reads<Id>, Writes<Title>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(Id);
    ///     let title = cx.on(Blog).query_one("SELECT title FROM posts WHERE id = ?1").bind(id);
    ///     cx.need(title.or_missing("post", id).into(Title))
    /// }
    ///
    /// fn delete(cx: &mut Cx<Reads<Id>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(Id);
    ///     let delete = cx.on(Blog).exec("DELETE FROM posts WHERE id = ?1").bind(id);
    ///     cx.need(delete.or_missing("post", id))
    /// }
    ///
    /// let absent = || testing::get("/").param("id", "7").answer(ScriptedAnswer::none());
    /// absent().run(load).assert_fails(NotFound, "post", "7");
    /// absent().run(delete).assert_fails(NotFound, "post", "7");
    /// ```
    pub fn or_missing(mut self, what: &'static str, key: impl Into<SqlValue<'r>>) -> Self
    where
        Self: MayMiss,
    {
        let key = key.into();
        self.expects_row = true;
        self.wanted = Some(Wanted { what, key });
        self
    }

    /// How long the effect may take. Without it only the request's deadline bounds it.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// slot!(pub Found: (i64,));
    ///
    /// fn ask(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    ///     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts").timeout(20.millis()).into(Found))
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(ask).decision(), Ok(Decision::Need));
    /// ```
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
    /// # let asked = cutaway::testing::get("/").run(views);
    /// # assert!(!asked.effect().expect("it asks for one").is_required);
    /// ```
    pub fn optional(self) -> Query<'r, Optional<Q>, K> {
        Query {
            resource: self.resource,
            mode: self.mode,
            earlier: self.earlier,
            sql: self.sql,
            rows_max: self.rows_max,
            expects_row: self.expects_row,
            wanted: self.wanted,
            params: self.params,
            timeout: self.timeout,
            result: PhantomData,
        }
    }

    fn first(handle: SqliteHandle<'r>, mode: SqlMode, sql: &'static str, rows_max: u32) -> Self {
        let bump = handle.arena.bump();
        Query {
            resource: handle.resource,
            mode,
            earlier: ArenaVec::new_in(bump),
            sql,
            rows_max,
            expects_row: false,
            wanted: None,
            params: ArenaVec::new_in(bump),
            timeout: None,
            result: PhantomData,
        }
    }

    /// The earlier statements, and the one that was being built.
    fn into_parts(self) -> (ArenaVec<'r, SqlStatement<'r>>, SqlStatement<'r>) {
        let last = SqlStatement {
            sql: self.sql,
            params: self.params.into_bump_slice(),
            rows_max: self.rows_max,
            expects_row: self.expects_row,
            wanted: self.wanted,
        };
        (self.earlier, last)
    }

    /// The statements up to and with the one being built.
    fn into_list(self) -> ArenaVec<'r, SqlStatement<'r>> {
        let (mut list, last) = self.into_parts();
        list.push(last);
        list
    }

    fn into_statements(self) -> &'r [SqlStatement<'r>] {
        let (mut list, last) = self.into_parts();
        if list.is_empty() {
            // Most effects are one statement, which needs no list that grows.
            return list.bump().alloc([last]);
        }
        list.push(last);
        list.into_bump_slice()
    }
}

impl<'r, Q: Shape, K> Query<'r, Q, K> {
    /// The slot that the result goes into; it must be in the step's `Writes`.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// slot!(pub Found: (i64,));
    ///
    /// fn ask(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    ///     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts").into(Found))
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(ask).decision(), Ok(Decision::Need));
    /// ```
    pub fn into<S: Slot>(self, _slot: S) -> Effect<'r, S>
    where
        Value<'r, S>: Decode<'r, Q>,
    {
        Effect::of(self)
    }
}

impl<'r, Q: Shape, K> Ask<'r> for Query<'r, Q, K> {
    type Shape = Q;

    fn record(self) -> EffectRecord<'r> {
        let (resource, mode, timeout) = (self.resource, self.mode, self.timeout);
        let operation = Operation::Sqlite {
            mode,
            statements: self.into_statements(),
        };
        EffectRecord {
            timeout,
            ..EffectRecord::new(Some(resource), operation)
        }
    }
}

/// Room for so many values of a statement before their list grows.
const PARAMS_ROOM: usize = 4;
