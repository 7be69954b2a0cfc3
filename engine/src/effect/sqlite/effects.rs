//! The shard's face of a database.

use std::num::NonZeroU32;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cutaway_reactor::{Finished, Outcome, Ticket, WorkerPort};
use cutaway_scheduler::Nanos;

use super::Sqlite;
use super::error::{SqlError, SqlErrorKind};
use super::job::{SqliteJob, Verdict};
use super::watch::Cancel;
use crate::effect::record::{SqlMode, SqlStatement};
use crate::effect::row::{ResultBuffer, TooLarge};

/// Starts statements for one shard and collects what became of them.
///
/// # Bounds
/// As many statements are on their way as the settings allow; each keeps its box and its ticket until
/// it comes back, also when it was cancelled. Nothing allocates once the buffers have grown to what
/// the statements need (results beyond 64 KiB are given back to the allocator each time).
pub struct SqliteEffects<P: WorkerPort<SqliteJob>> {
    /// The readers, then the writer.
    ports: Vec<P>,
    /// What tells each box's present use from its earlier ones.
    uses: Vec<Use>,
    #[expect(clippy::vec_box, reason = "the boxes are what travels")]
    free: Vec<Box<SqliteJob>>,
    buffers: Vec<ResultBuffer>,
    buffers_max: usize,
    operand_bytes_max: usize,
    costs: Costs,
    /// Where the next poll begins, so that no port is always looked at last.
    first_port: usize,
}

/// Names one statement on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobHandle {
    index: u32,
    generation: u32,
}

/// Why a statement was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// As many are on their way as may be. Try again when one has come back.
    Full,
    /// The operands pass their bound. It would not help to try again.
    TooLarge(TooLarge),
    /// No statement, or more than one effect may have: a mistake of the program.
    Statements {
        /// How many there are.
        count: usize,
        /// How many there may be.
        count_max: usize,
    },
    /// More values than the statements of one effect may have together: a mistake of the program.
    Parameters {
        /// How many there are.
        count: usize,
        /// How many there may be.
        count_max: usize,
    },
    /// The worker has died. The process should end.
    Dead,
}

/// A statement that came back.
#[derive(Debug)]
pub struct SqlFinished {
    /// The ticket it was started with.
    pub request: Ticket,
    /// What [`SqliteEffects::try_start`] called it.
    pub handle: JobHandle,
    /// Its rows and counts, or why there are none. Give the buffer back with
    /// [`SqliteEffects::recycle`].
    pub result: Result<ResultBuffer, SqlError>,
    /// When the shard handed it over.
    pub queued_at: Nanos,
    /// When a worker took it up.
    pub started_at: Nanos,
    /// When its outcome stood; for a write, when its transaction was committed.
    pub finished_at: Nanos,
    /// How many statements its commit decided, itself included; 0 for one that was not committed.
    pub batch_count: u32,
}

struct Use {
    generation: u32,
    cancelled: Arc<AtomicU32>,
    is_on_its_way: bool,
}

impl<P: WorkerPort<SqliteJob>> SqliteEffects<P> {
    /// A face over one shard's readers and its port to the writer.
    ///
    /// # Panics
    /// Without a reader.
    pub fn new(settings: &Sqlite, readers: Vec<P>, writer: P) -> SqliteEffects<P> {
        assert!(!readers.is_empty(), "a database has at least one reader");
        let mut ports = readers;
        ports.push(writer);
        let count = u32::try_from(settings.bounds.in_flight_max).unwrap_or(u32::MAX);
        let uses: Vec<_> = (0..count).map(|_| Use::new()).collect();
        let free = (0..count).zip(&uses).map(|(index, of)| {
            let cancel = Cancel {
                flag: of.cancelled.clone(),
                generation: 0,
            };
            Box::new(SqliteJob::new(index, NOBODY, cancel))
        });
        SqliteEffects {
            // The box that came back last is used next, while its memory is warm.
            free: free.rev().collect(),
            uses,
            ports,
            buffers: Vec::with_capacity(settings.bounds.in_flight_max),
            buffers_max: settings.bounds.in_flight_max,
            operand_bytes_max: settings.bounds.operand_bytes_max,
            costs: Costs::new(settings.bounds.statements_max),
            first_port: 0,
        }
    }

