//! A route's steps, laid out, and the runner that drives them.

mod layout;
mod usage;

use cutaway_scheduler::{ClassId, ClassTable, Nanos};

use super::chain::{Deadline, Run, Settings};
use super::decision::Decision;
use super::failure::Failure;
use super::need::EFFECTS_PER_NEED_MAX;
use super::panic::{Panic, caught};
use crate::ctx::{BodyFormat, Context, Fill, Frame, Marks, NeedFault, Plan, SlotMeta};
use crate::effect::{EffectResult, ResourceMeta};
use crate::http::Method;
use crate::response::Renderer;

pub use layout::RouteRefusal;

pub(crate) use layout::RouteParts;

use usage::Usage;

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
    /// The request begins without it, and an effect takes it.
    Streamed,
}

/// As [`BodyMode`], with what the content has to be.
#[derive(Clone, Copy)]
enum BodyUse {
    None,
    Buffered(BodyFormat),
    Streamed,
}

const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Route>();
};

struct PlacedStep {
    step: Box<dyn Run + Send + Sync>,
    /// The bits of the slots it writes.
    slots_to_write: u64,
    extracts: Box<[Box<dyn Fill>]>,
    name: &'static str,
    reads: Box<[SlotMeta]>,
    writes: Box<[SlotMeta]>,
    uses: Box<[ResourceMeta]>,
    usage: Usage,
}

