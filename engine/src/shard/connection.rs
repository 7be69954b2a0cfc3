//! One connection of a shard: its bytes in both directions and the replies it owes.
//!
//! A connection is passive. The intake fills it, the outlet empties it; here stand its states and
//! the rules that say when it may send, read on, linger and close.

use std::collections::VecDeque;

use cutaway_reactor::{Payload, SendBuffer, Socket, Ticket};
use cutaway_scheduler::{Nanos, TimerKey};

use super::inflow::Inflow;
use super::spare::SpareBuffers;
use super::upload::Upload;
use crate::http;
use crate::limits::Limits;
use crate::timeline::Departure;

/// The interim response that asks for the content (RFC 9110 section 15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Why a connection ended. Counted for each reason, and named in tests.
///
/// The first group is the peer's doing, the second is ours, the third is a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Close {
    /// The peer sent FIN between requests.
    PeerDone,
    /// The peer sent FIN in the middle of a request.
    PeerGaveUp,
    /// The connection broke: RST, or a send that the peer no longer takes.
    ClientGone,

    /// The reply said `Connection: close`, or HTTP/1.0 without keep-alive.
    NotKeptAlive,
    /// A request was refused, and where the next one begins is in doubt.
    Refused,
    /// The head or the body did not arrive in time.
    TooSlow,
    /// Nothing was asked for too long.
    IdleTimeout,
    /// The peer did not read its replies.
    WriteTimeout,
    /// The shard is draining.
    Draining,
    /// The drain's deadline passed.
    DrainDeadline,
    /// More connections than the limit.
    TooMany,
}

impl Close {
    /// How many reasons there are.
    pub const COUNT: usize = 11;

    /// All reasons, in the order of their numbers.
    pub const ALL: [Close; Close::COUNT] = [
        Close::PeerDone,
        Close::PeerGaveUp,
        Close::ClientGone,
        Close::NotKeptAlive,
        Close::Refused,
        Close::TooSlow,
        Close::IdleTimeout,
        Close::WriteTimeout,
        Close::Draining,
        Close::DrainDeadline,
        Close::TooMany,
    ];
}

/// How far a connection's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Serving.
    Open,
    /// No further request is read; the replies that are owed still leave.
    AfterReplies(Close),
    /// Everything left and FIN was sent; input is thrown away until the peer ends too, so that a
    /// reset cannot destroy the last reply (RFC 9112 section 9.6).
    Lingering(Close),
    /// Nothing is owed any more; waits for the ends of the receive and of the send.
    Aborting(Close),
    /// The close was submitted.
    Closing,
}

/// A place in the order of replies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reply {
    /// The request is being worked on.
    Owed(Ticket),
    /// Its reply is encoded and waits for the earlier ones; a key of the shard's held replies.
    Held(usize),
}

/// An encoded reply that waits for its turn.
pub(super) struct HeldReply {
    pub head: Vec<u8>,
    /// None where it stands behind the head.
    pub body: Option<Payload>,
    /// None where the request was refused before it had a slot.
    pub departure: Option<Departure>,
}

