//! The contract between a shard and what runs its blocking jobs.
//!
//! Without threads in it, so that the simulation keeps the same contract: there a job runs inline
//! and comes back at a seeded moment of virtual time.

use cutaway_scheduler::Nanos;

/// What a worker does with jobs of type `J`. Runs on the worker's thread.
///
/// # Panics
/// A panic in [`run`](Handler::run) is that job's [`Outcome::Panicked`], one in
/// [`settle`](Handler::settle) that of every held job. The handler is used again afterwards, so it
/// must put right whatever a panic left half-changed.
pub trait Handler<J> {
    /// Runs one job. What it returns says when the job goes back.
    fn run(&mut self, job: &mut J) -> Publish;

    /// Settles the jobs that were held (group commit). Called when the input is empty or the bound
    /// of a batch is reached, and only with at least one job.
    fn settle(&mut self, held: &mut [Box<J>]) {
        let _ = held;
    }

    /// Whether a job that was run is to end now, before its time is over; what is in it then is its
    /// outcome. Asked on a simulated worker only, where a job's time passes after it was run.
    fn stops(&mut self, job: &mut J) -> bool {
        let _ = job;
        false
    }

    /// How long a job will probably take; zero where it is short for certain. Completions that the
    /// shard was not woken for yet are announced before a job that would keep them waiting.
    fn expected(&self, job: &J) -> Nanos {
        let _ = job;
        Nanos::ZERO
    }
}

/// When a job that has run goes back to its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// At once.
    Now,
    /// After the next [`Handler::settle`].
    Held,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handler returned.
    Ran,
    /// The handler panicked; this is what it said.
    Panicked(String),
}

/// A job that came back.
#[derive(Debug)]
pub struct Finished<J> {
    /// The job, with its results inside.
    pub job: Box<J>,
    /// How it ended.
    pub outcome: Outcome,
}

/// The shard's end of a worker.
pub trait WorkerPort<J> {
    /// Hands a job over.
    ///
    /// # Errors
    /// The job itself, where the ring to the worker is full.
    fn try_submit(&mut self, job: Box<J>) -> Result<(), Box<J>>;

    /// The next job that came back, if one is there.
    fn poll(&mut self) -> Option<Finished<J>>;

    /// How many jobs have been submitted and not polled yet.
    fn in_flight(&self) -> usize;

    /// A job on its way was marked as to be stopped. A worker that looks at the mark while it runs
    /// needs no word of it.
    fn stop_marked(&mut self) {}

    /// The shard is about to block: from now on a completion wakes its ring. True if one is there
    /// already; then the shard does not block.
    fn prepare_sleep(&mut self) -> bool;

    /// Whether the worker's thread has died. It takes no more jobs; those it had still come back, as
    /// [`Outcome::Panicked`].
    fn is_dead(&self) -> bool;
}
