//! Type-level lists of slots and resources, and the clauses of a step's signature.
//!
//! Everything here happens in the compiler. The traits carry the sentences a user reads when a step
//! asks for what it has not declared; the orientation of each decides where the caret stands, so it
//! is part of the product: for `get`, `put` and `on` the slot is `Self` and the list a parameter;
//! for `then` the bound hangs on the step's own type.
//!
//! The traits that memory safety rests on are sealed: [`SlotList`], [`ResourceList`] and, through
//! `Member` and `Positions`, [`Readable`], [`Writable`], [`Usable`] and their like for a
//! continuation, [`ReadsThere`], [`WritesThere`] and [`UsesThere`]. The others only speak about order, which
//! `Routes::build` checks once more.

use std::marker::PhantomData;

use super::slot::{Slot, SlotMeta};
use crate::effect::{Resource, ResourceMeta};

/// The slots a step reads: `Reads<Post>` or `Reads<(Post, User)>`.
///
/// ```
/// use cutaway::prelude::*;
///
/// slot!(pub Id: i64 = path "id");
/// slot!(pub Page: u32 = query "page" or 1);
///
/// fn show(cx: &mut Cx<Reads<(Id, Page)>>) -> Step {
///     let (id, page) = (cx.get(Id), cx.get(Page));
///     cx.text(&format!("page {page} of post {id}"))
/// }
/// # let tested = cutaway::testing::get("/7?page=2").param("id", "7").run(show);
/// # assert_eq!(tested.text(), "page 2 of post 7");
/// ```
pub struct Reads<T>(PhantomData<fn() -> T>);

/// The slots a step writes: `Writes<Post>` or `Writes<(Post, User)>`.
///
/// ```
/// use cutaway::prelude::*;
///
/// slot!(pub First: String);
/// slot!(pub Last: String);
///
/// fn name(cx: &mut Cx<Writes<(First, Last)>>) {
///     cx.put(First, "Ann".to_owned());
///     cx.put(Last, "Lee".to_owned());
/// }
/// # assert_eq!(cutaway::testing::get("/").run(name).slot(Last, String::len), Some(3));
/// ```
pub struct Writes<T>(PhantomData<fn() -> T>);

/// The resources a step may build effects for: `Uses<Blog>` or `Uses<(Blog, Cache)>`.
///
/// ```
/// use cutaway::prelude::*;
///
/// resource!(pub Blog: Sqlite);
/// slot!(pub Count: (i64,));
///
/// fn count(cx: &mut Cx<Writes<Count>, Uses<Blog>>) -> Step {
///     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts").into(Count))
/// }
/// # assert_eq!(chain(count).uses(), ["Blog"]);
/// ```
pub struct Uses<T>(PhantomData<fn() -> T>);

/// One clause of a step's signature.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a clause of a step",
    label = "expected `Reads<..>`, `Writes<..>` or `Uses<..>`",
    note = "a step names its slots and resources in clauses: `Cx<Reads<Id>, Writes<Post>, Uses<Blog>>`"
)]
pub trait Clause: 'static {
    /// What it adds to the slots read.
    type Reads;
    /// What it adds to the slots written.
    type Writes;
    /// What it adds to the resources used.
    type Uses;
}

impl Clause for () {
    type Reads = Nil;
    type Writes = Nil;
    type Uses = Nil;
}

impl<T: Set + 'static> Clause for Reads<T> {
    type Reads = T::List;
    type Writes = Nil;
    type Uses = Nil;
}

impl<T: Set + 'static> Clause for Writes<T> {
    type Reads = Nil;
    type Writes = T::List;
    type Uses = Nil;
}

impl<T: ResourceSet + 'static> Clause for Uses<T> {
    type Reads = Nil;
    type Writes = Nil;
    type Uses = T::List;
}

/// The clauses of a step together, in whatever order they stand.
pub trait Clauses: 'static {
    /// The slots it reads.
    type Reads: SlotList;
    /// The slots it writes.
    type Writes: SlotList;
    /// The resources it uses.
    type Uses: ResourceList;
}

