//! An HTTP/1.1 engine one can see inside: plain functions over typed slots, one thread a core, and
//! the time of every request accounted for. A step says what it reads, writes and touches; the
//! engine parses, orders by deadline, performs effects and answers.
//!
//! ```text
//!  shard, one a core; nothing is shared
//!  ┌──────────────────────────────────────────────────────────────────────────────┐
//!  │ ring ──► intake: read, parse, route, admit ──► ready queue, by deadline      │
//!  │  ▲                                               │        ▲                  │
//!  │  │                                               ▼        │ resume           │
//!  │  └── outlet: hold, write ◄── encode ◄── done ── steps ── need: an effect ────┼──► worker
//!  └────────────────────────────────────┬─────────────────────────────────────────┘
//!                                       └─► timelines ──► exporter
//! ```
//!
//! - A request is born, runs and dies on one shard. Its steps run one after the other, never inside
//!   a completion, never two at once.
//! - A slot that a step reads has its value: chains are checked by the compiler, what fills slots
//!   from outside when the routes are built.
//! - A step acts on nothing but the resources in its `Uses`, and never touches a socket, a clock or
//!   a thread: `Cx` offers none.
//! - Once a request is accepted it is answered or its connection is closed; each bound has a way to
//!   fail of its own.
//! - The stages of a timeline tile the request, without gap or overlap.
//! - The code that serves is the code that is simulated: a shard is generic over its backend.
//!
//! Begin with the [guide]: one page for each concept, and a table for those who know axum.
//!
//! It knows nothing of TLS, HTTP/2, sessions or templates. A step does not know on which core, ring
//! or thread it runs, nor who performs its effects; the shard does not know what steps mean; only
//! one file knows the executor that hosts it.

mod bound;
pub mod chains;
pub mod config;
pub mod ctx;
pub mod effect;
mod error;
pub mod guide;
pub mod http;
pub mod limits;
pub mod response;
pub mod route;
mod routes;
mod server;
pub mod shard;
pub mod step;
pub mod testing;
pub mod timeline;

pub use config::{Config, ConfigFault, ConfigRefused};
pub use ctx::{Cx, Reads, Uses, Writes};
pub use error::Error;
pub use response::Renderer;
pub use routes::{BuiltRoutes, FlagRefused, Routes, RoutesRefusal, RoutesRefused, VainSlot};
pub use server::{Engine, Running, Stopper};
pub use step::{Decision, Fail, Failure, Step};
pub use timeline::TraceMode;

/// What a file of steps needs.
pub mod prelude {
    pub use crate::ctx::{Cx, FromText, Reads, Uses, Writes};
    pub use crate::effect::{
        Body, DecodeError, Directory, Elapsed, Executed, FromRow, Row, Sqlite, StoredFile,
    };
    pub use crate::http::Status;
    pub use crate::routes::Routes;
    pub use crate::server::Engine;
    pub use crate::step::Fail::*;
    pub use crate::step::need::Needed;
    pub use crate::step::{
        Continue, Decision, Done, OrFail, Step, all, all_required, any, chain, fail, first, given,
    };
    pub use crate::time::{Batch, Durations, Interactive, Standard};
    pub use crate::{resource, slot};
}

/// Lengths of time and classes, as a chain spells them.
mod time {
    use std::time::Duration;

    use cutaway_scheduler::ClassId;

    /// A human waits and watches.
    #[allow(non_upper_case_globals)] // read as a word of a chain: `.class(Interactive)`
    pub const Interactive: ClassId = ClassId::INTERACTIVE;

    /// What a route is unless it says otherwise.
    #[allow(non_upper_case_globals)] // as above
    pub const Standard: ClassId = ClassId::STANDARD;

    /// Nobody waits.
    #[allow(non_upper_case_globals)] // as above
    pub const Batch: ClassId = ClassId::BATCH;

    /// Spells lengths of time: `50.millis()`, `5.secs()`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use cutaway::prelude::*;
    ///
    /// assert_eq!(50.millis(), Duration::from_millis(50));
    /// assert_eq!(5.secs(), Duration::from_secs(5));
    /// ```
    pub trait Durations {
        /// So many milliseconds.
        fn millis(self) -> Duration;
        /// So many seconds.
        fn secs(self) -> Duration;
    }

    impl Durations for u64 {
        fn millis(self) -> Duration {
            Duration::from_millis(self)
        }

        fn secs(self) -> Duration {
            Duration::from_secs(self)
        }
    }
}
