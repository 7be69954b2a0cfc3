//! Mermaid's notation.

use std::fmt;

use super::{Flow, Graph};

pub(super) struct Mermaid(pub(super) Graph);

impl fmt::Display for Mermaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Graph {
            pipelines,
            resources,
        } = &self.0;
        writeln!(f, "flowchart LR")?;
        for (index, name) in resources.iter().enumerate() {
            writeln!(f, "  resource{index}[({})]", Text(name))?;
        }
        for (route, pipeline) in pipelines.iter().enumerate() {
            writeln!(f, "  subgraph r{route}[{}]", Text(&pipeline.title))?;
            // A subgraph does not take its direction from the chart.
            writeln!(f, "    direction LR")?;
            for (node, name) in pipeline.nodes.iter().enumerate() {
                let (open, close) = if node == 0 { ("([", "])") } else { ("[", "]") };
                writeln!(f, "    r{route}s{node}{open}{}{close}", Text(name))?;
            }
            for flow in &pipeline.flows {
                let Flow { from, to, slots } = flow;
                let arrow = if flow.is_order() { "-->" } else { "-.->" };
                write!(f, "    r{route}s{from} {arrow}")?;
                if !slots.is_empty() {
                    write!(f, "|{}|", Text(&slots.join(", ")))?;
                }
                writeln!(f, " r{route}s{to}")?;
            }
            writeln!(f, "  end")?;
            for (node, resource) in &pipeline.uses {
                writeln!(f, "  r{route}s{node} -.- resource{resource}")?;
            }
        }
        Ok(())
    }
}

/// A quoted text. What the notation reads itself is written by its code.
struct Text<'t>(&'t str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            match character {
                '"' | '#' | '<' | '>' | '&' | '`' => write!(f, "#{};", character as u32)?,
                _ => write!(f, "{character}")?,
            }
        }
        f.write_str("\"")
    }
}
