//! A whole shard on a simulated machine: virtual time, scripted clients, seeded faults.
//!
//! What runs is what serves: the shard's loop, its tables and its timers, the routes with their
//! steps, SQLite on a real file. Simulated are the kernel, the network, the workers' threads and the
//! clock, all from one seed; see [`cutaway_reactor::sim`].
//!
//! ```
//! use cutaway::prelude::*;
//! use cutaway::testing::simulation::{SimConfig, Simulation};
//!
//! fn hello(cx: &mut Cx) -> Step {
//!     cx.text("Hello, World!")
//! }
//!
//! let routes = Routes::new().get("/hello", chain(hello)).build()?;
//! let mut simulation = Simulation::new(routes, SimConfig::new(1))?;
//! let client = simulation.connect();
//! client.send(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
//! simulation.run_for(5.millis());
//! assert!(client.take_read().ends_with(b"\r\n\r\nHello, World!"));
//! assert_eq!(simulation.kept()[0].status, 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::convert::Infallible;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use cutaway_reactor::ring::ListenerId;
use cutaway_reactor::sim::SimPort;
use cutaway_reactor::{Ring, RingStats};
use cutaway_scheduler::{Clock, ManualClock, Nanos};

pub use cutaway_reactor::sim::{
    ClientEnd, Fault, FaultCounts, FaultPlan, SimClient, SimConfig, SimNet, Simulated, Stream,
};

use crate::ctx::IdSource;
use crate::effect::directory::Disk;
use crate::effect::sqlite::scripted::Script;
use crate::effect::sqlite::{OpenError, SqliteEffects, SqliteJob};
use crate::effect::{Directory, Resource, Settings, Sqlite};
use crate::limits::Limits;
use crate::routes::BuiltRoutes;
#[cfg(test)]
use crate::shard::Leak;
use crate::shard::{Core, Performer, Shard, ShardStats, Turn, UnderWay};
use crate::timeline::{Exporter, KeptRecord, Names, RecorderConfig, TraceMode};

/// A shard, its machine and its network.
///
/// Every turn goes into the machine's log, and so does every mark of every request: two runs of one
/// seed in which the same things are done have the same [`log_hash`](Simulation::log_hash).
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing::simulation::{SimConfig, Simulation, SimulationOptions};
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.text("Hello, World!")
/// }
///
/// /// What passes in one run of this seed.
/// fn run(seed: u64) -> Result<u64, Box<dyn std::error::Error>> {
///     let routes = Routes::new().get("/hello", chain(hello)).build()?;
///     let options = SimulationOptions { jobs_max: 8, ..SimulationOptions::default() };
///     let mut simulation = Simulation::with_options(routes, SimConfig::new(seed), options)?;
///     let client = simulation.connect();
///     client.send(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
///     while simulation.stats().request_count == 0 {
///         simulation.turn();
///     }
///     // Somebody else has the core for a while.
///     simulation.clock().advance(3.millis().into());
///     simulation.run_until(20.millis().into());
///     assert!(simulation.ring_stats().enter_count > 0);
///     assert!(simulation.net().is_quiet());
///
///     simulation.drain(1.secs());
///     while !simulation.is_drained() {
///         simulation.run_for(1.millis());
///     }
///     simulation.check_drained();
///     Ok(simulation.log_hash())
/// }
///
/// assert_eq!(run(7)?, run(7)?, "one seed, one course of events");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// Every method that lets time pass does where the shard breaks a rule of the ring (see
/// [`cutaway_reactor::sim`]), where the marks of a request break the timeline's law, where the shard
/// turns without getting anywhere, and where it sleeps while a request waits for nothing.
pub struct Simulation {
    net: SimNet,
    listener: ListenerId,
    shard: Shard<Simulated>,
    state: State,
    exporter: Exporter,
    kept: Vec<KeptRecord>,
    /// What directories lie on, by resource.
    disks: Vec<(&'static str, Disk)>,
    /// The shard's counters as of the latest turn that changed one.
    stats_hash: u64,
    /// Turns in a row that neither waited nor changed anything.
    vain_turn_count: usize,
    vain_turns_max: usize,
}

/// A database as a simulated shard has it.
type Database = SqliteEffects<SimPort<SqliteJob>>;

/// What the loop around the shard is doing; as the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Turning under a heartbeat. Counts the beats without traffic.
    Awake { quiet_beats: u32 },
    /// The heartbeat is stopped, and the next turn looks at everything once more.
    DozingOff,
    /// Waiting for a completion or the one timer.
    Napping,
}

