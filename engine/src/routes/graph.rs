//! The contract of every route as a picture: DOT and Mermaid, from the same data as the listing.

mod dot;
mod mermaid;

use std::fmt;

use super::BuiltRoutes;
use crate::step::Route;

impl BuiltRoutes {
    /// The routes as a graph for Graphviz: `my-service --print-routes=dot | dot -Tsvg`.
    ///
    /// A cluster for each route: the request, then its steps in order. An arrow carries the slots that
    /// one step writes and another reads; a dashed one skips steps; a dotted one leads to a resource.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// fn hello(cx: &mut Cx) -> Step {
    ///     cx.text("Hello, World!")
    /// }
    ///
    /// let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// assert!(routes.dot().to_string().starts_with("digraph routes {"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn dot(&self) -> impl fmt::Display + '_ {
        dot::Dot(Graph::of(self))
    }

    /// The routes as a Mermaid flowchart, which many readers of Markdown draw. As [`dot`].
    ///
    /// [`dot`]: BuiltRoutes::dot
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// fn hello(cx: &mut Cx) -> Step {
    ///     cx.text("Hello, World!")
    /// }
    ///
    /// let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// assert!(routes.mermaid().to_string().starts_with("flowchart LR\n"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn mermaid(&self) -> impl fmt::Display + '_ {
        mermaid::Mermaid(Graph::of(self))
    }
}

/// What both notations draw.
struct Graph {
    pipelines: Vec<Pipeline>,
    resources: Vec<&'static str>,
}

/// One route: nodes and what flows between them.
struct Pipeline {
    title: String,
    /// The request, then the steps.
    nodes: Vec<&'static str>,
    flows: Vec<Flow>,
    /// Steps and the indices of the resources that they use.
    uses: Vec<(usize, usize)>,
}

/// An arrow between two nodes of a pipeline.
struct Flow {
    from: usize,
    to: usize,
    /// What the first gives to the second; nothing where it only comes before.
    slots: Vec<&'static str>,
}

impl Flow {
    /// Whether the second comes right after the first.
    fn is_order(&self) -> bool {
        self.to == self.from + 1
    }
}

impl Graph {
    fn of(routes: &BuiltRoutes) -> Graph {
        let resources: Vec<_> = routes.resources().iter().map(|(name, _)| *name).collect();
        let pipelines =
            (routes.titled_routes()).map(|(title, route)| Pipeline::of(title, route, &resources));
        Graph {
            pipelines: pipelines.collect(),
            resources,
        }
    }
}

impl Pipeline {
    fn of(title: String, route: &Route, resources: &[&'static str]) -> Pipeline {
        let steps: Vec<_> = route.contracts().collect();
        let mut nodes = vec!["request"];
        nodes.extend(steps.iter().map(|step| short(step.name())));
        let mut flows: Vec<Flow> = (1..nodes.len())
            .map(|to| Flow {
                from: to - 1,
                to,
                slots: Vec::new(),
            })
            .collect();
        let mut uses = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let to = index + 1;
            for slot in step.read_slots() {
                let writes = |at: &usize| {
                    let written = steps[*at].write_slots();
                    written.iter().any(|known| known.is(slot))
                };
                // What no step writes is read from the request.
                let from = (0..index).find(writes).map_or(0, |writer| writer + 1);
                match (flows.iter_mut()).find(|flow| (flow.from, flow.to) == (from, to)) {
                    Some(flow) => flow.slots.push(slot.name),
                    None => flows.push(Flow {
                        from,
                        to,
                        slots: vec![slot.name],
                    }),
                }
            }
            let indices = step.uses().filter_map(|used| {
                let index = resources.iter().position(|known| *known == used)?;
                Some((to, index))
            });
            uses.extend(indices);
        }
        Pipeline {
            title,
            nodes,
            flows,
            uses,
        }
    }
}

/// The end of a step's path: its function, or the function that its closure stands in.
fn short(name: &'static str) -> &'static str {
    // A path inside of `<..>` is no part of its own; such names stay whole.
    if name.contains('<') {
        return name;
    }
    let mut start = name.len();
    for part in name.rsplit("::") {
        start -= part.len();
        if !part.starts_with('{') {
            break;
        }
        start = start.saturating_sub("::".len());
    }
    &name[start..]
}

#[cfg(test)]
mod tests;
