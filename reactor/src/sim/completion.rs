//! The way of a completion from the kernel to the shard.

use std::collections::VecDeque;

use crate::planted;
use crate::ring::{Completion, Errno, Lease, Received, Socket};

use super::event::{Done, Entry, Event};
use super::fault::Fault;
use super::operation::Kind;
use super::world::World;

/// The three places where a completion waits.
#[derive(Debug, Default)]
pub(super) struct Completions {
    /// What the kernel has posted and no `enter` has made visible yet.
    deferred: VecDeque<Entry>,
    /// The completion queue.
    queue: VecDeque<Entry>,
    /// What had no room in it.
    overflow: VecDeque<Entry>,
}

impl Completions {
    /// How many a waiting `enter` counts.
    pub(super) fn ready_count(&self) -> usize {
        self.queue.len() + self.overflow.len()
    }

    /// How many the shard can pop.
    pub(super) fn visible_count(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready_count() == 0 && self.deferred.is_empty()
    }
}

impl World {
    pub(super) fn post(&mut self, entry: Entry) {
        self.completions.deferred.push_back(entry);
        if let Entry::Operation {
            armed, more: false, ..
        } = entry
            && self.faults.strikes(Fault::StaleCompletion)
        {
            let at = self.after_latency() + self.config.latency_max;
            self.agenda.plan(
                at,
                Event::Post(Entry::Operation {
                    armed,
                    result: Ok(Done::Repeated),
                    more: true,
                }),
            );
        }
    }

    pub(super) fn post_later(&mut self, entry: Entry) {
        let at = self.after_latency();
        self.agenda.plan(at, Event::Post(entry));
    }

    /// The next completion the shard shall see.
    pub(super) fn pop(&mut self) -> Option<Completion> {
        while let Some(entry) = self.completions.queue.pop_front() {
            self.stats.completed_count += 1;
            if let Some(completion) = self.complete(entry) {
                return Some(completion);
            }
            self.stats.stale_count += 1;
            self.record("stale", 0, 0);
        }
        None
    }

    /// Makes visible what the kernel has posted: first what had no room before, as the kernel does.
    pub(super) fn flush(&mut self) {
        let Completions {
            deferred,
            queue,
            overflow,
        } = &mut self.completions;
        while queue.len() < self.config.completions_max
            && let Some(entry) = overflow.pop_front()
        {
            queue.push_back(entry);
        }
        let had_overflow = !overflow.is_empty();
        while let Some(entry) = deferred.pop_front() {
            // Once one entry overflows all later ones do, or they would overtake it.
            if overflow.is_empty()
                && queue.len() < self.config.completions_max
                && !self.faults.strikes(Fault::QueueOverflow)
            {
                queue.push_back(entry);
            } else {
                overflow.push_back(entry);
            }
        }
        let len = overflow.len() as u64;
        if len > 0 && !had_overflow {
            self.stats.overflow_count += 1;
            self.record("overflow", len, 0);
        }
    }

    /// What the shard shall see of an entry; none where it is stale.
    fn complete(&mut self, entry: Entry) -> Option<Completion> {
        let (armed, result, more) = match entry {
            Entry::Heartbeat(arming) => {
                let is_present = arming == self.heartbeat_arming;
                return is_present.then(|| {
                    self.record("heartbeat", arming, 0);
                    Completion::Heartbeat
                });
            }
            Entry::Timer(arming) => {
                let is_present = arming == self.timer_arming;
                return is_present.then(|| {
                    self.record("timer", arming, 0);
                    Completion::Timer
                });
            }
            Entry::Woken => {
                self.is_wake_under_way = false;
                self.record("woken", 0, 0);
                return Some(Completion::Woken);
            }
            Entry::Operation {
                armed,
                result,
                more,
            } => (armed, result, more),
        };
        let operation = self.operations.find(armed.ticket)?;
        let (kind, owner, target) = (operation.kind, operation.owner, operation.target);
        if operation.serial != armed.serial {
            self.bug(format_args!(
                "a stale completion was taken for the one of a {kind:?} that is still in flight"
            ));
        }
        let buffer = if more {
            None
        } else {
            self.operations
                .remove(armed.ticket)
                .and_then(|operation| operation.buffer)
        };
        let number = match result {
            Ok(Done::Accepted(fd)) => fd as u64,
            Ok(Done::Received { len, .. }) => u64::from(len),
            Ok(Done::Sent(len)) => len as u64,
            Ok(Done::End | Done::Closed | Done::Repeated) => 0,
            Err(error) => (error.0 as u64) << 32,
        };
        self.record(kind.name(), target as u64, number);
        Some(match kind {
            Kind::Accept => {
                if !more {
                    self.listeners[target].accept_seen = None;
                }
                Completion::Accepted {
                    owner,
                    result: match result {
                        Ok(Done::Accepted(fd)) => Ok(Socket { fd, ring: 0 }),
                        Err(error) => Err(error),
                        Ok(other) => self.bug(format_args!("an accept completed with {other:?}")),
                    },
                    more,
                }
            }
            Kind::Receive => {
                if !more {
                    self.connections[target].receive_seen = None;
                }
                Completion::Received {
                    owner,
                    received: self.received(result),
                    more,
                }
            }
            Kind::Send => {
                self.connections[target].send_seen = None;
                let Some(mut buffer) = buffer else {
                    self.bug("a send completed without its buffer");
                };
                let result = match result {
                    Ok(Done::Sent(len)) => {
                        buffer.sent_bytes += len;
                        Ok(len)
                    }
                    Err(error) => Err(error),
                    Ok(other) => self.bug(format_args!("a send completed with {other:?}")),
                };
                Completion::Sent {
                    owner,
                    buffer,
                    result,
                }
            }
            Kind::Close => Completion::Closed { owner },
        })
    }

    fn received(&mut self, result: Result<Done, Errno>) -> Received {
        match result {
            Ok(Done::Received { buffer, len }) => {
                let leased = self.buffers.lease(buffer);
                self.hold(leased);
                Received::Bytes(Lease { buffer, len })
            }
            Ok(Done::End) => Received::End,
            Err(Errno(libc::ENOBUFS)) => {
                self.stats.no_buffers_count += 1;
                Received::NoBuffers
            }
            Err(Errno(libc::ECANCELED)) => Received::Cancelled,
            Err(error) => Received::Failed(error),
            Ok(other) => self.bug(format_args!("a receive completed with {other:?}")),
        }
    }

    pub(super) fn release(&mut self, lease: &Lease) {
        self.record("release", u64::from(lease.buffer), 0);
        let released = self.buffers.release(lease.buffer);
        self.hold(released);
        // Where the planted bug lives, a release while completions still wait to be popped goes
        // wrong, as if a second path of the shard had seen the same lease.
        if planted::double_release() && !self.completions.queue.is_empty() {
            self.buffers.release_again();
        }
    }
}

impl Kind {
    /// How its completion stands in the log.
    fn name(self) -> &'static str {
        match self {
            Kind::Accept => "accepted",
            Kind::Receive => "received",
            Kind::Send => "sent",
            Kind::Close => "closed",
        }
    }
}
