//! The whole shard on the simulated ring: a thousand seeds of clients that behave and clients that do
//! not, of a kernel that does everything a kernel may do, each seed twice.
//!
//! One seed, with its log:
//!
//! ```text
//! CUTAWAY_SEED=17 cargo test -p cutaway --test sim one_seed -- --nocapture
//! ```

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cutaway::shard::{Close, ShardStats};
use cutaway::testing::simulation::{FaultCounts, FaultPlan};
use cutaway_reactor::RingStats;

use routes::Home;
use run::{Plan, Run, run};

#[path = "sim/found.rs"]
mod found;
#[path = "sim/needs.rs"]
mod needs;
#[path = "sim/reply.rs"]
mod reply;
#[path = "sim/request.rs"]
mod request;
#[path = "sim/routes.rs"]
mod routes;
#[path = "sim/run.rs"]
mod run;
#[path = "sim/silence.rs"]
mod silence;
#[path = "sim/streams.rs"]
mod streams;
#[path = "sim/visitor.rs"]
mod visitor;

/// How many seeds are run where `CUTAWAY_SEEDS` does not name others: `CUTAWAY_SEEDS=1000..9000`.
const SEEDS: u64 = 1000;
const THREADS: usize = 2;

const EVERYTHING: fn() -> Plan = || Plan {
    faults: FaultPlan::all(),
    is_decent: false,
    keeps_text: false,
};

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("CUTAWAY_SEEDS") else {
        return 0..SEEDS;
    };
    let (first, end) = text
        .split_once("..")
        .expect("CUTAWAY_SEEDS is like 1000..9000");
    let number = |text: &str| text.parse().expect("CUTAWAY_SEEDS names numbers");
    number(first)..number(end)
}

/// Runs a seed; where it fails, says how to run it alone.
fn run_or_tell(home: &Home, seed: u64, plan: Plan) -> Run {
    catch_unwind(AssertUnwindSafe(|| run(home, seed, plan))).unwrap_or_else(|payload| {
        let text = silence::text_of(&*payload);
        panic!(
            "seed {seed}: {text}\n  replay: CUTAWAY_SEED={seed} cargo test -p cutaway --test sim \
             one_seed -- --nocapture"
        )
    })
}

#[test]
fn every_seed_runs_twice_alike_and_everything_that_can_go_wrong_does() {
    silence::planned_panics();
    let mut total = Total::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let home = Home::new();
                    let mut total = Total::default();
                    for seed in seeds().skip(thread).step_by(THREADS) {
                        let run = run_or_tell(&home, seed, EVERYTHING());
                        let again = run_or_tell(&home, seed, EVERYTHING());
                        assert_eq!(run, again, "seed {seed} ran differently the second time");
                        total.add(&run);
                    }
                    total
                })
            })
            .collect();
        for thread in threads {
            match thread.join() {
                Ok(of_thread) => total.merge(&of_thread),
                Err(payload) => std::panic::resume_unwind(payload),
            }
        }
    });
    total.print_and_check();
}

#[test]
fn without_faults_every_reply_is_the_expected_one() {
    silence::planned_panics();
    let home = Home::new();
    let plan = Plan {
        faults: FaultPlan::none(),
        is_decent: true,
        keeps_text: false,
    };
    for seed in 0..SEEDS / 10 {
        let run = run_or_tell(&home, seed, plan);
        assert_eq!(run.faults, FaultCounts::default());
        let failed: u64 = [500, 503, 504]
            .iter()
            .filter_map(|it| run.statuses.get(it))
            .sum();
        assert_eq!(failed, 0, "seed {seed}");
    }
}

#[test]
fn one_seed() {
    silence::planned_panics();
    let seed = std::env::var("CUTAWAY_SEED").ok();
    let Some(seed) = seed else { return };
    let seed = seed.parse().expect("CUTAWAY_SEED is a number");
    let plan = Plan {
        keeps_text: true,
        ..EVERYTHING()
    };
    let mut run = run(&Home::new(), seed, plan);
    println!("{}", run.text.take().expect("the text was asked for"));
    println!("{run:#?}");
}

/// A client goes while its request is ready to resume and a loser of its need is still at a worker:
/// the slot stays, and the queue hands it out once more.
#[test]
fn a_slot_that_waits_for_a_loser_is_not_run() {
    silence::planned_panics();
    run_or_tell(&Home::new(), 391, EVERYTHING());
}

/// What all runs came to.
#[derive(Default)]
struct Total {
    faults: FaultCounts,
    edges: BTreeMap<String, u64>,
}

impl Total {
    fn add(&mut self, run: &Run) {
        self.faults.add(&run.faults);
        for (name, count) in edges(&run.statuses, &run.stats, &run.ring) {
            *self.edges.entry(name).or_default() += count;
        }
    }

    fn merge(&mut self, other: &Total) {
        self.faults.add(&other.faults);
        for (name, count) in &other.edges {
            *self.edges.entry(name.clone()).or_default() += count;
        }
    }

    fn print_and_check(&self) {
        let faults = self
            .faults
            .iter()
            .map(|(fault, count)| (format!("{fault:?}"), count));
        let edges = self
            .edges
            .iter()
            .map(|(name, count)| (name.clone(), *count));
        let all: Vec<_> = faults.chain(edges).collect();
        for (name, count) in &all {
            println!("{count:>9} {name}");
        }
        let never: Vec<_> = all.iter().filter(|(_, count)| *count == 0).collect();
        assert!(never.is_empty(), "never happened: {never:?}");
    }
}

/// Every failure edge there is, and how often this run took it.
fn edges(
    statuses: &BTreeMap<u16, u64>,
    stats: &ShardStats,
    ring: &RingStats,
) -> Vec<(String, u64)> {
    const STATUSES: [u16; 19] = [
        100, 200, 201, 204, 400, 404, 405, 408, 413, 414, 415, 417, 422, 431, 500, 501, 503, 504,
        505,
    ];
    let mut edges: Vec<(String, u64)> = STATUSES
        .iter()
        .map(|status| {
            (
                format!("status {status}"),
                statuses.get(status).copied().unwrap_or(0),
            )
        })
        .collect();
    for reason in Close::ALL {
        edges.push((format!("closed: {reason:?}"), stats.closed(reason)));
    }
    let counters = [
        ("accept failed", stats.accept_failed_count),
        ("slot refused", stats.refused_slot_count),
        ("queue refused", stats.refused_queue_count),
        ("effect refused", stats.refused_effect_count),
        ("expired in the queue", stats.expired_count),
        ("missed in a step", stats.missed_count),
        ("timed out while parked", stats.timed_out_count),
        ("cancelled", stats.cancelled_count),
        ("panicked", stats.panic_count),
        ("effect let go", stats.let_go_count),
        ("result came late", stats.late_result_count),
        ("stale ticket", stats.stale_count),
        ("quantum spent", stats.quantum_spent_count),
        ("napped", stats.nap_count),
        ("ring: stale completion", ring.stale_count),
        ("ring: no buffers", ring.no_buffers_count),
        ("ring: completion queue overflowed", ring.overflow_count),
    ];
    edges.extend(counters.map(|(name, count)| (name.to_owned(), count)));
    edges
}
