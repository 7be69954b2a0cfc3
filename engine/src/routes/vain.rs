//! What steps declare in vain: slots that nobody reads, and slots that a step never touches.
//!
//! Neither is an error: a slot may be there for a route that comes next week. But each makes a
//! signature say more than the step does, and a later reader believe it.

use std::fmt;

use super::BuiltRoutes;
use crate::ctx::SlotMeta;
use crate::step::{Contract, Declared, Route};

/// A slot that a step declares in vain.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::step::Declared;
///
/// slot!(pub Name: String);
///
/// fn name(cx: &mut Cx<Writes<Name>>) {
///     cx.put(Name, "ann".to_owned());
/// }
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.text("Hello, World!")
/// }
///
/// let routes = Routes::new().get("/hello", chain(name).then(hello)).build()?;
/// let vain = &routes.unread_slots()[0];
/// assert_eq!((vain.route.as_str(), vain.slot), ("GET /hello", "Name"));
/// assert_eq!(vain.declared, Declared::ToWrite);
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VainSlot {
    /// The step's route, as a listing calls it: `GET /posts/{id}`.
    pub route: String,
    /// The step.
    pub step: &'static str,
    /// What the step declares it for.
    pub declared: Declared,
    /// The slot.
    pub slot: &'static str,
}

impl fmt::Display for VainSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VainSlot {
            route,
            step,
            declared,
            slot,
        } = self;
        let clause = declared.clause();
        write!(f, "{route}: step {step} declares `{clause}<{slot}>`")
    }
}

impl BuiltRoutes {
    /// The slots that steps write and no later step reads, route by route. Known from the types alone.
    ///
    /// A step that stands in several routes, as those of a `before` chain do, is not named where one of
    /// them reads what it writes. A slot that only an explicit continuation reads is named: what
    /// continues a step is known only when it runs.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// slot!(pub Name: String);
    ///
    /// fn name(cx: &mut Cx<Writes<Name>>) {
    ///     cx.put(Name, "ann".to_owned());
    /// }
    ///
    /// fn hello(cx: &mut Cx) -> Step {
    ///     cx.text("Hello, World!")
    /// }
    ///
    /// let routes = Routes::new().get("/hello", chain(name).then(hello)).build()?;
    /// assert_eq!(routes.unread_slots()[0].slot, "Name");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn unread_slots(&self) -> Vec<VainSlot> {
        let written: Vec<_> = (self.titled_routes())
            .flat_map(|(title, route)| written_by(title, route))
            .collect();
        let is_read_somewhere = |unread: &Written<'_>| {
            let of_same_step = |other: &&Written<'_>| {
                other.step.name() == unread.step.name() && other.slot.is(unread.slot)
            };
            (written.iter().filter(of_same_step)).any(|other| other.is_read)
        };
        let vain = (written.iter())
            .filter(|slot| !is_read_somewhere(slot))
            .map(|slot| VainSlot {
                route: slot.title.clone(),
                step: slot.step.name(),
                declared: Declared::ToWrite,
                slot: slot.slot.name,
            });
        vain.collect()
    }

    /// The slots that a step declares and has touched in no request so far: neither read, nor put, nor
    /// promised to an effect. Steps that have not run to an end without a failure are left out. Empty in
    /// release builds, which do not count.
    ///
    /// A server prints them to standard error when it ends, in debug builds.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use cutaway::prelude::*;
    /// use cutaway::testing::simulation::{SimConfig, Simulation};
    ///
    /// slot!(pub Id: i64 = path "id");
    ///
    /// fn hello(cx: &mut Cx<Reads<Id>>) -> Step {
    ///     cx.text("Hello, World!")
    /// }
    ///
    /// let routes = Arc::new(Routes::new().get("/hello/{id}", chain(hello)).build()?);
    /// let mut simulation = Simulation::new(Arc::clone(&routes), SimConfig::new(1))?;
    /// simulation.connect().send(b"GET /hello/7 HTTP/1.1\r\nHost: a\r\n\r\n");
    /// simulation.run_for(5.millis());
    /// let unused = routes.unused_slots();
    /// assert!(!cfg!(debug_assertions) || unused[0].slot == "Id");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unused_slots(&self) -> Vec<VainSlot> {
        let mut unused = Vec::new();
        for (title, route) in self.titled_routes() {
            for step in route.contracts() {
                unused.extend(step.untouched_slots().map(|(declared, slot)| VainSlot {
                    route: title.clone(),
                    step: step.name(),
                    declared,
                    slot: slot.name,
                }));
            }
        }
        unused
    }

    /// What a server says of them when it ends; empty where there is nothing to say.
    pub(crate) fn unused_report(&self) -> String {
        let unused = self.unused_slots();
        (unused.iter())
            .map(|slot| format!("{slot}, and has used it in no request\n"))
            .collect()
    }
}

/// A slot that a step writes.
struct Written<'b> {
    title: String,
    step: Contract<'b>,
    slot: &'b SlotMeta,
    /// Whether a later step of the route reads it.
    is_read: bool,
}

/// What the steps of a route write.
fn written_by(title: String, route: &Route) -> Vec<Written<'_>> {
    let steps: Vec<_> = route.contracts().collect();
    let mut written = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let is_read = |slot: &SlotMeta| {
            let mut later = steps[at + 1..].iter().flat_map(|step| step.read_slots());
            later.any(|known| known.is(slot))
        };
        written.extend(step.write_slots().iter().map(|slot| Written {
            title: title.clone(),
            step: *step,
            slot,
            is_read: is_read(slot),
        }));
    }
    written
}

#[cfg(test)]
mod tests;
