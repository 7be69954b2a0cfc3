//! A route's steps, laid out, and the runner that drives them.

mod layout;

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use cutaway_scheduler::{ClassId, ClassTable, Nanos};

use super::chain::{Deadline, ErasedStep, Settings};
use super::decision::{Decision, Failure};
use crate::ctx::{Access, BodyFormat, Context, Frame, Plan, SlotMeta, discard};
use crate::effect::{ResourceMeta, ResultBuffer};
use crate::http::Method;
use crate::response::Renderer;

pub use layout::RouteRefusal;

pub(crate) use layout::RouteParts;

/// One route: a pattern and the steps that answer it. Built once, shared by all shards.
pub struct Route {
    method: Method,
    pattern: &'static str,
    params: Box<[&'static str]>,
    settings: Settings,
    steps: Box<[PlacedStep]>,
    plan: Plan,
    body: BodyUse,
    renderer: Renderer,
}

/// What the steps of a route do with a request's content. It follows from their types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyMode {
    /// None reads it: it is thrown away as it comes.
    None,
    /// It is there before the first step runs.
    Buffered,
}

/// As [`BodyMode`], with what the content has to be.
#[derive(Clone, Copy)]
enum BodyUse {
    None,
    Buffered(BodyFormat),
}

const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Route>();
};

struct PlacedStep {
    step: Arc<dyn ErasedStep>,
    access: Access,
    extracts: Box<[PlacedExtract]>,
    name: &'static str,
    reads: Box<[SlotMeta]>,
    writes: Box<[SlotMeta]>,
    uses: Box<[ResourceMeta]>,
}

struct PlacedExtract {
    access: Access,
    run: fn(&Frame, &Access) -> Result<(), Failure>,
}

/// What a run of steps came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The response is complete.
    Done,
    /// The request failed; the response says so.
    Failed(Failure),
    /// The request waits for its effect.
    Need,
    /// The observer wanted a pause before the next step.
    Paused,
}

/// Sees the steps of a run begin and end; where marks are stamped and clocks are read.
pub trait StepObserver {
    /// A step begins.
    fn step_start(&mut self, step: u16);

    /// The step has ended. The answer matters after [`StepEnd::Continue`] only.
    fn step_end(&mut self, step: u16, end: StepEnd) -> Go;
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepEnd {
    /// The next one runs.
    Continue,
    /// It asked for an effect.
    Need,
    /// It answered.
    Done,
    /// It failed, or broke its contract.
    Failed,
    /// It panicked.
    Panicked,
}

/// Whether the next step runs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// It does.
    On,
    /// The turn's quantum is used up.
    Pause,
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl StepObserver for Unobserved {
    #[inline(always)]
    fn step_start(&mut self, _: u16) {}

    #[inline(always)]
    fn step_end(&mut self, _: u16, _: StepEnd) -> Go {
        Go::On
    }
}

impl Route {
    /// The method it answers.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Its pattern, as it was written.
    pub fn pattern(&self) -> &'static str {
        self.pattern
    }

    /// The names of the pattern's parameters, in order.
    pub fn params(&self) -> &[&'static str] {
        &self.params
    }

    /// Its traffic class.
    pub fn class(&self) -> ClassId {
        self.settings.class
    }

    /// How long a request may take; none where it may take for ever.
    pub fn deadline(&self, classes: &ClassTable) -> Option<Nanos> {
        match self.settings.deadline {
            Deadline::OfClass => Some(classes.class(self.settings.class).deadline),
            Deadline::After(length) => Some(length),
            Deadline::Never => None,
        }
    }

    /// Whether the deadline is that of its class, so that its requests queue in order.
    pub fn has_class_deadline(&self) -> bool {
        self.settings.deadline == Deadline::OfClass
    }

    /// From when on a request is slow: what was said, else half its deadline, else never.
    pub fn slow_after(&self, classes: &ClassTable) -> Option<Nanos> {
        let half = |length: Nanos| Nanos(length.as_u64() / 2);
        (self.settings.slow_after).or_else(|| self.deadline(classes).map(half))
    }