/// What a run of steps came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The response is complete.
    Done,
    /// The request failed; the response says so.
    Failed(Failure),
    /// The request waits for its effects.
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
    /// It asked for effects.
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
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// assert_eq!(route.method().name(), "GET");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn method(&self) -> Method {
        self.method
    }

    /// Its pattern, as it was written.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// assert_eq!(route.pattern(), "/posts/{id}");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn pattern(&self) -> &'static str {
        self.pattern
    }

    /// The names of the pattern's parameters, in order.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// assert_eq!(route.params(), ["id"]);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn params(&self) -> &[&'static str] {
        &self.params
    }

    /// Its traffic class.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// assert_eq!(route.class(), Standard);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn class(&self) -> ClassId {
        self.settings.class.unwrap_or_default()
    }

    /// How long a request may take; none where it may take for ever.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// assert_eq!(route.deadline(routes.classes()), Some(100.millis().into()));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn deadline(&self, classes: &ClassTable) -> Option<Nanos> {
        match self.settings.deadline {
            Deadline::OfClass => Some(classes.class(self.class()).deadline),
            Deadline::After(length) => Some(length),
            Deadline::Never => None,
        }
    }

    /// Whether the deadline is that of its class, so that its requests queue in order.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// assert!(route.has_class_deadline());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn has_class_deadline(&self) -> bool {
        self.settings.deadline == Deadline::OfClass
    }

    /// From when on a request is slow: what was said, else half its deadline, else never.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// assert_eq!(route.slow_after(routes.classes()), Some(50.millis().into()));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn slow_after(&self, classes: &ClassTable) -> Option<Nanos> {
        let half = |length: Nanos| Nanos(length.as_u64() / 2);
        (self.settings.slow_after).or_else(|| self.deadline(classes).map(half))
    }

    /// What becomes of a request's content.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// assert_eq!(route.body_mode(), cutaway::step::BodyMode::None);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn body_mode(&self) -> BodyMode {
        match self.body {
            BodyUse::None => BodyMode::None,
            BodyUse::Buffered(_) => BodyMode::Buffered,
            BodyUse::Streamed => BodyMode::Streamed,
        }
    }

    /// What its slots take the content as; none where it has no slot of it.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// assert!(route.body_format().is_none());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn body_format(&self) -> Option<BodyFormat> {
        match self.body {
            BodyUse::None | BodyUse::Streamed => None,
            BodyUse::Buffered(format) => Some(format),
        }
    }

    /// The largest content of a request; none where the engine's limit says so.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// assert_eq!(route.body_bytes_max(), None);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn body_bytes_max(&self) -> Option<u64> {
        self.settings.body_bytes_max
    }

    /// How many steps it has.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// assert_eq!(route.steps_count(), 1);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn steps_count(&self) -> usize {
        self.steps.len()
    }

    /// The name of a step: its path. Empty where there is no such step.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// assert!(route.step_name(0).ends_with("show"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn step_name(&self, step: u16) -> &'static str {
        (self.steps.get(usize::from(step))).map_or("", |step| step.name)
    }

    /// What a step reads, writes and uses, by name.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # slot!(pub Id: i64 = path "id");
    /// # fn show(cx: &mut Cx<Reads<Id>>) -> Step { cx.json(cx.get(Id)) }
    /// let routes = Routes::new().get("/posts/{id}", chain(show)).build()?;
    /// let route = &routes.routes()[0];
    /// let step = route.contract(0).unwrap();
    /// assert_eq!(step.reads().collect::<Vec<_>>(), ["Id"]);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn contract(&self, step: u16) -> Option<Contract<'_>> {
        self.steps.get(usize::from(step)).map(Contract)
    }

    /// What each step reads, writes and uses, in order.
    pub(crate) fn contracts(&self) -> impl Iterator<Item = Contract<'_>> {
        self.steps.iter().map(Contract)
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
        for step in self.steps.get(usize::from(*at)..).unwrap_or_default() {
            observer.step_start(*at);
            let decided = self.run_step(step, frame);
            if let Some(stop) = end_step(decided, at, observer)? {
                return Ok(stop);
            }
        }
        Err(self.unanswered())
    }

    #[inline]
    fn run_step(&self, step: &PlacedStep, frame: &Frame) -> Result<Decision, Failure> {
        for extract in &step.extracts {
            extract.fill(frame)?;
        }
        // What the extractors have touched is not the step's own doing.
        frame.touched().take();
        let decision = step.step.call(frame)?;
        step.usage.note(frame.touched().take());
        self.keeps_contract(step.name, step.slots_to_write, frame, decision)
    }

    /// The decision of a step, or of a continuation in its place, unless it breaks what the step's
    /// type promises.
    #[inline]
    fn keeps_contract(
        &self,
        name: &'static str,
        writes: u64,
        frame: &Frame,
        decision: Decision,
    ) -> Result<Decision, Failure> {
        let is_kept = match decision {
            Decision::Continue => frame.holds(writes) && frame.marks() == Marks::of_needs(0),
            // An answer ends the request, and effects fill their slots later.
            Decision::Done => frame.marks() == Marks::of_needs(0),
            Decision::Need => frame.marks() == Marks::of_needs(1),
        };
        if is_kept {
            Ok(decision)
        } else {
            Err(self.broken(name, writes, frame, decision))
        }
    }

    /// What the step at `at` waited for has filled its slots: runs its continuation in its place, if it
    /// has one. None where the next step follows at once.
    fn resume_step<O: StepObserver>(
        &self,
        frame: &Frame,
        at: &mut u16,
        observer: &mut O,
    ) -> Result<Option<Stop>, Failure> {
        let step = (self.steps.get(usize::from(*at))).ok_or_else(|| self.unanswered())?;
        if let Some(bit) = frame.marks().put_twice() {
            return Err(self.put_twice(step.name, bit));
        }
        let writes = step.slots_to_write;
        let Some(continuation) = frame.take_need().and_then(|need| need.continuation) else {
            if !frame.holds(writes) {
                return Err(self.not_put(step.name, writes, frame));
            }
            *at += 1;
            return Ok(None);
        };
        if !frame.holds(continuation.reads()) {
            return Err(self.not_put(continuation.name, continuation.reads(), frame));
        }
        observer.step_start(*at);
        let decided = (continuation.call(frame)).and_then(|decision| {
            step.usage.note(frame.touched().take());
            self.keeps_contract(continuation.name, writes, frame, decision)
        });
        end_step(decided, at, observer)
    }

    /// What a step has broken.
    #[cold]
    fn broken(
        &self,
        name: &'static str,
        writes: u64,
        frame: &Frame,
        decision: Decision,
    ) -> Failure {
        let marks = frame.marks();
        if let Some(bit) = marks.put_twice() {
            return self.put_twice(name, bit);
        }
        let words = match (decision, marks.needs_count(), marks.need_fault()) {
            (Decision::Need, 0, _) => format_args!("decided Need without an effect"),
            (Decision::Need, 1, Some(NeedFault::TooMany)) => {
                format_args!("asked for more than {EFFECTS_PER_NEED_MAX} effects at once")
            }
            (Decision::Need, 1, Some(NeedFault::EmptyRace)) => {
                format_args!("asked for a race without effects")
            }
            (Decision::Need, ..) => format_args!("called cx.need more than once"),
            (_, 1.., _) => format_args!("did not return what cx.need gave"),
            _ => return self.not_put(name, writes, frame),
        };
        Failure::contract(name, words)
    }

    #[cold]
    fn put_twice(&self, name: &'static str, bit: u8) -> Failure {
        let slot = self.plan.slot_name(bit);
        Failure::contract(name, format_args!("slot `{slot}` was put twice"))
    }

    /// The first of these slots that is missing.
    #[cold]
    fn not_put(&self, name: &'static str, slots: u64, frame: &Frame) -> Failure {
        let slot = self.plan.first_missing(frame, slots).unwrap_or("");
        Failure::contract(name, format_args!("slot `{slot}` was not put"))
    }

    #[cold]
    fn unanswered(&self) -> Failure {
        let last = self.steps.last().map_or("", |step| step.name);
        Failure::contract(last, format_args!("no step of the pipeline answered"))
    }
}

