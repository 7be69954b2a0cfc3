//! The contract of every route as text: `--print-routes`.

use std::fmt;

use super::BuiltRoutes;
use crate::bound::Unit;
use crate::ctx::{SlotMeta, Source};
use crate::step::Route;

impl BuiltRoutes {
    /// What each route is, in text: pattern, class, deadline, and its steps with what they read, write
    /// and use. All of it is known before the first request.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// slot!(pub Id: i64 = path "id");
    /// slot!(pub Name: String);
    ///
    /// fn find(cx: &mut Cx<Reads<Id>, Writes<Name>>) {
    ///     let id = *cx.get(Id);
    ///     cx.put(Name, format!("number {id}"));
    /// }
    ///
    /// fn greet(cx: &mut Cx<Reads<Name>>) -> Step {
    ///     let name = cx.get(Name);
    ///     cx.text(name)
    /// }
    ///
    /// let greeting = chain(find).then(greet).class(Interactive).deadline(50.millis());
    /// let routes = Routes::new().get("/hello/{id}", greeting).build()?;
    /// let listing = routes.listing().to_string();
    /// assert!(listing.starts_with("GET /hello/{id}\n  class interactive, deadline 50 ms"));
    /// assert!(listing.contains("find   reads Id = path \"id\"; writes Name\n"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn listing(&self) -> impl fmt::Display + '_ {
        Listing(self)
    }
}

struct Listing<'b>(&'b BuiltRoutes);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, route) in self.0.all_routes().iter().enumerate() {
            if index < self.0.routes().len() {
                writeln!(f, "{} {}", route.method().name(), route.pattern())?;
            } else {
                writeln!(f, "{}", route.pattern())?;
            }
            self.write_terms(f, route)?;
            write_steps(f, route)?;
        }
        Ok(())
    }
}

impl Listing<'_> {
    fn write_terms(&self, f: &mut fmt::Formatter<'_>, route: &Route) -> fmt::Result {
        let class = self.0.classes().class(route.class()).name;
        write!(f, "  class {class}, ")?;
        match route.deadline(self.0.classes()) {
            Some(length) => write!(f, "deadline {}", Unit::Time.written(length.as_u64()))?,
            None => f.write_str("no deadline")?,
        }
        f.write_str("\n")
    }
}

fn write_steps(f: &mut fmt::Formatter<'_>, route: &Route) -> fmt::Result {
    let contracts = || (0..).map_while(|step| route.contract(step));
    let width = contracts().map(|step| step.name().len()).max().unwrap_or(0);
    for step in contracts() {
        let clauses = [
            ("reads", step.read_slots().iter().map(described).collect()),
            ("writes", step.writes().map(str::to_owned).collect()),
            ("uses", step.uses().map(str::to_owned).collect::<Vec<_>>()),
        ];
        let said = clauses.iter().filter(|(_, names)| !names.is_empty());
        let said: Vec<_> = said
            .map(|(clause, names)| format!("{clause} {}", names.join(", ")))
            .collect();
        let line = format!("  {:width$}   {}", step.name(), said.join("; "));
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A slot, and where it comes from if no step writes it; as its declaration says it.
fn described(slot: &SlotMeta) -> String {
    let name = slot.name;
    match slot.extract.map(|extract| extract.source) {
        None => name.to_owned(),
        Some(Source::Path(param)) => format!("{name} = path {param:?}"),
        Some(Source::QueryField(field)) => format!("{name} = query {field:?}"),
        Some(Source::WholeQuery) => format!("{name} = query"),
        Some(Source::Header(field)) => format!("{name} = header {field:?}"),
        Some(Source::Body(format)) => format!("{name} = body {}", format.name()),
    }
}
