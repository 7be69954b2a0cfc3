//! wrk as the client, where it is installed: started pinned, its report read strictly.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::{Latency, Totals};
use crate::failure::{During, Failure};
use crate::process::{Launcher, Program, Scratch};
use crate::scenario::Scenario;

/// Sends a scenario's targets in turn, a batch at a time.
const SCRIPT: &str = include_str!("../wrk/batch.lua");

/// wrk as it is run on this machine.
#[derive(Debug)]
pub struct Wrk<'r> {
    /// The program.
    pub path: &'r Path,
    /// How it is started.
    pub launcher: &'r Launcher,
    /// Where its script goes.
    pub scratch: &'r Scratch,
    /// The core it runs on.
    pub core: usize,
}

/// Where wrk is, if it is in `PATH`.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("wrk"))
        .find(|file| file.is_file())
}

impl Wrk<'_> {
    /// Loads the server on `addr` for `duration`, rounded up to whole seconds.
    ///
    /// Where it pipelines, wrk prints latencies that cannot be (zeros above larger values), so
    /// there are none then.
    ///
    /// *Errors*: wrk failed, or reports an answer that is not 2xx or 3xx or a socket error.
    pub fn run(
        &self,
        scenario: &Scenario,
        addr: SocketAddr,
        duration: Duration,
    ) -> Result<Totals, Failure> {
        let mut args: Vec<OsString> = ["-t1", "--latency"].map(OsString::from).to_vec();
        args.push(format!("-c{}", scenario.connections).into());
        args.push(format!("-d{}s", duration.as_secs_f64().ceil()).into());
        let is_plain = scenario.depth == 1 && scenario.targets.len() == 1;
        if !is_plain {
            let script = self.scratch.path("batch.lua");
            fs::write(&script, SCRIPT).during(|| format!("write {}", script.display()))?;
            args.extend(["-s".into(), script.into()]);
        }
        args.push(format!("http://{addr}{}", scenario.targets[0].0).into());
        if !is_plain {
            args.extend(["--".into(), scenario.depth.to_string().into()]);
            args.extend(
                scenario
                    .targets
                    .iter()
                    .map(|(path, _)| OsString::from(path)),
            );
        }
        let program = Program {
            name: "wrk".to_owned(),
            path: self.path.to_owned(),
            args,
        };
        let text = self.launcher.run(&program, self.core)?;
        let totals = parse(&text).map_err(|what| Failure::Tool { tool: "wrk", what })?;
        Ok(Totals {
            latency: totals.latency.filter(|_| scenario.depth == 1),
            ..totals
        })
    }
}

/// Reads a report printed with `--latency`.
fn parse(text: &str) -> Result<Totals, String> {
    let mut answered_count = None;
    let mut rate = None;
    let mut p50_us = None;
    let mut p99_us = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["Socket", "errors:", ..] | ["Non-2xx", ..] => return Err(line.trim().to_owned()),
            [count, "requests", "in", ..] => answered_count = count.parse().ok(),
            ["Requests/sec:", number] => rate = number.parse().ok(),
            ["50%", duration] => p50_us = microseconds(duration),
            ["99%", duration] => p99_us = microseconds(duration),
            _ => {}
        }
    }
    let missing = |what: &str| format!("no {what} in its report:\n{text}");
    Ok(Totals {
        answered_count: answered_count.ok_or_else(|| missing("count of requests"))?,
        rate: rate.ok_or_else(|| missing("rate"))?,
        latency: Some(Latency {
            p50_us: p50_us.ok_or_else(|| missing("median"))?,
            p99_us: p99_us.ok_or_else(|| missing("99th percentile"))?,
        }),
    })
}

/// wrk prints durations as `636.00us`, `1.20ms`, `2.00s`, `1.00m`.
fn microseconds(text: &str) -> Option<f64> {
    let (number, factor) = [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7)]
        .into_iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests;
