//! From an outcome to the connection: encode, hold behind earlier replies, release, and end the
//! request.

use std::rc::Rc;

use bytes::Bytes;
use cutaway_reactor::{Backend, Payload, Ticket};
use cutaway_scheduler::{Clock, Nanos};
use slab::Slab;

use super::connection::{Close, Connection, Ending, HeldReply, Reply};
use super::core::Core;
use super::inflow::{CONTENT, recycle_content};
use super::intake::Course;
use super::request::{Phase, Request};
use super::spare::SpareBuffers;
use crate::error;
use crate::http::encode::{self, ConnectionField, FieldName, FieldValue, ResponseHead};
use crate::http::{Method, Refusal, Status, Version};
use crate::response::{Body, ResponseView};
use crate::step::{Fail, Failure};
use crate::timeline::{Ending as TimelineEnding, MarkKind};

/// A body of shared or static bytes from this size on is sent from where it lies instead of being
/// copied behind its head.
const BODY_BYTES_COPIED_MAX: usize = 16 * 1024;

const ALLOW: FieldName<'static> = FieldName::new("Allow").expect("a token");
const RETRY_AFTER: FieldName<'static> = FieldName::new("Retry-After").expect("a token");

/// A machine that is full now is so for moments; one second is the smallest that can be said.
const RETRY_AFTER_SECONDS: FieldValue<'static> = FieldValue::new("1").expect("a digit");

impl<B: Backend> Core<B> {
    /// Fails a request from outside its steps, and answers it.
    pub(super) fn answer_failure(&mut self, ticket: Ticket, kind: MarkKind, failure: Failure) {
        let routes = Rc::clone(&self.routes);
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        match request.route {
            Some(index) => {
                let _ = request.context.fail(routes.route(index), failure);
            }
            None => request.context.refuse(routes.renderer(), failure),
        }
        self.answer(ticket, kind);
    }

    /// Encodes a request's response into its connection, or behind the replies it waits for; then
    /// ends the request. Its arena is free again before a byte has left.
    ///
    /// Where something of the user's has panicked, that is the answer, whatever `kind` says.
    pub(super) fn answer(&mut self, ticket: Ticket, kind: MarkKind) {
        self.refresh_date();
        let is_draining = self.drain_until.is_some();
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        let connection_ticket = request.connection;
        let Some(connection) = self.connections.get_mut(connection_ticket) else {
            debug_assert!(false, "a request outlived its connection");
            return;
        };

        if request.context.owes_exit() {
            let routes = Rc::clone(&self.routes);
            request.exit(&routes, kind);
        }
        // `which` says something only of a panic: the step.
        let (kind, step) = match request.context.panic_count() {
            0 => (kind, 0),
            count => {
                self.stats.panic_count += u64::from(count);
                (MarkKind::Panicked, request.context.step() as u8)
            }
        };
        let response = request.context.response();
        let status = response.status();
        request
            .timeline
            .stamp(kind, self.reading, step, u64::from(status.code()));
        self.stats.reply_count[usize::from(status.code() / 100)] += 1;
        let discard_max = self.limits.discard_bytes_max as u64;
        let forsaken = connection.forsake_content(ticket, discard_max);
        let is_at_end =
            matches!(connection.pipeline.back(), Some(Reply::Owed(last)) if *last == ticket);
        if is_draining && is_at_end {
            connection.end_with_latest();
        }
        let field = connection.field_of(is_at_end, request.version);

        let is_next =
            matches!(connection.pipeline.front(), Some(Reply::Owed(next)) if *next == ticket);
        let mut held = Vec::new();
        let out = if is_next {
            &mut connection.output(&mut self.spare_buffers).head
        } else {
            held = self.spare_buffers.take();
            &mut held
        };
        let start = out.len();
        let date = &self.date;
        let extra = Extra {
            allow: &request.allow,
            // What a step answers itself is its own affair, fields included.
            is_to_retry: status == Status::SERVICE_UNAVAILABLE && kind != MarkKind::Answered,
        };
        let body = write_response(out, &response, date, field, request.method, &extra);
        let body_bytes = body.as_ref().map_or(0, |body| body.len());
        let reply_bytes = out.len() - start + body_bytes;
        drop(response);

        self.reading = self.clock.now();
        let now = self.reading;
        request
            .timeline
            .stamp(MarkKind::Encoded, now, 0, reply_bytes as u64);
        let mut departure = self
            .recorder
            .fold(&request.timeline, &request.exchange(status.code()));
        if is_next {
            connection.pipeline.pop_front();
            connection.note_encoded(reply_bytes, now);
            if let Some(body) = body
                && let Some(output) = connection.outbox.back_mut()
            {
                output.body = body;
            }
            departure.release(now, connection.encoded_bytes);
            connection.departures.push_back(departure);
            connection.release_held(&mut self.held, &mut self.spare_buffers, now);
        } else {
            let held = HeldReply {
                head: held,
                body,
                departure: Some(departure),
            };
            for reply in &mut connection.pipeline {
                if matches!(reply, Reply::Owed(owed) if *owed == ticket) {
                    *reply = Reply::Held(self.held.insert(held));
                    break;
                }
            }
        }
        connection.ask_for_content(&mut self.spare_buffers, now);
        connection.end_if_answered(is_draining);
        self.recycle_content(forsaken);
        self.mark_dirty(connection_ticket);
        self.end_request(ticket);
    }

