//! Blocking workers: threads that do what would block a shard.
//!
//! ```text
//!   shard: ThreadPort ──── jobs, Box<J> ────▶ worker's thread: Handler::run
//!              ▲                                       │
//!              └──────── Finished<J> ◀─────────────────┘      at most one wake a batch
//! ```
//!
//! One thread serves one or several ports (a database's writer serves every shard), a job from each
//! in turn. Both rings are bounded and nobody waits for room: a full one hands the job back. A job
//! is a box that its submitter uses again, so that a job costs no allocation.
//!
//! **To the worker**: `unpark` after each submission. That is one atomic swap while the thread runs
//! and a futex call only when it sleeps, and its token cannot be lost: a thread that saw empty rings
//! just before the submission returns from `park` at once.
//!
//! **To the shard**: a completion wakes the shard's ring only while that sleeps (`doze.rs`).
//!
//! **Batches**: completions are announced together when no job waits or when the first of them would
//! otherwise wait longer than [`ANNOUNCE_MAX`]; held ones ([`Publish::Held`]) are settled together
//! within the bounds of [`Batch`].

mod body;
mod doze;
#[expect(
    unsafe_code,
    reason = "affinity and priority of a thread are system calls"
)]
mod place;
#[expect(
    unsafe_code,
    reason = "the two ends of a heapless ring borrow it, and its owner is an Arc"
)]
mod spsc;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{JoinHandle, Thread};

use cutaway_scheduler::{Clock, Nanos};

use crate::Waker;
pub use crate::port::{Finished, Handler, Outcome, Publish, WorkerPort};
use body::End;
use doze::Doze;
pub use place::come_first;
use spsc::{Receiver, Sender};

/// How many jobs one port can have in flight.
pub const JOBS_MAX: usize = spsc::RING_LEN - 1;

/// How long a completion may wait for others before the shard is woken.
pub const ANNOUNCE_MAX: Nanos = Nanos::from_micros(50);

/// The shard's end of a worker's thread.
///
/// Dropping the last port of a worker lets it finish the jobs in flight, then waits for its thread
/// to end, so that what the handler had open is closed.
pub struct ThreadPort<J: Send + 'static> {
    jobs: Sender<Box<J>>,
    done: Receiver<Finished<J>>,
    link: Arc<Link<J>>,
    thread: Thread,
    in_flight: usize,
    said_asleep: bool,
    /// The worker's end of `jobs`, once it has died.
    orphaned: Option<Receiver<Box<J>>>,
    /// Last, because dropping it may wait for the thread, which waits for `link` to be closed.
    _joined: Arc<Joined>,
}

impl<J: Send + 'static> WorkerPort<J> for ThreadPort<J> {
    fn try_submit(&mut self, job: Box<J>) -> Result<(), Box<J>> {
        // Bounding what is in flight, not only what waits, is what lets the worker publish without
        // ever finding its own ring full.
        if self.in_flight == JOBS_MAX || self.is_dead() {
            return Err(job);
        }
        self.jobs.try_send(job)?;
        self.in_flight += 1;
        self.thread.unpark();
        Ok(())
    }

    fn poll(&mut self) -> Option<Finished<J>> {
        if self.said_asleep {
            self.said_asleep = false;
            self.link.doze.wake_up();
        }
        let finished = self.done.try_recv().or_else(|| self.poll_dead())?;
        self.in_flight -= 1;
        Some(finished)
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn prepare_sleep(&mut self) -> bool {
        self.said_asleep = true;
        self.link.doze.fall_asleep();
        self.done.is_ready() || (self.in_flight > 0 && self.is_dead())
    }

    fn is_dead(&self) -> bool {
        // Acquire: everything the worker did before it died is seen, its last completions included.
        self.link.is_dead.load(Ordering::Acquire)
    }
}

impl<J: Send + 'static> ThreadPort<J> {
    /// What a dead worker has left: completions that raced with its death, then jobs it never took.
    fn poll_dead(&mut self) -> Option<Finished<J>> {
        if self.in_flight == 0 || !self.is_dead() {
            return None;
        }
        if let Some(finished) = self.done.try_recv() {
            return Some(finished);
        }
        if self.orphaned.is_none() {
            self.orphaned = lock(&self.link.orphaned).take();
        }
        let job = self.orphaned.as_mut()?.try_recv()?;
        Some(Finished {
            job,
            outcome: Outcome::Panicked("the worker died before it took the job".into()),
        })
    }
}

impl<J: Send + 'static> Drop for ThreadPort<J> {
    fn drop(&mut self) {
        // Release: the worker that sees the port closed sees every job submitted before.
        self.link.is_closed.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// What to start.
pub struct Setup {
    /// The thread's name; the kernel keeps 15 bytes of it.
    pub name: String,
    /// Where it runs.
    pub placement: Placement,
    /// How much is settled together.
    pub batch: Batch,
    /// Called on the dying thread if something other than a job panics. Jobs cannot bring that
    /// about; it means a bug, and whoever is told should end the process in an orderly way.
    pub on_death: Box<dyn FnOnce(&Death) + Send>,
}

/// Where a worker's thread runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The one core it may run on; none leaves that to the kernel.
    pub core: Option<usize>,
    /// Whether the shard on the same core comes first: nice 10. It takes [`come_first`] on the
    /// shard's side to be worth much.
    pub background: bool,
}

