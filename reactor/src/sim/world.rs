//! The simulated machine: time, what happens in it, and the queues between shard and kernel.

use std::cell::RefCell;
use std::fmt::Display;
use std::rc::{Rc, Weak};

use cutaway_scheduler::{Clock, ManualClock, Nanos};

use crate::inflight::Inflight;
use crate::ring::{Owner, RingStats, SendBuffer};

use super::SimConfig;
use super::buffers::{Buffers, Wrong};
use super::completion::Completions;
use super::event::{Agenda, Entry, Event};
use super::fault::{Fault, Faults};
use super::kernel::{Listener, Submission};
use super::log::Log;
use super::network::Connection;
use super::operation::{Armed, Kind, Operation};
use super::random::Stream;

/// Everything behind the seam.
pub(super) struct World {
    pub(super) config: SimConfig,
    pub(super) clock: ManualClock,
    pub(super) log: Log,
    pub(super) faults: Faults,
    pub(super) agenda: Agenda,
    /// Where the network cuts.
    pub(super) splits: Stream,
    latencies: Stream,
    network: Stream,
    costs: Stream,

    pub(super) listeners: Vec<Listener>,
    pub(super) connections: Vec<Connection>,
    /// The connection behind each descriptor.
    pub(super) files: Vec<Option<usize>>,
    /// The same table as the real ring's.
    pub(super) operations: Inflight<Operation>,
    opened_count: u64,
    pub(super) buffers: Buffers,
    pub(super) workers: Vec<Weak<dyn Worker>>,

    submissions: Vec<Submission>,
    pub(super) completions: Completions,
    heartbeat: Option<Nanos>,
    /// Counts the armings, so that a beat of an earlier one is known as stale.
    pub(super) heartbeat_arming: u64,
    pub(super) timer_arming: u64,
    pub(super) is_wake_under_way: bool,
    /// Waiting does not move the time past this.
    pub(super) horizon: Nanos,
    pub(super) stats: RingStats,
}

/// A worker, as the machine sees it: somebody who does something when his time has come.
pub(super) trait Worker {
    /// Does what is due.
    fn work(&self);

    /// Whether the shard may block now, as far as this worker's jobs go.
    fn may_block(&self) -> Result<(), Wrong>;

    /// How many jobs it was given that the shard has not taken back.
    fn in_flight(&self) -> usize;

    /// Whether it runs a job, be it one that never ends by itself.
    fn is_working(&self) -> bool;
}

