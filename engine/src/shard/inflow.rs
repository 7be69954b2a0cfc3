//! Content that a request takes while it is under way.
//!
//! ```text
//! head ──▶ Untaken ──an effect begins──▶ Taken ──last byte──▶ (none)
//!             │                            │
//!             └───── the reply ────────────┴──▶ Unwanted ──last byte, or too much──▶ (none), or the end
//! ```
//!
//! While nobody takes it, content stays in the connection's inbox, and beyond that with the client:
//! the socket is not read. What is taken goes from the receive buffer to where it is kept, or to the
//! fold it is added to. What nobody has taken when the reply is made is thrown away up to a bound, so
//! that the connection can stay; where there may be more, the connection ends with the reply.

use cutaway_reactor::{Backend, Ticket, Verdict};
use cutaway_scheduler::Nanos;

use super::connection::{Close, Connection, Ending, Reply};
use super::core::{Core, TimerItem};
use super::store::Store;
use super::underway::Given;
use super::upload::too_large;
use crate::ctx::BodyFormat;
use crate::effect::{EffectResult, ResultBuffer};
use crate::error;
use crate::http::Refusal;
use crate::step::{Fail, Failure};
use crate::timeline::MarkKind;

/// The content that is arriving, and whose it is.
pub(super) struct Inflow {
    state: State,
    /// How much has come.
    bytes: u64,
    /// How much may come.
    bytes_max: u64,
}

enum State {
    /// Its request has not asked for it, or no longer wants it.
    Untaken { request: Ticket },
    /// An effect of its request takes it.
    Taken {
        request: Ticket,
        sink: Sink,
        /// Whether it has to wait: where it goes, there is no room for now.
        is_full: bool,
    },
    /// Its request is answered.
    Unwanted,
}

/// Where content that is taken goes.
pub(super) enum Sink {
    /// It is kept.
    Kept(ResultBuffer),
    /// It is added to a value of its request's.
    Folded,
    /// It is written into a file.
    Stored(Store),
}

impl Sink {
    /// The memory that it holds.
    fn into_buffer(self) -> Option<ResultBuffer> {
        match self {
            Sink::Kept(buffer) => Some(buffer),
            Sink::Folded | Sink::Stored(_) => None,
        }
    }
}

impl Inflow {
    /// Content of a request that has just begun.
    pub fn new(request: Ticket, bytes_max: u64) -> Inflow {
        Inflow {
            state: State::Untaken { request },
            bytes: 0,
            bytes_max,
        }
    }

    /// Whether it is read as it comes, so that a peer that sends none of it is too slow.
    pub fn is_read(&self) -> bool {
        !matches!(
            self.state,
            State::Untaken { .. } | State::Taken { is_full: true, .. }
        )
    }

    fn taker(&self) -> Option<Ticket> {
        match self.state {
            State::Taken { request, .. } => Some(request),
            State::Untaken { .. } | State::Unwanted => None,
        }
    }

    fn is_of(&self, ticket: Ticket) -> bool {
        match self.state {
            State::Untaken { request } | State::Taken { request, .. } => request == ticket,
            State::Unwanted => false,
        }
    }
}

impl Connection {
    /// Whether an interim response may be sent for content that is taken: only the reply to its own
    /// request is still owed.
    pub(super) fn awaits_taken_content(&self) -> bool {
        let taker = self.inflow.as_ref().and_then(Inflow::taker);
        taker.is_some()
            && self.pipeline.len() == 1
            && matches!(self.pipeline.front(), Some(Reply::Owed(first)) if Some(*first) == taker)
    }

    /// Whether it is the client that an effect of this request waits for: what it sends is taken as it
    /// comes.
    pub(super) fn awaits_content_of(&self, request: Ticket) -> bool {
        let inflow = self.inflow.as_ref();
        inflow.is_some_and(|it| it.taker() == Some(request) && it.is_read())
    }

