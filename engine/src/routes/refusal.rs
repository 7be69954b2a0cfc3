//! Why a set-up cannot serve.

use std::fmt;

use crate::route::RouteError;
use crate::step::RouteRefusal;

/// A set-up that cannot serve, with everything that is wrong with it.
///
/// ```
/// use cutaway::prelude::*;
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.text("Hello, World!")
/// }
///
/// let refused = Routes::new()
///     .get("/users/{id}", chain(hello))
///     .get("/users/{name}", chain(hello))
///     .build()
///     .err()
///     .expect("both match the same paths");
/// assert_eq!(
///     refused.to_string(),
///     "these routes cannot serve:\
///      \n  route `GET /users/{name}` matches the same paths as `GET /users/{id}`"
/// );
/// ```
#[derive(PartialEq, Eq)]
pub struct RoutesRefused(pub(super) Vec<RoutesRefusal>);

impl RoutesRefused {
    /// What is wrong, in the order it was met.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// let refused = Routes::new().get("hello", chain(hello)).build().err().unwrap();
    /// assert_eq!(refused.refusals().len(), 1);
    /// ```
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
///
/// ```
/// use cutaway::RoutesRefusal;
/// use cutaway::prelude::*;
///
/// let refused = Routes::new().mount("api/", Routes::new()).build().err().unwrap();
/// let prefix = "api/".to_owned();
/// assert_eq!(refused.refusals(), [RoutesRefusal::PrefixMalformed { prefix }]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoutesRefusal {
    /// A route's steps do not fit together.
    #[error(transparent)]
    Route(RouteRefusal),
    /// A route's pattern is malformed or conflicts with another.
    #[error(transparent)]
    Pattern(RouteError),
    /// A resource was given twice; perhaps once by mounted routes.
    #[error("resource `{resource}` is given twice")]
    ResourceTwice {
        /// The resource.
        resource: &'static str,
    },
    /// Routes were mounted below what is no beginning of a pattern.
    #[error("mount `{prefix}`: a prefix begins with `/` and ends without one, or is empty")]
    PrefixMalformed {
        /// The prefix.
        prefix: String,
    },
    /// A second fallback was given.
    #[error("a fallback is given twice")]
    FallbackTwice,
    /// Mounted routes have a fallback. A path without a route is below no mount, so only the
    /// outermost routes can answer it.
    #[error("mount `{prefix}`: only the outermost routes may have a fallback")]
    FallbackMounted {
        /// Where they were mounted.
        prefix: String,
    },
    /// There are more routes than indices.
    #[error("{count} routes, at most {limit}")]
    TooManyRoutes {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
}
