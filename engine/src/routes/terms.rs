//! Class and deadline for many routes at once.

use std::time::Duration;

use cutaway_scheduler::ClassId;

use super::Routes;
use crate::step::Deadline;

impl<Available, Given> Routes<Available, Given> {
    /// The traffic class of the routes that are registered after it and say none: neither their chain
    /// does ([`Chain::class`](crate::step::Chain::class)) nor, if they are mounted, the routes they come with.
    ///
    /// It is the nearest word that counts, for the class and for the deadline each on its own: first
    /// the chain's, then its routes', then that of the routes these are mounted in. Where nobody says a
    /// class it is [`STANDARD`](ClassId::STANDARD); where nobody says a deadline it is the class's.
    /// The engine's own answers, 404 and 405, keep both.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// fn count(cx: &mut Cx) -> Step {
    ///     cx.json(&0)
    /// }
    ///
    /// let reports = Routes::new()
    ///     .get("/today", chain(count))
    ///     .get("/now", chain(count).class(Interactive).deadline(50.millis()));
    /// let routes = Routes::new()
    ///     .get("/", chain(count))
    ///     .class(Batch)
    ///     .deadline(10.secs())
    ///     .mount("/reports", reports)
    ///     .build()?;
    /// let listing = routes.listing().to_string();
    /// assert!(listing.contains("GET /\n  class standard, deadline 100 ms"));
    /// assert!(listing.contains("GET /reports/today\n  class batch, deadline 10 s"));
    /// assert!(listing.contains("GET /reports/now\n  class interactive, deadline 50 ms"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn class(mut self, class: ClassId) -> Self {
        self.parts.terms.class = Some(class);
        self
    }

    /// How long requests may take on the routes that are registered after it and say nothing
    /// themselves. Whose word counts, [`class`](Routes::class) says.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// fn answer(cx: &mut Cx) -> Step {
    ///     cx.empty()
    /// }
    ///
    /// // Who reads has the deadline of the class, who writes has more time.
    /// let routes = Routes::new()
    ///     .get("/posts", chain(answer))
    ///     .deadline(2.secs())
    ///     .post("/posts", chain(answer))
    ///     .delete("/posts", chain(answer))
    ///     .build()?;
    /// assert_eq!(routes.listing().to_string().matches("deadline 2 s").count(), 2);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn deadline(mut self, length: Duration) -> Self {
        self.parts.terms.deadline = Deadline::After(length.into());
        self
    }

    /// Requests may take as long as they like on the routes that are registered after it and say nothing
    /// themselves. Whose word counts, [`class`](Routes::class) says.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// fn export(cx: &mut Cx) -> Step {
    ///     cx.empty()
    /// }
    ///
    /// let exports = Routes::new().no_deadline().get("/all", chain(export));
    /// let routes = Routes::new().mount("/exports", exports).build()?;
    /// assert!(routes.listing().to_string().contains("no deadline"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn no_deadline(mut self) -> Self {
        self.parts.terms.deadline = Deadline::Never;
        self
    }
}