pub(super) struct Connection {
    /// None once the close was submitted.
    pub socket: Option<Socket>,
    pub wire: http::Connection,
    /// Received bytes that no request has consumed yet.
    pub inbox: Vec<u8>,
    pub upload: Option<Box<Upload>>,
    /// Content that is arriving for a request that is under way or answered.
    pub inflow: Option<Inflow>,
    /// The upload's client waits for 100 (Continue) before it sends the content.
    pub wants_continue: bool,
    /// When the first byte of the request that is being read was reaped.
    pub first_byte_at: Option<Nanos>,
    /// When the latest bytes were reaped.
    pub received_at: Nanos,
    /// Since when unread bytes wait behind the parse-ahead bound.
    pub held_at: Option<Nanos>,
    /// Until when they waited last.
    pub freed_at: Nanos,
    /// A receive is in flight.
    pub is_receiving: bool,
    /// The receive was asked to end, for backpressure or for good.
    pub is_stopping: bool,
    /// FIN was seen.
    pub is_read_closed: bool,
    /// The request after which no other is read was taken in.
    pub has_last_request: bool,
    /// Why the last request was refused, where it was.
    pub refused: Option<Close>,
    /// Requests and refusals in the order in which their replies must leave.
    pub pipeline: VecDeque<Reply>,
    /// A send is in flight.
    pub is_sending: bool,
    /// Bytes that wait to be sent; the last buffer grows until it is sent or has a body.
    pub outbox: VecDeque<SendBuffer>,
    /// Bytes encoded and sent since the connection began.
    pub encoded_bytes: u64,
    pub sent_bytes: u64,
    /// Replies whose bytes are on their way, in their order.
    pub departures: VecDeque<Departure>,
    /// How many of them have begun to leave, and where the last of these ends.
    begun_count: usize,
    begun_bytes: u64,
    pub ending: Ending,
    /// Stands in the shard's list of connections to look at before the turn ends.
    pub is_dirty: bool,
    pub timer: Option<TimerKey>,
    /// When something last moved; what the timeouts count from.
    pub moved_at: Nanos,
}

impl Connection {
    pub fn new(socket: Socket, now: Nanos) -> Connection {
        Connection {
            socket: Some(socket),
            wire: http::Connection::new(),
            inbox: Vec::new(),
            upload: None,
            inflow: None,
            wants_continue: false,
            first_byte_at: None,
            received_at: now,
            held_at: None,
            freed_at: now,
            is_receiving: false,
            is_stopping: false,
            is_read_closed: false,
            has_last_request: false,
            refused: None,
            pipeline: VecDeque::new(),
            is_sending: false,
            outbox: VecDeque::new(),
            encoded_bytes: 0,
            sent_bytes: 0,
            departures: VecDeque::new(),
            begun_count: 0,
            begun_bytes: 0,
            ending: Ending::Open,
            is_dirty: false,
            timer: None,
            moved_at: now,
        }
    }

    /// Whether one more request may be read: open, not past its last one, and neither too far ahead
    /// of its replies nor of a peer that does not read them.
    pub fn may_read_request(&self, limits: &Limits) -> bool {
        self.ending == Ending::Open
            && !self.has_last_request
            && self.pipeline.len() < limits.parse_ahead_max
            && self.unsent_bytes() < limits.output_bytes_max as u64
    }

    /// Whether bytes may be read on from the inbox: of content that is wanted, or of a further request.
    pub fn may_read_on(&self, limits: &Limits) -> bool {
        match &self.inflow {
            Some(inflow) => self.ending == Ending::Open && inflow.is_read(),
            None => self.may_read_request(limits),
        }
    }

    /// Whether what the peer sends is still of use.
    pub fn takes_bytes(&self) -> bool {
        self.ending == Ending::Open && (!self.has_last_request || self.inflow.is_some())
    }

    /// Bytes encoded and not yet taken by the kernel.
    pub fn unsent_bytes(&self) -> u64 {
        self.encoded_bytes - self.sent_bytes
    }

    /// So many more bytes wait to be sent. The first of them start the write timeout: what was before
    /// them is no delay of the peer's.
    pub fn note_encoded(&mut self, len_bytes: usize, now: Nanos) {
        if self.unsent_bytes() == 0 {
            self.moved_at = now;
        }
        self.encoded_bytes += len_bytes as u64;
    }

    /// Whether nothing is owed to the peer.
    pub fn is_settled(&self) -> bool {
        self.pipeline.is_empty() && self.outbox.is_empty() && !self.is_sending
    }

    /// Whether it waits for a request and has no part of one.
    pub fn is_idle(&self) -> bool {
        self.is_settled() && self.is_between_requests()
    }

    /// Whether no request is being worked on or arriving; replies may still be leaving.
    pub fn is_between_requests(&self) -> bool {
        self.pipeline.is_empty()
            && self.inbox.is_empty()
            && self.upload.is_none()
            && self.inflow.is_none()
    }

