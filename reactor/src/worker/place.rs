//! Who runs where, and who comes first.
//!
//! A shard and its workers share a core. What that does to latencies was measured on Linux 6.18 with
//! a shard at 4,000 requests a second (5 µs of work each), a worker with a query of 2 ms for every
//! 15th of them and another with a read of 3 µs for every 4th, all on one core of two that builds kept
//! busy, so only the columns' ratios count. Medians in µs over 9 interleaved runs:
//!
//! | worker | shard's slice | plain request | point read | query |
//! |---|---|---|---|---|
//! | as the shard | default | 2531 | 2475 | 6621 |
//! | nice 10 | default | 1293 | 1316 | 4295 |
//! | `SCHED_IDLE` | default | 870 | 1005 | 4059 |
//! | as the shard | 100 µs | 1895 | 1947 | 6647 |
//! | **nice 10** | **100 µs** | **37** | **59** | **3423** |
//! | `SCHED_BATCH`, nice 10 | 100 µs | 44 | 64 | 3600 |
//! | `SCHED_IDLE` | 100 µs | 35 | 57 | 3153 |
//!
//! Neither half does it alone. Since Linux 6.6 a task runs to the end of its slice, whoever wakes; one
//! that wakes with a shorter slice goes first (6.12), as long as it has not had more than its share,
//! and a lower weight of the others makes that share large. Beyond nice 10 nothing is gained, and a
//! worker behind a busy shard would starve: at nice 10 it keeps a tenth of the core.
//!
//! Invariants:
//! 1. A `cpu_set_t` is a plain array of bits, valid when it is all zero.
//! 2. A core's number is checked to be below `CPU_SETSIZE` before its bit is set.
//! 3. A `sched_attr` is a plain array of integers, valid when it is all zero, and lives through the call
//!    that is given its address and its size.

use std::io;
use std::mem::{size_of, zeroed};
use std::ptr;

use cutaway_scheduler::Nanos;

use super::Placement;

/// How far below the shard a background worker stands.
const BACKGROUND_NICE: libc::c_int = 10;

/// How long a shard runs before the kernel may prefer another, and why it is preferred when it wakes.
const SHARD_SLICE: Nanos = Nanos::from_micros(100);

/// Lets the calling thread, a shard's, run as soon as it wakes, ahead of the background workers of its
/// core. It does not get more of the core for that.
///
/// Kernels before 6.12 accept it without effect.
///
/// # Errors
/// What sched_setattr(2) says; a sandbox may forbid the call. The shard works all the same, later.
pub fn come_first() -> io::Result<()> {
    let mut attributes = attributes()?;
    attributes.sched_runtime = SHARD_SLICE.as_u64();
    let own: *const libc::sched_attr = ptr::from_ref(&attributes);
    // SAFETY: invariant 3; thread 0 is the calling one.
    let refused = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, own, 0) };
    done(refused)
}

/// How the calling thread is scheduled.
fn attributes() -> io::Result<libc::sched_attr> {
    // SAFETY: invariant 3.
    let mut attributes: libc::sched_attr = unsafe { zeroed() };
    let own: *mut libc::sched_attr = ptr::from_mut(&mut attributes);
    let bytes = size_of::<libc::sched_attr>();
    // SAFETY: invariant 3; thread 0 is the calling one.
    let refused = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, own, bytes, 0) };
    done(refused)?;
    Ok(attributes)
}

/// Places the calling thread.
pub(super) fn place(placement: Placement) -> io::Result<()> {
    if let Some(core) = placement.core {
        pin(core)?;
    }
    if placement.background {
        step_back()?;
    }
    Ok(())
}

fn pin(core: usize) -> io::Result<()> {
    if core >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: invariant 1.
    let mut cores: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: invariant 2.
    unsafe { libc::CPU_SET(core, &mut cores) };
    // SAFETY: thread 0 is the calling one, and the set is read for its own size.
    let refused = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &cores) };
    done(refused.into())
}

fn step_back() -> io::Result<()> {
    // On Linux `who` 0 of PRIO_PROCESS is the calling thread alone, against POSIX: setpriority(2),
    // "C library/kernel differences".
    // SAFETY: needs nothing: takes integers only.
    let refused = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, BACKGROUND_NICE) };
    done(refused.into())
}

fn done(refused: libc::c_long) -> io::Result<()> {
    if refused == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed_cores() -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.unwrap().trim().to_owned()
    }

    /// Field 19 of proc_pid_stat(5), counted behind the name.
    fn nice() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, after_name) = stat.rsplit_once(") ").unwrap();
        after_name.split(' ').nth(16).unwrap().parse().unwrap()
    }

    #[test]
    fn only_the_calling_thread_is_placed() {
        let (cores, before) = (allowed_cores(), nice());
        let placed = std::thread::spawn(|| {
            place(Placement {
                core: Some(0),
                background: true,
            })
            .unwrap();
            (allowed_cores(), nice())
        });
        assert_eq!(placed.join().unwrap(), ("0".to_owned(), BACKGROUND_NICE));
        assert_eq!((allowed_cores(), nice()), (cores, before));
    }

    #[test]
    fn a_shard_comes_first_and_keeps_the_rest() {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>());
        let mut next = || numbers.next().unwrap().unwrap();
        let expected = if (next(), next()) >= (6, 12) {
            SHARD_SLICE.as_u64()
        } else {
            0
        };
        let placed = std::thread::spawn(|| {
            let before = attributes().unwrap();
            come_first().unwrap();
            let after = attributes().unwrap();
            assert_eq!(after.sched_nice, before.sched_nice);
            assert_eq!(after.sched_policy, before.sched_policy);
            after.sched_runtime
        });
        assert_eq!(placed.join().unwrap(), expected);
    }

    #[test]
    fn a_core_that_is_not_there_is_refused() {
        for core in [1000, libc::CPU_SETSIZE as usize, usize::MAX] {
            let refused = pin(core).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
        }
    }
}
