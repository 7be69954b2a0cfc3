//! What one route's slow requests do to another route's latency.
//!
//! Each round measures the foreground twice, without and with background requests, both in the open
//! loop. A server whose slow work holds nobody up shows the same percentiles twice.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Serialize;

use crate::client::Exchange;
use crate::client::open::{self, OpenPlan, Stream, StreamReport};
use crate::failure::Failure;
use crate::machine::Origin;
use crate::process::{self, Launcher, Scratch};
use crate::record;
use crate::stats::{Summary, paired_ratios};
use crate::subject::Subject;
use crate::table::Table;

/// How long late answers are awaited.
const GRACE: Duration = Duration::from_secs(5);

/// What to ask in the foreground and in the background.
#[derive(Debug, Clone)]
pub struct Neighbours {
    /// Who is asked.
    pub subject: Subject,
    /// What the latency is measured of.
    pub foreground: Exchange,
    /// Foreground requests a second.
    pub rate: u32,
    /// Connections of the foreground.
    pub connections: usize,
    /// What disturbs it.
    pub background: Exchange,
    /// From one background request to the next.
    pub every: Duration,
    /// Connections of the background: as many requests may be under way.
    pub background_connections: usize,
    /// How often each of the two forms is measured.
    pub rounds: usize,
    /// How long each measurement takes.
    pub duration: Duration,
    /// Where the server listens.
    pub addr: SocketAddr,
    /// The server's core and the client's.
    pub cores: (usize, usize),
    /// How long somebody else holds the database's write lock each time; none where nobody does.
    pub hold_lock: Option<Duration>,
    /// The folder of records, or none.
    pub record: Option<PathBuf>,
}

/// Holds the write lock of a database again and again, from a process of its own: the other program
/// that every real database has.
struct LockHolder(Child);

impl LockHolder {
    /// *Errors*: there is no Python to do it.
    fn start(database: &Path, hold: Duration) -> Result<LockHolder, Failure> {
        const SCRIPT: &str = "
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
while True:
    database.execute('BEGIN IMMEDIATE')
    print('holding', flush=True)
    time.sleep(float(sys.argv[2]))
    database.execute('COMMIT')
    time.sleep(0.05)
";
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT])
            .arg(database)
            .arg(hold.as_secs_f64().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|_| Failure::Missing {
                what: "python3, which holds the lock",
                path: PathBuf::from("python3"),
                remedy: "apt-get install python3",
            })?;
        // Python's start takes longer than a percent of a measurement: it is over before one begins.
        let mut first = [0];
        if let Some(said) = &mut child.stdout {
            let _ = said.read(&mut first);
        }
        Ok(LockHolder(child))
    }
}

impl Drop for LockHolder {
    fn drop(&mut self) {
        // It may have ended already; there is nothing else to do about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Latencies of one stream in one measurement, in microseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// `quiet` or `noisy`.
    pub form: &'static str,
    /// Which round, from 1.
    pub round: usize,
    /// `foreground` or `background`.
    pub stream: String,
    /// Requests due.
    pub due_count: u64,
    /// Requests without an answer when the grace ended.
    pub unanswered_count: u64,
    /// Median.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// Longest.
    pub max_us: f64,
}

#[derive(Serialize)]
struct Record<'r> {
    origin: Origin,
    subject: &'r str,
    foreground: &'r str,
    rate: u32,
    background: &'r str,
    every_ms: f64,
    seconds: f64,
    p99_ratio: f64,
    samples: &'r [Sample],
}

/// Measures `neighbours`, prints progress and a table; returns the median ratio of noisy to quiet
/// p99.
///
/// *Errors*: the first wrong answer, dead server or failing call.
pub fn run(neighbours: &Neighbours, launcher: &Launcher) -> Result<f64, Failure> {
    let origin = Origin::here();
    process::pin_to(neighbours.cores.1)?;
    let scratch = Scratch::new()?;
    let mut samples = Vec::new();
    for round in 1..=neighbours.rounds {
        for form in ["quiet", "noisy"] {
            let reports = measure(neighbours, form == "noisy", launcher, &scratch)?;
            for report in &reports {
                let sample = Sample::of(report, form, round);
                eprintln!(
                    "round {round} {form} {}: p50 {:.0} us, p99 {:.0} us, max {:.0} us, {} of {} unanswered",
                    sample.stream,
                    sample.p50_us,
                    sample.p99_us,
                    sample.max_us,
                    sample.unanswered_count,
                    sample.due_count,
                );
                samples.push(sample);
            }
        }
    }
    println!(
        "{}: {} at {} a second beside {} every {:?}, {} rounds of {:?}, latency from the intended moment",
        neighbours.subject.name,
        neighbours.foreground.path,
        neighbours.rate,
        neighbours.background.path,
        neighbours.every,
        neighbours.rounds,
        neighbours.duration,
    );
    print!("{}", table(&samples));
    let p99 = |form| values(&samples, form, "foreground", |sample| sample.p99_us);
    let ratio = Summary::of(&paired_ratios(&p99("noisy"), &p99("quiet")))
        .map_or(f64::NAN, |ratio| ratio.median);
    println!("foreground p99, noisy to quiet: {ratio:.2}");
    if let Some(folder) = &neighbours.record {
        let record = Record {
            origin,
            subject: &neighbours.subject.name,
            foreground: &neighbours.foreground.path,
            rate: neighbours.rate,
            background: &neighbours.background.path,
            every_ms: neighbours.every.as_secs_f64() * 1e3,
            seconds: neighbours.duration.as_secs_f64(),
            p99_ratio: ratio,
            samples: &samples,
        };
        println!(
            "recorded in {}",
            record::append(folder, "noisy", &record)?.display()
        );
    }
    Ok(ratio)
}