impl<A: Clause, B: Clause, C: Clause> Clauses for (A, B, C)
where
    B::Reads: Concat<C::Reads>,
    B::Writes: Concat<C::Writes>,
    B::Uses: Concat<C::Uses>,
    A::Reads: Concat<Joined<B::Reads, C::Reads>>,
    A::Writes: Concat<Joined<B::Writes, C::Writes>>,
    A::Uses: Concat<Joined<B::Uses, C::Uses>>,
    Joined<A::Reads, Joined<B::Reads, C::Reads>>: SlotList,
    Joined<A::Writes, Joined<B::Writes, C::Writes>>: SlotList,
    Joined<A::Uses, Joined<B::Uses, C::Uses>>: ResourceList,
{
    type Reads = Joined<A::Reads, Joined<B::Reads, C::Reads>>;
    type Writes = Joined<A::Writes, Joined<B::Writes, C::Writes>>;
    type Uses = Joined<A::Uses, Joined<B::Uses, C::Uses>>;
}

/// The empty list.
pub struct Nil;

/// A list that begins with `H`.
pub struct Cons<H, T>(PhantomData<fn() -> (H, T)>);

/// Both lists, one after the other.
pub type Joined<A, B> = <A as Concat<B>>::Out;

/// Puts `B` behind the list.
pub trait Concat<B> {
    /// The longer list.
    type Out;
}

impl<B> Concat<B> for Nil {
    type Out = B;
}

impl<H, T: Concat<B>, B> Concat<B> for Cons<H, T> {
    type Out = Cons<H, T::Out>;
}

/// One slot, or a tuple of up to twelve.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a slot nor a tuple of slots",
    label = "not a slot",
    note = "declare a slot with `slot!(pub Name: Type)`; a tuple has at most twelve, more stand in a second clause of the same name"
)]
pub trait Set {
    /// As a list.
    type List: SlotList;
}

#[diagnostic::do_not_recommend]
impl<S: Slot> Set for S {
    type List = Cons<S, Nil>;
}

impl Set for () {
    type List = Nil;
}

/// A slot or a tuple of slots as a list, for types that are spelled out: what a function that returns
/// routes says of them.
///
/// ```
/// use cutaway::ctx::list::ListOf;
/// use cutaway::prelude::*;
///
/// slot!(pub User: String);
///
/// fn greet(cx: &mut Cx<Reads<User>>) -> Step {
///     let user = cx.get(User);
///     cx.text(user)
/// }
///
/// /// To be mounted where `User` is known.
/// fn private() -> Routes<impl Sized, ListOf<User>> {
///     Routes::given::<User>().get("/hello", given::<User>().then(greet))
/// }
/// ```
pub type ListOf<S> = <S as Set>::List;

/// One resource, or a tuple of up to four.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a resource nor a tuple of resources",
    label = "not a resource",
    note = "declare a resource with `resource!(pub Name: Sqlite)`; a tuple has at most four"
)]
pub trait ResourceSet {
    /// As a list.
    type List: ResourceList;
}

#[diagnostic::do_not_recommend]
impl<D: Resource> ResourceSet for D {
    type List = Cons<D, Nil>;
}

macro_rules! tuples {
    ($set:ident of $element:ident: $(($($name:ident)+))+) => {$(
        impl<$($name: $element),+> $set for ($($name,)+) {
            type List = tuples!(@ $($name)+);
        }
    )+};
    (@) => { Nil };
    (@ $head:ident $($tail:ident)*) => { Cons<$head, tuples!(@ $($tail)*)> };
}

tuples! { Set of Slot:
    (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
    (A B C D E F G H I) (A B C D E F G H I J) (A B C D E F G H I J K) (A B C D E F G H I J K L)
}

tuples! { ResourceSet of Resource: (A) (A B) (A B C) (A B C D) }

/// A list of slots. Sealed.
pub trait SlotList: sealed::List + 'static {
    /// How many there are.
    const COUNT: usize;
    /// What is known of each, in order.
    fn metas(out: &mut Vec<SlotMeta>);
}

