//! An app while it runs: the simulation, the clients, and which response and which timeline belong to
//! which request.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use cutaway_scheduler::{Clock, Nanos};

use super::peer::{Awaited, Peer};
use super::scratch::Scratch;
use crate::effect::sqlite::scripted::{Script, ScriptedAnswer, ScriptedStatement};
use crate::limits::Limits;
use crate::routes::BuiltRoutes;
use crate::server::RouteNames;
use crate::shard::{Close, UnderWay};
use crate::testing::response::Response;
use crate::testing::simulation::{SimConfig, Simulation, SimulationOptions};
use crate::testing::spend;
use crate::testing::timeline::RequestTimeline;
use crate::timeline::{KeptRecord, Stage};

/// What an app is made of.
pub(crate) struct SetUp {
    pub routes: Arc<BuiltRoutes>,
    pub config: SimConfig,
    pub limits: Limits,
    pub patience: Nanos,
    /// By resource; a fresh file where nothing was said.
    pub databases: BTreeMap<&'static str, Database>,
}

/// What stands behind a resource.
pub(crate) enum Database {
    File(PathBuf),
    Script(SharedScript),
}

/// A script that can be replaced.
pub(crate) type SharedScript =
    Rc<RefCell<Box<dyn FnMut(&ScriptedStatement<'_>) -> ScriptedAnswer>>>;

impl SetUp {
    pub fn file(&mut self, resource: &'static str, path: PathBuf) {
        self.check(resource);
        self.databases.insert(resource, Database::File(path));
    }

    pub fn script(&mut self, resource: &'static str, script: SharedScript) {
        self.check(resource);
        self.databases.insert(resource, Database::Script(script));
    }

    #[track_caller]
    fn check(&self, resource: &str) {
        let mut known = self.routes.resources().iter().map(|(name, _)| *name);
        assert!(
            known.any(|name| name == resource),
            "the routes have no resource `{resource}`"
        );
    }
}

/// An app that runs.
pub(crate) struct Machine {
    simulation: Simulation,
    names: Rc<RouteNames>,
    peers: Vec<Peer>,
    /// Which peer has a connection of the network.
    peer_of: BTreeMap<usize, usize>,
    /// Peers that may still hear of the server.
    open: Vec<usize>,
    ended: Vec<Rc<KeptRecord>>,
    is_still: bool,
    drain_timeout: Nanos,
    patience: Nanos,
    /// Stands behind the simulation, whose databases lie in it.
    _scratch: Option<Scratch>,
}

impl Machine {
    #[track_caller]
    pub fn start(set_up: &SetUp) -> Machine {
        let SetUp {
            routes,
            config,
            limits,
            patience,
            databases,
        } = set_up;
        let mut scratch = None;
        let options = SimulationOptions {
            limits: limits.clone(),
            ..SimulationOptions::default()
        };
        let opened = Simulation::with_databases(
            Arc::clone(routes),
            config.clone(),
            options,
            |name, sqlite, net, jobs_max| match databases.get(name) {
                None => {
                    let fresh = scratch.get_or_insert_with(Scratch::new).database(name);
                    sqlite.simulate_at(&fresh, net, jobs_max)
                }
                Some(Database::File(path)) => sqlite.simulate_at(path, net, jobs_max),
                Some(Database::Script(script)) => {
                    let script = Rc::clone(script);
                    let script = Script::new(move |statement| (script.borrow_mut())(statement));
                    Ok(sqlite.simulate_scripted(name, &script, net, jobs_max))
                }
            },
        );
        let simulation = opened.unwrap_or_else(|error| panic!("no database: {error}"));
        Machine {
            simulation,
            names: Rc::new(RouteNames(Arc::clone(routes))),
            peers: Vec::new(),
            peer_of: BTreeMap::new(),
            open: Vec::new(),
            ended: Vec::new(),
            is_still: config.is_still,
            drain_timeout: limits.drain_timeout,
            patience: *patience,
            _scratch: scratch,
        }
    }

    pub fn simulation(&self) -> &Simulation {
        &self.simulation
    }

    /// Lets somebody else turn the simulation.
    pub fn act<T>(&mut self, act: impl FnOnce(&mut Simulation) -> T) -> T {
        let acted = spend::during(self.simulation.clock(), || act(&mut self.simulation));
        self.observe();
        acted
    }

    pub fn now(&self) -> Nanos {
        self.simulation.clock().now()
    }

    /// A further client; which one.
    pub fn connect(&mut self) -> usize {
        let index = self.peers.len();
        let client = self.simulation.connect();
        self.peer_of.insert(client.connection(), index);
        self.peers.push(Peer::new(client));
        self.open.push(index);
        index
    }

    pub fn peer(&mut self, index: usize) -> &mut Peer {
        &mut self.peers[index]
    }

    /// Lets this length of time pass, and everything happen up to its end.
    pub fn run_for(&mut self, length: Nanos) {
        let until = self.now() + length;
        self.run_until(until, |_| false);
    }

    pub fn timelines(&self) -> Vec<RequestTimeline> {
        (self.ended.iter())
            .map(|record| self.told(record))
            .collect()
    }

    pub(super) fn look(&self, peer: usize, place: usize) -> Awaited {
        self.peers[peer].awaited(place)
    }

    /// Lets time pass until the response is there.
    ///
    /// # Errors
    /// In words, why it does not come.
    pub fn wait(&mut self, peer: usize, place: usize) -> Result<Response, String> {
        let until = self.now() + self.patience;
        let is_there =
            |machine: &mut Machine| !matches!(machine.peers[peer].awaited(place), Awaited::Nothing);
        if !is_there(self) {
            self.run_until(until, is_there);
            // And whatever else falls on this moment.
            self.run_for(Nanos::ZERO);
        }
        let asked = self.peers[peer].words(place);
        match self.peers[peer].awaited(place) {
            Awaited::Response(response) => Ok(response),
            Awaited::Never(why) => Err(format!("no response to {asked}: {why}")),
            Awaited::Nothing => {
                let patience = std::time::Duration::from_nanos(self.patience.as_u64());
                let where_it_is = match self.stage_of(peer, place) {
                    Some(stage) => format!("it is in the stage `{}`", stage.name()),
                    None => "the shard does not have the whole of it".to_owned(),
                };
                Err(format!(
                    "no response to {asked} within {patience:?}: {where_it_is}"
                ))
            }
        }
    }

    pub fn timeline_of(&self, peer: usize, place: usize) -> Option<RequestTimeline> {
        let id = self.peers[peer].request_id(place)?;
        let mut ended = self.ended.iter();
        ended
            .find(|record| record.request_id == id)
            .map(|record| self.told(record))
    }

    /// Drains the service and says what is left.
    pub fn finish(&mut self) -> Result<(), String> {
        for peer in &mut self.peers {
            peer.wind_down();
        }
        self.simulation.drain(self.drain_timeout);
        // Looked at just before what is left is cut off.
        let before_cut = self.now() + Nanos(self.drain_timeout.as_u64().saturating_sub(1));
        self.run_until(before_cut, |machine| machine.simulation.is_drained());
        let stuck = self.stuck();
        let by = self.now() + END_MAX;
        self.run_until(by, |machine| machine.simulation.is_drained());
        if !self.simulation.is_drained() {
            let left = self.simulation.left_behind().unwrap_or_default();
            return Err(format!("the drain never ends, {left}; {stuck}"));
        }
        // What was sent last is still on its way to its client.
        let by = self.now() + END_MAX;
        self.run_until(by, |machine| machine.open.is_empty());
        if self.simulation.stats().closed(Close::DrainDeadline) > 0 {
            return Err(format!(
                "the drain had to cut off what was under way; {stuck}"
            ));
        }
        self.simulation.check_drained();
        let stats = self.simulation.stats();
        let closed_count: u64 = stats.closed_count.iter().sum();
        let checks = [
            ("connections", stats.accepted_count, closed_count),
            ("requests", stats.request_count, self.ended.len() as u64),
        ];
        for (what, begun_count, ended_count) in checks {
            if begun_count != ended_count {
                return Err(format!(
                    "{begun_count} {what} have begun and {ended_count} ended"
                ));
            }
        }
        Ok(())
    }

    /// Lets time pass up to `until` and everything happen that falls on that moment; stops before it
    /// where `is_enough`.
    ///
    /// A shard that is awake looks at its timers with each heartbeat. Where the machine stands still it
    /// turns at their moments too, so that they are exact.
    fn run_until(&mut self, until: Nanos, mut is_enough: impl FnMut(&mut Machine) -> bool) {
        loop {
            // A drain's deadline that has passed is no moment to wait for.
            let next_timer = (self.simulation.next_timer_at())
                .filter(|at| self.is_still && *at > self.now())
                .unwrap_or(until);
            self.simulation
                .net()
                .set_horizon(Some(next_timer.min(until)));
            self.turn();
            // What happens at the end of the time still falls into it, where the end is met at all.
            let is_over = match self.now().cmp(&until) {
                Ordering::Less => false,
                Ordering::Equal => self.simulation.is_settled(),
                Ordering::Greater => true,
            };
            if is_over || is_enough(self) {
                break;
            }
        }
        self.simulation.net().set_horizon(None);
    }

    fn turn(&mut self) {
        spend::during(self.simulation.clock(), || self.simulation.turn());
        self.observe();
    }

    /// Sees what the latest turns have brought.
    fn observe(&mut self) {
        self.ended
            .extend(self.simulation.kept().into_iter().map(Rc::new));
        let Machine {
            simulation,
            peers,
            peer_of,
            ..
        } = self;
        simulation.each_under_way(|connection, UnderWay { request_id, .. }| {
            if let Some(peer) = peer_of.get(&connection) {
                peers[*peer].note_request(request_id);
            }
        });
        let mut open = std::mem::take(&mut self.open);
        open.retain(|&index| {
            self.peers[index].read();
            self.match_timelines(index);
            !self.peers[index].is_over()
        });
        self.open = open;
    }

    /// Gives each response of a client the timeline of its request, once that has ended.
    fn match_timelines(&mut self, index: usize) {
        while let Some((status, id)) = self.peers[index].unmatched() {
            let record = id.and_then(|id| {
                let mut ended = self.ended.iter().rev();
                ended.find(|record| record.request_id == id)
            });
            let is_its = record.is_some_and(|record| record.status == status);
            if is_its {
                let told = record.map(|record| self.told(record));
                self.peers[index].match_next(told);
            } else if status == REFUSED_WITHOUT_SLOT && (id.is_none() || record.is_some()) {
                self.peers[index].match_next(None);
            } else {
                return;
            }
        }
    }

    fn told(&self, record: &Rc<KeptRecord>) -> RequestTimeline {
        RequestTimeline::new(Rc::clone(record), Rc::clone(&self.names))
    }

    fn stage_of(&self, peer: usize, place: usize) -> Option<Stage> {
        let id = self.peers[peer].request_id(place)?;
        let mut stage = None;
        self.simulation.each_under_way(|_, request| {
            if request.request_id == id {
                stage = Some(request.stage);
            }
        });
        stage
    }

    /// The requests under way, in words.
    fn stuck(&self) -> String {
        let mut stuck = Vec::new();
        self.simulation.each_under_way(|connection, request| {
            let peer = self
                .peer_of
                .get(&connection)
                .map(|index| &self.peers[*index]);
            let asked = peer.map_or("a request", |peer| peer.words_of(request.request_id));
            stuck.push(format!(
                "{asked} is in the stage `{}`",
                request.stage.name()
            ));
        });
        if stuck.is_empty() {
            stuck.push("no request is under way".to_owned());
        }
        stuck.join(", ")
    }
}

/// What is answered without taking a request in, where the shard has no slot for it.
const REFUSED_WITHOUT_SLOT: u16 = 503;

/// How long it may take, beyond the drain's deadline, until everybody has heard of it.
const END_MAX: Nanos = Nanos::from_secs(3);
