//! Testing a service without a socket.
//!
//! # A step
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

mod app;
mod content;
mod response;
mod seeds;
pub mod simulation;
mod spend;
mod step;
mod timeline;

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
