//! Effects: what a step asks for and the engine performs.
//!
//! A step builds an effect as a value ([`query`]) for a resource it declares in `Uses`, and leaves
//! it with `cx.need`. The shard finds it as a plain [`EffectRecord`], has it performed, and hands the
//! result back; it is decoded ([`decode`]) into the slot the step named. A step never sees who
//! performs it, and nothing here performs anything.

mod ask;
pub mod body;
pub mod decode;
pub mod directory;
pub mod file;
pub mod query;
mod record;
pub mod row;
pub mod shape;
pub mod sqlite;
mod timer;

use std::any::TypeId;

pub use ask::{Ask, DecodeList, Effect};
pub use body::{Body, BodyHandle, Fold};
pub use decode::{Answer, Answers, Decode, FromRow, Undecoded};
pub use directory::Directory;
pub use file::{DirectoryHandle, NewFile, StoredFile};
pub use query::{Bind, Query, SqlValue, SqliteHandle, Transaction};
pub use record::{EffectRecord, EffectResult, Operation, SqlMode, SqlStatement, Wanted};
pub use row::{
    Column, DecodeError, Executed, FromColumn, ResultBuffer, Row, RowWriter, Rows, TooLarge,
};
pub use shape::{Optional, Shape};
pub use sqlite::Sqlite;
pub use timer::{Elapsed, Lapse, Timer};

pub(crate) use ask::decode_one;

use crate::ctx::Keeper;

/// Something outside of the request that effects act on: a database, later a cache or a peer.
/// Declare one with [`resource!`](crate::resource).
///
/// It is a capability: a step builds effects only for the resources in its `Uses`.
///
/// ```
/// use cutaway::prelude::*;
///
/// resource!(pub Blog: Sqlite);
///
/// let routes = Routes::new().resource(Blog, Sqlite::open("blog.db").readers(2));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resource",
    label = "not a resource",
    note = "declare it with `resource!(pub {Self}: ..)`"
)]
pub trait Resource: Sized + 'static {
    /// What kind of resource it is.
    type Kind: Kind;
    /// Its name, for messages and timelines.
    const NAME: &'static str;
}

/// A kind of resource: its settings, and the handle that builds its effects. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kind of resource",
    label = "not a kind of resource",
    note = "the engine performs effects on databases of SQLite: `resource!(pub Name: Sqlite)`"
)]
pub trait Kind: sealed::Sealed + Sized + 'static {
    /// What `cx.on(..)` gives.
    type Handle<'r>;
    /// The handle of the resource with this index.
    fn handle<'r>(resource: ResourceIndex, keeper: Keeper<'r>) -> Self::Handle<'r>;
    /// The settings, for whoever opens the resource.
    fn settings(self) -> Settings;
}

/// A route's resource by its number: leave to act on it. Only the engine makes one, for a step with the
/// resource in its `Uses`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceIndex(pub(crate) u16);

/// The settings of a resource, by kind.
#[derive(Debug)]
pub enum Settings {
    /// A SQLite database.
    Sqlite(Sqlite),
    /// A directory.
    Directory(Directory),
}

/// What is known of a resource at run time.
#[derive(Clone, Copy, Debug)]
pub struct ResourceMeta {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
}

impl ResourceMeta {
    pub(crate) fn of<D: Resource>() -> ResourceMeta {
        ResourceMeta {
            id: TypeId::of::<D>(),
            name: D::NAME,
        }
    }

    /// Whether it is the content of the request, which every engine has.
    pub(crate) fn is_body(&self) -> bool {
        self.id == TypeId::of::<Body>()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Sqlite {}
    impl Sealed for super::Directory {}
    impl Sealed for super::body::RequestBody {}

    pub trait Asking {}
    impl<Q, K> Asking for super::Query<'_, Q, K> {}
    impl Asking for super::Timer {}
    impl<Q> Asking for super::body::Content<'_, Q> {}
}

/// Declares a resource: `resource!(pub Blog: Sqlite)`.
///
/// ```
/// use cutaway::prelude::*;
///
/// resource!(
///     /// Posts and comments.
///     pub Blog: Sqlite
/// );
///
/// let routes = Routes::new().resource(Blog, Sqlite::open("blog.db")).build()?;
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
#[macro_export]
macro_rules! resource {
    ($(#[$attribute:meta])* $vis:vis $name:ident : $kind:ty) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug)]
        $vis struct $name;

        impl $crate::effect::Resource for $name {
            type Kind = $kind;
            const NAME: &'static str = ::core::stringify!($name);
        }
    };
    ($($other:tt)*) => {
        ::core::compile_error!("a resource has a name and a kind: `resource!(pub Blog: Sqlite)`");
    };
}
