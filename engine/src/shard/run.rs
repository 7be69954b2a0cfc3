//! From ready to answered: pop, run steps, park on an effect, resume.

use std::rc::Rc;

use cutaway_reactor::{Backend, Ticket};
use cutaway_scheduler::{Clock, Nanos, Popped};

use super::core::{Core, TimerItem};
use super::request::{Parked, Phase};
use crate::effect::Operation;
use crate::step::{Fail, Failure, Go, Outcome, StepEnd, StepObserver};
use crate::timeline::{MarkKind, Timeline};

/// Stamps a run of steps on the request's timeline, with a reading of the clock at each step's end.
struct Watch<'w, C> {
    timeline: &'w mut Timeline,
    clock: &'w C,
    reading: Nanos,
    /// When the turn's quantum is spent.
    pause_at: Nanos,
}

impl<C: Clock> StepObserver for Watch<'_, C> {
    #[inline]
    fn step_start(&mut self, step: u16) {
        self.timeline
            .stamp(MarkKind::StepStart, self.reading, step as u8, 0);
    }

    #[inline]
    fn step_end(&mut self, step: u16, _: StepEnd) -> Go {
        self.reading = self.clock.now();
        self.timeline
            .stamp(MarkKind::StepEnd, self.reading, step as u8, 0);
        if self.reading >= self.pause_at {
            Go::Pause
        } else {
            Go::On
        }
    }
}

impl<B: Backend> Core<B> {
    /// Runs what is ready. False where the turn's quantum is spent.
    pub(super) fn run_ready(&mut self, stop_at: Nanos) -> bool {
        while let Some(popped) = self.ready.pop(self.reading) {
            self.run_one(&popped, stop_at);
            if self.reading >= stop_at {
                self.stats.quantum_spent_count += 1;
                return false;
            }
        }
        true
    }

    fn run_one(&mut self, popped: &Popped<Ticket>, pause_at: Nanos) {
        let ticket = popped.item;
        let Some(request) = self.requests.get_mut(ticket) else {
            // Gone with its connection while it waited.
            self.stats.stale_count += 1;
            return;
        };
        let Some(index) = request.route else { return };
        request
            .timeline
            .stamp(MarkKind::Dequeued, self.reading, 0, 0);
        if popped.expired {
            self.stats.expired_count += 1;
            let failure = Failure::new(Fail::Timeout, "queue", "");
            return self.answer_failure(ticket, MarkKind::Expired, failure);
        }
        let routes = Rc::clone(&self.routes);
        let route = routes.route(index);
        let mut watch = Watch {
            timeline: &mut request.timeline,
            clock: &self.clock,
            reading: self.reading,
            pause_at,
        };
        let outcome = match std::mem::replace(&mut request.phase, Phase::Ready) {
            Phase::Resuming(finished) => match finished.result {
                Ok(buffer) => {
                    request.lenders.push(request.resource);
                    match request.context.complete(route, buffer) {
                        Ok(()) => request.context.resume(route, &mut watch),
                        Err(failure) => Outcome::Failed(failure),
                    }
                }
                Err(error) => request.context.fail(route, error.failure()),
            },
            Phase::Ready | Phase::Parked(_) | Phase::Answered => {
                request.context.run(route, &mut watch)
            }
        };
        self.reading = watch.reading;
        // Late is late, whatever the step has made of it; but a panic stays one.
        if self.reading > popped.deadline && request.context.panic_count() == 0 {
            self.stats.missed_count += 1;
            let failure = Failure::new(
                Fail::Timeout,
                "step",
                route.step_name(request.context.step()),
            );
            return self.answer_failure(ticket, MarkKind::Expired, failure);
        }
        match outcome {
            Outcome::Done => self.answer(ticket, MarkKind::Answered),
            Outcome::Failed(_) => self.answer(ticket, MarkKind::Failed),
            Outcome::Need => self.park(ticket),
            Outcome::Paused => self.queue_again(ticket),
        }
    }

    /// The quantum ended between two steps: the request goes behind what is more urgent.
    fn queue_again(&mut self, ticket: Ticket) {
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        let depth = self.ready.len() as u64;
        request
            .timeline
            .stamp(MarkKind::Enqueued, self.reading, 0, depth);
        if self
            .ready
            .push_ordered(request.class, request.deadline, ticket)
            .is_err()
        {
            self.stats.refused_queue_count += 1;
            let failure = Failure::new(Fail::Unavailable, "queue", "full");
            self.answer_failure(ticket, MarkKind::Refused, failure);
        }
    }

    /// Hands the request's effect to what performs it.
    fn park(&mut self, ticket: Ticket) {
        let now = self.reading;
        let Some(request) = self.requests.get_mut(ticket) else {
            return;
        };
        let Some(effect) = request.context.effect() else {
            return;
        };
        let resource = effect.resource;
        let until = match effect.timeout {
            Some(timeout) => request.deadline.min(now + timeout),
            None => request.deadline,
        };
        let Operation::Sqlite { mode, statements } = effect.operation;
        let performer = &mut self.effects[usize::from(resource)];
        let started = performer.try_start(ticket, mode, statements, until, now);
        request.resource = resource;
        match started {
            Ok(job) => {
                let timeline = &mut request.timeline;
                timeline.stamp(MarkKind::Submitted, now, 0, u64::from(resource));
                timeline.stamp(MarkKind::JobQueued, now, 0, 0);
                timeline.stamp(MarkKind::Parked, now, 0, 0);
                let timer = (until != Nanos::NEVER)
                    .then(|| self.timers.arm(until, TimerItem::Request(ticket)));
                request.phase = Phase::Parked(Parked { job, timer });
                self.job_count += 1;
            }
            Err(refused) => {
                self.stats.refused_effect_count += 1;
                let route = request.route.map(|index| self.routes.route(index));
                let step = route.map(|route| route.step_name(request.context.step()));
                let failure = refused.failure(step.unwrap_or_default());
                self.answer_failure(ticket, MarkKind::Refused, failure);
            }
        }
    }

    /// Takes finished jobs back and makes their requests ready. How many there were.
    pub(super) fn poll_effects(&mut self) -> u32 {
        let mut count = 0;
        if self.job_count == 0 {
            return count;
        }
        for resource in 0..self.effects.len() {
            while let Some(finished) = self.effects[resource].poll() {
                self.finish_job(resource, finished);
                count += 1;
            }
        }
        count
    }
}
