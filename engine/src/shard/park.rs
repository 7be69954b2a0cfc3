//! From a need to its resume: begin the effects, take their completions, let go of the rest.

use cutaway_reactor::{Backend, Ticket, Verdict};
use cutaway_scheduler::Nanos;

use super::core::{Core, TimerItem};
use super::inflow::too_slow;
use super::performer::Performer;
use super::request::{Phase, Request};
use super::store::Store;
use super::underway::{Given, TimerOf};
use crate::effect::sqlite::{SqlError, SqlFinished};
use crate::effect::{EffectRecord, EffectResult, Operation, ResultBuffer};
use crate::step::{Fail, Failure, NeedRecord};
use crate::timeline::MarkKind;

impl<B: Backend> Core<B> {
    /// Hands the effects of what a request needs to what performs them.
    pub(super) fn park(&mut self, ticket: Ticket) {
        let now = self.reading;
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        let Some(need) = request.context.need() else {
            return;
        };
        request.needs_count += 1;
        let needs_max = self.limits.needs_per_request_max;
        if request.needs_count > needs_max {
            let failure = Failure::needs_too_often(request.step_name(&self.routes), needs_max);
            return self.answer_failure(ticket, MarkKind::Failed, failure);
        }
        let until = match need.effects {
            // It ends with the request, so one timer serves both.
            [effect] if is_alone(&need) => until(effect, request.deadline, now),
            _ => request.deadline,
        };
        let verdict = request.underway.begin(&need);
        match self.begin_effects(ticket, verdict) {
            Verdict::Wait => self.wait(ticket, until),
            Verdict::Resume => {
                self.let_go(ticket, Phase::Resuming);
                self.queue_again(ticket);
            }
            Verdict::Fail(_) => {
                self.let_go(ticket, Phase::Ready);
                let request = self.requests.get_mut(ticket);
                if let Some(failure) = request.and_then(|it| it.underway.take_failure()) {
                    self.answer_failure(ticket, MarkKind::Refused, failure);
                }
            }
        }
    }

    fn wait(&mut self, ticket: Ticket, until: Nanos) {
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        request.timeline.stamp(MarkKind::Parked, self.reading, 0, 0);
        request.phase = Phase::Parked;
        let timer = (until != Nanos::NEVER).then(|| {
            let item = TimerItem::Request(ticket);
            self.timers.arm(until, item)
        });
        request.underway.set_timer(timer);
    }

    /// Begins what may begin, as long as the need goes on.
    fn begin_effects(&mut self, ticket: Ticket, mut verdict: Verdict) -> Verdict {
        while verdict == Verdict::Wait {
            let Some(request) = self.requests.get_mut(ticket) else {
                break;
            };
            let Some(place) = request.underway.next_to_begin() else {
                break;
            };
            verdict = self.begin_effect(ticket, place);
        }
        verdict
    }

    fn begin_effect(&mut self, ticket: Ticket, place: usize) -> Verdict {
        let now = self.reading;
        let Some(request) = self.requests.get_mut(ticket) else {
            return Verdict::Wait;
        };
        let need = request.context.need();
        let Some((need, effect)) = need.and_then(|need| Some((need, need.effects.get(place)?)))
        else {
            return Verdict::Wait;
        };
        let which = place as u8;
        let resource = match effect.operation {
            Operation::Body { .. } => MarkKind::OWN_CONTENT,
            _ => effect.resource.map_or(MarkKind::NO_RESOURCE, u64::from),
        };
        let timeline = &mut request.timeline;
        timeline.stamp(MarkKind::Submitted, now, which, resource);
        let item = TimerItem::Effect(ticket, which);
        let (mode, statements) = match effect.operation {
            Operation::Timer { length } => {
                let timer = self.timers.arm(now + length, item);
                request.underway.is_on_wheel(now, timer);
                return Verdict::Wait;
            }
            Operation::Body { format, fold } => {
                let ends_at = until(effect, request.deadline, now);
                let timer = (!is_alone(&need) && ends_at < request.deadline).then_some(ends_at);
                let is_folded = fold.is_some();
                return self.take_content_of(ticket, format, is_folded, timer);
            }
            Operation::Store { name, is_replacing } => {
                let ends_at = until(effect, request.deadline, now);
                let timer = (!is_alone(&need) && ends_at < request.deadline).then_some(ends_at);
                let resource = usize::from(effect.resource.expect("a file has its directory"));
                let begun = match name {
                    Ok(name) => {
                        Store::begin(&mut self.effects, resource, ticket, name, is_replacing)
                    }
                    Err(refused) => Err(refused.failure()),
                };
                return self.note_begun(ticket, begun, timer);
            }
            Operation::Sqlite { mode, statements } => (mode, statements),
        };
        let resource = usize::from(effect.resource.expect("statements have their database"));
        let ends_at = until(effect, request.deadline, now);
        let performer = self.effects[resource].database();
        match performer.try_start(ticket, mode, statements, ends_at, now) {
            Ok(job) => {
                self.job_count += 1;
                timeline.stamp(MarkKind::JobQueued, now, which, 0);
                let timer = (!is_alone(&need) && ends_at < request.deadline)
                    .then(|| self.timers.arm(ends_at, item));
                request.underway.is_at_worker(resource, job, timer);
                Verdict::Wait
            }
            Err(refused) => {
                self.stats.refused_effect_count += 1;
                timeline.stamp(MarkKind::LetGo, now, which, 0);
                let failure = refused.failure(request.step_name(&self.routes));
                request.underway.is_refused(failure)
            }
        }
    }