fn measure(
    neighbours: &Neighbours,
    is_noisy: bool,
    launcher: &Launcher,
    scratch: &Scratch,
) -> Result<Vec<StreamReport>, Failure> {
    let (server_core, _) = neighbours.cores;
    process::ensure_free(neighbours.addr)?;
    let program = neighbours
        .subject
        .program(neighbours.addr, server_core, scratch);
    let mut server = launcher.start(&program, server_core, scratch)?;
    server.await_listening(neighbours.addr)?;
    let database = scratch.path(&format!("{}.db", neighbours.subject.name));
    let _holder = match neighbours.hold_lock {
        Some(hold) if is_noisy => Some(LockHolder::start(&database, hold)?),
        _ => None,
    };
    let mut streams = vec![Stream {
        name: "foreground".to_owned(),
        exchange: &neighbours.foreground,
        connections: neighbours.connections,
        interval: Duration::from_secs(1) / neighbours.rate,
    }];
    if is_noisy {
        streams.push(Stream {
            name: "background".to_owned(),
            exchange: &neighbours.background,
            connections: neighbours.background_connections,
            interval: neighbours.every,
        });
    }
    let reports = open::run(&OpenPlan {
        addr: neighbours.addr,
        streams,
        duration: neighbours.duration,
        grace: GRACE,
    })?;
    server.ensure_alive()?;
    // What the server says of its turns, it says at its end.
    server.ask_to_end()?;
    server.await_end(GRACE)?;
    for line in server
        .said()
        .lines()
        .filter(|line| line.contains("turns, the longest"))
    {
        eprintln!("  {line}");
    }
    Ok(reports)
}

impl Sample {
    fn of(report: &StreamReport, form: &'static str, round: usize) -> Sample {
        let microseconds = |quantile| report.latency.value_at_quantile(quantile) as f64 / 1e3;
        Sample {
            form,
            round,
            stream: report.name.clone(),
            due_count: report.due_count,
            unanswered_count: report.unanswered_count(),
            p50_us: microseconds(0.5),
            p99_us: microseconds(0.99),
            p999_us: microseconds(0.999),
            max_us: report.latency.max() as f64 / 1e3,
        }
    }
}

fn values(samples: &[Sample], form: &str, stream: &str, value: fn(&Sample) -> f64) -> Vec<f64> {
    samples
        .iter()
        .filter(|sample| sample.form == form && sample.stream == stream)
        .map(value)
        .collect()
}

fn table(samples: &[Sample]) -> Table {
    let mut table = Table::new(&[
        "form, stream",
        "p50 us",
        "p99 us",
        "min..max",
        "p99.9 us",
        "longest us",
        "unanswered",
    ]);
    for (form, stream) in [
        ("quiet", "foreground"),
        ("noisy", "foreground"),
        ("noisy", "background"),
    ] {
        let median = |value| {
            Summary::of(&values(samples, form, stream, value)).map_or(f64::NAN, |all| all.median)
        };
        let p99 = Summary::of(&values(samples, form, stream, |sample| sample.p99_us));
        let unanswered = values(samples, form, stream, |sample| {
            sample.unanswered_count as f64
        })
        .iter()
        .sum::<f64>();
        table.row(vec![
            format!("{form}, {stream}"),
            format!("{:.0}", median(|sample| sample.p50_us)),
            format!("{:.0}", p99.map_or(f64::NAN, |all| all.median)),
            p99.map_or_else(String::new, |all| format!("{:.0}..{:.0}", all.min, all.max)),
            format!("{:.0}", median(|sample| sample.p999_us)),
            format!("{:.0}", median(|sample| sample.max_us)),
            format!("{unanswered:.0}"),
        ]);
    }
    table
}