    /// Ends a request's context. Its slot is free at once, unless workers still have jobs of it.
    fn end_request(&mut self, ticket: Ticket) {
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        // Its timeline has ended: what becomes of its effects is not told any more.
        (request.underway).let_go(&mut self.effects, &mut self.timers, |_| ());
        let (effects, contents) = (&mut self.effects, &mut self.spare_contents);
        let mut recycle = |lender: u16, buffer| match lender {
            CONTENT => recycle_content(contents, buffer),
            resource => effects[usize::from(resource)].recycle(buffer),
        };
        request.end_context(&mut recycle);
        request.underway.discard(&mut recycle);
        request.phase = Phase::Answered;
        self.free_request(ticket);
    }

    /// Frees the slot of an answered request once its last job is back.
    pub(super) fn free_request(&mut self, ticket: Ticket) {
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        if request.phase == Phase::Answered
            && request.underway.left_count() == 0
            && let Some(request) = self.requests.remove(ticket)
        {
            self.spare_requests.push(request);
        }
    }

    /// The connection of a request is gone: nobody waits for its reply.
    pub(super) fn cancel(&mut self, ticket: Ticket, ending: TimelineEnding) {
        let now = self.reading;
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        self.stats.cancelled_count += 1;
        if request.context.owes_exit() {
            let routes = Rc::clone(&self.routes);
            request.exit(&routes, ending.mark());
        }
        self.stats.panic_count += u64::from(request.context.panic_count());
        let timeline = std::mem::take(&mut request.timeline);
        self.recorder
            .abandon(&timeline, &request.exchange(0), ending, now);
        request.timeline = timeline;
        self.end_request(ticket);
    }

    /// A request that cannot be read: it is answered, and the connection ends with that answer.
    pub(super) fn refuse(&mut self, ticket: Ticket, refusal: Refusal) {
        if refusal == Refusal::BodyTooLarge && self.end_overfull(ticket) {
            return;
        }
        let kind = error::fail_of(refusal);
        self.refuse_last(ticket, Close::Refused, kind, refusal.what());
    }

    /// A request that does not arrive.
    pub(super) fn refuse_slow(&mut self, ticket: Ticket) {
        self.refuse_last(ticket, Close::TooSlow, Fail::RequestTimeout, "too slow");
    }

    fn refuse_last(&mut self, ticket: Ticket, reason: Close, kind: Fail, key: &str) {
        let now = self.reading;
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        connection.has_last_request = true;
        connection.refused = Some(reason);
        connection.inbox.clear();
        let first_byte_at = connection.first_byte_at.take().unwrap_or(now);
        if let Some(upload) = connection.upload.take() {
            // Only its content went wrong: whose it is can be told. It has been waited for up to now,
            // so that its deadline counts from here.
            connection.received_at = now;
            let failure = Failure::new(kind, "body", key);
            self.dispatch(ticket, &upload.cut(), Course::Refuse(failure));
            return self.reuse_upload(upload);
        }
        let failure = Failure::new(kind, "request", key);
        let Some(mut request) = self.vacant_request(ticket) else {
            self.refuse_preformatted(ticket, Method::Get, Version::Http11);
            return;
        };
        self.sequence += 1;
        request.begin_refused(ticket, self.sequence, first_byte_at, self.recorder.is_on());
        if let Some(request) = self.keep_request(ticket, request) {
            self.answer_failure(request, MarkKind::Refused, failure);
        }
    }

    /// The machine is full: a reply that needs no slot.
    pub(super) fn refuse_preformatted(&mut self, ticket: Ticket, method: Method, version: Version) {
        self.refresh_date();
        let now = self.reading;
        let is_draining = self.drain_until.is_some();
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        self.stats.refused_slot_count += 1;
        self.stats.reply_count[5] += 1;
        if is_draining {
            connection.end_with_latest();
        }
        let mut head = self.spare_buffers.take();
        encode::overloaded(
            &mut head,
            &self.date,
            connection.field_of(true, version),
            method,
        );
        let held = HeldReply {
            head,
            body: None,
            departure: None,
        };
        connection
            .pipeline
            .push_back(Reply::Held(self.held.insert(held)));
        connection.release_held(&mut self.held, &mut self.spare_buffers, now);
        connection.end_if_answered(is_draining);
        self.mark_dirty(ticket);
    }

