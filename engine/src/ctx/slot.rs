//! Slots: the values of a request, named by types.

use std::alloc::Layout;
use std::any::TypeId;
use std::marker::PhantomData;
use std::mem;

use super::extract::{Extract, Source};
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
/// slot!(pub Page: u32 = query "page" or 1); // read from the request before a step that asks for it
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a slot",
    label = "not a slot",
    note = "declare it with `slot!(pub {Self}: ..)`"
)]
pub trait Slot: Sized + 'static {
    /// How its value is kept: [`Owned`] or [`Borrowed`].
    type Store: Store;
    /// Where its value comes from: [`FromSteps`] or [`FromRequest`](super::extract::FromRequest).
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

    /// Whether it is filled from the request's content.
    pub(crate) fn is_body(&self) -> bool {
        (self.extract).is_some_and(|extract| matches!(extract.source, Source::Body(_)))
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
///
/// With a source behind an equals sign the slot is filled from the request, before the first step
/// that reads it; either spelling may have one:
///
/// | source | the value's type | refused with |
/// |---|---|---|
/// | `path "id"` | [`FromText`](crate::ctx::FromText) | 400; a pattern without `{id}` when routes are built |
/// | `query "page"`, `header "accept"` | `FromText`, or an `Option` of it where it may be absent | 400, key: the name |
/// | `query "page" or 1`, `header "accept" or "*/*"` | `FromText`; the value where it is absent | 400, key: the name |
/// | `query` | serde's `Deserialize`: the whole query | 400, key: the field |
/// | `body json`, `body form` | `Deserialize` | 415, 400 by its syntax, 422 with the field as key |
/// | `body text` | `FromText` | 415, 400 |
/// | `body bytes` | `From<&'r [u8]>` | |
///
/// A body is read to its end before the first step of its chain runs; one larger than the chain
/// takes is a 413.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing;
///
/// #[derive(serde::Deserialize)]
/// pub struct PostInput<'r> {
///     title: &'r str,
/// }
///
/// slot!(pub Page: Option<u32> = query "page");
/// slot!(pub Agent<'r>: &'r str = header "user-agent" or "nobody");
/// slot!(pub NewPost<'r>: PostInput<'r> = body json);
///
/// fn create(cx: &mut Cx<Reads<(Page, Agent, NewPost)>>) -> Step {
///     assert_eq!((*cx.get(Page), *cx.get(Agent)), (Some(7), "nobody"));
///     cx.text(cx.get(NewPost).title)
/// }
///
/// let request = testing::post("/posts?page=7").field("Content-Type", "application/json");
/// let tested = request.body(r#"{"title": "a \"title\""}"#).run(create);
/// assert_eq!(tested.response().body().as_slice(), b"a \"title\"");
///
/// let tested = testing::post("/posts?page=seven").run(create);
/// assert_eq!(tested.failure().map(|failure| failure.key()), Some("page"));
/// ```
#[macro_export]
macro_rules! slot {
    ($(#[$attribute:meta])* $vis:vis $name:ident : & $first:ident $($rest:tt)*) => {
        $crate::slot!(@without_lifetime $name, $first);
    };
    ($(#[$attribute:meta])* $vis:vis $name:ident : & [$($first:tt)*] $($rest:tt)*) => {
        $crate::slot!(@without_lifetime $name, [$($first)*]);
    };
    ($(#[$attribute:meta])* $vis:vis $name:ident : $type:ty $(= $($source:tt)+)?) => {
        $crate::slot!(@declare [$(#[$attribute])*] $vis $name);
        $crate::slot!(@owned $name, $type, $crate::slot!(@origin $($($source)+)?));
        $($crate::slot!(@extracted $name, 'r, $type, $($source)+);)?
    };
    ($(#[$attribute:meta])* $vis:vis $name:ident < $life:lifetime > : $type:ty $(= $($source:tt)+)?) => {
        $crate::slot!(@declare [$(#[$attribute])*] $vis $name);
        $crate::slot!(@borrowed $name, $life, $type, $crate::slot!(@origin $($($source)+)?));
        $($crate::slot!(@extracted $name, $life, $type, $($source)+);)?
    };
    (@origin) => { $crate::ctx::FromSteps };
    (@origin $($source:tt)+) => { $crate::ctx::FromRequest };
    (@extracted $name:ident, $life:lifetime, $type:ty, path $param:literal) => {
        $crate::slot!(@read $name, $life, $type, Path($param), path($param));
    };
    (@extracted $name:ident, $life:lifetime, $type:ty, query $field:literal) => {
        $crate::slot!(@read $name, $life, $type, QueryField($field), query($field));
    };
    (@extracted $name:ident, $life:lifetime, $type:ty, query $field:literal or $absent:expr) => {
        $crate::slot!(@read $name, $life, $type, QueryField($field), query_or($field, || $absent));
    };
    (@extracted $name:ident, $life:lifetime, $type:ty, query) => {
        $crate::slot!(@read $name, $life, $type, WholeQuery, whole_query());
    };
    (@extracted $name:ident, $life:lifetime, $type:ty, header $field:literal) => {
        $crate::slot!(@read $name, $life, $type, header($field), header($field));
    };
    (@extracted $name:ident, $life:lifetime, $type:ty, header $field:literal or $absent:expr) => {
        $crate::slot!(@read $name, $life, $type, header($field), header_or($field, || $absent));
    };
    (@extracted $name:ident, $life:lifetime, $type:ty, body json) => {
        $crate::slot!(@read $name, $life, $type, Body($crate::ctx::BodyFormat::Json), json());
    };
    (@extracted $name:ident, $life:lifetime, $type:ty, body form) => {
        $crate::slot!(@read $name, $life, $type, Body($crate::ctx::BodyFormat::Form), form());
    };
    (@extracted $name:ident, $life:lifetime, $type:ty, body text) => {
        $crate::slot!(@read $name, $life, $type, Body($crate::ctx::BodyFormat::Text), text());
    };
    (@extracted $name:ident, $life:lifetime, $type:ty, body bytes) => {
        $crate::slot!(@read $name, $life, $type, Body($crate::ctx::BodyFormat::Bytes), bytes());
    };
    (@extracted $name:ident, $life:lifetime, $type:ty, $($source:tt)+) => {
        ::core::compile_error!(::core::concat!(
            "slot `", ::core::stringify!($name), "` cannot be read from `",
            ::core::stringify!($($source)+),
            "`: a source is `path \"..\"`, `query \"..\"`, `header \"..\"`, `query`, `body json`, ",
            "`body form`, `body text` or `body bytes`; `or ..` may follow a named query field or header",
        ));
        // Never runs; with it the sentence above is all that the compiler says.
        impl $crate::ctx::Extracted for $name {
            const SOURCE: $crate::ctx::Source = $crate::ctx::Source::WholeQuery;

            fn extract<$life>(
                _: $crate::ctx::Incoming<$life>,
            ) -> ::core::result::Result<$type, $crate::step::Failure> {
                loop {}
            }
        }
    };
    (@read $name:ident, $life:lifetime, $type:ty, $source:ident $(($named:expr))?, $($read:tt)+) => {
        impl $crate::ctx::Extracted for $name {
            const SOURCE: $crate::ctx::Source = $crate::ctx::Source::$source $(($named))?;

            fn extract<$life>(
                from: $crate::ctx::Incoming<$life>,
            ) -> ::core::result::Result<$type, $crate::step::Failure> {
                from.$($read)+
            }
        }
        // Looked at here, so that a wrong name is found where it stands.
        const _: $crate::ctx::Source = <$name as $crate::ctx::Extracted>::SOURCE;
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
                "not need Drop: use `&'r str` or `&'r [T]`, not String, Vec or Box; a slot without a ",
                "lifetime owns its value and drops it",
            ),
        );
    };
    (@without_lifetime $name:ident, $($first:tt)+) => {
        ::core::compile_error!(::core::concat!(
            "slot `", ::core::stringify!($name), "` borrows: its lifetime stands behind its name and at ",
            "each `&`, as in `slot!(", ::core::stringify!($name), "<'r>: &'r ",
            ::core::stringify!($($first)+), ")`",
        ));
    };
    ($($other:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "a slot has a name and a type, `slot!(pub PostId: i64)`; one that borrows has a lifetime, ",
            "`slot!(pub Title<'r>: &'r str)`; either may have a source, `slot!(pub Id: i64 = path \"id\")`",
        ));
    };
}
