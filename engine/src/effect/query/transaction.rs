//! Several statements as one effect.

use std::marker::PhantomData;

use bumpalo::collections::Vec as ArenaVec;

use super::{Query, SqliteHandle};
use crate::effect::decode::{Changes, Many, One, OneOrNone};
use crate::effect::record::SqlMode;

/// A transaction without a statement yet: `cx.on(Blog).transaction()`.
///
/// Each statement is followed by its own values. `last_insert_rowid()` in a later one is the row id of
/// an earlier one's insert.
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
///     let creation = cx
///         .on(Blog)
///         .transaction()
///         .exec("INSERT INTO posts (title) VALUES (?1)")
///         .bind(title)
///         .exec("INSERT INTO history (post, what) VALUES (last_insert_rowid(), ?1)")
///         .bind("created")
///         .query_one("SELECT id, title FROM posts ORDER BY id DESC LIMIT 1");
///     cx.need(creation.into(Post))
/// }
/// # let created = cutaway::testing::get("/").put_with(Title, |_| "hello").run(create);
/// # assert_eq!(created.effect().expect("it asks for one").statements().len(), 3);
/// ```
#[must_use = "an effect is performed only when it is returned with `cx.need`"]
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'r>(SqliteHandle<'r>);

/// Of a transaction that can go on with a further statement.
#[derive(Debug)]
pub struct InTransaction;

/// The result of a statement of a transaction that another statement may follow.
#[diagnostic::on_unimplemented(
    message = "no statement of a transaction can follow one that gives rows",
    label = "behind a statement that gives rows",
    note = "the rows of the last statement are the transaction's result: use `exec` for those before it"
)]
pub trait MayGoOn {}

impl MayGoOn for Changes {}

