//! The machine's clock: the only place that reads one.
//!
//! A request is stamped about ten times, and `clock_gettime` through the vDSO costs 20 to 30 ns
//! where the counter of the processor costs 7. So moments come from the counter where it can be
//! trusted, and from `CLOCK_MONOTONIC` where it cannot: CPUID must call it invariant, the kernel must
//! not have thrown it out of its own clock sources, and two short calibrations must agree. Either
//! way a moment means the same: nanoseconds near `CLOCK_MONOTONIC`, equal on all threads.
//!
//! Unsafe because the counter and `clock_gettime` have no safe face in the standard library
//! (`Instant` hides its number). Invariants:
//! 1. `rdtsc` exists on every x86-64 processor that runs Linux in user mode.
//! 2. `clock_gettime` writes one `timespec` at the place it is given.

use std::cell::Cell;
use std::sync::OnceLock;

use cutaway_scheduler::{Clock, Nanos};

/// The machine's clock.
///
/// # Units
/// Nanoseconds near `CLOCK_MONOTONIC`. All clocks of a process agree, so moments may cross threads.
/// Against `CLOCK_MONOTONIC` they may drift by the error of the calibration, about 20 ppm, and by
/// what NTP slews; what is to fire at a moment goes through [`monotonic_at`](RealClock::monotonic_at).
///
/// # Complexity
/// About 7 ns on the counter, 25 ns without.
#[derive(Clone, Debug)]
pub struct RealClock {
    scale: Option<Scale>,
    last: Cell<u64>,
    reads_count: Cell<u64>,
}

impl RealClock {
    /// The process's clock. The first call calibrates for about one millisecond.
    pub fn new() -> RealClock {
        static SCALE: OnceLock<Option<Scale>> = OnceLock::new();
        RealClock::with_scale(*SCALE.get_or_init(calibrate))
    }

    /// A clock that reads `CLOCK_MONOTONIC` whatever the processor can do.
    pub fn monotonic() -> RealClock {
        RealClock::with_scale(None)
    }

    fn with_scale(scale: Option<Scale>) -> RealClock {
        RealClock {
            scale,
            last: Cell::new(0),
            reads_count: Cell::new(0),
        }
    }

    /// How often [`now`](Clock::now) was called on this clock, so that a test can say how many reads
    /// a request costs.
    pub fn reads_count(&self) -> u64 {
        self.reads_count.get()
    }

    /// When `at` will be on the kernel's `CLOCK_MONOTONIC`. Reads both clocks, so that neither the
    /// calibration's error nor an NTP slew adds up over the life of the process.
    pub fn monotonic_at(&self, at: Nanos) -> Nanos {
        match self.scale {
            None => at,
            Some(scale) => {
                let now = scale.at(counter());
                let kernel_now = clock(libc::CLOCK_MONOTONIC);
                if at.0 >= now {
                    Nanos(kernel_now) + Nanos(at.0 - now)
                } else {
                    Nanos(kernel_now) - Nanos(now - at.0)
                }
            }
        }
    }

    /// The wall clock, for dates and time stamps that leave the process. Not counted and not
    /// monotonic.
    ///
    /// # Units
    /// Nanoseconds since 1970-01-01 00:00:00 UTC.
    pub fn unix_now() -> Nanos {
        Nanos(clock(libc::CLOCK_REALTIME))
    }
}

impl Default for RealClock {
    fn default() -> RealClock {
        RealClock::new()
    }
}

impl Clock for RealClock {
    #[inline]
    fn now(&self) -> Nanos {
        self.reads_count.set(self.reads_count.get() + 1);
        let read = match self.scale {
            Some(scale) => scale.at(counter()),
            None => clock(libc::CLOCK_MONOTONIC),
        };
        // rdtsc may run ahead of an earlier one, and a virtual machine may come back on another
        // host; a fence would cost more than this comparison.
        let now = read.max(self.last.get());
        self.last.set(now);
        Nanos(now)
    }
}

/// How ticks of the counter become nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    ticks_at_base: u64,
    base_ns: u64,
    /// Nanoseconds per tick, in units of 2^-32.
    factor: u64,
}

impl Scale {
    #[inline]
    fn at(self, ticks: u64) -> u64 {
        // A tick from before the base (another core, a hair behind) is the base.
        let ticks = ticks.saturating_sub(self.ticks_at_base);
        self.base_ns + ((u128::from(ticks) * u128::from(self.factor)) >> 32) as u64
    }
}

/// Both clocks at the same moment.
#[derive(Clone, Copy, Debug)]
struct Pair {
    ticks: u64,
    ns: u64,
    /// How many ticks the reading took: its uncertainty.
    width_ticks: u64,
}

/// How ticks become nanoseconds on this machine; none where the counter is not to be trusted.
fn calibrate() -> Option<Scale> {
    if !is_invariant() || !kernel_trusts_counter() {
        return None;
    }
    let start = read_pair();
    let middle = read_pair_after(start.ns + CALIBRATION_NS / 2);
    let end = read_pair_after(start.ns + CALIBRATION_NS);
    scale_from(start, middle, end)
}

/// The scale that three readings give; none where they contradict each other.
fn scale_from(start: Pair, middle: Pair, end: Pair) -> Option<Scale> {
    let factor = factor_between(start, end)?;
    let halves = [factor_between(start, middle)?, factor_between(middle, end)?];
    let is_even = halves
        .iter()
        .all(|half| half.abs_diff(factor) <= factor / DISAGREEMENT_MAX);
    let is_sharp = [start, middle, end].iter().all(|pair| {
        (u128::from(pair.width_ticks) * u128::from(factor)) >> 32 <= u128::from(WIDTH_NS_MAX)
    });
    (is_even && is_sharp && FACTORS.contains(&factor)).then_some(Scale {
        ticks_at_base: end.ticks,
        base_ns: end.ns,
        factor,
    })
}

