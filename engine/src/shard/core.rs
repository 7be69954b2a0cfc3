//! What a shard owns besides its ring.
//!
//! The ring stands apart so that received bytes, which live in the ring's buffers, can be parsed in
//! place: a turn reads from the ring while it changes the core.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;

use cutaway_reactor::{Backend, Errno, ListenerId, Ring, Socket, Ticket};
use cutaway_scheduler::{Clock, Nanos, ReadyQueue, TimerKey, Wheel};
use slab::Slab;

use super::connection::{Close, Connection, HeldReply};
use super::performer::Performer;
use super::request::Request;
use super::spare::SpareBuffers;
use super::stats::ShardStats;
use super::table::Table;
use super::upload::Upload;
use crate::ctx::IdSource;
use crate::effect::ResultBuffer;
use crate::http::date::{ImfFixdate, imf_fixdate};
use crate::http::{FieldSpan, Method, Version};
use crate::limits::Limits;
use crate::routes::BuiltRoutes;
use crate::step::{Failure, Route};
use crate::timeline::Recorder;

/// What a timer of the shard is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimerItem {
    /// A connection's patience.
    Connection(Ticket),
    /// The deadline of a parked request.
    Request(Ticket),
    /// An effect of a parked request, by its place in the need: a timer that comes, or the time of
    /// one of several that is over.
    Effect(Ticket, u8),
    /// Accept again after a failure.
    Accept(usize),
}

/// A listener and whether its accept is armed.
pub(super) struct Listening {
    pub id: ListenerId,
    pub is_accepting: bool,
    /// After a failure: when it is armed again.
    retry: Option<TimerKey>,
}

/// How long accepting pauses after `EMFILE` and its kin: until then some connection may have closed.
const ACCEPT_PAUSE: Nanos = Nanos::from_millis(100);

/// How many connections beyond the limit are told so at once; more are closed without a word.
const TURNED_AWAY_MAX: usize = 64;

/// How many connections are looked at, timers fired or replies held at once before a list has to
/// grow. How many meet depends on chance, so that a shard would find its largest number late.
const AT_ONCE_COUNT: usize = 256;

/// A piece of content, unless the lines between chunks may be longer.
const PIECE_BYTES_MAX: usize = 16 << 10;

/// Names no connection: whose socket is closed before it was one.
const NOBODY: Ticket = Ticket::new(u32::MAX, NonZeroU32::MIN);

/// A shard without its ring.
pub(crate) struct Core<B: Backend> {
    pub(super) clock: B::Clock,
    /// The latest reading of the clock. Marks that do not read it themselves share this one, so that
    /// a request never carries its neighbour's run.
    pub(super) reading: Nanos,
    /// But for `body_bytes_max`, which is here what the most generous route takes: no message may have
    /// more.
    pub(super) limits: Limits,
    /// The largest content of a request whose route says nothing else.
    pub(super) body_bytes_max: u64,
    /// How much of content that is taken is looked at in one go, so that whoever takes it can say
    /// when it is enough.
    pub(super) piece_bytes_max: usize,
    /// Counted twice: across the shards at their start, and on this shard for each use, because an
    /// atomic count would be a cache line that all shards write.
    #[expect(clippy::redundant_allocation, reason = "two counts, as said above")]
    pub(super) routes: Rc<Arc<BuiltRoutes>>,
    pub(super) listening: Vec<Listening>,
    pub(super) connections: Table<Connection>,
    pub(super) requests: Table<Box<Request>>,
    /// Encoded replies that wait for earlier ones; their places stand in the pipelines.
    pub(super) held: Slab<HeldReply>,
    pub(super) ready: ReadyQueue<Ticket>,
    pub(super) timers: Wheel<TimerItem>,
    pub(super) effects: Vec<Performer<B>>,
    /// Statements that have not come back, those of cancelled requests included.
    pub(super) job_count: usize,
    pub(super) recorder: Recorder,
    pub(super) date: ImfFixdate,
    /// Up to when `date` is this second's.
    date_until: Nanos,
    pub(super) dirty: Vec<Ticket>,
    pub(super) sequence: u64,
    pub(super) ids: IdSource,
    pub(super) drain_until: Option<Nanos>,
    pub(super) stats: ShardStats,

    // Kept to be used again, so that a warm shard allocates nothing.
    pub(super) fields: Vec<FieldSpan>,
    pub(super) spare_dirty: Vec<Ticket>,
    #[expect(clippy::vec_box, reason = "the boxes are what is used again")]
    pub(super) spare_requests: Vec<Box<Request>>,
    pub(super) spare_buffers: SpareBuffers,
    #[expect(clippy::vec_box, reason = "the boxes are what is used again")]
    pub(super) spare_uploads: Vec<Box<Upload>>,
    pub(super) spare_contents: Vec<ResultBuffer>,
    pub(super) fired: Vec<TimerItem>,
}