impl SlotList for Nil {
    const COUNT: usize = 0;
    fn metas(_: &mut Vec<SlotMeta>) {}
}

impl<S: Slot, T: SlotList> SlotList for Cons<S, T> {
    const COUNT: usize = T::COUNT + 1;
    fn metas(out: &mut Vec<SlotMeta>) {
        out.push(SlotMeta::of::<S>());
        T::metas(out);
    }
}

/// A list of resources. Sealed.
pub trait ResourceList: sealed::List + 'static {
    /// How many there are.
    const COUNT: usize;
    /// What is known of each, in order.
    fn metas(out: &mut Vec<ResourceMeta>);
}

impl ResourceList for Nil {
    const COUNT: usize = 0;
    fn metas(_: &mut Vec<ResourceMeta>) {}
}

impl<D: Resource, T: ResourceList> ResourceList for Cons<D, T> {
    const COUNT: usize = T::COUNT + 1;
    fn metas(out: &mut Vec<ResourceMeta>) {
        out.push(ResourceMeta::of::<D>());
        T::metas(out);
    }
}

/// At the head of the list.
pub struct Here;

/// Further down the list.
pub struct There<I>(PhantomData<I>);

macro_rules! membership {
    ($($(#[$attribute:meta])* $name:ident)+) => {$(
        $(#[$attribute])*
        pub trait $name<List, Index>: sealed::Member<List, Index> {}

        #[diagnostic::do_not_recommend]
        impl<S, T> $name<Cons<S, T>, Here> for S {}

        #[diagnostic::do_not_recommend]
        impl<S: $name<T, I>, H, T, I> $name<Cons<H, T>, There<I>> for S {}
    )+};
}

membership! {
    /// The slot is in the step's `Reads`.
    #[diagnostic::on_unimplemented(
        message = "slot `{Self}` is not in this step's `Reads`",
        label = "this step does not declare that it reads `{Self}`",
        note = "add `{Self}` to `Reads<..>` in the step's signature"
    )]
    Readable

    /// The slot is in the step's `Writes`.
    #[diagnostic::on_unimplemented(
        message = "slot `{Self}` is not in this step's `Writes`",
        label = "this step does not declare that it writes `{Self}`",
        note = "add `{Self}` to `Writes<..>` in the step's signature"
    )]
    Writable

    /// The resource is in the step's `Uses`.
    #[diagnostic::on_unimplemented(
        message = "resource `{Self}` is not in this step's `Uses`",
        label = "this step does not declare that it uses `{Self}`",
        note = "add `{Self}` to `Uses<..>` in the step's signature"
    )]
    Usable

    /// The slot is in the clauses of the step that a continuation belongs to.
    #[diagnostic::on_unimplemented(
        message = "slot `{Self}` is neither in the `Reads` nor in the `Writes` of the step that asks",
        label = "the continuation reads `{Self}`, which its step does not declare",
        note = "a continuation may use only what its step declares: add `{Self}` to the step's `Reads<..>`"
    )]
    ReadableThere

    /// The slot is in the `Writes` of the step that a continuation belongs to.
    #[diagnostic::on_unimplemented(
        message = "slot `{Self}` is not in the `Writes` of the step that asks",
        label = "the continuation writes `{Self}`, which its step does not declare",
        note = "a continuation may use only what its step declares: add `{Self}` to the step's `Writes<..>`"
    )]
    WritableThere

    /// The resource is in the `Uses` of the step that a continuation belongs to.
    #[diagnostic::on_unimplemented(
        message = "resource `{Self}` is not in the `Uses` of the step that asks",
        label = "the continuation uses `{Self}`, which its step does not declare",
        note = "a continuation may use only what its step declares: add `{Self}` to the step's `Uses<..>`"
    )]
    UsableThere

    /// The slot stands in the list once. A second writer makes its position ambiguous, which is the
    /// only way to refuse it on stable.
    SlotHasOneWriter
}

