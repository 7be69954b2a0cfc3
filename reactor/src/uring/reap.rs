//! From the kernel's completions to the shard's.

use io_uring::cqueue;

use super::target::Target;
use super::{Operation, SocketState, Uring};
use crate::Ticket;
use crate::ring::{Completion, Errno, Received, Socket};

impl Uring {
    /// What a CQE says; none where it says nothing to the shard.
    #[inline]
    pub(super) fn completion(&mut self, entry: &cqueue::Entry) -> Option<Completion> {
        let result = entry.result();
        let more = cqueue::more(entry.flags());
        match Target::from_bits(entry.user_data()) {
            Some(Target::Operation(ticket)) => self.operation_completion(ticket, entry),
            Some(Target::Waker) => {
                self.is_waker_watched = more;
                Some(Completion::Woken)
            }
            Some(Target::Heartbeat(arming)) if arming == self.heartbeat.arming => {
                if result == -libc::EINVAL && self.features.multishot_timeout {
                    // Before Linux 6.4; the next enter arms a single one.
                    self.features.multishot_timeout = false;
                }
                if !more {
                    self.heartbeat.armed = None;
                }
                let is_beat = result == -libc::ETIME && self.heartbeat.wanted.is_some();
                is_beat.then_some(Completion::Heartbeat)
            }
            Some(Target::Timer(arming)) if arming == self.timer.arming => {
                // One that was replaced since the last enter fires for nobody.
                let fired = self.timer.armed.take();
                if result != -libc::ETIME || fired != self.timer.wanted {
                    return None;
                }
                self.timer.wanted = None;
                Some(Completion::Timer)
            }
            // A timeout that was replaced, or the answer to a cancel that found nothing.
            Some(Target::Heartbeat(_) | Target::Timer(_) | Target::Nobody) => None,
            None => {
                self.stale_count += 1;
                None
            }
        }
    }

    #[inline]
    fn operation_completion(
        &mut self,
        ticket: Ticket,
        entry: &cqueue::Entry,
    ) -> Option<Completion> {
        let result = entry.result();
        let more = cqueue::more(entry.flags());
        let Some(operation) = self.operations.find(ticket) else {
            self.stale(entry);
            return None;
        };
        match *operation {
            Operation::Recv { owner, fd } => {
                if !more {
                    self.operations.remove(ticket);
                    self.sockets[fd as usize].recv = None;
                }
                Some(Completion::Received {
                    owner,
                    received: self.received(entry),
                    more,
                })
            }
            Operation::Send { .. } => {
                let Some(Operation::Send {
                    owner,
                    mut buffer,
                    message,
                }) = self.operations.remove(ticket)
                else {
                    unreachable!("it was a send a moment ago");
                };
                if let Some(message) = message {
                    self.messages.give_back(message);
                }
                let result = outcome(result);
                if let Ok(sent_bytes) = result {
                    buffer.sent_bytes += sent_bytes as usize;
                }
                Some(Completion::Sent {
                    owner,
                    buffer,
                    result: result.map(|sent_bytes| sent_bytes as usize),
                })
            }
            Operation::Accept { owner, listener } => {
                if !more {
                    self.operations.remove(ticket);
                    self.listeners[listener.0 as usize].accept = None;
                }
                let ring = self.id;
                let result = outcome(result).map(|fd| {
                    let fd = fd as i32;
                    *self.socket_state(fd) = SocketState {
                        is_open: true,
                        recv: None,
                    };
                    Socket { fd, ring }
                });
                Some(Completion::Accepted {
                    owner,
                    result,
                    more,
                })
            }
            Operation::Close { owner } => {
                self.operations.remove(ticket);
                Some(Completion::Closed { owner })
            }
        }
    }

    #[inline]
    fn received(&mut self, entry: &cqueue::Entry) -> Received {
        let buffer = cqueue::buffer_select(entry.flags());
        match (entry.result(), buffer) {
            (len @ 1.., Some(buffer)) => Received::Bytes(self.buffers.lease(buffer, len as u32)),
            (result, buffer) => {
                if let Some(buffer) = buffer {
                    self.buffers.recycle(buffer);
                }
                match -result {
                    0 => Received::End,
                    libc::ENOBUFS => {
                        self.no_buffers_count += 1;
                        Received::NoBuffers
                    }
                    libc::ECANCELED => Received::Cancelled,
                    errno => Received::Failed(Errno(errno)),
                }
            }
        }
    }

    /// Drops a completion of an operation that has ended, but not what it carries.
    #[cold]
    fn stale(&mut self, entry: &cqueue::Entry) {
        self.stale_count += 1;
        if let Some(buffer) = cqueue::buffer_select(entry.flags()) {
            self.buffers.recycle(buffer);
        }
    }
}

/// A CQE's result as the kernel means it: what is below zero is an errno.
#[inline]
fn outcome(result: i32) -> Result<u32, Errno> {
    u32::try_from(result).map_err(|_| Errno(-result))
}
