//! Several subjects under the same load, interleaved: A B C A B C.
//!
//! The figure to trust is the server's CPU time for a million requests. The client's core limits
//! the rate nearly always, so the rate says little; and a lean server sleeps more and pays more
//! wake-ups, which the hog form takes out: a busy loop of equal weight shares the server's core,
//! the server always has work when its turn comes, and the client limits less.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::client::{self, Exchange, Totals, Until};
use crate::cpu::{Reading, Source};
use crate::failure::{During, Failure};
use crate::machine::Origin;
use crate::process::{self, Launcher, Process, Program, Scratch};
use crate::scenario::Scenario;
use crate::stats::{Summary, paired_ratios};
use crate::subject::Subject;
use crate::table::Table;
use crate::{record, wrk};

/// How long, at most, our own client checks answers before the measurement, which also warms the
/// server up.
const WARM_UP_MAX: Duration = Duration::from_millis(300);

/// What to compare, and how.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The load.
    pub scenario: &'static Scenario,
    /// Who meets it, in this order in every round.
    pub subjects: Vec<Subject>,
    /// The subject that the ratios refer to.
    pub base: String,
    /// How often each is measured.
    pub rounds: usize,
    /// How long each measurement takes.
    pub duration: Duration,
    /// Whether a busy loop shares the server's core.
    pub hog: bool,
    /// wrk, or none for our own client.
    pub wrk: Option<PathBuf>,
    /// Where the servers listen, one at a time.
    pub addr: SocketAddr,
    /// The server's core and the client's.
    pub cores: (usize, usize),
    /// The folder of records, or none.
    pub record: Option<PathBuf>,
}

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Round {
    /// Who was measured.
    pub subject: String,
    /// Which time, from 1.
    pub round: usize,
    /// The server's CPU time for a million requests, in seconds.
    pub cpu_s_per_million: f64,
    /// The CPU time comes from clock ticks, since a thread of the server ended.
    pub in_ticks: bool,
    /// What the client found out.
    #[serde(flatten)]
    pub totals: Totals,
}

#[derive(Serialize)]
struct Record<'r> {
    origin: Origin,
    scenario: &'r str,
    hog: bool,
    client: &'r str,
    seconds: f64,
    base: &'r str,
    subjects: Vec<Standing>,
    rounds: &'r [Round],
}

/// What all rounds of a subject say.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// Who was measured.
    pub subject: String,
    /// Median CPU-seconds for a million requests.
    pub cpu_s_per_million: f64,
    /// From the smallest to the largest, as a part of the median.
    pub cpu_spread: f64,
    /// Median of the rounds' ratios to the base's CPU time.
    pub ratio: f64,
    /// The smallest of these ratios.
    pub ratio_min: f64,
    /// The largest of these ratios.
    pub ratio_max: f64,
    /// Median answers a second.
    pub rate: f64,
    /// Median of the 99th percentiles in microseconds, where the client knows them.
    pub p99_us: Option<f64>,
}

/// Runs `comparison` and prints progress, a table, and where the record went.
///
/// *Errors*: the first wrong answer, dead server or failing call; children are killed then too.
pub fn run(comparison: &Comparison, launcher: &Launcher) -> Result<Vec<Standing>, Failure> {
    let origin = Origin::here();
    if origin.busy_before > 0.05 {
        eprintln!(
            "note: the machine was {:.0} % busy before the run",
            origin.busy_before * 100.0
        );
    }
    process::pin_to(comparison.cores.1)?;
    let scratch = Scratch::new()?;
    let mut rounds = Vec::new();
    let total = comparison.rounds * comparison.subjects.len();
    for round in 1..=comparison.rounds {
        for subject in &comparison.subjects {
            let measured = measure(comparison, subject, round, launcher, &scratch)?;
            eprintln!(
                "[{:>2}/{total}] {} round {round}: {:.3} CPU-s/M, {:.0} req/s",
                rounds.len() + 1,
                subject.name,
                measured.cpu_s_per_million,
                measured.totals.rate,
            );
            rounds.push(measured);
        }
    }
    let standings = standings(comparison, &rounds);
    let client = if comparison.wrk.is_some() {
        "wrk"
    } else {
        "own"
    };
    println!(
        "{}: {} connections, depth {}, {} rounds of {:?}, client {client}{}",
        comparison.scenario.name,
        comparison.scenario.connections,
        comparison.scenario.depth,
        comparison.rounds,
        comparison.duration,
        if comparison.hog {
            ", core shared with a hog"
        } else {
            ""
        },
    );
    print!("{}", table(&standings, &comparison.base));
    if let Some(folder) = &comparison.record {
        let record = Record {
            origin,
            scenario: comparison.scenario.name,
            hog: comparison.hog,
            client,
            seconds: comparison.duration.as_secs_f64(),
            base: &comparison.base,
            subjects: standings.clone(),
            rounds: &rounds,
        };
        println!(
            "recorded in {}",
            record::append(folder, comparison.scenario.name, &record)?.display()
        );
    }
    Ok(standings)
}

