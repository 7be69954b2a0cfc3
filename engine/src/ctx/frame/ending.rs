//! What the end of a request owes: callbacks to run and values to drop, each exactly once.
//!
//! Two lists through the request's memory instead of a table of drops: a route that owes nothing pays
//! nothing, the latest goes first, and the end of a request needs no route. Safe code was not
//! enough: a `Vec<Box<dyn FnOnce>>` takes a heap allocation an entry and could not hold what borrows.
//!
//! All callbacks run before any value is dropped, whatever was made first. One list in the order of
//! its entries would not do: a callback may hold a cell of the request, into which a later step has
//! put a reference to a later value.
//!
//! # Invariants
//! 1. A linked node is initialised, begins with its `Link`, and neither moves nor changes until it is
//!    unlinked. It is unlinked before it is ended, so it is ended once.
//! 2. A link's `kind` was made for the type of the node that the link begins.
//! 3. `run` is called while everything that callbacks borrow is alive: before a value is dropped and
//!    before the arena is reset. Values are `'static`, so their order matters to nobody.

use std::alloc::Layout;
use std::any::type_name;
use std::cell::Cell;
use std::mem;
use std::ptr::NonNull;

use crate::ctx::arena::Arena;
use crate::ctx::exit::Exit;
use crate::ctx::slot::{Slot, Store, Value};
use crate::step::caught;

/// The callbacks and the values of one request.
#[derive(Default)]
pub(in crate::ctx) struct Endings {
    callbacks: Cell<Option<NonNull<Link>>>,
    values: Cell<Option<NonNull<Link>>>,
}

impl Endings {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.callbacks.get().is_none() && self.values.get().is_none()
    }

    /// Takes on the drop of a slot's value.
    ///
    /// # Safety
    /// `cell` is a slot's memory, laid out by [`cell_layout`] for `S`, in which the value was just
    /// written. Nobody writes or frees it before it was dropped by [`run`](Endings::run).
    #[inline]
    pub(super) unsafe fn owe_drop<S: Slot>(&self, cell: NonNull<u8>) {
        let link = cell.cast::<Link>();
        let first = Link {
            next: self.values.get(),
            kind: &OfValue::<S>::KIND,
        };
        // SAFETY: the caller's promise; a cell whose value is dropped begins with its link.
        unsafe { link.write(first) };
        self.values.set(Some(link));
    }

    /// Takes on a callback.
    ///
    /// # Safety
    /// [`run`](Endings::run) is called before `'r` ends, which no drop of these lists does.
    pub(super) unsafe fn owe_call<'r, F>(&self, arena: &'r Arena, callback: F)
    where
        F: FnOnce(&Exit) + 'r,
    {
        let node = arena.bump().alloc(Linked {
            link: Link {
                next: self.callbacks.get(),
                kind: &OfCallback::<F>::KIND,
            },
            value: callback,
        });
        self.callbacks.set(Some(NonNull::from(node).cast()));
    }

    /// Runs the callbacks and drops the values, the latest first. A panic in one of them ends none of
    /// the others; the exit takes note of it, and the callbacks that follow see it.
    ///
    /// # Safety
    /// What the callbacks borrow is alive, and nobody uses a value any more.
    pub(super) unsafe fn run(&self, exit: &mut Exit) {
        for list in [&self.callbacks, &self.values] {
            while let Some(link) = list.get() {
                // SAFETY: by 1 a linked node is there, its link included.
                let Link { next, kind } = *unsafe { link.as_ref() };
                list.set(next);
                let seen = &*exit;
                // SAFETY: by 2 the kind is the node's; by 1 it is initialised and, no longer linked,
                // is not ended again; by 3 what it borrows is alive.
                let ended = caught(|| unsafe { (kind.end)(link, seen) });
                if let Err(panic) = ended {
                    exit.note_panic(panic.into_failure((kind.name)()));
                }
            }
        }
    }
}

/// The memory of a slot: its value, behind a link where it is dropped.
pub(in crate::ctx) const fn cell_layout<S: Slot>() -> Layout {
    if S::Store::IS_DROPPED {
        Layout::new::<Linked<Value<'static, S>>>()
    } else {
        Layout::new::<Value<'static, S>>()
    }
}

/// Where in its memory a slot's value begins.
pub(super) const fn value_offset<S: Slot>() -> usize {
    if S::Store::IS_DROPPED {
        mem::offset_of!(Linked<Value<'static, S>>, value)
    } else {
        0
    }
}

/// What stands before whatever has an end.
#[derive(Clone, Copy)]
struct Link {
    next: Option<NonNull<Link>>,
    kind: &'static Kind,
}

#[repr(C)]
struct Linked<T> {
    link: Link,
    value: T,
}

impl<T> Linked<T> {
    /// # Safety
    /// `link` begins a `Linked<T>`.
    unsafe fn value_of(link: NonNull<Link>) -> NonNull<T> {
        // SAFETY: the caller's promise; the value lies inside what `link` begins.
        unsafe { link.byte_add(mem::offset_of!(Linked<T>, value)) }.cast()
    }
}

/// How a node ends.
struct Kind {
    /// What a panic in it is told by.
    name: fn() -> &'static str,
    end: unsafe fn(NonNull<Link>, &Exit),
}

struct OfValue<S>(S);

impl<S: Slot> OfValue<S> {
    const KIND: Kind = Kind {
        name: || S::NAME,
        end: Self::end,
    };

    /// # Safety
    /// `link` begins a `Linked` with an initialised value of `S` that nobody uses again.
    unsafe fn end(link: NonNull<Link>, _: &Exit) {
        // SAFETY: the caller's promise. A value that is dropped is `'static`, so it is of one type
        // for every lifetime.
        let value = unsafe { Linked::<Value<'static, S>>::value_of(link) };
        // SAFETY: the caller's promise.
        unsafe { value.drop_in_place() };
    }
}

struct OfCallback<F>(F);

impl<F: FnOnce(&Exit)> OfCallback<F> {
    const KIND: Kind = Kind {
        name: type_name::<F>,
        end: Self::end,
    };

    /// # Safety
    /// `link` begins a `Linked<F>` with an initialised callback that nobody uses again.
    unsafe fn end(link: NonNull<Link>, exit: &Exit) {
        // SAFETY: the caller's promise.
        let callback = unsafe { Linked::<F>::value_of(link) };
        // SAFETY: the caller's promise: it is moved out here and nowhere else.
        let callback = unsafe { callback.read() };
        callback(exit);
    }
}
