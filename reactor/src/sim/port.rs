//! A worker without a thread: its handler runs inline, its jobs come back when the seed says so.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

use cutaway_scheduler::{Clock, ManualClock, Nanos};

use crate::planted;
use crate::port::{Finished, Handler, Outcome, Publish, WorkerPort};

use super::buffers::Wrong;
use super::fault::Fault;
use super::net::SimNet;
use super::random::Stream;
use super::world::{Worker, World};

/// The shard's end of a simulated worker.
///
/// The worker takes one job after another, unless it was given [lanes](SimPort::lanes). A job's handler runs at the virtual moment at which the
/// job starts; the job comes back after a seeded time, and not before its own is over where the
/// handler tells the time by a [`WorkClock`]. Held jobs are settled when no input waits or the batch
/// is full, as on a real worker.
pub struct SimPort<J> {
    bench: Rc<Bench<J>>,
}

impl<J: 'static> SimPort<J> {
    /// A worker of its own on that machine, for `jobs_max` jobs at a time.
    pub fn new(net: &SimNet, jobs_max: usize, handler: impl Handler<J> + 'static) -> SimPort<J> {
        SimPort::with_clock(net, jobs_max, WorkClock::new(net, Nanos::ZERO), handler)
    }

    /// A worker whose handler tells the time by `clock`: the time that a job uses by it is the time
    /// that the job takes at least.
    pub fn with_clock(
        net: &SimNet,
        jobs_max: usize,
        clock: WorkClock,
        handler: impl Handler<J> + 'static,
    ) -> SimPort<J> {
        let mut world = net.world.borrow_mut();
        let index = world.workers.len();
        let bench = Rc::new(Bench {
            world: Rc::clone(&net.world),
            index,
            jobs_max,
            place: RefCell::new(Place {
                handler: Box::new(handler),
                clock,
                times: Stream::new(world.config.seed, TIMES_SALT + index as u64),
                input: VecDeque::new(),
                running: Vec::new(),
                lanes_max: 1,
                held: Vec::new(),
                held_outcomes: Vec::new(),
                output: VecDeque::new(),
                in_flight_count: 0,
                is_shard_asleep: false,
            }),
        });
        let worker: Weak<Bench<J>> = Rc::downgrade(&bench);
        world.workers.push(worker);
        SimPort { bench }
    }

    /// Lets the worker have so many jobs at work at the same time, as if it were several that share
    /// what waits. Their handler still runs for one after the other, each as it starts. At least 1.
    pub fn lanes(self, lanes_max: usize) -> SimPort<J> {
        self.bench.place.borrow_mut().lanes_max = lanes_max.max(1);
        self
    }
}

impl<J: 'static> WorkerPort<J> for SimPort<J> {
    fn try_submit(&mut self, job: Box<J>) -> Result<(), Box<J>> {
        let bench = &*self.bench;
        let mut world = bench.world.borrow_mut();
        let mut place = bench.place.borrow_mut();
        if place.in_flight_count == bench.jobs_max || world.faults.strikes(Fault::JobRefused) {
            world.record("job refused", bench.index as u64, 0);
            return Err(job);
        }
        world.record("job submitted", bench.index as u64, 0);
        place.in_flight_count += 1;
        place.input.push_back(job);
        if place.running.len() + place.input.len() <= place.lanes_max {
            let at = world.after_latency();
            world.plan_work(bench.index, at);
        }
        Ok(())
    }

    fn poll(&mut self) -> Option<Finished<J>> {
        let mut place = self.bench.place.borrow_mut();
        let finished = place.output.pop_front()?;
        place.in_flight_count -= 1;
        let is_ran = finished.outcome == Outcome::Ran;
        self.bench.world.borrow_mut().record(
            "job back",
            self.bench.index as u64,
            u64::from(is_ran),
        );
        Some(finished)
    }

    fn in_flight(&self) -> usize {
        self.bench.place.borrow().in_flight_count
    }

    fn prepare_sleep(&mut self) -> bool {
        // The worker runs beside the shard: it may finish between the shard's last poll and this.
        let is_still = self.bench.world.borrow().config.is_still;
        let is_race = !is_still && self.bench.place.borrow_mut().times.per_mille(RACE_RATE);
        if is_race {
            self.bench.finish_early();
        }
        let mut place = self.bench.place.borrow_mut();
        place.is_shard_asleep = true;
        !planted::lost_resume() && !place.output.is_empty()
    }

    fn stop_marked(&mut self) {
        let mut world = self.bench.world.borrow_mut();
        if !self.bench.place.borrow().running.is_empty() {
            let at = world.after_latency();
            world.plan_work(self.bench.index, at);
        }
    }

    fn is_dead(&self) -> bool {
        false
    }
}

