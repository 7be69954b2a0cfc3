//! Routes: which chain answers which pattern.

mod built;
mod flags;
mod graph;
mod listing;
mod mount;
mod refusal;
mod terms;
mod unrouted;
mod vain;

use std::marker::PhantomData;

use cutaway_scheduler::{ClassTable, Nanos};

pub use built::BuiltRoutes;
pub use flags::FlagRefused;
pub use refusal::{RoutesRefusal, RoutesRefused};
pub use vain::VainSlot;

use crate::ctx::list::{AvailableIn, Concat, Joined, Nil, Set};
use crate::effect::{Kind, Resource, ResourceMeta, Settings};
use crate::http::Method;
use crate::response::{Renderer, problem};
use crate::route::TableBuilder;
use crate::route::table::param_names;
use crate::step::{Chain, ChainSettings, Entry, Route, RouteParts, RouteRefusal};

/// Collects routes and resources. `Available` are the slots that are there before each further
/// route: those its `before` chains write, and those it was [`given`](Routes::given). `Given` are the
/// latter alone.
///
/// ```
/// use cutaway::prelude::*;
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.text("Hello, World!")
/// }
///
/// let routes = Routes::new().get("/hello", chain(hello)).build()?;
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
#[must_use = "routes are checked by `build`"]
pub struct Routes<Available = Nil, Given = Nil> {
    parts: Parts,
    lists: PhantomData<fn() -> (Available, Given)>,
}

#[derive(Default)]
struct Parts {
    before: Vec<Entry>,
    /// Class and deadline of the routes that say none.
    terms: ChainSettings,
    pending: Vec<PendingRoute>,
    /// The mounts that have something of their own; a scope is the index of one, plus one.
    mounts: Vec<Mount>,
    fallback: Option<(Vec<Entry>, ChainSettings)>,
    resources: Vec<ResourceMeta>,
    settings: Vec<Settings>,
    renderer: Option<Renderer>,
    refusals: Vec<RoutesRefusal>,
}

struct PendingRoute {
    method: Method,
    pattern: &'static str,
    entries: Vec<Entry>,
    /// How many of them are of `before` chains: the first ones.
    before_count: usize,
    settings: ChainSettings,
    /// Whose `before` chains a 405 on this pattern runs: zero for the outermost routes.
    scope: usize,
    /// None where the outer routes' is used.
    renderer: Option<Renderer>,
}

/// What mounted routes do to their 405 answers.
struct Mount {
    prefix: &'static str,
    before: Vec<Entry>,
    renderer: Option<Renderer>,
}

impl Routes {
    /// No routes yet.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn new() -> Routes {
        Routes::of(Parts::default())
    }

    /// No routes yet, to be mounted where these slots are there.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// slot!(pub User: String);
    ///
    /// fn authenticate(cx: &mut Cx<Writes<User>>) {
    ///     cx.put(User, "ann".to_owned());
    /// }
    ///
    /// fn greet(cx: &mut Cx<Reads<User>>) -> Step {
    ///     let user = cx.get(User);
    ///     cx.text(user)
    /// }
    ///
    /// let private = Routes::given::<User>().get("/hello", given::<User>().then(greet));
    /// let routes = Routes::new().before(chain(authenticate)).mount("/private", private).build()?;
    /// assert_eq!(routes.routes()[0].pattern(), "/private/hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn given<G: Set>() -> Routes<G::List, G::List> {
        Routes::of(Parts::default())
    }
}

impl Default for Routes {
    fn default() -> Routes {
        Routes::new()
    }
}

