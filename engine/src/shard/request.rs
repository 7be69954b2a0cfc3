//! One request of a shard, from its complete head to its encoded reply.

use cutaway_reactor::Ticket;
use cutaway_scheduler::{ClassId, Nanos};

use super::inflow::too_slow;
use super::underway::Underway;
use super::upload::Arrival;
use crate::ctx::{Context, ExitKind, IdSource};
use crate::effect::{Operation, ResultBuffer};
use crate::http::{Head, Method, Version};
use crate::routes::BuiltRoutes;
use crate::step::{Fail, Failure, Route};
use crate::timeline::{Exchange, MarkKind, Story, Timeline, Why};

/// Where a request stands between its transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// In the ready queue, or about to be.
    Ready,
    /// Its effects are under way.
    Parked,
    /// What it needed has come to its end; it is taken up when its turn to run comes.
    Resuming,
    /// Its reply is encoded. Only the ticket is kept, until its jobs have come back: what a worker
    /// holds is never freed under it.
    Answered,
}

/// What a late request waited for when its deadline passed, as its failure.
pub(super) enum Late {
    /// For its turn.
    Queued(Failure),
    /// For an effect. What it waited for its turn then does not count.
    Parked(Failure),
}

/// A request's slot: reused, so that a warm shard allocates nothing for a request.
pub(super) struct Request {
    pub context: Context,
    pub timeline: Timeline,
    pub connection: Ticket,
    pub phase: Phase,
    /// Index of its route; none where it could not be read.
    pub route: Option<u16>,
    /// What it waits for, or has waited for last.
    pub underway: Underway,
    /// How many times it has asked for effects.
    pub needs_count: usize,
    /// The place of the effect that ended its latest wait, and when. What the slot's request before it
    /// has left here was over before this one began, so it never counts.
    pub awaited: Option<(usize, Nanos)>,
    /// Whether an effect has taken its content.
    pub has_taken_content: bool,
    /// The resources that its result buffers go back to, in the order in which they came.
    pub lenders: Vec<u16>,
    pub class: ClassId,
    pub deadline: Nanos,
    /// How long it may take before it counts as slow.
    pub slow_after: Nanos,
    /// None where it could not be read.
    pub method: Option<Method>,
    pub version: Version,
    pub keep_alive: bool,
    pub sequence: u64,
    /// The value of the Allow field that its reply carries; empty for none.
    pub allow: String,
    path: Vec<u8>,
}

impl Request {
    /// A slot that has held nothing yet.
    pub fn new(connection: Ticket, arena_bytes: usize, ids: IdSource) -> Request {
        Request {
            context: Context::with_ids(arena_bytes, ids),
            timeline: Timeline::new(),
            connection,
            phase: Phase::Ready,
            route: None,
            underway: Underway::new(),
            needs_count: 0,
            awaited: None,
            has_taken_content: false,
            lenders: Vec::with_capacity(LENDERS_KEPT),
            class: ClassId::STANDARD,
            deadline: Nanos::NEVER,
            slow_after: Nanos::NEVER,
            method: None,
            version: Version::Http11,
            keep_alive: false,
            sequence: 0,
            allow: String::new(),
            path: Vec::new(),
        }
    }

    /// Takes in the next request: everything that does not depend on its route.
    pub fn begin(
        &mut self,
        connection: Ticket,
        sequence: u64,
        head: &Head,
        head_bytes: &[u8],
        arrival: &Arrival,
        is_traced: bool,
    ) {
        self.forget(connection, sequence, arrival.first_byte_at, is_traced);
        self.method = Some(head.method);
        self.version = head.version;
        self.keep_alive = head.keep_alive;
        self.path.extend_from_slice(head.path.of(head_bytes));
        let timeline = &mut self.timeline;
        if let Some(held_at) = arrival.held_at {
            let held_at = held_at.max(arrival.first_byte_at);
            timeline.stamp(MarkKind::PipelineHeld, held_at, 0, 0);
            timeline.stamp(MarkKind::PipelineFreed, arrival.head_at, 0, 0);
        }
        let head_len = u64::from(head.len_bytes);
        timeline.stamp(MarkKind::ReadLast, arrival.head_at, 0, head_len);
        timeline.stamp(MarkKind::Parsed, arrival.head_at, 0, 0);
    }