impl World {
    pub(super) fn new(config: SimConfig) -> World {
        let seed = config.seed;
        World {
            clock: ManualClock::new(),
            log: Log::new(seed, config.keeps_text),
            faults: Faults::new(seed, config.faults),
            agenda: Agenda::new((!config.is_still).then(|| Stream::new(seed, salt::ORDER))),
            splits: Stream::new(seed, salt::SPLITS),
            latencies: Stream::new(seed, salt::LATENCIES),
            network: Stream::new(seed, salt::NETWORK),
            costs: Stream::new(seed, salt::COSTS),
            listeners: Vec::new(),
            connections: Vec::new(),
            files: Vec::new(),
            operations: Inflight::with_capacity(64),
            opened_count: 0,
            buffers: Buffers::new(config.buffers_count, config.buffer_bytes),
            workers: Vec::new(),
            submissions: Vec::new(),
            completions: Completions::default(),
            heartbeat: None,
            heartbeat_arming: 0,
            timer_arming: 0,
            is_wake_under_way: false,
            horizon: Nanos::NEVER,
            stats: RingStats::default(),
            config,
        }
    }

    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }

    pub(super) fn record(&mut self, name: &str, first: u64, second: u64) {
        let now = self.now();
        self.log.record(now, name, first, second);
    }

    /// The rule that was broken ends the run.
    pub(super) fn bug(&self, sentence: impl Display) -> ! {
        panic!(
            "simulation, seed {}, at {} ns: {sentence}",
            self.config.seed,
            self.now().as_u64()
        );
    }

    pub(super) fn hold<T>(&self, rule: Result<T, Wrong>) -> T {
        rule.unwrap_or_else(|wrong| self.bug(wrong))
    }

    /// When something the kernel does now will be done: mostly soon, rarely late.
    pub(super) fn after_latency(&mut self) -> Nanos {
        self.now() + delay(&mut self.latencies, &self.config)
    }

    /// When something that is sent now arrives.
    pub(super) fn after_network(&mut self) -> Nanos {
        self.now() + delay(&mut self.network, &self.config)
    }

    /// Enters an operation into the table.
    pub(super) fn open(
        &mut self,
        kind: Kind,
        owner: Owner,
        target: usize,
        buffer: Option<SendBuffer>,
    ) -> Armed {
        self.opened_count += 1;
        let serial = self.opened_count;
        let ticket = self.operations.insert(Operation {
            kind,
            owner,
            target,
            buffer,
            serial,
        });
        Armed { ticket, serial }
    }

    pub(super) fn submit(&mut self, name: &str, target: usize, submission: Submission) {
        self.record(name, target as u64, 0);
        self.submissions.push(submission);
    }

    pub(super) fn set_heartbeat(&mut self, period: Option<Nanos>) {
        self.heartbeat_arming += 1;
        self.heartbeat = period;
        if let Some(period) = period {
            assert!(period > Nanos::ZERO, "a heartbeat needs a period");
            let at = self.now() + period;
            self.agenda
                .plan(at, Event::Heartbeat(self.heartbeat_arming));
        }
    }

    pub(super) fn set_timer(&mut self, at: Option<Nanos>) {
        self.timer_arming += 1;
        if let Some(at) = at {
            // The kernel never fires early, and seldom on the dot.
            let late = delay(&mut self.latencies, &self.config);
            let at = at.max(self.now()) + late;
            self.agenda.plan(at, Event::Timer(self.timer_arming));
        }
    }

    /// Makes `enter` return; wakes that come before the shard has popped one melt into it.
    pub(super) fn wake(&mut self) {
        if !self.is_wake_under_way {
            self.is_wake_under_way = true;
            let at = self.after_latency();
            self.agenda.plan(at, Event::Wake);
        }
    }

    /// Whether nothing will happen any more unless somebody does something.
    pub(super) fn is_quiet(&self) -> bool {
        self.submissions.is_empty()
            && self.completions.is_empty()
            && self
                .agenda
                .iter()
                .all(|event| matches!(event, Event::Heartbeat(_) | Event::Timer(_)))
            && !self.living_workers().any(|worker| worker.is_working())
    }

    /// The submissions still queued count as in flight: their operations are in the table.
    pub(super) fn check_drained(&self) {
        if let Some(operation) = self.operations.iter().next() {
            self.bug(format_args!(
                "at the end a {:?} on {} is still in flight",
                operation.kind, operation.target
            ));
        }
        let leased = self.buffers.leased_count();
        if leased > 0 {
            self.bug(format_args!("at the end {leased} buffers are still leased"));
        }
        let filled = self.buffers.filled_count();
        if filled > 0 {
            self.bug(format_args!(
                "at the end {filled} received buffers were never popped"
            ));
        }
        let open = self.files.iter().flatten().count();
        if open > 0 {
            self.bug(format_args!("at the end {open} sockets are still open"));
        }
        let jobs = self
            .living_workers()
            .map(|worker| worker.in_flight())
            .sum::<usize>();
        if jobs > 0 {
            self.bug(format_args!("at the end {jobs} jobs were not taken back"));
        }
    }

    fn living_workers(&self) -> impl Iterator<Item = Rc<dyn Worker>> {
        self.workers.iter().filter_map(Weak::upgrade)
    }

    /// Whether no submission waits for an `enter`.
    pub(super) fn is_flushed(&self) -> bool {
        self.submissions.is_empty()
    }

    fn begin_enter(&mut self, want: u32) {
        self.stats.enter_count += 1;
        let leased = self.buffers.leased_count();
        if leased > 0 {
            self.bug(format_args!(
                "{leased} leases outlived the turn that reaped them"
            ));
        }
        let published = self.buffers.publish();
        self.hold(published);
        if !self.config.is_still {
            self.clock.advance(Nanos(200 + self.costs.below(1_800)));
        }
        if self.faults.strikes(Fault::Preempted) {
            self.clock
                .advance(Nanos::from_millis(1 + self.costs.below(9)));
        }
        self.record("enter", u64::from(want), self.submissions.len() as u64);
        let mut submissions = std::mem::take(&mut self.submissions);
        self.stats.submitted_count += submissions.len() as u64;
        for submission in submissions.drain(..) {
            self.start(submission);
        }
        // Nothing submits while something starts, so the emptied one can serve again.
        self.submissions = submissions;
    }

    fn begin_wait(&mut self) {
        // A wake under way is as good as a completion: the shard will not sleep for long.
        if !self.is_wake_under_way {
            for worker in self.living_workers() {
                self.hold(worker.may_block());
            }
        }
        if self.faults.strikes(Fault::Interrupted) {
            // The wait begins anew, as the real ring does it.
            self.stats.enter_count += 1;
            self.record("interrupted", 0, 0);
            self.clock.advance(Nanos(500));
        }
    }

    fn take_event(&mut self, limit: Nanos) -> Option<Event> {
        let (at, event) = self.agenda.take(limit.min(self.horizon))?;
        self.clock.advance_to(at);
        Some(event)
    }

    fn perform(&mut self, event: Event) {
        match event {
            Event::Connect(id) => self.arrive(id),
            Event::Deliver(id) => self.deliver(id),
            Event::Depart(id) => self.depart(id),
            Event::Reset(id) => self.reset(id),
            Event::TryAccept(listener) => self.try_accept(listener),
            Event::TryReceive(id) => self.try_receive(id),
            Event::TrySend(id) => self.try_send(id),
            Event::CancelAccept(listener, armed) => self.cancel_accept(listener, armed),
            Event::CancelReceive(id, armed) => self.cancel_receive(id, armed),
            Event::Post(entry) => self.post(entry),
            Event::Heartbeat(arming) => {
                if let Some(period) = self.heartbeat
                    && arming == self.heartbeat_arming
                {
                    self.post(Entry::Heartbeat(arming));
                    let at = self.now() + period;
                    self.agenda.plan(at, event);
                }
            }
            Event::Timer(arming) => {
                if arming == self.timer_arming {
                    self.post(Entry::Timer(arming));
                }
            }
            Event::Wake => self.post(Entry::Woken),
            Event::Work(_) => unreachable!("workers work while the world is not borrowed"),
        }
    }
}

