//! Writing files on a worker: begun without a name, named when they are whole and durable.

use std::io;

use cutaway_reactor::{Handler, Publish};
use cutaway_scheduler::{Clock, Nanos};

use super::error::FileError;
use super::job::{FileJob, Operation};
use crate::effect::file::StoredFile;

/// Where files are written: a real directory, or one that a simulation made up.
pub(super) trait Disk {
    /// A file that has no name yet. Dropping it forgets it.
    type Unnamed;

    /// Whether there is something of this name.
    fn has(&mut self, name: &str) -> io::Result<bool>;
    /// A file without a name and without content.
    fn create(&mut self) -> io::Result<Self::Unnamed>;
    /// Adds to it.
    fn write(&mut self, file: &mut Self::Unnamed, bytes: &[u8]) -> io::Result<()>;
    /// Returns when what was written would survive a loss of power.
    fn sync(&mut self, file: &mut Self::Unnamed) -> io::Result<()>;
    /// Gives it its name. True where something else had that, and is replaced.
    fn name(&mut self, file: Self::Unnamed, name: &str, is_replacing: bool) -> io::Result<bool>;
    /// Returns when the names would survive a loss of power.
    fn sync_names(&mut self) -> io::Result<()>;
    /// Takes a file away again.
    fn remove(&mut self, name: &str) -> io::Result<()>;
}

/// Runs the jobs of one shard on one directory.
pub(super) struct FileWriter<D: Disk, C> {
    disk: D,
    clock: C,
    /// What is being written, by the upload's place.
    begun: Vec<Option<Begun<D::Unnamed>>>,
}

struct Begun<F> {
    file: F,
    bytes: u64,
}

impl<D: Disk, C: Clock> FileWriter<D, C> {
    pub(super) fn new(disk: D, clock: C, uploads_max: usize) -> FileWriter<D, C> {
        FileWriter {
            disk,
            clock,
            begun: (0..uploads_max).map(|_| None).collect(),
        }
    }

    fn perform(&mut self, job: &FileJob) -> Result<Option<StoredFile>, FileError> {
        match job.operation {
            Operation::Open => self.open(job).map(|()| None),
            Operation::Write => self.write(job).map(|()| None),
            Operation::Finish => {
                self.write(job)?;
                self.finish(job).map(Some)
            }
            Operation::Discard => {
                self.begun[job.index as usize] = None;
                Ok(None)
            }
        }
    }

    fn open(&mut self, job: &FileJob) -> Result<(), FileError> {
        // Told now, so that nothing is sent in vain; what comes meanwhile is found at the end.
        if !job.is_replacing && self.disk.has(&job.name)? {
            return Err(FileError::Exists);
        }
        // What stands there was left by a job that could not be handed over: see `FileEffects`.
        self.begun[job.index as usize] = None;
        let file = self.disk.create()?;
        self.begun[job.index as usize] = Some(Begun { file, bytes: 0 });
        Ok(())
    }

    fn write(&mut self, job: &FileJob) -> Result<(), FileError> {
        if job.cancelled.is_set() {
            return Err(FileError::Cancelled);
        }
        let begun = self.begun[job.index as usize].as_mut();
        let begun = begun.expect("a file is opened before it is written");
        self.disk.write(&mut begun.file, &job.bytes)?;
        begun.bytes += job.bytes.len() as u64;
        Ok(())
    }

    /// The order is the promise: content, name, and only then the word that it is there.
    fn finish(&mut self, job: &FileJob) -> Result<StoredFile, FileError> {
        let begun = self.begun[job.index as usize].take();
        let Begun { mut file, bytes } = begun.expect("a file is opened before it is finished");
        self.disk.sync(&mut file)?;
        // The sync may have taken long; the name is what cannot be taken back.
        if job.cancelled.is_set() {
            return Err(FileError::Cancelled);
        }
        let has_replaced = self.disk.name(file, &job.name, job.is_replacing)?;
        if let Err(error) = self.disk.sync_names() {
            if !has_replaced {
                // What fails is to leave nothing. It is whole, should this fail as well.
                let _ = self.disk.remove(&job.name);
            }
            return Err(error.into());
        }
        Ok(StoredFile {
            bytes,
            has_replaced,
        })
    }
}

impl<D: Disk, C: Clock> Handler<FileJob> for FileWriter<D, C> {
    fn run(&mut self, job: &mut FileJob) -> Publish {
        job.started_at = self.clock.now();
        job.result = self.perform(job);
        if job.result.is_err() {
            self.begun[job.index as usize] = None;
        }
        job.finished_at = self.clock.now();
        Publish::Now
    }

    fn expected(&self, job: &FileJob) -> Nanos {
        match job.operation {
            Operation::Finish => A_SYNC,
            Operation::Open | Operation::Write | Operation::Discard => Nanos::ZERO,
        }
    }
}

/// What a sync takes on a disk that is not busy. What it decides is whether completions are announced
/// before it.
const A_SYNC: Nanos = Nanos::from_millis(1);
