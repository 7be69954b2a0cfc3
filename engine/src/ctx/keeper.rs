//! What effects are built with besides their resource: the request's memory, and its exit.

use std::cell::RefCell;
use std::mem;

use super::arena::Arena;
use super::frame::Footing;

/// Keeps what an effect takes along: in the request's arena, until the request ends.
pub struct Keeper<'r> {
    footing: Footing<'r>,
}

impl<'r> Keeper<'r> {
    pub(crate) fn of(footing: Footing<'r>) -> Keeper<'r> {
        Keeper { footing }
    }

    pub(crate) fn arena(&self) -> &'r Arena {
        self.footing.arena()
    }

    /// Keeps a value that may be taken back. What is still there at the request's exit is dropped then,
    /// exactly once.
    pub(crate) fn keep<T: 'static>(&self, value: T) -> &'r RefCell<Option<T>> {
        let kept: &'r RefCell<Option<T>> = (self.arena().bump()).alloc(RefCell::new(Some(value)));
        if mem::needs_drop::<T>() {
            self.footing.on_exit(|_| drop(kept.take()));
        }
        kept
    }
}
