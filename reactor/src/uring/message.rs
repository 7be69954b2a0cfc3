//! The `msghdr` of a send in two pieces.
//!
//! The kernel copies it when the SQE is submitted, which may be well after it was queued, so it has a
//! place of its own that does not move when the table of operations grows. Messages are used again:
//! none is allocated once as many exist as sends are in flight.
//!
//! Only plain data and raw pointers that nothing here follows; whoever submits the message answers
//! for what they point to. The one unsafe operation is zeroing a C struct. Invariants:
//! 1. All zeros is a valid `msghdr`: integers and null pointers.

use std::mem::MaybeUninit;

/// A `msghdr` with its two pieces.
pub(super) struct Message {
    header: libc::msghdr,
    pieces: [libc::iovec; 2],
}

impl Message {
    /// Points at `head` and `body`, in this order, and gives what the SQE takes.
    pub(super) fn point_at(&mut self, head: &[u8], body: &[u8]) -> *const libc::msghdr {
        for (piece, bytes) in self.pieces.iter_mut().zip([head, body]) {
            piece.iov_base = bytes.as_ptr().cast_mut().cast();
            piece.iov_len = bytes.len();
        }
        self.header.msg_iov = self.pieces.as_mut_ptr();
        self.header.msg_iovlen = self.pieces.len() as _;
        &raw const self.header
    }
}

/// Messages that are not in use.
#[derive(Default)]
pub(super) struct Messages {
    // Boxed, for a message in flight must not move with its Vec.
    #[expect(clippy::vec_box, reason = "a message must keep its address")]
    spare: Vec<Box<Message>>,
}

impl Messages {
    pub(super) fn take(&mut self) -> Box<Message> {
        self.spare.pop().unwrap_or_else(|| {
            let header = MaybeUninit::zeroed();
            Box::new(Message {
                // SAFETY: invariant 1.
                header: unsafe { header.assume_init() },
                pieces: [libc::iovec {
                    iov_base: std::ptr::null_mut(),
                    iov_len: 0,
                }; 2],
            })
        })
    }

    pub(super) fn give_back(&mut self, message: Box<Message>) {
        self.spare.push(message);
    }
}
