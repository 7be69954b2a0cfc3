//! Where a request's bytes and borrowed values live, and what its end owes: a bump arena and its lists,
//! which stay where they are.
//!
//! A frame keeps references into its arena across moves of the frame, for a slab may move its
//! entries. Safe code was not enough: a `Bump` held by value would move with the frame, and a
//! `Box<Bump>` claims its content anew with every move, which ends the references that steps hold.
//! One indirection, paid once a shard and request slot, never per request.
//!
//! # Invariants
//! 1. `OwnedArena::at` comes from `Box::into_raw`, is freed in `drop` only, and is never handed out.
//! 2. `reset` and `drop` take the owner mutably or by value: no reference made through
//!    `OwnedArena::ground` is alive then.
//! 3. Octets that are all ASCII are UTF-8, by its definition.

use std::fmt;
use std::ptr::NonNull;

use bumpalo::Bump;

use super::frame::Endings;

/// A request's arena. What it gives lives until the request ends and is never dropped.
///
/// # Complexity
/// A few instructions an allocation. A request that fits what the arena has kept from earlier ones
/// never reaches the heap.
#[repr(transparent)]
pub struct Arena(Bump);

impl Arena {
    /// A copy of the text.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// slot!(pub Greeting<'r>: &'r str);
    ///
    /// fn greet(cx: &mut Cx<Writes<Greeting>>) {
    ///     let greeting = cx.arena().text("hello");
    ///     cx.put(Greeting, greeting);
    /// }
    /// ```
    #[inline]
    pub fn text(&self, text: &str) -> &str {
        self.0.alloc_str(text)
    }

    /// Formats straight into the arena.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// slot!(pub Greeting<'r>: &'r str);
    ///
    /// fn greet(cx: &mut Cx<Writes<Greeting>>) {
    ///     let greeting = cx.arena().format(format_args!("hello, {}", cx.param("name")));
    ///     cx.put(Greeting, greeting);
    /// }
    /// ```
    pub fn format(&self, arguments: fmt::Arguments<'_>) -> &str {
        if let Some(fixed) = arguments.as_str() {
            return fixed;
        }
        let mut text = bumpalo::collections::String::new_in(&self.0);
        // Writing to a string fails only where a value's own `Display` does; what it wrote stays.
        let _ = fmt::Write::write_fmt(&mut text, arguments);
        text.into_bump_str()
    }

    /// A copy of the values. They are `Copy` because an arena drops nothing.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// slot!(pub Steps<'r>: &'r [i64]);
    ///
    /// fn steps(cx: &mut Cx<Writes<Steps>>) {
    ///     let steps = cx.arena().slice(&[1, 2, 3]);
    ///     cx.put(Steps, steps);
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(steps).slot(Steps, |steps| steps.len()), Some(3));
    /// ```
    #[inline]
    pub fn slice<T: Copy>(&self, values: &[T]) -> &[T] {
        self.0.alloc_slice_copy(values)
    }

    /// Keeps a value.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// slot!(pub Large<'r>: &'r [u8; 1024]);
    ///
    /// fn fill(cx: &mut Cx<Writes<Large>>) {
    ///     let large = cx.arena().value([0; 1024]);
    ///     cx.put(Large, large);
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(fill).slot(Large, |large| large[7]), Some(0));
    /// ```
    #[inline]
    pub fn value<T: Copy>(&self, value: T) -> &T {
        self.0.alloc(value)
    }

    /// Keeps the values an iterator gives.
    #[inline]
    pub(crate) fn collect<T: Copy>(&self, values: impl ExactSizeIterator<Item = T>) -> &[T] {
        self.0.alloc_slice_fill_iter(values)
    }

    /// An empty list with room for so many values.
    #[inline]
    pub(crate) fn room<T>(&self, count: usize) -> bumpalo::collections::Vec<'_, T> {
        bumpalo::collections::Vec::with_capacity_in(count, &self.0)
    }

    /// The arena beneath, for what grows in place.
    #[inline]
    pub(crate) fn bump(&self) -> &Bump {
        &self.0
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("allocated_bytes", &self.0.allocated_bytes())
            .finish()
    }
}

/// What a request stands on.
pub(super) struct Ground {
    pub(super) arena: Arena,
    pub(super) endings: Endings,
}

