//! What comes next from somewhere, as one number: the pick is a minimum, not a search.

use crate::class::{CLASSES_MAX, ClassId};
use crate::time::Nanos;

/// A deadline, where in its class the item lies, and the class; ordered by these three in turn.
///
/// The low five bits hold the last two, so 59 are left for the deadline: those 18 years and more
/// away count as equal.
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
const SOURCE_BITS: u32 = 2;
const LAST: u64 = (u64::MAX >> (CLASS_BITS + SOURCE_BITS)) - 1;

impl Due {
    /// Later than every deadline.
    pub(super) const NOTHING: Due = Due(u64::MAX);

    pub(super) fn new(deadline: Nanos, source: Source, class: ClassId) -> Due {
        let place = (source as u64) << CLASS_BITS | class.index() as u64;
        Due(deadline.as_u64().min(LAST) << (SOURCE_BITS + CLASS_BITS) | place)
    }

    /// The class and the place in it; none for [`NOTHING`](Due::NOTHING).
    pub(super) fn parts(self) -> Option<(ClassId, Source)> {
        if self == Due::NOTHING {
            return None;
        }
        let source = match self.0 >> CLASS_BITS & 3 {
            0 => Source::Calendar,
            1 => Source::Outside,
            _ => Source::Fifo,
        };
        Some((ClassId::at(self.0 as usize % CLASSES_MAX), source))
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
