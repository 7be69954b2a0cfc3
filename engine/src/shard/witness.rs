//! What a test may see of a shard: the requests that have not ended, by the sockets they came from.

use cutaway_reactor::{Backend, Socket};
use cutaway_scheduler::Nanos;

use super::connection::Reply;
use super::turn::Shard;
use crate::timeline::{Departure, Stage};

/// A request that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnderWay {
    /// Its number on this shard.
    pub request_id: u64,
    /// Where it is.
    pub stage: Stage,
}

impl UnderWay {
    fn of(departure: &Departure) -> UnderWay {
        UnderWay {
            request_id: departure.request_id(),
            stage: departure.stage(),
        }
    }
}

impl<B: Backend> Shard<B> {
    /// When the next timer comes.
    pub(crate) fn next_timer_at(&self) -> Option<Nanos> {
        self.core.next_timer_at()
    }

    /// Shows every request that has not ended, those of one connection in the order of their replies.
    pub(crate) fn each_under_way(&self, mut see: impl FnMut(&Socket, UnderWay)) {
        let core = &self.core;
        for (_, connection) in core.connections.iter() {
            let Some(socket) = &connection.socket else {
                continue;
            };
            for departure in &connection.departures {
                see(socket, UnderWay::of(departure));
            }
            for reply in &connection.pipeline {
                let request = match reply {
                    Reply::Owed(ticket) => core.requests.get(*ticket).map(|request| UnderWay {
                        request_id: request.sequence,
                        stage: request.timeline.stage(),
                    }),
                    Reply::Held(key) => core.held[*key].departure.as_ref().map(UnderWay::of),
                };
                if let Some(request) = request {
                    see(socket, request);
                }
            }
        }
    }
}

/// Something that a shard can lose, so that a test sees whether the loss is noticed.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leak {
    /// A request's slot that nobody frees.
    Slot,
    /// A freed slot whose arena still holds its request.
    Arena,
    /// A timer that nobody cancels.
    Timer,
    /// A job that does not come back.
    Job,
    /// A reply that waits for no other.
    HeldReply,
}

#[cfg(test)]
impl<B: Backend> Shard<B> {
    /// Loses it.
    pub(crate) fn leak(&mut self, leak: Leak) {
        use std::num::NonZeroU32;

        use cutaway_reactor::Ticket;

        use super::connection::HeldReply;
        use super::core::TimerItem;
        use crate::ctx::RequestParts;
        use crate::http::{Method, Span};
        use crate::route::Params;

        let nobody = Ticket::new(u32::MAX, NonZeroU32::MIN);
        let core = &mut self.core;
        match leak {
            Leak::Slot => {
                let request = core.vacant_request(nobody).expect("there is room");
                assert!(core.requests.insert(request).is_ok(), "there is room");
            }
            Leak::Arena => {
                let mut request = core.vacant_request(nobody).expect("there is room");
                let parts = RequestParts {
                    method: Method::Get,
                    target: Span::between(0, 1),
                    path: Span::between(0, 1),
                    query: None,
                    fields: &[],
                    params: &Params::new(),
                    body: &[],
                };
                request.context.begin(core.routes.route(0), b"/", &parts);
                core.spare_requests.push(request);
            }
            Leak::Timer => {
                let at = Nanos::from_secs(1_000_000);
                core.timers.arm(at, TimerItem::Request(nobody));
            }
            Leak::Job => core.job_count += 1,
            Leak::HeldReply => {
                core.held.insert(HeldReply {
                    head: Vec::new(),
                    body: None,
                    departure: None,
                });
            }
        }
    }
}
