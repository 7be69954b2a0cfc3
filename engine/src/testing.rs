//! One step, without a socket.
//!
//! ```
//! use cutaway::effect::SqlValue;
//! use cutaway::prelude::*;
//! use cutaway::testing;
//!
//! resource!(pub Blog: Sqlite);
//! slot!(pub Id: i64 = path "id");
//! slot!(pub PostId: i64);
//! slot!(pub Title<'r>: Option<(&'r str,)>);
//!
//! fn by_id(cx: &mut Cx<Reads<Id>, Writes<PostId>>) -> Step {
//!     let id = *cx.get(Id);
//!     if id < 1 {
//!         return fail(BadRequest, "post", "id");
//!     }
//!     cx.put(PostId, id);
//!     Continue
//! }
//!
//! fn load(cx: &mut Cx<Reads<PostId>, Writes<Title>, Uses<Blog>>) -> Step {
//!     let id = *cx.get(PostId);
//!     cx.need(cx.on(Blog).query_opt("SELECT title FROM posts WHERE id = ?1").bind(id).into(Title))
//! }
//!
//! let tested = testing::get("/posts/7").param("id", "7").run(by_id);
//! assert_eq!(tested.decision(), Ok(Decision::Continue));
//! assert_eq!(tested.slot(PostId, |id| *id), Some(7));
//!
//! let tested = testing::get("/posts/0").param("id", "0").run(by_id);
//! assert_eq!(tested.failure().map(|failure| failure.kind()), Some(BadRequest));
//!
//! let tested = testing::get("/posts/7").put(PostId, 7).run(load);
//! assert_eq!(tested.decision(), Ok(Decision::Need));
//! let effect = tested.effect().expect("it asks for one");
//! assert_eq!(effect.sql(), Some("SELECT title FROM posts WHERE id = ?1"));
//! assert_eq!(effect.statements()[0].params, [SqlValue::Int(7)]);
//! ```

pub mod simulation;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::ctx::{
    Arena, Clauses, Context, Cx, Frame, Owned, Plan, Reads, RequestParts, Slot, SlotMeta, Value,
    Writes,
};
use crate::effect::EffectRecord;
use crate::http::{FieldSpan, Method, Span};
use crate::response::{ResponseView, problem};
use crate::route::Params;
use crate::step::{
    ChainSettings, Decision, Entry, Failure, Go, IntoStep, Outcome, Route, RouteParts, StepEnd,
    StepObserver,
};

/// A GET request for this target.
pub fn get(target: &str) -> Test {
    request(Method::Get, target)
}

/// A POST request for this target.
pub fn post(target: &str) -> Test {
    request(Method::Post, target)
}

/// A request for this target.
pub fn request(method: Method, target: &str) -> Test {
    Test {
        method,
        target: target.to_owned(),
        params: Vec::new(),
        fields: Vec::new(),
        body: Vec::new(),
        given: Vec::new(),
        puts: Vec::new(),
    }
}

/// A request that is being made up, with what earlier steps would have put.
#[must_use = "a test does nothing until `run`"]
pub struct Test {
    method: Method,
    target: String,
    params: Vec<(&'static str, String)>,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
    given: Vec<SlotMeta>,
    puts: Vec<Put>,
}

type Put = Box<dyn FnOnce(&Plan, &Frame)>;

impl Test {
    /// A path parameter, as the pattern would have found it.
    pub fn param(mut self, name: &'static str, text: impl Into<String>) -> Test {
        self.params.push((name, text.into()));
        self
    }

    /// A field line.
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> Test {
        self.fields.push((name, value.into()));
        self
    }

    /// The content. Say what it is with [`field`](Test::field), or send it by
    /// [`json`](Test::json), [`form`](Test::form) or [`text`](Test::text).
    pub fn body(mut self, content: impl Into<Vec<u8>>) -> Test {
        self.body = content.into();
        self
    }

    /// A value as JSON, and its Content-Type.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// pub struct Post<'r> { title: &'r str }
    ///
    /// slot!(pub NewPost<'r>: Post<'r> = body json);
    ///
    /// fn create(cx: &mut Cx<Reads<NewPost>>) -> Step {
    ///     cx.text(cx.get(NewPost).title)
    /// }
    ///
    /// let tested = testing::post("/posts").json(&Post { title: "First" }).run(create);
    /// assert_eq!(tested.response().body().as_slice(), b"First");
    /// ```
    ///
    /// # Panics
    /// The value cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Test {
        let content = serde_json::to_vec(value)
            .unwrap_or_else(|error| panic!("the value cannot be written as JSON: {error}"));
        self.content("application/json", content)
    }

