//! A whole service on a simulated machine: requests go in, responses come out, in virtual time.

mod ask;
mod client;
mod machine;
mod peer;
mod scratch;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cutaway_scheduler::Nanos;

pub use ask::Ask;
pub use client::{Client, Pending};
#[cfg(test)]
pub(crate) use scratch::Scratch;

use super::seeds::seed_of_environment;
use super::simulation::{FaultPlan, SimConfig, Simulation};
use super::timeline::RequestTimeline;
use crate::effect::directory::Disk;
use crate::effect::sqlite::scripted::{ScriptedAnswer, ScriptedStatement};
use crate::effect::{Directory, Resource, Sqlite};
use crate::http::Method;
use crate::limits::Limits;
use crate::routes::BuiltRoutes;
use crate::shard::ShardStats;
use machine::{Machine, SetUp, SharedScript};

/// A service with its shard, its databases and its network on a simulated machine.
///
/// What runs is what serves: parsing, routing, the ready queue, the steps, parking, encoding, writing.
/// Only the kernel, the network, the workers' threads and the clock are simulated. The clock stands
/// still unless somebody takes time: a statement that a script delays, a query on a real database, a
/// step that [spends](super::spend) some, or the test that [advances](App::advance) it. A test that
/// waits for seconds takes microseconds, and every length is exact.
///
/// Each database of the routes is a fresh file with the schema it declares, and is removed in the end.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing::App;
///
/// resource!(pub Blog: Sqlite);
/// slot!(pub PostId: i64 = path "id");
/// slot!(pub Post<'r>: Option<(i64, &'r str)>);
///
/// fn load(cx: &mut Cx<Reads<PostId>, Writes<Post>, Uses<Blog>>) -> Step {
///     let id = *cx.get(PostId);
///     cx.need(cx.on(Blog).query_opt("SELECT id, title FROM posts WHERE id = ?1").bind(id).into(Post))
/// }
///
/// fn show(cx: &mut Cx<Reads<Post>>) -> Step {
///     let post = cx.get(Post).as_ref().or_fail(NotFound, "post", cx.param("id"))?;
///     cx.json(post)
/// }
///
/// let schema = "CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT);
///     INSERT INTO posts VALUES (7, 'First');";
/// let routes = Routes::new()
///     .resource(Blog, Sqlite::open("blog.db").schema(schema))
///     .get("/posts/{id}", chain(load).then(show))
///     .build()?;
///
/// let app = App::new(routes);
/// assert_eq!(app.get("/posts/7").send().text(), r#"[7,"First"]"#);
/// app.get("/posts/8").send().assert_status(Status::NOT_FOUND);
/// app.finish();
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
///
/// # Panics
/// Its methods do where the shard breaks an invariant of the [simulation](super::simulation), and
/// where they are called from inside a step or a script.
pub struct App {
    shared: Shared,
    /// By resource.
    scripts: RefCell<BTreeMap<&'static str, SharedScript>>,
    seed: u64,
}

/// What an app shares with its clients.
pub(super) type Shared = Rc<RefCell<State>>;

/// How far an app is.
pub(super) enum State {
    /// Nothing has happened yet; boxed, as the next one.
    SettingUp(Box<SetUp>),
    Running(Box<Machine>),
    Finished,
}

