//! Continuations: what runs in place of the next step when a need has come to its end.

use std::any;
use std::marker::PhantomData;

use super::{Draft, IntoNeed};
use crate::ctx::list::{Concat, Joined, ReadsThere, UsesThere, WritesThere};
use crate::ctx::{Clauses, Cx, Frame};
use crate::step::chain::{Placed, Run};
use crate::step::decision::{IntoStep, Step};

/// What a step can need, to be followed by a continuation.
pub trait Needed: Sized {
    /// Runs this function in place of the next step when the effects have completed: a continuation.
    ///
    /// It may use only what its step declared: read its `Reads` and its `Writes`, write its `Writes`,
    /// use its `Uses`. It decides as a step does, and may ask for effects in its turn. When it
    /// continues, everything that its step writes must be there.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Author<'r>: (&'r str,));
    /// slot!(pub Posts<'r>: &'r [(&'r str,)]);
    ///
    /// fn load(cx: &mut Cx<Writes<(Author, Posts)>, Uses<Blog>>) -> Step {
    ///     let author = cx.on(Blog).query_one("SELECT name FROM authors");
    ///     cx.need(author.into(Author).then(load_posts))
    /// }
    ///
    /// fn load_posts(cx: &mut Cx<Reads<Author>, Writes<Posts>, Uses<Blog>>) -> Step {
    ///     let (name,) = *cx.get(Author);
    ///     let posts = cx.on(Blog).query("SELECT title FROM posts WHERE author = ?1").bind(name);
    ///     cx.need(posts.into(Posts))
    /// }
    ///
    /// let loading = chain(load);
    /// ```
    ///
    /// A function, or a closure that is `Copy`: it is kept in the request's arena, where nothing is
    /// dropped.
    fn then<F, A, B, C, R>(self, continuation: F) -> Then<Self, F, (A, B, C), R>
    where
        F: for<'a, 'r> Fn(&'a mut Cx<'r, A, B, C>) -> R + Copy + 'static,
        R: IntoStep + 'static,
        (A, B, C): Clauses,
    {
        Then {
            need: self,
            continuation,
            types: PhantomData,
        }
    }
}

/// A need with its continuation. `D` are the continuation's clauses.
#[must_use = "effects are performed only when they are returned with `cx.need`"]
pub struct Then<N, F, D, R> {
    need: N,
    continuation: F,
    types: PhantomData<fn() -> (D, R)>,
}

impl<'r, C, N, F, A, B, D, R, H, I, J, K> IntoNeed<'r, C, (H, I, J, K)> for Then<N, F, (A, B, D), R>
where
    C: Clauses,
    N: IntoNeed<'r, C, H>,
    F: for<'a, 's> Fn(&'a mut Cx<'s, A, B, D>) -> R + Copy + 'static,
    R: IntoStep + 'static,
    (A, B, D): Clauses,
    C::Reads: Concat<C::Writes>,
    <(A, B, D) as Clauses>::Reads: ReadsThere<Joined<C::Reads, C::Writes>, I>,
    <(A, B, D) as Clauses>::Writes: WritesThere<C::Writes, J>,
    <(A, B, D) as Clauses>::Uses: UsesThere<C::Uses, K>,
{
    fn draft(self, draft: &mut Draft<'_, 'r, C>) {
        self.need.draft(draft);
        let window = draft.window();
        let access = window.lend::<(A, B, D), I, J, K>();
        let placed = Placed::<F, F, _, R>::new(self.continuation, access);
        let bump = window.arena().bump();
        // What is lent has nothing to drop, nor has what is `Copy`.
        draft.continuation(bump.alloc(Continuation {
            run: bump.alloc(placed),
            name: any::type_name::<F>(),
        }));
    }
}

/// A continuation in the arena of its request.
pub(crate) struct Continuation<'r> {
    run: &'r dyn Run,
    pub(crate) name: &'static str,
}

impl Continuation<'_> {
    /// The bits of the slots it reads.
    pub(crate) fn reads(&self) -> u64 {
        self.run.reach().reads()
    }

    /// Runs it.
    pub(crate) fn call(&self, frame: &Frame) -> Step {
        self.run.call(frame)
    }
}
