//! What will happen, in the order in which it will.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use cutaway_scheduler::Nanos;

use crate::ring::Errno;

use super::operation::Armed;
use super::random::Stream;

/// Something that happens at a moment of virtual time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A connection reaches its listener's backlog.
    Connect(usize),
    /// Bytes or FIN of the client reach the server.
    Deliver(usize),
    /// Bytes or FIN of the server reach the client.
    Depart(usize),
    /// The client's RST reaches the server.
    Reset(usize),
    /// The kernel tries a listener's accept.
    TryAccept(usize),
    /// The kernel tries a connection's receive.
    TryReceive(usize),
    /// The kernel tries a send that waited for room.
    TrySend(usize),
    /// A cancelled accept ends.
    CancelAccept(usize, Armed),
    /// A cancelled receive ends.
    CancelReceive(usize, Armed),
    /// An operation that was performed earlier completes.
    Post(Entry),
    /// One period is over; the number says of which arming.
    Heartbeat(u64),
    /// The timer fires; the number says of which arming.
    Timer(u64),
    /// Somebody's wake arrives.
    Wake,
    /// A worker has something to do.
    Work(usize),
}

/// An entry of the completion queue.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    /// Of an operation in the table. Without `more` it is that operation's last.
    Operation {
        armed: Armed,
        result: Result<Done, Errno>,
        more: bool,
    },
    /// A period of that arming is over.
    Heartbeat(u64),
    /// The timer of that arming has fired.
    Timer(u64),
    /// A wake arrived.
    Woken,
}

/// What an operation achieved.
#[derive(Clone, Copy, Debug)]
pub(super) enum Done {
    /// A connection was accepted under this descriptor.
    Accepted(i32),
    /// A buffer holds so many received bytes.
    Received { buffer: u16, len: u32 },
    /// FIN was received.
    End,
    /// So many bytes were sent.
    Sent(usize),
    /// The descriptor is closed.
    Closed,
    /// The operation's last completion once more.
    Repeated,
}

/// Events by their moment; those of one moment in a seeded order, or in that of their planning.
#[derive(Debug)]
pub(super) struct Agenda {
    // A heap of keys beside a slab would move less, but events are small and few.
    heap: BinaryHeap<Reverse<Planned>>,
    order: Option<Stream>,
    planned_count: u64,
}

impl Agenda {
    pub(super) fn new(order: Option<Stream>) -> Agenda {
        Agenda {
            heap: BinaryHeap::new(),
            order,
            planned_count: 0,
        }
    }

    pub(super) fn plan(&mut self, at: Nanos, event: Event) {
        self.planned_count += 1;
        self.heap.push(Reverse(Planned {
            at,
            tie: self.order.as_mut().map_or(0, Stream::draw),
            serial: self.planned_count,
            event,
        }));
    }

    /// The moment of the next event.
    pub(super) fn next_at(&self) -> Option<Nanos> {
        self.heap.peek().map(|Reverse(planned)| planned.at)
    }

    /// The next event, where its moment is not after `limit`.
    pub(super) fn take(&mut self, limit: Nanos) -> Option<(Nanos, Event)> {
        if self.next_at()? > limit {
            return None;
        }
        let Reverse(planned) = self.heap.pop()?;
        Some((planned.at, planned.event))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.heap.iter().map(|Reverse(planned)| &planned.event)
    }
}

#[derive(Debug)]
struct Planned {
    at: Nanos,
    tie: u64,
    serial: u64,
    event: Event,
}

impl Planned {
    fn key(&self) -> (Nanos, u64, u64) {
        (self.at, self.tie, self.serial)
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Planned) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Planned) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Planned) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
