//! The exit of a request: how its end looks to those who wait for it.

use crate::http::Status;
use crate::step::Failure;

/// How a request has ended, as far as its own code is concerned.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use cutaway::ctx::ExitKind;
/// use cutaway::prelude::*;
/// use cutaway::testing::App;
///
/// static FAILED: AtomicU32 = AtomicU32::new(0);
///
/// fn count(cx: &mut Cx) {
///     cx.on_exit(|exit| {
///         if matches!(exit.kind(), ExitKind::Failed | ExitKind::Panicked) {
///             FAILED.fetch_add(1, Ordering::Relaxed);
///         }
///     });
/// }
///
/// let app = App::new(Routes::new().before(chain(count)).build()?);
/// app.get("/nowhere").send().assert_status(Status::NOT_FOUND);
/// assert_eq!(FAILED.load(Ordering::Relaxed), 1);
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitKind {
    /// A step answered.
    Done,
    /// A step or an effect failed, or a step broke its contract.
    Failed,
    /// Something in a user's code panicked.
    Panicked,
    /// The deadline has passed.
    Expired,
    /// The engine refused it: a queue was full.
    Refused,
    /// The client has gone: there is nobody to reply to.
    ClientGone,
    /// The engine gave it up without a reply: the client did not read, or the drain took too long.
    Cancelled,
}

impl ExitKind {
    /// Whether a reply is sent.
    ///
    /// ```
    /// use cutaway::ctx::ExitKind;
    ///
    /// assert!(ExitKind::Expired.has_reply());
    /// assert!(!ExitKind::ClientGone.has_reply());
    /// ```
    pub fn has_reply(self) -> bool {
        !matches!(self, ExitKind::ClientGone | ExitKind::Cancelled)
    }
}

/// The exit of a request, as an [`on_exit`](crate::Cx::on_exit) callback sees it.
#[derive(Clone, Debug)]
pub struct Exit {
    kind: ExitKind,
    status: Option<Status>,
    failure: Option<Failure>,
    panic_count: u32,
}

impl Exit {
    pub(super) fn new(kind: ExitKind, status: Option<Status>, failure: Option<Failure>) -> Exit {
        Exit {
            kind,
            status,
            failure,
            panic_count: 0,
        }
    }

    /// The exit of a request that nobody has ended.
    pub(super) fn cancelled() -> Exit {
        Exit::new(ExitKind::Cancelled, None, None)
    }

    /// How it ended.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn watch(cx: &mut Cx) {
    ///     cx.on_exit(|exit| assert_eq!(exit.kind(), cutaway::ctx::ExitKind::Done));
    /// }
    /// # fn answer(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = cutaway::testing::App::new(Routes::new().get("/", chain(watch).then(answer)).build()?);
    /// # app.get("/").send().assert_status(Status::OK);
    /// # app.finish();
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn kind(&self) -> ExitKind {
        self.kind
    }

    /// The status of the reply; none where there is no reply.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn watch(cx: &mut Cx) {
    ///     cx.on_exit(|exit| assert_eq!(exit.status(), Some(Status::OK)));
    /// }
    /// # fn answer(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = cutaway::testing::App::new(Routes::new().get("/", chain(watch).then(answer)).build()?);
    /// # app.get("/").send().assert_status(Status::OK);
    /// # app.finish();
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn status(&self) -> Option<Status> {
        self.status
    }

    /// Why it failed; none where it did not.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn watch(cx: &mut Cx) {
    ///     cx.on_exit(|exit| assert!(exit.failure().is_none()));
    /// }
    /// # fn answer(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = cutaway::testing::App::new(Routes::new().get("/", chain(watch).then(answer)).build()?);
    /// # app.get("/").send().assert_status(Status::OK);
    /// # app.finish();
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// A callback or a drop has panicked: that is the reply now, unless an earlier panic is it or
    /// there is none.
    pub(super) fn note_panic(&mut self, failure: Failure) {
        self.panic_count += 1;
        if !self.kind.has_reply() {
            self.failure.get_or_insert(failure);
        } else if self.kind != ExitKind::Panicked {
            self.kind = ExitKind::Panicked;
            self.status = Some(failure.kind().status());
            self.failure = Some(failure);
        }
    }

    /// What became of it: the failure, and how many panics there were.
    pub(super) fn into_parts(self) -> (Option<Failure>, u32) {
        (self.failure, self.panic_count)
    }
}
