//! Where each slot of a route lies in the frame, fixed when the route is built.
//!
//! Safe code, but part of the island: what the frame reads and writes rests on the places that are
//! given here. Nothing outside of this file makes a [`Place`] or an [`Access`].

use std::alloc::Layout;
use std::marker::PhantomData;
use std::num::NonZeroU64;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Frame, Window};
use crate::ctx::list::sealed::Positions;
use crate::ctx::list::{
    Clauses, Concat, Joined, ReadsThere, ResourceList, SlotList, UsesThere, WritesThere,
};
use crate::ctx::request::Request;
use crate::ctx::slot::SlotMeta;

/// Where a slot's value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u16,
    pub(super) bit: u8,
}

/// Names one plan of this process. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlanId(pub(super) NonZeroU64);

/// The layout of a route's slots.
pub(crate) struct Plan {
    pub(super) id: PlanId,
    pub(super) layout: Layout,
    slots: Slots,
}

impl Plan {
    /// The slot of a bit.
    pub(crate) fn slot_name(&self, bit: u8) -> &'static str {
        (self.slots.0.get(usize::from(bit))).map_or("", |(slot, _)| slot.name)
    }

    /// An access to slots that the plan has; none where it lacks one.
    pub(crate) fn access<C: Clauses>(&self) -> Option<Access<'static, C>> {
        Access::of(self.id, Box::default(), |slot| self.slots.find(slot))
    }

    /// The first of these slots that the frame does not hold.
    pub(crate) fn first_missing(&self, frame: &Frame, slots: u64) -> Option<&'static str> {
        let missing = slots & !frame.present.get();
        (missing != 0).then(|| self.slot_name(missing.trailing_zeros() as u8))
    }
}

/// What a step, or a continuation, with the clauses `C` may reach.
///
/// The clauses are invariant, so that no other type passes for them.
pub(crate) struct Access<'r, C> {
    pub(super) reach: Reach<'r>,
    clauses: PhantomData<fn(C) -> C>,
}

/// The places of some clauses' slots and the indices of their resources.
pub(crate) struct Reach<'r> {
    pub(super) plan: PlanId,
    pub(super) places: Held<'r, Place>,
    pub(super) resources: Held<'r, u16>,
    reads: u64,
    writes: u64,
}

/// A list that a route owns or that lies in a request's arena. Both say where in the same words of
/// memory, so reading it costs no question which one it is.
pub(super) enum Held<'r, T> {
    Owned(Box<[T]>),
    Lent(&'r [T]),
}

impl<T> Deref for Held<'_, T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        match self {
            Held::Owned(list) => list,
            Held::Lent(list) => list,
        }
    }
}

impl<'r, C: Clauses> Access<'r, C> {
    fn of(
        plan: PlanId,
        resources: Box<[u16]>,
        place: impl FnMut(&SlotMeta) -> Option<Place>,
    ) -> Option<Access<'static, C>> {
        let mut slots = Vec::new();
        C::Reads::metas(&mut slots);
        C::Writes::metas(&mut slots);
        let places: Option<_> = slots.iter().map(place).collect();
        let (places, resources) = (Held::Owned(places?), Held::Owned(resources));
        Some(Access::with(plan, places, resources))
    }

    fn with(plan: PlanId, places: Held<'r, Place>, resources: Held<'r, u16>) -> Access<'r, C> {
        let (reads, writes) = places.split_at(C::Reads::COUNT);
        Access {
            reach: Reach {
                plan,
                reads: bits_of(reads),
                writes: bits_of(writes),
                places,
                resources,
            },
            clauses: PhantomData,
        }
    }

    /// The same without its clauses' type.
    pub(crate) fn reach(&self) -> &Reach<'r> {
        &self.reach
    }
}

impl Reach<'_> {
    /// The bits of the slots it reads, then of those it writes, in the order of its clauses.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u64> + '_ {
        (self.places.iter()).map(|place| 1_u64.unbounded_shl(place.bit.into()))
    }

    /// The bits of the slots it reads.
    pub(crate) fn reads(&self) -> u64 {
        self.reads
    }

    /// The bits of the slots it writes.
    pub(crate) fn writes(&self) -> u64 {
        self.writes
    }
}

