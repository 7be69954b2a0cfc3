//! The shard's face of a directory.
//!
//! Each file under way has one box, which is at the worker or here. While it is there, what arrives
//! is gathered here; when it is back, that goes along with it. So the disk takes large pieces from a
//! slow client and small ones from none, and two buffers a file are all there is.

use std::mem;

use cutaway_reactor::{Finished, Outcome, Ticket, WorkerPort};
use cutaway_scheduler::Nanos;

use super::Directory;
use super::error::FileError;
use super::job::{Cancelled, FileJob, Operation};
use crate::effect::file::StoredFile;

/// Writes files for one shard.
///
/// # Bounds
/// As many files are under way as the settings allow, and for each about two times `write_bytes` are
/// held. Nothing allocates once each place was used.
pub struct FileEffects<P: WorkerPort<FileJob>> {
    port: P,
    uploads: Vec<Upload>,
    free: Vec<u32>,
    write_bytes: usize,
    unwritten_bytes: usize,
}

/// How much a buffer may hold beyond its bound: a piece of content.
const PIECE_BYTES: usize = 16 << 10;

/// Names one file under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UploadHandle {
    index: u32,
    generation: u32,
}

/// A job that came back.
#[derive(Debug)]
pub struct FileReturned {
    /// The ticket that the file was begun with.
    pub request: Ticket,
    /// What `FileEffects::try_begin` called it.
    pub upload: UploadHandle,
    /// What it means.
    pub news: FileNews,
    /// When the worker took the file up.
    pub started_at: Nanos,
    /// When this job of it was done.
    pub finished_at: Nanos,
}

/// What becomes of a file under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileNews {
    /// It is begun: what it consists of may come.
    Opened,
    /// A part is written: there is room for more.
    Written,
    /// It is complete, durable, and has its name.
    Stored(StoredFile),
    /// It is not written, and nothing of it is left.
    Failed(FileError),
    /// It was abandoned, and nothing of it is left; unless its name was being given at that moment,
    /// and it stands there, whole.
    Discarded {
        /// Whether a job was on its way when it was abandoned.
        is_late: bool,
    },
}

struct Upload {
    generation: u32,
    request: Ticket,
    /// None while it is at the worker.
    job: Option<Box<FileJob>>,
    cancelled: Cancelled,
    /// What has come and was not handed over yet.
    gathered: Vec<u8>,
    state: State,
    started_at: Nanos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    /// More may come.
    Open,
    /// All has come.
    Complete,
    /// Nobody wants it any more.
    Abandoned {
        is_late: bool,
    },
}

impl<P: WorkerPort<FileJob>> FileEffects<P> {
    /// A face over one shard's worker.
    pub(crate) fn new(settings: &Directory, port: P) -> FileEffects<P> {
        let count = u32::try_from(settings.bounds.uploads_max).unwrap_or(u32::MAX);
        FileEffects {
            port,
            uploads: (0..count).map(Upload::new).collect(),
            // What was used last is used next, while its memory is warm.
            free: (0..count).rev().collect(),
            write_bytes: settings.bounds.write_bytes,
            unwritten_bytes: 0,
        }
    }

    /// Begins a file for the request with that ticket. The name is copied.
    ///
    /// # Errors
    /// [`FileError::Busy`] or [`FileError::Dead`]; nothing was begun then.
    pub(crate) fn try_begin(
        &mut self,
        request: Ticket,
        name: &str,
        is_replacing: bool,
    ) -> Result<UploadHandle, FileError> {
        let index = self.free.pop().ok_or(FileError::Busy)?;
        let upload = &mut self.uploads[index as usize];
        upload.generation = upload.generation.wrapping_add(1);
        upload.request = request;
        upload.state = State::Open;
        upload.cancelled.set(false);
        upload.started_at = Nanos::NEVER;
        let handle = UploadHandle {
            index,
            generation: upload.generation,
        };
        let job = upload.job.as_mut().expect("a free upload has its box");
        // At its first use, so that how much comes at once makes no difference later.
        for buffer in [&mut job.bytes, &mut upload.gathered] {
            buffer.reserve_exact(self.write_bytes + PIECE_BYTES);
        }
        job.name.clear();
        job.name.push_str(name).expect("a name was measured");
        job.is_replacing = is_replacing;
        match self.send(index, Operation::Open) {
            Ok(()) => Ok(handle),
            Err(refused) => {
                self.release(index);
                Err(refused)
            }
        }
    }

