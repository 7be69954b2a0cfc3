//! One large body, sent from where it lies.

use std::mem;
use std::ops::Deref;
use std::panic::{self, AssertUnwindSafe};

use bytes::Bytes;

/// Bytes that are shared with whoever made them, until they have left.
///
/// Their owner may be anything (see [`Bytes::from_owner`]), so giving them back may run code that is
/// not ours. A panic in it is caught: by then it is nobody's request, and a shard must not die of it.
///
/// Most replies have none: that costs one comparison.
#[derive(Clone, Debug, Default)]
pub struct Payload(Option<Bytes>);

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Payload {
        Payload(Some(bytes))
    }
}

impl Deref for Payload {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Drop for Payload {
    #[inline]
    fn drop(&mut self) {
        if let Some(bytes) = self.0.take() {
            give_back(bytes);
        }
    }
}

fn give_back(bytes: Bytes) {
    let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| drop(bytes))) else {
        return;
    };
    // What a panic carries may panic when it is dropped, too; then it is left where it is.
    if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(again);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Counts its drop, and panics with something whose drop panics.
    struct Owner(Arc<AtomicU32>, &'static [u8]);

    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            self.1
        }
    }

    impl Drop for Owner {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            // Not `panic!`: the hook would print it.
            panic::resume_unwind(Box::new(Bomb));
        }
    }

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic::resume_unwind(Box::new("what a panic carries"));
        }
    }

    #[test]
    fn an_owner_that_panics_is_dropped_once_and_nobody_else_is_hurt() {
        for content in [&b"content"[..], b""] {
            let drop_count = Arc::new(AtomicU32::new(0));
            let owner = Owner(Arc::clone(&drop_count), content);
            let payload = Payload::from(Bytes::from_owner(owner));
            let shared = payload.clone();
            drop(payload);
            assert_eq!(&*shared, content);
            drop(shared);
            assert_eq!(drop_count.load(Ordering::Relaxed), 1);
        }
    }
}
