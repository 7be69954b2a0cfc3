//! The context of a request: its bytes, its arena, its slots, and what its steps leave.
//!
//! ```text
//! Context ─ owned by the shard, used again and again
//!   frame ── slots' values ─┐
//!   arena ── head, spans, body, values, what borrowed values point to
//!   results ─ buffers of completed effects, borrowed from
//!   output ── the response
//! ```
//!
//! A step sees it through [`Cx`], by its clauses; the shard through [`Context`]. Two islands of
//! `unsafe` carry it, [`arena`](self::Arena) and the frame; everything else is checked.

#[expect(
    unsafe_code,
    reason = "references into an arena that outlast moves of its owner"
)]
mod arena;
mod exit;
mod extract;
#[expect(
    unsafe_code,
    reason = "values of different types in one block, without an allocation each"
)]
mod frame;
pub(crate) mod id;
mod keeper;
pub mod list;
mod request;
mod slot;
mod view;

pub use arena::Arena;
pub use exit::{Exit, ExitKind};
pub use extract::{
    BodyFormat, Extract, Extracted, FromRequest, FromSent, FromText, Incoming, Source,
};
pub use id::IdSource;
pub use keeper::Keeper;
pub use list::{Clauses, Reads, Uses, Writable, Writes};
pub use request::{Request, RequestParts};
pub use slot::{Borrowed, Borrows, FromSteps, Origin, Owned, Slot, SlotMeta, Store, Value};
pub use view::Cx;

pub(crate) use extract::{Fill, content};
pub(crate) use frame::{
    Access, FRAME_BYTES_MAX, Filler, Frame, Marks, NeedFault, Plan, PlanBuilder, PlanRefusal,
    Reach, SLOTS_MAX, Target, Window,
};

use crate::effect::{EffectRecord, ResultBuffer};
use crate::response::{Renderer, ResponseView};
use crate::step::{Cause, Failure, NeedRecord, Outcome, Route, caught};

/// A request slot of a shard. Holds one request after another, each from [`begin`](Context::begin)
/// to [`end`](Context::end); between them it keeps its memory, so that requests after the first few
/// allocate nothing.
///
/// It may move at any time, and it is neither `Send` nor `Sync`: values of a request stay on their
/// shard.
pub struct Context {
    pub(crate) frame: Frame,
    /// The step that runs next, or that waits.
    pub(crate) at: u16,
    /// Why it has failed; the first panic, where there was one.
    failure: Option<Failure>,
    panic_count: u32,
}

impl Context {
    /// A context whose arena has room for `arena_bytes` before it grows.
    pub fn with_capacity(arena_bytes: usize) -> Context {
        Context {
            frame: Frame::with_capacity(arena_bytes),
            at: 0,
            failure: None,
            panic_count: 0,
        }
    }

    /// As [`with_capacity`](Context::with_capacity), where the ids of its requests come from `ids`.
    pub fn with_ids(arena_bytes: usize, ids: IdSource) -> Context {
        let mut context = Context::with_capacity(arena_bytes);
        context.frame.identity.source = ids;
        context
    }

    /// Says which of its shard's requests comes next: what its id is made of.
    #[inline]
    pub fn number(&mut self, number: u64) {
        self.frame.identity.number = number;
    }

    /// Takes a request in: copies the bytes of its head and of its body, and its spans.
    ///
    /// # Complexity
    /// Linear in the bytes; no allocation once the arena has grown to its requests.
    ///
    /// # Panics
    /// The context holds another request, or a span lies outside of the head.
    #[inline]
    pub fn begin(&mut self, route: &Route, head: &[u8], parts: &RequestParts<'_>) {
        self.at = 0;
        let names = route.params();
        (self.frame).begin(route.plan(), |arena| {
            Request::copied(arena, names, head, parts)
        });
    }

    /// Whether a request is in it.
    pub fn is_begun(&self) -> bool {
        self.frame.is_begun()
    }

    /// The step that runs next, that waits, or that ended the request.
    pub fn step(&self) -> u16 {
        self.at
    }