/// What a step declares a slot for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Declared {
    /// It stands in `Reads<..>`.
    ToRead,
    /// It stands in `Writes<..>`.
    ToWrite,
}

impl Declared {
    /// The clause of the step's signature.
    ///
    /// ```
    /// use cutaway::step::Declared;
    ///
    /// assert_eq!(Declared::ToRead.clause(), "Reads");
    /// ```
    pub fn clause(self) -> &'static str {
        match self {
            Declared::ToRead => "Reads",
            Declared::ToWrite => "Writes",
        }
    }
}

/// What a step reads, writes and uses.
#[derive(Clone, Copy)]
pub struct Contract<'p>(&'p PlacedStep);

impl<'p> Contract<'p> {
    /// The step's name.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Id: i64 = path "id");
    /// # slot!(pub Post: (i64,));
    /// fn load(cx: &mut Cx<Reads<Id>, Writes<Post>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(Id);
    ///     cx.need(cx.on(Blog).query_one("SELECT id FROM posts WHERE id = ?1").bind(id).into(Post))
    /// }
    ///
    /// let routes = Routes::new()
    ///     .resource(Blog, Sqlite::open("blog.db"))
    ///     .get("/posts/{id}", chain(load))
    ///     .build()?;
    /// let step = routes.routes()[0].contract(0).unwrap();
    /// assert!(step.name().ends_with("load"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The slots it reads.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Id: i64 = path "id");
    /// # slot!(pub Post: (i64,));
    /// fn load(cx: &mut Cx<Reads<Id>, Writes<Post>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(Id);
    ///     cx.need(cx.on(Blog).query_one("SELECT id FROM posts WHERE id = ?1").bind(id).into(Post))
    /// }
    ///
    /// let routes = Routes::new()
    ///     .resource(Blog, Sqlite::open("blog.db"))
    ///     .get("/posts/{id}", chain(load))
    ///     .build()?;
    /// let step = routes.routes()[0].contract(0).unwrap();
    /// assert_eq!(step.reads().collect::<Vec<_>>(), ["Id"]);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn reads(self) -> impl Iterator<Item = &'static str> + 'p {
        self.0.reads.iter().map(|slot| slot.name)
    }

    /// The slots it writes.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Id: i64 = path "id");
    /// # slot!(pub Post: (i64,));
    /// fn load(cx: &mut Cx<Reads<Id>, Writes<Post>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(Id);
    ///     cx.need(cx.on(Blog).query_one("SELECT id FROM posts WHERE id = ?1").bind(id).into(Post))
    /// }
    ///
    /// let routes = Routes::new()
    ///     .resource(Blog, Sqlite::open("blog.db"))
    ///     .get("/posts/{id}", chain(load))
    ///     .build()?;
    /// let step = routes.routes()[0].contract(0).unwrap();
    /// assert_eq!(step.writes().collect::<Vec<_>>(), ["Post"]);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn writes(self) -> impl Iterator<Item = &'static str> + 'p {
        self.0.writes.iter().map(|slot| slot.name)
    }

    pub(crate) fn read_slots(self) -> &'p [SlotMeta] {
        &self.0.reads
    }

    pub(crate) fn write_slots(self) -> &'p [SlotMeta] {
        &self.0.writes
    }

    /// The slots it declares and has touched in no request so far, reads before writes. Empty where
    /// it has not run without a failure yet, and in release builds, which do not count.
    pub(crate) fn untouched_slots(self) -> impl Iterator<Item = (Declared, &'p SlotMeta)> {
        let PlacedStep {
            reads,
            writes,
            step,
            usage,
            ..
        } = self.0;
        let slots = (reads.iter().map(|slot| (Declared::ToRead, slot)))
            .chain(writes.iter().map(|slot| (Declared::ToWrite, slot)));
        let touched = usage.touched().unwrap_or(u64::MAX);
        (slots.zip(step.reach().slots()))
            .filter(move |(_, bit)| touched & bit == 0)
            .map(|(slot, _)| slot)
    }

    /// The resources it uses.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Id: i64 = path "id");
    /// # slot!(pub Post: (i64,));
    /// fn load(cx: &mut Cx<Reads<Id>, Writes<Post>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(Id);
    ///     cx.need(cx.on(Blog).query_one("SELECT id FROM posts WHERE id = ?1").bind(id).into(Post))
    /// }
    ///
    /// let routes = Routes::new()
    ///     .resource(Blog, Sqlite::open("blog.db"))
    ///     .get("/posts/{id}", chain(load))
    ///     .build()?;
    /// let step = routes.routes()[0].contract(0).unwrap();
    /// assert_eq!(step.uses().collect::<Vec<_>>(), ["Blog"]);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn uses(self) -> impl Iterator<Item = &'static str> + 'p {
        self.0.uses.iter().map(|resource| resource.name)
    }
}