    /// Starts statements for the request with that ticket. Their values are copied.
    ///
    /// Several are one transaction: all of them happen, or none.
    ///
    /// # Bounds
    /// One statement that reads, or at most
    /// [`STATEMENTS_PER_TRANSACTION_MAX`](super::STATEMENTS_PER_TRANSACTION_MAX) for the writer.
    ///
    /// # Errors
    /// [`Refused`]; nothing was started then.
    pub fn try_start(
        &mut self,
        request: Ticket,
        mode: SqlMode,
        statements: &[SqlStatement<'_>],
        deadline: Nanos,
        now: Nanos,
    ) -> Result<JobHandle, Refused> {
        let mut job = self.free.pop().ok_or(Refused::Full)?;
        if let Err(refused) = job.bind(mode, statements, self.operand_bytes_max) {
            self.free.push(job);
            return Err(refused);
        }
        let Some(port) = self.choose(&job) else {
            self.free.push(job);
            return Err(Refused::Dead);
        };
        let used = &mut self.uses[job.index as usize];
        // Zero is what a flag holds that nobody has set.
        used.generation = used.generation.checked_add(1).unwrap_or(1);
        job.request = request;
        job.deadline = deadline;
        job.cancel.generation = used.generation;
        job.error = None;
        job.verdict = Verdict::Pending;
        job.batch_count = 0;
        (job.queued_at, job.started_at, job.finished_at) = (now, now, now);
        if job.result.is_none() {
            job.result = Some(self.buffers.pop().unwrap_or_default());
        }
        let handle = JobHandle {
            index: job.index,
            generation: used.generation,
        };
        match self.ports[port].try_submit(job) {
            Ok(()) => {
                self.uses[handle.index as usize].is_on_its_way = true;
                Ok(handle)
            }
            Err(job) => {
                self.free.push(job);
                Err(Refused::Full)
            }
        }
    }

    /// The next statement that came back.
    pub fn poll(&mut self) -> Option<SqlFinished> {
        let count = self.ports.len();
        for step in 0..count {
            let port = (self.first_port + step) % count;
            if self.ports[port].in_flight() == 0 {
                continue;
            }
            if let Some(finished) = self.ports[port].poll() {
                self.first_port = (port + 1) % count;
                let job = &finished.job;
                // Only readers are chosen by cost, and one that was stopped says nothing of it.
                let is_reader = port + 1 < count;
                if is_reader && finished.outcome == Outcome::Ran && job.error.is_none() {
                    self.costs.took(job, job.finished_at.since(job.started_at));
                }
                return Some(self.finish(finished));
            }
        }
        None
    }

    /// Stops a statement as soon as may be. It comes back all the same: with
    /// [`SqlErrorKind::Cancelled`], or with its real outcome where that stood already.
    pub fn cancel(&mut self, handle: JobHandle) {
        let Some(used) = self.uses.get(handle.index as usize) else {
            return;
        };
        if used.is_on_its_way && used.generation == handle.generation {
            // Relaxed: the flag is all there is to see.
            used.cancelled.store(handle.generation, Ordering::Relaxed);
            self.ports.iter_mut().for_each(P::stop_marked);
        }
    }

    /// Takes a result's buffer back when its request has ended, to use it again.
    pub fn recycle(&mut self, mut buffer: ResultBuffer) {
        if self.buffers.len() < self.buffers_max {
            buffer.shrink_to(BUFFER_KEPT_BYTES);
            self.buffers.push(buffer);
        }
    }

    /// How many statements are on their way.
    pub fn in_flight(&self) -> usize {
        self.ports.iter().map(P::in_flight).sum()
    }

    /// The shard is about to block: from now on a statement that comes back wakes its ring. True if
    /// one is there already; then do not block.
    pub fn prepare_sleep(&mut self) -> bool {
        let mut is_ready = false;
        // Every port has to be told, also behind one that is ready.
        for port in &mut self.ports {
            is_ready |= port.in_flight() > 0 && port.prepare_sleep();
        }
        is_ready
    }

    /// Whether one of the workers has died.
    pub fn is_dead(&self) -> bool {
        self.ports.iter().any(P::is_dead)
    }

    /// The port a statement goes to.
    ///
    /// The last reader is for slow statements and for those that nobody knows yet, so that a point
    /// read never waits behind them. Quick ones go to the reader with the least to do; the last one is
    /// among them while it stands idle.
    fn choose(&self, job: &SqliteJob) -> Option<usize> {
        let writer = self.ports.len() - 1;
        let is_alive = |&port: &usize| !self.ports[port].is_dead();
        if job.mode == SqlMode::Write {
            return Some(writer).filter(is_alive);
        }
        let last = writer - 1;
        if last > 0 && self.costs.is_slow(job) && is_alive(&last) {
            return Some(last);
        }
        let in_flight = |port: usize| self.ports[port].in_flight();
        (0..writer)
            .filter(is_alive)
            .filter(|&port| port < last || last == 0 || in_flight(port) == 0)
            .min_by_key(|&port| in_flight(port))
    }

    /// What a statement is believed to take; none for one that nobody knows.
    #[cfg(test)]
    pub(super) fn cost(&self, sql: &'static str) -> Option<Nanos> {
        let mut known = self.costs.averages.iter();
        let of_sql = known.find(|(known, _)| ptr::eq(*known, sql));
        of_sql.map(|&(_, average)| average)
    }

    fn finish(&mut self, finished: Finished<SqliteJob>) -> SqlFinished {
        let Finished { mut job, outcome } = finished;
        let error = match outcome {
            Outcome::Ran => job.error.take(),
            Outcome::Panicked(text) => Some(SqlError::new(SqlErrorKind::Panicked, &text)),
        };
        let result = match error {
            // The buffer stays with the box, for its next use.
            Some(error) => Err(error),
            None => Ok(job.result.take().unwrap_or_default()),
        };
        let used = &mut self.uses[job.index as usize];
        used.is_on_its_way = false;
        let finished = SqlFinished {
            request: job.request,
            handle: JobHandle {
                index: job.index,
                generation: used.generation,
            },
            result,
            queued_at: job.queued_at,
            started_at: job.started_at,
            // A job that has panicked could not say when; it was not before it began.
            finished_at: job.finished_at.max(job.started_at),
            batch_count: job.batch_count,
        };
        self.free.push(job);
        finished
    }
}

impl<P: WorkerPort<SqliteJob>> Drop for SqliteEffects<P> {
    fn drop(&mut self) {
        // Nobody waits for the results any more, and dropping the ports waits for what runs.
        for used in self.uses.iter().filter(|used| used.is_on_its_way) {
            used.cancelled.store(used.generation, Ordering::Relaxed);
        }
    }
}

impl Use {
    fn new() -> Use {
        Use {
            generation: 0,
            cancelled: Arc::new(AtomicU32::new(0)),
            is_on_its_way: false,
        }
    }
}

/// How long each statement takes, as its reader measured it.
struct Costs {
    /// Found by the address of the text, as the workers find theirs.
    averages: Vec<(&'static str, Nanos)>,
    statements_max: usize,
}

impl Costs {
    fn new(statements_max: usize) -> Costs {
        Costs {
            averages: Vec::with_capacity(statements_max),
            statements_max,
        }
    }

