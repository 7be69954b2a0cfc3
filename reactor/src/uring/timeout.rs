//! The timeouts a ring runs for itself: the heartbeat and the timer.

use std::time::Duration;

use cutaway_scheduler::Nanos;
use io_uring::types::{TimeoutFlags, Timespec};
use io_uring::{opcode, squeue};

use super::target::{Arming, Target};

/// A timeout of the ring's own: what is wanted, and what the kernel was told.
#[derive(Default)]
pub(super) struct Timeout {
    pub(super) wanted: Option<Nanos>,
    pub(super) armed: Option<Nanos>,
    pub(super) arming: Arming,
    /// What the SQE points to.
    spec: Box<Timespec>,
}

impl Timeout {
    /// The SQEs that make the kernel's timeout the one that is wanted; `kernel_at` is what is wanted
    /// in the kernel's terms.
    pub(super) fn change(
        &mut self,
        kernel_at: Option<Nanos>,
        flags: TimeoutFlags,
        target: fn(Arming) -> Target,
    ) -> (Option<squeue::Entry>, Option<(squeue::Entry, Target)>) {
        let disarm = self.armed.take().map(|_| {
            opcode::TimeoutRemove::new(target(self.arming).to_bits())
                .build()
                .flags(squeue::Flags::SKIP_SUCCESS)
        });
        self.arming = self.arming.next();
        self.armed = self.wanted;
        let arm = kernel_at.map(|at| {
            *self.spec = Timespec::from(Duration::from(at));
            let timeout = opcode::Timeout::new(&raw const *self.spec)
                .flags(flags)
                .build();
            (timeout, target(self.arming))
        });
        (disarm, arm)
    }
}
