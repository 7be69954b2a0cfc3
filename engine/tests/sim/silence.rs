//! Panics that are part of the plan make no noise.

use std::any::Any;
use std::panic;
use std::sync::Once;

use crate::routes::PLANNED_PANIC;

/// Keeps the panics of the routes off the screen.
pub fn planned_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if text_of(info.payload()) != PLANNED_PANIC {
                loud(info);
            }
        }));
    });
}

/// What a panic said.
pub fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a text").to_owned()
}
