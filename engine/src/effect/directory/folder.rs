//! A real directory.
//!
//! A file that is being written has no name where the file system can do that (`O_TMPFILE`: ext4, XFS,
//! Btrfs, tmpfs, overlays of recent kernels); then nothing is left of it even where the process is
//! killed. Elsewhere it has a hidden name, `.cutaway-…`, which is gone when it is dropped; what a
//! killed process has left is removed at the next start. Names of clients begin with no dot, so none
//! can be in the way of the other.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::write::Disk;

/// A directory that is open.
pub(super) struct Folder {
    at: Rc<OwnedFd>,
    /// Whether files are made without a name.
    is_nameless: bool,
}

/// A file on its way.
pub(super) struct Unnamed {
    file: File,
    folder: Rc<OwnedFd>,
    /// The name that it has meanwhile, where it needs one.
    interim: Option<Interim>,
}

type Interim = heapless::String<INTERIM_BYTES_MAX>;

impl Folder {
    /// Opens the directory at `path`, made where it is not there, and removes what a killed process
    /// has left in it.
    pub(super) fn prepare(path: &Path) -> io::Result<()> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let at = open_directory(path)?;
        // Who writes into it holds a shared lock: what stands there then is nobody's remains.
        match rustix::fs::flock(&at, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => remove_remains(&at)?,
            Err(Errno::WOULDBLOCK) => {}
            // A file system without locks: better remains than somebody else's files.
            Err(_) => {}
        }
        drop(at);
        // What cannot be written to is found out now, and not by the first client.
        Folder::open(path)?.create().map(drop)
    }

    pub(super) fn open(path: &Path) -> io::Result<Folder> {
        let at = open_directory(path)?;
        // It is held as long as the directory is open. Without it remains stay, and nothing else.
        let _ = rustix::fs::flock(&at, FlockOperation::LockShared);
        Ok(Folder {
            at: Rc::new(at),
            is_nameless: true,
        })
    }

    /// As on a file system where every file has a name.
    #[cfg(test)]
    pub(super) fn named(mut self) -> Folder {
        self.is_nameless = false;
        self
    }

    fn create_named(&self) -> io::Result<Unnamed> {
        let (interim, file) = with_interim(|interim| {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::openat(&*self.at, interim, flags, FILE_MODE)
        })?;
        Ok(Unnamed {
            file: file.into(),
            folder: Rc::clone(&self.at),
            interim: Some(interim),
        })
    }
}

impl Disk for Folder {
    type Unnamed = Unnamed;

    fn has(&mut self, name: &str) -> io::Result<bool> {
        match rustix::fs::statat(&*self.at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn create(&mut self) -> io::Result<Unnamed> {
        if !self.is_nameless {
            return self.create_named();
        }
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match rustix::fs::openat(&*self.at, ".", flags, FILE_MODE) {
            Ok(file) => Ok(Unnamed {
                file: file.into(),
                folder: Rc::clone(&self.at),
                interim: None,
            }),
            // man 2 open: the file system cannot do it, or the kernel does not know it.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                self.is_nameless = false;
                self.create_named()
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write(&mut self, file: &mut Unnamed, bytes: &[u8]) -> io::Result<()> {
        file.file.write_all(bytes)
    }

    fn sync(&mut self, file: &mut Unnamed) -> io::Result<()> {
        file.file.sync_all()
    }

    fn name(&mut self, mut file: Unnamed, name: &str, is_replacing: bool) -> io::Result<bool> {
        // A link never replaces anything, so two that want one name cannot both have it.
        match file.link(name) {
            Ok(()) => return Ok(false),
            Err(Errno::EXIST) if is_replacing => {}
            Err(error) => return Err(error.into()),
        }
        // Only a rename replaces, and only what has a name can be renamed.
        if file.interim.is_none() {
            let (interim, ()) = with_interim(|interim| file.link(interim))?;
            file.interim = Some(interim);
        }
        let interim = file.interim.take().expect("it has one by now");
        if let Err(error) = rustix::fs::renameat(&*self.at, interim.as_str(), &*self.at, name) {
            file.interim = Some(interim);
            return Err(error.into());
        }
        Ok(true)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&*self.at)?)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&*self.at, name, AtFlags::empty())?)
    }
}

impl Unnamed {
    /// Gives it a further name.
    fn link(&self, name: &str) -> rustix::io::Result<()> {
        if let Some(interim) = &self.interim {
            let (from, to) = (&*self.folder, &*self.folder);
            return rustix::fs::linkat(from, interim.as_str(), to, name, AtFlags::empty());
        }
        // man 2 open: without a privilege, a file without a name is linked by its place in /proc.
        let mut own = heapless::String::<INTERIM_BYTES_MAX>::new();
        write!(own, "/proc/self/fd/{}", self.file.as_raw_fd()).expect("a number is short");
        let follow = AtFlags::SYMLINK_FOLLOW;
        rustix::fs::linkat(CWD, own.as_str(), &*self.folder, name, follow)
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if let Some(interim) = &self.interim {
            // Where it fails, the next start removes it.
            let _ = rustix::fs::unlinkat(&*self.folder, interim.as_str(), AtFlags::empty());
        }
    }
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn remove_remains(at: &OwnedFd) -> io::Result<()> {
    for entry in Dir::read_from(at)? {
        let entry = entry?;
        if entry.file_name().to_bytes().starts_with(INTERIM.as_bytes()) {
            rustix::fs::unlinkat(at, entry.file_name(), AtFlags::empty())?;
        }
    }
    Ok(())
}

/// Does something with an interim name that nobody has.
fn with_interim<T>(mut act: impl FnMut(&str) -> rustix::io::Result<T>) -> io::Result<(Interim, T)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        // Relaxed: only that no two are alike.
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut interim = Interim::new();
        write!(interim, "{INTERIM}{}-{number}", std::process::id()).expect("numbers are short");
        match act(&interim) {
            Ok(done) => return Ok((interim, done)),
            // Another process that has the same number, in a container of its own.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How interim names begin.
const INTERIM: &str = ".cutaway-";

/// Room for that, two numbers and what stands between; and for a place in /proc.
const INTERIM_BYTES_MAX: usize = 48;

/// What the process's umask leaves of it is what a file may be used for.
const FILE_MODE: Mode = Mode::from_raw_mode(0o666);

#[cfg(test)]
mod tests;