impl<J> fmt::Debug for SimPort<J> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SimPort")
            .field("worker", &self.bench.index)
            .finish_non_exhaustive()
    }
}

/// What a simulated worker's handler tells the time by.
///
/// Virtual time stands still while a handler runs. Here each look at the clock stands for work that
/// was done since the one before, so that a long computation that looks now and then sees its
/// deadline come. Between jobs it tells the machine's time.
#[derive(Clone, Debug)]
pub struct WorkClock {
    machine: ManualClock,
    a_look: Nanos,
    /// What the running job has used; none where no job runs.
    used: Rc<Cell<Option<Nanos>>>,
}

impl WorkClock {
    /// A clock on that machine by which `a_look` passes between two looks.
    pub fn new(net: &SimNet, a_look: Nanos) -> WorkClock {
        WorkClock {
            machine: net.clock(),
            a_look,
            used: Rc::default(),
        }
    }

    /// Lets the running job have worked for this length of time. [`Nanos::NEVER`] lets it work until
    /// it is [stopped](Handler::stops).
    pub fn spend(&self, length: Nanos) {
        self.used.set(self.used.get().map(|used| used + length));
    }

    fn begin(&self) {
        self.used.set(Some(Nanos::ZERO));
    }

    fn end(&self) -> Nanos {
        self.used.take().unwrap_or(Nanos::ZERO)
    }
}

impl Clock for WorkClock {
    fn now(&self) -> Nanos {
        let used = self.used.get();
        self.used.set(used.map(|used| used + self.a_look));
        self.machine.now() + used.unwrap_or(Nanos::ZERO)
    }
}

/// Where the worker works: shared by the port and the machine.
struct Bench<J> {
    world: Rc<RefCell<World>>,
    index: usize,
    jobs_max: usize,
    place: RefCell<Place<J>>,
}

struct Place<J> {
    handler: Box<dyn Handler<J>>,
    clock: WorkClock,
    times: Stream,
    input: VecDeque<Box<J>>,
    running: Vec<Running<J>>,
    lanes_max: usize,
    /// Jobs that wait for their batch to be settled, and beside each how it has ended so far.
    held: Vec<Box<J>>,
    held_outcomes: Vec<Outcome>,
    output: VecDeque<Finished<J>>,
    in_flight_count: usize,
    is_shard_asleep: bool,
}

/// A job that was run, and will have been when its time is over.
struct Running<J> {
    finished: Finished<J>,
    publish: Publish,
    ends_at: Nanos,
    /// When the work itself was done. Between this and the end only luck lies.
    worked_until: Nanos,
}

impl<J> Worker for Bench<J> {
    fn work(&self) {
        let now = self.world.borrow().now();
        self.stop_marked(now);
        // An event of a job that was finished early may find none that is over.
        while self.finish_first(|running| running.ends_at <= now) {}
        self.start_all();
    }

    fn may_block(&self) -> Result<(), Wrong> {
        let place = self.place.borrow();
        if !place.output.is_empty() {
            Err("a resume is lost: the shard blocks while a finished job waits for it")
        } else if place.in_flight_count > 0 && !place.is_shard_asleep {
            Err("the shard blocks on a job without having prepared the worker to wake it")
        } else {
            Ok(())
        }
    }

    fn in_flight(&self) -> usize {
        self.place.borrow().in_flight_count
    }

    fn is_working(&self) -> bool {
        !self.place.borrow().running.is_empty()
    }
}