    /// Its content is refused: the route that says so in the place of its own, where one does.
    #[cold]
    pub fn be_refused_by(
        &mut self,
        routes: &BuiltRoutes,
        index: u16,
        refused: &Failure,
    ) -> Option<u16> {
        // Not the method is what is wrong with it.
        self.allow.clear();
        let refusing = routes.refusing(index)?;
        self.context.refuse_content(refused.clone());
        Some(refusing)
    }

    /// Takes in what could not be read as a request: it gets a reply, and its connection ends.
    pub fn begin_refused(
        &mut self,
        connection: Ticket,
        sequence: u64,
        first_byte_at: Nanos,
        is_traced: bool,
    ) {
        self.forget(connection, sequence, first_byte_at, is_traced);
        self.method = None;
        self.version = Version::Http11;
        self.keep_alive = false;
    }

    fn forget(&mut self, connection: Ticket, sequence: u64, started_at: Nanos, is_traced: bool) {
        self.timeline.start(started_at, is_traced);
        self.context.number(sequence);
        self.connection = connection;
        self.phase = Phase::Ready;
        self.needs_count = 0;
        self.has_taken_content = false;
        self.route = None;
        self.class = ClassId::STANDARD;
        self.deadline = Nanos::NEVER;
        self.slow_after = Nanos::NEVER;
        self.sequence = sequence;
        self.allow.clear();
        self.path.clear();
    }

    /// Ends what the user's code has in it, while a panic in that can still become the reply.
    pub fn exit(&mut self, routes: &BuiltRoutes, kind: MarkKind) {
        let kind = match kind {
            MarkKind::Answered => ExitKind::Done,
            MarkKind::Refused => ExitKind::Refused,
            MarkKind::Expired => ExitKind::Expired,
            MarkKind::ClientGone => ExitKind::ClientGone,
            MarkKind::Cancelled => ExitKind::Cancelled,
            _ if self.context.panic_count() > 0 => ExitKind::Panicked,
            _ => ExitKind::Failed,
        };
        let route = self.route.map(|index| routes.route(index));
        let renderer = route.map_or(routes.renderer(), Route::renderer);
        self.context.exit(renderer, kind);
    }

    /// Ends its context and gives each result buffer back to the resource it came from.
    pub fn end_context(&mut self, mut recycle: impl FnMut(u16, ResultBuffer)) {
        let lenders = &mut self.lenders;
        self.context.end(|buffer| {
            if let Some(resource) = lenders.pop() {
                recycle(resource, buffer);
            }
        });
    }

    /// Why it is late when its turn comes: what it waited for when its deadline passed.
    #[cold]
    pub fn lateness(&self) -> Late {
        match self.awaited {
            Some((place, at)) if at >= self.deadline => Late::Parked(self.late_effect(place)),
            _ => Late::Queued(Failure::new(Fail::Timeout, "queue", "too long")),
        }
    }

    /// The failure of a request whose deadline has passed while it waits for this effect.
    #[cold]
    pub fn late_effect(&self, place: usize) -> Failure {
        let need = self.context.need();
        match need.and_then(|need| need.effects.get(place)) {
            Some(effect) if matches!(effect.operation, Operation::Body { .. }) => too_slow(),
            effect => {
                let slot = effect.map_or("", |effect| effect.slot);
                Failure::new(Fail::Timeout, "effect", slot)
            }
        }
    }

    /// The name of the step that it is at.
    pub fn step_name(&self, routes: &BuiltRoutes) -> &'static str {
        let route = self.route.map(|index| routes.route(index));
        route.map_or("", |route| route.step_name(self.context.step()))
    }

    /// What its timeline says of it when it ends with this status.
    pub fn exchange(&self, status: u16) -> Exchange<'_> {
        Exchange {
            request_id: self.sequence,
            method: self.method.map_or("", Method::name),
            path: &self.path,
            route: self.route,
            status,
            deadline: self.deadline,
            slow_after: self.slow_after,
            has_panicked: self.context.panic_count() > 0,
            story: &self.context,
        }
    }
}

impl Story for Context {
    fn id(&self) -> Option<&str> {
        self.known_id()
    }

    fn why(&self) -> Option<Why<'_>> {
        self.failure().map(|failure| Why {
            what: failure.what(),
            key: failure.key(),
        })
    }
}

/// Room for so many lenders before a request's list of them grows; it keeps what it has grown to.
const LENDERS_KEPT: usize = 4;
