use std::num::NonZeroU32;

use cutaway_reactor::Ticket;
use cutaway_reactor::sim::{Fault, FaultPlan, SimConfig, SimNet, SimPort};

use super::*;

const REQUEST: Ticket = Ticket::new(7, NonZeroU32::MIN);

/// A directory on a machine of its own.
struct Bench {
    net: SimNet,
    disk: Disk,
    effects: FileEffects<SimPort<FileJob>>,
}

impl Bench {
    fn new(directory: &Directory, config: SimConfig) -> Bench {
        let (net, disk) = (SimNet::new(config), Disk::new());
        let effects = directory.simulate(&net, 8, &disk);
        Bench { net, disk, effects }
    }

    fn still() -> Bench {
        let directory = Directory::open("d").uploads_max(2).write_bytes(4096);
        Bench::new(&directory, SimConfig::still(1))
    }

    fn begin(&mut self, name: &str) -> UploadHandle {
        self.effects.try_begin(REQUEST, name, false).unwrap()
    }

    /// The news of the next job that comes back.
    fn next(&mut self) -> Option<FileNews> {
        loop {
            if let Some(returned) = self.effects.poll() {
                assert_eq!(returned.request, REQUEST);
                assert!(returned.started_at <= returned.finished_at);
                return Some(returned.news);
            }
            if self.effects.in_flight() == 0 || !self.net.step() {
                return None;
            }
        }
    }

    fn assert_idle(&self) {
        assert_eq!(self.effects.uploads_count(), 0);
        assert_eq!(self.effects.unwritten_bytes(), 0);
        assert_eq!(self.effects.in_flight(), 0);
        assert_eq!(self.disk.unnamed_count(), 0);
    }
}

fn stored(bytes: u64) -> Option<FileNews> {
    Some(FileNews::Stored(crate::effect::StoredFile::of(bytes)))
}

#[test]
fn what_comes_while_the_disk_writes_goes_along_with_the_next_job() {
    let mut bench = Bench::still();
    let upload = bench.begin("a");
    assert_eq!(bench.next(), Some(FileNews::Opened));
    assert_eq!(bench.effects.push(upload, b"one"), Ok(false));
    assert_eq!(bench.effects.push(upload, b"two"), Ok(false));
    assert_eq!(bench.effects.push(upload, &[b'x'; 4093]), Ok(true));
    assert_eq!(bench.effects.unwritten_bytes(), 4099);
    assert_eq!(bench.next(), Some(FileNews::Written));
    assert_eq!(bench.effects.unwritten_bytes(), 4096);
    bench.effects.complete(upload).unwrap();
    assert_eq!(bench.next(), Some(FileNews::Written));
    assert_eq!(bench.next(), stored(4099));
    assert_eq!(bench.next(), None);
    let file = bench.disk.file("a").unwrap();
    assert!(file.starts_with(b"onetwoxxx") && file.len() == 4099);
    bench.assert_idle();
}

#[test]
fn a_file_may_be_empty() {
    let mut bench = Bench::still();
    let upload = bench.begin("a");
    assert_eq!(bench.next(), Some(FileNews::Opened));
    bench.effects.complete(upload).unwrap();
    assert_eq!(bench.next(), stored(0));
    assert_eq!(bench.disk.file("a").unwrap(), b"");
    bench.assert_idle();
}

#[test]
fn no_more_files_are_begun_than_may_be() {
    let mut bench = Bench::still();
    let (first, _) = (bench.begin("a"), bench.begin("b"));
    let third = bench.effects.try_begin(REQUEST, "c", false);
    assert_eq!(third, Err(FileError::Busy));
    bench.effects.abandon(first);
    while bench.next().is_some() {}
    bench.begin("c");
}

/// Of two that want one name, one has it; the other is told at the end.
#[test]
fn a_name_is_given_once() {
    let mut bench = Bench::still();
    let (first, second) = (bench.begin("a"), bench.begin("a"));
    assert_eq!(bench.next(), Some(FileNews::Opened));
    assert_eq!(bench.next(), Some(FileNews::Opened));
    bench.effects.complete(first).unwrap();
    assert_eq!(bench.next(), stored(0));
    bench.effects.push(second, b"late").unwrap();
    bench.effects.complete(second).unwrap();
    assert_eq!(bench.next(), Some(FileNews::Written));
    assert_eq!(bench.next(), Some(FileNews::Failed(FileError::Exists)));
    assert_eq!(bench.disk.file("a").unwrap(), b"");
    // And a third at the beginning.
    bench.begin("a");
    assert_eq!(bench.next(), Some(FileNews::Failed(FileError::Exists)));
    bench.assert_idle();
}

