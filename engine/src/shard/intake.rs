//! From received bytes to ready requests: read, parse, route, admit, queue.
//!
//! Nothing here touches the ring. What a connection needs of it (a send, a paused receive, an end) is
//! noted by marking the connection dirty; the outlet sees to it before the turn ends.

use std::rc::Rc;

use cutaway_reactor::{Backend, Ticket};
use cutaway_scheduler::Nanos;

use super::connection::Close;
use super::core::Core;
use super::inflow::Inflow;
use super::upload::{Arrival, Arrived, Awaited, Extent, Upload, Welcome, found, welcome};
use crate::ctx::RequestParts;
use crate::http::{Event, Framing, Head};
use crate::route::Found;
use crate::step::{Fail, Failure, Unobserved};
use crate::timeline::MarkKind;

/// What becomes of a request that has arrived.
pub(super) enum Course {
    /// It runs.
    Run,
    /// It runs, and its content comes meanwhile.
    Stream { bytes_max: u64 },
    /// It is answered with why its content is refused, behind the chains that run before its route.
    Refuse(Failure),
}

impl<B: Backend> Core<B> {
    /// Takes in what a connection received.
    pub(super) fn receive(&mut self, ticket: Ticket, bytes: &[u8], reaped_at: Nanos) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            self.stats.stale_count += 1;
            return;
        };
        if !connection.takes_bytes() {
            return;
        }
        connection.moved_at = reaped_at;
        connection.received_at = reaped_at;
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

    /// Goes on with bytes that came earlier, now that the connection has room for requests again.
    pub(super) fn resume_reading(&mut self, ticket: Ticket) {
        self.consume_inbox(ticket);
        self.note_unread(ticket);
    }

    fn consume_inbox(&mut self, ticket: Ticket) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        let mut inbox = std::mem::take(&mut connection.inbox);
        let consumed = self.consume(ticket, &inbox);
        inbox.drain(..consumed);
        if let Some(connection) = self.connections.get_mut(ticket) {
            connection.inbox = inbox;
        }
    }

    /// What is left unread decides over the receive (backpressure) and over the timeout.
    fn note_unread(&mut self, ticket: Ticket) {
        let now = self.reading;
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        if let Some(inflow) = &connection.inflow {
            // Untaken content has no time of its own, and may fill the inbox.
            if inflow.is_read() {
                self.rearm_timer(ticket);
            } else {
                self.mark_dirty(ticket);
            }
            return;
        }
        if connection.inbox.is_empty() && connection.upload.is_none() {
            connection.first_byte_at = None;
            connection.held_at = None;
            return;
        }
        if connection.may_read_request(&self.limits) {
            if connection.held_at.take().is_some() {
                connection.freed_at = now;
            }
            // A part of a request: its timeout may come before the timer that runs.
            self.rearm_timer(ticket);
        } else {
            connection.held_at.get_or_insert(now);
            self.mark_dirty(ticket);
        }
    }

    /// Reads as many requests as the bounds allow; says how many bytes it used.
    fn consume(&mut self, ticket: Ticket, input: &[u8]) -> usize {
        let mut consumed = 0;
        // Even an empty rest is looked at once: content of length zero ends without a byte.
        loop {
            let Some(connection) = self.connections.get_mut(ticket) else {
                return consumed;
            };
            if connection.refused.is_some() {
                // What stands behind a refused request is never read as one.
                return input.len();
            }
            if !connection.may_read_on(&self.limits) {
                return consumed;
            }
            let mut unread = &input[consumed..];
            let is_streamed = connection.inflow.is_some();
            let is_part = is_streamed && unread.len() > self.piece_bytes_max;
            if is_part {
                unread = &unread[..self.piece_bytes_max];
            }
            let is_in_content = connection.upload.is_some() || is_streamed;
            if unread.is_empty() && !is_in_content {
                return consumed;
            }
            match connection.wire.next(unread, &self.limits, &mut self.fields) {
                Ok((used, event)) => {
                    consumed += used;
                    match event {
                        // A line that the end of a part has cut; a part is longer than any line.
                        Event::NeedMore if is_part && used > 0 => {}
                        Event::NeedMore => return consumed,
                        Event::Head(head) => self.take_head(ticket, &head, &unread[..used]),
                        Event::Body(span) => self.take_content(ticket, span.of(unread)),
                        Event::End => self.end_of_content(ticket),
                    }
                }
                Err(refusal) if is_streamed => self.refuse_framing(ticket, refusal),
                Err(refusal) => self.refuse(ticket, refusal),
            }
        }
    }

    fn take_head(&mut self, ticket: Ticket, head: &Head, head_bytes: &[u8]) {
        let head_at = self.reading;
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        let arrival = Arrival {
            first_byte_at: connection.first_byte_at.unwrap_or(head_at),
            held_at: connection.waits_since(head_at),
            head_at,
        };
        let fields = std::mem::take(&mut self.fields);
        let arrived = Arrived {
            head,
            head_bytes,
            fields: &fields,
            body: &[],
            extent: Extent::None,
            arrival: &arrival,
        };
        if head.framing == Framing::None {
            connection.begin_next();
            self.dispatch(ticket, &arrived, Course::Run);
        } else {
            match welcome(&self.routes, &arrived, self.body_bytes_max) {
                Welcome::Await(awaited) => self.await_content(ticket, &arrived, awaited),
                Welcome::Stream { bytes_max } => {
                    self.dispatch(ticket, &arrived, Course::Stream { bytes_max });
                }
                Welcome::AtOnce => {
                    connection.has_last_request = true;
                    self.dispatch(ticket, &arrived, Course::Run);
                }
                Welcome::Refuse(failure) => {
                    self.end_with(ticket, &arrived, Course::Refuse(failure));
                }
            }
        }
        self.fields = fields;
    }

    /// A request's content is on its way.
    fn await_content(&mut self, ticket: Ticket, arrived: &Arrived<'_>, awaited: Awaited) {
        let now = self.reading;
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        let mut upload = self.spare_uploads.pop().unwrap_or_default();
        upload.begin(arrived, awaited);
        connection.upload = Some(upload);
        connection.wants_continue = arrived.head.expect_continue;
        if connection.ask_for_content(&mut self.spare_buffers, now) {
            self.mark_dirty(ticket);
        }
    }

    /// More of a request's content.
    fn take_content(&mut self, ticket: Ticket, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        let Some(upload) = &mut connection.upload else {
            return self.take_piece(ticket, bytes);
        };
        if !upload.take(bytes) {
            self.end_overfull(ticket);
        }
    }

    /// More content has come than may, or is announced. Whether there was any to come.
    pub(super) fn end_overfull(&mut self, ticket: Ticket) -> bool {
        let connection = self.connections.get_mut(ticket);
        let Some(upload) = connection.and_then(|it| it.upload.take()) else {
            return false;
        };
        self.end_with(ticket, &upload.cut(), upload.overfull());
        self.reuse_upload(upload);
        true
    }

    /// A request's content is complete.
    fn end_of_content(&mut self, ticket: Ticket) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        let Some(upload) = connection.upload.take() else {
            return self.finish_content(ticket);
        };
        connection.begin_next();
        self.dispatch(ticket, &upload.whole(), Course::Run);
        self.reuse_upload(upload);
    }

    pub(super) fn reuse_upload(&mut self, mut upload: Box<Upload>) {
        upload.forget_content();
        self.spare_uploads.push(upload);
    }

    /// A request whose content is not wanted, or no longer: it is answered, and its connection ends with
    /// that answer, for nobody reads where the content ends.
    fn end_with(&mut self, ticket: Ticket, arrived: &Arrived<'_>, course: Course) {
        if let Some(connection) = self.connections.get_mut(ticket) {
            connection.has_last_request = true;
            connection.refused = Some(Close::Refused);
            self.dispatch(ticket, arrived, course);
        }
    }

    /// A request has arrived: gives it a slot, finds its route, admits it, makes it ready; or answers it
    /// with why it is refused.
    pub(super) fn dispatch(&mut self, ticket: Ticket, arrived: &Arrived<'_>, mut course: Course) {
        let Arrived {
            head,
            head_bytes,
            fields,
            body,
            extent,
            arrival,
        } = *arrived;
        let arrived_at = self.reading;
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        if !head.keep_alive {
            connection.has_last_request = true;
        }
        // What counts is when the last byte came, not when it was looked at.
        let complete_at = connection.received_at.min(arrived_at);
        let Some(mut request) = self.vacant_request(ticket) else {
            // Nobody will read content that is still to come.
            if matches!(course, Course::Stream { .. })
                && let Some(connection) = self.connections.get_mut(ticket)
            {
                connection.has_last_request = true;
            }
            self.refuse_preformatted(ticket, head.method, head.version);
            return;
        };
        self.sequence += 1;
        let is_traced = self.recorder.is_on();
        request.begin(ticket, self.sequence, head, head_bytes, arrival, is_traced);

        let routes = Rc::clone(&self.routes);
        let found = found(&routes, head, head_bytes);
        let unrouted;
        let (mut index, params, is_answered_at_once) = match &found {
            Found::Route { value, params } => (**value, params, false),
            Found::NotFound | Found::MethodNotAllowed { .. } => {
                unrouted = routes.unrouted(&found, head.path.of(head_bytes));
                request.allow.push_str(unrouted.allow);
                (
                    unrouted.index,
                    &unrouted.params,
                    unrouted.is_answered_at_once,
                )
            }
        };
        if let Course::Refuse(refused) = &course
            && let Some(refusing) = request.be_refused_by(&routes, index, refused)
        {
            index = refusing;
            course = Course::Run;
        }
        request
            .timeline
            .stamp(MarkKind::Routed, arrival.head_at, 0, u64::from(index));
        if extent != Extent::None {
            request
                .timeline
                .stamp(MarkKind::BodyAwaited, arrival.head_at, 0, 0);
        }
        if let Extent::Whole { bytes } | Extent::Part { bytes } = extent {
            request
                .timeline
                .stamp(MarkKind::BodyLast, arrived_at, 0, bytes);
        }

        let route = routes.route(index);
        request.route = Some(index);
        request.class = route.class();
        let within = route.deadline(routes.classes()).unwrap_or(Nanos::NEVER);
        request.deadline = complete_at + within;
        request.slow_after = route.slow_after(routes.classes()).unwrap_or(Nanos::NEVER);
        let parts = RequestParts {
            method: head.method,
            target: head.target,
            path: head.path,
            query: head.query,
            fields,
            params,
            body,
        };
        request.context.begin(route, head_bytes, &parts);
        if let Course::Refuse(refused) = course {
            request.slow_after = Nanos::NEVER;
            if let Some(request) = self.keep_request(ticket, request) {
                self.answer_failure(request, MarkKind::Refused, refused);
            }
            return;
        }
        let now = self.read_clock();
        let class = request.class;
        let deadline = request.deadline;
        request
            .timeline
            .stamp(MarkKind::Admitted, now, 0, class.index() as u64);
        if is_answered_at_once {
            let _ = request.context.run(route, &mut Unobserved);
            if let Some(request) = self.keep_request(ticket, request) {
                self.answer(request, MarkKind::Refused);
            }
            return;
        }
        let depth = self.ready.len() as u64;
        request.timeline.stamp(MarkKind::Enqueued, now, 0, depth);
        let Some(request) = self.keep_request(ticket, request) else {
            return;
        };
        if let Course::Stream { bytes_max } = course
            && let Some(connection) = self.connections.get_mut(ticket)
        {
            connection.inflow = Some(Inflow::new(request, bytes_max));
            connection.wants_continue = head.expect_continue;
        }
        let pushed = if route.has_class_deadline() {
            self.ready.push(class, deadline, request)
        } else {
            self.ready.push_ordered(class, deadline, request)
        };
        if pushed.is_err() {
            self.stats.refused_queue_count += 1;
            let failure = Failure::new(Fail::Unavailable, "queue", "full");
            self.answer_failure(request, MarkKind::Refused, failure);
        }
    }
}