    /// Takes finished jobs back and makes their requests ready. How many there were.
    pub(super) fn poll_effects(&mut self) -> u32 {
        let mut count = 0;
        if !self.has_jobs() {
            return count;
        }
        for resource in 0..self.effects.len() {
            count += match &self.effects[resource] {
                Performer::Database(_) => self.poll_database(resource),
                Performer::Directory(_) => self.poll_directory(resource),
            };
        }
        count
    }

    fn poll_database(&mut self, resource: usize) -> u32 {
        let mut count = 0;
        while let Some(finished) = self.effects[resource].database().poll() {
            self.finish_job(resource, finished);
            count += 1;
        }
        count
    }

    fn poll_directory(&mut self, resource: usize) -> u32 {
        let mut count = 0;
        while let Some(returned) = self.effects[resource].directory().poll() {
            self.finish_file_job(resource, &returned);
            count += 1;
        }
        count
    }

    /// A job has come back.
    fn finish_job(&mut self, resource: usize, finished: SqlFinished) {
        self.job_count -= 1;
        let ticket = finished.request;
        let Some(request) = self.requests.get_mut(ticket) else {
            debug_assert!(false, "a request's slot outlasts its jobs");
            self.stats.stale_count += 1;
            return self.recycle(resource, finished);
        };
        let Some(place) = request.underway.place_of(resource, finished.handle) else {
            self.stats.late_result_count += 1;
            request.underway.note_left_back();
            self.recycle(resource, finished);
            return self.free_request(ticket);
        };
        let (timeline, which) = (&mut request.timeline, place as u8);
        timeline.stamp(MarkKind::JobStarted, finished.started_at, which, 0);
        timeline.stamp(MarkKind::JobFinished, finished.finished_at, which, 0);
        let outcome = match finished.result {
            Ok(buffer) => match missing_row(request, place, &buffer) {
                None => Ok(Given {
                    result: EffectResult::Rows(buffer),
                    lender: u16::try_from(resource).ok(),
                }),
                Some(failure) => {
                    self.effects[resource].recycle(buffer);
                    Err(failure)
                }
            },
            Err(error) => Err(failure_of(request, place, &error)),
        };
        self.complete(ticket, place, outcome);
    }

    fn recycle(&mut self, resource: usize, finished: SqlFinished) {
        if let Ok(buffer) = finished.result {
            self.effects[resource].recycle(buffer);
        }
    }

    /// The deadline of a parked request has passed: its effects are let go and it is answered now.
    pub(super) fn on_request_timer(&mut self, ticket: Ticket) {
        let Some(request) = self.requests.get_mut(ticket) else {
            self.stats.stale_count += 1;
            return;
        };
        if request.phase == Phase::Parked {
            request.underway.set_timer(None);
            self.stats.timed_out_count += 1;
            let connection = self.connections.get_mut(request.connection);
            let awaits_client = connection.is_some_and(|it| it.awaits_content_of(ticket));
            let failure = if awaits_client {
                too_slow()
            } else {
                request.late_effect(request.underway.awaited_place())
            };
            self.answer_failure(ticket, MarkKind::Expired, failure);
        }
    }

