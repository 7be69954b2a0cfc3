//! What a test may see of a shard: the requests that have not ended, by the sockets they came from.

use cutaway_reactor::{Backend, Socket};

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