/// One turn's `enter`: starts what was submitted, lets happen what is due, and waits for `want`.
///
/// Returns early where nothing is left that could happen, or the horizon is reached: a real ring
/// would sleep there, and the simulation's driver must get a word in.
pub(super) fn enter(world: &RefCell<World>, want: u32) {
    world.borrow_mut().begin_enter(want);
    let now = world.borrow().now();
    while advance(world, now) {}
    let has_enough = || {
        let mut world = world.borrow_mut();
        world.flush();
        world.completions.ready_count() >= want as usize
    };
    if has_enough() {
        return;
    }
    world.borrow_mut().begin_wait();
    while !has_enough() {
        if !advance(world, Nanos::NEVER) {
            let mut world = world.borrow_mut();
            if world.horizon < Nanos::NEVER {
                let horizon = world.horizon;
                world.clock.advance_to(horizon);
            }
            world.record("nothing to wait for", 0, 0);
            return;
        }
    }
}

/// Lets the next event happen, if it happens by `limit`.
pub(super) fn advance(world: &RefCell<World>, limit: Nanos) -> bool {
    let mut borrowed = world.borrow_mut();
    let Some(event) = borrowed.take_event(limit) else {
        return false;
    };
    if let Event::Work(index) = event {
        // A job's handler may look at the clock and at the network.
        let worker = borrowed.workers[index].upgrade();
        drop(borrowed);
        if let Some(worker) = worker {
            worker.work();
        }
    } else {
        borrowed.perform(event);
    }
    true
}

/// Mostly next to nothing, often up to the latency that is configured, rarely ten times that.
fn delay(stream: &mut Stream, config: &SimConfig) -> Nanos {
    if config.is_still {
        return Nanos::ZERO;
    }
    let most = config.latency_max.as_u64().max(1);
    Nanos(match stream.below(20) {
        0 => stream.below(10 * most),
        1..=6 => stream.below(most),
        _ => stream.below(most / 100 + 1),
    })
}

/// One number for each concern that draws.
mod salt {
    pub(super) const ORDER: u64 = 1;
    pub(super) const SPLITS: u64 = 2;
    pub(super) const LATENCIES: u64 = 3;
    pub(super) const NETWORK: u64 = 4;
    pub(super) const COSTS: u64 = 5;
}