impl<B: Backend> Core<B> {
    /// A core that has served nothing yet.
    pub fn new(
        clock: B::Clock,
        limits: Limits,
        routes: Arc<BuiltRoutes>,
        effects: Vec<Performer<B>>,
        recorder: Recorder,
        ids: IdSource,
    ) -> Core<B> {
        Failure::lay_in();
        let reading = clock.now();
        let fields = Vec::with_capacity(limits.fields_max);
        let body_bytes_max = limits.body_bytes_max;
        let limits = Limits {
            body_bytes_max: (routes.all_routes().iter())
                .filter_map(Route::body_bytes_max)
                .fold(body_bytes_max, u64::max),
            ..limits
        };
        let line_bytes_max = limits.chunk_extension_bytes_max + limits.trailer_bytes_max;
        let piece_bytes_max = PIECE_BYTES_MAX.max(2 * line_bytes_max);
        let timer_count_max = limits.connections_max + TURNED_AWAY_MAX + limits.requests_max + 8;
        Core {
            reading,
            ready: ReadyQueue::new(routes.classes(), limits.queue_depth_max),
            timers: Wheel::new(timer_count_max),
            connections: Table::new(limits.connections_max + TURNED_AWAY_MAX),
            requests: Table::new(limits.requests_max),
            held: Slab::with_capacity(AT_ONCE_COUNT),
            clock,
            limits,
            body_bytes_max,
            piece_bytes_max,
            routes: Rc::new(routes),
            listening: Vec::new(),
            effects,
            job_count: 0,
            recorder,
            date: imf_fixdate(0),
            date_until: Nanos::ZERO,
            dirty: Vec::with_capacity(AT_ONCE_COUNT),
            sequence: 0,
            ids,
            drain_until: None,
            stats: ShardStats::default(),
            fields,
            spare_dirty: Vec::with_capacity(AT_ONCE_COUNT),
            spare_requests: Vec::new(),
            spare_buffers: SpareBuffers::new(),
            spare_uploads: Vec::new(),
            spare_contents: Vec::with_capacity(AT_ONCE_COUNT),
            fired: Vec::with_capacity(AT_ONCE_COUNT),
        }
    }

    /// Reads the clock; the marks that follow share the reading.
    pub(super) fn read_clock(&mut self) -> Nanos {
        self.reading = self.clock.now();
        self.reading
    }

    /// Makes the Date field's value anew where its second is over.
    pub(super) fn refresh_date(&mut self) {
        const SECOND: u64 = 1_000_000_000;
        if self.reading >= self.date_until {
            let unix_now = B::unix_now(&self.clock).as_u64();
            self.date = imf_fixdate(unix_now / SECOND);
            self.date_until = self.reading + Nanos(SECOND - unix_now % SECOND);
        }
    }

    pub(super) fn listen(&mut self, ring: &mut B::Ring, id: ListenerId) {
        ring.accept(id, Self::listener_ticket(self.listening.len()));
        self.listening.push(Listening {
            id,
            is_accepting: true,
            retry: None,
        });
    }

    /// Listeners have no table: their tickets are their places in the list.
    fn listener_ticket(index: usize) -> Ticket {
        Ticket::new(index as u32, NonZeroU32::MIN)
    }

    pub(super) fn on_accepted(
        &mut self,
        ring: &mut B::Ring,
        owner: Ticket,
        result: Result<Socket, Errno>,
        more: bool,
    ) {
        let index = owner.index() as usize;
        if !more {
            self.listening[index].is_accepting = false;
        }
        match result {
            Ok(socket) => {
                self.open(ring, socket);
                if !more {
                    self.accept_again(ring, index);
                }
            }
            Err(_) if self.drain_until.is_some() => {}
            Err(_) => {
                self.stats.accept_failed_count += 1;
                if !more {
                    let at = self.reading + ACCEPT_PAUSE;
                    let retry = self.timers.arm(at, TimerItem::Accept(index));
                    self.listening[index].retry = Some(retry);
                }
            }
        }
    }

    fn accept_again(&mut self, ring: &mut B::Ring, index: usize) {
        let listening = &mut self.listening[index];
        if !listening.is_accepting && self.drain_until.is_none() {
            listening.is_accepting = true;
            ring.accept(listening.id, Self::listener_ticket(index));
        }
    }

    fn open(&mut self, ring: &mut B::Ring, socket: Socket) {
        self.stats.accepted_count += 1;
        let is_over = self.connections.len() >= self.limits.connections_max;
        match self
            .connections
            .insert(Connection::new(socket, self.reading))
        {
            Ok(ticket) => {
                if is_over {
                    self.turn_away(ticket);
                } else if self.drain_until.is_some()
                    && let Some(connection) = self.connections.get_mut(ticket)
                {
                    // Accepted by the kernel before it heard of the drain.
                    connection.end_after_replies(Close::Draining);
                }
                self.mark_dirty(ticket);
                self.rearm_timer(ticket);
            }
            // Not even room to say so.
            Err(mut connection) => {
                self.stats.closed_count[Close::TooMany as usize] += 1;
                if let Some(socket) = connection.socket.take() {
                    ring.close(socket, NOBODY);
                }
            }
        }
    }

