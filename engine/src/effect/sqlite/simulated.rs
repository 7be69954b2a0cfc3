//! A database on the simulated machine: the real handlers over a real file, on virtual time.

use std::path::Path;

use cutaway_reactor::sim::{Fault, SimNet, SimPort, WorkClock};
use cutaway_reactor::{Handler, Publish};
use cutaway_scheduler::Nanos;
use libsqlite3_sys as ffi;

use super::error::SqlError;
use super::{OpenError, Sqlite, SqliteEffects, SqliteJob};

impl Sqlite {
    /// As [`simulate`](Sqlite::simulate), with the database in another file.
    pub(crate) fn simulate_at(
        &self,
        path: &Path,
        net: &SimNet,
        jobs_max: usize,
    ) -> Result<SqliteEffects<SimPort<SqliteJob>>, OpenError> {
        let path = path.to_owned();
        Sqlite {
            path,
            ..self.clone()
        }
        .simulate(net, jobs_max)
    }

    /// Opens the database for the one shard of a simulated machine, with ports for `jobs_max` jobs.
    pub(crate) fn simulate(
        &self,
        net: &SimNet,
        jobs_max: usize,
    ) -> Result<SqliteEffects<SimPort<SqliteJob>>, OpenError> {
        self.check()?;
        let clock = || WorkClock::new(net, A_LOOK);
        let at_disk = |clock: WorkClock, handler| {
            SimPort::with_clock(
                net,
                jobs_max,
                clock,
                AtDisk {
                    net: net.clone(),
                    handler,
                },
            )
        };
        let writer_clock = clock();
        // The writer comes first: it makes the file.
        let writer: Box<dyn Handler<SqliteJob>> = Box::new(self.writer(writer_clock.clone())?);
        let writer = at_disk(writer_clock, writer);
        let mut readers = Vec::with_capacity(self.bounds.readers);
        for _ in 0..self.bounds.readers {
            let clock = clock();
            readers.push(at_disk(clock.clone(), Box::new(self.reader(clock)?)));
        }
        Ok(SqliteEffects::new(self, readers, writer))
    }
}

/// A handler in front of a disk that the simulation may let fail.
struct AtDisk {
    net: SimNet,
    handler: Box<dyn Handler<SqliteJob>>,
}

impl Handler<SqliteJob> for AtDisk {
    fn run(&mut self, job: &mut SqliteJob) -> Publish {
        let Some(errno) = self.net.disk_fault() else {
            return self.handler.run(job);
        };
        let (code, message) = match Fault::DiskFull.errno() {
            Some(full) if errno == full => (ffi::SQLITE_FULL, "database or disk is full"),
            _ => (ffi::SQLITE_IOERR, "disk I/O error"),
        };
        job.fail(SqlError::reported(code, message.as_bytes()));
        Publish::Now
    }

    fn settle(&mut self, held: &mut [Box<SqliteJob>]) {
        self.handler.settle(held);
    }

    fn expected(&self, job: &SqliteJob) -> Nanos {
        self.handler.expected(job)
    }
}

/// What the work between two looks at the clock costs: SQLite looks every thousand of its operations.
const A_LOOK: Nanos = Nanos::from_micros(100);
