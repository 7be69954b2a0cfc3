//! An HTTP engine you can see inside.

pub mod ctx;
pub mod effect;
mod error;
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

pub use ctx::{Cx, Reads, Uses, Writes};
pub use error::Error;
pub use response::Renderer;
pub use routes::{BuiltRoutes, Routes, RoutesRefusal, RoutesRefused};
pub use server::{Engine, Running, Stopper};
pub use step::{Decision, Fail, Failure, Step};
pub use timeline::TraceMode;

/// What a file of steps needs.
pub mod prelude {
    pub use crate::ctx::{Cx, FromText, Reads, Uses, Writes};
    pub use crate::effect::{DecodeError, Executed, FromRow, Row, Sqlite};
    pub use crate::http::Status;
    pub use crate::routes::Routes;
    pub use crate::server::Engine;
    pub use crate::step::Fail::*;
    pub use crate::step::{Continue, Decision, Done, OrFail, Step, chain, fail, given};
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
