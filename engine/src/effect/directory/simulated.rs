//! A directory on the simulated machine: in memory, with a disk that fails where it is told to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use cutaway_reactor::sim::{SimNet, SimPort, WorkClock};
use cutaway_scheduler::Nanos;
use rustix::io::Errno;

use super::write::{self, FileWriter};
use super::{Directory, FileEffects, FileJob};

/// The disk that a directory of a simulated machine lies on. Clones are the same disk.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing::{App, DiskFault};
///
/// resource!(pub Uploads: Directory);
/// slot!(pub Saved: StoredFile);
///
/// fn save(cx: &mut Cx<Writes<Saved>, Uses<(Body, Uploads)>>) -> Step {
///     cx.need(cx.body().to_file(cx.on(Uploads).file("report.txt")).into(Saved))
/// }
///
/// fn show(cx: &mut Cx<Reads<Saved>>) -> Step {
///     cx.json(&cx.get(Saved).bytes)
/// }
///
/// let routes = Routes::new()
///     .resource(Uploads, Directory::open("uploads"))
///     .post("/report", chain(save).then(show))
///     .build()?;
/// let app = App::new(routes);
/// let disk = app.disk(Uploads);
///
/// disk.fail(1, DiskFault::Full);
/// app.post("/report").body("hello").send().assert_status(Status::INSUFFICIENT_STORAGE);
/// assert!(disk.names().is_empty());
///
/// assert_eq!(app.post("/report").body("hello").send().text(), "5");
/// assert_eq!(disk.file("report.txt").as_deref(), Some(&b"hello"[..]));
/// app.finish();
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
///
/// Time passes where it is told to, and the power may go:
///
/// ```
/// # use cutaway::prelude::*;
/// # use cutaway::testing::{App, Disk, DiskFault};
/// # resource!(Uploads: Directory);
/// # slot!(Saved: StoredFile);
/// # fn save(cx: &mut Cx<Writes<Saved>, Uses<(Body, Uploads)>>) -> Step {
/// #     cx.need(cx.body().to_file(cx.on(Uploads).file("new").replacing()).into(Saved))
/// # }
/// # fn show(cx: &mut Cx<Reads<Saved>>) -> Step { cx.json(&cx.get(Saved).bytes) }
/// # let routes = Routes::new()
/// #     .resource(Uploads, Directory::open("uploads"))
/// #     .post("/", chain(save).then(show))
/// #     .build()?;
/// let app = App::new(routes);
/// let disk: Disk = app.disk(Uploads);
/// disk.put("old", "stays");
/// disk.slow(2.millis());
/// app.post("/").body("hello").send().assert_status(Status::OK);
/// assert_eq!(app.now(), 2.millis() * disk.operation_count() as u32);
///
/// disk.fail(3, DiskFault::PowerLoss);
/// app.post("/").body("other").send().assert_status(Status::INTERNAL_SERVER_ERROR);
/// disk.restart();
/// assert_eq!(disk.names(), ["new", "old"]);
/// assert_eq!(disk.file("new").as_deref(), Some(&b"hello"[..]));
/// assert_eq!(disk.unnamed_count(), 0);
/// assert!(Disk::new().names().is_empty());
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
#[derive(Clone, Default)]
pub struct Disk(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    files: BTreeMap<String, File>,
    /// What a loss of power would leave.
    durable: BTreeMap<String, Vec<u8>>,
    unnamed_count: usize,
    operation_count: u64,
    /// From which operation on, and what then.
    fault: Option<(u64, DiskFault)>,
    operation_length: Nanos,
}

#[derive(Clone)]
struct File {
    bytes: Vec<u8>,
    is_synced: bool,
}

/// What a disk does instead of what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// That operation finds no room (`ENOSPC`).
    Full,
    /// That operation fails (`EIO`).
    Failed,
    /// The worker panics in that operation.
    Panic,
    /// The power goes: neither that operation nor any other does anything, until
    /// [`restart`](Disk::restart).
    PowerLoss,
}

impl Disk {
    /// An empty disk.
    pub fn new() -> Disk {
        Disk::default()
    }

