//! One step or one chain, without a shard.

mod head;
mod play;
mod tested;

use std::collections::VecDeque;

use serde::Serialize;

pub use tested::Tested;

use super::content;
use crate::ctx::{Arena, Clauses, Context, Cx, Frame, Owned, Plan, Slot, SlotMeta, Value, Writes};
use crate::effect::sqlite::scripted::{Script, ScriptedAnswer, ScriptedStatement};
use crate::effect::{Operation, ResourceMeta};
use crate::http::Method;
use crate::limits::Limits;
use crate::response::problem;
use crate::route::table::param_names;
use crate::route::{Found, TableBuilder};
use crate::step::{
    Chain, ChainSettings, Entry, Failure, Go, IntoStep, NeedRecord, Outcome, Route, RouteParts,
    StepEnd, StepObserver,
};
use head::Head;
use play::{Content, Play, Played};

/// A GET request for this target.
///
/// ```
/// # use cutaway::prelude::*;
/// use cutaway::testing;
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.text("hello")
/// }
///
/// assert_eq!(testing::get("/hello").run(hello).text(), "hello");
/// ```
pub fn get(target: &str) -> Test {
    request(Method::Get, target)
}

/// A POST request for this target.
///
/// ```
/// # use cutaway::prelude::*;
/// use cutaway::testing;
///
/// slot!(pub Name: String = body text);
///
/// fn greet(cx: &mut Cx<Reads<Name>>) -> Step {
///     let name = cx.get(Name);
///     cx.text(&format!("hello {name}"))
/// }
///
/// assert_eq!(testing::post("/hello").text("ann").run(greet).text(), "hello ann");
/// ```
pub fn post(target: &str) -> Test {
    request(Method::Post, target)
}

/// A request for this target.
///
/// ```
/// # use cutaway::prelude::*;
/// use cutaway::http::Method;
/// use cutaway::testing;
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.text(cx.request().method().name())
/// }
///
/// assert_eq!(testing::request(Method::Delete, "/hello").run(hello).text(), "DELETE");
/// ```
pub fn request(method: Method, target: &str) -> Test {
    Test {
        method,
        target: target.to_owned(),
        params: Vec::new(),
        fields: Vec::new(),
        body: Vec::new(),
        given: Vec::new(),
        puts: Vec::new(),
        answers: VecDeque::new(),
        script: None,
    }
}

