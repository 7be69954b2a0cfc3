//! From ready to answered: pop, run steps, park on an effect, resume, encode.

use cutaway_reactor::{Backend, Ticket, WorkerPort};
use cutaway_scheduler::{Clock, Nanos, Popped};

use super::connection::Reply;
use super::core::{Core, TimerItem};
use super::request::{Parked, Phase};
use crate::ctx::{Outcome, StepObserver};
use crate::effect::sqlite::SqlFinished;
use crate::step::{Fail, Failure};
use crate::timeline::{MarkKind, Timeline};

/// Stamps a run of steps on the request's timeline with a clock read at each step's end.
struct Watch<'t, C> {
    timeline: &'t mut Timeline,
    clock: &'t C,
    reading: Nanos,
}

impl<C: Clock> StepObserver for Watch<'_, C> {
    fn step_start(&mut self, step: usize) {
        self.timeline.stamp(MarkKind::StepStart, self.reading, step as u16, 0);
    }

    fn step_end(&mut self, step: usize) {
        self.reading = self.clock.now();
        self.timeline.stamp(MarkKind::StepEnd, self.reading, step as u16, 0);
    }
}

impl<B: Backend> Core<B> {
    /// Runs ready requests until the turn's quantum is spent or replies have waited long enough.
    pub(super) fn run_ready(&mut self) {
        let stop_at = self.reading + self.limits.turn_quantum;
        while let Some(popped) = self.ready.pop(self.reading) {
            self.run_one(popped);
            if self.reading >= stop_at {
                self.stats.quantum_spent_count += 1;
                return;
            }
        }
    }

    fn run_one(&mut self, popped: Popped<Ticket>) {
        let ticket = popped.item;
        // Gone with its connection while it waited.
        let Some(request) = self.requests.get_mut(ticket) else { return };
        request.timeline.stamp(MarkKind::Dequeued, self.reading, 0, 0);
        if popped.expired {
            self.stats.expired_count += 1;
            return self.answer_failure(ticket, Failure::new(Fail::DeadlineExceeded, "queue", ""));
        }
        let routes = self.routes.clone();
        let Some(route) = request.route.and_then(|index| routes.route(index)) else { return };
        let mut watch =
            Watch { timeline: &mut request.timeline, clock: &self.clock, reading: self.reading };
        let outcome = match std::mem::replace(&mut request.phase, Phase::Ready) {
            Phase::Resuming(finished) => match finished.result {
                Ok(buffer) => match request.context.complete(route, buffer) {
                    Ok(()) => request.context.resume(route, &mut watch),
                    Err(failure) => Outcome::Failed(failure),
                },
                Err(error) => Outcome::Failed(error.into()),
            },
            _ => request.context.run(route, &mut watch),
        };
        self.reading = watch.reading;
        let is_late = self.reading > popped.deadline;
        match outcome {
            // Late is late, whatever the step has made of it.
            _ if is_late => {
                self.stats.missed_count += 1;
                self.answer_failure(ticket, Failure::new(Fail::DeadlineExceeded, "step", ""));
            }
            Outcome::Done => self.answer(ticket),
            Outcome::Failed(failure) => self.answer_failure(ticket, failure),
            Outcome::Need => self.park(ticket),
        }
    }

    /// Hands the request's effect to what performs it.
    fn park(&mut self, ticket: Ticket) {
        let Some(request) = self.requests.get_mut(ticket) else { return };
        let effect = request.context.effect();
        let resource = effect.resource;
        let deadline = match effect.timeout {
            Some(timeout) => request.deadline.min(self.reading + timeout),
            None => request.deadline,
        };
        let performer = &mut self.effects[usize::from(resource)];
        match performer.try_start(ticket, effect, deadline, self.reading) {
            Ok(job) => {
                request.timeline.stamp(MarkKind::Submitted, self.reading, resource, 0);
                request.timeline.stamp(MarkKind::Parked, self.reading, resource, 0);
                let timer = (deadline != Nanos::NEVER)
                    .then(|| self.timers.arm(deadline, TimerItem::Request(ticket)));
                request.phase = Phase::Parked(Parked { resource, job, timer });
                self.parked_count += 1;
            }
            Err(_refused) => {
                self.stats.refused_effect_count += 1;
                self.answer_failure(ticket, Failure::new(Fail::Unavailable, "effect", "busy"));
            }
        }
    }

    /// Takes finished jobs back and makes their requests ready.
    pub(super) fn poll_effects(&mut self) {
        if self.parked_count == 0 {
            return;
        }
        for index in 0..self.effects.len() {
            while let Some(finished) = self.effects[index].poll() {
                self.finish_job(index, finished);
            }
        }
    }
}
