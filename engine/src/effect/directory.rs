//! A directory as a resource: a worker for each shard, which writes files into it.
//!
//! ```text
//!  client ──▶ receive buffer ──▶ gathered ══▶ worker: write, write, … sync, name, sync ──▶ StoredFile
//!                 ▲                  │
//!                 └── is not read ◀──┘ while as much waits as may
//! ```
//!
//! The content of a request goes into a file without being kept: see
//! [`to_file`](super::BodyHandle::to_file). A file has no name before it is whole and durable, so that
//! nobody ever finds a part of one.
//!
//! A thread writes, and not the ring: opening, linking and syncing block on a file system whatever
//! asks for them, so the kernel would run them on threads of its own; and a job on a worker is what
//! the simulation knows how to let fail.

mod bounds;
mod effects;
mod error;
mod folder;
mod job;
mod simulated;
mod write;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cutaway_reactor::worker::{self, Batch, Death, Placement, Setup, SpawnError, ThreadPort};
use cutaway_scheduler::Clock;

use crate::bound::refusals;
use crate::effect::sqlite::Seat;

pub use bounds::DirectoryBounds;
pub use effects::{FileEffects, FileNews, FileReturned, UploadHandle};
pub use error::FileError;
pub use job::FileJob;
pub use simulated::{Disk, DiskFault};

use folder::Folder;
use write::FileWriter;

/// A directory that steps write files into.
///
/// ```
/// use cutaway::prelude::*;
///
/// resource!(pub Uploads: Directory);
/// slot!(pub Name<'r>: &'r str = path "name");
/// slot!(pub Saved: StoredFile);
///
/// fn save(cx: &mut Cx<Reads<Name>, Writes<Saved>, Uses<(Body, Uploads)>>) -> Step {
///     let file = cx.on(Uploads).file(cx.get(Name));
///     cx.need(cx.body().to_file(file).into(Saved))
/// }
///
/// fn show(cx: &mut Cx<Reads<Saved>>) -> Step {
///     let bytes = cx.get(Saved).bytes;
///     cx.status(Status::CREATED).json(&bytes)
/// }
///
/// let routes = Routes::new()
///     .resource(Uploads, Directory::open("uploads"))
///     .post("/files/{name}", chain(save).then(show).deadline(600.secs()).body_bytes_max(1 << 30))
///     .build()?;
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
///
/// Its bounds have defaults, and names that a configuration knows as well:
///
/// ```
/// use cutaway::prelude::*;
///
/// let directory = Directory::open("uploads").uploads_max(16).write_bytes(256 << 10);
/// assert_eq!(directory.path().to_str(), Some("uploads"));
/// assert_eq!(directory.bounds().uploads_max, 16);
/// assert_eq!(directory.bounds().write_bytes, 256 << 10);
/// ```
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
    bounds: DirectoryBounds,
}

impl Directory {
    /// The directory at `path`, made where it is not there; the one above it has to be. Opens nothing
    /// yet: where the directory cannot be written to, the engine does not start.
    pub fn open(path: impl Into<PathBuf>) -> Directory {
        Directory {
            path: path.into(),
            bounds: DirectoryBounds::default(),
        }
    }

    /// How many files a shard writes into it at a time.
    ///
    /// Default, range, and what happens past it: [`DirectoryBounds::uploads_max`].
    pub fn uploads_max(mut self, uploads_max: usize) -> Directory {
        self.bounds.uploads_max = uploads_max;
        self
    }

    /// How much of a file is written with one call.
    ///
    /// Default, range, and what happens past it: [`DirectoryBounds::write_bytes`].
    pub fn write_bytes(mut self, write_bytes: usize) -> Directory {
        self.bounds.write_bytes = write_bytes;
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How much of everything it takes.
    pub fn bounds(&self) -> &DirectoryBounds {
        &self.bounds
    }

    /// Another directory, under the same settings.
    pub(crate) fn set_path(&mut self, path: &Path) {
        self.path = path.to_owned();
    }

    /// To change a bound that is known by its name only.
    pub(crate) fn bounds_mut(&mut self) -> &mut DirectoryBounds {
        &mut self.bounds
    }

    /// Opens the directory and starts its threads: one for each seat.
    ///
    /// `name` goes into the names of the threads. `on_death` is called if one of them dies, which
    /// only a bug can bring about.
    ///
    /// # Errors
    /// Where the directory cannot be made or written to, or the threads cannot be had. No thread is
    /// left then.
    pub(crate) fn start<C: Clock + Clone + Send + 'static>(
        &self,
        name: &str,
        seats: &[Seat],
        clock: C,
        on_death: Arc<dyn Fn(&Death) + Send + Sync>,
    ) -> Result<Vec<FileEffects<ThreadPort<FileJob>>>, DirectoryError> {
        let range = refusals(&self.bounds, DirectoryBounds::BOUNDS);
        if let Some((range, refusal)) = range.first() {
            return Err(DirectoryError::Bound(format!("{} {refusal}", range.name)));
        }
        Folder::prepare(&self.path).map_err(|error| self.refused(error))?;
        let mut effects = Vec::with_capacity(seats.len());
        for (shard, seat) in seats.iter().enumerate() {
            let on_death = on_death.clone();
            let setup = Setup {
                name: format!("{name}-f{shard}"),
                // It waits for the disk most of the time: it runs where there is room.
                placement: Placement {
                    core: None,
                    background: true,
                },
                batch: Batch::default(),
                on_death: Box::new(move |death| on_death(death)),
            };
            let (settings, handler_clock) = (self.clone(), clock.clone());
            let make = move || {
                let folder = Folder::open(&settings.path);
                let folder = folder.map_err(|error| settings.refused(error))?;
                let uploads_max = settings.bounds.uploads_max;
                Ok(FileWriter::new(folder, handler_clock, uploads_max))
            };
            let ports = worker::spawn(setup, vec![seat.waker.clone()], clock.clone(), make);
            let ports = ports.map_err(|error| match error {
                SpawnError::Make(error) => error,
                other => DirectoryError::Worker(other.to_string()),
            })?;
            effects.extend(ports.into_iter().map(|port| FileEffects::new(self, port)));
        }
        Ok(effects)
    }

    fn refused(&self, error: io::Error) -> DirectoryError {
        let path = self.path.display().to_string();
        DirectoryError::Directory { path, error }
    }
}

/// Why a directory could not be opened. All of them are faults of the set-up or of the machine.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be made, opened or written to.
    #[error("{path}: no directory that can be written to: {error}")]
    Directory {
        /// The path.
        path: String,
        /// The kernel's word.
        error: io::Error,
    },
    /// A bound lies outside its range. An engine tells this with all that is wrong beside it.
    #[error("{0}")]
    Bound(String),
    /// A thread could not be started.
    #[error("{0}")]
    Worker(String),
}

#[cfg(test)]
mod tests;
