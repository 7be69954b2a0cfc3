//! What a shard counts: plain numbers, written by the shard alone.

use super::connection::Close;

/// Counters of one shard since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ShardStats {
    /// Turns taken.
    pub turn_count: u64,
    /// The longest turn, from the return of `enter` to its end.
    ///
    /// # Units
    /// Nanoseconds.
    pub turn_ns_max: u64,
    /// Turns in which the quantum was spent with work left.
    pub quantum_spent_count: u64,
    /// Connections accepted.
    pub accepted_count: u64,
    /// Accepts that failed (`EMFILE`, `ENFILE`, …); each pauses the accept for a moment.
    pub accept_failed_count: u64,
    /// Connections closed, by reason; see [`ShardStats::closed`].
    pub closed_count: [u64; Close::COUNT],
    /// Requests begun: a complete head, or a refusal in its place.
    pub request_count: u64,
    /// Replies encoded, by the hundreds of their status (index 2 is 2xx).
    pub reply_count: [u64; 6],
    /// Requests refused for want of a slot (503).
    pub refused_slot_count: u64,
    /// Requests refused because the ready queue was full (503).
    pub refused_queue_count: u64,
    /// Requests refused because their effect's worker had no room (503).
    pub refused_effect_count: u64,
    /// Requests whose deadline passed while they waited for their turn to run (504).
    pub expired_count: u64,
    /// Requests whose deadline passed while a step ran (504).
    pub missed_count: u64,
    /// Requests whose deadline passed while they were parked (504, or 408 where it was for content).
    pub timed_out_count: u64,
    /// Requests cancelled because their connection broke.
    pub cancelled_count: u64,
    /// Panics in steps, extractors, decoders, renderers, callbacks and drops of values (500 each, or
    /// several in one request).
    pub panic_count: u64,
    /// Effects that were under way and of no use any more: a race was won, a required effect had
    /// failed, or their own time was over. Those of requests that have ended are not among them.
    pub let_go_count: u64,
    /// Job results that nobody waited for any more.
    pub late_result_count: u64,
    /// The most bytes of content that have waited for disks at a time, on their way into files.
    pub unwritten_bytes_max: u64,
    /// Completions and timers for something that has gone; dropped.
    pub stale_count: u64,
    /// Naps: times the core was left to sleep.
    pub nap_count: u64,
}

impl ShardStats {
    /// How many connections ended for this reason.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// use cutaway::shard::Close;
    ///
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let client = app.client();
    /// client.get("/hello").send();
    /// app.advance(90.secs()); // longer than `keep_alive_idle`, and than the close takes
    /// assert_eq!(app.stats().closed(Close::IdleTimeout), 1);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn closed(&self, reason: Close) -> u64 {
        self.closed_count[reason as usize]
    }
}
