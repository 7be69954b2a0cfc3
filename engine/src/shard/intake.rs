//! From received bytes to ready requests: read, parse, route, admit, queue.
//!
//! Nothing here touches the ring. What a connection needs of it (a send, a paused receive, an end) is
//! noted by marking the connection dirty; the outlet sees to it before the turn ends.

use cutaway_reactor::Ticket;
use cutaway_scheduler::{Clock, Nanos};

use super::connection::{Close, Connection, Ending, HeldReply, Reply, Upload};
use super::core::{Backend, Core, TimerItem};
use super::request::{Phase, Request};
use crate::error;
use crate::http::{Event, Framing, Head, Method, Refusal};
use crate::route::Found;
use crate::step::{Fail, Failure};
use crate::timeline::MarkKind;

impl<B: Backend> Core<B> {
    /// Takes in what a connection received.
    pub(super) fn receive(&mut self, ticket: Ticket, bytes: &[u8], reaped_at: Nanos) {
        let Some(connection) = self.connections.get_mut(ticket) else { return };
        if connection.ending != Ending::Open || connection.has_last_request {
            return;
        }
        connection.moved_at = reaped_at;
        connection.first_byte_at.get_or_insert(reaped_at);
        if connection.inbox.is_empty() {
            let consumed = self.consume(ticket, bytes);
            if let Some(connection) = self.connections.get_mut(ticket) {
                connection.inbox.extend_from_slice(&bytes[consumed..]);
            }
        } else {
            connection.inbox.extend_from_slice(bytes);
            self.consume_inbox(ticket);
        }
        self.note_unread(ticket);
    }

    /// Goes on with bytes that came earlier, when a connection has room for requests again.
    pub(super) fn resume_reading(&mut self, ticket: Ticket) {
        self.consume_inbox(ticket);
        self.note_unread(ticket);
    }

    /// The peer has sent all that it will send. What it asked for before is still answered
    /// (half-close, RFC 9112 section 9.6).
    pub(super) fn receive_end(&mut self, ticket: Ticket) {
        let Some(connection) = self.connections.get_mut(ticket) else { return };
        connection.is_read_closed = true;
        self.mark_dirty(ticket);
    }

    fn consume_inbox(&mut self, ticket: Ticket) {
        let Some(connection) = self.connections.get_mut(ticket) else { return };
        let mut inbox = std::mem::take(&mut connection.inbox);
        let consumed = self.consume(ticket, &inbox);
        inbox.drain(..consumed);
        if let Some(connection) = self.connections.get_mut(ticket) {
            connection.inbox = inbox;
        }
    }

    /// What is left unread decides over the receive (backpressure) and over the head's timeout.
    fn note_unread(&mut self, ticket: Ticket) {
        let limits = &self.limits;
        let Some(connection) = self.connections.get_mut(ticket) else { return };
        if connection.inbox.is_empty() && connection.upload.is_none() {
            connection.first_byte_at = None;
            if connection.ending == Ending::Open && !connection.has_last_request {
                return;
            }
        }
        if !connection.may_read_request(limits) {
            self.mark_dirty(ticket);
        } else {
            // A part of a request: its timeout may end earlier than the timer that runs.
            self.rearm_timer(ticket);
        }
    }

    /// Reads as many requests as the bounds allow; says how many bytes it used.
    fn consume(&mut self, ticket: Ticket, input: &[u8]) -> usize {
        let mut consumed = 0;
        loop {
            let Some(connection) = self.connections.get_mut(ticket) else { return consumed };
            if !connection.may_read_request(&self.limits) {
                return consumed;
            }
            let unread = &input[consumed..];
            match connection.wire.next(unread, &self.limits, &mut self.fields) {
                Ok((used, event)) => {
                    consumed += used;
                    match event {
                        Event::NeedMore => return consumed,
                        Event::Head(head) => self.take_head(ticket, head, &unread[..used]),
                        Event::Body(span) => {
                            if let Some(upload) = &mut connection.upload {
                                upload.body.extend_from_slice(span.of(unread));
                            }
                        }
                        Event::End => self.take_upload(ticket),
                    }
                }
                Err(refusal) => {
                    self.refuse(ticket, refusal);
                    return input.len();
                }
            }
        }
    }

