//! What a script answers.

use std::time::Duration;

use cutaway_scheduler::Nanos;

use crate::effect::query::SqlValue;
use crate::effect::record::SqlMode;
use crate::effect::row::{Executed, ResultBuffer};
use crate::effect::sqlite::error::{Constraint, SqlError, SqlErrorKind};

/// What a script answers a statement with.
///
/// Rows beyond those that the statement's effect can use are dropped, as a database's are, and a
/// result past the database's bound is too large.
///
/// ```
/// use cutaway::effect::sqlite::scripted::ScriptedAnswer;
/// use cutaway::prelude::*;
///
/// let found = ScriptedAnswer::row((7, "hello", Some(0.5)));
/// let late = ScriptedAnswer::rows([(1, "one"), (2, "two")]).after(20.millis());
/// # let _ = (found, late);
/// ```
#[derive(Debug)]
#[must_use = "a script returns it"]
pub struct ScriptedAnswer {
    /// The rows, written by the same writer as a database's.
    pub(super) given: Result<ResultBuffer, SqlError>,
    changed: Option<Executed>,
    pub(super) delay: Nanos,
}

impl ScriptedAnswer {
    /// No row, and nothing changed.
    ///
    /// ```
    /// # use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::{self, ScriptedAnswer};
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: Option<(i64,)>);
    /// # fn ask(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    /// #     cx.need(cx.on(Blog).query_opt("SELECT id FROM posts").into(Found))
    /// # }
    /// let answer = ScriptedAnswer::none();
    /// let tested = testing::get("/").answer(answer).run(ask);
    /// assert_eq!(tested.slot(Found, |found| *found), Some(None));
    /// ```
    pub fn none() -> ScriptedAnswer {
        ScriptedAnswer::of(Ok(ResultBuffer::default()))
    }

    /// One row.
    ///
    /// ```
    /// # use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::{self, ScriptedAnswer};
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: Option<(i64,)>);
    /// # fn ask(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    /// #     cx.need(cx.on(Blog).query_opt("SELECT id FROM posts").into(Found))
    /// # }
    /// let answer = ScriptedAnswer::row((7,));
    /// let tested = testing::get("/").answer(answer).run(ask);
    /// assert_eq!(tested.slot(Found, |found| *found), Some(Some((7,))));
    /// ```
    pub fn row<'v>(row: impl IntoScriptedRow<'v>) -> ScriptedAnswer {
        ScriptedAnswer::rows([row])
    }

    /// Rows. Of a statement that writes it is as many changes, unless
    /// [`executing`](ScriptedAnswer::executing) says otherwise.
    ///
    /// ```
    /// # use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::{self, ScriptedAnswer};
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found<'r>: &'r [(i64, &'r str)]);
    /// # fn ask(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    /// #     cx.need(cx.on(Blog).query("SELECT id, title FROM posts").into(Found))
    /// # }
    /// let answer = ScriptedAnswer::rows([(1, "one"), (2, "two")]);
    /// let tested = testing::get("/").answer(answer).run(ask);
    /// assert_eq!(tested.slot(Found, |found| found.len()), Some(2));
    /// ```
    ///
    /// # Panics
    /// Where they have different numbers of columns.
    pub fn rows<'v, R: IntoScriptedRow<'v>>(rows: impl IntoIterator<Item = R>) -> ScriptedAnswer {
        let mut rows = rows.into_iter().map(R::into_row).peekable();
        let columns_count = rows.peek().map_or(0, Vec::len);
        let columns_count = u16::try_from(columns_count).expect("a row has at most 65535 columns");
        let mut given = ResultBuffer::default();
        let mut writer = given.writer(columns_count, usize::MAX);
        for row in rows {
            for value in row {
                (writer.column(value.column())).expect("nothing passes the largest bound");
            }
            writer.end_row();
        }
        ScriptedAnswer::of(Ok(given))
    }

    /// So many rows were changed.
    ///
    /// ```
    /// # use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::{self, ScriptedAnswer};
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: Executed);
    /// # fn ask(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    /// #     cx.need(cx.on(Blog).exec("DELETE FROM posts").into(Found))
    /// # }
    /// let answer = ScriptedAnswer::changed(3);
    /// let tested = testing::get("/").answer(answer).run(ask);
    /// assert_eq!(tested.slot(Found, |done| done.changed_count), Some(3));
    /// ```
    pub fn changed(changed_count: u64) -> ScriptedAnswer {
        ScriptedAnswer::none().executing(Executed {
            changed_count,
            last_row_id: 0,
        })
    }

    /// One row was inserted under this row id.
    ///
    /// ```
    /// # use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::{self, ScriptedAnswer};
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: Executed);
    /// # fn ask(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    /// #     cx.need(cx.on(Blog).exec("INSERT INTO posts DEFAULT VALUES").into(Found))
    /// # }
    /// let answer = ScriptedAnswer::inserted(12);
    /// let tested = testing::get("/").answer(answer).run(ask);
    /// assert_eq!(tested.slot(Found, |done| done.last_row_id), Some(12));
    /// ```
    pub fn inserted(row_id: i64) -> ScriptedAnswer {
        ScriptedAnswer::none().executing(Executed {
            changed_count: 1,
            last_row_id: row_id,
        })
    }

    /// The statement fails. Its message is the name of the kind.
    ///
    /// ```
    /// # use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::{self, ScriptedAnswer};
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: Executed);
    /// # fn ask(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    /// #     cx.need(cx.on(Blog).exec("DELETE FROM posts").into(Found))
    /// # }
    /// let answer = ScriptedAnswer::error(SqlErrorKind::Busy);
    /// let tested = testing::get("/").answer(answer).run(ask);
    /// assert_eq!(tested.failure().unwrap().kind(), Unavailable);
    /// ```
    pub fn error(kind: SqlErrorKind) -> ScriptedAnswer {
        ScriptedAnswer::of(Err(SqlError::new(kind, &format!("scripted: {kind:?}"))))
    }

    /// A constraint forbids it, in SQLite's words: `which` is `table.column`, the expression of a
    /// CHECK, or nothing.
    ///
    /// ```
    /// # use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::{self, ScriptedAnswer};
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: Executed);
    /// # fn ask(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    /// #     cx.need(cx.on(Blog).exec("INSERT INTO posts DEFAULT VALUES").into(Found))
    /// # }
    /// let answer = ScriptedAnswer::constraint(Constraint::Unique, "posts.title");
    /// let tested = testing::get("/").answer(answer).run(ask);
    /// let failure = tested.failure().unwrap();
    /// assert_eq!((failure.kind(), failure.key()), (Conflict, "posts.title"));
    /// ```
    pub fn constraint(constraint: Constraint, which: &str) -> ScriptedAnswer {
        let kind = match constraint {
            Constraint::Unique | Constraint::PrimaryKey => "UNIQUE",
            Constraint::ForeignKey => "FOREIGN KEY",
            Constraint::NotNull => "NOT NULL",
            Constraint::Check => "CHECK",
            Constraint::Other => "a",
        };
        let colon = if which.is_empty() { "" } else { ": " };
        let message = format!("{kind} constraint failed{colon}{which}");
        let kind = SqlErrorKind::Constraint(constraint);
        ScriptedAnswer::of(Err(SqlError::new(kind, &message)))
    }

    /// The statement runs until its deadline, or until it is cancelled because its client has gone.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::{App, ScriptedAnswer};
    /// # use cutaway::timeline::Stage;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: (i64,));
    /// # fn count(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    /// #     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts").into(Found))
    /// # }
    /// # fn show(cx: &mut Cx<Reads<Found>>) -> Step { cx.json(&cx.get(Found).0) }
    /// # let routes = Routes::new().resource(Blog, Sqlite::open("blog.db")).get("/count", chain(count).then(show));
    /// # let app = App::new(routes.build()?);
    /// app.script(Blog, |_| ScriptedAnswer::never());
    /// app.get("/count").send().assert_status(Status::GATEWAY_TIMEOUT);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn never() -> ScriptedAnswer {
        ScriptedAnswer {
            delay: Nanos::NEVER,
            ..ScriptedAnswer::none()
        }
    }

    /// The answer comes after this length of virtual time. A deadline within it comes first.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::{App, ScriptedAnswer};
    /// # use cutaway::timeline::Stage;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: (i64,));
    /// # fn count(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    /// #     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts").into(Found))
    /// # }
    /// # fn show(cx: &mut Cx<Reads<Found>>) -> Step { cx.json(&cx.get(Found).0) }
    /// # let routes = Routes::new().resource(Blog, Sqlite::open("blog.db")).get("/count", chain(count).then(show));
    /// # let app = App::new(routes.build()?);
    /// app.script(Blog, |_| ScriptedAnswer::row((3,)).after(20.millis()));
    /// app.get("/count").send().timeline().assert_stages(&[(Stage::Park, 20.millis())]);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn after(self, delay: Duration) -> ScriptedAnswer {
        ScriptedAnswer {
            delay: delay.into(),
            ..self
        }
    }

    /// What the statement has done beside giving rows.
    ///
    /// ```
    /// # use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::{self, ScriptedAnswer};
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: (i64,));
    /// # fn ask(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    /// #     cx.need(cx.on(Blog).returning_one("INSERT INTO posts DEFAULT VALUES RETURNING id").into(Found))
    /// # }
    /// let answer = ScriptedAnswer::row((7,)).executing(Executed { changed_count: 1, last_row_id: 7 });
    /// let tested = testing::get("/").answer(answer).run(ask);
    /// assert_eq!(tested.slot(Found, |found| *found), Some((7,)));
    /// ```
    pub fn executing(self, executed: Executed) -> ScriptedAnswer {
        ScriptedAnswer {
            changed: Some(executed),
            ..self
        }
    }

    /// What the statement has done.
    pub(super) fn executed(&self, given: &ResultBuffer, mode: SqlMode) -> Executed {
        self.changed.unwrap_or_else(|| Executed {
            changed_count: match mode {
                SqlMode::Read => 0,
                SqlMode::Write => given.rows().len() as u64,
            },
            last_row_id: 0,
        })
    }

    fn of(given: Result<ResultBuffer, SqlError>) -> ScriptedAnswer {
        ScriptedAnswer {
            given,
            changed: None,
            delay: Nanos::ZERO,
        }
    }
}

/// A row of a script: a tuple of up to eight values, or a list of them.
pub trait IntoScriptedRow<'v> {
    /// The values of its columns.
    fn into_row(self) -> Vec<SqlValue<'v>>;
}

impl<'v> IntoScriptedRow<'v> for Vec<SqlValue<'v>> {
    fn into_row(self) -> Vec<SqlValue<'v>> {
        self
    }
}

macro_rules! rows_of_tuples {
    ($(($($name:ident)+))+) => {$(
        impl<'v, $($name: Into<SqlValue<'v>>),+> IntoScriptedRow<'v> for ($($name,)+) {
            fn into_row(self) -> Vec<SqlValue<'v>> {
                #[allow(non_snake_case, reason = "a value is called like its type")]
                let ($($name,)+) = self;
                vec![$($name.into()),+]
            }
        }
    )+};
}

rows_of_tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