    /// Whether all that is still to come is content of a request that is answered.
    pub(super) fn has_only_unwanted_content(&self) -> bool {
        self.pipeline.is_empty() && self.inflow.is_some()
    }

    /// The reply to the request is made: what is left of its content is of no use to anybody. Where it
    /// may be much, this is the connection's last reply.
    pub(super) fn forsake_content(
        &mut self,
        request: Ticket,
        discard_max: u64,
    ) -> Option<ResultBuffer> {
        let inflow = self
            .inflow
            .as_mut()
            .filter(|inflow| inflow.is_of(request))?;
        let kept = match std::mem::replace(&mut inflow.state, State::Unwanted) {
            State::Taken { sink, .. } => sink.into_buffer(),
            State::Untaken { .. } | State::Unwanted => None,
        };
        (inflow.bytes, inflow.bytes_max) = (0, discard_max);
        // A client that still waits for a 100 may never send it
        // (https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1).
        let left = self.wire.content_left();
        if left == Some(0) {
            // It has all come; no further byte would tell.
            self.inflow = None;
            self.begin_next();
            return kept;
        }
        let may_be_much = left.is_some_and(|left| left > discard_max);
        if self.wants_continue || may_be_much || self.has_last_request {
            self.has_last_request = true;
            self.wants_continue = false;
            self.inflow = None;
        }
        kept
    }
}

impl<B: Backend> Core<B> {
    /// An effect takes the content of its request.
    pub(super) fn take_content_of(
        &mut self,
        ticket: Ticket,
        format: BodyFormat,
        is_folded: bool,
        ends_at: Option<Nanos>,
    ) -> Verdict {
        let now = self.reading;
        let Some(request) = self.requests.get_mut(ticket) else {
            return Verdict::Wait;
        };
        let has_taken = std::mem::replace(&mut request.has_taken_content, true);
        let refused = if has_taken {
            Some(Failure::content_twice(request.step_name(&self.routes)))
        } else {
            request.context.admit(format).err()
        };
        let which = request.underway.next_place() as u8;
        if let Some(failure) = refused {
            request.timeline.stamp(MarkKind::LetGo, now, which, 0);
            return request.underway.is_refused(failure);
        }
        let sink = if is_folded {
            Sink::Folded
        } else {
            Sink::Kept(self.spare_contents.pop().unwrap_or_default())
        };
        let started = self.start_taking(ticket, sink);
        let Some(request) = self.requests.get_mut(ticket) else {
            return Verdict::Wait;
        };
        if let Err(sink) = started {
            // Nothing is left to wait for.
            request.timeline.stamp(MarkKind::Completed, now, which, 0);
            request.underway.is_reading(None);
            let given = taken(sink.into_buffer());
            return request.underway.succeed(usize::from(which), given);
        }
        let item = TimerItem::Effect(ticket, which);
        let timer = ends_at.map(|ends_at| self.timers.arm(ends_at, item));
        request.underway.is_reading(timer);
        Verdict::Wait
    }

    /// The content of a request goes there from now on. Hands the sink back where there is none, or it
    /// has come.
    pub(super) fn start_taking(&mut self, ticket: Ticket, sink: Sink) -> Result<(), Sink> {
        let now = self.reading;
        let Some(request) = self.requests.get_mut(ticket) else {
            return Err(sink);
        };
        let connection_ticket = request.connection;
        let connection = self.connections.get_mut(connection_ticket);
        let connection = connection.filter(|it| has_content_of(it, ticket));
        let Some((connection, inflow)) =
            connection.and_then(|it| it.inflow.take().map(|inflow| (it, inflow)))
        else {
            return Err(sink);
        };
        let state = State::Taken {
            request: ticket,
            sink,
            is_full: false,
        };
        connection.inflow = Some(Inflow { state, ..inflow });
        // The peer was kept waiting; its time begins now.
        connection.moved_at = now;
        connection.ask_for_content(&mut self.spare_buffers, now);
        self.mark_dirty(connection_ticket);
        self.rearm_timer(connection_ticket);
        Ok(())
    }

