//! Bugs that can be planted, to prove that the simulation's invariants catch them.
//!
//! Each needs an interleaving to do harm, so a test that runs one order never meets it. The code
//! under test asks here whether to make the mistake. Without the crate's feature `planted` the
//! answer is the constant `false`, and nothing of this is left in a build.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A completion is taken for its slot's present tenant, whatever its generation.
    StaleTicket,
    /// A completion that falls between the last look and going to sleep is not looked for again.
    LostResume,
    /// A receive buffer is given back twice.
    DoubleRelease,
}

/// Whether a stale ticket is to be accepted.
#[inline(always)]
pub fn stale_ticket() -> bool {
    is_planted(Bug::StaleTicket)
}

/// Whether a resume is to be lost.
#[inline(always)]
pub fn lost_resume() -> bool {
    is_planted(Bug::LostResume)
}

/// Whether a buffer is to be given back twice.
#[inline(always)]
pub fn double_release() -> bool {
    is_planted(Bug::DoubleRelease)
}

#[cfg(not(feature = "planted"))]
#[inline(always)]
fn is_planted(_: Bug) -> bool {
    false
}

#[cfg(feature = "planted")]
pub use switch::{Planted, plant};

#[cfg(feature = "planted")]
use switch::is_planted;

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;
    use std::marker::PhantomData;

    use super::Bug;

    thread_local! {
        // A bug belongs to the thread that planted it, so that tests beside it stay healthy.
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug on this thread until the guard is dropped.
    ///
    /// # Panics
    /// Where one is planted already: two at once would not show which of them was caught.
    pub fn plant(bug: Bug) -> Planted {
        let earlier = PLANTED.replace(Some(bug));
        assert_eq!(earlier, None, "one planted bug at a time");
        Planted {
            of_this_thread: PhantomData,
        }
    }

    /// Keeps a bug planted.
    #[derive(Debug)]
    #[must_use = "the bug is uprooted when this is dropped"]
    pub struct Planted {
        // A guard dropped on another thread would uproot nothing.
        of_this_thread: PhantomData<*const ()>,
    }

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.set(None);
        }
    }

    pub(super) fn is_planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}
