//! Testing a service without a socket: a step, a chain, and the whole of it in virtual time.
//!
//! | what is tested | with | what runs |
//! |---|---|---|
//! | a step | [`get`]`(target)` … [`run`](Test::run)`(step)` | the function, on a context of its own |
//! | a chain | [`get`]`(target)` … [`run_chain`](Test::run_chain)`(chain)` | all its steps, their effects answered by the test |
//! | a service | [`App::new`]`(routes)` | everything, on a simulated machine |
//!
//! Begin with the steps: they are functions, and a test of one says what it decides. Test a chain
//! where it matters how its steps work together. Test a service as a whole where it matters what a
//! client sees, what several requests do to each other, and what happens when something is slow,
//! fails or goes away.
//!
//! # A step
//!
//! A step is run on what earlier steps would have left it: path parameters, the request, the slots it
//! reads. What it decides, puts and asks for is there to be looked at.
//!
//! ```
//! use cutaway::effect::SqlValue;
//! use cutaway::prelude::*;
//! use cutaway::testing;
//!
//! resource!(pub Blog: Sqlite);
//! slot!(pub Id: i64 = path "id");
//! slot!(pub PostId: i64);
//! slot!(pub Title<'r>: Option<(&'r str,)>);
//!
//! fn by_id(cx: &mut Cx<Reads<Id>, Writes<PostId>>) -> Step {
//!     let id = *cx.get(Id);
//!     if id < 1 {
//!         return fail(BadRequest, "post", "id");
//!     }
//!     cx.put(PostId, id);
//!     Continue
//! }
//!
//! fn load(cx: &mut Cx<Reads<PostId>, Writes<Title>, Uses<Blog>>) -> Step {
//!     let id = *cx.get(PostId);
//!     cx.need(cx.on(Blog).query_opt("SELECT title FROM posts WHERE id = ?1").bind(id).into(Title))
//! }
//!
//! let tested = testing::get("/posts/7").param("id", "7").run(by_id);
//! assert_eq!(tested.decision(), Ok(Decision::Continue));
//! assert_eq!(tested.slot(PostId, |id| *id), Some(7));
//!
//! let tested = testing::get("/posts/0").param("id", "0").run(by_id);
//! assert_eq!(tested.failure().map(|failure| failure.kind()), Some(BadRequest));
//!
//! let tested = testing::get("/posts/7").put(PostId, 7).run(load);
//! assert_eq!(tested.decision(), Ok(Decision::Need));
//! let effect = tested.effect().expect("it asks for one");
//! assert_eq!(effect.sql(), Some("SELECT title FROM posts WHERE id = ?1"));
//! assert_eq!(effect.statements()[0].params, [SqlValue::Int(7)]);
//! ```
//!
//! # A chain
//!
//! A chain runs from its first step to its answer. What its steps ask of a database, the test
//! answers: one statement after the other with [`answer`](Test::answer), or all of them by a
//! function, with [`script`](Test::script). Joins, races, continuations and timers mean what they mean
//! in a service; a statement that nobody answers leaves the request waiting there.
//!
//! ```
//! use cutaway::effect::sqlite::{Constraint, SqlErrorKind};
//! use cutaway::prelude::*;
//! use cutaway::testing::{self, ScriptedAnswer};
//!
//! resource!(pub Blog: Sqlite);
//! slot!(pub NewTitle: String = body text);
//! slot!(pub Written: Executed);
//!
//! fn create(cx: &mut Cx<Reads<NewTitle>, Writes<Written>, Uses<Blog>>) -> Step {
//!     let title = cx.get(NewTitle);
//!     cx.need(cx.on(Blog).exec("INSERT INTO posts (title) VALUES (?1)").bind(title).into(Written))
//! }
//!
//! fn created(cx: &mut Cx<Reads<Written>>) -> Step {
//!     let id = cx.get(Written).last_row_id;
//!     cx.response_header("Location", &format!("/posts/{id}"))?;
//!     cx.status(Status::CREATED).empty()
//! }
//!
//! let post = |answer| {
//!     let test = testing::post("/posts").text("First").answer(answer);
//!     test.run_chain(chain(create).then(created))
//! };
//!
//! let tested = post(ScriptedAnswer::inserted(7));
//! assert_eq!(tested.status(), Status::CREATED);
//! assert_eq!(tested.field("location").as_deref(), Some("/posts/7"));
//!
//! let tested = post(ScriptedAnswer::constraint(Constraint::Unique, "posts.title"));
//! assert_eq!(tested.status(), Status::CONFLICT);
//! assert_eq!(tested.steps().len(), 1);
//!
//! let tested = post(ScriptedAnswer::error(SqlErrorKind::Busy));
//! tested.assert_fails(Unavailable, "database", "busy");
//! ```
//!
//! # A service
//!
//! An [`App`] is a service on a simulated machine: the shard that serves, with its parser, its queue,
//! its timers and its databases, between a simulated kernel and simulated clients. Requests take the
//! way that they take in production.
//!
//! Its time is virtual. It stands still unless somebody takes some: a database, a step that
//! [`spend`]s it, or the test that [advances](App::advance) it. So a test never sleeps, an hour
//! takes milliseconds, and lengths are exact: a request that took 20 ms too long fails its test on
//! every machine alike.
//!
//! ```
//! use cutaway::prelude::*;
//! use cutaway::testing::{self, App};
//! use cutaway::timeline::Stage;
//!
//! fn quick(cx: &mut Cx) -> Step {
//!     cx.text("quick")
//! }
//!
//! fn slow(cx: &mut Cx) -> Step {
//!     testing::spend(20.millis());
//!     cx.text("slow")
//! }
//!
//! let routes = Routes::new()
//!     .get("/quick", chain(quick))
//!     .get("/slow", chain(slow))
//!     .build()?;
//! let app = App::new(routes);
//!
//! // One request, and what came of it.
//! let response = app.get("/quick").send();
//! response.assert_status(Status::OK);
//! assert_eq!(response.text(), "quick");
//!
//! // Two at once: the second one waits for the shard while the first one runs.
//! let slow = app.get("/slow").start();
//! let quick = app.get("/quick").start();
//! let (slow, quick) = (slow.wait(), quick.wait());
//! assert_eq!(slow.timeline().stage(Stage::Run), 20.millis());
//! assert_eq!(quick.timeline().stage(Stage::Run), 0.millis());
//! assert_eq!(app.now(), 20.millis());
//!
//! // A client that goes away in the middle.
//! let client = app.client();
//! client.send(b"GET /quick HT");
//! app.advance(5.millis());
//! client.disconnect();
//!
//! // Nothing is left of any of them.
//! app.finish();
//! # Ok::<(), cutaway::RoutesRefused>(())
//! ```
//!
//! ## Where the time went
//!
//! Each response has the [timeline](Response::timeline) of its request: how long it was in each
//! [stage](crate::timeline::Stage), its steps and its effects.
//! [`assert_stages`](RequestTimeline::assert_stages) holds all of it: what is not named took no time.
//! Printed, a timeline looks as the engine prints it; a failing assertion shows it.
//!
//! ## Databases
//!
//! Each database of the routes is a fresh file with the schema that the routes declare, removed in
//! the end; [`App::file`] names another one. Statements run for real, and each look that SQLite takes
//! at the clock costs 100 µs of virtual time, so that a deadline can come while one runs.
//!
//! Or a [script](App::script) plays it: a function that is asked about each statement and answers
//! rows, counts or a failure, at once, after an exact length of time, or never.
//!
//! ## Seeds, noise and faults
//!
//! A run repeats itself exactly. What chance would decide, a seed decides; with
//! [noise](App::noise) and [faults](App::faults) that is a lot: when bytes arrive and how they are
//! cut, how long a worker takes, what breaks. [`for_each_seed`] runs a test on many, and says which
//! one failed; `CUTAWAY_SEED=17 cargo test` runs that one again.
//!
//! ## Nothing left
//!
//! [`App::finish`] ends the service in order, and fails where anything is left of it: a slot, an
//! arena, a ticket, a job, a timer, a socket.
//!
//! Below all this lies the [`simulation`], for what an app has no word for.