/// Bounds of what is settled together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many jobs are held at most. *Bounds*: at least 1.
    pub jobs_max: usize,
    /// How long the first of them is held at most, before the next job is begun.
    pub held_max: Nanos,
}

impl Default for Batch {
    /// 64 jobs, 1 ms.
    fn default() -> Batch {
        Batch {
            jobs_max: 64,
            held_max: Nanos::from_millis(1),
        }
    }
}

/// A worker that died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Its name.
    pub worker: String,
    /// What it panicked with.
    pub text: String,
}

/// Why a worker could not be started. All of them are faults of the set-up.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError<E> {
    /// The kernel gave no thread.
    #[error("no thread for the worker {name}: {error}")]
    Thread {
        /// The worker's name.
        name: String,
        /// The kernel's word.
        error: io::Error,
    },
    /// The thread could not be placed as asked.
    #[error("the worker {name} cannot run at {placement:?}: {error}")]
    Placement {
        /// The worker's name.
        name: String,
        /// What was asked.
        placement: Placement,
        /// The kernel's word.
        error: io::Error,
    },
    /// The handler could not be made.
    #[error(transparent)]
    Make(E),
    /// Making the handler panicked.
    #[error("making the handler of {name} panicked: {text}")]
    Panicked {
        /// The worker's name.
        name: String,
        /// What it panicked with.
        text: String,
    },
}

/// Starts a worker's thread with one port for each waker, in their order.
///
/// `make` runs on the new thread, so the handler may hold what cannot move between threads. Returns
/// when the handler stands.
///
/// # Errors
/// [`SpawnError`]; no thread is left behind then.
pub fn spawn<J, H, E, C>(
    setup: Setup,
    wakers: Vec<Waker>,
    clock: C,
    make: impl FnOnce() -> Result<H, E> + Send + 'static,
) -> Result<Vec<ThreadPort<J>>, SpawnError<E>>
where
    J: Send + 'static,
    H: Handler<J>,
    E: Send + 'static,
    C: Clock + Send + 'static,
{
    let name = setup.name.clone();
    let (shard_ends, worker_ends): (Vec<_>, Vec<_>) = wakers.into_iter().map(pair).unzip();
    let (started, start) = mpsc::sync_channel(1);
    let handle = std::thread::Builder::new()
        .name(name.clone())
        .spawn(move || body::start(setup, worker_ends, clock, make, &started))
        .map_err(|error| SpawnError::Thread {
            name: name.clone(),
            error,
        })?;
    match start.recv() {
        Ok(Ok(())) => {}
        Ok(Err(refused)) => {
            let _ = handle.join();
            return Err(refused);
        }
        Err(mpsc::RecvError) => {
            let text = match handle.join() {
                Ok(()) => String::new(),
                Err(payload) => body::panic_text(payload),
            };
            return Err(SpawnError::Panicked { name, text });
        }
    }
    let thread = handle.thread().clone();
    let joined = Arc::new(Joined(Some(handle)));
    Ok(shard_ends
        .into_iter()
        .map(|end: ShardEnd<J>| ThreadPort {
            jobs: end.jobs,
            done: end.done,
            link: end.link,
            thread: thread.clone(),
            in_flight: 0,
            said_asleep: false,
            orphaned: None,
            _joined: joined.clone(),
        })
        .collect())
}

struct ShardEnd<J: Send + 'static> {
    jobs: Sender<Box<J>>,
    done: Receiver<Finished<J>>,
    link: Arc<Link<J>>,
}

fn pair<J: Send + 'static>(waker: Waker) -> (ShardEnd<J>, End<J>) {
    let (jobs, jobs_out) = spsc::ring();
    let (done_in, done) = spsc::ring();
    let link = Arc::new(Link {
        doze: Doze::default(),
        is_closed: AtomicBool::new(false),
        is_dead: AtomicBool::new(false),
        orphaned: Mutex::new(None),
        waker,
    });
    let shard_end = ShardEnd {
        jobs,
        done,
        link: link.clone(),
    };
    (shard_end, End::new(jobs_out, done_in, link))
}

/// What the two ends of a port tell each other beside the rings.
struct Link<J: Send + 'static> {
    doze: Doze,
    /// The port was dropped: no further job comes.
    is_closed: AtomicBool,
    /// The worker's thread has died.
    is_dead: AtomicBool,
    /// The job ring's end that a dead worker leaves behind.
    orphaned: Mutex<Option<Receiver<Box<J>>>>,
    waker: Waker,
}

impl<J: Send + 'static> Link<J> {
    /// Wakes the shard if it sleeps. What was sent before is seen by the shard, now or when it tries
    /// to sleep.
    fn announce(&self) {
        if self.doze.must_wake() {
            self.waker.wake();
        }
    }
}

/// Waits for the thread when the last port is gone.
struct Joined(Option<JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            // The thread catches its own panics and reports them; there is nothing left to learn.
            let _ = handle.join();
        }
    }
}

/// The lock is held only to move a value in or out, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
