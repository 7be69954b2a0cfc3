//! Load client, runner and peers of Cutaway: the instruments that say what the engine costs.
//!
//! ```text
//!   compare   subjects under one load, interleaved ─┐
//!   noisy     one route's latency beside another's ─┼─► process  pinned: engine, peers, hog, wrk
//!   smoke     right bytes, clean end ───────────────┘   client   our own load
//!                                                       cpu, stats, table, record
//! ```
//!
//! It meets the engine as every client does, over a socket and by its command line, and knows
//! nothing of its inside.

pub mod client;
pub mod compare;
pub mod cpu;
pub mod failure;
pub mod machine;
pub mod noisy;
pub mod peers;
pub mod process;
pub mod record;
pub mod scenario;
pub mod smoke;
pub mod stats;
pub mod subject;
pub mod table;
pub mod wrk;

pub use failure::Failure;