/// What a simulated shard is made of besides its routes and its machine.
#[derive(Clone, Debug)]
pub struct SimulationOptions {
    /// The bounds of everything. The machine's buffers are [`SimConfig`]'s.
    pub limits: Limits,
    /// Jobs that each worker takes at a time. Default 64.
    pub jobs_max: usize,
}

impl Default for SimulationOptions {
    fn default() -> SimulationOptions {
        SimulationOptions {
            limits: Limits::default(),
            jobs_max: 64,
        }
    }
}

impl Simulation {
    /// A shard that serves these routes on the machine that `config` describes.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing::simulation::{SimConfig, Simulation};
    ///
    /// let routes = Routes::new().build()?;
    /// let mut simulation = Simulation::new(routes, SimConfig::new(1))?;
    /// let client = simulation.connect();
    /// client.send(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    /// simulation.run_for(5.millis());
    /// assert_eq!(simulation.kept()[0].status, 404);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A database could not be opened.
    pub fn new(
        routes: impl Into<Arc<BuiltRoutes>>,
        config: SimConfig,
    ) -> Result<Simulation, OpenError> {
        Simulation::with_options(routes, config, SimulationOptions::default())
    }

    /// As [`new`](Simulation::new), with other bounds.
    ///
    /// # Errors
    /// A database could not be opened.
    pub fn with_options(
        routes: impl Into<Arc<BuiltRoutes>>,
        config: SimConfig,
        options: SimulationOptions,
    ) -> Result<Simulation, OpenError> {
        Simulation::with_databases(
            routes.into(),
            config,
            options,
            |_, sqlite, net, jobs_max| sqlite.simulate(net, jobs_max),
        )
    }

