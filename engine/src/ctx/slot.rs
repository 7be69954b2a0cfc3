//! Slots: the values of a request, named by types.

use std::alloc::Layout;
use std::any::TypeId;
use std::marker::PhantomData;
use std::mem;

use super::extract::Extract;
use super::frame;
use super::list::{AvailableFrom, Provides};

/// The type of a slot's value in a request that lives as long as `'r`.
pub type Value<'r, S> = <<S as Slot>::Store as Store>::Value<'r>;

/// A named place for one value of a request. Declare one with [`slot!`](crate::slot).
///
/// ```
/// use cutaway::prelude::*;
///
/// slot!(pub PostId: i64);                  // owned, dropped once when the request ends
/// slot!(pub Title<'r>: &'r str);           // borrowed from the request, never dropped
/// slot!(pub Page: u32 = path "page");      // read from the path when a step asks for it
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a slot",
    label = "not a slot",
    note = "declare it with `slot!(pub {Self}: ..)`"
)]
pub trait Slot: Sized + 'static {
    /// How its value is kept: [`Owned`] or [`Borrowed`].
    type Store: Store;
    /// Where its value comes from: [`FromSteps`] or [`FromPath`](super::extract::FromPath).
    type Origin: Origin<Self>;
    /// Its name, for messages.
    const NAME: &'static str;
}

/// How a slot's value is kept. Sealed: what is dropped is `'static`, what borrows is never dropped,
/// and that rule is what the frame's soundness rests on.
pub trait Store: sealed::Sealed + 'static {
    /// The type of the value.
    type Value<'r>;
    /// Whether the value is dropped when the request ends.
    const IS_DROPPED: bool;
}

/// Keeps a `'static` value and drops it exactly once.
pub struct Owned<T>(PhantomData<fn() -> T>);

impl<T: 'static> Store for Owned<T> {
    type Value<'r> = T;
    const IS_DROPPED: bool = mem::needs_drop::<T>();
}

/// Keeps a value that borrows from the request. Nothing of it is ever dropped.
pub struct Borrowed<B>(PhantomData<fn() -> B>);

impl<B: Borrows> Store for Borrowed<B> {
    type Value<'r> = B::Value<'r>;
    const IS_DROPPED: bool = false;
}

/// The family of types that a borrowing slot holds, one for each lifetime.
pub trait Borrows: 'static {
    /// Its member for `'r`.
    type Value<'r>;
}

/// Where a slot's value comes from.
pub trait Origin<S: Slot> {
    /// What fills the slot from the request, where no step does.
    const EXTRACT: Option<Extract>;
}

/// A step writes the slot.
pub struct FromSteps;

impl<S: Slot> Origin<S> for FromSteps {
    const EXTRACT: Option<Extract> = None;
}

impl<S, W: Provides<S, I>, I> AvailableFrom<S, W, I> for FromSteps {}

/// What is known of a slot at run time.
#[derive(Clone, Copy, Debug)]
pub struct SlotMeta {
    pub(super) id: TypeId,
    pub(super) layout: Layout,
    pub(crate) name: &'static str,
    pub(crate) extract: Option<Extract>,
}

impl SlotMeta {
    pub(crate) fn of<S: Slot>() -> SlotMeta {
        SlotMeta {
            id: TypeId::of::<S>(),
            layout: frame::cell_layout::<S>(),
            name: S::NAME,
            extract: S::Origin::EXTRACT,
        }
    }

    /// Whether both speak of one slot.
    pub(crate) fn is(&self, other: &SlotMeta) -> bool {
        self.id == other.id
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for super::Owned<T> {}
    impl<B> Sealed for super::Borrowed<B> {}
}

/// Declares a slot.
///
/// - `slot!(pub PostId: i64)` owns its value. The type is `'static`; the value is dropped exactly
///   once when the request ends, also after a panic, a cancel or a disconnect.
/// - `slot!(pub Title<'r>: &'r str)` borrows from the request: from its bytes, its arena, or a
///   result. The value must not need `Drop`.
/// - `slot!(pub Id: i64 = path "id")` is read from the path parameter `{id}` before the first step
///   that reads it. A text that is no such value is a 400; a pattern without `{id}` is refused when
///   the routes are built.
#[macro_export]
macro_rules! slot {
    ($(#[$attribute:meta])* $vis:vis $name:ident : $type:ty) => {
        $crate::slot!(@declare [$(#[$attribute])*] $vis $name);
        $crate::slot!(@owned $name, $type, $crate::ctx::FromSteps);
    };
    ($(#[$attribute:meta])* $vis:vis $name:ident < $life:lifetime > : $type:ty) => {
        $crate::slot!(@declare [$(#[$attribute])*] $vis $name);
        $crate::slot!(@borrowed $name, $life, $type, $crate::ctx::FromSteps);
    };
    ($(#[$attribute:meta])* $vis:vis $name:ident : $type:ty = path $param:literal) => {
        $crate::slot!(@declare [$(#[$attribute])*] $vis $name);
        $crate::slot!(@owned $name, $type, $crate::ctx::FromPath);
        impl $crate::ctx::PathSlot for $name {
            const PARAM: &'static str = $param;
            fn parse(text: &str) -> ::core::option::Option<$type> {
                $crate::ctx::FromText::from_text(text)
            }
        }
    };
    ($(#[$attribute:meta])* $vis:vis $name:ident < $life:lifetime > : $type:ty = path $param:literal) => {
        $crate::slot!(@declare [$(#[$attribute])*] $vis $name);
        $crate::slot!(@borrowed $name, $life, $type, $crate::ctx::FromPath);
        impl $crate::ctx::PathSlot for $name {
            const PARAM: &'static str = $param;
            fn parse<$life>(text: &$life str) -> ::core::option::Option<$type> {
                $crate::ctx::FromText::from_text(text)
            }
        }
    };
    (@declare [$(#[$attribute:meta])*] $vis:vis $name:ident) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug)]
        $vis struct $name;
    };
    (@owned $name:ident, $type:ty, $origin:ty) => {
        impl $crate::ctx::Slot for $name {
            type Store = $crate::ctx::Owned<$type>;
            type Origin = $origin;
            const NAME: &'static str = ::core::stringify!($name);
        }
    };
    (@borrowed $name:ident, $life:lifetime, $type:ty, $origin:ty) => {
        impl $crate::ctx::Borrows for $name {
            type Value<$life> = $type;
        }
        impl $crate::ctx::Slot for $name {
            type Store = $crate::ctx::Borrowed<$name>;
            type Origin = $origin;
            const NAME: &'static str = ::core::stringify!($name);
        }
        const _: () = ::core::assert!(
            !::core::mem::needs_drop::<<$name as $crate::ctx::Borrows>::Value<'static>>(),
            ::core::concat!(
                "slot `", ::core::stringify!($name), "` borrows from the request, so its value must ",
                "not need Drop: use `&'r str` or `&'r [T]`, not String, Vec or Box",
            ),
        );
    };
}
