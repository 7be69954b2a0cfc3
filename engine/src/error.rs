//! Errors of the engine itself, and the one place that maps refusals of the wire to failures.

use std::io;

use cutaway_reactor::UringError;
use thiserror::Error;

use crate::config::ConfigRefused;
use crate::effect::directory::DirectoryError;
use crate::effect::sqlite::OpenError;
use crate::http::Refusal;
use crate::step::Fail;

/// Why the engine did not start, or why it ended.
///
/// The first group is the set-up's or the machine's fault and says what to change; the second is a
/// fault of the program and should be reported.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use cutaway::prelude::*;
///
/// fn main() -> ExitCode {
///     let routes = Routes::new().build().expect("no route is wrong");
///     match Engine::new(routes).run() {
///         Ok(()) => ExitCode::SUCCESS,
///         Err(cutaway::Error::Listen { address, .. }) => {
///             eprintln!("somebody else has {address}");
///             ExitCode::from(2)
///         }
///         Err(error) => {
///             eprintln!("{error}");
///             ExitCode::FAILURE
///         }
///     }
/// }
/// ```
#[derive(Error)]
pub enum Error {
    /// Zero shards were asked for.
    #[error("a server has at least one shard")]
    NoShards,
    /// What is configured, by the program or from outside, cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigRefused),
    /// The cores that the process may use could not be read.
    #[error("cannot tell which cores this process may run on: {0}")]
    Cores(#[source] io::Error),
    /// The address could not be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The kernel's word.
        error: io::Error,
    },
    /// The kernel refused a ring; the message says why and what to do.
    #[error("shard {shard}: {error}")]
    Ring {
        /// The shard.
        shard: usize,
        /// What is missing, and the remedy.
        error: UringError,
    },
    /// The host refused an executor.
    #[error(
        "shard {shard}: no executor: {why}; the host executor needs 512 KiB of locked memory, see `ulimit -l`"
    )]
    Executor {
        /// The shard.
        shard: usize,
        /// The host's word.
        why: String,
    },
    /// A database could not be opened.
    #[error("resource {resource}: {error}")]
    Database {
        /// The resource's name.
        resource: &'static str,
        /// What is wrong.
        error: OpenError,
    },
    /// A directory could not be opened.
    #[error("resource {resource}: {error}")]
    Directory {
        /// The resource's name.
        resource: &'static str,
        /// What is wrong.
        error: DirectoryError,
    },
    /// The kernel refused something small that every process has.
    #[error("{what}: {error}")]
    Kernel {
        /// What was asked for.
        what: &'static str,
        /// The kernel's word.
        error: io::Error,
    },

    /// A shard's ring broke while it served.
    #[error("shard {shard} ended: {error}")]
    ShardBroke {
        /// The shard.
        shard: usize,
        /// What the kernel said.
        error: io::Error,
    },
    /// A shard panicked outside of user code.
    #[error("shard {shard} panicked; this is a bug of the engine")]
    ShardPanicked {
        /// The shard.
        shard: usize,
    },
    /// A worker's thread died.
    #[error("worker {worker} died: {text}; this is a bug of the engine")]
    WorkerDied {
        /// The worker's name.
        worker: String,
        /// What it panicked with.
        text: String,
    },
    /// A second signal came while the server was draining.
    #[error("ended by a second signal while draining")]
    Interrupted,
}

/// As `Display`, so that a `main` which returns it shows the cause and the remedy.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The failure that a refused message is answered with: the one place where refusals meet statuses.
pub(crate) fn fail_of(refusal: Refusal) -> Fail {
    match refusal.status_code() {
        413 => Fail::ContentTooLarge,
        414 => Fail::UriTooLong,
        417 => Fail::ExpectationFailed,
        431 => Fail::HeadTooLarge,
        501 => Fail::NotImplemented,
        505 => Fail::VersionNotSupported,
        _ => Fail::BadRequest,
    }
}
