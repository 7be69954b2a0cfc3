//! Where a request's time went, for a test to look at.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::server::RouteNames;
use crate::timeline::{KeptRecord, Mark, MarkKind, Names, SpanKind, Stage, render, spans};

/// The timeline of one request that has ended. All lengths are of virtual time, so they are exact.
///
/// It is printed as the engine prints it.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing::{self, App};
/// use cutaway::timeline::Stage;
///
/// fn think(cx: &mut Cx) -> Step {
///     testing::spend(3.millis());
///     cx.text("done")
/// }
///
/// let app = App::new(Routes::new().get("/think", chain(think)).build()?);
/// let response = app.get("/think").send();
/// let timeline = response.timeline();
/// assert_eq!(timeline.stage(Stage::Run), 3.millis());
/// assert_eq!(timeline.total(), 3.millis());
/// timeline.assert_stages(&[(Stage::Run, 3.millis())]);
/// assert!(timeline.to_string().starts_with("GET /think"));
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
#[derive(Clone)]
pub struct RequestTimeline {
    record: Rc<KeptRecord>,
    names: Rc<RouteNames>,
}

impl RequestTimeline {
    pub(super) fn new(record: Rc<KeptRecord>, names: Rc<RouteNames>) -> RequestTimeline {
        RequestTimeline { record, names }
    }

    /// The request's method.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// let timeline = response.timeline();
    /// assert_eq!(timeline.method(), "GET");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn method(&self) -> &str {
        self.record.method
    }

    /// The path it asked for, or its beginning.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// let timeline = response.timeline();
    /// assert_eq!(timeline.path(), "/hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn path(&self) -> String {
        String::from_utf8_lossy(self.record.path()).into_owned()
    }

    /// The status of its reply; zero where none was encoded.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// let timeline = response.timeline();
    /// assert_eq!(timeline.status(), 200);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn status(&self) -> u16 {
        self.record.status
    }

    /// Its whole time, from its first byte to its last.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// let timeline = response.timeline();
    /// assert_eq!(timeline.total(), 3.millis());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.record.total_ns())
    }

    /// How long it was in this stage, all times together.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// use cutaway::timeline::Stage;
    ///
    /// let response = app.get("/hello").send();
    /// let timeline = response.timeline();
    /// assert_eq!(timeline.stage(Stage::Run), 3.millis());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn stage(&self, stage: Stage) -> Duration {
        Duration::from_nanos(self.record.sums[stage as usize])
    }

    /// Its steps, in the order in which they ran.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// let timeline = response.timeline();
    /// assert_eq!(timeline.steps()[0].length, 3.millis());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn steps(&self) -> Vec<TimedStep<'_>> {
        let steps = spans(self.record.marks()).filter(|span| span.kind == SpanKind::Step);
        steps
            .map(|span| TimedStep {
                name: (self.record.route)
                    .and_then(|route| self.names.step(route, span.which))
                    .unwrap_or_default(),
                index: span.which,
                started_after: Duration::from_nanos(span.from_ns),
                length: Duration::from_nanos(span.len_ns()),
            })
            .collect()
    }

    /// Its effects, in the order in which they were submitted.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing::{App, ScriptedAnswer};
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub One: (i64,));
    ///
    /// fn load(cx: &mut Cx<Writes<One>, Uses<Blog>>) -> Step {
    ///     let queries = ["SELECT 1", "SELECT 2"].map(|sql| cx.on(Blog).query_one(sql));
    ///     cx.need(first(queries).into(One))
    /// }
    ///
    /// fn show(cx: &mut Cx<Reads<One>>) -> Step {
    ///     cx.json(&cx.get(One).0)
    /// }
    ///
    /// let routes = Routes::new()
    ///     .resource(Blog, Sqlite::open("blog.db"))
    ///     .get("/one", chain(load).then(show))
    ///     .build()?;
    /// let app = App::new(routes);
    /// app.script(Blog, |statement| match statement.sql {
    ///     "SELECT 1" => ScriptedAnswer::row((1,)).after(9.millis()),
    ///     _ => ScriptedAnswer::row((2,)).after(4.millis()),
    /// });
    /// let response = app.get("/one").send();
    /// assert_eq!(response.text(), "2");
    /// let effects = response.timeline().effects();
    /// assert_eq!(effects[0].let_go_after, Some(4.millis()));
    /// assert_eq!(effects[1].run(), Some(4.millis()));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn effects(&self) -> Vec<TimedEffect<'_>> {
        let mut effects: Vec<TimedEffect<'_>> = Vec::new();
        for mark in self.record.marks() {
            let at = Duration::from_nanos(mark.since_start().as_u64());
            // The same place may come again in a later need, so the latest one counts.
            let mut latest = effects.iter_mut().rev();
            let effect = latest.find(|effect| effect.which == mark.which());
            match (mark.kind(), effect) {
                (MarkKind::Submitted, _) => effects.push(TimedEffect {
                    which: mark.which(),
                    resource: self.names.resource(mark.argument()).unwrap_or_default(),
                    submitted_after: at,
                    started_after: None,
                    finished_after: None,
                    let_go_after: None,
                }),
                (MarkKind::JobStarted, Some(effect)) => effect.started_after = Some(at),
                (MarkKind::JobFinished | MarkKind::Completed, Some(effect)) => {
                    effect.finished_after = Some(at);
                }
                (MarkKind::LetGo, Some(effect)) => effect.let_go_after = Some(at),
                _ => {}
            }
        }
        effects
    }

    /// Whether this happened.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// use cutaway::timeline::MarkKind;
    ///
    /// let response = app.get("/hello").send();
    /// let timeline = response.timeline();
    /// assert!(timeline.has(MarkKind::Answered));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn has(&self, kind: MarkKind) -> bool {
        self.marks().iter().any(|mark| mark.kind() == kind)
    }

    /// Its marks, all of them moments since its first byte.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// use cutaway::timeline::MarkKind;
    ///
    /// let response = app.get("/hello").send();
    /// let timeline = response.timeline();
    /// assert_eq!(timeline.marks()[0].kind(), MarkKind::ReadFirst);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn marks(&self) -> &[Mark] {
        self.record.marks()
    }

    /// As the exporter gets it.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// let timeline = response.timeline();
    /// assert_eq!(timeline.record().total_ns(), 3_000_000);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn record(&self) -> &KeptRecord {
        &self.record
    }

    /// Checks that the stages tile the request: no moment is in none of them, and none in two.
    ///
    /// Debug builds hold every request to it by themselves.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// let timeline = response.timeline();
    /// timeline.assert_tiles();
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    ///
    /// # Panics
    /// They do not.
    #[track_caller]
    pub fn assert_tiles(&self) -> &RequestTimeline {
        if let Err(violation) = self.record.check() {
            panic!("the stages do not tile the request, {violation}:\n{self}");
        }
        self
    }

    /// Checks that these stages took so long and all others took no time at all, and that they tile
    /// the request.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// use cutaway::timeline::Stage;
    ///
    /// let response = app.get("/hello").send();
    /// let timeline = response.timeline();
    /// timeline.assert_stages(&[(Stage::Run, 3.millis())]);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    ///
    /// # Panics
    /// A stage took another time.
    #[track_caller]
    pub fn assert_stages(&self, expected: &[(Stage, Duration)]) -> &RequestTimeline {
        for stage in Stage::ALL {
            let lengths = expected.iter().filter(|(named, _)| *named == stage);
            let length: Duration = lengths.map(|(_, length)| *length).sum();
            assert!(
                self.stage(stage) == length,
                "{} took {:?}, expected {length:?}:\n{self}",
                stage.name(),
                self.stage(stage),
            );
        }
        self.assert_tiles()
    }
}