macro_rules! methods {
    ($($(#[$attribute:meta])* $name:ident $method:ident)+) => {$(
        $(#[$attribute])*
        pub fn $name<G, Theirs, Own, Index>(
            self,
            pattern: &'static str,
            chain: Chain<G, Theirs, Own>,
        ) -> Self
        where
            G: AvailableIn<Available, Index>,
        {
            self.route(Method::$method, pattern, chain)
        }
    )+};
}

impl<Available, Given> Routes<Available, Given> {
    fn of(parts: Parts) -> Routes<Available, Given> {
        Routes {
            parts,
            lists: PhantomData,
        }
    }

    /// Gives the engine a resource: `.resource(Blog, Sqlite::open("blog.db"))`.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// resource!(pub Blog: Sqlite);
    ///
    /// let routes = Routes::new().resource(Blog, Sqlite::open("blog.db")).build()?;
    /// assert_eq!(routes.resources()[0].0, "Blog");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn resource<D: Resource>(mut self, _resource: D, kind: D::Kind) -> Self {
        self.parts
            .add_resource(ResourceMeta::of::<D>(), kind.settings());
        self
    }

    /// Runs a chain before every route registered after it, and before the answers to requests that
    /// no route is for (404 and 405, and what a [`fallback`](Routes::fallback) answers). What it
    /// writes is there for those routes.
    ///
    /// Where a route's content is refused, too large or of another type, its `before` chains run
    /// first as well; but for those that take the content themselves, and those behind them. The
    /// guide has [a table](crate::guide::errors) of all that the engine answers by itself.
    ///
    /// It may answer itself, as for a CORS preflight; then nothing behind it runs. Header fields that
    /// it adds are kept whatever answers.
    ///
    /// ```
    /// use cutaway::http::Method;
    /// use cutaway::prelude::*;
    ///
    /// fn cors(cx: &mut Cx) -> Step {
    ///     cx.response_header("Access-Control-Allow-Origin", "https://blog.example")?;
    ///     let is_preflight = cx.request().method() == Method::Options
    ///         && cx.request().field("access-control-request-method").is_some();
    ///     if is_preflight {
    ///         cx.response_header("Access-Control-Allow-Methods", "GET, PUT")?;
    ///         return cx.empty();
    ///     }
    ///     Continue
    /// }
    ///
    /// fn hello(cx: &mut Cx) -> Step {
    ///     cx.text("Hello, World!")
    /// }
    ///
    /// let routes = Routes::new().before(chain(cors)).get("/hello", chain(hello)).build()?;
    /// assert_eq!(routes.routes()[0].steps_count(), 2);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn before<G, Theirs, Own, Index>(
        mut self,
        chain: Chain<G, Theirs, Own>,
    ) -> Routes<Joined<Own, Available>, Given>
    where
        G: AvailableIn<Available, Index>,
        Own: Concat<Available>,
    {
        self.parts.before.extend(chain.entries);
        Routes::of(self.parts)
    }

    /// Answers with a chain what no route's pattern matches, instead of a 404. The chain says the
    /// status; without a word it is 200.
    ///
    /// All `before` chains run first, those that are registered later too. Only the outermost routes
    /// may have one.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// fn nothing_here(cx: &mut Cx) -> Step {
    ///     cx.status(Status::NOT_FOUND).html("<h1>Nothing here</h1>")
    /// }
    ///
    /// let routes = Routes::new().fallback(chain(nothing_here)).build()?;
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn fallback<G, Theirs, Own, Index>(mut self, chain: Chain<G, Theirs, Own>) -> Self
    where
        G: AvailableIn<Available, Index>,
    {
        if self.parts.fallback.is_some() {
            self.parts.refusals.push(RoutesRefusal::FallbackTwice);
        }
        let settings = chain.settings.within(&self.parts.terms);
        self.parts.fallback = Some((chain.entries, settings));
        self
    }

    /// Adds routes below a prefix, with their resources, `before` chains and refusals. An empty
    /// prefix adds them as they are.
    ///
    /// The outer `before` chains registered so far run first, then the mounted routes' own; those run
    /// for the mounted routes only, and for a 405 where one of them has the path. Where they have a
    /// renderer it renders their failures. What they expect ([`Routes::given`]) must have been written
    /// by the outer `before` chains.
    ///
    /// Trailing slashes count: below `/api`, the pattern `/posts` is `/api/posts`, `/` is `/api/`, and
    /// `/api` itself is the empty pattern.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// fn list(cx: &mut Cx) -> Step {
    ///     cx.json(&["first", "second"])
    /// }
    ///
    /// fn api() -> Routes<impl Sized> {
    ///     Routes::new().get("/posts", chain(list))
    /// }
    ///
    /// let routes = Routes::new().mount("/api/v1", api()).mount("/api/v2", api()).build()?;
    /// assert_eq!(routes.routes()[1].pattern(), "/api/v2/posts");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn mount<Inner, G, Index>(
        mut self,
        prefix: &'static str,
        routes: Routes<Inner, G>,
    ) -> Routes<Available, Given>
    where
        G: AvailableIn<Available, Index>,
    {
        self.parts.mount(prefix, routes.parts);
        self
    }

    methods! {
        /// Answers GET, and HEAD without the content.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # fn answer(cx: &mut Cx) -> Step { cx.text("hello") }
        /// let routes = Routes::new().get("/posts", chain(answer)).build()?;
        /// assert_eq!(routes.routes()[0].method().name(), "GET");
        /// # Ok::<(), cutaway::RoutesRefused>(())
        /// ```
        get Get
        /// Answers HEAD apart from GET.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # fn answer(cx: &mut Cx) -> Step { cx.text("hello") }
        /// let routes = Routes::new().head("/posts", chain(answer)).build()?;
        /// assert_eq!(routes.routes()[0].method().name(), "HEAD");
        /// # Ok::<(), cutaway::RoutesRefused>(())
        /// ```
        head Head
        /// Answers POST.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # fn answer(cx: &mut Cx) -> Step { cx.text("hello") }
        /// let routes = Routes::new().post("/posts", chain(answer)).build()?;
        /// assert_eq!(routes.routes()[0].method().name(), "POST");
        /// # Ok::<(), cutaway::RoutesRefused>(())
        /// ```
        post Post
        /// Answers PUT.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # fn answer(cx: &mut Cx) -> Step { cx.text("hello") }
        /// let routes = Routes::new().put("/posts", chain(answer)).build()?;
        /// assert_eq!(routes.routes()[0].method().name(), "PUT");
        /// # Ok::<(), cutaway::RoutesRefused>(())
        /// ```
        put Put
        /// Answers PATCH.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # fn answer(cx: &mut Cx) -> Step { cx.text("hello") }
        /// let routes = Routes::new().patch("/posts", chain(answer)).build()?;
        /// assert_eq!(routes.routes()[0].method().name(), "PATCH");
        /// # Ok::<(), cutaway::RoutesRefused>(())
        /// ```
        patch Patch
        /// Answers DELETE.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # fn answer(cx: &mut Cx) -> Step { cx.text("hello") }
        /// let routes = Routes::new().delete("/posts", chain(answer)).build()?;
        /// assert_eq!(routes.routes()[0].method().name(), "DELETE");
        /// # Ok::<(), cutaway::RoutesRefused>(())
        /// ```
        delete Delete
        /// Answers OPTIONS.
        ///
        /// ```
        /// # use cutaway::prelude::*;
        /// # fn answer(cx: &mut Cx) -> Step { cx.text("hello") }
        /// let routes = Routes::new().options("/posts", chain(answer)).build()?;
        /// assert_eq!(routes.routes()[0].method().name(), "OPTIONS");
        /// # Ok::<(), cutaway::RoutesRefused>(())
        /// ```
        options Options
    }

    /// Answers a method with a chain.
    ///
    /// Patterns are made of literal segments, `{name}` for one segment and `{*rest}` for all that
    /// follow.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// use cutaway::http::Method;
    ///
    /// # fn list(cx: &mut Cx) -> Step { cx.text("hello") }
    /// let routes = Routes::new().route(Method::Get, "/files/{*path}", chain(list)).build()?;
    /// assert_eq!(routes.routes()[0].params(), ["path"]);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn route<G, Theirs, Own, Index>(
        mut self,
        method: Method,
        pattern: &'static str,
        chain: Chain<G, Theirs, Own>,
    ) -> Self
    where
        G: AvailableIn<Available, Index>,
    {
        self.parts.pending.push(PendingRoute {
            method,
            pattern,
            entries: after(&self.parts.before, chain.entries),
            before_count: self.parts.before.len(),
            settings: chain.settings.within(&self.parts.terms),
            scope: 0,
            renderer: None,
        });
        self
    }

    /// Renders failures with this instead of [`problem`]: those of all routes here, also of mounted
    /// ones that have none of their own.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// use std::io;
    ///
    /// use cutaway::response::Problem;
    ///
    /// fn brief(failed: &Problem<'_>, out: &mut Vec<u8>) -> io::Result<&'static str> {
    ///     out.extend_from_slice(failed.status().reason().as_bytes());
    ///     Ok("text/plain")
    /// }
    ///
    /// let app = cutaway::testing::App::new(Routes::new().renderer(brief).build()?);
    /// assert_eq!(app.get("/nowhere").send().text(), "Not Found");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn renderer(mut self, renderer: Renderer) -> Self {
        self.parts.renderer = Some(renderer);
        self
    }

    /// Lays all routes out.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// slot!(pub Id: i64 = path "id");
    ///
    /// fn show(cx: &mut Cx<Reads<Id>>) -> Step {
    ///     cx.json(cx.get(Id))
    /// }
    ///
    /// let refused = Routes::new().get("/posts", chain(show)).get("posts", chain(hello)).build();
    /// // One is without the parameter that its step reads, one without its leading slash.
    /// assert_eq!(refused.err().unwrap().refusals().len(), 2);
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with the set-up, at once.
    pub fn build(self) -> Result<BuiltRoutes, RoutesRefused>
    where
        Given: Outermost,
    {
        self.parts.build()
    }
}

