//! Time as the scheduler sees it: a moment is a number that somebody handed in.
//!
//! Nothing here reads a clock. Every function that needs the time receives `now`, so the same code
//! runs on the machine's clock and on virtual time.

use std::cell::Cell;
use std::ops::{Add, AddAssign, Sub};
use std::rc::Rc;
use std::time::Duration;

/// A moment or a length of time.
///
/// # Units
/// Nanoseconds since the clock's own origin. 64 bits last 584 years.
///
/// ```
/// use std::time::Duration;
///
/// use cutaway_scheduler::Nanos;
///
/// let length = Nanos::from_secs(1) + Nanos::from_millis(2) + Nanos::from_micros(3);
/// assert_eq!(length.as_u64(), 1_002_003_000);
/// assert_eq!(length, Duration::from_micros(1_002_003).into());
///
/// let begun = Nanos::from_millis(5);
/// assert_eq!((begun + length).since(begun), length);
/// assert_eq!(begun.since(begun + length), Nanos::ZERO);
/// assert_eq!(Nanos::NEVER + length, Nanos::NEVER);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The origin of the clock.
    pub const ZERO: Nanos = Nanos(0);
    /// Later than every moment: "no deadline".
    pub const NEVER: Nanos = Nanos(u64::MAX);

    /// A length of so many microseconds.
    pub const fn from_micros(micros: u64) -> Nanos {
        Nanos(micros * 1_000)
    }

    /// A length of so many milliseconds.
    pub const fn from_millis(millis: u64) -> Nanos {
        Nanos(millis * 1_000_000)
    }

    /// A length of so many seconds.
    pub const fn from_secs(secs: u64) -> Nanos {
        Nanos(secs * 1_000_000_000)
    }

    /// How long after `earlier` this moment is; zero where it is not after it.
    pub const fn since(self, earlier: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// The number itself.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl Add for Nanos {
    type Output = Nanos;
    /// Saturates, so that `NEVER` plus anything stays `NEVER`.
    fn add(self, length: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(length.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, length: Nanos) {
        *self = *self + length;
    }
}

impl Sub for Nanos {
    type Output = Nanos;
    /// Saturates at zero.
    fn sub(self, length: Nanos) -> Nanos {
        self.since(length)
    }
}

impl From<Duration> for Nanos {
    fn from(length: Duration) -> Nanos {
        Nanos(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for Duration {
    fn from(length: Nanos) -> Duration {
        Duration::from_nanos(length.0)
    }
}

/// What tells the time.
pub trait Clock {
    /// The present moment; never earlier than one told before.
    fn now(&self) -> Nanos;
}

/// A clock that moves only when it is told to. Clones share the time.
///
/// ```
/// use cutaway_scheduler::{Clock, ManualClock, Nanos};
///
/// let clock = ManualClock::new();
/// clock.advance(Nanos::from_millis(5));
/// clock.advance_to(Nanos::from_millis(3));
/// assert_eq!(clock.clone().now(), Nanos::from_millis(5));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Rc<Cell<u64>>);

impl ManualClock {
    /// A clock that stands at zero.
    pub fn new() -> ManualClock {
        ManualClock::default()
    }

    /// Moves the clock forward.
    pub fn advance(&self, length: Nanos) {
        self.0.set(self.0.get().saturating_add(length.0));
    }

    /// Moves the clock to `at`; a moment that lies behind leaves it where it is.
    pub fn advance_to(&self, at: Nanos) {
        self.0.set(self.0.get().max(at.0));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Nanos {
        Nanos(self.0.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_differences_stop_at_the_ends() {
        assert_eq!(Nanos::NEVER + Nanos(1), Nanos::NEVER);
        assert_eq!(Nanos(1) - Nanos(2), Nanos::ZERO);
        assert_eq!(Nanos(5).since(Nanos(2)), Nanos(3));
        assert_eq!(Nanos::from(Duration::MAX), Nanos::NEVER);
        assert_eq!(
            Duration::from(Nanos::from_micros(3)),
            Duration::from_micros(3)
        );
        assert_eq!(Nanos::from_secs(1), Nanos::from_millis(1_000));
    }

    #[test]
    fn clones_of_a_manual_clock_share_a_time_that_never_goes_back() {
        let clock = ManualClock::new();
        let other = clock.clone();
        clock.advance(Nanos(7));
        other.advance_to(Nanos(3));
        assert_eq!(other.now(), Nanos(7));
        other.advance_to(Nanos(9));
        assert_eq!(clock.now(), Nanos(9));
    }
}
