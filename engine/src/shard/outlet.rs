//! From encoded replies to the wire, and from there to the connection's end.
//!
//! Everything a connection needs of the ring happens here, once a turn, for the connections that
//! were marked dirty: one send each, the receive paused or armed again, the steps of an orderly end.

use cutaway_reactor::{Backend, Errno, Received, Ring, SendBuffer, Ticket};
use cutaway_scheduler::Nanos;

use super::connection::{Close, Ending, Reply};
use super::core::{Core, TimerItem};
use crate::timeline::Ending as TimelineEnding;

impl<B: Backend> Core<B> {
    /// Puts a connection on the list of those to look at before the turn ends.
    pub(super) fn mark_dirty(&mut self, ticket: Ticket) {
        if let Some(connection) = self.connections.get_mut(ticket)
            && !connection.is_dirty
        {
            connection.is_dirty = true;
            self.dirty.push(ticket);
        }
    }

    /// Looks at every dirty connection once.
    pub(super) fn flush(&mut self, ring: &mut B::Ring) {
        let mut dirty = std::mem::replace(&mut self.dirty, std::mem::take(&mut self.spare_dirty));
        for ticket in dirty.drain(..) {
            if let Some(connection) = self.connections.get_mut(ticket) {
                connection.is_dirty = false;
                self.send_next(ring, ticket);
                self.read_on(ring, ticket);
                self.end_cut_content(ticket);
                self.end_in_order(ring, ticket);
            }
        }
        self.spare_dirty = dirty;
    }

