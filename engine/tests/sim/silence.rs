//! Panics that are part of the plan make no noise.

use std::any::Any;
use std::cell::Cell;
use std::panic;
use std::sync::Once;

use crate::routes::PLANNED_PANIC;

thread_local!(static IS_SILENT: Cell<bool> = const { Cell::new(false) });

/// Keeps the panics of the routes off the screen.
pub fn planned_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_SILENT.get() && text_of(info.payload()) != PLANNED_PANIC {
                loud(info);
            }
        }));
    });
}

/// Runs what may panic without a word on the screen.
#[cfg(feature = "planted")]
pub fn within<T>(run: impl FnOnce() -> T) -> T {
    let was_silent = IS_SILENT.replace(true);
    let ran = panic::catch_unwind(panic::AssertUnwindSafe(run));
    IS_SILENT.set(was_silent);
    ran.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// What a panic said.
pub fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a text").to_owned()
}
