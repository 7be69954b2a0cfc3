//! Many seeds of an echo over the simulated ring.
//!
//! `CUTAWAY_SEED=17 cargo test -p cutaway-reactor --test sim every_seed -- --nocapture` runs one
//! seed and prints its log.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use cutaway_reactor::sim::{
    ClientEnd, Fault, FaultCounts, FaultPlan, SimClient, SimConfig, SimNet, SimPort,
};

use echo::{Disk, Echo, EchoCounts};

#[path = "sim/echo.rs"]
mod echo;
#[path = "sim/rules.rs"]
mod rules;

/// What a run shows to the outside.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    log_hash: u64,
    faults: FaultCounts,
    counts: EchoCounts,
    overflow_count: u64,
    stale_count: u64,
}

/// A client, and what it has sent and read so far.
struct Speaker {
    client: SimClient,
    sent: Vec<u8>,
    read: Vec<u8>,
    has_finished: bool,
    has_reset: bool,
}

impl Speaker {
    fn new(client: SimClient) -> Speaker {
        Speaker {
            client,
            sent: Vec::new(),
            read: Vec::new(),
            has_finished: false,
            has_reset: false,
        }
    }
}

/// One seed: clients do what they like while the shard turns, then everything ends.
fn run(seed: u64, faults: FaultPlan, keeps_text: bool) -> Run {
    let net = SimNet::new(SimConfig {
        faults,
        keeps_text,
        ..SimConfig::new(seed)
    });
    let listener = net.listen();
    let port = SimPort::new(&net, 4, Disk { net: net.clone() });
    let mut echo = Echo::new(net.ring(), port, net.clock(), listener, net.random(1));
    let mut choices = net.random(2);
    let mut speakers: Vec<Speaker> = Vec::new();
    let mut present: [Option<usize>; CLIENTS] = [None; CLIENTS];
    for _ in 0..OPERATIONS {
        let place = choices.below(CLIENTS as u64) as usize;
        match present[place] {
            Some(index) if speakers[index].client.end().is_none() => {
                act(&mut speakers[index], &mut choices);
            }
            _ => {
                present[place] = Some(speakers.len());
                speakers.push(Speaker::new(net.connect(listener)));
            }
        }
        if choices.per_mille(20) {
            net.wake();
        }
        echo.turn();
    }
    for speaker in &mut speakers {
        speaker.client.read_again();
        if !speaker.has_finished {
            speaker.client.finish();
        }
    }
    // Connections that stand in the backlog are accepted before the listener stops.
    turn_until(&net, &mut echo, |_| {
        speakers.iter().all(|it| it.client.end().is_some())
    });
    echo.drain();
    turn_until(&net, &mut echo, |echo| echo.is_drained());
    net.check_drained();
    for speaker in &mut speakers {
        check(speaker, faults == FaultPlan::none(), seed);
    }
    if keeps_text {
        println!("{}", net.log_text().expect("the text was asked for"));
    }
    let stats = cutaway_reactor::Ring::stats(&echo.ring);
    Run {
        log_hash: echo.ring.log_hash(),
        faults: echo.ring.fault_counts(),
        counts: echo.counts,
        overflow_count: stats.overflow_count,
        stale_count: stats.stale_count,
    }
}

fn act(speaker: &mut Speaker, choices: &mut cutaway_reactor::sim::Stream) {
    let client = &speaker.client;
    match choices.below(100) {
        0..=59 if !speaker.has_finished => {
            let is_large = choices.per_mille(100);
            let len = choices.within(1, if is_large { 20_000 } else { 300 });
            let bytes: Vec<u8> = (0..len).map(|_| choices.draw() as u8).collect();
            client.send(&bytes);
            speaker.sent.extend(bytes);
        }
        60..=64 => client.stop_reading(),
        65..=74 => client.read_again(),
        75..=77 if !speaker.has_finished => {
            client.finish();
            speaker.has_finished = true;
        }
        78 => {
            client.reset();
            speaker.has_reset = true;
        }
        _ => {}
    }
    speaker.read.extend(client.take_read());
}

fn turn_until<R, P, C>(
    net: &SimNet,
    echo: &mut Echo<R, P, C>,
    is_done: impl Fn(&Echo<R, P, C>) -> bool,
) where
    R: cutaway_reactor::Ring,
    P: cutaway_reactor::WorkerPort<echo::Job>,
    C: cutaway_scheduler::Clock,
{
    for _ in 0..TURNS_MAX {
        if is_done(echo) {
            return;
        }
        echo.turn();
    }
    panic!("the echo is stuck in {net:?}");
}

