//! One turn of a shard: enter the ring, take in what came, run what is ready, send what is owed.
//!
//! The only syscall of a turn on the request path is `enter`. Nothing runs inside a completion: a completion moves bytes
//! to a connection or a ticket to a queue, and the work happens in the bounded part of the turn.

use cutaway_reactor::{Backend, Completion, ListenerId, Received, Ring};
use cutaway_scheduler::{Clock, Nanos};

use super::carried::Carried;
use super::core::Core;

/// What a turn came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Completions taken in, those of workers among them, the heartbeat's apart.
    pub completion_count: u32,
    /// The heartbeat beat.
    pub is_beat: bool,
    /// Work is left that does not wait for anything.
    pub has_work: bool,
}

/// One core's executor state: its ring and all it owns.
pub struct Shard<B: Backend> {
    pub(super) ring: B::Ring,
    pub(super) core: Core<B>,
    carried: Carried,
    hold_up: HoldUp,
}

impl<B: Backend> Shard<B> {
    /// A shard that serves what its ring's `listeners` accept.
    pub(crate) fn new(ring: B::Ring, core: Core<B>, listeners: &[ListenerId]) -> Shard<B> {
        let mut shard = Shard {
            ring,
            core,
            carried: Carried::new(),
            hold_up: HoldUp::default(),
        };
        for &listener in listeners {
            shard.core.listen(&mut shard.ring, listener);
        }
        shard
    }

    /// One turn.
    ///
    /// # Blocking
    /// Blocks in the ring where there is nothing to do, until a completion comes (the heartbeat's at
    /// the latest, where it runs).
    ///
    /// # Errors
    /// What ends the shard: the ring is broken.
    pub fn turn(&mut self) -> std::io::Result<Turn> {
        let want = u32::from(!self.has_work() && !self.core.prepare_sleep());
        self.turn_with(want)
    }

    /// One turn that waits for at least `want` completions.
    ///
    /// # Errors
    /// As [`turn`](Shard::turn).
    pub fn turn_with(&mut self, want: u32) -> std::io::Result<Turn> {
        self.ring.enter(want)?;
        let entered_at = self.core.read_clock();
        self.hold_up.note(self.ring.ready_count(), entered_at);
        let mut turn = Turn::default();
        turn.completion_count += self.core.poll_effects();
        let stop_at = entered_at + self.core.limits.turn_quantum;
        let mut left = self.core.limits.completions_per_turn;
        // In batches, so that a request is run while its slot and its bytes are still in the cache.
        // Replies leave with the next enter, so it comes early where some have waited for a while.
        let enter_at = entered_at + self.core.limits.reply_wait_max;
        while self.reap(entered_at, &mut left, &mut turn)
            && self.core.run_ready(stop_at)
            && self.core.reading < enter_at
        {}
        let reaped = self.core.limits.completions_per_turn - left;
        let waiting = self.ring.ready_count();
        if let Some(seen_at) = self.hold_up.end(reaped, waiting) {
            self.core.expire_timers(&mut self.ring, seen_at);
        }
        self.core.flush(&mut self.ring);
        self.core.stats.turn_count += 1;
        self.core.note_turn(entered_at);
        self.carried.leave(waiting, self.core.reading);
        turn.has_work = self.has_work();
        Ok(turn)
    }

    /// Whether a turn would find something to do without waiting.
    pub fn has_work(&self) -> bool {
        self.ring.ready_count() > 0 || self.core.has_work()
    }

    /// Whether the shard may sleep outside of its ring: there is nothing to do, and the kernel neither
    /// has anything to be told nor anything that only an `enter` would make it do.
    pub(crate) fn is_at_rest(&mut self) -> bool {
        !self.has_work() && self.ring.is_flushed()
    }

    /// Whether the drain has ended: nothing is connected, accepted or in flight.
    pub fn is_drained(&self) -> bool {
        self.core.is_drained()
    }

    /// Stops accepting, closes idle connections, and lets the others end with their replies; what
    /// is left after `within` is cut off. The first call counts.
    pub fn drain(&mut self, within: Nanos) {
        let deadline = self.core.clock.now() + within;
        self.core.drain(&mut self.ring, deadline);
    }

