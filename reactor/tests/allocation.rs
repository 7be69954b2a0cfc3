//! Once warm, the ring allocates nothing: not to accept, receive, send or close.
#![expect(
    unsafe_code,
    reason = "an allocator that counts can only be written with it"
)]
#![expect(
    clippy::unwrap_used,
    reason = "what fails here fails the test, also in its helpers"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::num::NonZeroU32;

use bytes::Bytes;
use cutaway_reactor::{
    Completion, ListenerId, ListenerOptions, RealClock, Received, Ring, SendBuffer, Socket, Ticket,
    Uring, UringOptions,
};
use cutaway_scheduler::{Clock, Nanos};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS_COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: hands everything on to the system's allocator; the counter is const and needs no drop, so
// counting neither allocates nor touches a thread-local that is gone.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS_COUNT.set(ALLOCATIONS_COUNT.get() + 1);
        // SAFETY: the caller's own contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's own contract.
        unsafe { System.dealloc(start, layout) };
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        ALLOCATIONS_COUNT.set(ALLOCATIONS_COUNT.get() + 1);
        // SAFETY: the caller's own contract.
        unsafe { System.realloc(start, layout, len) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const OWNER: Ticket = Ticket::new(0, NonZeroU32::MIN);

fn wait_for<T>(ring: &mut Uring, mut wanted: impl FnMut(Completion) -> Option<T>) -> T {
    loop {
        match ring.pop() {
            None => ring.enter(1).unwrap(),
            Some(completion) => {
                if let Some(found) = wanted(completion) {
                    return found;
                }
            }
        }
    }
}

/// One connection from accept to close, with a request and a reply in two pieces.
fn serve_one(ring: &mut Uring, addr: SocketAddr, clock: &RealClock, head: &mut Vec<u8>) {
    let mut client = TcpStream::connect(addr).unwrap();
    let socket: Socket = wait_for(ring, |completion| match completion {
        Completion::Accepted { result, .. } => Some(result.unwrap()),
        _ => None,
    });
    ring.recv(&socket, OWNER);
    // As a shard does: the timer moves with the nearest deadline.
    ring.timer(Some(clock.now() + Nanos::from_secs(60)));
    client.write_all(b"request").unwrap();
    let lease = wait_for(ring, |completion| match completion {
        Completion::Received {
            received: Received::Bytes(lease),
            ..
        } => Some(lease),
        _ => None,
    });
    assert_eq!(ring.bytes(&lease), b"request");
    ring.release(lease);
    head.extend_from_slice(b"head ");
    let reply = SendBuffer {
        head: std::mem::take(head),
        body: Bytes::from_static(b"body").into(),
        sent_bytes: 0,
    };
    ring.send(&socket, OWNER, reply);
    *head = wait_for(ring, |completion| match completion {
        Completion::Sent { buffer, result, .. } => {
            assert_eq!(result, Ok(9));
            Some(buffer.head)
        }
        _ => None,
    });
    head.clear();
    let mut read = [0; 9];
    client.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"head body");
    drop(client);
    wait_for(ring, |completion| match completion {
        Completion::Received { more: false, .. } => Some(()),
        _ => None,
    });
    ring.close(socket, OWNER);
    wait_for(ring, |completion| match completion {
        Completion::Closed { .. } => Some(()),
        _ => None,
    });
}

fn ring_with_listener() -> (Uring, ListenerId) {
    let mut ring = Uring::new(UringOptions::default()).unwrap();
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = ring.listen(anywhere, ListenerOptions::default()).unwrap();
    (ring, listener)
}

#[test]
fn a_warm_ring_allocates_nothing() {
    let (mut ring, listener) = ring_with_listener();
    let addr = ring.listener(listener).unwrap().local_addr().unwrap();
    let clock = RealClock::new();
    let mut head = Vec::with_capacity(64);
    ring.accept(listener, OWNER);
    ring.heartbeat(Some(Nanos::from_millis(1)));
    for _ in 0..3 {
        serve_one(&mut ring, addr, &clock, &mut head);
    }
    let before = ALLOCATIONS_COUNT.get();
    for _ in 0..200 {
        serve_one(&mut ring, addr, &clock, &mut head);
    }
    assert_eq!(ALLOCATIONS_COUNT.get() - before, 0);
    // The counter counts: a box is one.
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(ALLOCATIONS_COUNT.get() - before, 1);
}