    /// What the file of this name consists of.
    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.0.borrow();
        state.files.get(name).map(|file| file.bytes.clone())
    }

    /// The names of all files, in order.
    pub fn names(&self) -> Vec<String> {
        self.0.borrow().files.keys().cloned().collect()
    }

    /// Puts a file there, as if it had been there for long.
    pub fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        let mut state = self.0.borrow_mut();
        let bytes = bytes.into();
        state.durable.insert(name.to_owned(), bytes.clone());
        let is_synced = true;
        let file = File { bytes, is_synced };
        state.files.insert(name.to_owned(), file);
    }

    /// How many files are begun and have neither their name nor an end.
    pub fn unnamed_count(&self) -> usize {
        self.0.borrow().unnamed_count
    }

    /// How many operations there were: looks, creations, writes, syncs, names and removals.
    pub fn operation_count(&self) -> u64 {
        self.0.borrow().operation_count
    }

    /// Lets an operation go wrong: the next one, for 1. It replaces what was said before.
    pub fn fail(&self, operation: u64, fault: DiskFault) {
        let mut state = self.0.borrow_mut();
        state.fault = Some((state.operation_count + operation, fault));
    }

    /// Lets each operation take so long.
    pub fn slow(&self, length: Duration) {
        self.0.borrow_mut().operation_length = length.into();
    }

    /// The disk as it is when the power has gone and come back: what was not synced is lost, and a
    /// file that had its name before its content was synced is empty.
    pub fn restart(&self) {
        let mut state = self.0.borrow_mut();
        state.fault = None;
        let durable = mem::take(&mut state.durable);
        state.files.clear();
        drop(state);
        for (name, bytes) in durable {
            self.put(&name, bytes);
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disk").field(&self.names()).finish()
    }
}

impl State {
    /// An operation is about to be done, unless it goes wrong.
    fn begin(&mut self) -> io::Result<()> {
        self.operation_count += 1;
        let Some((at, fault)) = self.fault else {
            return Ok(());
        };
        if self.operation_count < at {
            return Ok(());
        }
        if fault != DiskFault::PowerLoss {
            self.fault = None;
        }
        Err(io::Error::from(match fault {
            DiskFault::Full => Errno::NOSPC,
            DiskFault::Failed | DiskFault::PowerLoss => Errno::IO,
            DiskFault::Panic => panic!("the disk was told to panic"),
        }))
    }
}

impl Directory {
    /// The directory on that disk, for the one shard of a simulated machine.
    pub(crate) fn simulate(
        &self,
        net: &SimNet,
        jobs_max: usize,
        disk: &Disk,
    ) -> FileEffects<SimPort<FileJob>> {
        let clock = WorkClock::new(net, Nanos::ZERO);
        let on_disk = OnDisk {
            disk: disk.clone(),
            net: net.clone(),
            clock: clock.clone(),
        };
        let writer = FileWriter::new(on_disk, clock.clone(), self.bounds.uploads_max);
        let port = SimPort::with_clock(net, jobs_max, clock, writer);
        FileEffects::new(self, port)
    }
}

/// A disk in a machine, which has faults of its own.
struct OnDisk {
    disk: Disk,
    net: SimNet,
    clock: WorkClock,
}

/// A file without a name.
struct Unnamed {
    file: File,
    disk: Disk,
}

impl OnDisk {
    /// The state, with an operation begun.
    fn begin(&self) -> io::Result<std::cell::RefMut<'_, State>> {
        let mut state = self.disk.0.borrow_mut();
        self.clock.spend(state.operation_length);
        state.begin()?;
        match self.net.disk_fault() {
            Some(errno) => Err(io::Error::from_raw_os_error(errno.0)),
            None => Ok(state),
        }
    }
}

impl write::Disk for OnDisk {
    type Unnamed = Unnamed;

    fn has(&mut self, name: &str) -> io::Result<bool> {
        Ok(self.begin()?.files.contains_key(name))
    }

    fn create(&mut self) -> io::Result<Unnamed> {
        self.begin()?.unnamed_count += 1;
        Ok(Unnamed {
            file: File {
                bytes: Vec::new(),
                is_synced: false,
            },
            disk: self.disk.clone(),
        })
    }

    fn write(&mut self, file: &mut Unnamed, bytes: &[u8]) -> io::Result<()> {
        let _state = self.begin()?;
        file.file.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self, file: &mut Unnamed) -> io::Result<()> {
        let _state = self.begin()?;
        file.file.is_synced = true;
        Ok(())
    }

    fn name(&mut self, mut file: Unnamed, name: &str, is_replacing: bool) -> io::Result<bool> {
        let mut state = self.begin()?;
        let is_there = state.files.contains_key(name);
        if is_there && !is_replacing {
            drop(state);
            return Err(Errno::EXIST.into());
        }
        let named = File {
            bytes: mem::take(&mut file.file.bytes),
            ..file.file
        };
        state.files.insert(name.to_owned(), named);
        drop(state);
        Ok(is_there)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        let mut state = self.begin()?;
        let content = |file: &File| match file.is_synced {
            true => file.bytes.clone(),
            false => Vec::new(),
        };
        state.durable = (state.files.iter())
            .map(|(name, file)| (name.clone(), content(file)))
            .collect();
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.begin()?.files.remove(name);
        Ok(())
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        self.disk.0.borrow_mut().unnamed_count -= 1;
    }
}
