//! When completions that wait in the completion queue were first seen.
//!
//! A turn takes only so many completions; the rest stays in the queue, some for several turns. Each
//! keeps the moment at which the shard could first have taken it, so that its wait is the shard's
//! and not the client's.

use std::collections::VecDeque;

use cutaway_scheduler::Nanos;

/// Runs of completions with the moment each was first seen, the oldest first.
///
/// # Bounds
/// [`RUNS_MAX`] runs; beyond that the newest completions count as seen with those before them, which
/// makes their wait longer, never shorter.
#[derive(Debug)]
pub(super) struct Carried {
    runs: VecDeque<(usize, Nanos)>,
    count: usize,
}

impl Carried {
    /// Nothing is carried.
    pub fn new() -> Carried {
        Carried {
            runs: VecDeque::with_capacity(RUNS_MAX),
            count: 0,
        }
    }

    /// When the completion that is popped next was first seen; `now` where it was not carried.
    pub fn next(&mut self, now: Nanos) -> Nanos {
        let Some((count, seen_at)) = self.runs.front_mut() else {
            return now;
        };
        let seen_at = *seen_at;
        *count -= 1;
        self.count -= 1;
        if *count == 0 {
            self.runs.pop_front();
        }
        seen_at
    }

    /// A turn ends and leaves `waiting` completions: those that are new among them are seen `now`.
    pub fn leave(&mut self, waiting: usize, now: Nanos) {
        // The ring skips completions that say nothing to the shard, so fewer may wait than were left.
        while self.count > waiting {
            self.next(now);
        }
        if waiting > self.count {
            let new = waiting - self.count;
            let is_full = self.runs.len() == RUNS_MAX;
            match self.runs.back_mut() {
                Some((count, _)) if is_full => *count += new,
                _ => self.runs.push_back((new, now)),
            }
            self.count = waiting;
        }
    }
}

/// How many turns' worth of completions are told apart.
const RUNS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_completion_keeps_the_moment_it_was_first_seen() {
        let mut carried = Carried::new();
        carried.leave(2, Nanos(10));
        // One is taken, two more have come.
        assert_eq!(carried.next(Nanos(15)), Nanos(10));
        carried.leave(3, Nanos(20));
        let seen: Vec<u64> = (0..4).map(|_| carried.next(Nanos(30)).as_u64()).collect();
        assert_eq!(seen, [10, 20, 20, 30]);
    }

    #[test]
    fn completions_that_were_skipped_leave_no_moment_behind() {
        let mut carried = Carried::new();
        carried.leave(5, Nanos(10));
        carried.leave(1, Nanos(20));
        assert_eq!(carried.next(Nanos(30)), Nanos(10));
        assert_eq!(carried.next(Nanos(30)), Nanos(30));
    }
}
