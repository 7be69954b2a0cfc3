//! What the ready queue has counted: plain numbers, read whenever somebody wants them.

use crate::{CLASSES_MAX, ClassId};

/// Counters of a [`ReadyQueue`](crate::ReadyQueue) since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    classes: [ClassStats; CLASSES_MAX],
    /// The most items that ever waited at once, over all classes.
    pub depth_peak: usize,
}

impl QueueStats {
    /// The counters of one class; all zero for one the queue's table does not have.
    pub fn class(&self, id: ClassId) -> &ClassStats {
        &self.classes[id.index()]
    }

    /// The counters of all classes together.
    pub fn total(&self) -> ClassStats {
        (self.classes.iter()).fold(ClassStats::default(), |sum, class| ClassStats {
            pushed_count: sum.pushed_count + class.pushed_count,
            ordered_count: sum.ordered_count + class.ordered_count,
            popped_count: sum.popped_count + class.popped_count,
            expired_count: sum.expired_count + class.expired_count,
            rejected_count: sum.rejected_count + class.rejected_count,
        })
    }

    pub(crate) fn class_mut(&mut self, index: usize) -> &mut ClassStats {
        &mut self.classes[index]
    }
}

/// Counters of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassStats {
    /// Items taken in, whichever way.
    pub pushed_count: u64,
    /// Those of them that went to the side structure instead of the class's FIFO.
    pub ordered_count: u64,
    /// Items given out.
    pub popped_count: u64,
    /// Those of them whose deadline had passed.
    pub expired_count: u64,
    /// Items refused and handed back because the queue was full.
    pub rejected_count: u64,
}

impl ClassStats {
    /// How many items of the class wait now.
    pub fn depth(&self) -> u64 {
        self.pushed_count - self.popped_count
    }
}