    fn send_next(&mut self, ring: &mut B::Ring, ticket: Ticket) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        if connection.is_sending || matches!(connection.ending, Ending::Aborting(_)) {
            return;
        }
        if connection.socket.is_none() {
            return;
        }
        let Some(buffer) = connection.outbox.pop_front() else {
            return;
        };
        connection.is_sending = true;
        connection.begin_departures(buffer.remaining_bytes(), self.reading);
        let Some(socket) = &connection.socket else {
            return;
        };
        ring.send(socket, ticket, buffer);
    }

    /// Backpressure: a connection that is as far ahead as it may be is not read from, and read from
    /// again once it is not.
    fn read_on(&mut self, ring: &mut B::Ring, ticket: Ticket) {
        let limits = &self.limits;
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        // The end of content may be all that is left to look at, and takes no byte.
        let has_unread = !connection.inbox.is_empty() || connection.inflow.is_some();
        if has_unread && connection.may_read_on(limits) {
            self.resume_reading(ticket);
        }
        let limits = &self.limits;
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        let Some(socket) = &connection.socket else {
            return;
        };
        let wants_more = match connection.ending {
            Ending::Open => {
                connection.may_read_on(limits) || connection.inbox.len() < limits.inbox_bytes_max
            }
            // Reads on only to throw away, until the peer's FIN.
            Ending::AfterReplies(_) | Ending::Lingering(_) => true,
            Ending::Aborting(_) | Ending::Closing => false,
        };
        if wants_more && !connection.is_receiving && !connection.is_read_closed {
            connection.is_receiving = true;
            connection.is_stopping = false;
            ring.recv(socket, ticket);
        } else if !wants_more && connection.is_receiving && !connection.is_stopping {
            connection.is_stopping = true;
            ring.stop_recv(socket);
        }
    }

    fn end_in_order(&mut self, ring: &mut B::Ring, ticket: Ticket) {
        let now = self.reading;
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        if connection.ending == Ending::Open && connection.is_read_closed && connection.is_settled()
        {
            let is_between = connection.is_between_requests();
            let reason = if is_between {
                Close::PeerDone
            } else {
                Close::PeerGaveUp
            };
            connection.ending = Ending::AfterReplies(reason);
        }
        match connection.ending {
            Ending::AfterReplies(reason) if connection.is_settled() => {
                if connection.is_receiving {
                    let Some(socket) = &connection.socket else {
                        return;
                    };
                    ring.shutdown_write(socket);
                    connection.ending = Ending::Lingering(reason);
                    connection.moved_at = now;
                    self.rearm_timer(ticket);
                } else {
                    self.close(ring, ticket, reason);
                }
            }
            Ending::Lingering(reason) if !connection.is_receiving => {
                self.close(ring, ticket, reason);
            }
            Ending::Aborting(reason) if !connection.is_receiving && !connection.is_sending => {
                self.close(ring, ticket, reason);
            }
            Ending::Aborting(_) if connection.is_sending => {
                // A send that waits for a peer which does not read ends only with the direction.
                let Some(socket) = &connection.socket else {
                    return;
                };
                ring.shutdown_write(socket);
            }
            _ => {}
        }
    }

    fn close(&mut self, ring: &mut B::Ring, ticket: Ticket, reason: Close) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        let Some(socket) = connection.socket.take() else {
            return;
        };
        connection.ending = Ending::Closing;
        if let Some(timer) = connection.timer.take() {
            self.timers.cancel(timer);
        }
        self.stats.closed_count[reason as usize] += 1;
        ring.close(socket, ticket);
    }

    /// The socket is closed and nothing of the connection is in flight any more.
    pub(super) fn on_closed(&mut self, ticket: Ticket) {
        if let Some(connection) = self.connections.remove(ticket) {
            debug_assert!(
                connection.pipeline.is_empty(),
                "a closed connection owes no reply"
            );
        }
    }

    /// A send has ended.
    pub(super) fn on_sent(
        &mut self,
        ticket: Ticket,
        buffer: SendBuffer,
        result: Result<usize, Errno>,
    ) {
        let now = self.reading;
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        connection.is_sending = false;
        connection.moved_at = now;
        match result {
            Ok(bytes) => {
                connection.sent_bytes += bytes as u64;
                if buffer.remaining_bytes() > 0 && connection.ending != Ending::Closing {
                    // A short send goes on where it ended.
                    connection.outbox.push_front(buffer);
                } else {
                    self.spare_buffers.put(buffer.head);
                }
                self.depart(ticket);
            }
            Err(_) => self.abort(ticket, Close::ClientGone),
        }
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        // Content that is thrown away behind the reply has a time of its own.
        let has_content = connection.inflow.is_some();
        let is_waiting = !connection.outbox.is_empty()
            || connection.ending != Ending::Open
            || connection.is_read_closed
            || !connection.is_receiving
            || !connection.inbox.is_empty();
        if is_waiting {
            self.mark_dirty(ticket);
        }
        if has_content {
            self.rearm_timer(ticket);
        }
    }

    /// Closes the timelines of the replies that have left.
    fn depart(&mut self, ticket: Ticket) {
        let now = self.reading;
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        while let Some(departure) = connection.next_departed() {
            self.recorder
                .finish(departure, TimelineEnding::Written, now);
        }
    }

    /// A receive that brought no bytes.
    pub(super) fn on_receive_ended(&mut self, ticket: Ticket, received: &Received, more: bool) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        if !more {
            connection.is_receiving = false;
        }
        match received {
            Received::Bytes(_) | Received::NoBuffers | Received::Cancelled => {}
            Received::End => connection.is_read_closed = true,
            Received::Failed(_) => {
                connection.is_read_closed = true;
                self.abort(ticket, Close::ClientGone);
            }
        }
        self.mark_dirty(ticket);
    }

    /// Gives a connection up: cancels its requests and throws its replies away.
    pub(super) fn abort(&mut self, ticket: Ticket, reason: Close) {
        let now = self.reading;
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        if matches!(connection.ending, Ending::Aborting(_) | Ending::Closing) {
            return;
        }
        connection.ending = Ending::Aborting(reason);
        connection.moved_at = now;
        connection.inbox = Vec::new();
        connection.upload = None;
        connection.inflow = None;
        // What nobody will read must not stand in front of another connection's replies.
        for buffer in connection.outbox.drain(..) {
            self.spare_buffers.put(buffer.head);
        }
        let ending = match reason {
            Close::ClientGone => TimelineEnding::ClientGone,
            _ => TimelineEnding::Cancelled,
        };
        while let Some(departure) = connection.departures.pop_front() {
            self.recorder.finish(departure, ending, now);
        }
        let pipeline = std::mem::take(&mut connection.pipeline);
        for reply in pipeline {
            match reply {
                Reply::Owed(request) => self.cancel(request, ending),
                Reply::Held(key) => {
                    let held = self.held.remove(key);
                    self.spare_buffers.put(held.head);
                    if let Some(departure) = held.departure {
                        self.recorder.finish(departure, ending, now);
                    }
                }
            }
        }
        self.mark_dirty(ticket);
        self.rearm_timer(ticket);
    }

    /// Sets the connection's timer to what its present state allows.
    pub(super) fn rearm_timer(&mut self, ticket: Ticket) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        let (until, _) = connection.patience(&self.limits);
        if let Some(timer) = connection.timer.take() {
            self.timers.cancel(timer);
        }
        let until = until.min(self.reading + self.limits.timer_period_max);
        connection.timer = Some(self.timers.arm(until, TimerItem::Connection(ticket)));
    }

    /// A connection's timer fired: it has run out of patience, or gets its next look.
    pub(super) fn on_connection_timer(&mut self, ticket: Ticket, now: Nanos) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        connection.timer = None;
        let (until, reason) = connection.patience(&self.limits);
        if now < until || matches!(connection.ending, Ending::Closing) {
            return self.rearm_timer(ticket);
        }
        match reason {
            Close::TooSlow if connection.ending == Ending::Open && connection.inflow.is_some() => {
                self.end_slow_content(ticket);
                self.rearm_timer(ticket);
            }
            Close::TooSlow if connection.ending == Ending::Open => {
                self.refuse_slow(ticket);
                // The peer may not read the refusal either.
                self.rearm_timer(ticket);
            }
            _ if connection.ending == Ending::Open && connection.is_idle() => {
                connection.ending = Ending::AfterReplies(reason);
                self.mark_dirty(ticket);
            }
            _ if !connection.pipeline.is_empty() && connection.unsent_bytes() == 0 => {
                // The peer waits for us: the request's own deadline holds, not the peer's idleness.
                connection.moved_at = now;
                self.rearm_timer(ticket);
            }
            _ => self.abort(ticket, reason),
        }
    }
}