/// The routes expect no slots, so they can serve by themselves.
#[diagnostic::on_unimplemented(
    message = "these routes expect slots from outside, so they cannot be built by themselves",
    label = "begun with `Routes::given`, and not mounted",
    note = "mount them in routes whose `before` chains write what they expect: \
            `Routes::new().before(..).mount(\"/prefix\", these)`"
)]
pub trait Outermost {}

impl Outermost for Nil {}

impl Parts {
    fn add_resource(&mut self, resource: ResourceMeta, settings: Settings) {
        if self.resources.iter().any(|known| known.id == resource.id) {
            let resource = resource.name;
            self.refusals
                .push(RoutesRefusal::ResourceTwice { resource });
        } else {
            self.resources.push(resource);
            self.settings.push(settings);
        }
    }

    fn mount(&mut self, prefix: &'static str, inner: Parts) {
        if !mount::is_prefix(prefix) {
            let prefix = prefix.to_owned();
            self.refusals
                .push(RoutesRefusal::PrefixMalformed { prefix });
        }
        if inner.fallback.is_some() {
            let prefix = prefix.to_owned();
            self.refusals
                .push(RoutesRefusal::FallbackMounted { prefix });
        }
        self.refusals.extend(inner.refusals);
        for (resource, settings) in inner.resources.into_iter().zip(inner.settings) {
            self.add_resource(resource, settings);
        }
        let has_own_scope = !inner.before.is_empty() || inner.renderer.is_some();
        let own_scope = if has_own_scope {
            self.mounts.push(Mount {
                prefix,
                before: after(&self.before, inner.before),
                renderer: inner.renderer,
            });
            self.mounts.len()
        } else {
            0
        };
        let scopes_count = self.mounts.len();
        for deeper in inner.mounts {
            self.mounts.push(Mount {
                prefix: mount::joined(prefix, deeper.prefix),
                before: after(&self.before, deeper.before),
                renderer: deeper.renderer.or(inner.renderer),
            });
        }
        for route in inner.pending {
            self.pending.push(PendingRoute {
                pattern: mount::joined(prefix, route.pattern),
                entries: after(&self.before, route.entries),
                before_count: self.before.len() + route.before_count,
                settings: route.settings.within(&self.terms),
                scope: match route.scope {
                    0 => own_scope,
                    deeper => scopes_count + deeper,
                },
                renderer: route.renderer.or(inner.renderer),
                ..route
            });
        }
    }