impl<'r, C: Clauses> Window<'r, C> {
    /// The access of a continuation with the clauses `D`, all of which are among the step's own; its
    /// lists lie in the request's arena.
    pub(crate) fn lend<D, I, J, K>(&self) -> Access<'r, D>
    where
        D: Clauses,
        C::Reads: Concat<C::Writes>,
        D::Reads: ReadsThere<Joined<C::Reads, C::Writes>, I>,
        D::Writes: WritesThere<C::Writes, J>,
        D::Uses: UsesThere<C::Uses, K>,
    {
        let (arena, own) = (self.arena(), self.reach);
        let mut places = arena.room(D::Reads::COUNT + D::Writes::COUNT);
        // A step's places are those of its `Reads`, then those of its `Writes`: positions in both
        // together are positions in its places.
        D::Reads::each(&mut |index| places.push(own.places[index]));
        D::Writes::each(&mut |index| places.push(own.places[C::Reads::COUNT + index]));
        let mut resources = arena.room(D::Uses::COUNT);
        D::Uses::each(&mut |index| resources.push(own.resources[index]));
        let places = Held::Lent(places.into_bump_slice());
        let resources = Held::Lent(resources.into_bump_slice());
        Access::with(own.plan, places, resources)
    }
}

fn bits_of(places: &[Place]) -> u64 {
    (places.iter()).fold(0, |bits, place| {
        bits | 1_u64.unbounded_shl(place.bit.into())
    })
}

/// Lays out the slots of a route, step by step, behind the request.
pub(crate) struct PlanBuilder {
    id: PlanId,
    layout: Layout,
    slots: Slots,
}

/// Slots and their places; the place of a slot has its index as its bit.
#[derive(Default)]
struct Slots(Vec<(SlotMeta, Place)>);

impl Slots {
    fn find(&self, slot: &SlotMeta) -> Option<Place> {
        let found = self.0.iter().find(|(known, _)| known.is(slot));
        found.map(|(_, place)| *place)
    }

    fn find_or_add(&mut self, slot: &SlotMeta, layout: &mut Layout) -> Place {
        if let Some(place) = self.find(slot) {
            return place;
        }
        let (extended, offset) =
            (layout.extend(slot.layout)).expect("slots take less than the address space");
        *layout = extended;
        // Both saturate only in a plan that `build` refuses.
        let place = Place {
            offset: u16::try_from(offset).unwrap_or(u16::MAX),
            bit: u8::try_from(self.0.len()).unwrap_or(u8::MAX),
        };
        self.0.push((*slot, place));
        place
    }
}

/// Why a plan cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlanRefusal {
    /// More than [`SLOTS_MAX`] slots.
    TooManySlots { count: usize },
    /// The values take more than [`FRAME_BYTES_MAX`].
    TooLarge { bytes: usize },
}

impl PlanBuilder {
    pub(crate) fn new() -> PlanBuilder {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: the numbers need only differ.
        let id = NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed));
        PlanBuilder {
            id: PlanId(id.expect("no process builds 2^64 plans")),
            layout: REQUEST,
            slots: Slots::default(),
        }
    }

    /// The access of a step with these clauses. `resources` are the indices of `C::Uses`, in order.
    pub(crate) fn access<C: Clauses>(&mut self, resources: Box<[u16]>) -> Access<'static, C> {
        let (id, slots, layout) = (self.id, &mut self.slots, &mut self.layout);
        Access::of(id, resources, |slot| Some(slots.find_or_add(slot, layout)))
            .expect("a slot that is not there is added")
    }

    /// The plan of all slots that were asked for. A refused plan has accesses, but no frame ever
    /// begins with it, so none of them opens a window.
    pub(crate) fn build(self) -> Result<Plan, PlanRefusal> {
        if self.slots.0.len() > SLOTS_MAX {
            return Err(PlanRefusal::TooManySlots {
                count: self.slots.0.len(),
            });
        }
        let layout = self.layout.pad_to_align();
        let bytes = layout.size() - REQUEST.size();
        if bytes > FRAME_BYTES_MAX {
            return Err(PlanRefusal::TooLarge { bytes });
        }
        Ok(Plan {
            id: self.id,
            layout,
            slots: self.slots,
        })
    }
}

/// How many slots a route may have: presence is a bit.
pub(crate) const SLOTS_MAX: usize = 64;

/// How many bytes the slots of a route may take: an offset is 16 bits, and the request comes first.
pub(crate) const FRAME_BYTES_MAX: usize = u16::MAX as usize - REQUEST.size();

/// What a block begins with.
const REQUEST: Layout = Layout::new::<Request<'static>>();
