//! Deadlines, traffic classes, the ready queue and the timing wheel.

pub mod time;

pub use time::{Clock, ManualClock, Nanos};
