//! One step or one chain, without a shard.

use serde::Serialize;

use super::content;
use crate::ctx::{
    Arena, Clauses, Context, Cx, Frame, Owned, Plan, Reads, RequestParts, Slot, SlotMeta, Value,
    Writes,
};
use crate::effect::EffectRecord;
use crate::http::{FieldSpan, Method, Span};
use crate::response::{ResponseView, problem};
use crate::route::Params;
use crate::step::{
    ChainSettings, Contract, Decision, Declared, Entry, Failure, Go, IntoStep, Outcome, Route,
    RouteParts, StepEnd, StepObserver,
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
        self.field("Content-Type", content::JSON)
            .body(content::json(value))
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
        self.field("Content-Type", content::FORM)
            .body(content::form(fields))
    }

    /// Text, and its Content-Type.
    pub fn text(self, text: &str) -> Test {
        self.field("Content-Type", content::TEXT).body(text)
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

    /// The slots in the step's `Reads` that this run of it did not read. Empty where it failed, and in
    /// release builds, which do not count.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// slot!(pub User: String);
    /// slot!(pub Rights: u32);
    ///
    /// fn greet(cx: &mut Cx<Reads<(User, Rights)>>) -> Step {
    ///     let user = cx.get(User);
    ///     cx.text(user)
    /// }
    ///
    /// let tested = testing::get("/").put(User, "ann".to_owned()).put(Rights, 1).run(greet);
    /// assert!(!cfg!(debug_assertions) || tested.unread() == ["Rights"]);
    /// ```
    pub fn unread(&self) -> Vec<&'static str> {
        let untouched = self.route.contracts().flat_map(Contract::untouched_slots);
        untouched
            .filter(|(declared, _)| *declared == Declared::ToRead)
            .map(|(_, slot)| slot.name)
            .collect()
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