    /// What becomes of a request's content.
    pub fn body_mode(&self) -> BodyMode {
        match self.body {
            BodyUse::None => BodyMode::None,
            BodyUse::Buffered(_) => BodyMode::Buffered,
        }
    }

    /// What its steps take the content as; none where they do not read it.
    pub fn body_format(&self) -> Option<BodyFormat> {
        match self.body {
            BodyUse::None => None,
            BodyUse::Buffered(format) => Some(format),
        }
    }

    /// The largest content of a request; none where the engine's limit says so.
    pub fn body_bytes_max(&self) -> Option<u64> {
        self.settings.body_bytes_max
    }

    /// How many steps it has.
    pub fn steps_count(&self) -> usize {
        self.steps.len()
    }

    /// The name of a step: its path. Empty where there is no such step.
    pub fn step_name(&self, step: u16) -> &'static str {
        (self.steps.get(usize::from(step))).map_or("", |step| step.name)
    }

    /// What a step reads, writes and uses, by name.
    pub fn contract(&self, step: u16) -> Option<Contract<'_>> {
        self.steps.get(usize::from(step)).map(Contract)
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn renderer(&self) -> Renderer {
        self.renderer
    }

    /// Runs from `at` until something else than Continue.
    #[inline]
    fn run_steps<O: StepObserver>(
        &self,
        frame: &Frame,
        at: &mut u16,
        observer: &mut O,
    ) -> Result<Stop, Failure> {
        while let Some(step) = self.steps.get(usize::from(*at)) {
            observer.step_start(*at);
            match self.run_step(step, frame) {
                Ok(Decision::Continue) => {
                    let index = *at;
                    *at += 1;
                    if observer.step_end(index, StepEnd::Continue) == Go::Pause {
                        return Ok(Stop::Paused);
                    }
                }
                Ok(Decision::Done) => {
                    observer.step_end(*at, StepEnd::Done);
                    return Ok(Stop::Done);
                }
                Ok(Decision::Need) => {
                    observer.step_end(*at, StepEnd::Need);
                    return Ok(Stop::Need);
                }
                Err(failure) => {
                    observer.step_end(*at, StepEnd::Failed);
                    return Err(failure);
                }
            }
        }
        Err(self.unanswered())
    }

    #[inline]
    fn run_step(&self, step: &PlacedStep, frame: &Frame) -> Result<Decision, Failure> {
        for extract in &step.extracts {
            (extract.run)(frame, &extract.access)?;
        }
        let decision = step.step.call(frame, &step.access)?;
        let marks = frame.marks();
        let needs_count = u8::from(decision == Decision::Need);
        let is_kept = match decision {
            Decision::Continue => frame.holds(step.access.writes()),
            // An answer ends the request, and an effect fills its slot later.
            Decision::Done | Decision::Need => true,
        };
        if is_kept && marks.put_twice().is_none() && marks.needs_count == needs_count {
            Ok(decision)
        } else {
            Err(self.broken(step, frame, decision))
        }
    }

    /// What a step has broken.
    #[cold]
    fn broken(&self, step: &PlacedStep, frame: &Frame, decision: Decision) -> Failure {
        let marks = frame.marks();
        if let Some(bit) = marks.put_twice() {
            let slot = self.plan.slot_name(bit);
            return Failure::contract(step.name, format_args!("slot `{slot}` was put twice"));
        }
        match (decision, marks.needs_count) {
            (Decision::Need, 0) => {
                Failure::contract(step.name, format_args!("decided Need without an effect"))
            }
            (Decision::Need, _) => {
                Failure::contract(step.name, format_args!("asked for more than one effect"))
            }
            (_, 1..) => {
                Failure::contract(step.name, format_args!("did not return what cx.need gave"))
            }
            _ => self.not_put(step, frame),
        }
    }

    #[cold]
    fn not_put(&self, step: &PlacedStep, frame: &Frame) -> Failure {
        let slot = self
            .plan
            .first_missing(frame, step.access.writes())
            .unwrap_or("");
        Failure::contract(step.name, format_args!("slot `{slot}` was not put"))
    }

    #[cold]
    fn unanswered(&self) -> Failure {
        let last = self.steps.last().map_or("", |step| step.name);
        Failure::contract(last, format_args!("no step of the pipeline answered"))
    }
}

