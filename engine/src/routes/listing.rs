//! The contract of every route as text: `--print-routes`.

use std::fmt;

use super::BuiltRoutes;
use crate::bound::Unit;
use crate::ctx::{SlotMeta, Source};
use crate::step::{BodyMode, Route};

impl BuiltRoutes {
    /// What each route is, in text: pattern, class, deadline, what becomes of a body, and its steps with what they read, write
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
    /// assert!(listing.starts_with("GET /hello/{id}\n  class interactive, deadline 50 ms, body not read\n"));
    /// assert!(listing.contains("find    reads Id = path \"id\"; writes Name\n"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn listing(&self) -> impl fmt::Display + '_ {
        Listing(self)
    }
}

struct Listing<'b>(&'b BuiltRoutes);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, route) in self.0.titled_routes() {
            writeln!(f, "{title}")?;
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
        let body = match route.body_mode() {
            BodyMode::None => "not read",
            BodyMode::Buffered => "buffered",
            BodyMode::Streamed => "streamed",
        };
        writeln!(f, ", body {body}")
    }
}

fn write_steps(f: &mut fmt::Formatter<'_>, route: &Route) -> fmt::Result {
    let names = route.contracts().map(|step| step.name().len());
    let width = names.max().unwrap_or(0);
    for step in route.contracts() {
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

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    resource!(Blog: Sqlite);
    slot!(Id: i64 = path "id");
    slot!(Agent<'r>: Option<&'r str> = header "user-agent");
    slot!(New: Vec<i64> = body json);
    slot!(Written: Executed);

    fn name(cx: &mut Cx<Reads<(Id, Agent)>>) {
        let _ = (cx.get(Id), cx.get(Agent));
    }

    fn write(cx: &mut Cx<Reads<New>, Writes<Written>, Uses<Blog>>) -> Step {
        let count = cx.get(New).len() as i64;
        cx.need(cx.on(Blog).exec("SELECT ?1").bind(count).into(Written))
    }

    fn done(cx: &mut Cx<Reads<Written>>) -> Step {
        let _ = cx.get(Written);
        cx.empty()
    }

    #[test]
    fn a_route_is_listed_with_all_that_is_known_of_it() {
        let items = Routes::new()
            .before(chain(name))
            .put("", chain(write).then(done).no_deadline());
        let routes = Routes::new()
            .resource(Blog, Sqlite::open("blog.db"))
            .get(
                "/",
                chain(|cx: &mut Cx| cx.empty())
                    .class(Batch)
                    .deadline(1500.millis()),
            )
            .mount("/items/{id}", items)
            .build()
            .unwrap();
        let listing = routes.listing().to_string();
        let own = "cutaway::routes::listing::tests::";
        let closure = "a_route_is_listed_with_all_that_is_known_of_it::{{closure}}";
        let listing = listing.replace(own, "").replace(closure, "closure");
        let expected = "\
GET /
  class batch, deadline 1500 ms, body not read
  closure
PUT /items/{id}
  class standard, no deadline, body buffered
  name    reads Id = path \"id\", Agent = header \"user-agent\"
  write   reads New = body json; writes Written; uses Blog
  done    reads Written
(not found)
  class standard, deadline 100 ms, body not read
  cutaway::routes::unrouted::not_found
(method not allowed)
  class standard, deadline 100 ms, body not read
  cutaway::routes::unrouted::not_allowed
(method not allowed) /items/{id}
  class standard, deadline 100 ms, body not read
  name    reads Id = path \"id\", Agent = header \"user-agent\"
  cutaway::routes::unrouted::not_allowed
";
        assert_eq!(listing, expected);
    }
}
