//! What travels between a shard and the worker that writes its files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cutaway_scheduler::Nanos;

use super::error::FileError;
use crate::effect::file::{NAME_BYTES_MAX, StoredFile};

/// One step of writing a file. A box of it serves one file after the other.
#[derive(Debug)]
pub struct FileJob {
    /// The upload that it belongs to: its place at the shard and at the worker.
    pub(super) index: u32,
    pub(super) operation: Operation,
    pub(super) name: heapless::String<NAME_BYTES_MAX>,
    pub(super) is_replacing: bool,
    /// What is to be written.
    pub(super) bytes: Vec<u8>,
    pub(super) cancelled: Cancelled,
    /// How it ended; a file where it is complete.
    pub(super) result: Result<Option<StoredFile>, FileError>,
    pub(super) started_at: Nanos,
    pub(super) finished_at: Nanos,
}

/// What to do with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Begin it, without its name.
    Open,
    /// Write more of it.
    Write,
    /// Write the last of it, make it durable, and give it its name.
    Finish,
    /// Forget it.
    Discard,
}

impl FileJob {
    pub(super) fn new(index: u32, cancelled: Cancelled) -> FileJob {
        FileJob {
            index,
            operation: Operation::Discard,
            name: heapless::String::new(),
            is_replacing: false,
            bytes: Vec::new(),
            cancelled,
            result: Ok(None),
            started_at: Nanos::ZERO,
            finished_at: Nanos::ZERO,
        }
    }
}

/// Whether nobody wants the file any more. An upload has one job at a time, so that a flag for all its
/// uses suffices: it is lowered when no job is on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Cancelled(Arc<AtomicBool>);

impl Cancelled {
    pub(super) fn set(&self, is_cancelled: bool) {
        // Relaxed: the flag is all there is to see.
        self.0.store(is_cancelled, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
