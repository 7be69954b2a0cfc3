//! Where a worker's thread runs, and behind whom.
//!
//! Invariants:
//! 1. A `cpu_set_t` is a plain array of bits, valid when it is all zero.
//! 2. A core's number is checked to be below `CPU_SETSIZE` before its bit is set.

use std::io;
use std::mem::{size_of, zeroed};

use super::Placement;

/// How far below the shard a background worker stands.
const BACKGROUND_NICE: libc::c_int = 10;

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
    done(refused)
}

fn step_back() -> io::Result<()> {
    // On Linux `who` 0 of PRIO_PROCESS is the calling thread alone, against POSIX: setpriority(2),
    // "C library/kernel differences".
    // SAFETY: needs nothing: takes integers only.
    let refused = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, BACKGROUND_NICE) };
    done(refused)
}

fn done(refused: libc::c_int) -> io::Result<()> {
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
    fn a_core_that_is_not_there_is_refused() {
        for core in [1000, libc::CPU_SETSIZE as usize, usize::MAX] {
            let refused = pin(core).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
        }
    }
}
