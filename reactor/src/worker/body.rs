//! What runs on a worker's thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

use cutaway_scheduler::{Clock, Nanos};

use super::spsc::{Receiver, Sender};
use super::{ANNOUNCE_MAX, Batch, Death, Link, Setup, SpawnError, lock, place};
use crate::port::{Finished, Handler, Outcome, Publish};

/// The whole life of a worker's thread.
pub(super) fn start<J, H, E, C>(
    setup: Setup,
    ends: Vec<End<J>>,
    clock: C,
    make: impl FnOnce() -> Result<H, E>,
    started: &SyncSender<Result<(), SpawnError<E>>>,
) where
    J: Send + 'static,
    H: Handler<J>,
    C: Clock,
{
    // Nobody listens only where the spawner's thread has died.
    let tell = |result| drop(started.send(result));
    if let Err(error) = place::place(setup.placement) {
        return tell(Err(SpawnError::Placement {
            name: setup.name,
            placement: setup.placement,
            error,
        }));
    }
    let handler = match make() {
        Ok(handler) => handler,
        Err(error) => return tell(Err(SpawnError::Make(error))),
    };
    tell(Ok(()));
    let mut body = Body::new(handler, ends, clock, setup.batch);
    let served = catch_unwind(AssertUnwindSafe(|| body.serve()));
    if let Err(payload) = served {
        let death = Death {
            worker: setup.name,
            text: panic_text(payload),
        };
        body.die(&death);
        (setup.on_death)(&death);
    }
}

/// A worker at work.
struct Body<J: Send + 'static, H, C> {
    handler: H,
    clock: C,
    batch: Batch,
    ends: Vec<End<J>>,
    /// The job that has left its ring and is in no other list. Not a local variable, so that it comes
    /// back also from a worker that dies.
    current: Option<(usize, Box<J>)>,
    held: Vec<Box<J>>,
    /// The end each held job goes back to.
    held_ends: Vec<usize>,
    held_since: Nanos,
    /// Since when a completion waits to be announced.
    unannounced_since: Option<Nanos>,
}