    /// More content of a request that is under way, or of one that is answered.
    pub(super) fn take_piece(&mut self, ticket: Ticket, piece: &[u8]) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        let Some(inflow) = &mut connection.inflow else {
            return;
        };
        inflow.bytes += piece.len() as u64;
        if inflow.bytes > inflow.bytes_max {
            let failure = too_large(inflow.bytes_max);
            return self.end_content(ticket, Close::Refused, failure);
        }
        match &mut inflow.state {
            State::Taken { request, sink, .. } => {
                let request = *request;
                match sink {
                    Sink::Kept(buffer) => buffer.push_content(piece),
                    Sink::Folded => self.fold(ticket, request, piece),
                    Sink::Stored(store) => {
                        let store = *store;
                        if self.store_piece(request, store, piece) {
                            self.note_full(ticket);
                        }
                    }
                }
            }
            State::Untaken { .. } | State::Unwanted => {}
        }
    }

    /// No more is read until there is room where it goes. What has come meanwhile waits in the inbox,
    /// and behind that with the client.
    fn note_full(&mut self, connection: Ticket) {
        let Some(connection) = self.connections.get_mut(connection) else {
            return;
        };
        if let Some(Inflow {
            state: State::Taken { is_full, .. },
            ..
        }) = &mut connection.inflow
        {
            *is_full = true;
        }
    }

    /// There is room again for the content of this request.
    pub(super) fn note_room(&mut self, request: Ticket) {
        let now = self.reading;
        let Some(request) = self.requests.get_mut(request) else {
            return;
        };
        let connection_ticket = request.connection;
        let Some(connection) = self.connections.get_mut(connection_ticket) else {
            return;
        };
        if let Some(Inflow {
            state: State::Taken { is_full, .. },
            ..
        }) = &mut connection.inflow
            && std::mem::take(is_full)
        {
            // The peer was kept waiting; its time begins now.
            connection.moved_at = now;
            self.mark_dirty(connection_ticket);
            self.rearm_timer(connection_ticket);
        }
    }

    fn fold(&mut self, connection: Ticket, ticket: Ticket, piece: &[u8]) {
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        let Some(place) = request.underway.reading_place() else {
            return;
        };
        let Some(route) = request.route.map(|index| self.routes.route(index)) else {
            return;
        };
        if let Err(failure) = request.context.fold(route, place, piece) {
            self.give_up_content(connection);
            self.end_reading(ticket, Err(failure));
        }
    }

    /// The content is complete.
    pub(super) fn finish_content(&mut self, ticket: Ticket) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        let Some(inflow) = connection.inflow.take() else {
            return;
        };
        connection.begin_next();
        if let State::Taken { request, sink, .. } = inflow.state {
            match sink {
                Sink::Stored(store) => self.complete_store(request, store),
                sink => self.end_reading(request, Ok(sink.into_buffer())),
            }
        }
    }

    /// The content will not be complete: the effect that takes it fails, and nothing behind it is read.
    pub(super) fn end_content(&mut self, ticket: Ticket, reason: Close, failure: Failure) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        let Some(inflow) = connection.inflow.take() else {
            return;
        };
        connection.has_last_request = true;
        connection.refused = Some(reason);
        connection.inbox.clear();
        match inflow.state {
            State::Taken { request, sink, .. } => match sink {
                Sink::Stored(store) => self.fail_store(request, store, failure),
                sink => {
                    self.recycle_content(sink.into_buffer());
                    self.end_reading(request, Err(failure));
                }
            },
            State::Untaken { .. } => {}
            // Its reply has left already, or is on its way.
            State::Unwanted => connection.end_after_replies(reason),
        }
        self.mark_dirty(ticket);
    }

    /// The content breaks the rules of its framing.
    pub(super) fn refuse_framing(&mut self, ticket: Ticket, refusal: Refusal) {
        let inflow = self
            .connections
            .get_mut(ticket)
            .and_then(|it| it.inflow.as_ref());
        let failure = match (refusal, inflow) {
            (Refusal::BodyTooLarge, Some(inflow)) => too_large(inflow.bytes_max),
            _ => Failure::new(error::fail_of(refusal), "body", refusal.what()),
        };
        self.end_content(ticket, Close::Refused, failure);
    }

    /// The peer has sent no content for too long.
    pub(super) fn end_slow_content(&mut self, ticket: Ticket) {
        self.end_content(ticket, Close::TooSlow, too_slow());
    }

    /// The peer has ended its direction: what has not come by now never will.
    pub(super) fn end_cut_content(&mut self, ticket: Ticket) {
        let Some(connection) = self.connections.get_mut(ticket) else {
            return;
        };
        let is_taken = connection
            .inflow
            .as_ref()
            .is_some_and(|it| it.taker().is_some() && it.is_read());
        if connection.is_read_closed && connection.ending == Ending::Open && is_taken {
            let failure = Failure::new(Fail::BadRequest, "body", "cut off");
            self.end_content(ticket, Close::PeerGaveUp, failure);
        }
    }

    /// Nobody takes the content any more; it stays where it is until its request is answered.
    pub(super) fn give_up_content(&mut self, connection: Ticket) {
        let Some(connection) = self.connections.get_mut(connection) else {
            return;
        };
        let Some(inflow) = &mut connection.inflow else {
            return;
        };
        if let State::Taken { request, .. } = inflow.state {
            let untaken = State::Untaken { request };
            if let State::Taken { sink, .. } = std::mem::replace(&mut inflow.state, untaken) {
                self.recycle_content(sink.into_buffer());
            }
        }
    }

    /// The effect that takes the content has ended.
    fn end_reading(&mut self, ticket: Ticket, outcome: Result<Option<ResultBuffer>, Failure>) {
        let now = self.reading;
        let request = self.requests.get_mut(ticket);
        let Some((request, place)) =
            request.and_then(|it| it.underway.reading_place().map(|place| (it, place)))
        else {
            if let Ok(kept) = outcome {
                self.recycle_content(kept);
            }
            return;
        };
        let kind = match outcome {
            Ok(_) => MarkKind::Completed,
            Err(_) => MarkKind::LetGo,
        };
        request.timeline.stamp(kind, now, place as u8, 0);
        self.complete(ticket, place, outcome.map(taken));
    }

    /// Takes the memory of content back.
    pub(super) fn recycle_content(&mut self, kept: Option<ResultBuffer>) {
        if let Some(buffer) = kept {
            recycle_content(&mut self.spare_contents, buffer);
        }
    }
}

/// The failure of who waits for content: it is the client that takes too long.
pub(super) fn too_slow() -> Failure {
    Failure::new(Fail::RequestTimeout, "body", "too slow")
}

/// Takes the memory of content back.
pub(super) fn recycle_content(spare: &mut Vec<ResultBuffer>, mut buffer: ResultBuffer) {
    buffer.clear();
    buffer.shrink_to(BYTES_KEPT_MAX);
    spare.push(buffer);
}

fn has_content_of(connection: &Connection, request: Ticket) -> bool {
    connection
        .inflow
        .as_ref()
        .is_some_and(|inflow| inflow.is_of(request))
}

/// What the effect gives; content that is kept goes back to the shard.
fn taken(kept: Option<ResultBuffer>) -> Given {
    Given {
        lender: kept.is_some().then_some(CONTENT),
        result: kept.map_or(EffectResult::Folded, EffectResult::Content),
    }
}

/// Who lends the buffers of content: the shard itself, which is no resource.
pub(super) const CONTENT: u16 = u16::MAX;

/// What the memory of content may have grown to and still be kept for the next request.
const BYTES_KEPT_MAX: usize = 64 * 1024;