/// Owns an arena at an address that no move changes.
pub(crate) struct OwnedArena {
    at: NonNull<Ground>,
    capacity_bytes: usize,
}

impl OwnedArena {
    /// An arena with room for `capacity_bytes`.
    pub(crate) fn with_capacity(capacity_bytes: usize) -> OwnedArena {
        let ground = Box::new(Ground {
            arena: Arena(Bump::with_capacity(capacity_bytes)),
            endings: Endings::default(),
        });
        OwnedArena {
            at: NonNull::from(Box::leak(ground)),
            capacity_bytes,
        }
    }

    /// The arena, while nobody resets it.
    #[inline]
    pub(crate) fn arena(&self) -> &Arena {
        &self.ground().arena
    }

    /// The arena, and what the end of its request owes.
    #[inline]
    pub(super) fn ground(&self) -> &Ground {
        // SAFETY: by 1 it is there, by 2 nobody holds it mutably while `self` is borrowed.
        unsafe { self.at.as_ref() }
    }

    /// Forgets everything, keeps the memory; unless one request has grown it past
    /// [`KEPT_FACTOR_MAX`] times what it began with.
    #[inline]
    pub(crate) fn reset(&mut self) {
        // SAFETY: by 1 it is there, by 2 this is the only reference.
        let Ground { arena, .. } = unsafe { self.at.as_mut() };
        arena.0.reset();
        if arena.0.chunk_capacity() > self.capacity_bytes * KEPT_FACTOR_MAX {
            arena.0 = Bump::with_capacity(self.capacity_bytes);
        }
    }
}

impl Drop for OwnedArena {
    fn drop(&mut self) {
        // SAFETY: by 1 the pointer is a leaked box that nothing else frees.
        drop(unsafe { Box::from_raw(self.at.as_ptr()) });
    }
}

/// The octets as text where they lie; none unless each of them is ASCII and plain.
///
/// Safe code looks at them twice: for what is not plain, then for UTF-8, whose check takes 70
/// instructions for the four digits of a path. This is two an octet.
#[inline]
pub(super) fn plain_text(octets: &[u8], is_plain: impl Fn(u8) -> bool) -> Option<&str> {
    let all_plain = octets
        .iter()
        .all(|&octet| octet.is_ascii() && is_plain(octet));
    // SAFETY: by 3.
    all_plain.then(|| unsafe { std::str::from_utf8_unchecked(octets) })
}

/// How many times its first size an arena may keep after a request. One large body must not hold a
/// request slot's memory for ever; anything smaller would allocate again for every large request.
const KEPT_FACTOR_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_outlast_moves_of_the_owner() {
        let owned = OwnedArena::with_capacity(64);
        let address = std::ptr::from_ref(owned.arena());
        owned.arena().text("before");
        let moved = Box::new(owned);
        assert_eq!(address, std::ptr::from_ref(moved.arena()));
    }

    #[test]
    fn keeps_its_memory_but_not_a_giant() {
        let mut owned = OwnedArena::with_capacity(1024);
        let first = owned.arena().bump().chunk_capacity();
        owned.arena().slice(&[0_u8; 512]);
        owned.reset();
        assert_eq!(owned.arena().bump().chunk_capacity(), first);
        owned.arena().slice(&vec![0_u8; 4096]);
        owned.reset();
        assert!(
            owned.arena().bump().chunk_capacity() >= 4096,
            "a larger one is kept"
        );
        owned.arena().slice(&vec![0_u8; 1 << 20]);
        owned.reset();
        assert!(
            owned.arena().bump().chunk_capacity() <= first,
            "a giant one is not"
        );
    }

    proptest! {
        #[test]
        fn plain_text_is_what_is_plain_and_utf_8(octets in vec(any::<u8>(), 0..8)) {
            let is_plain = |octet| octet != b'%';
            let twin = (octets.iter().all(|octet| octet.is_ascii() && *octet != b'%'))
                .then(|| std::str::from_utf8(&octets).unwrap());
            prop_assert_eq!(plain_text(&octets, is_plain), twin);
        }
    }

    #[test]
    fn formats_in_place() {
        let owned = OwnedArena::with_capacity(64);
        assert_eq!(
            owned.arena().format(format_args!("{} {}", 1, "two")),
            "1 two"
        );
        assert_eq!(owned.arena().format(format_args!("fixed")), "fixed");
    }
}