fn factor_between(earlier: Pair, later: Pair) -> Option<u64> {
    let ticks = later.ticks.checked_sub(earlier.ticks)?;
    let ns = later.ns.checked_sub(earlier.ns)?;
    let factor = (u128::from(ns) << 32).checked_div(u128::from(ticks))?;
    u64::try_from(factor).ok()
}

/// The sharpest of a few readings: an interrupt between the two clocks widens one of them.
fn read_pair() -> Pair {
    let read = || {
        let before = counter();
        let ns = clock(libc::CLOCK_MONOTONIC);
        let after = counter();
        let width_ticks = after.saturating_sub(before);
        Pair {
            ticks: before + width_ticks / 2,
            ns,
            width_ticks,
        }
    };
    let mut sharpest = read();
    for _ in 1..READINGS_COUNT {
        let pair = read();
        if pair.width_ticks < sharpest.width_ticks {
            sharpest = pair;
        }
    }
    sharpest
}

fn read_pair_after(at_ns: u64) -> Pair {
    while clock(libc::CLOCK_MONOTONIC) < at_ns {
        std::hint::spin_loop();
    }
    read_pair()
}

/// Whether the kernel still lists the counter among its clock sources; it strikes it out when it
/// finds the cores apart. A machine without that file (a container that hides it) is believed.
fn kernel_trusts_counter() -> bool {
    match std::fs::read_to_string(CLOCK_SOURCES) {
        Ok(sources) => sources.split_whitespace().any(|source| source == "tsc"),
        Err(_) => true,
    }
}

/// Whether CPUID calls the counter invariant: same pace in all power states, never stopping (leaf
/// 8000_0007h, EDX bit 8).
#[cfg(target_arch = "x86_64")]
fn is_invariant() -> bool {
    use std::arch::x86_64::__cpuid;
    const LEAF: u32 = 0x8000_0007;
    __cpuid(0x8000_0000).eax >= LEAF && __cpuid(LEAF).edx & (1 << 8) != 0
}

#[cfg(not(target_arch = "x86_64"))]
fn is_invariant() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn counter() -> u64 {
    // SAFETY: invariant 1.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Never read: without an invariant counter there is no scale.
#[cfg(not(target_arch = "x86_64"))]
fn counter() -> u64 {
    0
}

fn clock(id: libc::clockid_t) -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: invariant 2; the place is a local of the right type.
    unsafe { libc::clock_gettime(id, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Long enough for an error near 20 ppm, short enough for a cold start below 5 ms.
const CALIBRATION_NS: u64 = 1_000_000;
/// Each half may differ from the whole by one part in so many.
const DISAGREEMENT_MAX: u64 = 1_000;
/// A reading wider than this was interrupted each time it was tried.
const WIDTH_NS_MAX: u64 = 2_000;
const READINGS_COUNT: u32 = 8;
/// From 20 GHz to 100 MHz.
const FACTORS: std::ops::RangeInclusive<u64> = (1 << 32) / 20..=(1 << 32) * 10;
const CLOCK_SOURCES: &str = "/sys/devices/system/clocksource/clocksource0/available_clocksource";

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(ticks: u64, ns: u64) -> Pair {
        Pair {
            ticks,
            ns,
            width_ticks: 100,
        }
    }

    #[test]
    fn steady_readings_give_a_scale_that_goes_through_them() {
        let scale = scale_from(
            pair(1_000, 50_000),
            pair(1_501_000, 550_000),
            pair(3_001_000, 1_050_000),
        )
        .unwrap();
        assert_eq!(scale.at(3_001_000), 1_050_000);
        assert!(scale.at(6_001_000).abs_diff(2_050_000) <= 1);
        // A day of 3 GHz: nothing overflows and the error stays that of the factor's last bit.
        let day_ns = 86_400_000_000_000;
        let error_ns = scale
            .at(3_001_000 + 3 * day_ns)
            .abs_diff(1_050_000 + day_ns);
        assert!(error_ns <= 100_000, "{error_ns}");
        assert_eq!(scale.at(0), 1_050_000);
    }

    #[test]
    fn readings_that_contradict_each_other_give_none() {
        let start = pair(1_000, 50_000);
        let end = pair(3_001_000, 1_050_000);
        let check = |middle, end, why| assert_eq!(scale_from(start, middle, end), None, "{why}");
        check(pair(1_601_000, 550_000), end, "uneven pace");
        check(pair(900, 550_000), end, "backwards");
        check(pair(1_000, 550_000), end, "standing still");
        check(
            pair(1_501, 550_000),
            pair(2_001, 1_050_000),
            "1 MHz is no processor",
        );
        let blurred = Pair {
            width_ticks: 1_000_000,
            ..pair(1_501_000, 550_000)
        };
        check(blurred, end, "interrupted");
    }

    #[test]
    fn never_goes_backwards_and_counts_its_reads() {
        for clock in [RealClock::new(), RealClock::monotonic()] {
            let mut last = Nanos::ZERO;
            for _ in 0..10_000 {
                let now = clock.now();
                assert!(now >= last);
                last = now;
            }
            assert_eq!(clock.reads_count(), 10_000);
        }
    }

    #[test]
    fn both_clocks_tell_about_the_same_time() {
        // Both are read within microseconds; a minute apart would mean a wrong origin or pace.
        let here = RealClock::new().now();
        let kernel = RealClock::monotonic().now();
        assert!(here.0.abs_diff(kernel.0) < 60_000_000_000);
        let at = here + Nanos::from_secs(5);
        let mapped = RealClock::new().monotonic_at(at);
        assert!(mapped.0.abs_diff(at.0) < 60_000_000_000);
    }
}