    /// Adds to a file. True where no more should come until [`FileNews::Written`].
    ///
    /// # Errors
    /// The worker takes no job. Abandon the file then.
    pub(crate) fn push(&mut self, handle: UploadHandle, piece: &[u8]) -> Result<bool, FileError> {
        let write_bytes = self.write_bytes;
        let Some(upload) = self.known(handle) else {
            return Ok(false);
        };
        upload.gathered.extend_from_slice(piece);
        let is_here = upload.job.is_some();
        let is_full = upload.gathered.len() >= write_bytes;
        self.unwritten_bytes += piece.len();
        if is_here {
            self.send(handle.index, Operation::Write)?;
            return Ok(false);
        }
        Ok(is_full)
    }

    /// The file is complete: it is made durable and gets its name.
    ///
    /// # Errors
    /// As [`push`](FileEffects::push).
    pub(crate) fn complete(&mut self, handle: UploadHandle) -> Result<(), FileError> {
        let Some(upload) = self.known(handle) else {
            return Ok(());
        };
        upload.state = State::Complete;
        if upload.job.is_some() {
            self.send(handle.index, Operation::Finish)?;
        }
        Ok(())
    }

    /// Nobody wants the file any more: [`FileNews::Discarded`] comes once it is done with.
    pub(crate) fn abandon(&mut self, handle: UploadHandle) {
        let Some(upload) = self.known(handle) else {
            return;
        };
        upload.cancelled.set(true);
        let is_late = upload.job.is_none();
        upload.state = State::Abandoned { is_late };
        if !is_late {
            self.discard(handle.index);
        }
    }

    /// The next job that came back and means something to somebody.
    pub(crate) fn poll(&mut self) -> Option<FileReturned> {
        while self.port.in_flight() > 0 {
            let Finished { mut job, outcome } = self.port.poll()?;
            let index = job.index;
            self.unwritten_bytes -= job.bytes.len();
            job.bytes.clear();
            let upload = &mut self.uploads[index as usize];
            upload.started_at = upload.started_at.min(job.started_at);
            let (request, started_at) = (upload.request, upload.started_at);
            let finished_at = job.finished_at;
            let handle = UploadHandle {
                index,
                generation: upload.generation,
            };
            upload.job = Some(job);
            if let Some(news) = self.news(index, &outcome) {
                return Some(FileReturned {
                    request,
                    upload: handle,
                    news,
                    started_at,
                    finished_at,
                });
            }
        }
        None
    }

    /// What it means that the job of this upload is back; none where another one follows unseen.
    fn news(&mut self, index: u32, outcome: &Outcome) -> Option<FileNews> {
        let upload = &self.uploads[index as usize];
        let job = upload.job.as_ref().expect("it has just come back");
        let (operation, result) = (job.operation, job.result);
        let has_ended = *outcome == Outcome::Ran
            && (result.is_err() || matches!(operation, Operation::Finish | Operation::Discard));
        if let State::Abandoned { is_late } = upload.state {
            if !has_ended && operation != Operation::Discard {
                self.discard(index);
                if self.uploads[index as usize].state != State::Free {
                    return None;
                }
            } else {
                self.release(index);
            }
            return Some(FileNews::Discarded { is_late });
        }
        if *outcome != Outcome::Ran {
            self.uploads[index as usize].state = State::Abandoned { is_late: false };
            self.discard(index);
            return Some(FileNews::Failed(FileError::Panicked));
        }
        let stored = match result {
            Ok(stored) => stored,
            Err(error) => {
                self.release(index);
                return Some(FileNews::Failed(error));
            }
        };
        if let Some(stored) = stored {
            self.release(index);
            return Some(FileNews::Stored(stored));
        }
        let news = match operation {
            Operation::Open => FileNews::Opened,
            _ => FileNews::Written,
        };
        let next = match (upload.state, upload.gathered.is_empty()) {
            (State::Complete, _) => Operation::Finish,
            (_, false) => Operation::Write,
            (_, true) => return Some(news),
        };
        match self.send(index, next) {
            Ok(()) => Some(news),
            Err(refused) => {
                self.uploads[index as usize].state = State::Abandoned { is_late: false };
                self.discard(index);
                Some(FileNews::Failed(refused))
            }
        }
    }