    /// A request slot: a used one where there is one.
    pub(super) fn vacant_request(&mut self, connection: Ticket) -> Option<Box<Request>> {
        if self.requests.is_full() {
            return None;
        }
        let (arena_bytes, ids) = (self.limits.arena_bytes, self.ids);
        let spare = self.spare_requests.pop();
        Some(spare.unwrap_or_else(|| Box::new(Request::new(connection, arena_bytes, ids))))
    }

    /// Puts a request into the table and into its connection's order of replies.
    pub(super) fn keep_request(
        &mut self,
        connection: Ticket,
        request: Box<Request>,
    ) -> Option<Ticket> {
        self.stats.request_count += 1;
        let connection = self.connections.get_mut(connection)?;
        match self.requests.insert(request) {
            Ok(ticket) => {
                connection.pipeline.push_back(Reply::Owed(ticket));
                Some(ticket)
            }
            Err(request) => {
                self.spare_requests.push(request);
                None
            }
        }
    }
}

impl Connection {
    /// Releases the encoded replies that are first in order now.
    fn release_held(&mut self, held: &mut Slab<HeldReply>, spare: &mut SpareBuffers, now: Nanos) {
        while let Some(Reply::Held(key)) = self.pipeline.front() {
            let held = held.remove(*key);
            self.pipeline.pop_front();
            let output = self.output(spare);
            output.head.extend_from_slice(&held.head);
            let mut len = held.head.len();
            if let Some(body) = held.body {
                len += body.len();
                output.body = body;
            }
            self.note_encoded(len, now);
            spare.put(held.head);
            if let Some(mut departure) = held.departure {
                departure.release(now, self.encoded_bytes);
                self.departures.push_back(departure);
            }
        }
    }

    /// Makes the latest request the last one, unless content of a further one is arriving.
    ///
    /// A drain ends a connection this way with the last reply it owes: were an earlier one to say
    /// that the connection ends, the replies behind it would be lost.
    fn end_with_latest(&mut self) {
        self.has_last_request |= self.upload.is_none();
    }

    /// What a reply says of the connection; only the one to the last request may announce the end
    /// (<https://www.rfc-editor.org/rfc/rfc9112#section-9.6>).
    fn field_of(&self, is_at_end: bool, version: Version) -> ConnectionField {
        match version {
            _ if is_at_end && self.has_last_request => ConnectionField::Close,
            Version::Http10 => ConnectionField::KeepAlive,
            Version::Http11 => ConnectionField::Silent,
        }
    }

    /// Lets the connection end where its last request is answered, or where it has no request and
    /// will get none.
    fn end_if_answered(&mut self, is_draining: bool) {
        let is_last = self.has_last_request || is_draining && self.is_between_requests();
        if is_last && self.pipeline.is_empty() {
            let of_drain = if is_draining {
                Close::Draining
            } else {
                Close::NotKeptAlive
            };
            self.end_after_replies(self.refused.unwrap_or(of_drain));
        }
    }

    /// Lets the connection end once its replies have left.
    pub(super) fn end_after_replies(&mut self, reason: Close) {
        if self.ending == Ending::Open {
            self.ending = Ending::AfterReplies(reason);
        }
    }
}

/// What the engine itself adds to a response's fields.
struct Extra<'a> {
    /// The value of Allow; empty for none.
    allow: &'a str,
    /// Whether the client should come again later.
    is_to_retry: bool,
}

/// Writes a whole response, but for a large body of shared bytes, which is returned to be sent from
/// where it lies.
fn write_response(
    out: &mut Vec<u8>,
    response: &ResponseView<'_>,
    date: &[u8; 29],
    connection: ConnectionField,
    method: Option<Method>,
    extra: &Extra<'_>,
) -> Option<Payload> {
    let body = response.body();
    let content = body.as_slice();
    ResponseHead {
        status: response.status(),
        date,
        content_type: response.content_type(),
        content_length: content.len() as u64,
        connection,
    }
    .write(out);
    // What a step has said itself stands.
    let is_said = |wanted: FieldName<'_>| {
        let mut fields = response.fields();
        fields.any(|(name, _)| name.as_str().eq_ignore_ascii_case(wanted.as_str()))
    };
    if !extra.allow.is_empty()
        && !is_said(ALLOW)
        && let Some(allow) = FieldValue::new(extra.allow)
    {
        encode::field(out, ALLOW, allow);
    }
    if extra.is_to_retry && !is_said(RETRY_AFTER) {
        encode::field(out, RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    for (name, value) in response.fields() {
        encode::field(out, name, value);
    }
    encode::end(out);
    // A HEAD's answer has the fields of the GET and no content (RFC 9110 section 9.3.2).
    if method == Some(Method::Head) || response.status().is_bodyless() {
        return None;
    }
    match body {
        Body::Static(content) if content.len() > BODY_BYTES_COPIED_MAX => {
            Some(Bytes::from_static(content).into())
        }
        Body::Bytes(content) if content.len() > BODY_BYTES_COPIED_MAX => {
            Some(content.clone().into())
        }
        _ => {
            out.extend_from_slice(content);
            None
        }
    }
}
