//! The load client: one thread, non-blocking sockets, every answer checked.
//!
//! ```text
//!   closed   N connections, each sends a batch of P requests and the next one when all P are
//!            answered: finds out how much a server can do
//!   open     requests leave when a schedule says so, whatever the server does; latency counts
//!            from the intended moment: finds out how long a user waits
//!      both over
//!   link     one connection: bytes out, bytes in
//!   expect   what the answer must be, byte by byte
//!   response one response, parsed strictly
//!   poller   epoll
//! ```

use serde::Serialize;

pub mod closed;
pub mod expect;
pub mod link;
pub mod open;
pub mod poller;
pub mod response;

pub use closed::{Plan, Report, Until};
pub use expect::{Body, Exchange};

/// What a closed loop found out, whichever client ran it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Totals {
    /// Answers.
    pub answered_count: u64,
    /// Answers a second.
    pub rate: f64,
    /// From a request's sending to its answer, where the client knows it.
    pub latency: Option<Latency>,
}

/// Percentiles of a closed loop's latency, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Median.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
}

/// Latencies are kept from 1 ns to 60 s with three significant figures; longer ones count as 60 s.
pub(crate) fn latency_histogram() -> hdrhistogram::Histogram<u64> {
    hdrhistogram::Histogram::new_with_bounds(1, 60_000_000_000, 3)
        .expect("the bounds are constants that hdrhistogram accepts")
}