impl fmt::Display for RequestTimeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        render(&self.record, &*self.names, &mut text, false);
        f.write_str(&text)
    }
}

/// The printed timeline, and the marks behind it.
impl fmt::Debug for RequestTimeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}{:?}", self.marks())
    }
}

/// One step of a request that has run. Its moments count from the request's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedStep<'t> {
    /// Its path; empty where the request had no route.
    pub name: &'t str,
    /// Its place in the pipeline.
    pub index: u8,
    /// When it began.
    pub started_after: Duration,
    /// How long it ran.
    pub length: Duration,
}

/// One effect of a request. Its moments count from the request's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedEffect<'t> {
    /// Its place in the need.
    pub which: u8,
    /// The resource it went to; empty where it needs none.
    pub resource: &'t str,
    /// When it was submitted.
    pub submitted_after: Duration,
    /// When a worker took it up, where its result was waited for; none for a timer.
    pub started_after: Option<Duration>,
    /// When the worker was done with it, where its result was waited for; or when the timer had come.
    pub finished_after: Option<Duration>,
    /// When nobody waited for it any more: it has lost a race, or taken all the time it had, or
    /// another effect has failed.
    pub let_go_after: Option<Duration>,
}

impl TimedEffect<'_> {
    /// How long the worker had it; none where nobody waited for its result, and for a timer.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::{App, ScriptedAnswer};
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: (i64,));
    /// # fn count(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    /// #     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts").into(Found))
    /// # }
    /// # fn show(cx: &mut Cx<Reads<Found>>) -> Step { cx.json(&cx.get(Found).0) }
    /// # let routes = Routes::new().resource(Blog, Sqlite::open("blog.db")).get("/count", chain(count).then(show));
    /// # let app = App::new(routes.build()?);
    /// app.script(Blog, |_| ScriptedAnswer::row((3,)).after(20.millis()));
    /// let response = app.get("/count").send();
    /// assert_eq!(response.timeline().effects()[0].run(), Some(20.millis()));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn run(&self) -> Option<Duration> {
        Some(self.finished_after?.saturating_sub(self.started_after?))
    }
}
