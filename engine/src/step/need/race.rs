//! Races: effects of one type of which one decides.

use std::marker::PhantomData;

use cutaway_reactor::Join;

use super::{Asks, Draft, IntoNeed, Order, Placed};
use crate::ctx::{Clauses, Filler, Slot, Value, Writable};
use crate::effect::{Decode, Optional, Shape};

/// A race that the first success wins. The others are cancelled. It fails where nothing succeeds, with
/// the last failure.
///
/// ```
/// use cutaway::prelude::*;
///
/// resource!(pub Near: Sqlite);
/// resource!(pub Far: Sqlite);
/// slot!(pub Post<'r>: (&'r str,));
///
/// fn load(cx: &mut Cx<Writes<Post>, Uses<(Near, Far)>>) -> Step {
///     let sql = "SELECT title FROM posts";
///     cx.need(first([cx.on(Near).query_one(sql), cx.on(Far).query_one(sql)]).into(Post))
/// }
///
/// let loading = chain(load);
/// ```
///
/// A race needs somebody who runs: one that is made of an empty iterator fails the request with a 500.
pub fn first<'r, M: Asks<'r>>(members: M) -> Race<FirstSuccess, M, M::Shape> {
    Race::of(members)
}

/// A race that the first to complete decides, be it with a success or with a failure. The others are
/// cancelled.
///
/// ```
/// use cutaway::prelude::*;
///
/// resource!(pub Near: Sqlite);
/// resource!(pub Far: Sqlite);
/// slot!(pub Count: (i64,));
///
/// fn count(cx: &mut Cx<Writes<Count>, Uses<(Near, Far)>>) -> Step {
///     let sql = "SELECT count(*) FROM posts";
///     cx.need(any([cx.on(Near).query_one(sql), cx.on(Far).query_one(sql)]).into(Count))
/// }
///
/// let counting = chain(count);
/// ```
///
/// A race needs somebody who runs: one that is made of an empty iterator fails the request with a 500.
pub fn any<'r, M: Asks<'r>>(members: M) -> Race<FirstCompletion, M, M::Shape> {
    Race::of(members)
}

/// What [`first`] and [`any`] give. `K` is what decides it, `Q` the shape of its result.
#[must_use = "effects are performed only when they are returned with `cx.need`"]
#[derive(Debug)]
pub struct Race<K, M, Q> {
    members: M,
    order: Order,
    rule: PhantomData<(K, Q)>,
}

/// What decides a race.
pub trait RaceRule {
    /// As a join.
    const JOIN: Join;
}

/// The first success decides.
#[derive(Debug)]
pub struct FirstSuccess;

impl RaceRule for FirstSuccess {
    const JOIN: Join = Join::FirstSuccess;
}

/// The first completion decides.
#[derive(Debug)]
pub struct FirstCompletion;

impl RaceRule for FirstCompletion {
    const JOIN: Join = Join::Any;
}

impl<M, Q> Race<FirstSuccess, M, Q> {
    /// Each begins only when the one before it has failed: a fallback.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Cache: Sqlite);
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Post<'r>: (&'r str,));
    ///
    /// fn load(cx: &mut Cx<Writes<Post>, Uses<(Cache, Blog)>>) -> Step {
    ///     let sql = "SELECT title FROM posts";
    ///     let (cached, post) = (cx.on(Cache).query_one(sql), cx.on(Blog).query_one(sql));
    ///     cx.need(first([cached, post]).in_order().into(Post))
    /// }
    ///
    /// let loading = chain(load);
    /// ```
    pub fn in_order(self) -> Self {
        Race {
            order: Order::InOrder,
            ..self
        }
    }
}

impl<K, M, Q: Shape> Race<K, M, Q> {
    fn of(members: M) -> Race<K, M, Q> {
        Race {
            members,
            order: Order::Parallel,
            rule: PhantomData,
        }
    }

    /// Lets the request go on where the race has failed: the slot's value is an `Option`, and none
    /// then.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Near: Sqlite);
    /// # resource!(pub Far: Sqlite);
    /// slot!(pub Count: Option<(i64,)>);
    ///
    /// fn count(cx: &mut Cx<Writes<Count>, Uses<(Near, Far)>>) -> Step {
    ///     let sql = "SELECT count(*) FROM posts";
    ///     cx.need(first([cx.on(Near).query_one(sql), cx.on(Far).query_one(sql)]).optional().into(Count))
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(count).decision(), Ok(Decision::Need));
    /// ```
    pub fn optional(self) -> Race<K, M, Optional<Q>> {
        Race {
            members: self.members,
            order: self.order,
            rule: PhantomData,
        }
    }

    /// The slot that the winner's result goes into; it must be in the step's `Writes`.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # resource!(pub Near: Sqlite);
    /// # resource!(pub Far: Sqlite);
    /// slot!(pub Count: (i64,));
    ///
    /// fn count(cx: &mut Cx<Writes<Count>, Uses<(Near, Far)>>) -> Step {
    ///     let sql = "SELECT count(*) FROM posts";
    ///     cx.need(first([cx.on(Near).query_one(sql), cx.on(Far).query_one(sql)]).into(Count))
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(count).decision(), Ok(Decision::Need));
    /// ```
    pub fn into<'r, S>(self, _slot: S) -> Placed<'r, Race<K, M, Q>, S>
    where
        S: Slot,
        Value<'r, S>: Decode<'r, Q>,
    {
        Placed {
            group: self,
            filler: Filler::of::<Q>(),
        }
    }
}

impl<'r, C, K, M, Q, S, I> IntoNeed<'r, C, I> for Placed<'r, Race<K, M, Q>, S>
where
    C: Clauses,
    K: RaceRule,
    M: Asks<'r>,
    Q: Shape,
    S: Slot + Writable<C::Writes, I>,
{
    fn draft(self, draft: &mut Draft<'_, 'r, C>) {
        draft.join(K::JOIN);
        draft.order(self.group.order);
        draft.group::<S, I>(self.filler, self.group.members.records::<Q, S>());
    }
}
