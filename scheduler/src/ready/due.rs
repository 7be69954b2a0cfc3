//! What comes next from somewhere, as one number: the pick is a minimum, not a search.

use crate::class::{CLASSES_MAX, ClassId};
use crate::time::Nanos;

/// A deadline, where in its class the item lies, and the class; ordered by these three in turn.
///
/// The last two take the place of the deadline's low five bits, so deadlines less than 32 ns apart
/// may count as equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due(u64);

/// Where in its class an item lies. On a tie the earlier variant wins: resumed work has work
/// invested in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Calendar = 0,
    Outside = 1,
    Fifo = 2,
}

const CLASS_BITS: u32 = CLASSES_MAX.ilog2();
const PLACE_MASK: u64 = (1 << (CLASS_BITS + 2)) - 1;

impl Due {
    /// Later than every deadline: no item has all five bits set.
    pub(super) const NOTHING: Due = Due(u64::MAX);

    pub(super) fn new(deadline: Nanos, source: Source, class: ClassId) -> Due {
        let place = (source as u64) << CLASS_BITS | class.index() as u64;
        Due(deadline.as_u64() & !PLACE_MASK | place)
    }

    /// The class; none for [`NOTHING`](Due::NOTHING).
    pub(super) fn class(self) -> Option<ClassId> {
        (self != Due::NOTHING).then(|| ClassId::at(self.0 as usize % CLASSES_MAX))
    }

    /// Where in its class the item lies.
    pub(super) fn source(self) -> Source {
        match (self.0 & PLACE_MASK) >> CLASS_BITS {
            0 => Source::Calendar,
            1 => Source::Outside,
            _ => Source::Fifo,
        }
    }

    /// The least of one of each class, as a tree: three comparisons deep, and no branch that could
    /// be mispredicted.
    pub(super) fn earliest(classes: &[Due; CLASSES_MAX]) -> Due {
        let [a, b, c, d, e, f, g, h] = *classes;
        (a.or(b).or(c.or(d))).or(e.or(f).or(g.or(h)))
    }

    /// The less of two.
    pub(super) fn or(self, other: Due) -> Due {
        Due(self.0.min(other.0))
    }
}