fn measure(
    comparison: &Comparison,
    subject: &Subject,
    round: usize,
    launcher: &Launcher,
    scratch: &Scratch,
) -> Result<Round, Failure> {
    let (server_core, client_core) = comparison.cores;
    let addr = comparison.addr;
    let exchanges = comparison.scenario.exchanges();
    process::ensure_free(addr)?;
    let mut server = launcher.start(
        &subject.program(addr, server_core, scratch),
        server_core,
        scratch,
    )?;
    server.await_listening(addr)?;
    let hog = comparison
        .hog
        .then(|| start_hog(launcher, &server, server_core, scratch))
        .transpose()?;

    client::closed::run(&plan(
        comparison,
        &exchanges,
        WARM_UP_MAX.min(comparison.duration),
    ))?;
    let before = reading(&server)?;
    let totals = match &comparison.wrk {
        Some(path) => wrk::Wrk {
            path,
            launcher,
            scratch,
            core: client_core,
        }
        .run(comparison.scenario, addr, comparison.duration)?,
        None => client::closed::run(&plan(comparison, &exchanges, comparison.duration))?.totals(),
    };
    let span = reading(&server)?.since(&before);
    server.ensure_alive()?;
    if let Some(mut hog) = hog {
        hog.ensure_alive()?;
    }
    Ok(Round {
        subject: subject.name.clone(),
        round,
        totals,
        cpu_s_per_million: span.cpu_ns as f64 / 1e3 / totals.answered_count as f64,
        in_ticks: span.source == Source::Ticks,
    })
}

/// A busy loop beside the server, of the same weight.
fn start_hog(
    launcher: &Launcher,
    server: &Process,
    core: usize,
    scratch: &Scratch,
) -> Result<Process, Failure> {
    let program = Program {
        name: "hog".to_owned(),
        path: launcher.tool.clone(),
        args: vec!["hog".into()],
    };
    let hog = launcher.start(&program, core, scratch)?;
    process::ensure_equals(hog.pid(), server.pid())?;
    Ok(hog)
}

fn plan<'e>(
    comparison: &Comparison,
    exchanges: &'e [Exchange],
    duration: Duration,
) -> client::Plan<'e> {
    client::Plan {
        addr: comparison.addr,
        connections: comparison.scenario.connections,
        depth: comparison.scenario.depth,
        exchanges,
        until: Until::Elapsed(duration),
    }
}

fn reading(server: &Process) -> Result<Reading, Failure> {
    Reading::of(server.pid()).during(|| format!("read the CPU time of process {}", server.pid()))
}

fn standings(comparison: &Comparison, rounds: &[Round]) -> Vec<Standing> {
    let of = |name: &str, value: fn(&Round) -> f64| -> Vec<f64> {
        rounds
            .iter()
            .filter(|round| round.subject == name)
            .map(value)
            .collect()
    };
    let base = of(&comparison.base, |round| round.cpu_s_per_million);
    let standing = |subject: &Subject| {
        let cpu = of(&subject.name, |round| round.cpu_s_per_million);
        let summary =
            |values: &[f64]| Summary::of(values).expect("every subject has at least one round");
        let ratio = summary(&paired_ratios(&cpu, &base));
        let cpu = summary(&cpu);
        Standing {
            subject: subject.name.clone(),
            cpu_s_per_million: cpu.median,
            cpu_spread: cpu.spread(),
            ratio: ratio.median,
            ratio_min: ratio.min,
            ratio_max: ratio.max,
            rate: summary(&of(&subject.name, |round| round.totals.rate)).median,
            p99_us: Summary::of(&of(&subject.name, |round| {
                round
                    .totals
                    .latency
                    .map_or(f64::NAN, |latency| latency.p99_us)
            }))
            .map(|p99| p99.median),
        }
    };
    comparison.subjects.iter().map(standing).collect()
}

fn table(standings: &[Standing], base: &str) -> Table {
    let ratio = format!("x {base}");
    let mut table = Table::new(&[
        "subject", "CPU-s/M", "spread", &ratio, "min..max", "req/s", "p99 us",
    ]);
    for standing in standings {
        table.row(vec![
            standing.subject.clone(),
            format!("{:.3}", standing.cpu_s_per_million),
            format!("{:.1} %", standing.cpu_spread * 100.0),
            format!("{:.3}", standing.ratio),
            format!("{:.3}..{:.3}", standing.ratio_min, standing.ratio_max),
            format!("{:.0}", standing.rate),
            standing
                .p99_us
                .map_or_else(|| "-".to_owned(), |p99_us| format!("{p99_us:.0}")),
        ]);
    }
    table
}