mod app;
mod content;
mod response;
mod seeds;
pub mod simulation;
mod spend;
mod step;
mod timeline;

pub use crate::effect::directory::{Disk, DiskFault};
pub use crate::effect::sqlite::scripted::{IntoScriptedRow, ScriptedAnswer, ScriptedStatement};
#[cfg(test)]
pub(crate) use app::Scratch;
pub use app::{App, Ask, Client, Pending};
pub use response::Response;
pub use seeds::for_each_seed;
pub use spend::spend;
pub use step::{Test, Tested, get, post, request};
pub use timeline::{RequestTimeline, TimedEffect, TimedStep};

/// Runs without the panic hook's output. Panics inside are part of a test here.
#[cfg(test)]
pub(crate) fn silenced<T>(run: impl FnOnce() -> T) -> T {
    use std::cell::Cell;
    use std::panic;
    use std::sync::Once;

    thread_local!(static IS_SILENT: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_SILENT.get() {
                loud(info);
            }
        }));
    });
    let was_silent = IS_SILENT.replace(true);
    let ran = panic::catch_unwind(panic::AssertUnwindSafe(run));
    IS_SILENT.set(was_silent);
    ran.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// Runs, and gives the message of a panic.
#[cfg(test)]
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    silenced(|| catch_unwind(AssertUnwindSafe(run))).map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default()
    })
}
