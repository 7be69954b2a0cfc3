//! Blocking workers: threads that do what would block a shard.
//!
//! A shard and a worker share two bounded rings, one for jobs and one for what became of them. A job
//! is a `Box<J>` that owns its operands and its result: it moves to the worker, is run there by a
//! [`Handler`], and moves back. The submitter uses the box again, so a job costs no allocation.
//!
//! Nothing here waits for room: a full ring hands the job back, and the submitter refuses.

use cutaway_scheduler::Nanos;

/// What a worker does with jobs of type `J`. Lives and runs on the worker's thread.
///
/// # Panics
/// A panic in [`run`](Handler::run) is that job's [`Outcome::Panicked`], one in
/// [`settle`](Handler::settle) that of every held job. The handler goes on, so it must hold no
/// state that a panic leaves half-changed.
pub trait Handler<J> {
    /// Runs one job.
    fn run(&mut self, job: &mut J) -> Publish;

    /// Decides the jobs that [`run`](Handler::run) held, all of them (a group commit). Called when
    /// no more input waits or a bound of the batch is reached.
    fn settle(&mut self, held: &mut [Box<J>]) {
        let _ = held;
    }

    /// How long the job will probably take. Completions that are not yet announced to the shard are
    /// announced before a job that would keep them waiting. Zero where it is short for certain.
    fn expected(&self, job: &J) -> Nanos {
        let _ = job;
        Nanos::ZERO
    }
}

/// When a job that was run goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// At once.
    Now,
    /// With the others of its batch, after [`Handler::settle`].
    Held,
}

/// The shard's end of a worker.
pub trait WorkerPort<J> {
    /// Hands a job to the worker.
    ///
    /// # Errors
    /// The job itself, where the ring is full or the worker is dead.
    fn try_submit(&mut self, job: Box<J>) -> Result<(), Box<J>>;

    /// The next job that came back. Every submitted job comes back once, also from a dead worker.
    fn poll(&mut self) -> Option<Finished<J>>;

    /// How many jobs were submitted and not polled yet.
    fn in_flight(&self) -> usize;

    /// The shard is about to block: from now on a completion wakes its ring. True if one is there
    /// already; then do not block.
    fn prepare_sleep(&mut self) -> bool;

    /// Whether the worker's thread has died. It takes no more jobs; those it had still come back.
    fn is_dead(&self) -> bool;
}

/// A job that came back.
#[derive(Debug)]
pub struct Finished<J> {
    /// The job, with its result inside.
    pub job: Box<J>,
    /// What the worker says about it.
    pub outcome: Outcome,
}

/// How a job ended, as the worker saw it. What the job itself achieved stands in the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handler ran it.
    Ran,
    /// The handler panicked with this text. The job's result is whatever it held at that moment.
    Panicked(Box<str>),
    /// The worker's thread died before it ran the job.
    Lost,
}

/// Where a worker's thread runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The one core it may run on; none leaves that to the kernel.
    pub core: Option<usize>,
    /// Whether the shard on the same core comes first.
    pub background: bool,
}
