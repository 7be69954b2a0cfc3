//! The one seed of a process, from the kernel's randomness.
//!
//! What must differ between two runs of a server begins here: names of requests. The simulation takes
//! its seed instead, so that a run can be repeated.

use std::hash::{BuildHasher, RandomState};

/// Numbers that another process does not draw, but for a chance of 2^-128.
///
/// They make names differ. They are not meant for keys: whoever sees enough of what was made from them
/// may guess the rest.
pub fn process_seed() -> [u64; 2] {
    // The standard library asks the kernel once a thread for the keys of its hash maps, and has no
    // other safe way to the kernel's randomness. A hash of nothing is a number made of those keys.
    [(); 2].map(|()| RandomState::new().hash_one(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_seeds_are_alike() {
        let [first, second] = process_seed();
        assert_ne!(first, second);
        let elsewhere = std::thread::spawn(process_seed).join();
        assert_ne!(elsewhere.ok(), Some([first, second]));
        assert_ne!(process_seed(), [first, second]);
    }
}