    /// Beyond the limit of connections: a preformatted refusal instead of a hang.
    fn turn_away(&mut self, ticket: Ticket) {
        if let Some(connection) = self.connections.get_mut(ticket) {
            connection.has_last_request = true;
            connection.refused = Some(Close::TooMany);
        }
        self.refuse_preformatted(ticket, Method::Get, Version::Http11);
    }

    /// Fires what was due at `now`.
    pub(super) fn expire_timers(&mut self, ring: &mut B::Ring, now: Nanos) {
        let mut fired = std::mem::take(&mut self.fired);
        self.timers.expire(now, |item| fired.push(item));
        for item in fired.drain(..) {
            match item {
                TimerItem::Connection(ticket) => self.on_connection_timer(ticket, now),
                TimerItem::Request(ticket) => self.on_request_timer(ticket),
                TimerItem::Effect(ticket, place) => self.on_effect_timer(ticket, place.into()),
                TimerItem::Accept(index) => {
                    self.listening[index].retry = None;
                    self.accept_again(ring, index);
                }
            }
        }
        self.fired = fired;
        if let Some(deadline) = self.drain_until
            && now >= deadline
        {
            self.cut_off();
        }
    }

    /// Whether a turn would find something to do without waiting.
    pub(super) fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.dirty.is_empty()
    }

    /// Whether anything is to come back from a worker.
    pub(super) fn has_jobs(&self) -> bool {
        self.job_count > 0 || self.uploads_count() > 0
    }

    fn uploads_count(&self) -> usize {
        self.effects.iter().map(Performer::uploads_count).sum()
    }

    /// Tells the workers that the shard is about to block. True where a result is there already.
    pub(super) fn prepare_sleep(&mut self) -> bool {
        if !self.has_jobs() {
            return false;
        }
        let mut is_ready = false;
        for effects in &mut self.effects {
            // Every worker has to be told, also behind one that is ready.
            is_ready |= effects.prepare_sleep();
        }
        is_ready
    }

    /// Whether the shard has nothing that moves: only then may it nap.
    pub(super) fn next_timer_at(&self) -> Option<Nanos> {
        match (self.timers.next_at(), self.drain_until) {
            (Some(timer), Some(drain)) => Some(timer.min(drain)),
            (timer, drain) => timer.or(drain),
        }
    }

    pub(super) fn note_turn(&mut self, entered_at: Nanos) {
        let length = self.clock.now().since(entered_at);
        self.stats.turn_ns_max = self.stats.turn_ns_max.max(length.as_u64());
    }

    pub(super) fn drain(&mut self, ring: &mut B::Ring, deadline: Nanos) {
        if self.drain_until.is_some() {
            return;
        }
        self.drain_until = Some(deadline);
        for listening in &mut self.listening {
            if listening.is_accepting {
                ring.stop_accept(listening.id);
            }
            if let Some(retry) = listening.retry.take() {
                self.timers.cancel(retry);
            }
        }
        let all: Vec<Ticket> = self.connections.iter().map(|(ticket, _)| ticket).collect();
        for ticket in all {
            if let Some(connection) = self.connections.get_mut(ticket)
                && (connection.is_between_requests() || connection.has_only_unwanted_content())
            {
                connection.end_after_replies(Close::Draining);
            }
            self.mark_dirty(ticket);
        }
    }

    /// The listeners that a drain has stopped accepting from.
    pub(super) fn stopped_listeners(&self) -> impl Iterator<Item = ListenerId> {
        let is_draining = self.drain_until.is_some();
        let stopped = self
            .listening
            .iter()
            .filter(move |listening| is_draining && !listening.is_accepting);
        stopped.map(|listening| listening.id)
    }

    /// The drain's deadline has passed: what is still there is cut off.
    fn cut_off(&mut self) {
        let all: Vec<Ticket> = self.connections.iter().map(|(ticket, _)| ticket).collect();
        for ticket in all {
            self.abort(ticket, Close::DrainDeadline);
        }
    }

    /// What a drained shard has not given back, in words; none where nothing is left.
    pub(super) fn left_behind(&self) -> Option<String> {
        let counts = [
            ("connections", self.connections.len()),
            ("requests", self.requests.len()),
            ("arenas", self.begun_arenas_count()),
            ("jobs", self.job_count),
            (
                "jobs at workers",
                self.effects.iter().map(Performer::in_flight).sum(),
            ),
            ("files under way", self.uploads_count()),
            ("timers", self.timers.len()),
            ("held replies", self.held.len()),
        ];
        let left = counts.iter().find(|(_, count)| *count > 0);
        left.map(|(what, count)| format!("{count} {what} are left"))
    }

    /// Arenas that still hold a request, though nobody owns it.
    fn begun_arenas_count(&self) -> usize {
        let spare = self.spare_requests.iter();
        spare.filter(|spare| spare.context.is_begun()).count()
    }

    pub(super) fn is_drained(&self) -> bool {
        self.drain_until.is_some()
            && self.connections.is_empty()
            && !self.has_jobs()
            && self
                .listening
                .iter()
                .all(|listening| !listening.is_accepting)
    }
}
