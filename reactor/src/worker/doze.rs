//! How a worker knows whether a shard has to be woken.
//!
//! The shard sleeps in its ring's `enter`, so that a wake costs the worker a write to an eventfd. It
//! is spared where the shard is awake, and must not be spared where the shard falls asleep at this
//! very moment. So each side writes, passes a fence, and reads what the other side writes:
//!
//! ```text
//! shard:   asleep = true ─ fence ─ is a completion there? ─ no ─ block
//! worker:  send completion ─ fence ─ asleep? ─ yes ─ wake
//! ```
//!
//! Of two sequentially consistent fences one comes first, so at least one side sees the other's
//! write. Nothing weaker does: a processor may hold a write back behind a later read.

use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Whether a shard sleeps, as its worker sees it.
#[derive(Debug, Default)]
pub(super) struct Doze(AtomicBool);

impl Doze {
    /// The shard says that it is about to block. Whatever it looks at after this call, it sees what a
    /// worker sent that will not wake it.
    pub(super) fn fall_asleep(&self) {
        self.0.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The shard says that it is awake. It may be told so late; that costs a needless wake.
    pub(super) fn wake_up(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// The worker, after it has sent: whether it has to wake the shard. One of several workers'
    /// calls says so.
    pub(super) fn must_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        // A plain read first: a swap would take the cache line from a shard that is awake.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// Both sides at the same moment, again and again. With either fence left out this fails within
    /// some thousand rounds on two cores.
    #[test]
    fn one_side_always_sees_the_other() {
        const ROUNDS: u32 = if cfg!(miri) { 200 } else { 200_000 };
        #[derive(Default)]
        struct Round {
            doze: Doze,
            // The tail of a ring, read and written as heapless does.
            sent: AtomicU32,
            woken: AtomicU32,
            /// Each side's next round.
            at: [AtomicU32; 2],
        }
        impl Round {
            /// Waits until both sides have come here.
            fn meet(&self, side: usize, number: u32) {
                self.at[side].store(number, Ordering::Release);
                let mut spins_count = 0_u32;
                while self.at[1 - side].load(Ordering::Acquire) < number {
                    spins_count += 1;
                    if spins_count.is_multiple_of(1_000) {
                        std::thread::yield_now();
                    }
                    std::hint::spin_loop();
                }
            }
        }
        let round = Arc::new(Round::default());
        let of_worker = round.clone();
        let worker = std::thread::spawn(move || {
            for number in 1..=ROUNDS {
                of_worker.meet(0, number * 2);
                of_worker.sent.store(number, Ordering::Release);
                if of_worker.doze.must_wake() {
                    of_worker.woken.store(number, Ordering::Relaxed);
                }
                of_worker.meet(0, number * 2 + 1);
            }
        });
        for number in 1..=ROUNDS {
            round.meet(1, number * 2);
            round.doze.fall_asleep();
            let seen = round.sent.load(Ordering::Relaxed);
            round.meet(1, number * 2 + 1);
            let woken = round.woken.load(Ordering::Relaxed);
            assert!(
                seen == number || woken == number,
                "round {number}: the shard blocks and nobody wakes it"
            );
            round.doze.wake_up();
        }
        worker.join().unwrap();
    }
}