macro_rules! containment {
    ($($(#[$attribute:meta])* $name:ident of $element:ident)+) => {$(
        $(#[$attribute])*
        pub trait $name<List, Index>: sealed::Positions<List, Index> {}

        impl<L> $name<L, ()> for Nil {}

        impl<L, S, T, I, J> $name<L, (I, J)> for Cons<S, T>
        where
            S: $element<L, I>,
            T: $name<L, J>,
        {
        }
    )+};
}

containment! {
    /// A continuation's `Reads` are among what its step declares.
    ReadsThere of ReadableThere

    /// A continuation's `Writes` are among those of its step.
    WritesThere of WritableThere

    /// A continuation's `Uses` are among those of its step.
    UsesThere of UsableThere
}

/// What makes membership unforgeable: reachable from this module only.
pub(super) mod sealed {
    use super::{Cons, Here, Nil, There};

    /// `Self` stands in `List` at `INDEX`.
    pub trait Member<List, Index> {
        const INDEX: usize;
    }

    impl<S, T> Member<Cons<S, T>, Here> for S {
        const INDEX: usize = 0;
    }

    impl<S: Member<T, I>, H, T, I> Member<Cons<H, T>, There<I>> for S {
        const INDEX: usize = S::INDEX + 1;
    }

    /// Where each element of the list stands in `List`.
    pub trait Positions<List, Index> {
        fn each(take: &mut impl FnMut(usize));
    }

    impl<L> Positions<L, ()> for Nil {
        fn each(_: &mut impl FnMut(usize)) {}
    }

    impl<L, S, T, I, J> Positions<L, (I, J)> for Cons<S, T>
    where
        S: Member<L, I>,
        T: Positions<L, J>,
    {
        fn each(take: &mut impl FnMut(usize)) {
            take(S::INDEX);
            T::each(take);
        }
    }

    pub trait List {}
    impl List for Nil {}
    impl<H, T> List for Cons<H, T> {}
}

/// An earlier step of the pipeline has written `S`.
#[diagnostic::on_unimplemented(
    message = "slot `{S}` is not available here: no earlier step of this pipeline writes `{S}`",
    label = "this reads `{S}`",
    note = "put a step that writes `{S}` before it; if a `before` chain writes it, register that one first and start this chain with `given::<{S}>()`"
)]
pub trait Provides<S, Index> {}

#[diagnostic::do_not_recommend]
impl<S, T> Provides<S, Here> for Cons<S, T> {}

#[diagnostic::do_not_recommend]
impl<S, H, T: Provides<S, I>, I> Provides<S, There<I>> for Cons<H, T> {}

/// Where a slot's value comes from decides what makes it available.
pub trait AvailableFrom<S, Written, Index> {}

/// Everything the list names is there: written earlier, or read from the request.
pub trait AvailableIn<Written, Index> {}

impl<W> AvailableIn<W, ()> for Nil {}

impl<W, S: Slot, T, I, J> AvailableIn<W, (I, J)> for Cons<S, T>
where
    S::Origin: AvailableFrom<S, W, I>,
    T: AvailableIn<W, J>,
{
}

/// The step may come next. The bound hangs on the step's own type, so that the caret of a refusal
/// stands under the step and not under the whole chain.
pub trait Follows<Written, Clauses, Index> {}

impl<F, W, C, Index> Follows<W, C, Index> for F
where
    C: Clauses,
    C::Reads: AvailableIn<W, Index>,
{
}

/// Each slot of the list stands in `All` once.
pub trait OnceIn<All, Index> {}

impl<All> OnceIn<All, ()> for Nil {}

impl<All, S, T, I, J> OnceIn<All, (I, J)> for Cons<S, T>
where
    S: SlotHasOneWriter<All, I>,
    T: OnceIn<All, J>,
{
}