    /// The routes that the engine brings itself, in the order that `BuiltRoutes` says.
    fn own_routes(&mut self) -> Vec<PendingRoute> {
        let fallback = self.fallback.take();
        let (last, settings) = fallback
            .unwrap_or_else(|| (vec![unrouted::not_found_entry()], ChainSettings::default()));
        let mut own = vec![PendingRoute {
            method: Method::Get,
            pattern: unrouted::NOT_FOUND,
            entries: after(&self.before, last),
            before_count: self.before.len(),
            settings,
            scope: 0,
            renderer: None,
        }];
        let outermost = Mount {
            prefix: "",
            before: std::mem::take(&mut self.before),
            renderer: None,
        };
        let scopes = std::iter::once(outermost).chain(self.mounts.drain(..));
        own.extend(scopes.map(|scope| PendingRoute {
            method: Method::Options,
            pattern: unrouted::not_allowed_pattern(scope.prefix),
            entries: after(&scope.before, vec![unrouted::not_allowed_entry()]),
            before_count: scope.before.len(),
            settings: ChainSettings::default(),
            scope: 0,
            renderer: scope.renderer,
        }));
        own
    }

    fn build(mut self) -> Result<BuiltRoutes, RoutesRefused> {
        let has_fallback = self.fallback.is_some();
        let own = self.own_routes();
        let Parts {
            pending,
            resources,
            settings,
            renderer,
            mut refusals,
            ..
        } = self;
        let renderer = renderer.unwrap_or(problem);
        let mut table = TableBuilder::new();
        // Refused or not, so that what is wrong with its pattern is told as well.
        for (index, route) in pending.iter().enumerate() {
            table.add(route.method, route.pattern, index as u16);
        }
        let scopes = pending.iter().map(|route| route.scope as u16).collect();
        let mut all: Vec<PendingRoute> = pending.into_iter().chain(own).collect();
        let refusing = add_refusing(&mut all);
        let count = all.len();
        if count > ROUTES_MAX {
            let limit = ROUTES_MAX;
            refusals.push(RoutesRefusal::TooManyRoutes { count, limit });
            return Err(RoutesRefused(refusals));
        }
        let mut routes = Vec::with_capacity(count);
        for (index, route) in all.into_iter().enumerate() {
            let built = Route::build(RouteParts {
                method: route.method,
                pattern: route.pattern,
                params: unrouted::param_names_of(route.pattern),
                settings: route.settings,
                entries: route.entries,
                resources: &resources,
                renderer: route.renderer.unwrap_or(renderer),
            });
            match built {
                Ok(route) => routes.push(route),
                // What is wrong with it is wrong with the route that it refuses for, and told there.
                Err(_) if index >= refusing.len() => {}
                Err(found) => refusals.extend(found.into_iter().map(RoutesRefusal::Route)),
            }
        }
        match table.build() {
            Ok(table) if refusals.is_empty() => Ok(BuiltRoutes {
                table,
                routes: routes.into(),
                scopes,
                refusing,
                has_fallback,
                classes: ClassTable::default(),
                resources: (resources.iter().map(|resource| resource.name))
                    .zip(settings)
                    .collect(),
                renderer,
            }),
            Ok(_) => Err(RoutesRefused(refusals)),
            Err(found) => {
                refusals.extend(found.into_iter().map(RoutesRefusal::Pattern));
                Err(RoutesRefused(refusals))
            }
        }
    }
}

