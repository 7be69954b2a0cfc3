//! From ready to answered: pop, run steps, park on an effect, resume.

use std::rc::Rc;

use cutaway_reactor::{Backend, Ticket};
use cutaway_scheduler::{Clock, Nanos, Popped};

use super::core::Core;
use super::request::{Late, Phase};
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
        if request.phase == Phase::Answered {
            // Gone as well; only its slot is still there, for the jobs of its losers.
            self.stats.stale_count += 1;
            return;
        }
        let Some(index) = request.route else { return };
        request
            .timeline
            .stamp(MarkKind::Dequeued, self.reading, 0, 0);
        // Late is late; but a fold that has panicked is told so.
        if popped.expired && request.context.panic_count() == 0 {
            let failure = match request.lateness() {
                Late::Queued(failure) => {
                    self.stats.expired_count += 1;
                    failure
                }
                Late::Parked(failure) => {
                    self.stats.timed_out_count += 1;
                    failure
                }
            };
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
            Phase::Resuming => match request.underway.take_failure() {
                Some(failure) => request.context.fail(route, failure),
                None => {
                    let results = request.underway.take_results(&mut request.lenders);
                    request.context.resume(route, results, &mut watch)
                }
            },
            Phase::Ready | Phase::Parked | Phase::Answered => {
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

    /// The quantum ended between two steps, or what the request needed was there already: it goes
    /// behind what is more urgent.
    pub(super) fn queue_again(&mut self, ticket: Ticket) {
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
}