    /// How many jobs are on their way.
    pub(crate) fn in_flight(&self) -> usize {
        self.port.in_flight()
    }

    /// How many files are under way.
    pub(crate) fn uploads_count(&self) -> usize {
        self.uploads.len() - self.free.len()
    }

    /// How many bytes have come and were not written yet, of all files.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        self.unwritten_bytes
    }

    /// The shard is about to block: from now on a job that comes back wakes its ring. True if one is
    /// there already; then do not block.
    pub(crate) fn prepare_sleep(&mut self) -> bool {
        self.port.in_flight() > 0 && self.port.prepare_sleep()
    }

    fn known(&mut self, handle: UploadHandle) -> Option<&mut Upload> {
        let upload = self.uploads.get_mut(handle.index as usize)?;
        let is_known = upload.generation == handle.generation;
        (is_known && matches!(upload.state, State::Open | State::Complete)).then_some(upload)
    }

    /// Hands the box over, with what was gathered.
    fn send(&mut self, index: u32, operation: Operation) -> Result<(), FileError> {
        let upload = &mut self.uploads[index as usize];
        let mut job = upload.job.take().expect("a box is sent while it is here");
        job.operation = operation;
        job.result = Ok(None);
        mem::swap(&mut job.bytes, &mut upload.gathered);
        let Err(mut job) = self.port.try_submit(job) else {
            return Ok(());
        };
        let upload = &mut self.uploads[index as usize];
        mem::swap(&mut job.bytes, &mut upload.gathered);
        upload.job = Some(job);
        Err(if self.port.is_dead() {
            FileError::Dead
        } else {
            FileError::Busy
        })
    }

    /// Has what is begun of a file forgotten. Where the worker takes no job, it forgets it when the
    /// place is used next, or when it ends.
    fn discard(&mut self, index: u32) {
        self.drop_gathered(index);
        if self.send(index, Operation::Discard).is_err() {
            self.release(index);
        }
    }

    fn release(&mut self, index: u32) {
        self.drop_gathered(index);
        let upload = &mut self.uploads[index as usize];
        upload.state = State::Free;
        self.free.push(index);
    }

    fn drop_gathered(&mut self, index: u32) {
        let upload = &mut self.uploads[index as usize];
        self.unwritten_bytes -= upload.gathered.len();
        upload.gathered.clear();
    }
}

impl<P: WorkerPort<FileJob>> Drop for FileEffects<P> {
    fn drop(&mut self) {
        // Nobody waits for the files any more, and dropping the port waits for what runs.
        for upload in &self.uploads {
            upload.cancelled.set(true);
        }
    }
}

impl Upload {
    fn new(index: u32) -> Upload {
        let cancelled = Cancelled::default();
        Upload {
            generation: 0,
            request: Ticket::new(u32::MAX, std::num::NonZeroU32::MIN),
            job: Some(Box::new(FileJob::new(index, cancelled.clone()))),
            cancelled,
            gathered: Vec::new(),
            state: State::Free,
            started_at: Nanos::NEVER,
        }
    }
}
