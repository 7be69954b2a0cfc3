//! Graphviz's notation.

use std::fmt;

use super::{Flow, Graph};

pub(super) struct Dot(pub(super) Graph);

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Graph {
            pipelines,
            resources,
        } = &self.0;
        writeln!(f, "digraph routes {{")?;
        writeln!(f, "  rankdir=LR;")?;
        writeln!(f, "  node [shape=box, fontname=\"sans-serif\"];")?;
        writeln!(f, "  edge [fontname=\"sans-serif\", fontsize=10];")?;
        for (index, name) in resources.iter().enumerate() {
            writeln!(
                f,
                "  resource{index} [shape=cylinder, label={}];",
                Text(name)
            )?;
        }
        for (route, pipeline) in pipelines.iter().enumerate() {
            writeln!(f, "  subgraph cluster_{route} {{")?;
            writeln!(f, "    label={};", Text(&pipeline.title))?;
            for (node, name) in pipeline.nodes.iter().enumerate() {
                let shape = if node == 0 { "shape=oval, " } else { "" };
                writeln!(f, "    r{route}s{node} [{shape}label={}];", Text(name))?;
            }
            writeln!(f, "  }}")?;
            for flow in &pipeline.flows {
                let Flow { from, to, slots } = flow;
                let mut attributes = Vec::new();
                if !slots.is_empty() {
                    attributes.push(format!("label={}", Text(&slots.join(", "))));
                }
                if !flow.is_order() {
                    attributes.push("style=dashed, constraint=false".to_owned());
                }
                let attributes = attributes.join(", ");
                writeln!(f, "  r{route}s{from} -> r{route}s{to} [{attributes}];")?;
            }
            for (node, resource) in &pipeline.uses {
                writeln!(f, "  r{route}s{node} -> resource{resource} [style=dotted];")?;
            }
        }
        writeln!(f, "}}")
    }
}

/// A quoted text.
struct Text<'t>(&'t str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                _ => write!(f, "{character}")?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        assert_eq!(Text(r#"a"b\c"#).to_string(), r#""a\"b\\c""#);
    }
}
