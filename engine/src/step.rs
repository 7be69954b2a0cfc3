//! Steps: plain functions over a request, and the pipelines they form.
//!
//! A step is a `fn(&mut Cx<..>) -> Step`. It reads slots, writes slots, and decides: go on
//! ([`Continue`]), wait for an effect (`cx.need`), answer (`cx.json(..)` and the like), or fail. It
//! gets no socket, clock or thread, so a pipeline is a state machine that anybody can drive.

mod chain;
mod decision;
mod failure;
pub mod need;
mod panic;
mod pipeline;

pub use chain::{Chain, Shared, chain, given};
pub use decision::{Continue, Decision, Done, Fail, IntoStep, OrFail, Step, fail};
pub use failure::{Cause, Failure};
pub use need::{NeedRecord, Order, all, all_required, any, first};
pub use pipeline::{
    BodyMode, Contract, Declared, Go, Outcome, Route, RouteRefusal, StepEnd, StepObserver,
    Unobserved,
};

pub(crate) use chain::{Deadline, Entry, Settings as ChainSettings};
pub(crate) use panic::caught;
pub(crate) use pipeline::RouteParts;