    /// Fields as a form sends them, and its Content-Type.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// #[derive(serde::Deserialize)]
    /// pub struct Post<'r> { title: &'r str }
    ///
    /// slot!(pub NewPost<'r>: Post<'r> = body form);
    ///
    /// fn create(cx: &mut Cx<Reads<NewPost>>) -> Step {
    ///     cx.text(cx.get(NewPost).title)
    /// }
    ///
    /// let tested = testing::post("/new").form(&[("title", "this & that")]).run(create);
    /// assert_eq!(tested.response().body().as_slice(), b"this & that");
    /// ```
    pub fn form(self, fields: &[(&str, &str)]) -> Test {
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let pairs: Vec<String> = (fields.iter())
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        self.content("application/x-www-form-urlencoded", pairs.join("&"))
    }

    /// Text, and its Content-Type.
    pub fn text(self, text: &str) -> Test {
        self.content("text/plain; charset=utf-8", text)
    }

    fn content(self, content_type: &'static str, content: impl Into<Vec<u8>>) -> Test {
        self.field("Content-Type", content_type).body(content)
    }

    /// The value of an owned slot that the step reads.
    pub fn put<S, T>(self, slot: S, value: T) -> Test
    where
        S: Slot<Store = Owned<T>>,
        T: 'static,
    {
        self.put_with(slot, |_| value)
    }

    /// The value of a slot that the step reads, made in the request's arena.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// slot!(pub User<'r>: &'r str);
    ///
    /// fn greet(cx: &mut Cx<Reads<User>>) -> Step {
    ///     let user = *cx.get(User);
    ///     cx.text(user)
    /// }
    ///
    /// let tested = testing::get("/").put_with(User, |arena| arena.text("ann")).run(greet);
    /// assert_eq!(tested.response().body().as_slice(), b"ann");
    /// ```
    pub fn put_with<S, V>(mut self, _slot: S, value: V) -> Test
    where
        S: Slot,
        V: for<'r> FnOnce(&'r Arena) -> Value<'r, S> + 'static,
    {
        self.given.push(SlotMeta::of::<S>());
        self.puts.push(Box::new(|plan, frame| {
            let access = plan.access::<(Writes<S>, (), ())>();
            let access = access.unwrap_or_else(|| panic!("the step does not read `{}`", S::NAME));
            frame.enter::<(Writes<S>, (), ()), _>(&access, |window| {
                assert!(!window.has::<S, _>(), "slot `{}` is put twice", S::NAME);
                window.put::<S, _>(value(window.arena()));
            });
        }));
        self
    }

    /// Runs the step.
    ///
    /// # Panics
    /// A slot that the step reads was not put, or one was put that it does not read.
    pub fn run<F, A, B, C, R>(self, step: F) -> Tested
    where
        F: for<'a, 'r> Fn(&'a mut Cx<'r, A, B, C>) -> R + Send + Sync + 'static,
        R: IntoStep + 'static,
        (A, B, C): Clauses,
    {
        let entry = Entry::of(step);
        let resources = entry.uses.clone();
        let parts = RouteParts {
            method: self.method,
            pattern: "a test",
            params: self.params.iter().map(|(name, _)| *name).collect(),
            settings: ChainSettings::default(),
            entries: vec![entry],
            resources: &resources,
            renderer: problem,
        };
        let route = Route::build_given(parts, &self.given).unwrap_or_else(|refusals| {
            let sentences: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            panic!("{}", sentences.join("\n"))
        });
        let mut context = Context::with_capacity(ARENA_BYTES);
        Head::of(&self).begin(&mut context, &route, &self.body);
        for put in self.puts {
            put(route.plan(), &context.frame);
        }
        let outcome = context.run(&route, &mut OneStep);
        Tested {
            context,
            route,
            outcome,
        }
    }
}

/// What became of a step.
pub struct Tested {
    context: Context,
    route: Route,
    outcome: Outcome,
}

