//! Whom the load meets: the engine, another build of it, or a peer.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::peers;
use crate::process::{Program, Scratch};

/// A server that can be started on an address and a core.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The name in tables and records.
    pub name: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// A program with the flags of the example `plaintext`.
    Engine(PathBuf),
    /// One of the small servers in this program.
    Peer(PathBuf),
}

impl Subject {
    /// Finds out whom `word` means: `engine`, a peer's name, or `NAME=PROGRAM` for another build of
    /// the engine.
    ///
    /// `tool` is this program, beside which the engine's example is looked for.
    ///
    /// *Errors*: nobody has that name, or the program is not there.
    pub fn named(word: &str, tool: &Path) -> Result<Subject, Failure> {
        if let Some((name, program)) = word.split_once('=') {
            return Subject::engine(name, PathBuf::from(program));
        }
        if word == "engine" {
            return Subject::engine(word, tool.with_file_name("examples").join("plaintext"));
        }
        peers::ensure_present(word)?;
        Ok(Subject {
            name: word.to_owned(),
            kind: Kind::Peer(tool.to_owned()),
        })
    }

    /// A build of the engine's example called `name`.
    ///
    /// *Errors*: the program is not there.
    pub fn engine(name: &str, program: PathBuf) -> Result<Subject, Failure> {
        if !program.is_file() {
            let remedy = "cargo build --release --example plaintext";
            return Err(Failure::Missing {
                what: "the engine's example",
                path: program,
                remedy,
            });
        }
        Ok(Subject {
            name: name.to_owned(),
            kind: Kind::Engine(program),
        })
    }

    /// The program that serves on `addr` from `core`; the engine keeps its database in `scratch`.
    pub fn program(&self, addr: SocketAddr, core: usize, scratch: &Scratch) -> Program {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let (path, args) = match &self.kind {
            Kind::Engine(program) => {
                let mut args = words(&[
                    "--addr",
                    &addr.to_string(),
                    "--shards",
                    "1",
                    "--trace",
                    "slow",
                    "--db",
                ]);
                args.push(scratch.path(&format!("{}.db", self.name)).into());
                (program, args)
            }
            Kind::Peer(tool) => (
                tool,
                words(&[
                    "peer",
                    &self.name,
                    "--addr",
                    &addr.to_string(),
                    "--core",
                    &core.to_string(),
                ]),
            ),
        };
        Program {
            name: self.name.clone(),
            path: path.clone(),
            args,
        }
    }
}