/// Nothing is ever echoed wrong; and without faults nothing is missing.
fn check(speaker: &mut Speaker, is_faultless: bool, seed: u64) {
    speaker.read.extend(speaker.client.take_read());
    assert!(
        speaker.sent.starts_with(&speaker.read),
        "seed {seed}: connection {} read what it had not sent",
        speaker.client.connection()
    );
    if is_faultless && !speaker.has_reset {
        assert_eq!(
            speaker.client.end(),
            Some(ClientEnd::Finished),
            "seed {seed}"
        );
        assert_eq!(speaker.read.len(), speaker.sent.len(), "seed {seed}");
    }
}

#[test]
fn every_seed_runs_twice_alike_and_every_fault_strikes() {
    let wanted = std::env::var("CUTAWAY_SEED").ok();
    let wanted = wanted.map(|seed| seed.parse::<u64>().expect("CUTAWAY_SEED is a number"));
    if let Some(seed) = wanted {
        println!("{:#?}", run(seed, FaultPlan::all(), true));
        return;
    }
    let mut faults = FaultCounts::default();
    for seed in 0..SEEDS {
        let first = run(seed, FaultPlan::all(), false);
        let again = run(seed, FaultPlan::all(), false);
        assert_eq!(first, again, "seed {seed} ran differently the second time");
        faults.add(&first.faults);
    }
    for (fault, count) in faults.iter() {
        println!("{fault:?}: {count}");
        assert!(count > 0, "{fault:?} never struck");
    }
}

#[test]
fn without_faults_everything_is_echoed() {
    let mut counts = Vec::new();
    for seed in 0..SEEDS / 4 {
        let run = run(seed, FaultPlan::none(), false);
        assert_eq!(run.faults, FaultCounts::default());
        counts.push(run.counts);
    }
    assert!(
        counts
            .iter()
            .any(|it| it.timers > 0 && it.heartbeats > 0 && it.wakes > 0)
    );
    assert!(
        counts
            .iter()
            .any(|it| it.jobs_back > 0 && it.jobs_failed == 0)
    );
}

#[test]
fn other_seeds_run_otherwise() {
    let hashes: std::collections::HashSet<u64> = (0..20)
        .map(|seed| run(seed, FaultPlan::none(), false).log_hash)
        .collect();
    assert_eq!(hashes.len(), 20);
}

#[test]
fn a_fault_draws_from_a_stream_of_its_own() {
    let healthy = run(3, FaultPlan::none(), false);
    let full = run(3, FaultPlan::none().with(Fault::DiskFull, 1000), false);
    // Every job fails, and nothing else of the run has moved.
    assert_eq!(full.log_hash, healthy.log_hash);
    assert_eq!(full.counts.jobs_failed, full.counts.jobs_back);
    assert!(full.counts.jobs_failed > 0);
    assert_eq!(healthy.counts.jobs_failed, 0);
}

/// Each planted bug breaks a rule that holds without it.
#[cfg(feature = "planted")]
mod canary {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use cutaway_reactor::planted::{Bug, plant};

    use super::*;

    fn first_caught(bug: Bug) -> (u64, String) {
        let caught = (0..SEEDS).find_map(|seed| {
            let planted = plant(bug);
            let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, FaultPlan::all(), false)));
            drop(planted);
            let payload = outcome.err()?;
            let text = payload
                .downcast_ref::<String>()
                .cloned()
                .unwrap_or_default();
            Some((seed, text))
        });
        caught.unwrap_or_else(|| panic!("{bug:?} was never caught"))
    }

    #[test]
    fn planted_bugs_are_caught() {
        for (bug, sentence) in [
            (Bug::StaleTicket, "a stale completion was taken for"),
            (Bug::LostResume, "a resume is lost"),
            (Bug::DoubleRelease, "a buffer went back to the kernel twice"),
        ] {
            let (seed, text) = first_caught(bug);
            assert!(
                text.contains(sentence),
                "{bug:?} at seed {seed} said: {text}"
            );
            run(seed, FaultPlan::all(), false);
        }
    }
}

const SEEDS: u64 = 300;
const OPERATIONS: usize = 200;
const CLIENTS: usize = 6;
const TURNS_MAX: usize = 20_000;
