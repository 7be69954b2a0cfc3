//! Routes that may serve.

use cutaway_scheduler::ClassTable;

use super::unrouted::Unrouted;
use crate::effect::Settings;
use crate::http::Method;
use crate::response::Renderer;
use crate::route::{Found, Params, Table};
use crate::step::Route;

/// Routes that may serve. Shared by all shards.
///
/// ```
/// use cutaway::prelude::*;
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.text("Hello, World!")
/// }
///
/// let routes = Routes::new().get("/hello", chain(hello)).build()?;
/// assert_eq!(routes.routes()[0].pattern(), "/hello");
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
pub struct BuiltRoutes {
    pub(super) table: Table<u16>,
    /// Those that were declared, then the engine's own: the one for paths without a route, then for
    /// each scope the one for methods without a route; last those that refuse content in the place of
    /// one before them.
    pub(super) routes: Box<[Route]>,
    /// The scope of each declared route: the outermost routes, or a mount.
    pub(super) scopes: Box<[u16]>,
    /// For each route up to those that refuse content: which of them does so in its place.
    pub(super) refusing: Box<[Option<u16>]>,
    /// Whether a chain of the user's answers what has no route.
    pub(super) has_fallback: bool,
    pub(super) classes: ClassTable,
    pub(super) resources: Vec<(&'static str, Settings)>,
    pub(super) renderer: Renderer,
}

impl BuiltRoutes {
    /// Finds the index of a request's route. The path has no escapes.
    #[inline]
    pub fn find(&self, method: Method, path: &[u8]) -> Found<'_, u16> {
        self.table.find(method, path)
    }

    /// As [`find`](BuiltRoutes::find), for a path in which escapes may stand.
    pub fn find_escaped(&self, method: Method, path: &[u8]) -> Found<'_, u16> {
        self.table.find_escaped(method, path)
    }

    /// The engine's own route for a request that has found none.
    #[cold]
    pub(crate) fn unrouted<'t>(&self, found: &Found<'t, u16>, path: &[u8]) -> Unrouted<'t> {
        let not_found = self.scopes.len() as u16;
        let outermost = not_found + 1;
        let mut unrouted = Unrouted {
            index: not_found,
            params: Params::new(),
            allow: "",
            is_answered_at_once: false,
        };
        match found {
            Found::MethodNotAllowed { allow } => {
                let (other, params) = (self.table.find_any(path))
                    .expect("a method that is not allowed has a neighbour that is");
                unrouted.index = outermost + self.scopes[usize::from(*other)];
                unrouted.params = params;
                unrouted.allow = allow;
            }
            // The server as a whole answers OPTIONS.
            _ if path == b"*" => unrouted.index = outermost,
            _ => {}
        }
        let route = self.route(unrouted.index);
        unrouted.params.truncate(route.params().len());
        let is_users = unrouted.index == not_found && self.has_fallback;
        unrouted.is_answered_at_once = route.steps_count() == 1 && !is_users;
        unrouted
    }

    /// The route that answers in the place of this one where a request's content is refused; none
    /// where no `before` chain runs first.
    #[cold]
    pub(crate) fn refusing(&self, index: u16) -> Option<u16> {
        self.refusing[usize::from(index)]
    }

    /// The route of an index.
    ///
    /// # Panics
    /// There is none of that index.
    #[inline]
    pub fn route(&self, index: u16) -> &Route {
        &self.routes[usize::from(index)]
    }

    /// All routes that were declared, in the order of their indices, which is that of their
    /// declaration.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let patterns: Vec<_> = routes.routes().iter().map(|route| route.pattern()).collect();
    /// assert_eq!(patterns, ["/hello"]);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn routes(&self) -> &[Route] {
        &self.routes[..self.scopes.len()]
    }

    /// The declared routes, and behind them those that the engine brings itself: they answer where
    /// no route is, and where content is refused.
    pub(crate) fn all_routes(&self) -> &[Route] {
        &self.routes
    }

    /// As [`all_routes`](BuiltRoutes::all_routes), each with what a human calls it; without those that
    /// refuse content, which have no steps that others lack.
    pub(super) fn titled_routes(&self) -> impl Iterator<Item = (String, &Route)> {
        let routes = &self.routes[..self.refusing.len()];
        routes.iter().enumerate().map(|(index, route)| {
            let pattern = route.pattern();
            let title = if index < self.scopes.len() {
                format!("{} {pattern}", route.method().name())
            } else {
                pattern.to_owned()
            };
            (title, route)
        })
    }

    /// The traffic classes.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let interactive = routes.classes().class(Interactive);
    /// assert_eq!(interactive.name, "interactive");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn classes(&self) -> &ClassTable {
        &self.classes
    }

    /// The resources by name, in the order of their indices.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// resource!(pub Blog: Sqlite);
    ///
    /// let routes = Routes::new().resource(Blog, Sqlite::open("blog.db")).build()?;
    /// assert_eq!(routes.resources()[0].0, "Blog");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
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