    fn take_head(&mut self, ticket: Ticket, head: Head, head_bytes: &[u8]) {
        let now = self.reading;
        let Some(connection) = self.connections.get_mut(ticket) else { return };
        let first_byte_at = connection.first_byte_at.take().unwrap_or(now);
        // What follows in the same bytes was reaped with them.
        connection.first_byte_at = Some(first_byte_at);
        if head.framing == Framing::None {
            let fields = std::mem::take(&mut self.fields);
            self.dispatch(ticket, &head, head_bytes, &fields, &[], first_byte_at);
            self.fields = fields;
        } else {
            let mut upload = self.spare_uploads.pop().unwrap_or_default();
            upload.head_bytes.clear();
            upload.head_bytes.extend_from_slice(head_bytes);
            upload.fields.clone_from(&self.fields);
            upload.head = head;
            upload.body.clear();
            upload.first_byte_at = first_byte_at;
            connection.upload = Some(upload);
        }
    }

    /// A request's body is complete.
    fn take_upload(&mut self, ticket: Ticket) {
        let Some(connection) = self.connections.get_mut(ticket) else { return };
        let Some(upload) = connection.upload.take() else { return };
        let Upload { head, head_bytes, fields, body, first_byte_at } = &*upload;
        self.dispatch(ticket, head, head_bytes, fields, body, *first_byte_at);
        self.spare_uploads.push(upload);
    }

    /// A whole request has arrived: gives it a slot, routes it, admits it and makes it ready.
    fn dispatch(
        &mut self,
        ticket: Ticket,
        head: &Head,
        head_bytes: &[u8],
        fields: &[crate::http::FieldSpan],
        body: &[u8],
        first_byte_at: Nanos,
    ) {
        let Some(connection) = self.connections.get_mut(ticket) else { return };
        if !head.keep_alive {
            connection.has_last_request = true;
        }
        let arrived_at = self.reading;
        let Some(mut request) = self.vacant_request() else {
            self.stats.refused_slot_count += 1;
            self.refuse_preformatted(ticket, head.keep_alive);
            return;
        };
        request.begin(ticket, head, self.next_sequence(), first_byte_at);
        request.timeline.stamp(MarkKind::ReadLast, arrived_at, 0, 0);
        request.timeline.stamp(MarkKind::Parsed, arrived_at, 0, head.len_bytes);

        let path = head.path.text(head_bytes);
        let routes = self.routes.clone();
        let found = routes.find(head.method, path);
        request.timeline.stamp(MarkKind::Routed, arrived_at, 0, 0);
        let now = self.read_clock();
        request.timeline.stamp(MarkKind::Admitted, now, 0, 0);

        let failure = match found {
            Found::Route { value, params } => {
                let route = routes.route(*value);
                request.route = Some(*value);
                request.class = route.class();
                request.deadline = route.deadline().map_or(Nanos::NEVER, |within| arrived_at + within);
                match request.context.begin(route, head, head_bytes, fields, &params, body) {
                    Ok(()) => None,
                    Err(failure) => Some(failure),
                }
            }
            Found::NotFound => Some(Failure::new(Fail::NotFound, "route", path)),
            Found::MethodNotAllowed { allow } => {
                request.allow = Some(allow);
                Some(Failure::new(Fail::MethodNotAllowed, "method", path))
            }
        };

        let (class, deadline) = (request.class, request.deadline);
        let request_ticket = self.keep_request(request);
        let Some(connection) = self.connections.get_mut(ticket) else { return };
        connection.pipeline.push_back(Reply::Owed(request_ticket));
        if let Some(failure) = failure {
            self.answer_failure(request_ticket, failure);
            return;
        }
        self.stamp(request_ticket, MarkKind::Enqueued, now);
        if self.ready.push(class, deadline, request_ticket).is_err() {
            self.stats.refused_queue_count += 1;
            self.answer_failure(request_ticket, Failure::new(Fail::Unavailable, "queue", "full"));
        }
    }
}
