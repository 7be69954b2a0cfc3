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
mod extract;
#[expect(
    unsafe_code,
    reason = "values of different types in one block, without an allocation each"
)]
mod frame;
pub mod list;
mod request;
mod slot;
mod view;

pub use arena::Arena;
pub use extract::{
    BodyFormat, Extract, Extracted, FromRequest, FromSent, FromText, Incoming, Source,
};
pub use list::{Clauses, Reads, Uses, Writable, Writes};
pub use request::{Request, RequestParts};
pub use slot::{Borrowed, Borrows, FromSteps, Origin, Owned, Slot, SlotMeta, Store, Value};
pub use view::Cx;

pub(crate) use frame::{
    Access, Expected, FRAME_BYTES_MAX, Filler, Frame, Plan, PlanBuilder, PlanRefusal, SLOTS_MAX,
    discard,
};

use crate::effect::{EffectRecord, ResultBuffer};
use crate::response::{Renderer, ResponseView};
use crate::step::{Failure, Outcome, Route};

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
}

impl Context {
    /// A context whose arena has room for `arena_bytes` before it grows.
    pub fn with_capacity(arena_bytes: usize) -> Context {
        Context {
            frame: Frame::with_capacity(arena_bytes),
            at: 0,
        }
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

    /// The effect that the request waits for.
    pub fn effect(&self) -> Option<EffectRecord<'_>> {
        self.frame.need()
    }

    /// Fails the request: an effect that did not succeed, a deadline that has passed, a refusal. The
    /// response says so; nothing is run any more.
    pub fn fail(&mut self, route: &Route, failure: Failure) -> Outcome {
        if self.effect().is_some() {
            let _ = self.frame.forget_need();
        }
        self.frame.output_mut().fail(route.renderer(), &failure);
        Outcome::Failed(failure)
    }

    /// Makes the response to a request that has no route, and so was never begun.
    pub fn refuse(&mut self, renderer: Renderer, failure: &Failure) {
        self.frame.output_mut().fail(renderer, failure);
    }

    /// The response, complete after [`Outcome::Done`] and [`Outcome::Failed`].
    pub fn response(&self) -> ResponseView<'_> {
        ResponseView::of(self.frame.output())
    }

    /// Ends the request, whatever became of it: drops its values, each exactly once, hands its
    /// result buffers back, and forgets the rest. Does nothing where there is no request.
    pub fn end(&mut self, recycle: impl FnMut(ResultBuffer)) {
        self.frame.end(recycle);
    }
}