/// What a step reads, writes and uses.
#[derive(Clone, Copy)]
pub struct Contract<'p>(&'p PlacedStep);

impl<'p> Contract<'p> {
    /// The step's name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The slots it reads.
    pub fn reads(self) -> impl Iterator<Item = &'static str> + 'p {
        self.0.reads.iter().map(|slot| slot.name)
    }

    /// The slots it writes.
    pub fn writes(self) -> impl Iterator<Item = &'static str> + 'p {
        self.0.writes.iter().map(|slot| slot.name)
    }

    /// The resources it uses.
    pub fn uses(self) -> impl Iterator<Item = &'static str> + 'p {
        self.0.uses.iter().map(|resource| resource.name)
    }
}

enum Stop {
    Done,
    Need,
    Paused,
}

impl Context {
    /// Runs steps until the request is done, has failed, waits, or pauses. One panic is caught a
    /// run; it fails this request only.
    ///
    /// # Panics
    /// The route is not the one the request was begun with, or the request waits for an effect.
    #[inline]
    pub fn run<O: StepObserver>(&mut self, route: &Route, observer: &mut O) -> Outcome {
        self.frame.assert_plan(route.plan());
        assert!(
            self.frame.marks().needs_count == 0,
            "a request that waits is completed first"
        );
        let (frame, at) = (&self.frame, &mut self.at);
        let ran = panic::catch_unwind(AssertUnwindSafe(|| route.run_steps(frame, at, observer)));
        match ran {
            Ok(Ok(Stop::Done)) => Outcome::Done,
            Ok(Ok(Stop::Need)) => Outcome::Need,
            Ok(Ok(Stop::Paused)) => Outcome::Paused,
            Ok(Err(failure)) => self.fail(route, failure),
            Err(payload) => {
                observer.step_end(self.at, StepEnd::Panicked);
                self.fail_in_step(route, payload)
            }
        }
    }

    /// Takes the result of the effect that the request waits for, and decodes it into its slot. The
    /// buffer stays with the request until its end. On a failure the response is rendered; there is
    /// nothing to resume then.
    ///
    /// # Errors
    /// The failure of the request, where the result does not fit its slot.
    ///
    /// # Panics
    /// The route is not the one the request was begun with, or the request does not wait.
    pub fn complete(&mut self, route: &Route, result: ResultBuffer) -> Result<(), Failure> {
        self.frame.assert_plan(route.plan());
        let frame = &mut self.frame;
        let decoded = panic::catch_unwind(AssertUnwindSafe(|| frame.complete(result)));
        let outcome = match decoded {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failure)) => self.fail(route, failure),
            Err(payload) => self.fail_in_step(route, payload),
        };
        match outcome {
            Outcome::Failed(failure) => Err(failure),
            _ => Ok(()),
        }
    }

    /// Goes on after the effect has completed, with the next step.
    ///
    /// # Panics
    /// As [`run`](Context::run).
    #[inline]
    pub fn resume<O: StepObserver>(&mut self, route: &Route, observer: &mut O) -> Outcome {
        let Some(step) = route.steps.get(usize::from(self.at)) else {
            return self.fail(route, route.unanswered());
        };
        if !self.frame.holds(step.access.writes()) {
            return self.fail(route, route.not_put(step, &self.frame));
        }
        self.at += 1;
        self.run(route, observer)
    }

    /// A panic in the step, or in what belongs to it: an extractor, a decoder.
    #[cold]
    fn fail_in_step(&mut self, route: &Route, payload: Box<dyn std::any::Any + Send>) -> Outcome {
        let failure = Failure::panic(route.step_name(self.at), &*payload);
        discard(payload);
        self.fail_by_panic(route, failure)
    }
}

#[cfg(test)]
mod tests;
