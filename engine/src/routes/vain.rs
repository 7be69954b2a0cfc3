//! What steps declare in vain: slots that nobody reads, and slots that a step never touches.
//!
//! Neither is an error: a slot may be there for a route that comes next week. But each makes a
//! signature say more than the step does, and a later reader believe it.

use std::fmt;

use super::BuiltRoutes;
use crate::ctx::SlotMeta;
use crate::http::Method;
use crate::step::{Clause, Contract, Route};

/// A slot that a step declares in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VainSlot {
    /// The method of the step's route.
    pub method: Method,
    /// The route's pattern.
    pub pattern: &'static str,
    /// The step.
    pub step: &'static str,
    /// Where the step declares it.
    pub clause: Clause,
    /// The slot.
    pub slot: &'static str,
}

impl fmt::Display for VainSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VainSlot {
            method,
            pattern,
            step,
            clause,
            slot,
        } = self;
        let method = method.name();
        write!(
            f,
            "{method} {pattern}: step {step} declares `{clause:?}<{slot}>`"
        )
    }
}

impl BuiltRoutes {
    /// The slots that steps write and no later step reads, route by route. Known from the types alone.
    ///
    /// A step that stands in several routes, as those of a `before` chain do, is not named where one of
    /// them reads what it writes.
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
        let unread: Vec<_> = self.routes().iter().flat_map(unread_of).collect();
        let read: Vec<_> = self.all_routes().iter().flat_map(read_of).collect();
        let is_vain = |(route, step, slot): (&Route, Contract<'_>, &SlotMeta)| {
            let is_read = |(name, known): &(&str, SlotMeta)| *name == step.name() && known.is(slot);
            (!read.iter().any(is_read)).then(|| vain(route, step, Clause::Writes, slot))
        };
        unread.into_iter().filter_map(is_vain).collect()
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
        let steps = (self.all_routes().iter())
            .flat_map(|route| contracts(route).map(move |step| (route, step)));
        let unused = steps.flat_map(|(route, step)| {
            let slots = step.untouched_slots();
            slots.map(move |(clause, slot)| vain(route, step, clause, slot))
        });
        unused.collect()
    }

    /// What a server says of them when it ends; empty where there is nothing to say.
    pub(crate) fn unused_report(&self) -> String {
        let unused = self.unused_slots();
        (unused.iter())
            .map(|slot| format!("{slot}, and has used it in no request\n"))
            .collect()
    }
}

/// The route's slots that are written and read by no later step of it.
fn unread_of(route: &Route) -> Vec<(&Route, Contract<'_>, &SlotMeta)> {
    written_of(route, false)
}

/// The names of the steps that write something which a later step of the route reads, with that.
fn read_of(route: &Route) -> impl Iterator<Item = (&str, SlotMeta)> {
    let read = written_of(route, true);
    read.into_iter().map(|(_, step, slot)| (step.name(), *slot))
}

fn written_of(route: &Route, is_read: bool) -> Vec<(&Route, Contract<'_>, &SlotMeta)> {
    let steps: Vec<_> = contracts(route).collect();
    let mut written = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let reads = |slot: &SlotMeta| {
            let mut later = steps[at + 1..].iter().flat_map(|step| step.read_slots());
            later.any(|known| known.is(slot))
        };
        let slots = step.write_slots().iter();
        let chosen = slots.filter(|slot| reads(slot) == is_read);
        written.extend(chosen.map(|slot| (route, *step, slot)));
    }
    written
}

fn contracts(route: &Route) -> impl Iterator<Item = Contract<'_>> {
    (0..).map_while(|step| route.contract(step))
}

fn vain(route: &Route, step: Contract<'_>, clause: Clause, slot: &SlotMeta) -> VainSlot {
    VainSlot {
        method: route.method(),
        pattern: route.pattern(),
        step: step.name(),
        clause,
        slot: slot.name,
    }
}

#[cfg(test)]
mod tests;