enum Stop {
    Done,
    Need,
    Paused,
}

/// Tells the observer how the step ended; none where the next one follows at once.
#[inline]
fn end_step<O: StepObserver>(
    decided: Result<Decision, Failure>,
    at: &mut u16,
    observer: &mut O,
) -> Result<Option<Stop>, Failure> {
    match decided {
        Ok(Decision::Continue) => {
            let index = *at;
            *at += 1;
            let go = observer.step_end(index, StepEnd::Continue);
            Ok((go == Go::Pause).then_some(Stop::Paused))
        }
        Ok(Decision::Done) => {
            observer.step_end(*at, StepEnd::Done);
            Ok(Some(Stop::Done))
        }
        Ok(Decision::Need) => {
            observer.step_end(*at, StepEnd::Need);
            Ok(Some(Stop::Need))
        }
        Err(failure) => {
            observer.step_end(*at, StepEnd::Failed);
            Err(failure)
        }
    }
}

impl Context {
    /// Runs steps until the request is done, has failed, waits, or pauses. One panic is caught a
    /// run; it fails this request only.
    ///
    /// # Panics
    /// The route is not the one the request was begun with, or the request waits for effects.
    #[inline]
    pub fn run<O: StepObserver>(&mut self, route: &Route, observer: &mut O) -> Outcome {
        self.frame.assert_plan(route.plan());
        assert!(
            self.frame.marks().needs_count() == 0,
            "a request that waits is resumed"
        );
        let (frame, at) = (&self.frame, &mut self.at);
        let ran = caught(|| route.run_steps(frame, at, observer));
        self.outcome_of(ran, route, observer)
    }

    /// Takes what the effects gave that the request waits for, in their order: none for one that has
    /// failed or was cancelled, as the need allows it. Decodes it into the slots, and goes on with the
    /// continuation or the next step. Buffers stay with the request until its end.
    ///
    /// A need that has failed is not resumed, but [failed](Context::fail).
    ///
    /// # Panics
    /// The route is not the one the request was begun with, or the request does not wait.
    pub fn resume<O: StepObserver>(
        &mut self,
        route: &Route,
        results: impl IntoIterator<Item = Option<EffectResult>>,
        observer: &mut O,
    ) -> Outcome {
        self.frame.assert_plan(route.plan());
        assert!(
            self.frame.marks().needs_count() > 0,
            "a request that does not wait is run"
        );
        let frame = &mut self.frame;
        // Apart from the run: a decoder's panic is no step's.
        match caught(|| frame.complete(results)) {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => return self.fail(route, failure),
            Err(panic) => return self.fail_in_step(route, panic),
        }
        let (frame, at) = (&self.frame, &mut self.at);
        let ran = caught(|| route.resume_step(frame, at, observer));
        match ran.map(Result::transpose).transpose() {
            None => self.run(route, observer),
            Some(ran) => self.outcome_of(ran, route, observer),
        }
    }

    #[inline]
    fn outcome_of<O: StepObserver>(
        &mut self,
        ran: Result<Result<Stop, Failure>, Panic>,
        route: &Route,
        observer: &mut O,
    ) -> Outcome {
        match ran {
            Ok(Ok(Stop::Done)) => Outcome::Done,
            Ok(Ok(Stop::Need)) => Outcome::Need,
            Ok(Ok(Stop::Paused)) => Outcome::Paused,
            Ok(Err(failure)) => self.fail(route, failure),
            Err(panic) => {
                observer.step_end(self.at, StepEnd::Panicked);
                self.fail_in_step(route, panic)
            }
        }
    }

    /// A panic in the step, or in what belongs to it: an extractor, a decoder.
    #[cold]
    fn fail_in_step(&mut self, route: &Route, panic: Panic) -> Outcome {
        let failure = panic.into_failure(route.step_name(self.at));
        self.fail_by_panic(route, failure)
    }
}

#[cfg(test)]
mod tests;
