//! What can go wrong, how often it shall, and how often it did.

use crate::ring::Errno;

use super::random::Stream;

/// A fault that the kernel, the network, a worker or the disk can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A receive brings less than has arrived.
    ShortReceive,
    /// A send takes less than there was room for.
    ShortSend,
    /// A signal interrupts the wait inside `enter` (`EINTR`).
    Interrupted,
    /// A receive or a send is cancelled that nobody asked to cancel (`ECANCELED`).
    Cancelled,
    /// No provided buffer is free (`ENOBUFS`).
    NoBuffers,
    /// The process has too many open files to accept (`EMFILE`).
    ProcessFiles,
    /// The machine has too many open files to accept (`ENFILE`).
    MachineFiles,
    /// The peer resets the connection (`ECONNRESET`).
    ConnectionReset,
    /// The peer no longer acknowledges (`ETIMEDOUT`).
    TimedOut,
    /// The peer is gone when something is sent (`EPIPE`).
    BrokenPipe,
    /// The completion queue has no room: completions come one `enter` later.
    QueueOverflow,
    /// A cancelled operation goes on for a while and may end in another way.
    LateCancel,
    /// A multishot accept ends with a connection and without `more`.
    AcceptEnds,
    /// A multishot receive ends with bytes and without `more`.
    ReceiveEnds,
    /// A completion comes a second time, when its operation is long over.
    StaleCompletion,
    /// The core is taken away from the shard for milliseconds.
    Preempted,
    /// A worker takes a hundred times as long as usual.
    JobLate,
    /// A worker's ring is full.
    JobRefused,
    /// A job panics.
    JobPanicked,
    /// The disk has no room left (`ENOSPC`).
    DiskFull,
    /// The disk cannot read or write (`EIO`).
    DiskFailed,
}

impl Fault {
    /// Every fault, in the order of the enum.
    pub const ALL: [Fault; 21] = [
        Fault::ShortReceive,
        Fault::ShortSend,
        Fault::Interrupted,
        Fault::Cancelled,
        Fault::NoBuffers,
        Fault::ProcessFiles,
        Fault::MachineFiles,
        Fault::ConnectionReset,
        Fault::TimedOut,
        Fault::BrokenPipe,
        Fault::QueueOverflow,
        Fault::LateCancel,
        Fault::AcceptEnds,
        Fault::ReceiveEnds,
        Fault::StaleCompletion,
        Fault::Preempted,
        Fault::JobLate,
        Fault::JobRefused,
        Fault::JobPanicked,
        Fault::DiskFull,
        Fault::DiskFailed,
    ];

    /// The kernel's number for it, where it has one.
    ///
    /// ```
    /// use cutaway_reactor::sim::Fault;
    ///
    /// assert!(Fault::DiskFull.errno().is_some());
    /// assert_eq!(Fault::JobLate.errno(), None);
    /// ```
    pub const fn errno(self) -> Option<Errno> {
        Some(Errno(match self {
            Fault::Interrupted => libc::EINTR,
            Fault::Cancelled => libc::ECANCELED,
            Fault::NoBuffers => libc::ENOBUFS,
            Fault::ProcessFiles => libc::EMFILE,
            Fault::MachineFiles => libc::ENFILE,
            Fault::ConnectionReset => libc::ECONNRESET,
            Fault::TimedOut => libc::ETIMEDOUT,
            Fault::BrokenPipe => libc::EPIPE,
            Fault::DiskFull => libc::ENOSPC,
            Fault::DiskFailed => libc::EIO,
            _ => return None,
        }))
    }

    /// How often [`FaultPlan::all`] lets it strike. What ends a connection is rare enough for most
    /// connections to live through several requests; what must be lived with is frequent.
    const fn usual_rate(self) -> u16 {
        match self {
            Fault::ShortReceive | Fault::ShortSend => 150,
            Fault::Cancelled
            | Fault::ConnectionReset
            | Fault::TimedOut
            | Fault::BrokenPipe
            | Fault::Preempted => 5,
            Fault::LateCancel => 300,
            Fault::StaleCompletion => 100,
            _ => 30,
        }
    }
}

