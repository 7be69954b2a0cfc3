//! What stands in `user_data`: whom a completion is for.
//!
//! Operations with operands go by their ticket, whose upper half is never zero. The few the ring
//! runs for itself use the values with a zero upper half.

use crate::Ticket;

/// Whom a completion is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// An operation in the table.
    Operation(Ticket),
    /// Nobody: a cancel.
    Nobody,
    /// The watch on the waker's eventfd.
    Waker,
    /// The heartbeat; the number tells one arming from the next.
    Heartbeat(Arming),
    /// The timer.
    Timer(Arming),
}

/// Counts how often a timeout was armed, so that one that was replaced is not taken for the present
/// one. It wraps after 2^28 armings, while at most a few are ever in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arming(u32);

impl Arming {
    pub(super) fn next(self) -> Arming {
        Arming((self.0 + 1) & (u32::MAX >> KIND_BITS))
    }
}

impl Target {
    #[inline]
    pub(super) fn to_bits(self) -> u64 {
        let special = |kind: u32, arming: Arming| u64::from(arming.0 << KIND_BITS | kind);
        match self {
            Target::Operation(ticket) => ticket.to_bits(),
            Target::Nobody => special(NOBODY, Arming(0)),
            Target::Waker => special(WAKER, Arming(0)),
            Target::Heartbeat(arming) => special(HEARTBEAT, arming),
            Target::Timer(arming) => special(TIMER, arming),
        }
    }

    /// None for bits that [`to_bits`](Target::to_bits) never gives.
    #[inline]
    pub(super) fn from_bits(bits: u64) -> Option<Target> {
        if let Some(ticket) = Ticket::from_bits(bits) {
            return Some(Target::Operation(ticket));
        }
        let low = bits as u32;
        let arming = Arming(low >> KIND_BITS);
        match low & ((1 << KIND_BITS) - 1) {
            NOBODY => Some(Target::Nobody),
            WAKER => Some(Target::Waker),
            HEARTBEAT => Some(Target::Heartbeat(arming)),
            TIMER => Some(Target::Timer(arming)),
            _ => None,
        }
    }
}

const KIND_BITS: u32 = 4;
// Zero is none of them, so that an SQE whose user_data was forgotten is seen.
const NOBODY: u32 = 1;
const WAKER: u32 = 2;
const HEARTBEAT: u32 = 3;
const TIMER: u32 = 4;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn every_target_comes_back_from_its_bits() {
        let mut arming = Arming::default();
        for _ in 0..100 {
            arming = arming.next();
            for target in [
                Target::Operation(Ticket::new(0, NonZeroU32::MIN)),
                Target::Operation(Ticket::new(u32::MAX, NonZeroU32::MAX)),
                Target::Nobody,
                Target::Waker,
                Target::Heartbeat(arming),
                Target::Timer(arming),
            ] {
                assert_eq!(Target::from_bits(target.to_bits()), Some(target));
            }
        }
        assert_eq!(Target::from_bits(0), None);
    }

    #[test]
    fn armings_wrap_within_their_bits() {
        let last = Arming(u32::MAX >> KIND_BITS);
        assert_eq!(last.next(), Arming(0));
        let target = Target::Timer(last);
        assert_eq!(Target::from_bits(target.to_bits()), Some(target));
    }
}