/// A request that is being made up, with what earlier steps would have put.
#[must_use = "a test does nothing until `run` or `run_chain`"]
pub struct Test {
    method: Method,
    target: String,
    params: Vec<(&'static str, String)>,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
    given: Vec<SlotMeta>,
    puts: Vec<Put>,
    answers: VecDeque<ScriptedAnswer>,
    script: Option<Answering>,
}

type Put = Box<dyn FnOnce(&Plan, &Frame)>;

type Answering = Box<dyn FnMut(&ScriptedStatement<'_>) -> ScriptedAnswer>;

impl Test {
    /// A path parameter, as the pattern would have found it.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// slot!(pub Id: i64 = path "id");
    ///
    /// fn show(cx: &mut Cx<Reads<Id>>) -> Step {
    ///     cx.json(cx.get(Id))
    /// }
    ///
    /// assert_eq!(testing::get("/posts/7").param("id", "7").run(show).text(), "7");
    /// ```
    pub fn param(mut self, name: &'static str, text: impl Into<String>) -> Test {
        self.params.push((name, text.into()));
        self
    }

    /// A field line.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// slot!(pub Agent<'r>: &'r str = header "user-agent");
    ///
    /// fn show(cx: &mut Cx<Reads<Agent>>) -> Step {
    ///     cx.text(cx.get(Agent))
    /// }
    ///
    /// assert_eq!(testing::get("/").field("User-Agent", "curl/8").run(show).text(), "curl/8");
    /// ```
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> Test {
        self.fields.push((name, value.into()));
        self
    }

    /// The content. Say what it is with [`field`](Test::field), or send it by
    /// [`json`](Test::json), [`form`](Test::form) or [`text`](Test::text).
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// slot!(pub Sent<'r>: &'r [u8] = body bytes);
    ///
    /// fn count(cx: &mut Cx<Reads<Sent>>) -> Step {
    ///     cx.json(&cx.get(Sent).len())
    /// }
    ///
    /// assert_eq!(testing::post("/").body([0_u8; 7]).run(count).text(), "7");
    /// ```
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
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// slot!(pub Sent<'r>: &'r str = body text);
    ///
    /// fn echo(cx: &mut Cx<Reads<Sent>>) -> Step {
    ///     cx.text(cx.get(Sent))
    /// }
    ///
    /// assert_eq!(testing::post("/").text("ann").run(echo).text(), "ann");
    /// ```
    pub fn text(self, text: &str) -> Test {
        self.field("Content-Type", content::TEXT).body(text)
    }

    /// The value of an owned slot that the step reads.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// slot!(pub User: String);
    ///
    /// fn greet(cx: &mut Cx<Reads<User>>) -> Step {
    ///     cx.text(cx.get(User))
    /// }
    ///
    /// assert_eq!(testing::get("/").put(User, "ann".to_owned()).run(greet).text(), "ann");
    /// ```
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

    /// The path parameters, as this pattern finds them in the target.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// slot!(pub Id: i64 = path "id");
    ///
    /// fn show(cx: &mut Cx<Reads<Id>>) -> Step {
    ///     cx.json(cx.get(Id))
    /// }
    ///
    /// assert_eq!(testing::get("/posts/7").pattern("/posts/{id}").run(show).text(), "7");
    /// ```
    ///
    /// # Panics
    /// The target does not match, or the pattern is malformed.
    #[track_caller]
    pub fn pattern(mut self, pattern: &'static str) -> Test {
        let mut table = TableBuilder::new();
        table.add(self.method, pattern, ());
        let table = table
            .build()
            .unwrap_or_else(|errors| panic!("{}", errors[0]));
        let path = self.target.split('?').next().unwrap_or_default();
        let Found::Route { params, .. } = table.find_escaped(self.method, path.as_bytes()) else {
            panic!("`{path}` does not match `{pattern}`");
        };
        let texts = params.spans().iter().map(|span| {
            let raw = span.of(path.as_bytes());
            String::from_utf8_lossy(raw).into_owned()
        });
        self.params
            .extend(param_names(pattern).into_iter().zip(texts));
        self
    }

    /// Answers the next statement that is asked for; called again, the one after it. Without a delay
    /// the answer comes at once.
    ///
    /// An effect that is answered completes: its result is decoded into its slot, and the next step
    /// runs, if there is one. Where the answers are used up, the [script](Test::script) is asked; and
    /// without one it ends there: the request waits.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing::{self, ScriptedAnswer};
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Title<'r>: Option<(&'r str,)>);
    ///
    /// fn load(cx: &mut Cx<Writes<Title>, Uses<Blog>>) -> Step {
    ///     cx.need(cx.on(Blog).query_opt("SELECT title FROM posts").into(Title))
    /// }
    ///
    /// let tested = testing::get("/").answer(ScriptedAnswer::row(("First",))).run(load);
    /// assert_eq!(tested.decision(), Ok(Decision::Continue));
    /// assert_eq!(tested.slot(Title, |title| title.unwrap().0 == "First"), Some(true));
    ///
    /// let tested = testing::get("/").answer(ScriptedAnswer::none()).run(load);
    /// assert_eq!(tested.slot(Title, |title| title.is_none()), Some(true));
    /// ```
    pub fn answer(mut self, answer: ScriptedAnswer) -> Test {
        self.answers.push_back(answer);
        self
    }

