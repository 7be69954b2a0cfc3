//! One seed: clients come and go while the shard turns, then everything ends and is accounted for.

use std::collections::BTreeMap;

use cutaway::limits::Limits;
use cutaway::shard::ShardStats;
use cutaway::testing::simulation::{
    FaultCounts, FaultPlan, SimConfig, SimNet, Simulation, SimulationOptions, Stream,
};
use cutaway_reactor::RingStats;
use cutaway_scheduler::{Clock, Nanos};

use crate::routes::{Home, work_by};
use crate::visitor::{House, Visitor};

/// How a seed is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub faults: FaultPlan,
    /// Clients behave and bounds are wide: every reply must be the expected one.
    pub is_decent: bool,
    pub keeps_text: bool,
}

/// What a run shows to the outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub log_hash: u64,
    pub faults: FaultCounts,
    pub stats: ShardStats,
    pub ring: RingStats,
    pub statuses: BTreeMap<u16, u64>,
    pub text: Option<String>,
}

/// Runs a seed.
///
/// # Panics
/// Where an invariant breaks.
pub fn run(home: &Home, seed: u64, plan: Plan) -> Run {
    let mut choices = Stream::new(seed, 1);
    let config = SimConfig {
        faults: plan.faults,
        keeps_text: plan.keeps_text,
        ..SimConfig::new(seed)
    };
    let options = if plan.is_decent {
        SimulationOptions::default()
    } else {
        SimulationOptions {
            limits: narrow(&mut choices),
            jobs_max: choices.within(2, 12),
        }
    };
    let simulation =
        Simulation::with_options(home.routes.clone(), config, options).expect("the database opens");
    work_by(simulation.clock());
    let mut stage = Stage {
        simulation,
        visitors: Vec::new(),
        present: vec![None; choices.within(3, 14)],
        house: House {
            now: Nanos::ZERO,
            drain_since: None,
            cut_off_at: None,
            is_decent: plan.is_decent,
        },
        choices,
        statuses: BTreeMap::new(),
        record_count: 0,
    };
    let log = LogOnPanic(stage.simulation.net().clone());
    stage.play();
    stage.end();
    drop(log);
    let Stage {
        simulation,
        statuses,
        ..
    } = stage;
    Run {
        log_hash: simulation.log_hash(),
        faults: simulation.net().fault_counts(),
        stats: simulation.stats().clone(),
        ring: simulation.ring_stats(),
        statuses,
        text: simulation.net().log_text(),
    }
}

/// Prints the log of a run that fails, where it was kept as text.
struct LogOnPanic(SimNet);

impl Drop for LogOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(text) = self.0.log_text()
        {
            println!("{text}");
        }
    }
}

/// Bounds that are met: little of everything, and little patience.
fn narrow(choices: &mut Stream) -> Limits {
    let mut millis = |least, most| Nanos::from_millis(choices.within(least, most) as u64);
    let head_timeout = millis(20, 40);
    let body_idle_timeout = millis(20, 40);
    let keep_alive_idle = millis(40, 100);
    let write_timeout = millis(40, 80);
    // Longer than a step or a thief may hold the core: meanwhile the simulated network stands still.
    let linger_timeout = millis(40, 60);
    let timer_period_max = millis(30, 300);
    Limits {
        head_bytes_max: 1024,
        target_bytes_max: 256,
        fields_max: 16,
        body_bytes_max: 8 << 10,
        discard_bytes_max: choices.within(0, 6 << 10),
        parse_ahead_max: choices.within(1, 20),
        output_bytes_max: choices.within(1, 16) << 10,
        inbox_bytes_max: choices.within(1, 8) << 10,
        connections_max: choices.within(2, 14),
        requests_max: choices.within(2, 40),
        queue_depth_max: choices.within(1, 24),
        head_timeout,
        body_idle_timeout,
        keep_alive_idle,
        write_timeout,
        linger_timeout,
        timer_period_max,
        turn_quantum: Nanos::from_micros(choices.within(50, 500) as u64),
        completions_per_turn: choices.within(1, 64),
        ..Limits::default()
    }
}

struct Stage {
    simulation: Simulation,
    visitors: Vec<Visitor>,
    /// Who stands at which place.
    present: Vec<Option<usize>>,
    choices: Stream,
    house: House,
    statuses: BTreeMap<u16, u64>,
    record_count: u64,
}

