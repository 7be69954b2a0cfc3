//! What is asked of every subject, by name.

use crate::client::{Body, Exchange};
use crate::failure::Failure;

/// A load with a name, the same for every subject.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// The name on the command line and in records.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// Keep-alive connections.
    pub connections: usize,
    /// Pipelining depth.
    pub depth: usize,
    /// The request-targets, asked in turn, with what their answers hold.
    pub targets: &'static [(&'static str, Holds)],
}

/// What the content of an answer holds.
#[derive(Debug, Clone, Copy)]
pub enum Holds {
    /// Exactly this.
    Text(&'static str),
    /// These parts.
    Parts(&'static [&'static str]),
}

/// The 13 bytes of every plaintext test.
pub const PLAINTEXT: (&str, Holds) = ("/plaintext", Holds::Text("Hello, World!"));
/// A constant JSON object.
pub const JSON: (&str, Holds) = ("/json", Holds::Text(r#"{"message":"Hello, World!"}"#));
/// Two path parameters in the answer.
pub const PARAMETERS: (&str, Holds) = ("/users/7/posts/9", Holds::Text(r#"{"user":7,"post":9}"#));
/// A row of a database read by its key.
pub const SQLITE_READ: (&str, Holds) = (
    "/posts/1",
    Holds::Parts(&[r#"{"id":1,"title":"Post number 1","body":"lorem ipsum"#]),
);

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "plaintext64",
        about: "the smallest answer on 64 connections: cost of a request",
        connections: 64,
        depth: 1,
        targets: &[PLAINTEXT],
    },
    Scenario {
        name: "plaintext1000",
        about: "the same on 1000 connections: cost of many",
        connections: 1000,
        depth: 1,
        targets: &[PLAINTEXT],
    },
    Scenario {
        name: "pipelined16",
        about: "16 requests at a time on 64 connections: cost without the system calls",
        connections: 64,
        depth: 16,
        targets: &[PLAINTEXT],
    },
    Scenario {
        name: "json64",
        about: "a constant object as JSON",
        connections: 64,
        depth: 1,
        targets: &[JSON],
    },
    Scenario {
        name: "params64",
        about: "a route with two parameters",
        connections: 64,
        depth: 1,
        targets: &[PARAMETERS],
    },
    Scenario {
        name: "sqlite-read",
        about: "one row by key for each request",
        connections: 64,
        depth: 1,
        targets: &[SQLITE_READ],
    },
];

impl Scenario {
    /// The scenario called `name`.
    ///
    /// *Errors*: [`Failure::Unknown`] with the names that exist.
    pub fn named(name: &str) -> Result<&'static Scenario, Failure> {
        SCENARIOS
            .iter()
            .find(|scenario| scenario.name == name)
            .ok_or_else(|| {
                let known = SCENARIOS
                    .iter()
                    .map(|scenario| scenario.name)
                    .collect::<Vec<_>>()
                    .join(", ");
                Failure::Unknown {
                    what: "scenario",
                    name: name.to_owned(),
                    known,
                }
            })
    }

    /// The exchanges to run.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.targets
            .iter()
            .map(|&(path, holds)| exchange(path, holds))
            .collect()
    }
}

/// A GET of `path` whose answer holds what it must.
pub fn exchange(path: &str, holds: Holds) -> Exchange {
    let body = match holds {
        Holds::Text(text) => Body::Exact(text.as_bytes().to_vec()),
        Holds::Parts(parts) => {
            Body::Containing(parts.iter().map(|&part| part.to_owned()).collect())
        }
    };
    Exchange::get(path, body)
}