/// How often each fault strikes.
///
/// ```
/// use cutaway_reactor::sim::{Fault, FaultPlan};
///
/// let plan = FaultPlan::none().with(Fault::ShortSend, 200);
/// assert_eq!(plan.rate(Fault::ShortSend), 200);
/// assert_eq!(plan.rate(Fault::DiskFull), 0);
/// assert!(FaultPlan::all().rate(Fault::DiskFull) > 0);
/// ```
///
/// # Units
/// Times in a thousand, of the occasions on which it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPlan([u16; Fault::ALL.len()]);

impl FaultPlan {
    /// No fault ever strikes.
    pub const fn none() -> FaultPlan {
        FaultPlan([0; Fault::ALL.len()])
    }

    /// Every fault strikes now and then.
    pub fn all() -> FaultPlan {
        FaultPlan(Fault::ALL.map(Fault::usual_rate))
    }

    /// The same plan with another rate for one fault.
    ///
    /// # Panics
    /// Where the rate is above 1000.
    #[must_use]
    pub const fn with(mut self, fault: Fault, per_mille: u16) -> FaultPlan {
        assert!(per_mille <= 1000, "a rate is at most 1000 in a thousand");
        self.0[fault as usize] = per_mille;
        self
    }

    /// How often this fault strikes.
    pub const fn rate(&self, fault: Fault) -> u16 {
        self.0[fault as usize]
    }
}

/// How often each fault struck.
///
/// ```
/// use cutaway_reactor::sim::{Fault, FaultCounts, SimConfig, SimNet};
///
/// let mut of_all_runs = FaultCounts::default();
/// for seed in 0..3 {
///     let net = SimNet::new(SimConfig::new(seed));
///     of_all_runs.add(&net.fault_counts());
/// }
/// assert_eq!(of_all_runs.of(Fault::TimedOut), 0);
/// assert!(of_all_runs.iter().all(|(_, count)| count == 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts([u64; Fault::ALL.len()]);

impl FaultCounts {
    /// How often this one struck.
    pub const fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Every fault and how often it struck.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u64)> {
        Fault::ALL.into_iter().zip(self.0)
    }

    /// Adds what another run counted.
    pub fn add(&mut self, other: &FaultCounts) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

/// Decides which fault strikes now.
#[derive(Debug)]
pub(super) struct Faults {
    plan: FaultPlan,
    streams: [Stream; Fault::ALL.len()],
    counts: FaultCounts,
}

impl Faults {
    pub(super) fn new(seed: u64, plan: FaultPlan) -> Faults {
        Faults {
            plan,
            streams: Fault::ALL.map(|fault| Stream::new(seed, SALT + fault as u64)),
            counts: FaultCounts::default(),
        }
    }

    /// Whether `fault` strikes at this occasion.
    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = self.streams[fault as usize].per_mille(self.plan.rate(fault));
        self.counts.0[fault as usize] += u64::from(strikes);
        strikes
    }

    /// A size below `full` for a fault that cuts; `full` where it does not strike or there is
    /// nothing to cut.
    pub(super) fn cut(&mut self, fault: Fault, full: usize) -> usize {
        if full < 2 || !self.strikes(fault) {
            return full;
        }
        self.streams[fault as usize].within(1, full - 1)
    }

    pub(super) fn counts(&self) -> FaultCounts {
        self.counts
    }
}

/// Where the salts of the faults' streams begin; those of other concerns lie below.
const SALT: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_enum() {
        for (index, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, index);
        }
    }

    #[test]
    fn faults_strike_as_planned_and_are_counted() {
        let plan = FaultPlan::none().with(Fault::TimedOut, 1000);
        let mut faults = Faults::new(1, plan);
        assert!((0..10).all(|_| faults.strikes(Fault::TimedOut)));
        assert!((0..10).all(|_| !faults.strikes(Fault::BrokenPipe)));
        assert_eq!(faults.counts().of(Fault::TimedOut), 10);
        assert_eq!(faults.counts().of(Fault::BrokenPipe), 0);
        assert_eq!(faults.cut(Fault::ShortSend, 9), 9);
    }

    #[test]
    fn a_cut_leaves_something_and_takes_something() {
        let mut faults = Faults::new(1, FaultPlan::none().with(Fault::ShortSend, 1000));
        assert!((0..100).all(|_| (1..9).contains(&faults.cut(Fault::ShortSend, 9))));
        assert_eq!(faults.cut(Fault::ShortSend, 1), 1);
    }
}
