//! Which slots a step has touched: a debug build's own memory, nothing at all in a release build.

#[cfg(debug_assertions)]
use std::cell::Cell;

/// The bits of the slots that were read, written or promised to an effect since they were last taken.
#[derive(Default)]
pub(crate) struct Touched {
    #[cfg(debug_assertions)]
    bits: Cell<u64>,
}

impl Touched {
    /// A slot is touched.
    #[inline(always)]
    pub(super) fn note(&self, bit: u8) {
        #[cfg(debug_assertions)]
        self.bits.set(self.bits.get() | 1 << bit);
        #[cfg(not(debug_assertions))]
        let _ = bit;
    }

    /// What was touched, which is forgotten with this.
    #[inline(always)]
    pub(crate) fn take(&self) -> u64 {
        #[cfg(debug_assertions)]
        return self.bits.take();
        #[cfg(not(debug_assertions))]
        0
    }
}
