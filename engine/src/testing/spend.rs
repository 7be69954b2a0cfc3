//! Time that a step takes.

use std::cell::RefCell;
use std::time::Duration;

use cutaway_scheduler::ManualClock;

thread_local! {
    /// The clock of the app that is running on this thread.
    static CLOCK: RefCell<Option<ManualClock>> = const { RefCell::new(None) };
}

/// Lets virtual time pass inside of a step, as though it computed for so long. Outside of an
/// [`App`](super::App) it does nothing.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing::{self, App};
///
/// fn slow(cx: &mut Cx) -> Step {
///     testing::spend(30.millis());
///     cx.text("too late")
/// }
///
/// let chain = chain(slow).deadline(20.millis());
/// let app = App::new(Routes::new().get("/slow", chain).build()?);
/// app.get("/slow").send().assert_status(Status::GATEWAY_TIMEOUT);
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
pub fn spend(length: Duration) {
    CLOCK.with_borrow(|clock| {
        if let Some(clock) = clock {
            clock.advance(length.into());
        }
    });
}

/// Runs with this clock as the one that [`spend`] moves.
pub(super) fn during<T>(clock: ManualClock, run: impl FnOnce() -> T) -> T {
    /// Puts the clock back also where a panic ends the run.
    struct Restored(Option<ManualClock>);

    impl Drop for Restored {
        fn drop(&mut self) {
            CLOCK.set(self.0.take());
        }
    }

    let _restored = Restored(CLOCK.replace(Some(clock)));
    run()
}
