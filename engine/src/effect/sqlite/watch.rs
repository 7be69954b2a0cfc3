//! What may stop a statement while it runs: its deadline, its cancellation, a lock held too long.
//!
//! SQLite asks, between its own operations, whether to go on. The answer looks at the job that runs
//! now, never at a connection: `sqlite3_interrupt` from another thread could hit the next job.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cutaway_scheduler::{Clock, Nanos};
use libsqlite3_sys as ffi;

use super::error::{SqlError, SqlErrorKind};

/// Whether a job was cancelled. The flag belongs to the job's box and serves all its uses; a use is
/// named by its generation, so that a late cancel does not hit the next one.
#[derive(Clone, Debug)]
pub(super) struct Cancel {
    pub(super) flag: Arc<AtomicU32>,
    pub(super) generation: u32,
}

impl Cancel {
    pub(super) fn is_set(&self) -> bool {
        // Relaxed: nothing else is read on the strength of it.
        self.flag.load(Ordering::Relaxed) == self.generation
    }
}

/// Why a job was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Deadline,
    Cancelled,
}

impl From<Stop> for SqlError {
    fn from(stop: Stop) -> SqlError {
        match stop {
            Stop::Deadline => SqlError::new(SqlErrorKind::Deadline, "the deadline has passed"),
            Stop::Cancelled => SqlError::new(SqlErrorKind::Cancelled, "cancelled"),
        }
    }
}

/// Watches over the statements of one connection.
#[derive(Debug)]
pub(super) struct Watch<C> {
    clock: C,
    job: RefCell<Option<(Nanos, Cancel)>>,
    stop: Cell<Option<Stop>>,
    /// Set while the engine's own statements are compiled or run.
    is_engine: Cell<bool>,
    busy_timeout: Cell<Nanos>,
    busy_waited: Cell<Nanos>,
}

impl<C: Clock> Watch<C> {
    pub(super) fn new(clock: C, busy_timeout: Nanos) -> Watch<C> {
        Watch {
            clock,
            job: RefCell::new(None),
            stop: Cell::new(None),
            is_engine: Cell::new(false),
            busy_timeout: Cell::new(busy_timeout),
            busy_waited: Cell::new(Nanos::ZERO),
        }
    }

    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }

    pub(super) fn set_busy_timeout(&self, busy_timeout: Nanos) {
        self.busy_timeout.set(busy_timeout);
    }

    /// Watches over a job from now on.
    ///
    /// # Errors
    /// Where it must not even start.
    pub(super) fn begin(&self, deadline: Nanos, cancel: &Cancel) -> Result<(), Stop> {
        *self.job.borrow_mut() = Some((deadline, cancel.clone()));
        self.stop.set(None);
        match self.must_stop() {
            None => Ok(()),
            Some(stop) => {
                self.end();
                Err(stop)
            }
        }
    }

    /// Watches over no job any more: what follows runs to its end.
    pub(super) fn end(&self) {
        *self.job.borrow_mut() = None;
    }

    /// An error as the job should see it: SQLite says `INTERRUPT` or `BUSY` where the watch made it
    /// give up.
    pub(super) fn explain(&self, error: SqlError) -> SqlError {
        match (error.kind, self.stop.take()) {
            (SqlErrorKind::Cancelled | SqlErrorKind::Busy, Some(stop)) => stop.into(),
            _ => error,
        }
    }

    /// Runs what the engine itself has to say to SQLite.
    pub(super) fn as_engine<T>(&self, speak: impl FnOnce() -> T) -> T {
        self.is_engine.set(true);
        let said = speak();
        self.is_engine.set(false);
        said
    }

    /// Asked while a statement runs.
    pub(super) fn must_stop(&self) -> Option<Stop> {
        let job = self.job.borrow();
        let (deadline, cancel) = job.as_ref()?;
        let stop = if cancel.is_set() {
            Some(Stop::Cancelled)
        } else if *deadline != Nanos::NEVER && self.clock.now() >= *deadline {
            Some(Stop::Deadline)
        } else {
            None
        };
        if stop.is_some() {
            self.stop.set(stop);
        }
        stop
    }

    /// Asked while another process holds a lock; `tries` counts from zero for each lock. Whether to
    /// try again, after having slept a little.
    pub(super) fn wait_for_lock(&self, tries: u32) -> bool {
        if tries == 0 {
            self.busy_waited.set(Nanos::ZERO);
        }
        // Counted in sleeps asked for, not on the clock: on virtual time no sleep moves the clock,
        // and the wait must end all the same.
        let left = self.busy_timeout.get().since(self.busy_waited.get());
        if left == Nanos::ZERO || self.must_stop().is_some() {
            return false;
        }
        let sleep = BUSY_SLEEP_MAX
            .min(Nanos::from_millis(1 + u64::from(tries)))
            .min(left);
        std::thread::sleep(sleep.into());
        self.busy_waited.set(self.busy_waited.get() + sleep);
        true
    }

    /// Asked while a statement is compiled: whether it may do this. Transactions are the engine's,
    /// and what is attached to one connection would be missing on the others.
    pub(super) fn may(&self, action: i32) -> bool {
        self.is_engine.get()
            || !matches!(
                action,
                ffi::SQLITE_TRANSACTION
                    | ffi::SQLITE_SAVEPOINT
                    | ffi::SQLITE_ATTACH
                    | ffi::SQLITE_DETACH
            )
    }
}

/// Bounds how late a deadline or a cancel is noticed by a job that waits for a lock.
const BUSY_SLEEP_MAX: Nanos = Nanos::from_millis(10);