    /// What the shard has counted.
    pub fn stats(&self) -> &super::ShardStats {
        &self.core.stats
    }

    /// The ring.
    pub(crate) fn ring(&self) -> &B::Ring {
        &self.ring
    }

    /// The ring, to set its heartbeat.
    pub(crate) fn ring_mut(&mut self) -> &mut B::Ring {
        &mut self.ring
    }

    /// The heartbeat stops, and one timer takes its place.
    pub(crate) fn begin_nap(&mut self) {
        self.ring.heartbeat(None);
        self.ring.timer(self.core.next_timer_at());
        self.core.stats.nap_count += 1;
    }

    /// The heartbeat beats again.
    pub(crate) fn end_nap(&mut self, heartbeat: Nanos) {
        self.ring.timer(None);
        self.ring.heartbeat(Some(heartbeat));
    }

    /// As [`Core::prepare_sleep`].
    pub(crate) fn prepare_sleep(&mut self) -> bool {
        self.core.prepare_sleep()
    }

    /// How many requests are being worked on, jobs of requests that were answered without them
    /// among them; not those that wait for a timer effect, whose end the shard brings about itself.
    pub(crate) fn waiting_request_count(&self) -> usize {
        self.core.waiting_request_count()
    }

    /// What has not been given back, in words; none where nothing is left.
    pub(crate) fn left_behind(&self) -> Option<String> {
        self.core.left_behind()
    }

    /// Completions become bytes in a connection or tickets in the ready queue. Bounded per turn and
    /// per batch; the rest stays in the completion queue and keeps the reading of the moment it was
    /// first seen. False where nothing is left for this turn to do.
    fn reap(&mut self, entered_at: Nanos, left: &mut usize, turn: &mut Turn) -> bool {
        while *left > 0 && self.core.ready.len() < self.core.limits.batch_max {
            let Some(completion) = self.ring.pop() else {
                break;
            };
            let reaped_at = self.carried.next(entered_at);
            *left -= 1;
            if matches!(completion, Completion::Heartbeat) {
                turn.is_beat = true;
                continue;
            }
            turn.completion_count += 1;
            self.take(completion, reaped_at);
        }
        !self.core.ready.is_empty()
    }

    fn take(&mut self, completion: Completion, reaped_at: Nanos) {
        match completion {
            Completion::Received {
                owner,
                received: Received::Bytes(lease),
                more,
            } => {
                self.core.receive(owner, self.ring.bytes(&lease), reaped_at);
                self.ring.release(lease);
                if !more {
                    self.core
                        .on_receive_ended(owner, &Received::Cancelled, false);
                }
            }
            Completion::Received {
                owner,
                received,
                more,
            } => {
                self.core.on_receive_ended(owner, &received, more);
            }
            Completion::Sent {
                owner,
                buffer,
                result,
            } => self.core.on_sent(owner, buffer, result),
            Completion::Accepted {
                owner,
                result,
                more,
            } => {
                self.core.on_accepted(&mut self.ring, owner, result, more);
            }
            Completion::Closed { owner } => self.core.on_closed(owner),
            // The timer and the waker only end a wait: the turn looks at the wheel and at the
            // workers in any case.
            Completion::Heartbeat | Completion::Timer | Completion::Woken => {}
        }
    }
}

/// Keeps timers behind the completions that were there before them: a request that came while the
/// shard was held up did not come late. Completions that come meanwhile are not waited for, so that
/// under load timers fire all the same.
#[derive(Debug, Default)]
struct HoldUp {
    completion_count: usize,
    seen_at: Nanos,
}

impl HoldUp {
    /// So many completions are there.
    fn note(&mut self, completion_count: usize, now: Nanos) {
        if self.completion_count == 0 {
            self.completion_count = completion_count;
            self.seen_at = now;
        }
    }

    /// So many were reaped and so many still wait. As of when timers may fire, if they may.
    fn end(&mut self, reaped_count: usize, waiting_count: usize) -> Option<Nanos> {
        // Stale ones were counted too and are never reaped.
        let left = self.completion_count.saturating_sub(reaped_count);
        self.completion_count = left.min(waiting_count);
        (self.completion_count == 0).then_some(self.seen_at)
    }
}