impl<J> Bench<J> {
    /// Ends the running jobs that are to be stopped.
    fn stop_marked(&self, now: Nanos) {
        let mut borrowed = self.place.borrow_mut();
        let place = &mut *borrowed;
        for running in &mut place.running {
            if running.ends_at > now && place.handler.stops(&mut running.finished.job) {
                (running.ends_at, running.worked_until) = (now, now);
            }
        }
    }

    fn start_all(&self) {
        while self.start_next() {}
    }

    /// Starts the next job, if one waits and there is room for it.
    fn start_next(&self) -> bool {
        let mut place = self.place.borrow_mut();
        if place.running.len() == place.lanes_max {
            return false;
        }
        let Some(mut job) = place.input.pop_front() else {
            return false;
        };
        let (is_panic, is_late, latency_max, is_still) = {
            let mut world = self.world.borrow_mut();
            world.record("job starts", self.index as u64, 0);
            (
                world.faults.strikes(Fault::JobPanicked),
                world.faults.strikes(Fault::JobLate),
                world.config.latency_max,
                world.config.is_still,
            )
        };
        place.clock.begin();
        let (publish, outcome) = if is_panic {
            (Publish::Now, Outcome::Panicked("a simulated panic".into()))
        } else {
            match catch_unwind(AssertUnwindSafe(|| place.handler.run(&mut job))) {
                Ok(publish) => (publish, Outcome::Ran),
                Err(payload) => (Publish::Now, Outcome::Panicked(text_of(&*payload))),
            }
        };
        let used = place.clock.end();
        let usual = place.times.below(latency_max.as_u64().max(1));
        let length = Nanos(match (is_late, is_still) {
            (true, _) => 100 * latency_max.as_u64(),
            (false, true) => 0,
            (false, false) => usual,
        });
        let mut world = self.world.borrow_mut();
        let worked_until = world.now() + used;
        let ends_at = worked_until.max(world.now() + length);
        if ends_at < Nanos::NEVER {
            world.plan_work(self.index, ends_at);
        }
        place.running.push(Running {
            finished: Finished { job, outcome },
            publish,
            ends_at,
            worked_until,
        });
        true
    }

    /// Publishes the first running job that is over, or holds it; settles the batch where its time
    /// has come. False where none is over.
    fn finish_first(&self, is_over: impl Fn(&Running<J>) -> bool) -> bool {
        let mut borrowed = self.place.borrow_mut();
        let place = &mut *borrowed;
        let over = (0..place.running.len()).filter(|&at| is_over(&place.running[at]));
        let Some(first) = over.min_by_key(|&at| place.running[at].ends_at) else {
            return false;
        };
        let running = place.running.remove(first);
        let Finished { job, outcome } = running.finished;
        match running.publish {
            Publish::Now => place.output.push_back(Finished { job, outcome }),
            Publish::Held => {
                place.held.push(job);
                place.held_outcomes.push(outcome);
            }
        }
        let is_due = place.input.is_empty() || place.held.len() == BATCH_MAX;
        if is_due && !place.held.is_empty() {
            let settled = catch_unwind(AssertUnwindSafe(|| place.handler.settle(&mut place.held)));
            let panicked = settled.err().map(|payload| text_of(&*payload));
            let held = place.held.drain(..).zip(place.held_outcomes.drain(..));
            place.output.extend(held.map(|(job, outcome)| Finished {
                job,
                outcome: panicked.clone().map_or(outcome, Outcome::Panicked),
            }));
        }
        let mut world = self.world.borrow_mut();
        world.record("job ends", self.index as u64, place.output.len() as u64);
        if place.is_shard_asleep && !place.output.is_empty() {
            place.is_shard_asleep = false;
            world.wake();
        }
        true
    }

    /// A running job turns out to be over already.
    fn finish_early(&self) {
        let now = self.world.borrow().now();
        if self.finish_first(|running| running.worked_until <= now) {
            self.start_all();
        }
    }
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a text").into()
}

/// How many jobs are settled together at most.
const BATCH_MAX: usize = 64;
/// How often, in a thousand, a job ends just before its shard falls asleep.
const RACE_RATE: u16 = 100;
/// Where the salts of the workers' streams begin.
const TIMES_SALT: u64 = 100_000;