impl Tested {
    /// What the step decided.
    ///
    /// # Errors
    /// The failure, where it failed, panicked or broke its contract.
    pub fn decision(&self) -> Result<Decision, &Failure> {
        match &self.outcome {
            Outcome::Paused => Ok(Decision::Continue),
            Outcome::Need => Ok(Decision::Need),
            Outcome::Done => Ok(Decision::Done),
            Outcome::Failed(failure) => Err(failure),
        }
    }

    /// The failure of the request, if it failed.
    pub fn failure(&self) -> Option<&Failure> {
        self.decision().err()
    }

    /// Reads a slot; none where it has no value.
    pub fn slot<S: Slot, T>(
        &self,
        _slot: S,
        read: impl for<'r> FnOnce(&'r Value<'r, S>) -> T,
    ) -> Option<T> {
        let access = (self.route.plan()).access::<(Reads<S>, Writes<S>, ())>()?;
        (self.context.frame).enter::<(Reads<S>, Writes<S>, ()), _>(&access, |window| {
            window.has::<S, _>().then(|| read(window.get::<S, _>()))
        })
    }

    /// The effect that the step asked for.
    pub fn effect(&self) -> Option<EffectRecord<'_>> {
        self.context.effect()
    }

    /// The response: what the step made, or the problem that its failure is rendered as.
    pub fn response(&self) -> ResponseView<'_> {
        self.context.response()
    }
}

/// Pauses after each step, so that a step that continues does not fall off the end.
struct OneStep;

impl StepObserver for OneStep {
    fn step_start(&mut self, _: u16) {}

    fn step_end(&mut self, _: u16, _: StepEnd) -> Go {
        Go::Pause
    }
}

/// A head as it would have come, and where its parts lie. Parameters stand behind it, for a test
/// names them without a pattern.
struct Head {
    bytes: Vec<u8>,
    method: Method,
    target: Span,
    path: Span,
    query: Option<Span>,
    fields: Vec<FieldSpan>,
    params: Params,
}

impl Head {
    fn of(test: &Test) -> Head {
        let mut bytes = Vec::new();
        let mut add = |text: &str| {
            let start = bytes.len();
            bytes.extend_from_slice(text.as_bytes());
            Span::between(start, bytes.len())
        };
        add(test.method.name());
        add(" ");
        let target = add(&test.target);
        add(" HTTP/1.1\r\n");
        let fields = (test.fields.iter())
            .map(|(name, value)| {
                let name = add(name);
                add(": ");
                let value = add(value);
                add("\r\n");
                FieldSpan { name, value }
            })
            .collect();
        add("\r\n");
        let (path_len, has_query) = match test.target.find('?') {
            Some(at) => (at, true),
            None => (test.target.len(), false),
        };
        let path = Span::between(target.start as usize, target.start as usize + path_len);
        let mut params = Params::new();
        for (_, text) in &test.params {
            let mut text = add(text);
            text.start -= path.start;
            params.push(text);
        }
        Head {
            bytes,
            method: test.method,
            target,
            path,
            query: has_query.then(|| Span::between(path.end() + 1, target.end())),
            fields,
            params,
        }
    }

    fn begin(&self, context: &mut Context, route: &Route, body: &[u8]) {
        let parts = RequestParts {
            method: self.method,
            target: self.target,
            path: self.path,
            query: self.query,
            fields: &self.fields,
            params: &self.params,
            body,
        };
        context.begin(route, &self.bytes, &parts);
    }
}

const ARENA_BYTES: usize = 4096;

/// Runs without the panic hook's output. Panics inside are part of a test here.
#[cfg(test)]
pub(crate) fn silenced<T>(run: impl FnOnce() -> T) -> T {
    use std::cell::Cell;
    use std::panic;
    use std::sync::Once;

    thread_local!(static IS_SILENT: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_SILENT.get() {
                loud(info);
            }
        }));
    });
    let was_silent = IS_SILENT.replace(true);
    let ran = panic::catch_unwind(panic::AssertUnwindSafe(run));
    IS_SILENT.set(was_silent);
    ran.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// Runs, and gives the message of a panic.
#[cfg(test)]
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    silenced(|| catch_unwind(AssertUnwindSafe(run))).map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default()
    })
}