    /// Answers every statement with what this function says.
    ///
    /// ```
    /// use cutaway::effect::SqlValue;
    /// use cutaway::prelude::*;
    /// use cutaway::testing::{self, ScriptedAnswer};
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub PostId: i64 = path "id");
    /// slot!(pub Title<'r>: Option<(&'r str,)>);
    ///
    /// fn load(cx: &mut Cx<Reads<PostId>, Writes<Title>, Uses<Blog>>) -> Step {
    ///     let id = *cx.get(PostId);
    ///     cx.need(cx.on(Blog).query_opt("SELECT title FROM posts WHERE id = ?1").bind(id).into(Title))
    /// }
    ///
    /// fn show(cx: &mut Cx<Reads<Title>>) -> Step {
    ///     let (title,) = cx.get(Title).or_fail(NotFound, "post", cx.param("id"))?;
    ///     cx.text(title)
    /// }
    ///
    /// let test = |target| {
    ///     testing::get(target).pattern("/posts/{id}").script(|statement| match statement.params {
    ///         [SqlValue::Int(7)] => ScriptedAnswer::row(("First",)),
    ///         _ => ScriptedAnswer::none(),
    ///     })
    /// };
    /// assert_eq!(test("/posts/7").run_chain(chain(load).then(show)).text(), "First");
    /// test("/posts/8").run_chain(chain(load).then(show)).assert_fails(NotFound, "post", "8");
    /// ```
    pub fn script(
        mut self,
        script: impl FnMut(&ScriptedStatement<'_>) -> ScriptedAnswer + 'static,
    ) -> Test {
        self.script = Some(Box::new(script));
        self
    }

    /// Runs the step. Where it asks for effects and all of them are [answered](Test::answer), they
    /// complete, and its continuation runs, if it named one.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// fn hello(cx: &mut Cx) -> Step {
    ///     cx.text("hello")
    /// }
    ///
    /// let tested = testing::get("/hello").run(hello);
    /// assert_eq!(tested.decision(), Ok(Decision::Done));
    /// ```
    ///
    /// # Panics
    /// A slot that the step reads was not put, or one was put that it does not read.
    #[track_caller]
    pub fn run<F, A, B, C, R>(self, step: F) -> Tested
    where
        F: for<'a, 'r> Fn(&'a mut Cx<'r, A, B, C>) -> R + Send + Sync + 'static,
        R: IntoStep + 'static,
        (A, B, C): Clauses,
    {
        // Behind the step stands one that is never gone beyond, so that to continue is no fall off
        // the end.
        let entries = vec![Entry::of(step), Entry::of::<_, (), (), (), ()>(end)];
        self.run_entries(entries, 1, Go::Pause)
    }

    /// Runs a chain from its first step to its answer, its failure, or an effect that nobody
    /// [answers](Test::answer). Where it only waits for timers, their time passes by itself.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing::{self, ScriptedAnswer};
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub User: String);
    /// slot!(pub Count: (i64,));
    ///
    /// fn count(cx: &mut Cx<Reads<User>, Writes<Count>, Uses<Blog>>) -> Step {
    ///     let user = cx.get(User);
    ///     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts WHERE author = ?1").bind(user).into(Count))
    /// }
    ///
    /// fn show(cx: &mut Cx<Reads<(User, Count)>>) -> Step {
    ///     let text = format!("{} has {} posts", cx.get(User), cx.get(Count).0);
    ///     cx.text(&text)
    /// }
    ///
    /// let tested = testing::get("/mine")
    ///     .put(User, "ann".to_owned())
    ///     .answer(ScriptedAnswer::row((3,)))
    ///     .run_chain(given::<User>().then(count).then(show));
    /// assert_eq!(tested.decision(), Ok(Decision::Done));
    /// assert_eq!(tested.text(), "ann has 3 posts");
    /// assert_eq!(tested.steps().len(), 2);
    /// ```
    ///
    /// # Bounds
    /// A request asks for effects no more often than the default
    /// [limits](crate::limits::Limits::needs_per_request_max) have it. A chain's class, its deadline and
    /// the bound of its content are kept by its shard, and so by an [`App`](super::App).
    ///
    /// # Panics
    /// A slot that the chain expects was not put, or one was put that it does not read; the chain is
    /// empty.
    #[track_caller]
    pub fn run_chain<G, Theirs, Own>(self, chain: Chain<G, Theirs, Own>) -> Tested {
        self.run_entries(chain.entries, 0, Go::On)
    }

    #[track_caller]
    fn run_entries(mut self, entries: Vec<Entry>, own_steps_count: usize, go: Go) -> Tested {
        let mut resources: Vec<ResourceMeta> = Vec::new();
        for used in entries.iter().flat_map(|entry| &entry.uses) {
            if !resources.iter().any(|known| known.id == used.id) {
                resources.push(*used);
            }
        }
        let parts = RouteParts {
            method: self.method,
            pattern: "a test",
            params: self.params.iter().map(|(name, _)| *name).collect(),
            settings: ChainSettings::default(),
            entries,
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
        let (mut answers, mut script) = (self.answers, self.script.take());
        let has_answers = !answers.is_empty() || script.is_some();
        let script = Script::new(move |statement| {
            let next = answers.pop_front();
            let asked = next.or_else(|| script.as_mut().map(|script| script(statement)));
            asked.unwrap_or_else(ScriptedAnswer::never)
        });
        let mut observer = Ran {
            steps: Vec::new(),
            go,
        };
        let mut outcome = context.run(&route, &mut observer);
        let content = Content {
            media_type: (self.fields.iter())
                .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
                .map(|(_, value)| value.clone().into_bytes()),
            bytes: self.body,
        };
        let mut play = Play::new(&resources, &script, content);
        let needs_max = Limits::default().needs_per_request_max;
        let mut needs_count = 0;
        while outcome == Outcome::Need
            && let Some(need) = context.need()
            // Time passes for a whole chain, and its content is there, without a script.
            && (has_answers || go == Go::On && !asks_a_database(&need))
        {
            needs_count += 1;
            if needs_count > needs_max {
                // What goes round in circles would do so for ever.
                let step = route.step_name(context.step());
                outcome = context.fail(&route, Failure::needs_too_often(step, needs_max));
                break;
            }
            match play.play(&need, route.step_name(context.step())) {
                Played::Results(results) => {
                    outcome = context.resume(&route, results, &mut observer);
                }
                Played::Failed(failure) => outcome = context.fail(&route, failure),
                Played::Stuck => break,
            }
        }
        Tested {
            context,
            route,
            outcome,
            ran: observer.steps,
            own_steps_count,
        }
    }
}

fn asks_a_database(need: &NeedRecord<'_>) -> bool {
    let mut effects = need.effects.iter();
    effects.any(|effect| matches!(effect.operation, Operation::Sqlite { .. }))
}

fn end(_: &mut Cx) {}

/// Notes which steps run.
struct Ran {
    steps: Vec<u16>,
    /// What comes after a step that continues.
    go: Go,
}

impl StepObserver for Ran {
    fn step_start(&mut self, step: u16) {
        self.steps.push(step);
    }

    fn step_end(&mut self, _: u16, _: StepEnd) -> Go {
        self.go
    }
}

const ARENA_BYTES: usize = 4096;