    /// As [`with_options`](Simulation::with_options), with a script that plays all the databases:
    /// nothing is opened.
    ///
    /// ```
    /// use cutaway::effect::sqlite::scripted::{Script, ScriptedAnswer};
    /// use cutaway::prelude::*;
    /// use cutaway::testing::simulation::{SimConfig, Simulation, SimulationOptions};
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Title<'r>: (&'r str,));
    ///
    /// fn load(cx: &mut Cx<Writes<Title>, Uses<Blog>>) -> Step {
    ///     cx.need(cx.on(Blog).query_one("SELECT title FROM posts").into(Title))
    /// }
    ///
    /// fn show(cx: &mut Cx<Reads<Title>>) -> Step {
    ///     let (title,) = *cx.get(Title);
    ///     cx.text(title)
    /// }
    ///
    /// let routes = Routes::new()
    ///     .resource(Blog, Sqlite::open("not opened.db"))
    ///     .get("/title", chain(load).then(show))
    ///     .build()?;
    /// let script = Script::new(|_| ScriptedAnswer::row(("hello",)).after(1.millis()));
    /// let options = SimulationOptions::default();
    /// let mut simulation = Simulation::scripted(routes, SimConfig::new(1), options, &script);
    /// let client = simulation.connect();
    /// client.send(b"GET /title HTTP/1.1\r\nHost: a\r\n\r\n");
    /// simulation.run_for(5.millis());
    /// assert!(client.take_read().ends_with(b"\r\n\r\nhello"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scripted(
        routes: impl Into<Arc<BuiltRoutes>>,
        config: SimConfig,
        options: SimulationOptions,
        script: &Script,
    ) -> Simulation {
        let opened = Simulation::with_databases::<Infallible>(
            routes.into(),
            config,
            options,
            |name, sqlite, net, jobs_max| Ok(sqlite.simulate_scripted(name, script, net, jobs_max)),
        );
        opened.unwrap_or_else(|never| match never {})
    }

    /// As [`with_options`](Simulation::with_options), with somebody's own idea of how the database of
    /// a name is simulated.
    pub(crate) fn with_databases<E>(
        routes: Arc<BuiltRoutes>,
        config: SimConfig,
        options: SimulationOptions,
        mut open: impl FnMut(&'static str, &Sqlite, &SimNet, usize) -> Result<Database, E>,
    ) -> Result<Simulation, E> {
        let SimulationOptions { limits, jobs_max } = options;
        let mut id_draws = Stream::new(config.seed, ID_SALT);
        let id_seed = [id_draws.draw(), id_draws.draw()];
        let net = SimNet::new(config);
        let listener = net.listen();
        let mut effects = Vec::new();
        let mut disks = Vec::new();
        for (name, settings) in routes.resources() {
            effects.push(match settings {
                Settings::Sqlite(sqlite) => {
                    Performer::Database(open(name, sqlite, &net, jobs_max)?)
                }
                Settings::Directory(directory) => {
                    let disk = Disk::new();
                    let simulated = directory.simulate(&net, jobs_max, &disk);
                    disks.push((*name, disk));
                    Performer::Directory(simulated)
                }
            });
        }
        let mut exporter = Exporter::new(Box::new(Nameless), Box::new(std::io::sink()), false);
        let recorder = exporter.recorder(
            0,
            &RecorderConfig {
                mode: TraceMode::All,
                export_queue_len: RECORDS_A_TURN_MAX,
                kept_in_flight_max: KEPT_IN_FLIGHT_MAX,
            },
        );
        let vain_turns_max = VAIN_TURNS_MAX + limits.requests_max.min(1024);
        let ids = IdSource::new(id_seed, 0);
        let core = Core::new(net.clock(), limits, routes, effects, recorder, ids);
        let mut shard: Shard<Simulated> = Shard::new(net.ring(), core, &[listener]);
        shard.ring_mut().heartbeat(Some(HEARTBEAT));
        Ok(Simulation {
            net,
            listener,
            shard,
            state: State::Awake { quiet_beats: 0 },
            exporter,
            kept: Vec::new(),
            disks,
            stats_hash: 0,
            vain_turn_count: 0,
            vain_turns_max,
        })
    }

    /// A client that connects.
    pub fn connect(&self) -> SimClient {
        self.net.connect(self.listener)
    }

    /// The machine: faults, log, randomness.
    pub fn net(&self) -> &SimNet {
        &self.net
    }

    /// The disk that the directory of this resource lies on: what was stored, and what shall go wrong.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::simulation::{SimConfig, Simulation};
    /// resource!(pub Uploads: Directory);
    ///
    /// let routes = Routes::new().resource(Uploads, Directory::open("uploads")).build()?;
    /// let simulation = Simulation::new(routes, SimConfig::new(1))?;
    /// assert!(simulation.disk(Uploads).names().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// The routes have no directory of that name.
    pub fn disk<D: Resource<Kind = Directory>>(&self, _directory: D) -> Disk {
        let known = self.disks.iter().find(|(name, _)| *name == D::NAME);
        let (_, disk) = known.unwrap_or_else(|| panic!("no directory `{}`", D::NAME));
        disk.clone()
    }

    /// The time. To move it is to take the core away from the shard, or to let a step take its time.
    pub fn clock(&self) -> ManualClock {
        self.net.clock()
    }

    /// Lets this length of time pass.
    pub fn run_for(&mut self, length: impl Into<Nanos>) {
        let until = self.net.clock().now() + length.into();
        self.run_until(until);
    }

    /// Lets time pass up to `until`; the shard turns whenever it has something to do.
    pub fn run_until(&mut self, until: Nanos) {
        self.net.set_horizon(Some(until));
        while self.net.clock().now() < until {
            self.turn();
        }
        self.net.set_horizon(None);
    }

    /// One turn of the loop around the shard: naps and heartbeat are as on the real host. Waits for a
    /// completion where there is nothing to do, but not past a horizon that was set.
    pub fn turn(&mut self) -> Turn {
        let entered_count = self.shard.ring().stats().enter_count;
        let (turn, may_have_waited) = match self.state {
            State::Awake { quiet_beats } => (self.turn_awake(quiet_beats), true),
            State::DozingOff => (self.turn_napping(0), false),
            State::Napping => {
                let want = u32::from(!self.shard.prepare_sleep());
                (self.turn_napping(want), want > 0)
            }
        };
        debug_assert!(self.shard.ring().stats().enter_count > entered_count);
        self.take_kept();
        self.note(&turn, may_have_waited);
        self.check_rest(&turn);
        turn
    }

    fn turn_awake(&mut self, quiet_beats: u32) -> Turn {
        let turn = self.shard.turn().expect("a simulated ring does not break");
        let mut quiet_beats = if turn.completion_count > 0 {
            0
        } else {
            quiet_beats
        };
        quiet_beats += u32::from(turn.is_beat);
        self.state = State::Awake { quiet_beats };
        if quiet_beats > BEATS_BEFORE_NAP && !turn.has_work {
            self.shard.begin_nap();
            self.state = State::DozingOff;
        }
        turn
    }

    fn turn_napping(&mut self, want: u32) -> Turn {
        // As the host: what the last turn has queued is submitted before anybody sleeps.
        let want = if self.shard.is_at_rest() { want } else { 0 };
        let turn = self
            .shard
            .turn_with(want)
            .expect("a simulated ring does not break");
        self.state = State::Napping;
        if turn.completion_count > 0 || turn.has_work {
            self.shard.end_nap(HEARTBEAT);
            self.state = State::Awake { quiet_beats: 0 };
        }
        turn
    }

    /// Begins the drain, as SIGTERM would; what is left after `within` is cut off.
    pub fn drain(&mut self, within: impl Into<Nanos>) {
        self.net.note("drain", 0, 0);
        self.shard.drain(within.into());
        // On the host a wake comes with it, and the loop looks at its next heartbeat.
        self.net.wake();
    }

    /// Whether the drain has ended.
    pub fn is_drained(&self) -> bool {
        self.shard.is_drained()
    }

    /// Checks that nothing is left once the drain has ended.
    ///
    /// # Panics
    /// Something is: an operation, a buffer, a socket, a job, a connection, a request or a timer.
    pub fn check_drained(&self) {
        assert!(self.is_drained(), "the drain has not ended");
        self.net.check_drained();
        if let Some(left) = self.left_behind() {
            panic!("after the drain {left}");
        }
    }

    /// What the shard has not given back, in words; none where nothing is left.
    pub(crate) fn left_behind(&self) -> Option<String> {
        self.shard.left_behind()
    }

    /// Makes the shard lose something.
    #[cfg(test)]
    pub(crate) fn leak(&mut self, leak: Leak) {
        self.shard.leak(leak);
    }

    /// When the shard's next timer comes.
    pub(crate) fn next_timer_at(&self) -> Option<Nanos> {
        self.shard.next_timer_at()
    }

    /// Whether nothing more happens at this moment.
    pub(crate) fn is_settled(&mut self) -> bool {
        let now = self.net.clock().now();
        self.shard.is_at_rest() && self.net.next_at().is_none_or(|next_at| next_at > now)
    }

    /// Shows every request that has not ended, with the number of its connection; those of one
    /// connection in the order of their replies.
    pub(crate) fn each_under_way(&self, mut see: impl FnMut(usize, UnderWay)) {
        self.shard.each_under_way(|socket, request| {
            if let Some(connection) = self.net.connection_of(socket) {
                see(connection, request);
            }
        });
    }

    /// What the shard has counted.
    pub fn stats(&self) -> &ShardStats {
        self.shard.stats()
    }

    /// What the ring has counted.
    pub fn ring_stats(&self) -> RingStats {
        self.shard.ring().stats()
    }

    /// The timelines of all requests that have ended since the last call.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::simulation::{SimConfig, Simulation};
    /// # let mut simulation = Simulation::new(Routes::new().build()?, SimConfig::new(1))?;
    /// let client = simulation.connect();
    /// client.send(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    /// simulation.run_for(5.millis());
    /// assert_eq!(simulation.kept().len(), 1);
    /// assert!(simulation.kept().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kept(&mut self) -> Vec<KeptRecord> {
        std::mem::take(&mut self.kept)
    }

    /// The hash over everything that has passed so far: ring operations, bytes, turns, marks.
    pub fn log_hash(&self) -> u64 {
        self.net.log_hash()
    }

    /// Puts the marks of the requests that have ended into the log.
    fn take_kept(&mut self) {
        let Simulation {
            net,
            exporter,
            kept,
            ..
        } = self;
        exporter.take_each(|record| {
            assert_eq!(
                record.dropped_before_count, 0,
                "a turn ended more requests than there is room"
            );
            let route = record.route.map_or(u64::MAX, u64::from);
            net.note("request", record.request_id, u64::from(record.status));
            net.note("of route", route, record.total_ns());
            for mark in record.marks() {
                let name = mark.kind().name();
                let which = u64::from(mark.which());
                net.note(
                    name,
                    mark.since_start().as_u64(),
                    mark.argument() ^ which << 56,
                );
            }
            kept.push(record.clone());
        });
    }

    /// Puts the turn into the log, and makes sure that the shard gets somewhere.
    fn note(&mut self, turn: &Turn, may_have_waited: bool) {
        let completion_count = u64::from(turn.completion_count);
        self.net
            .note("turn", completion_count, u64::from(turn.has_work));
        let stats_hash = self.stats_hash_now();
        let has_changed =
            stats_hash != self.stats_hash || turn.completion_count > 0 || turn.is_beat;
        if stats_hash != self.stats_hash {
            self.stats_hash = stats_hash;
            self.net.note("counters", stats_hash, 0);
        }
        let is_vain = !has_changed && (turn.has_work || !may_have_waited);
        self.vain_turn_count = if is_vain { self.vain_turn_count + 1 } else { 0 };
        assert!(
            self.vain_turn_count <= self.vain_turns_max,
            "the shard spins: {} turns in a row changed nothing",
            self.vain_turn_count
        );
    }

    /// The counters, without those that count turns.
    fn stats_hash_now(&self) -> u64 {
        let mut stats = self.shard.stats().clone();
        (stats.turn_count, stats.turn_ns_max, stats.nap_count) = (0, 0, 0);
        let mut hasher = DefaultHasher::new();
        stats.hash(&mut hasher);
        hasher.finish()
    }

    /// Where nothing is under way in the machine, no request may wait: nothing would ever end its
    /// wait but its deadline.
    fn check_rest(&self, turn: &Turn) {
        if !turn.has_work && self.net.is_quiet() {
            let waiting = self.shard.waiting_request_count();
            assert_eq!(
                waiting, 0,
                "nothing is under way, and {waiting} requests wait for it"
            );
        }
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("net", &self.net)
            .field("state", &self.state)
            .field("stats", self.shard.stats())
            .finish_non_exhaustive()
    }
}

/// Nothing is printed, so nothing needs a name.
struct Nameless;

impl Names for Nameless {
    fn route(&self, _: u16) -> Option<&str> {
        None
    }

    fn step(&self, _: u16, _: u8) -> Option<&str> {
        None
    }

    fn resource(&self, _: u64) -> Option<&str> {
        None
    }
}

/// The stream of a seed that ids of requests are drawn from.
const ID_SALT: u64 = 0x1d;

/// As on the host.
const HEARTBEAT: Nanos = Nanos::from_millis(1);
const BEATS_BEFORE_NAP: u32 = 4;

/// How many requests may end in one turn.
const RECORDS_A_TURN_MAX: usize = 256;

/// How many replies may be on their way with their marks.
const KEPT_IN_FLIGHT_MAX: usize = 256;

/// A turn that only submits or parks changes no counter; so many in a row are still progress.
const VAIN_TURNS_MAX: usize = 64;
