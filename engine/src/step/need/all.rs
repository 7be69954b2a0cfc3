//! Several effects of which all count, or all that are required.

use cutaway_reactor::Join;

use super::{Asks, Draft, IntoNeed, Needed, Order, Parts, Placed};
use crate::ctx::{Clauses, Filler, Slot, Value, Writable};
use crate::effect::DecodeList;

/// Several effects: the request resumes when all have completed, and fails at once with the first
/// required one that fails.
///
/// Of a tuple of effects with their slots, or of effects of one type without: these make a list with
/// one slot, in whose order the results stand.
///
/// ```
/// use cutaway::prelude::*;
///
/// resource!(pub Blog: Sqlite);
/// slot!(pub Ids<'r>: &'r [i64]);
/// slot!(pub Posts<'r>: &'r [Option<(&'r str,)>]);
///
/// fn load(cx: &mut Cx<Reads<Ids>, Writes<Posts>, Uses<Blog>>) -> Step {
///     let blog = cx.on(Blog);
///     let by_id = |id: &i64| blog.query_opt("SELECT title FROM posts WHERE id = ?1").bind(*id);
///     cx.need(all(cx.get(Ids).iter().map(by_id)).into(Posts))
/// }
///
/// let loading = given::<Ids>().then(load);
/// ```
#[must_use = "effects are performed only when they are returned with `cx.need`"]
pub fn all<M>(members: M) -> All<M> {
    All {
        members,
        order: Order::Parallel,
    }
}

/// What [`all`] gives.
#[must_use = "effects are performed only when they are returned with `cx.need`"]
#[derive(Clone, Copy, Debug)]
pub struct All<M> {
    members: M,
    order: Order,
}

impl<M> All<M> {
    /// Each begins when the one before it has completed; one that follows a required failure never
    /// begins.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Written: Executed);
    /// slot!(pub Count: (i64,));
    ///
    /// fn write(cx: &mut Cx<Writes<(Written, Count)>, Uses<Blog>>) -> Step {
    ///     let write = cx.on(Blog).exec("INSERT INTO visits DEFAULT VALUES");
    ///     let count = cx.on(Blog).query_one("SELECT count(*) FROM visits");
    ///     cx.need(all((write.into(Written), count.into(Count))).in_order())
    /// }
    ///
    /// let writing = chain(write);
    /// ```
    pub fn in_order(self) -> All<M> {
        All {
            order: Order::InOrder,
            ..self
        }
    }

    /// The slot of a list's results, a slice in the list's order. It must be in the step's `Writes`.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Blog: Sqlite);
    /// slot!(pub Counts<'r>: &'r [(i64,)]);
    ///
    /// fn count(cx: &mut Cx<Writes<Counts>, Uses<Blog>>) -> Step {
    ///     let posts = cx.on(Blog).query_one("SELECT count(*) FROM posts");
    ///     let comments = cx.on(Blog).query_one("SELECT count(*) FROM comments");
    ///     cx.need(all([posts, comments]).into(Counts))
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(count).decision(), Ok(Decision::Need));
    /// ```
    pub fn into<'r, S>(self, _slot: S) -> Placed<'r, All<M>, S>
    where
        M: Asks<'r>,
        S: Slot,
        Value<'r, S>: DecodeList<'r, M::Shape>,
    {
        Placed {
            group: self,
            filler: Filler::of_list::<M::Shape>(),
        }
    }
}

impl<M> Needed for All<M> {}

impl<'r, C, M, I> IntoNeed<'r, C, I> for All<M>
where
    C: Clauses,
    M: Parts<'r, C, I>,
{
    fn draft(self, draft: &mut Draft<'_, 'r, C>) {
        draft.order(self.order);
        self.members.draft_each(draft);
    }
}

impl<'r, C, M, S, I> IntoNeed<'r, C, I> for Placed<'r, All<M>, S>
where
    C: Clauses,
    M: Asks<'r>,
    S: Slot + Writable<C::Writes, I>,
{
    fn draft(self, draft: &mut Draft<'_, 'r, C>) {
        draft.order(self.group.order);
        draft.group::<S, I>(self.filler, self.group.members.records::<M::Shape, S>());
    }
}

/// Several effects: the request resumes as soon as the required ones have succeeded. The optional ones
/// have as long as these take; then they are cancelled, and their slots hold none.
///
/// Where nothing is required, nothing is waited for, and nothing begins.
///
/// ```
/// use cutaway::prelude::*;
///
/// resource!(pub Blog: Sqlite);
/// slot!(pub Post<'r>: (&'r str,));
/// slot!(pub Related<'r>: Option<&'r [(&'r str,)]>);
///
/// fn load(cx: &mut Cx<Writes<(Post, Related)>, Uses<Blog>>) -> Step {
///     let post = cx.on(Blog).query_one("SELECT title FROM posts");
///     let related = cx.on(Blog).query("SELECT title FROM related").optional();
///     cx.need(all_required((post.into(Post), related.into(Related))))
/// }
///
/// let loading = chain(load);
/// ```
#[must_use = "effects are performed only when they are returned with `cx.need`"]
pub fn all_required<M>(members: M) -> AllRequired<M> {
    AllRequired {
        members,
        order: Order::Parallel,
    }
}

/// What [`all_required`] gives.
#[must_use = "effects are performed only when they are returned with `cx.need`"]
#[derive(Clone, Copy, Debug)]
pub struct AllRequired<M> {
    members: M,
    order: Order,
}

impl<M> AllRequired<M> {
    /// Each begins when the one before it has completed. What stands behind the last required one
    /// never begins, nor does what follows a required failure.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Cleaned: Option<Executed>);
    /// slot!(pub Count: (i64,));
    ///
    /// /// Counts what is left when it could be cleaned, and what is there when it could not.
    /// fn count(cx: &mut Cx<Writes<(Cleaned, Count)>, Uses<Blog>>) -> Step {
    ///     let clean = cx.on(Blog).exec("DELETE FROM visits WHERE is_robot").timeout(5.millis());
    ///     let count = cx.on(Blog).query_one("SELECT count(*) FROM visits");
    ///     cx.need(all_required((clean.optional().into(Cleaned), count.into(Count))).in_order())
    /// }
    ///
    /// let counting = chain(count);
    /// ```
    pub fn in_order(self) -> AllRequired<M> {
        AllRequired {
            order: Order::InOrder,
            ..self
        }
    }
}

impl<M> Needed for AllRequired<M> {}

impl<'r, C, M, I> IntoNeed<'r, C, I> for AllRequired<M>
where
    C: Clauses,
    M: Parts<'r, C, I>,
{
    fn draft(self, draft: &mut Draft<'_, 'r, C>) {
        draft.join(Join::AllRequired);
        draft.order(self.order);
        self.members.draft_each(draft);
    }
}