    /// A timer effect has come, or one of several effects has taken all the time it had.
    pub(super) fn on_effect_timer(&mut self, ticket: Ticket, place: usize) {
        let now = self.reading;
        let Some(request) = self.requests.get_mut(ticket) else {
            self.stats.stale_count += 1;
            return;
        };
        // What fires in one go with it may have ended the wait already.
        if request.phase != Phase::Parked {
            return;
        }
        let which = place as u8;
        let outcome = match request.underway.on_timer(place) {
            None => return,
            Some(TimerOf::Timer { since }) => {
                request.timeline.stamp(MarkKind::Completed, now, which, 0);
                Ok(Given {
                    result: EffectResult::Elapsed(now.since(since)),
                    lender: None,
                })
            }
            Some(TimerOf::Content) => {
                request.timeline.stamp(MarkKind::LetGo, now, which, 0);
                let (connection, too_late) = (request.connection, request.late_effect(place));
                self.give_up_content(connection);
                Err(too_late)
            }
            Some(TimerOf::Store(store)) => {
                request.timeline.stamp(MarkKind::LetGo, now, which, 0);
                let ticket_of_connection = request.connection;
                let connection = self.connections.get_mut(ticket_of_connection);
                let awaits_client = connection.is_some_and(|it| it.awaits_content_of(ticket));
                let too_late = if awaits_client {
                    too_slow()
                } else {
                    request.late_effect(place)
                };
                (self.effects[store.resource].directory()).abandon(store.upload);
                self.give_up_content(ticket_of_connection);
                self.stats.let_go_count += 1;
                Err(too_late)
            }
            Some(TimerOf::Job { resource, job }) => {
                request.timeline.stamp(MarkKind::LetGo, now, which, 0);
                self.effects[resource].database().cancel(job);
                self.stats.let_go_count += 1;
                Err(request.late_effect(place))
            }
        };
        self.complete(ticket, place, outcome);
    }

    /// An effect has ended: the next ones begin, or the request goes on.
    pub(super) fn complete(
        &mut self,
        ticket: Ticket,
        place: usize,
        outcome: Result<Given, Failure>,
    ) {
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        let underway = &mut request.underway;
        underway.stop_timer(place, &mut self.timers);
        let verdict = match outcome {
            Ok(given) => underway.succeed(place, given),
            Err(failure) => underway.fail(place, failure),
        };
        if self.begin_effects(ticket, verdict) != Verdict::Wait {
            self.note_end_of_wait(ticket, place);
            self.let_go(ticket, Phase::Resuming);
            self.make_ready(ticket);
        }
    }

    /// A request need not wait any longer, now that the effect at this place has ended.
    fn note_end_of_wait(&mut self, ticket: Ticket, place: usize) {
        if let Some(request) = self.requests.get_mut(ticket) {
            request.awaited = Some((place, self.reading));
        }
    }

    /// Lets go of what a request no longer waits for.
    fn let_go(&mut self, ticket: Ticket, phase: Phase) {
        let (now, stats) = (self.reading, &mut self.stats);
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        let timeline = &mut request.timeline;
        let underway = &mut request.underway;
        let was_reading = underway.let_go(&mut self.effects, &mut self.timers, |place| {
            stats.let_go_count += 1;
            timeline.stamp(MarkKind::LetGo, now, place as u8, 0);
        });
        request.phase = phase;
        if was_reading {
            let connection = request.connection;
            self.give_up_content(connection);
        }
    }

    fn make_ready(&mut self, ticket: Ticket) {
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        let timeline = &mut request.timeline;
        timeline.stamp(MarkKind::Resumed, self.reading, 0, 0);
        let (class, deadline) = (request.class, request.deadline);
        if self.ready.push_ordered(class, deadline, ticket).is_err() {
            self.stats.refused_queue_count += 1;
            let failure = Failure::new(Fail::Unavailable, "queue", "full");
            self.answer_failure(ticket, MarkKind::Refused, failure);
        }
    }

    /// How many requests wait for something that the machine does: timers are the shard's own, and
    /// content is its client's.
    pub(super) fn waiting_request_count(&self) -> usize {
        let requests = self.requests.iter();
        let waits = |request: &Request| !request.underway.waits_for_nobody();
        requests.filter(|(_, request)| waits(request)).count()
    }
}

/// Whether it is one effect whose failure is the request's.
fn is_alone(need: &NeedRecord<'_>) -> bool {
    matches!(need.effects, [effect] if effect.is_required)
}

/// Until when an effect may take that begins now.
fn until(effect: &EffectRecord<'_>, deadline: Nanos, now: Nanos) -> Nanos {
    match effect.timeout {
        Some(timeout) => deadline.min(now + timeout),
        None => deadline,
    }
}

/// The failure of an effect that lacks the row it needs.
fn missing_row(request: &Request, place: usize, buffer: &ResultBuffer) -> Option<Failure> {
    let need = request.context.need()?;
    let effect = need.effects.get(place)?;
    let is_missing = effect.needs_row && buffer.is_empty();
    is_missing.then(|| effect.missing_row(0))
}

/// What an error of an effect's statements means for the request.
#[cold]
fn failure_of(request: &Request, place: usize, error: &SqlError) -> Failure {
    let effect = (request.context.need()).and_then(|need| need.effects.get(place));
    error.failure(effect.expect("a request waits for the effects of its need"))
}
