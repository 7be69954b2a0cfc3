//! Routes: which chain answers which pattern.

use std::fmt;
use std::marker::PhantomData;

use cutaway_scheduler::ClassTable;

use crate::ctx::list::{AvailableIn, Concat, Joined, Nil};
use crate::effect::{Kind, Resource, ResourceMeta, Settings};
use crate::http::Method;
use crate::response::{Renderer, problem};
use crate::route::table::param_names;
use crate::route::{Found, RouteError, Table, TableBuilder};
use crate::step::{Chain, Entry, Route, RouteParts, RouteRefusal};

/// Collects routes and resources. `Available` are the slots that its `before` chains write.
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
pub struct Routes<Available = Nil> {
    parts: Parts,
    available: PhantomData<fn() -> Available>,
}

struct Parts {
    before: Vec<Entry>,
    pending: Vec<PendingRoute>,
    resources: Vec<ResourceMeta>,
    settings: Vec<Settings>,
    renderer: Renderer,
    refusals: Vec<RoutesRefusal>,
}

struct PendingRoute {
    method: Method,
    pattern: &'static str,
    entries: Vec<Entry>,
    settings: crate::step::ChainSettings,
}

impl Routes {
    /// No routes yet.
    pub fn new() -> Routes {
        Routes::of(Parts {
            before: Vec::new(),
            pending: Vec::new(),
            resources: Vec::new(),
            settings: Vec::new(),
            renderer: problem,
            refusals: Vec::new(),
        })
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

impl<Available> Routes<Available> {
    fn of(parts: Parts) -> Routes<Available> {
        Routes {
            parts,
            available: PhantomData,
        }
    }

    /// Gives the engine a resource: `.resource(Blog, Sqlite::open("blog.db"))`.
    pub fn resource<D: Resource>(mut self, _resource: D, kind: D::Kind) -> Self {
        let resource = ResourceMeta::of::<D>();
        if self
            .parts
            .resources
            .iter()
            .any(|known| known.id == resource.id)
        {
            let refusal = RoutesRefusal::ResourceTwice { resource: D::NAME };
            self.parts.refusals.push(refusal);
        } else {
            self.parts.resources.push(resource);
            self.parts.settings.push(kind.settings());
        }
        self
    }

    /// Runs a chain before every route registered after it. What it writes is there for them.
    pub fn before<G, Theirs, Own, Index>(
        mut self,
        chain: Chain<G, Theirs, Own>,
    ) -> Routes<Joined<Own, Available>>
    where
        G: AvailableIn<Available, Index>,
        Own: Concat<Available>,
    {
        self.parts.before.extend(chain.entries);
        Routes::of(self.parts)
    }

    methods! {
        /// Answers GET, and HEAD without the content.
        get Get
        /// Answers HEAD apart from GET.
        head Head
        /// Answers POST.
        post Post
        /// Answers PUT.
        put Put
        /// Answers PATCH.
        patch Patch
        /// Answers DELETE.
        delete Delete
        /// Answers OPTIONS.
        options Options
    }

    /// Answers a method with a chain.
    ///
    /// Patterns are made of literal segments, `{name}` for one segment and `{*rest}` for all that
    /// follow.
    pub fn route<G, Theirs, Own, Index>(
        mut self,
        method: Method,
        pattern: &'static str,
        chain: Chain<G, Theirs, Own>,
    ) -> Self
    where
        G: AvailableIn<Available, Index>,
    {
        let mut entries = self.parts.before.clone();
        entries.extend(chain.entries);
        self.parts.pending.push(PendingRoute {
            method,
            pattern,
            entries,
            settings: chain.settings,
        });
        self
    }

    /// Renders failures with this instead of [`problem`].
    pub fn renderer(mut self, renderer: Renderer) -> Self {
        self.parts.renderer = renderer;
        self
    }

    /// Lays all routes out.
    ///
    /// # Errors
    /// Everything that is wrong with the set-up, at once.
    pub fn build(self) -> Result<BuiltRoutes, RoutesRefused> {
        let Parts {
            pending,
            resources,
            settings,
            renderer,
            mut refusals,
            ..
        } = self.parts;
        let mut table = TableBuilder::new();
        let mut routes = Vec::with_capacity(pending.len());
        for route in pending {
            let (method, pattern) = (route.method, route.pattern);
            // Refused or not, so that what is wrong with its pattern is told as well.
            table.add(method, pattern, routes.len() as u16);
            let built = Route::build(RouteParts {
                method,
                pattern,
                params: param_names(pattern),
                settings: route.settings,
                entries: route.entries,
                resources: &resources,
                renderer,
            });
            match built {
                Ok(route) => routes.push(route),
                Err(found) => refusals.extend(found.into_iter().map(RoutesRefusal::Route)),
            }
        }
        match table.build() {
            Ok(table) if refusals.is_empty() => Ok(BuiltRoutes {
                table,
                routes: routes.into(),
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

/// Routes that may serve. Shared by all shards.
pub struct BuiltRoutes {
    table: Table<u16>,
    routes: Box<[Route]>,
    classes: ClassTable,
    resources: Vec<(&'static str, Settings)>,
    renderer: Renderer,
}

impl BuiltRoutes {
    /// Finds the index of a request's route.
    #[inline]
    pub fn find(&self, method: Method, path: &[u8]) -> Found<'_, u16> {
        self.table.find(method, path)
    }

    /// The route of an index.
    ///
    /// # Panics
    /// There is none of that index.
    #[inline]
    pub fn route(&self, index: u16) -> &Route {
        &self.routes[usize::from(index)]
    }

    /// All routes, in the order of their indices, which is that of their declaration.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The traffic classes.
    pub fn classes(&self) -> &ClassTable {
        &self.classes
    }

    /// The resources by name, in the order of their indices.
    pub fn resources(&self) -> &[(&'static str, Settings)] {
        &self.resources
    }

    /// What configuration may change of it.
    pub(crate) fn configurable(&mut self) -> (&mut ClassTable, &mut [(&'static str, Settings)]) {
        (&mut self.classes, &mut self.resources)
    }

    /// What renders failures.
    pub fn renderer(&self) -> Renderer {
        self.renderer
    }
}

/// A set-up that cannot serve, with everything that is wrong with it.
#[derive(PartialEq, Eq)]
pub struct RoutesRefused(Vec<RoutesRefusal>);

impl RoutesRefused {
    /// What is wrong, in the order it was met.
    pub fn refusals(&self) -> &[RoutesRefusal] {
        &self.0
    }
}

/// As `Display`, so that a `main` which returns it shows every refusal.
impl fmt::Debug for RoutesRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for RoutesRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these routes cannot serve:")?;
        self.0
            .iter()
            .try_for_each(|refusal| write!(f, "\n  {refusal}"))
    }
}

impl std::error::Error for RoutesRefused {}

/// One thing that is wrong with a set-up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoutesRefusal {
    /// A route's steps do not fit together.
    #[error(transparent)]
    Route(RouteRefusal),
    /// A route's pattern is malformed or conflicts with another.
    #[error(transparent)]
    Pattern(RouteError),
    /// A resource was given twice.
    #[error("resource `{resource}` is given twice")]
    ResourceTwice {
        /// The resource.
        resource: &'static str,
    },
}

#[cfg(test)]
mod tests;
