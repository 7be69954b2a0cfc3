//! One test on many seeds.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs a test with each of these seeds, or with the one that `CUTAWAY_SEED` names. Where it fails,
/// it says with which.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing::{self, App};
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.text("Hello, World!")
/// }
///
/// testing::for_each_seed(0..20, |seed| {
///     let routes = Routes::new().get("/hello", chain(hello)).build().unwrap();
///     let app = App::new(routes).seed(seed).noise();
///     let all: Vec<_> = (0..4).map(|_| app.get("/hello").start()).collect();
///     for pending in all {
///         assert_eq!(pending.wait().text(), "Hello, World!");
///     }
///     app.finish();
/// });
/// ```
pub fn for_each_seed(seeds: Range<u64>, mut test: impl FnMut(u64)) {
    let seeds = match seed_of_environment() {
        Some(seed) => seed..seed + 1,
        None => seeds,
    };
    for seed in seeds {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!("it failed with seed {seed}; CUTAWAY_SEED={seed} runs that one alone");
            resume_unwind(payload);
        }
    }
}

/// # Panics
/// `CUTAWAY_SEED` is no number.
pub(super) fn seed_of_environment() -> Option<u64> {
    let seed = std::env::var("CUTAWAY_SEED").ok()?;
    let number = seed.parse();
    Some(number.unwrap_or_else(|_| panic!("CUTAWAY_SEED is a number, not `{seed}`")))
}
