//! Tickets: index and generation, so that a late completion cannot hit a reused slot.
//!
//! A ticket is what stands in an SQE's `user_data`. Its index names a slot of a table, its
//! generation says which tenant of that slot is meant. A slot's generation moves on when the slot is
//! freed, so a completion that arrives after that is recognised as stale, counted and dropped.

use std::num::NonZeroU32;

/// Names one tenant of one slot of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    index: u32,
    generation: NonZeroU32,
}

impl Ticket {
    /// The ticket of the tenant `generation` of slot `index`.
    pub const fn new(index: u32, generation: NonZeroU32) -> Ticket {
        Ticket { index, generation }
    }

    /// The slot.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The tenant.
    pub const fn generation(self) -> NonZeroU32 {
        self.generation
    }

    /// As it stands in `user_data`; never zero.
    pub const fn to_bits(self) -> u64 {
        (self.generation.get() as u64) << 32 | self.index as u64
    }

    /// The reverse of [`to_bits`](Ticket::to_bits); none where the generation half is zero.
    pub const fn from_bits(bits: u64) -> Option<Ticket> {
        match NonZeroU32::new((bits >> 32) as u32) {
            Some(generation) => Some(Ticket {
                index: bits as u32,
                generation,
            }),
            None => None,
        }
    }
}
