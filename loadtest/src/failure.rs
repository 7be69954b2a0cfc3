//! Why a run could not be made or may not be believed.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::client::response::Fault;

/// What ended a run. Every variant names its operands, so that the message alone says what to mend.
///
/// `PortTaken`, `Missing`, `Unknown` and `Machine` mean that the set-up is at fault; `Answer`,
/// `Stalled`, `Closed`, `Died` and `Exit` that the subject is; `Io` and `Tool` that the runner or
/// the machine is.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A system call of the runner failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system answered.
        source: io::Error,
    },
    /// Someone listens on the port already, so a measurement would measure them.
    #[error("{addr} is taken: stop what listens there or choose another --port")]
    PortTaken {
        /// The address that was asked for.
        addr: SocketAddr,
    },
    /// A program that the run needs is not there.
    #[error("{what} is not at {path}: {remedy}")]
    Missing {
        /// What the program is.
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// The command that makes it.
        remedy: &'static str,
    },
    /// A name on the command line stands for nothing.
    #[error("unknown {what} `{name}`: {known}")]
    Unknown {
        /// The kind of name.
        what: &'static str,
        /// The name that was given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The machine cannot give a fair measurement.
    #[error("no fair measurement here: {0}")]
    Machine(String),
    /// An answer was not the one expected.
    #[error("connection {connection}, answer {answer} to `{path}`: {fault}")]
    Answer {
        /// Which connection, from 0.
        connection: usize,
        /// Which answer on the whole run, from 0.
        answer: u64,
        /// The request-target asked for.
        path: String,
        /// What was wrong with it.
        fault: Fault,
    },
    /// The server closed a connection where it owed an answer.
    #[error(
        "connection {connection} closed with {owed} answers owed and {unread} bytes of the next one"
    )]
    Closed {
        /// Which connection, from 0.
        connection: usize,
        /// Requests sent and not answered.
        owed: usize,
        /// Bytes of an unfinished answer.
        unread: usize,
    },
    /// The server sent an answer to no request.
    #[error("connection {connection}: {unread} bytes that answer no request")]
    Unasked {
        /// Which connection, from 0.
        connection: usize,
        /// Bytes received and owed to nobody.
        unread: usize,
    },
    /// No answer on any connection for longer than a server may take.
    #[error("no answer for {seconds} s with {owed} requests unanswered")]
    Stalled {
        /// How long the client waited, in seconds.
        seconds: u64,
        /// Requests sent and not answered.
        owed: usize,
    },
    /// A child ended before it was asked to.
    #[error("{name} ended by itself ({status}); it said:\n{said}")]
    Died {
        /// The child's name.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its output.
        said: String,
    },
    /// A child that was asked to end did not end as it should.
    #[error("{name}: {what}; it said:\n{said}")]
    Exit {
        /// The child's name.
        name: String,
        /// What it did instead.
        what: String,
        /// The end of its output.
        said: String,
    },
    /// A tool's output could not be understood or reports errors.
    #[error("{tool}: {what}")]
    Tool {
        /// The tool's name.
        tool: &'static str,
        /// What is wrong with its output.
        what: String,
    },
}

/// Names what was being done when a system call failed.
pub(crate) trait During<T> {
    /// Turns the system's answer into a failure that names the deed.
    fn during(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::Io {
            what: what(),
            source: error.into(),
        })
    }
}
