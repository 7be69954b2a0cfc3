//! A bounded ring between two threads whose ends own it together.
//!
//! `heapless::spsc` is the ring; its two ends borrow it. Here each end also holds an `Arc` of the
//! ring, so that they can live in different structures on different threads. Safe code can only leak
//! the ring for that, once for every worker ever started.
//!
//! Invariants:
//! 1. The queue's pointer comes from `Box::into_raw` and is given back to a box once, by the `Drop` of
//!    the one `Owner` that holds it.
//! 2. An end holds an `Arc<Owner>` and declares it after the borrowing half, so that the queue outlives
//!    the half. The half is private and never handed out.
//! 3. `split` is called once, before anybody else can see the queue: one producer, one consumer.
//! 4. Nobody uses the owner's pointer while an end lives; it only frees.

use std::ptr::NonNull;
use std::sync::Arc;

use heapless::spsc::{Consumer, Producer, Queue};

/// How many slots a ring has; one stays empty.
pub(super) const RING_LEN: usize = 256;

/// The end that sends.
pub(super) struct Sender<T: Send + 'static> {
    producer: Producer<'static, T>,
    _owner: Arc<Owner<T>>,
}

/// The end that receives.
pub(super) struct Receiver<T: Send + 'static> {
    consumer: Consumer<'static, T>,
    _owner: Arc<Owner<T>>,
}

/// A ring's two ends.
pub(super) fn ring<T: Send + 'static>() -> (Sender<T>, Receiver<T>) {
    let queue = NonNull::from(Box::leak(Box::new(Queue::new())));
    let owner = Arc::new(Owner { queue });
    let mut borrowed = queue;
    // SAFETY: invariants 1, 2 and 3: alive until both ends are gone, and not aliased.
    let queue: &'static mut Queue<T, RING_LEN> = unsafe { borrowed.as_mut() };
    let (producer, consumer) = queue.split();
    let sender = Sender {
        producer,
        _owner: owner.clone(),
    };
    let receiver = Receiver {
        consumer,
        _owner: owner,
    };
    (sender, receiver)
}

impl<T: Send + 'static> Sender<T> {
    /// Sends, or hands the value back where the ring is full.
    pub(super) fn try_send(&mut self, value: T) -> Result<(), T> {
        self.producer.enqueue(value)
    }
}

impl<T: Send + 'static> Receiver<T> {
    /// The oldest value.
    pub(super) fn try_recv(&mut self) -> Option<T> {
        self.consumer.dequeue()
    }

    /// Whether a value is there. Its loads are relaxed: order them with a fence where that matters.
    pub(super) fn is_ready(&self) -> bool {
        self.consumer.ready()
    }
}

struct Owner<T> {
    queue: NonNull<Queue<T, RING_LEN>>,
}

// SAFETY: invariant 4: the pointer is only used to free, by whichever thread drops the last end; the
// values that are freed with the queue are `Send`.
unsafe impl<T: Send> Send for Owner<T> {}
// SAFETY: as above; nothing can be done through a shared owner.
unsafe impl<T: Send> Sync for Owner<T> {}

impl<T> Drop for Owner<T> {
    fn drop(&mut self) {
        // SAFETY: invariants 1 and 4.
        drop(unsafe { Box::from_raw(self.queue.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The same as a bounded `VecDeque`, also once one end is gone.
        #[test]
        fn behaves_as_a_bounded_queue(
            sends in prop::collection::vec(any::<Option<Box<u32>>>(), 0..600),
        ) {
            let (mut sender, mut receiver) = ring();
            let mut twin = VecDeque::new();
            for step in sends {
                match step {
                    Some(value) if twin.len() < RING_LEN - 1 => {
                        twin.push_back(value.clone());
                        prop_assert_eq!(sender.try_send(value), Ok(()));
                    }
                    Some(value) => prop_assert_eq!(sender.try_send(value.clone()), Err(value)),
                    None => prop_assert_eq!(receiver.try_recv(), twin.pop_front()),
                }
                prop_assert_eq!(receiver.is_ready(), !twin.is_empty());
            }
            drop(sender);
            prop_assert_eq!(receiver.try_recv(), twin.pop_front());
        }
    }

    #[test]
    fn what_nobody_received_is_dropped_once() {
        let value = Arc::new(());
        let (mut sender, receiver) = ring();
        for _ in 0..5 {
            sender.try_send(value.clone()).unwrap();
        }
        drop(receiver);
        assert_eq!(Arc::strong_count(&value), 6);
        drop(sender);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn values_cross_threads_in_order() {
        let count = if cfg!(miri) { 500 } else { 100_000 };
        let (mut sender, mut receiver) = ring();
        let sending = std::thread::spawn(move || {
            for number in 0..count {
                let mut boxed = Box::new(number);
                while let Err(refused) = sender.try_send(boxed) {
                    boxed = refused;
                    std::thread::yield_now();
                }
            }
        });
        for number in 0..count {
            let received = loop {
                match receiver.try_recv() {
                    Some(value) => break value,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(*received, number);
        }
        sending.join().unwrap();
    }
}