/// What a transaction goes on with, at its beginning and behind a statement alike.
macro_rules! statements {
    ($($bound:tt)*) => {
        /// A statement that writes, its rows unread. Where it is the last one, the slot's type is
        /// [`Executed`](crate::effect::Executed), or `&'r [Executed]` with what each statement did.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # resource!(pub Blog: Sqlite);
        /// slot!(pub Found<'r>: &'r [Executed]);
        ///
        /// fn write(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
        ///     let transaction = cx
        ///         .on(Blog)
        ///         .transaction()
        ///         .exec("INSERT INTO posts DEFAULT VALUES")
        ///         .exec("INSERT INTO history (post) VALUES (last_insert_rowid())");
        ///     cx.need(transaction.into(Found))
        /// }
        /// # let tested = cutaway::testing::get("/").run(write);
        /// # assert_eq!(tested.effect().unwrap().statements().len(), 2);
        /// ```
        pub fn exec(self, sql: &'static str) -> Query<'r, Changes, InTransaction>
        $($bound)*
        {
            self.next(sql, 0, false)
        }

        /// The last statement, one that writes and has a RETURNING clause. The first row that it
        /// gives, if it gives one, goes into a slot of type `Option<T>`.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # resource!(pub Blog: Sqlite);
        /// slot!(pub Found: Option<(i64,)>);
        ///
        /// fn write(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
        ///     let transaction = cx
        ///         .on(Blog)
        ///         .transaction()
        ///         .exec("INSERT INTO posts DEFAULT VALUES")
        ///         .returning_opt("DELETE FROM drafts RETURNING id");
        ///     cx.need(transaction.into(Found))
        /// }
        /// # let tested = cutaway::testing::get("/").run(write);
        /// # assert_eq!(tested.effect().unwrap().statements().len(), 2);
        /// ```
        pub fn returning_opt(self, sql: &'static str) -> Query<'r, OneOrNone, InTransaction>
        $($bound)*
        {
            self.next(sql, 1, false)
        }

        /// The last statement, one that writes and has a RETURNING clause. The first row that it
        /// gives goes into a slot of type `T`. Without one the transaction is undone and the request
        /// fails with a 404.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # resource!(pub Blog: Sqlite);
        /// slot!(pub Found: (i64,));
        ///
        /// fn write(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
        ///     let transaction = cx
        ///         .on(Blog)
        ///         .transaction()
        ///         .exec("INSERT INTO posts DEFAULT VALUES")
        ///         .returning_one("UPDATE counts SET posts = posts + 1 RETURNING posts");
        ///     cx.need(transaction.into(Found))
        /// }
        /// # let tested = cutaway::testing::get("/").run(write);
        /// # assert_eq!(tested.effect().unwrap().statements().len(), 2);
        /// ```
        pub fn returning_one(self, sql: &'static str) -> Query<'r, One, InTransaction>
        $($bound)*
        {
            self.next(sql, 1, true)
        }

        /// The last statement, one that writes and has a RETURNING clause. Its rows go into a slot
        /// of type `&'r [T]`.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # resource!(pub Blog: Sqlite);
        /// slot!(pub Found<'r>: &'r [(i64,)]);
        ///
        /// fn write(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
        ///     let transaction = cx
        ///         .on(Blog)
        ///         .transaction()
        ///         .exec("INSERT INTO posts DEFAULT VALUES")
        ///         .returning("DELETE FROM drafts RETURNING id");
        ///     cx.need(transaction.into(Found))
        /// }
        /// # let tested = cutaway::testing::get("/").run(write);
        /// # assert_eq!(tested.effect().unwrap().statements().len(), 2);
        /// ```
        pub fn returning(self, sql: &'static str) -> Query<'r, Many, InTransaction>
        $($bound)*
        {
            self.next(sql, u32::MAX, false)
        }

        /// The last statement, one that reads what the others have made. Its first row, if there is
        /// one, goes into a slot of type `Option<T>`.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # resource!(pub Blog: Sqlite);
        /// slot!(pub Found<'r>: Option<(&'r str,)>);
        ///
        /// fn write(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
        ///     let transaction = cx
        ///         .on(Blog)
        ///         .transaction()
        ///         .exec("INSERT INTO posts DEFAULT VALUES")
        ///         .query_opt("SELECT name FROM authors WHERE is_new");
        ///     cx.need(transaction.into(Found))
        /// }
        /// # let tested = cutaway::testing::get("/").run(write);
        /// # assert_eq!(tested.effect().unwrap().statements().len(), 2);
        /// ```
        pub fn query_opt(self, sql: &'static str) -> Query<'r, OneOrNone>
        $($bound)*
        {
            self.next(sql, 1, false)
        }

        /// The last statement, one that reads what the others have made. Its first row goes into a
        /// slot of type `T`. Without one the transaction is undone and the request fails with a 404.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # resource!(pub Blog: Sqlite);
        /// slot!(pub Found: (i64,));
        ///
        /// fn write(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
        ///     let transaction = cx
        ///         .on(Blog)
        ///         .transaction()
        ///         .exec("INSERT INTO posts DEFAULT VALUES")
        ///         .query_one("SELECT count(*) FROM posts");
        ///     cx.need(transaction.into(Found))
        /// }
        /// # let tested = cutaway::testing::get("/").run(write);
        /// # assert_eq!(tested.effect().unwrap().statements().len(), 2);
        /// ```
        pub fn query_one(self, sql: &'static str) -> Query<'r, One>
        $($bound)*
        {
            self.next(sql, 1, true)
        }

        /// The last statement, one that reads what the others have made. Its rows go into a slot of
        /// type `&'r [T]`.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # resource!(pub Blog: Sqlite);
        /// slot!(pub Found<'r>: &'r [(i64,)]);
        ///
        /// fn write(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
        ///     let transaction = cx
        ///         .on(Blog)
        ///         .transaction()
        ///         .exec("INSERT INTO posts DEFAULT VALUES")
        ///         .query("SELECT id FROM posts ORDER BY id DESC LIMIT 20");
        ///     cx.need(transaction.into(Found))
        /// }
        /// # let tested = cutaway::testing::get("/").run(write);
        /// # assert_eq!(tested.effect().unwrap().statements().len(), 2);
        /// ```
        pub fn query(self, sql: &'static str) -> Query<'r, Many>
        $($bound)*
        {
            self.next(sql, u32::MAX, false)
        }
    };
}

impl<'r> Transaction<'r> {
    statements! {}

    pub(super) fn of(handle: SqliteHandle<'r>) -> Transaction<'r> {
        Transaction(handle)
    }

    fn next<Q, K>(self, sql: &'static str, rows_max: u32, expects_row: bool) -> Query<'r, Q, K> {
        Query {
            expects_row,
            ..Query::first(self.0, SqlMode::Write, sql, rows_max)
        }
    }
}

impl<'r, Q> Query<'r, Q, InTransaction> {
    statements! { where Q: MayGoOn, }

    fn next<R, K>(self, sql: &'static str, rows_max: u32, expects_row: bool) -> Query<'r, R, K> {
        let (bump, resource, mode) = (self.params.bump(), self.resource, self.mode);
        let timeout = self.timeout;
        Query {
            resource,
            mode,
            earlier: self.into_list(),
            sql,
            rows_max,
            expects_row,
            wanted: None,
            params: ArenaVec::new_in(bump),
            timeout,
            result: PhantomData,
        }
    }
}