impl<J: Send + 'static, H: Handler<J>, C: Clock> Body<J, H, C> {
    fn new(handler: H, ends: Vec<End<J>>, clock: C, batch: Batch) -> Body<J, H, C> {
        Body {
            handler,
            clock,
            batch,
            ends,
            current: None,
            held: Vec::with_capacity(batch.jobs_max),
            held_ends: Vec::with_capacity(batch.jobs_max),
            held_since: Nanos::ZERO,
            unannounced_since: None,
        }
    }

    /// Runs jobs until every port is closed and empty.
    fn serve(&mut self) {
        loop {
            // Read before the rings, so that "closed and empty" cannot overlook a last job.
            let closed = self.ends.iter().all(End::is_closed);
            if self.sweep() {
                continue;
            }
            if !self.held.is_empty() {
                self.settle();
                continue;
            }
            self.announce();
            if closed {
                return;
            }
            std::thread::park();
        }
    }

    /// Takes one job from each port; whether there was any.
    fn sweep(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.ends.len() {
            if let Some(job) = self.ends[index].jobs.try_recv() {
                any = true;
                self.current = Some((index, job));
                self.run();
            }
        }
        any
    }

    /// Runs the current job.
    fn run(&mut self) {
        self.make_way();
        let Some((index, job)) = &mut self.current else {
            return;
        };
        let index = *index;
        let handler = &mut self.handler;
        let ran = catch_unwind(AssertUnwindSafe(|| handler.run(job)));
        match ran {
            Ok(Publish::Now) => self.publish_current(Outcome::Ran),
            Err(payload) => self.publish_current(Outcome::Panicked(panic_text(payload))),
            Ok(Publish::Held) => {
                if self.held.is_empty() {
                    self.held_since = self.clock.now();
                }
                if let Some((_, job)) = self.current.take() {
                    self.held.push(job);
                    self.held_ends.push(index);
                }
                if self.held.len() >= self.batch.jobs_max {
                    self.settle();
                }
            }
        }
    }

    /// Announces and settles what the current job would keep waiting too long.
    fn make_way(&mut self) {
        if self.unannounced_since.is_none() && self.held.is_empty() {
            return;
        }
        let Some((_, job)) = &self.current else {
            return;
        };
        let handler = &self.handler;
        // A handler that cannot say is one to expect the worst of.
        let expected = catch_unwind(AssertUnwindSafe(|| handler.expected(job)));
        let until = self.clock.now() + expected.unwrap_or(Nanos::NEVER);
        if !self.held.is_empty() && until.since(self.held_since) >= self.batch.held_max {
            self.settle();
        }
        if let Some(since) = self.unannounced_since
            && until.since(since) >= ANNOUNCE_MAX
        {
            self.announce();
        }
    }

    fn settle(&mut self) {
        let (handler, held) = (&mut self.handler, &mut self.held);
        let settled = catch_unwind(AssertUnwindSafe(|| handler.settle(held)));
        let outcome = match settled {
            Ok(()) => Outcome::Ran,
            Err(payload) => Outcome::Panicked(panic_text(payload)),
        };
        self.publish_held(&outcome);
    }

    fn publish_held(&mut self, outcome: &Outcome) {
        for (job, index) in self.held.drain(..).zip(self.held_ends.drain(..)) {
            self.ends[index].publish(job, outcome.clone());
        }
        self.unannounced_since
            .get_or_insert_with(|| self.clock.now());
    }

    fn publish_current(&mut self, outcome: Outcome) {
        if let Some((index, job)) = self.current.take() {
            self.ends[index].publish(job, outcome);
        }
        self.unannounced_since
            .get_or_insert_with(|| self.clock.now());
    }

    fn announce(&mut self) {
        if self.unannounced_since.take().is_some() {
            for end in &mut self.ends {
                end.announce();
            }
        }
    }

    /// Hands everything back that was taken, and leaves the rest to the ports.
    fn die(&mut self, death: &Death) {
        let text = format!("the worker {} died: {}", death.worker, death.text);
        let outcome = Outcome::Panicked(text);
        let taken = self.current.take().into_iter();
        let held = self.held.drain(..).zip(self.held_ends.drain(..));
        let taken = taken.chain(held.map(|(job, index)| (index, job)));
        for (index, job) in taken {
            self.ends[index].publish(job, outcome.clone());
        }
        for end in self.ends.drain(..) {
            end.die();
        }
    }
}

/// The worker's end of a port.
pub(super) struct End<J: Send + 'static> {
    jobs: Receiver<Box<J>>,
    done: Sender<Finished<J>>,
    link: Arc<Link<J>>,
    is_unannounced: bool,
}

impl<J: Send + 'static> End<J> {
    pub(super) fn new(
        jobs: Receiver<Box<J>>,
        done: Sender<Finished<J>>,
        link: Arc<Link<J>>,
    ) -> End<J> {
        End {
            jobs,
            done,
            link,
            is_unannounced: false,
        }
    }

    fn is_closed(&self) -> bool {
        self.link.is_closed.load(Ordering::Acquire)
    }

    fn publish(&mut self, job: Box<J>, outcome: Outcome) {
        let sent = self.done.try_send(Finished { job, outcome });
        assert!(
            sent.is_ok(),
            "a port has no more jobs in flight than its ring has room for"
        );
        self.is_unannounced = true;
    }

    fn announce(&mut self) {
        if self.is_unannounced {
            self.is_unannounced = false;
            self.link.announce();
        }
    }

    fn die(self) {
        *lock(&self.link.orphaned) = Some(self.jobs);
        // Release: pairs with the Acquire in `ThreadPort::is_dead`.
        self.link.is_dead.store(true, Ordering::Release);
        self.link.announce();
    }
}

/// What a panic said.
pub(super) fn panic_text(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(payload) => {
                // Dropping it would run foreign code, which may panic again, outside every catch.
                std::mem::forget(payload);
                "a panic without text".to_owned()
            }
        },
    }
}
