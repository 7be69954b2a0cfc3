//! Blocking workers: threads that do what would block a shard.

pub use crate::port::{Finished, Handler, Outcome, Publish, WorkerPort};

/// Where a worker's thread runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The one core it may run on; none leaves that to the kernel.
    pub core: Option<usize>,
    /// Whether the shard on the same core comes first.
    pub background: bool,
}