    fn is_slow(&self, job: &SqliteJob) -> bool {
        let sql = job.statements[0].sql;
        let known = self.averages.iter().find(|(known, _)| ptr::eq(*known, sql));
        known.is_none_or(|(_, average)| *average > SLOW)
    }

    /// Takes a run into the average, an eighth at a time. A statement beyond the bound stays unknown.
    fn took(&mut self, job: &SqliteJob, length: Nanos) {
        let sql = job.statements[0].sql;
        // One run during which the reader was preempted must not make a quick statement a slow one.
        let length = length.min(SLOW + SLOW);
        let mut known = self.averages.iter_mut();
        if let Some((_, average)) = known.find(|(known, _)| ptr::eq(*known, sql)) {
            *average = Nanos(average.0 - average.0 / 8 + length.0 / 8);
        } else if self.averages.len() < self.statements_max {
            self.averages.push((sql, length));
        }
    }
}

/// A point read that waits behind a few statements of this length keeps well within a deadline of
/// 10 ms.
const SLOW: Nanos = Nanos::from_micros(500);

/// Stands in a box that was never used.
const NOBODY: Ticket = Ticket::new(u32::MAX, NonZeroU32::MIN);

/// How much memory a buffer keeps for its next use.
const BUFFER_KEPT_BYTES: usize = 64 << 10;
