//! What a placed step has used of what it declares: counted in debug builds, for the report of what it
//! declares in vain. Shards share a route, so these are the only words of it that change.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The slots that a step has touched in any request so far.
#[derive(Default)]
pub(super) struct Usage {
    #[cfg(debug_assertions)]
    touched: AtomicU64,
    #[cfg(debug_assertions)]
    has_run: AtomicBool,
}

impl Usage {
    /// The step has run to its end and touched these slots.
    ///
    /// Relaxed, for the bits say nothing of any other memory.
    #[inline(always)]
    pub(super) fn note(&self, touched: u64) {
        #[cfg(debug_assertions)]
        {
            self.touched.fetch_or(touched, Relaxed);
            self.has_run.store(true, Relaxed);
        }
        #[cfg(not(debug_assertions))]
        let _ = touched;
    }

    /// The slots it has touched; none where it has not run, or nobody counts.
    pub(super) fn touched(&self) -> Option<u64> {
        #[cfg(debug_assertions)]
        return self
            .has_run
            .load(Relaxed)
            .then(|| self.touched.load(Relaxed));
        #[cfg(not(debug_assertions))]
        None
    }
}
