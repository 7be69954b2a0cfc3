//! Which request runs next, and what has run out of time.
//!
//! A queue of ready work ordered by deadline, and a wheel of timeouts. Both are plain values: the
//! shard hands them the present moment and gets items back.
//!
//! ```text
//!                          ┌ class 0  FIFO ─────────┐
//!   push ── own class ────►│ class 1  FIFO          │
//!   (fresh work)           │ …                      │ earliest
//!                          │                        ├─ deadline ──► pop(now) ─► item, expired?
//!   push_ordered ─────────►│ class 0  calendar      │
//!   (resumed work,         │ class 1  calendar      │
//!    own deadlines)        └ …        + heap outside┘
//!
//!   arm(at) ──► wheel, 8 levels of 64 slots ──► expire(now) ─► every item whose moment has come
//! ```
//!
//! # The law of order
//! [`ReadyQueue::pop`] takes the earliest deadline of all that wait (EDF):
//! 1. Fresh work of one class leaves in the order it came, which is the order of its deadlines: a
//!    class has one relative deadline.
//! 2. Fresh work of two classes leaves in the order of its deadlines, exact to 32 ns.
//! 3. Of two items one of which came by `push_ordered`, the one whose deadline is earlier by
//!    [`ORDER_BOUND`] or more leaves first. Below that the order may be either, but the same calls
//!    always give the same order.
//! 4. On a tie: resumed work before fresh work, which has less invested in it; then the lower class.
//! 5. Late work is never favoured. It comes out when its turn comes, marked as expired.
//!
//! [`Wheel::expire`] gives every item whose moment has come and none whose moment has not.
//!
//! # Complexity
//! Nothing allocates after construction (the wheel: up to its capacity).
//!
//! | operation | cost |
//! |---|---|
//! | `push`, and the `pop` of what it pushed | O(1) for a fixed number of classes, at most 8 |
//! | `push_ordered`, and its `pop`, within the calendar's window | O(1): two bitmap words |
//! | the same outside the window | O(log n): a heap |
//! | `arm`, `cancel` | O(1) |
//! | `expire` | O(1) for each item given, and at most 7 moves down the levels over its whole life |
//!
//! # What it does not know
//! No I/O, no threads, no HTTP, no clock: `now` is always an argument. What an item is, is the
//! caller's business.

#![forbid(unsafe_code)]

pub mod class;
pub mod ready;
pub mod stats;
pub mod time;
pub mod wheel;

pub use class::{CLASSES_MAX, Class, ClassId, ClassRefusal, ClassTable};
pub use ready::{Full, ORDER_BOUND, Popped, ReadyQueue};
pub use stats::{ClassStats, QueueStats};
pub use time::{Clock, ManualClock, Nanos};
pub use wheel::{TimerKey, Wheel};
