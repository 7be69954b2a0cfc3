//! CPU time of a process over all its threads, in nanoseconds.
//!
//! `/proc/PID/task/*/schedstat` is exact but forgets threads that have ended; `utime + stime` of
//! `/proc/PID/stat` remembers them but counts in clock ticks. A span is taken from the first unless
//! a thread ended meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::io;

/// Length of a clock tick in nanoseconds: `USER_HZ` is 100 on every Linux architecture that
/// io_uring runs on.
const TICK_NS: u64 = 10_000_000;

/// CPU time of a process at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Nanoseconds on a CPU, by thread id.
    threads: BTreeMap<u32, u64>,
    /// User and system time of the process with its ended threads.
    process_ns: u64,
}

/// CPU time between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Time on a CPU in nanoseconds.
    pub cpu_ns: u64,
    /// How it was found out.
    pub source: Source,
}

/// Where a span comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The scheduler's own counts: nanoseconds.
    Schedstat,
    /// Clock ticks of 10 ms, since a thread ended between the readings.
    Ticks,
}

impl Reading {
    /// Reads the counts of process `pid`.
    ///
    /// *Errors*: the process is gone, or /proc is not the Linux one.
    pub fn of(pid: u32) -> io::Result<Reading> {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let name = entry?.file_name();
            let Some(thread) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // A thread may end between the listing and here; the comparison of two readings sees
            // that it is missing.
            let Ok(text) = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat"))
            else {
                continue;
            };
            threads.insert(
                thread,
                parse_schedstat(&text).ok_or_else(|| malformed("schedstat", &text))?,
            );
        }
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let process_ns = parse_stat(&text).ok_or_else(|| malformed("stat", &text))?;
        Ok(Reading {
            threads,
            process_ns,
        })
    }

    /// The time from `earlier` to this reading of the same process.
    pub fn since(&self, earlier: &Reading) -> Span {
        let thread_ended = earlier
            .threads
            .keys()
            .any(|thread| !self.threads.contains_key(thread));
        if thread_ended || self.threads.is_empty() {
            return Span {
                cpu_ns: self.process_ns.saturating_sub(earlier.process_ns),
                source: Source::Ticks,
            };
        }
        let on_cpu = |reading: &Reading| reading.threads.values().sum::<u64>();
        Span {
            cpu_ns: on_cpu(self).saturating_sub(on_cpu(earlier)),
            source: Source::Schedstat,
        }
    }
}

/// Nanoseconds on a CPU: the first of the three numbers.
///
/// *Source*: Documentation/scheduler/sched-stats.rst.
fn parse_schedstat(text: &str) -> Option<u64> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
    let on_cpu = numbers.next()?.ok()?;
    (numbers.next()?.is_ok() && numbers.next()?.is_ok()).then_some(on_cpu)
}

/// User and system time in nanoseconds: fields 14 and 15, counted after the command name, which may
/// hold spaces and parentheses.
///
/// *Source*: proc_pid_stat(5).
fn parse_stat(text: &str) -> Option<u64> {
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let user: u64 = fields.nth(14 - 3)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_NS)
}

fn malformed(what: &str, text: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{what} of another shape: {text:?}"),
    )
}

#[cfg(test)]
mod tests;