/// The steps behind those of the `before` chains.
fn after(before: &[Entry], steps: Vec<Entry>) -> Vec<Entry> {
    let mut all = before.to_vec();
    all.extend(steps);
    all
}

/// Adds, behind the routes and for each of them, the one that answers where its content is refused:
/// its `before` chains as far as they do without the content, then the refusal. Gives their places;
/// none where nothing would run.
fn add_refusing(routes: &mut Vec<PendingRoute>) -> Box<[Option<u16>]> {
    let count = routes.len();
    let places = (0..count).map(|index| {
        let route = &routes[index];
        let before = &route.entries[..route.before_count];
        let mut entries: Vec<Entry> = (before.iter())
            .take_while(|entry| !entry.takes_content())
            .cloned()
            .collect();
        if entries.is_empty() {
            return None;
        }
        entries.push(unrouted::refusal_entry());
        let refusing = PendingRoute {
            entries,
            settings: ChainSettings {
                // How long the content has taken up to its refusal is its client's doing.
                slow_after: Some(Nanos::NEVER),
                ..route.settings
            },
            ..*route
        };
        routes.push(refusing);
        u16::try_from(routes.len() - 1).ok()
    });
    places.collect()
}

/// How many routes there may be, the engine's own included: an index has 16 bits, and the largest
/// number means no route in a timeline.
const ROUTES_MAX: usize = u16::MAX as usize;

impl Route {
    /// A route by itself, without resources: for a bench or a test of the runner.
    ///
    /// # Errors
    /// As [`Routes::build`], for what concerns one route.
    #[doc(hidden)]
    pub fn alone<G, Theirs, Own>(
        method: Method,
        pattern: &'static str,
        chain: Chain<G, Theirs, Own>,
    ) -> Result<Route, Vec<RouteRefusal>> {
        Route::build(RouteParts {
            method,
            pattern,
            params: param_names(pattern),
            settings: chain.settings,
            entries: chain.entries,
            resources: &[],
            renderer: problem,
        })
    }
}

#[cfg(test)]
mod tests;