impl Stage {
    /// Clients act, time passes, until enough has happened.
    fn play(&mut self) {
        while self.simulation.ring_stats().submitted_count < OPERATIONS_MIN {
            self.act();
            let until = self.house.now + self.pause();
            self.turn_until(until);
        }
    }

    fn act(&mut self) {
        let place = self.choices.below(self.present.len() as u64) as usize;
        match self.present[place] {
            Some(index) if !self.visitors[index].is_over() => {
                self.visitors[index].act(&mut self.choices, &self.house);
            }
            _ => {
                let client = self.simulation.connect();
                self.present[place] = Some(self.visitors.len());
                let visitor = Visitor::new(client, &mut self.choices, self.house.is_decent);
                self.visitors.push(visitor);
            }
        }
        if self.choices.per_mille(20) {
            self.simulation.net().wake();
        }
    }

    /// Mostly clients are quick; seldom they think for so long that something times out.
    fn pause(&mut self) -> Nanos {
        let micros = match self.choices.below(1000) {
            0..=599 => self.choices.below(60),
            600..=949 => self.choices.below(1_000),
            950..=989 => self.choices.below(8_000),
            _ => self.choices.below(120_000),
        };
        Nanos::from_micros(micros)
    }

    fn turn_until(&mut self, until: Nanos) {
        self.simulation.net().set_horizon(Some(until));
        while self.house.now < until && !self.simulation.is_drained() {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.simulation.turn();
        self.house.now = self.simulation.clock().now();
        self.record_count += self.simulation.kept().len() as u64;
        for visitor in self.present.iter().flatten() {
            let visitor = &mut self.visitors[*visitor];
            if let Err(wrong) = visitor.read(&mut self.choices, &self.house, &mut self.statuses) {
                panic!("at {} ns: {wrong}", self.house.now.as_u64());
            }
        }
    }

    /// The shard drains while clients go on for a while; then nothing may be left.
    fn end(&mut self) {
        let is_short = !self.house.is_decent && self.choices.per_mille(300);
        let within = Nanos::from_micros(if is_short {
            self.choices.below(4_000)
        } else {
            3_000_000
        });
        if self.house.is_decent {
            for visitor in &mut self.visitors {
                visitor.wind_down();
            }
            let until = self.house.now + Nanos::from_millis(300);
            self.turn_until(until);
        }
        self.simulation.drain(within);
        self.house.drain_since = Some(self.house.now);
        self.house.cut_off_at = is_short.then(|| self.house.now + within);
        for _ in 0..self.choices.below(20) {
            if !self.house.is_decent {
                self.act();
            }
            let until = self.house.now + self.pause();
            self.turn_until(until);
        }
        for visitor in &mut self.visitors {
            visitor.wind_down();
        }
        let drained_by = self.house.now + within + DRAIN_MAX;
        self.turn_until(drained_by);
        assert!(
            self.simulation.is_drained(),
            "the drain never ends: {:?}",
            self.simulation
        );
        // What the server has sent is still on its way to the clients.
        let arrived_by = self.house.now + ARRIVAL_MAX;
        self.simulation.net().set_horizon(Some(arrived_by));
        while self.house.now < arrived_by {
            self.turn();
        }
        self.account();
    }

    fn account(&mut self) {
        let (mut choices, house) = (self.choices.clone(), self.house);
        for visitor in &mut self.visitors {
            let read = visitor.read(&mut choices, &house, &mut self.statuses);
            if let Err(wrong) = read.and_then(|()| visitor.check(&house)) {
                panic!("at the end: {wrong}");
            }
        }
        self.record_count += self.simulation.kept().len() as u64;
        self.simulation.check_drained();
        let stats = self.simulation.stats();
        let closed_count: u64 = stats.closed_count.iter().sum();
        assert_eq!(
            closed_count, stats.accepted_count,
            "each connection ends once, for one reason"
        );
        assert_eq!(
            self.record_count, stats.request_count,
            "each request ends once"
        );
    }
}

/// Ring operations of one run, at least.
const OPERATIONS_MIN: u64 = 500;

/// By when the last byte has reached its client.
const ARRIVAL_MAX: Nanos = Nanos::from_millis(50);

/// How long after its deadline a drain may take: the kernel has to end what was cut off.
const DRAIN_MAX: Nanos = Nanos::from_millis(300);
