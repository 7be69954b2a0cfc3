//! Why a file could not be written, and what that means for the request.

use std::fmt;
use std::io;

use rustix::io::Errno;

use crate::step::{Fail, Failure};

/// Why a file was not written. Nothing of it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileError {
    // Whoever asked may ask for something else.
    /// There is something of that name. Answer with a conflict.
    Exists,

    // Whoever asked may ask again later.
    /// The disk is full, or the quota is used up.
    NoSpace,
    /// As many files are written as may be.
    Busy,
    /// Nobody wanted it any more.
    Cancelled,

    // Somebody should look at the machine, or at the engine.
    /// The kernel's number for anything else that went wrong.
    Io(i32),
    /// The worker has died. The process should end.
    Dead,
    /// The job panicked.
    Panicked,
}

impl FileError {
    /// What it means for the request that wanted to write the file of this name.
    pub(crate) fn failure(self, name: &str) -> Failure {
        match self {
            FileError::Exists => Failure::new(Fail::Conflict, "file", name),
            // https://www.rfc-editor.org/rfc/rfc4918#section-11.5 – the server cannot store what it
            // needs to store. Unlike a 500 it tells the client to come back later.
            FileError::NoSpace => Failure::new(Fail::InsufficientStorage, "file", ""),
            FileError::Busy => Failure::new(Fail::Unavailable, "effect", "busy"),
            FileError::Dead => Failure::new(Fail::Unavailable, "effect", "worker died"),
            FileError::Cancelled => Failure::new(Fail::Timeout, "effect", ""),
            FileError::Io(_) | FileError::Panicked => Failure::error("file", &self),
        }
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> FileError {
        let Some(code) = error.raw_os_error() else {
            // The library itself fails only where a write takes nothing.
            return FileError::Io(Errno::IO.raw_os_error());
        };
        match Errno::from_raw_os_error(code) {
            // A directory of that name is in the way of a file that would replace it.
            Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY => FileError::Exists,
            Errno::NOSPC | Errno::DQUOT => FileError::NoSpace,
            _ => FileError::Io(code),
        }
    }
}

impl std::error::Error for FileError {}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Exists => f.write_str("there is a file of that name"),
            FileError::NoSpace => f.write_str("the disk is full"),
            FileError::Busy => f.write_str("too many files are written"),
            FileError::Cancelled => f.write_str("cancelled"),
            FileError::Io(code) => write!(f, "{}", io::Error::from_raw_os_error(*code)),
            FileError::Dead => f.write_str("the worker has died"),
            FileError::Panicked => f.write_str("the job panicked"),
        }
    }
}
