//! Where and when a figure was measured.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use serde::Serialize;

/// What a record says about its origin.
#[derive(Debug, Clone, Serialize)]
pub struct Origin {
    /// When the run began.
    pub date: String,
    /// The command line.
    pub command: String,
    /// The commit of the source tree, with `+` where it had changes.
    pub commit: String,
    /// The kernel's release.
    pub kernel: String,
    /// The processor's model.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Part of all cores' time that others used just before the run.
    pub busy_before: f64,
}

impl Origin {
    /// Describes this machine, this tree and this command.
    pub fn here() -> Origin {
        Origin {
            date: httpdate::fmt_http_date(SystemTime::now()),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            cpu: fs::read_to_string("/proc/cpuinfo")
                .ok()
                .as_deref()
                .and_then(cpu_model)
                .unwrap_or("unknown")
                .to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            busy_before: busy_share().unwrap_or(f64::NAN),
        }
    }
}

fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(env!("CARGO_MANIFEST_DIR"))
            .args(args)
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let has_changes = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if has_changes { commit + "+" } else { commit })
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    cpuinfo.lines().find_map(|line| {
        line.strip_prefix("model name")?
            .split_once(':')
            .map(|(_, model)| model.trim())
    })
}

/// The part of all cores' time that is not idle, over 200 ms.
fn busy_share() -> Option<f64> {
    let read = || parse_cpu_line(&fs::read_to_string("/proc/stat").ok()?);
    let (busy_before, all_before) = read()?;
    sleep(Duration::from_millis(200));
    let (busy, all) = read()?;
    Some((busy - busy_before) as f64 / (all - all_before).max(1) as f64)
}

/// Busy and all ticks since boot: idle and iowait (fields 4 and 5) are not busy; guest time is in
/// user time already.
///
/// *Source*: proc_stat(5).
fn parse_cpu_line(stat: &str) -> Option<(u64, u64)> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = fields
        .split_ascii_whitespace()
        .take(8)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let all: u64 = ticks.iter().sum();
    Some((all - ticks.get(3)? - ticks.get(4)?, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_iowait_are_not_busy() {
        assert_eq!(
            parse_cpu_line("cpu  10 1 5 100 20 0 2 3 0 0\ncpu0 1 1 1\n"),
            Some((21, 141))
        );
        assert_eq!(parse_cpu_line("intr 1 2 3"), None);
        assert_eq!(parse_cpu_line("cpu  10 x 5 100"), None);
    }

    #[test]
    fn the_model_is_what_follows_the_colon() {
        assert_eq!(
            cpu_model("processor\t: 0\nmodel name\t: AMD EPYC: Turin\n"),
            Some("AMD EPYC: Turin")
        );
        assert_eq!(cpu_model("processor\t: 0\n"), None);
    }
}