    /// What the request waits for.
    pub fn need(&self) -> Option<NeedRecord<'_>> {
        self.frame.need()
    }

    /// The effect that the request waits for, the first one of several.
    pub fn effect(&self) -> Option<EffectRecord<'_>> {
        self.need()?.effects.first().copied()
    }

    /// Whether the request's content may be taken as this, by its own words.
    ///
    /// # Errors
    /// The failure of the effect that takes it.
    pub(crate) fn admit(&self, format: BodyFormat) -> Result<(), Failure> {
        let request = self.frame.request();
        format.admit(request.and_then(|request| request.field("content-type")))
    }

    /// Adds a piece of the request's content to what the effect at this place folds it into.
    ///
    /// # Errors
    /// The failure of the effect; that of a panic too, which fails the request.
    pub fn fold(&mut self, route: &Route, place: usize, piece: &[u8]) -> Result<(), Failure> {
        let need = self.need();
        let Some(fold) = need.and_then(|need| need.effects.get(place)?.fold()) else {
            return Ok(());
        };
        caught(|| fold.add(piece)).unwrap_or_else(|panic| {
            self.panic_count += 1;
            Err(panic.into_failure(route.step_name(self.at)))
        })
    }

    /// Fails the request: an effect that did not succeed, a deadline that has passed, a refusal. The
    /// response says so; nothing is run any more.
    ///
    /// Gives the failure that stands: another one where the renderer panics.
    pub fn fail(&mut self, route: &Route, failure: Failure) -> Outcome {
        let _ = self.frame.take_need();
        Outcome::Failed(self.render(route.renderer(), failure))
    }

    /// As [`fail`](Context::fail), for a panic that was caught.
    #[cold]
    pub(crate) fn fail_by_panic(&mut self, route: &Route, failure: Failure) -> Outcome {
        self.panic_count += 1;
        self.fail(route, failure)
    }

    /// The content of the request is refused for this. The route that it will be begun with ends with
    /// the step that says so.
    #[cold]
    pub(crate) fn refuse_content(&mut self, failure: Failure) {
        self.frame.refuse(failure);
    }

    /// Makes the response to a request that has no route, and so was never begun.
    pub fn refuse(&mut self, renderer: Renderer, failure: Failure) {
        self.render(renderer, failure);
    }

    #[cold]
    fn render(&mut self, renderer: Renderer, mut failure: Failure) -> Failure {
        if let Err(panic) = self.frame.fail(renderer, &failure) {
            self.panic_count += 1;
            if failure.cause() != Cause::Panic {
                failure = panic;
            }
        }
        self.failure = Some(failure.clone());
        failure
    }

    /// Whether a callback waits for the request's exit, or a value for its drop.
    #[inline]
    pub fn owes_exit(&self) -> bool {
        self.frame.owes_exit()
    }

    /// The request's own code is over: runs its [`on_exit`](Cx::on_exit) callbacks and drops its
    /// values, each exactly once. Belongs between the last step and the encoding of the response, for
    /// a panic in one of them is the response then: a 500.
    ///
    /// What a step has put is gone afterwards; the request and the response stay until
    /// [`end`](Context::end).
    ///
    /// # Complexity
    /// Linear in the values that are dropped and in the callbacks; nothing where there are none.
    pub fn exit(&mut self, renderer: Renderer, kind: ExitKind) {
        if !self.owes_exit() {
            return;
        }
        let status = kind.has_reply().then(|| self.response().status());
        let mut exit = Exit::new(kind, status, self.failure.take());
        self.frame.exit(&mut exit);
        let is_new = exit.kind() != kind;
        let (failure, panic_count) = exit.into_parts();
        self.panic_count += panic_count;
        match failure {
            Some(failure) if is_new => _ = self.render(renderer, failure),
            failure => self.failure = failure,
        }
    }

    /// How many panics the request has had: in its steps, extractors, decoders, callbacks and drops,
    /// and in the renderer. With one or more it is answered with a 500.
    pub fn panic_count(&self) -> u32 {
        self.panic_count
    }

    /// Why the request has failed; none where it did not.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The request's id, where a step has asked for it.
    pub(crate) fn known_id(&self) -> Option<&str> {
        self.frame.known_id()
    }

    /// The response, complete after [`Outcome::Done`] and [`Outcome::Failed`].
    pub fn response(&self) -> ResponseView<'_> {
        ResponseView::of(self.frame.output())
    }

    /// Ends the request, whatever became of it: its [`exit`](Context::exit), where it has had none;
    /// hands its result buffers back, the latest first, and forgets the rest. Does nothing where there is no request.
    pub fn end(&mut self, recycle: impl FnMut(ResultBuffer)) {
        self.frame.end(recycle);
        self.failure = None;
        self.panic_count = 0;
    }
}

#[cfg(test)]
mod tests;