impl App {
    /// A service of these routes, on a machine that stands still.
    ///
    /// The seed is 1, or what `CUTAWAY_SEED` says.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let app = App::new(routes);
    /// app.get("/hello").send().assert_status(Status::OK);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn new(routes: impl Into<Arc<BuiltRoutes>>) -> App {
        let seed = seed_of_environment().unwrap_or(1);
        let set_up = SetUp {
            routes: routes.into(),
            config: SimConfig::still(seed),
            limits: Limits::default(),
            patience: PATIENCE,
            databases: BTreeMap::new(),
        };
        App {
            shared: Rc::new(RefCell::new(State::SettingUp(Box::new(set_up)))),
            scripts: RefCell::default(),
            seed,
        }
    }

    /// Another seed. It decides what happens first where several things happen at a moment, and all
    /// of [`noise`](App::noise) and [`faults`](App::faults).
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let app = App::new(routes).seed(7).noise();
    /// app.get("/hello").send().assert_status(Status::OK);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn seed(mut self, seed: u64) -> App {
        self.seed = seed;
        self.set_up(|set_up| set_up.config.seed = seed);
        self
    }

    /// A machine that does not stand still: kernel, network and workers take their time and the
    /// network cuts, all as the seed has it. Lengths are no longer exact, but repeat.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let app = App::new(routes).noise();
    /// let response = app.get("/hello").send();
    /// assert!(response.timeline().total() > 0.millis());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn noise(self) -> App {
        self.set_up(|set_up| {
            let usual = SimConfig::new(set_up.config.seed);
            set_up.config.is_still = false;
            set_up.config.latency_max = usual.latency_max;
        });
        self
    }

    /// What goes wrong in the machine, and how often.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// use cutaway::testing::simulation::{Fault, FaultPlan};
    ///
    /// // Every second receive or so gets a part of what is there.
    /// let app = App::new(routes).faults(FaultPlan::none().with(Fault::ShortReceive, 500));
    /// assert_eq!(app.get("/hello").send().text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn faults(self, faults: FaultPlan) -> App {
        self.set_up(|set_up| set_up.config.faults = faults);
        self
    }

    /// Other bounds than the default ones.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// use cutaway::limits::Limits;
    ///
    /// let app = App::new(routes).limits(Limits { target_bytes_max: 16, ..Limits::default() });
    /// app.get("/hello?name=somebody").send().assert_status(Status::URI_TOO_LONG);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn limits(self, limits: Limits) -> App {
        self.set_up(|set_up| set_up.limits = limits);
        self
    }

    /// How long a test waits for a response before it fails. Default 60 s, of virtual time.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # slot!(pub Waited: Elapsed);
    /// # fn wait(cx: &mut Cx<Writes<Waited>>) -> Step { cx.need(cx.timer(90.secs()).into(Waited)) }
    /// # fn hello(cx: &mut Cx<Reads<Waited>>) -> Step { cx.json(&cx.get(Waited).length().as_secs()) }
    /// # let routes = Routes::new().get("/hello", chain(wait).then(hello).no_deadline()).build()?;
    /// let app = App::new(routes).patience(100.secs());
    /// assert_eq!(app.get("/hello").send().text(), "90");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn patience(self, patience: Duration) -> App {
        self.set_up(|set_up| set_up.patience = patience.into());
        self
    }

    /// The database of this resource is the file at `path` instead of a fresh one. It stays.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # resource!(pub Blog: Sqlite);
    /// # let routes = Routes::new().resource(Blog, Sqlite::open("blog.db")).build()?;
    /// let app = App::new(routes).file(Blog, "tests/prepared.db");
    /// app.get("/posts/7").send().assert_status(Status::OK);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn file<D: Resource<Kind = Sqlite>>(self, _database: D, path: impl Into<PathBuf>) -> App {
        self.set_up(|set_up| set_up.file(D::NAME, path.into()));
        self
    }

    /// A script plays the database of this resource: the function answers each statement, and
    /// nothing is opened. What it answers comes at once, or [after](ScriptedAnswer::after) a length of
    /// virtual time.
    ///
    /// A later call replaces the script, also while requests are under way; the first one comes before
    /// the first request.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing::{App, ScriptedAnswer};
    /// use cutaway::timeline::Stage;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Count: (i64,));
    ///
    /// fn count(cx: &mut Cx<Writes<Count>, Uses<Blog>>) -> Step {
    ///     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts").into(Count))
    /// }
    ///
    /// fn show(cx: &mut Cx<Reads<Count>>) -> Step {
    ///     cx.json(&cx.get(Count).0)
    /// }
    ///
    /// let routes = Routes::new()
    ///     .resource(Blog, Sqlite::open("blog.db"))
    ///     .get("/count", chain(count).then(show).deadline(50.millis()))
    ///     .build()?;
    /// let app = App::new(routes);
    ///
    /// app.script(Blog, |statement| match statement.sql {
    ///     "SELECT count(*) FROM posts" => ScriptedAnswer::row((3,)).after(20.millis()),
    ///     other => panic!("an unexpected statement: {other}"),
    /// });
    /// let response = app.get("/count").send();
    /// assert_eq!(response.text(), "3");
    /// response.timeline().assert_stages(&[(Stage::Park, 20.millis())]);
    ///
    /// app.script(Blog, |_| ScriptedAnswer::never());
    /// app.get("/count").send().assert_status(Status::GATEWAY_TIMEOUT);
    /// app.finish();
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    ///
    /// # Panics
    /// The resource was a real database already when the first request came. A panic of the script
    /// itself is a panic of its worker, and fails that request only.
    #[track_caller]
    pub fn script<D: Resource<Kind = Sqlite>>(
        &self,
        _database: D,
        script: impl FnMut(&ScriptedStatement<'_>) -> ScriptedAnswer + 'static,
    ) {
        let script: Box<dyn FnMut(&ScriptedStatement<'_>) -> ScriptedAnswer> = Box::new(script);
        let mut scripts = self.scripts.borrow_mut();
        if let Some(known) = scripts.get(D::NAME) {
            *known.borrow_mut() = script;
            return;
        }
        let shared: SharedScript = Rc::new(RefCell::new(script));
        self.set_up(|set_up| set_up.script(D::NAME, Rc::clone(&shared)));
        scripts.insert(D::NAME, shared);
    }

    /// The disk that the directory of this resource lies on: what was stored, and what shall go wrong.
    ///
    /// The machine's disks are empty in the beginning, and in memory.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # resource!(Uploads: Directory);
    /// # slot!(Saved: StoredFile);
    /// # fn save(cx: &mut Cx<Writes<Saved>, Uses<(Body, Uploads)>>) -> Step {
    /// #     cx.need(cx.body().to_file(cx.on(Uploads).file("a")).into(Saved))
    /// # }
    /// # fn show(cx: &mut Cx<Reads<Saved>>) -> Step { cx.json(&cx.get(Saved).bytes) }
    /// # let routes = Routes::new()
    /// #     .resource(Uploads, Directory::open("uploads"))
    /// #     .post("/a", chain(save).then(show))
    /// #     .build()?;
    /// let app = App::new(routes);
    /// app.disk(Uploads).put("a", "was there before");
    /// app.post("/a").body("hello").send().assert_status(Status::CONFLICT);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    ///
    /// # Panics
    /// The routes have no directory of that name.
    #[track_caller]
    pub fn disk<D: Resource<Kind = Directory>>(&self, directory: D) -> Disk {
        with(&self.shared, |machine| machine.simulation().disk(directory))
    }

    /// A GET request.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// assert_eq!(response.text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn get(&self, target: &str) -> Ask {
        self.request(Method::Get, target)
    }

    /// A HEAD request.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.head("/hello").send();
    /// assert_eq!(response.field("content-length"), Some("5"));
    /// assert!(response.body().is_empty());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn head(&self, target: &str) -> Ask {
        self.request(Method::Head, target)
    }

    /// A POST request.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().post("/hello", chain(hello)).build()?);
    /// let response = app.post("/hello").send();
    /// assert_eq!(response.text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn post(&self, target: &str) -> Ask {
        self.request(Method::Post, target)
    }

    /// A PUT request.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().put("/hello", chain(hello)).build()?);
    /// let response = app.put("/hello").send();
    /// assert_eq!(response.text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn put(&self, target: &str) -> Ask {
        self.request(Method::Put, target)
    }

    /// A PATCH request.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().patch("/hello", chain(hello)).build()?);
    /// let response = app.patch("/hello").send();
    /// assert_eq!(response.text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn patch(&self, target: &str) -> Ask {
        self.request(Method::Patch, target)
    }

    /// A DELETE request.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().delete("/hello", chain(hello)).build()?);
    /// let response = app.delete("/hello").send();
    /// assert_eq!(response.text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn delete(&self, target: &str) -> Ask {
        self.request(Method::Delete, target)
    }

    /// An OPTIONS request.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().options("/hello", chain(hello)).build()?);
    /// let response = app.options("/hello").send();
    /// assert_eq!(response.text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn options(&self, target: &str) -> Ask {
        self.request(Method::Options, target)
    }

    /// A request of any method, over a connection of its own that ends with the response.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// use cutaway::http::Method;
    ///
    /// for method in [Method::Get, Method::Head] {
    ///     app.request(method, "/hello").send().assert_status(Status::OK);
    /// }
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn request(&self, method: Method, target: &str) -> Ask {
        Ask::new(Rc::clone(&self.shared), None, method, target)
    }

    /// A client with a connection of its own, which stays open: for several requests one after the
    /// other or at once, for what is no request, for one that goes away.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let client = app.client();
    /// client.get("/hello").send();
    /// client.get("/hello").send();
    /// assert!(client.is_open());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn client(&self) -> Client {
        Client::connect(&self.shared)
    }

    /// Lets this length of time pass, and everything happen that falls into it, its last moment
    /// included.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let app = App::new(routes);
    /// let client = app.client();
    /// client.get("/hello").send();
    /// app.advance(59.secs());
    /// assert!(client.is_open());
    /// app.advance(1.secs());
    /// assert!(!client.is_open(), "it was idle for a minute");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn advance(&self, length: Duration) {
        with(&self.shared, |machine| machine.run_for(length.into()));
    }

    /// How much virtual time has passed since the beginning.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// assert_eq!(app.now(), 0.secs());
    /// app.advance(3600.secs());
    /// assert_eq!(app.now(), 3600.secs());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn now(&self) -> Duration {
        let now = with(&self.shared, |machine| machine.now());
        Duration::from_nanos(now.as_u64())
    }

    /// The timelines of all requests that have ended so far, also of those that nobody got an answer
    /// to, in the order in which they ended.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let app = App::new(routes);
    /// app.get("/hello").send();
    /// app.get("/nothing").send();
    /// let statuses: Vec<u16> = app.timelines().iter().map(|it| it.status()).collect();
    /// assert_eq!(statuses, [200, 404]);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn timelines(&self) -> Vec<RequestTimeline> {
        with(&self.shared, |machine| machine.timelines())
    }

    /// What the shard has counted.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let app = App::new(routes);
    /// app.get("/hello").send();
    /// assert_eq!(app.stats().request_count, 1);
    /// assert_eq!(app.stats().reply_count[2], 1);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn stats(&self) -> ShardStats {
        with(&self.shared, |machine| machine.simulation().stats().clone())
    }

    /// The simulation below, for what an app has no word for.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let app = App::new(routes);
    /// app.get("/hello").send();
    /// // Another process has the core.
    /// app.simulation(|simulation| simulation.clock().advance(3.millis().into()));
    /// assert_eq!(app.now(), 3.millis());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn simulation<T>(&self, act: impl FnOnce(&mut Simulation) -> T) -> T {
        with(&self.shared, |machine| machine.act(act))
    }

    /// Ends the service as SIGTERM would, and checks that nothing is left of it: every request and
    /// every connection has ended once, and every slot, arena, ticket, job, timer, buffer and socket
    /// was given back.
    ///
    /// ```should_panic
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::{App, ScriptedAnswer};
    /// # resource!(Blog: Sqlite);
    /// # slot!(One: (i64,));
    /// # fn load(cx: &mut Cx<Writes<One>, Uses<Blog>>) -> Step {
    /// #     cx.need(cx.on(Blog).query_one("SELECT 1").into(One))
    /// # }
    /// # fn show(cx: &mut Cx<Reads<One>>) -> Step { cx.json(&cx.get(One).0) }
    /// # let routes = Routes::new()
    /// #     .resource(Blog, Sqlite::open("blog.db"))
    /// #     .get("/one", chain(load).then(show).no_deadline())
    /// #     .build()
    /// #     .unwrap();
    /// let app = App::new(routes);
    /// app.script(Blog, |_| ScriptedAnswer::never());
    /// let _waiting = app.get("/one").start();
    /// app.advance(1.millis());
    /// // A request without a deadline that waits for ever keeps a service from its end.
    /// app.finish();
    /// ```
    ///
    /// # Panics
    /// Something is left, or a request did not end by itself within the drain's deadline
    /// ([`Limits::drain_timeout`]).
    #[track_caller]
    pub fn finish(self) {
        let left = with(&self.shared, Machine::finish);
        *self.shared.borrow_mut() = State::Finished;
        if let Err(left) = left {
            panic!("the app does not end: {left}");
        }
    }

    #[track_caller]
    fn set_up(&self, change: impl FnOnce(&mut SetUp)) {
        match &mut *self.shared.borrow_mut() {
            State::SettingUp(set_up) => change(set_up),
            State::Running(_) | State::Finished => {
                panic!("an app is set up before its first request, and before its time begins")
            }
        }
    }
}

/// Does something with the machine of an app that is not finished; starts it where it has not begun.
#[track_caller]
fn with<T>(shared: &Shared, act: impl FnOnce(&mut Machine) -> T) -> T {
    let Ok(mut state) = shared.try_borrow_mut() else {
        panic!("an app cannot be used from inside its steps and scripts");
    };
    if let State::SettingUp(set_up) = &*state {
        let machine = Machine::start(set_up);
        *state = State::Running(Box::new(machine));
    }
    match &mut *state {
        State::Running(machine) => act(machine),
        State::SettingUp(_) | State::Finished => panic!("the app has finished"),
    }
}

/// A test that fails says with which seed.
impl Drop for App {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.seed;
            eprintln!("the app's seed was {seed}; CUTAWAY_SEED={seed} runs it again");
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

const PATIENCE: Nanos = Nanos::from_secs(60);

#[cfg(test)]
mod tests;