/// Abandoned at any moment, nothing is left; and a handle of before means nothing any more.
#[test]
fn what_is_abandoned_leaves_nothing() {
    for moment in 0..4 {
        let mut bench = Bench::still();
        let upload = bench.begin("a");
        let is_late = moment != 1;
        if moment > 0 {
            assert_eq!(bench.next(), Some(FileNews::Opened));
        }
        if moment == 2 {
            bench.effects.push(upload, b"one").unwrap();
            bench.effects.push(upload, b"two").unwrap();
        }
        if moment == 3 {
            bench.effects.complete(upload).unwrap();
        }
        bench.effects.abandon(upload);
        bench.effects.abandon(upload);
        assert_eq!(bench.effects.push(upload, b"more"), Ok(false));
        assert_eq!(bench.next(), Some(FileNews::Discarded { is_late }));
        assert_eq!(bench.next(), None);
        assert!(bench.disk.names().is_empty(), "at moment {moment}");
        bench.assert_idle();
        // The place serves the next file.
        let next = bench.begin("b");
        bench.effects.abandon(upload);
        assert_eq!(bench.next(), Some(FileNews::Opened));
        bench.effects.complete(next).unwrap();
        assert_eq!(bench.next(), stored(0));
    }
}

/// Whatever the worker and the disk do, each file ends once, and those that failed are not there.
#[test]
fn under_faults_every_file_ends_once() {
    let faults = FaultPlan::none()
        .with(Fault::DiskFull, 40)
        .with(Fault::DiskFailed, 40)
        .with(Fault::JobRefused, 40)
        .with(Fault::JobPanicked, 40);
    let (mut stored_count, mut failed_count) = (0, 0);
    for seed in 0..300 {
        let config = SimConfig {
            faults,
            ..SimConfig::new(seed)
        };
        let directory = Directory::open("d").write_bytes(4096);
        let mut bench = Bench::new(&directory, config);
        let Ok(upload) = bench.effects.try_begin(REQUEST, "a", false) else {
            bench.assert_idle();
            continue;
        };
        let mut left = 5;
        let mut end = None;
        while let Some(news) = bench.next() {
            let goes_on = matches!(news, FileNews::Opened | FileNews::Written);
            assert!(
                end.is_none() || matches!(news, FileNews::Discarded { .. }),
                "{news:?}"
            );
            if !goes_on {
                end.get_or_insert(news);
                continue;
            }
            let done = if left > 0 {
                left -= 1;
                bench.effects.push(upload, &[b'x'; 3000]).map(|_| ())
            } else {
                bench.effects.complete(upload)
            };
            if let Err(error) = done {
                end.get_or_insert(FileNews::Failed(error));
                bench.effects.abandon(upload);
            }
        }
        let is_stored = matches!(end, Some(FileNews::Stored(_)));
        assert!(end.is_some(), "seed {seed}: it has no end");
        if is_stored {
            assert_eq!(bench.disk.file("a").unwrap(), [b'x'; 15_000]);
            stored_count += 1;
        } else {
            failed_count += 1;
        }
        assert_eq!(bench.effects.uploads_count(), 0, "seed {seed}");
        assert_eq!(bench.effects.unwritten_bytes(), 0, "seed {seed}");
        let disk = bench.disk.clone();
        drop(bench);
        assert_eq!(disk.unnamed_count(), 0, "seed {seed}");
        // A removal may fail as well; then the file is whole.
        if let Some(bytes) = disk.file("a") {
            assert_eq!(bytes.len(), 15_000, "seed {seed}");
        }
    }
    assert!(
        stored_count > 20 && failed_count > 20,
        "{stored_count}, {failed_count}"
    );
}

#[test]
fn each_error_has_its_status() {
    use crate::step::Fail;
    let check = |error: FileError, kind, key: &str, is_public| {
        let failure = error.failure("a.txt");
        assert_eq!((failure.kind(), failure.is_public()), (kind, is_public));
        assert_eq!(failure.key(), key);
    };
    check(FileError::Exists, Fail::Conflict, "a.txt", true);
    check(FileError::NoSpace, Fail::InsufficientStorage, "", true);
    check(FileError::Busy, Fail::Unavailable, "busy", true);
    check(
        FileError::Panicked,
        Fail::Internal,
        "the job panicked",
        false,
    );
    let io = io::Error::from_raw_os_error(5).to_string();
    check(FileError::Io(5), Fail::Internal, &io, false);
    let of = |code| FileError::from(io::Error::from_raw_os_error(code));
    assert_eq!(of(17), FileError::Exists);
    assert_eq!(of(28), FileError::NoSpace);
    assert_eq!(of(122), FileError::NoSpace);
    assert_eq!(of(13), FileError::Io(13));
}