    /// Since when the bytes that are read at `now` have waited for the shard and not for the client:
    /// behind the parse-ahead bound, or only behind what others ran in between.
    pub fn waits_since(&self, now: Nanos) -> Option<Nanos> {
        let is_late = now > self.received_at;
        self.held_at.or(is_late.then_some(self.received_at))
    }

    /// A request's bytes have ended: what stands behind them came with the latest bytes, or waited
    /// with that request behind the parse-ahead bound.
    pub fn begin_next(&mut self) {
        if self.held_at.is_none() {
            self.first_byte_at = Some(self.received_at);
        }
    }

    /// Until when it may stay as it is, and why it ends if it does.
    pub fn patience(&self, limits: &Limits) -> (Nanos, Close) {
        let (length, reason) = match self.ending {
            Ending::Lingering(reason) => (limits.linger_timeout, reason),
            Ending::Aborting(reason) => (limits.linger_timeout, reason),
            _ if self.unsent_bytes() > 0 => (limits.write_timeout, Close::WriteTimeout),
            // A client that waits to be asked for its content waits for the replies before.
            _ if self.inflow.as_ref().is_some_and(Inflow::is_read) && !self.wants_continue => {
                (limits.body_idle_timeout, Close::TooSlow)
            }
            // Work in progress has its own deadline; nothing is expected of the peer.
            _ if !self.pipeline.is_empty() => (limits.keep_alive_idle, Close::IdleTimeout),
            _ if self.upload.is_some() => (limits.body_idle_timeout, Close::TooSlow),
            // A head has its whole time from its first byte on, whatever drips in. While bytes wait
            // behind the parse-ahead bound, it is the peer that is kept waiting.
            _ if !self.inbox.is_empty() => {
                let since = self
                    .first_byte_at
                    .unwrap_or(self.moved_at)
                    .max(self.freed_at);
                return (since + limits.head_timeout, Close::TooSlow);
            }
            _ => (limits.keep_alive_idle, Close::IdleTimeout),
        };
        (self.moved_at + length, reason)
    }

    /// A send of so many bytes is submitted: the replies whose first byte is among them begin to
    /// leave.
    pub fn begin_departures(&mut self, len_bytes: usize, now: Nanos) {
        let until = self.sent_bytes + len_bytes as u64;
        while let Some(departure) = self.departures.get_mut(self.begun_count) {
            if self.begun_bytes >= until {
                return;
            }
            departure.write_first(now);
            self.begun_bytes = departure.end_offset();
            self.begun_count += 1;
        }
    }

    /// The first of the replies whose last byte has left.
    pub fn next_departed(&mut self) -> Option<Departure> {
        if self.departures.front()?.end_offset() > self.sent_bytes {
            return None;
        }
        self.begun_count -= 1;
        self.departures.pop_front()
    }

    /// Asks for the content of the upload where its client waits for that. Behind replies that are
    /// still owed an interim response would be taken for one of theirs, so it waits for them. True
    /// where something is to be sent.
    pub fn ask_for_content(&mut self, spare: &mut SpareBuffers, now: Nanos) -> bool {
        let is_awaited = self.upload.is_some() && self.pipeline.is_empty();
        let is_due = self.wants_continue && (is_awaited || self.awaits_taken_content());
        if is_due {
            self.wants_continue = false;
            self.output(spare).head.extend_from_slice(CONTINUE);
            self.note_encoded(CONTINUE.len(), now);
        }
        is_due
    }

    /// The buffer that further reply bytes go to.
    pub fn output(&mut self, spare: &mut SpareBuffers) -> &mut SendBuffer {
        let can_grow = self.outbox.back().is_some_and(|last| last.body.is_empty());
        if !can_grow {
            let head = spare.take();
            self.outbox.push_back(SendBuffer {
                head,
                body: Payload::default(),
                sent_bytes: 0,
            });
        }
        self.outbox
            .back_mut()
            .expect("one was pushed where there was none")
    }
}
