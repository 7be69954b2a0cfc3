//! What this kernel can do, and what to tell whoever starts Cutaway where it cannot do enough.

use std::fmt;
use std::fs;
use std::io;

use io_uring::opcode;
use io_uring::{Probe, Submitter};

/// Why a ring could not be made. Each message names the cause and the remedy.
///
/// All of them are for whoever runs the machine: nothing in the program can mend them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UringError {
    /// The kernel is older than what Cutaway is built on.
    #[error(
        "{feature} needs Linux {since}, and this is {release}; \
         run Cutaway on Linux {since} or later (6.1 or later for its full speed)"
    )]
    KernelTooOld {
        /// What is missing.
        feature: &'static str,
        /// The first kernel that has it.
        since: &'static str,
        /// The kernel that runs.
        release: String,
    },
    /// The administrator has switched io_uring off.
    #[error(
        "io_uring is switched off: /proc/sys/kernel/io_uring_disabled is {level} \
         ({}); run `sysctl -w kernel.io_uring_disabled=0`",
        disabled_meaning(*.level)
    )]
    SwitchedOff {
        /// What the switch says.
        level: u8,
    },
    /// A sandbox forbids the syscalls.
    #[error(
        "{step} was refused (EPERM) though the kernel has io_uring switched on: a seccomp filter or \
         a security module forbids it, as the default profiles of Docker and Kubernetes do; allow \
         io_uring_setup, io_uring_enter and io_uring_register there \
         (Docker: --security-opt seccomp=PROFILE)"
    )]
    Forbidden {
        /// What was tried.
        step: Step,
    },
    /// Too little memory may be locked.
    #[error(
        "{step} found too little memory (ENOMEM): RLIMIT_MEMLOCK is {limit_bytes} bytes and the \
         ring locks about {needed_bytes}; raise it with `ulimit -l` or LimitMEMLOCK= of the \
         service, or make the ring smaller"
    )]
    MemoryLock {
        /// What was tried.
        step: Step,
        /// What the ring locks, where a kernel counts it.
        needed_bytes: u64,
        /// What the process may lock.
        limit_bytes: u64,
    },
    /// No descriptor is left.
    #[error(
        "{step} found no free descriptor: RLIMIT_NOFILE is {limit}; raise it with `ulimit -n` or \
         LimitNOFILE= of the service"
    )]
    Descriptors {
        /// What was tried.
        step: Step,
        /// How many descriptors the process may have.
        limit: u64,
    },
    /// Something else.
    #[error("{step} failed: {source}")]
    Failed {
        /// What was tried.
        step: Step,
        /// What the kernel said.
        source: io::Error,
    },
}

/// One step of making a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `io_uring_setup`.
    Setup,
    /// The question which operations there are.
    Probe,
    /// Mapping the receive buffers.
    MapBuffers,
    /// Registering the receive buffers.
    RegisterBuffers,
    /// Creating an eventfd.
    Eventfd,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Step::Setup => "creating the ring (io_uring_setup)",
            Step::Probe => "asking the ring for its operations (IORING_REGISTER_PROBE)",
            Step::MapBuffers => "mapping the receive buffers (mmap)",
            Step::RegisterBuffers => "registering the receive buffers (IORING_REGISTER_PBUF_RING)",
            Step::Eventfd => "creating an eventfd",
        })
    }
}

/// What the machine says about itself, read only once something has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `/proc/sys/kernel/osrelease`.
    pub release: String,
    /// `/proc/sys/kernel/io_uring_disabled`, since Linux 6.6.
    pub disabled: Option<u8>,
    /// RLIMIT_MEMLOCK in bytes; none where there is no limit.
    pub memory_lock_bytes: Option<u64>,
    /// RLIMIT_NOFILE; none where there is no limit.
    pub descriptors_max: Option<u64>,
    /// What the ring that was asked for locks.
    pub needed_bytes: u64,
}

impl Facts {
    /// Asks `/proc`; what it does not tell stays open.
    pub fn of_this_machine(needed_bytes: u64) -> Facts {
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Facts {
            release: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| "an unknown kernel".into(), |text| text.trim().into()),
            disabled: fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
                .ok()
                .and_then(|text| text.trim().parse().ok()),
            memory_lock_bytes: soft_limit(&limits, "Max locked memory"),
            descriptors_max: soft_limit(&limits, "Max open files"),
            needed_bytes,
        }
    }
}

/// What a failed step means on such a machine.
pub fn explain(step: Step, errno: i32, facts: &Facts) -> UringError {
    let too_old = |feature, since| UringError::KernelTooOld {
        feature,
        since,
        release: facts.release.clone(),
    };
    match (step, errno, facts) {
        (
            Step::Setup,
            libc::EPERM,
            Facts {
                disabled: Some(level @ 1..),
                ..
            },
        ) => UringError::SwitchedOff { level: *level },
        (Step::Setup, libc::ENOSYS, _) => too_old("io_uring", MINIMUM),
        (Step::Setup, libc::EINVAL, _) => {
            too_old("a ring without interrupts (COOP_TASKRUN)", MINIMUM)
        }
        (Step::Probe, libc::EINVAL, _) => too_old("the probe for operations", MINIMUM),
        (Step::RegisterBuffers, libc::EINVAL, _) => too_old("the provided-buffer ring", MINIMUM),
        (_, libc::EPERM | libc::EACCES, _) => UringError::Forbidden { step },
        (
            Step::Setup | Step::RegisterBuffers,
            libc::ENOMEM,
            &Facts {
                memory_lock_bytes: Some(limit_bytes),
                needed_bytes,
                ..
            },
        ) => UringError::MemoryLock {
            step,
            needed_bytes,
            limit_bytes,
        },
        (
            _,
            libc::EMFILE,
            &Facts {
                descriptors_max: Some(limit),
                ..
            },
        ) => UringError::Descriptors { step, limit },
        _ => UringError::Failed {
            step,
            source: io::Error::from_raw_os_error(errno),
        },
    }
}

/// What may be used on this kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// SINGLE_ISSUER and DEFER_TASKRUN, since Linux 6.1: completions are made only when the shard
    /// enters, so nothing interrupts a step.
    pub defer_taskrun: bool,
    /// Multishot accept, since Linux 5.19.
    pub multishot_accept: bool,
    /// Multishot receive, since Linux 6.0.
    pub multishot_recv: bool,
    /// Multishot timeout, since Linux 6.4. There is no asking for it: true until it was refused.
    pub multishot_timeout: bool,
    /// The ring's descriptor is registered, since Linux 5.18: enter looks nothing up.
    pub registered_ring: bool,
}

/// Whether there are multishot accept and multishot receive. The kernel tells operations but not their flags, so each
/// flag is taken from an operation that came with the same release.
pub(super) fn multishot(submitter: &Submitter<'_>) -> io::Result<(bool, bool)> {
    let mut probe = Probe::new();
    submitter.register_probe(&mut probe)?;
    Ok((
        probe.is_supported(opcode::Socket::CODE),
        probe.is_supported(opcode::SendZc::CODE),
    ))
}

fn disabled_meaning(level: u8) -> &'static str {
    match level {
        1 => "only for CAP_SYS_ADMIN and the group of kernel.io_uring_group",
        _ => "for everybody",
    }
}

/// The soft limit in a line of `/proc/self/limits`; none where it is unlimited or not there.
fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The first kernel with provided-buffer rings, which nothing here can do without.
const MINIMUM: &str = "5.19";

#[cfg(test)]
mod tests;
