//! Seeded randomness.
//!
//! One stream for each concern: a draw more in one of them shifts none of the others, so a change
//! to how latencies are drawn leaves the faults of a seed where they were.

/// A stream of pseudo-random numbers (SplitMix64).
///
/// ```
/// use cutaway_reactor::sim::Stream;
///
/// let (mut one, mut other) = (Stream::new(7, 1), Stream::new(7, 1));
/// assert_eq!(one.draw(), other.draw());
/// assert!(one.below(10) < 10);
/// assert!((3..=5).contains(&one.within(3, 5)));
/// assert!(one.per_mille(1000) && !one.per_mille(0));
/// ```
///
/// # Source
/// Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.
#[derive(Clone, Debug)]
pub struct Stream {
    state: u64,
}

impl Stream {
    /// The stream that `seed` has for the concern `salt`.
    pub const fn new(seed: u64, salt: u64) -> Stream {
        // Mixed twice, so that neighbouring seeds and neighbouring salts share no stretch.
        Stream {
            state: mix(mix(seed) ^ salt.wrapping_mul(STRIDE)),
        }
    }

    /// The next number, all 64 bits of it.
    pub const fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STRIDE);
        mix(self.state)
    }

    /// A number below `bound`.
    ///
    /// # Panics
    /// Where `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is below zero");
        // The bias of a multiplication is below bound / 2^64: nothing that a test could see.
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// A number between the two, both included.
    ///
    /// # Panics
    /// Where `least` is greater than `most`.
    pub fn within(&mut self, least: usize, most: usize) -> usize {
        assert!(least <= most, "nothing lies between {least} and {most}");
        least + self.below((most - least) as u64 + 1) as usize
    }

    /// True `rate` times in a thousand.
    pub fn per_mille(&mut self, rate: u16) -> bool {
        self.below(1000) < u64::from(rate)
    }
}

/// The odd number nearest to 2^64 divided by the golden ratio.
const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_the_published_ones() {
        // Reference output of splitmix64.c for the state 1234567.
        let mut stream = Stream { state: 1_234_567 };
        assert_eq!(stream.draw(), 6_457_827_717_110_365_317);
        assert_eq!(stream.draw(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn salts_part_the_streams_and_bounds_hold() {
        let mut one = Stream::new(7, 1);
        let mut other = Stream::new(7, 2);
        assert_ne!(one.draw(), other.draw());
        for _ in 0..1000 {
            assert!(one.below(3) < 3);
            assert!((4..=6).contains(&one.within(4, 6)));
        }
        assert!((0..1000).all(|_| one.per_mille(1000) && !one.per_mille(0)));
    }
}
