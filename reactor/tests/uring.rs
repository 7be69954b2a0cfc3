//! The real ring on real sockets.
//!
//! Each test owns a ring on its thread and plays the shard; clients are plain blocking sockets of
//! the standard library on loopback.
#![expect(
    clippy::unwrap_used,
    reason = "what fails here fails the test, also in its helpers"
)]

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use bytes::Bytes;
use cutaway_reactor::{
    Completion, ListenerId, ListenerOptions, RealClock, Received, Ring, SendBuffer, Socket, Ticket,
    Uring, UringOptions,
};
use cutaway_scheduler::{Clock, Nanos};

/// A shard that only collects. Its heartbeat ends a test that waits in vain.
struct Shard {
    ring: Uring,
    listener: ListenerId,
    addr: SocketAddr,
    beats_left: u32,
}

impl Shard {
    fn new(options: UringOptions) -> Shard {
        let mut ring = Uring::new(options).unwrap();
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = ring.listen(addr, ListenerOptions::default()).unwrap();
        let addr = ring.listener(listener).unwrap().local_addr().unwrap();
        ring.heartbeat(Some(Nanos::from_millis(10)));
        Shard {
            ring,
            listener,
            addr,
            beats_left: 1_000,
        }
    }

    /// The next completion that is no beat.
    fn next(&mut self) -> Completion {
        loop {
            match self.ring.pop() {
                Some(Completion::Heartbeat) => {
                    self.beats_left = self.beats_left.checked_sub(1).expect("nothing came");
                }
                Some(completion) => return completion,
                None => self.ring.enter(1).unwrap(),
            }
        }
    }

    /// Enters without waiting and checks that nothing but beats has come.
    fn assert_quiet(&mut self) {
        self.ring.enter(0).unwrap();
        while let Some(completion) = self.ring.pop() {
            assert!(
                matches!(completion, Completion::Heartbeat),
                "{completion:?}"
            );
        }
    }

    fn accepted(&mut self) -> (Socket, bool) {
        match self.next() {
            Completion::Accepted {
                owner,
                result: Ok(socket),
                more,
            } => {
                assert_eq!(owner, LISTENER);
                (socket, more)
            }
            other => panic!("{other:?}"),
        }
    }

    /// A connection, both ends.
    fn connect(&mut self) -> (Socket, TcpStream) {
        self.ring.accept(self.listener, LISTENER);
        self.ring.enter(0).unwrap();
        let client = TcpStream::connect(self.addr).unwrap();
        let (socket, more) = self.accepted();
        if more {
            self.ring.stop_accept(self.listener);
            match self.next() {
                Completion::Accepted {
                    result: Err(errno),
                    more: false,
                    ..
                } => assert_eq!(errno.0, libc::ECANCELED),
                other => panic!("{other:?}"),
            }
        }
        (socket, client)
    }

    fn received(&mut self) -> (Received, bool) {
        match self.next() {
            Completion::Received { received, more, .. } => (received, more),
            other => panic!("{other:?}"),
        }
    }

    /// Receives until there are `len` bytes, arming again where the ring asks for it; how many
    /// leases that took.
    fn receive(&mut self, socket: &Socket, len: usize, bytes: &mut Vec<u8>) -> usize {
        let mut leases_count = 0;
        while bytes.len() < len {
            let (received, more) = self.received();
            match received {
                Received::Bytes(lease) => {
                    assert_eq!(self.ring.bytes(&lease).len(), lease.len_bytes());
                    bytes.extend_from_slice(self.ring.bytes(&lease));
                    self.ring.release(lease);
                    leases_count += 1;
                }
                Received::NoBuffers => assert!(!more),
                other => panic!("{other:?}"),
            }
            if !more {
                self.ring.recv(socket, OWNER);
            }
        }
        leases_count
    }

    fn sent(&mut self) -> (SendBuffer, Result<usize, i32>) {
        match self.next() {
            Completion::Sent {
                owner,
                buffer,
                result,
            } => {
                assert_eq!(owner, OWNER);
                (buffer, result.map_err(|errno| errno.0))
            }
            other => panic!("{other:?}"),
        }
    }

    fn close(&mut self, socket: Socket) {
        self.ring.close(socket, OWNER);
        match self.next() {
            Completion::Closed { owner } => assert_eq!(owner, OWNER),
            other => panic!("{other:?}"),
        }
    }
}

const fn ticket(index: u32) -> Ticket {
    Ticket::new(index, NonZeroU32::MIN)
}

const LISTENER: Ticket = ticket(7);
const OWNER: Ticket = ticket(8);

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 % 251) as u8).collect()
}

fn single_shot() -> UringOptions {
    UringOptions {
        multishot: false,
        ..UringOptions::default()
    }
}

#[test]
fn bytes_go_both_ways_with_and_without_multishot() {
    for options in [UringOptions::default(), single_shot()] {
        let mut shard = Shard::new(options);
        let (socket, mut client) = shard.connect();
        shard.ring.recv(&socket, OWNER);
        for round in 0..3 {
            let request = format!("request {round}");
            client.write_all(request.as_bytes()).unwrap();
            let (received, more) = shard.received();
            let Received::Bytes(lease) = received else {
                panic!("{received:?}");
            };
            assert_eq!(shard.ring.bytes(&lease), request.as_bytes());
            shard.ring.release(lease);
            assert_eq!(more, options.multishot);
            if !more {
                shard.ring.recv(&socket, OWNER);
            }
            let reply = SendBuffer {
                head: b"reply".to_vec(),
                ..SendBuffer::default()
            };
            shard.ring.send(&socket, OWNER, reply);
            let (buffer, result) = shard.sent();
            assert_eq!(result, Ok(5));
            assert_eq!((buffer.sent_bytes, buffer.remaining_bytes()), (5, 0));
            let mut read = [0; 5];
            client.read_exact(&mut read).unwrap();
            assert_eq!(&read, b"reply");
        }
        drop(client);
        let (received, more) = shard.received();
        assert!(matches!(received, Received::End) && !more, "{received:?}");
        shard.close(socket);
        assert_eq!(shard.ring.in_flight(), 0);
        assert_eq!(shard.ring.stats().stale_count, 0);
    }
}

#[test]
fn accepts_again_and_again_until_it_is_stopped() {
    let mut shard = Shard::new(UringOptions::default());
    shard.ring.accept(shard.listener, LISTENER);
    shard.ring.enter(0).unwrap();
    let clients: Vec<TcpStream> = (0..5)
        .map(|_| TcpStream::connect(shard.addr).unwrap())
        .collect();
    let sockets: Vec<Socket> = clients
        .iter()
        .map(|_| {
            let (socket, more) = shard.accepted();
            assert!(more);
            socket
        })
        .collect();
    shard.ring.stop_accept(shard.listener);
    match shard.next() {
        Completion::Accepted {
            result: Err(errno),
            more: false,
            ..
        } => assert_eq!(errno.0, libc::ECANCELED),
        other => panic!("{other:?}"),
    }
    for socket in sockets {
        shard.close(socket);
    }
    shard.ring.close_listener(shard.listener);
    assert!(shard.ring.listener(shard.listener).is_none());
    assert!(TcpStream::connect(shard.addr).is_err());
}

#[test]
fn accepted_sockets_inherit_no_delay() {
    let mut shard = Shard::new(UringOptions::default());
    let listener = shard.ring.listener(shard.listener).unwrap();
    assert!(socket2::SockRef::from(listener).tcp_nodelay().unwrap());
    assert!(socket2::SockRef::from(listener).reuse_port().unwrap());
    // Two replies in two sends arrive at once: with Nagle's algorithm the second would wait for the
    // client's delayed acknowledgement.
    let (socket, mut client) = shard.connect();
    for _ in 0..2 {
        let reply = SendBuffer {
            head: vec![b'x'],
            ..SendBuffer::default()
        };
        shard.ring.send(&socket, OWNER, reply);
        assert_eq!(shard.sent().1, Ok(1));
    }
    client.set_nonblocking(true).unwrap();
    let mut read = [0; 8];
    assert_eq!(client.read(&mut read).unwrap(), 2);
    shard.close(socket);
}

#[test]
fn two_rings_share_an_address() {
    let mut first = Shard::new(UringOptions::default());
    let second = first
        .ring
        .listen(first.addr, ListenerOptions::default())
        .unwrap();
    let addr = first.ring.listener(second).unwrap().local_addr().unwrap();
    assert_eq!(addr, first.addr);
    let alone = ListenerOptions {
        reuse_port: false,
        ..ListenerOptions::default()
    };
    let refused = first.ring.listen(first.addr, alone).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EADDRINUSE));
}

#[test]
fn adopts_a_listener_of_somebody_else() {
    let mut shard = Shard::new(UringOptions::default());
    let handed_down = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    shard.addr = handed_down.local_addr().unwrap();
    handed_down.set_nonblocking(true).unwrap();
    shard.listener = shard.ring.adopt(handed_down).unwrap();
    let (socket, _client) = shard.connect();
    shard.close(socket);
}

#[test]
fn long_input_comes_in_several_leases() {
    let mut shard = Shard::new(UringOptions::default());
    let (socket, mut client) = shard.connect();
    let sent = pattern(300_000);
    let expected = sent.clone();
    let writer = thread::spawn(move || {
        client.write_all(&sent).unwrap();
        client
    });
    shard.ring.recv(&socket, OWNER);
    let mut bytes = Vec::new();
    let leases_count = shard.receive(&socket, expected.len(), &mut bytes);
    assert!(leases_count >= expected.len().div_ceil(2048));
    assert!(bytes == expected, "bytes differ");
    let client = writer.join().unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(matches!(shard.received(), (Received::End, false)));
    shard.close(socket);
}

#[test]
fn a_starved_receive_recovers_once_buffers_are_released() {
    let options = UringOptions {
        buffers_count: 2,
        buffer_bytes: 64,
        ..UringOptions::default()
    };
    let mut shard = Shard::new(options);
    let (socket, mut client) = shard.connect();
    let sent = pattern(1_000);
    client.write_all(&sent).unwrap();
    shard.ring.recv(&socket, OWNER);
    let mut leases = Vec::new();
    loop {
        match shard.received() {
            (Received::Bytes(lease), _) => leases.push(lease),
            (Received::NoBuffers, more) => {
                assert!(!more);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(leases.len(), 2);
    assert_eq!(shard.ring.stats().no_buffers_count, 1);
    // Both buffers are leased: a new receive starves as well.
    shard.ring.recv(&socket, OWNER);
    assert!(matches!(shard.received(), (Received::NoBuffers, false)));
    let mut bytes = Vec::new();
    for lease in leases {
        bytes.extend_from_slice(shard.ring.bytes(&lease));
        shard.ring.release(lease);
    }
    shard.ring.recv(&socket, OWNER);
    shard.receive(&socket, sent.len(), &mut bytes);
    assert!(bytes == sent, "bytes differ");
}

/// Sends `buffer` to a reader that begins only after the first short send, and continues until all
/// has left; how many sends that took.
fn send_to_slow_reader(mut buffer: SendBuffer) -> u32 {
    let mut shard = Shard::new(UringOptions::default());
    let (socket, mut client) = shard.connect();
    let expected = [&buffer.head[..], &buffer.body[..]].concat();
    let len = expected.len();
    let mut reader = None;
    let mut sends_count = 0;
    while buffer.remaining_bytes() > 0 {
        let sent_before = buffer.sent_bytes;
        shard.ring.send(&socket, OWNER, buffer);
        let result;
        (buffer, result) = shard.sent();
        assert_eq!(buffer.sent_bytes, sent_before + result.unwrap());
        sends_count += 1;
        let mut client = client.try_clone().unwrap();
        reader.get_or_insert_with(|| {
            thread::spawn(move || {
                let mut read = vec![0; len];
                client.read_exact(&mut read).unwrap();
                read
            })
        });
    }
    let read = reader.expect("something was sent").join().unwrap();
    assert!(read == expected, "bytes differ");
    shard.ring.shutdown_write(&socket);
    shard.ring.enter(0).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "FIN after the last byte");
    shard.close(socket);
    sends_count
}

#[test]
fn short_sends_continue_where_they_ended() {
    let large = 16 << 20;
    let body_only = SendBuffer {
        body: Bytes::from(pattern(large)).into(),
        ..SendBuffer::default()
    };
    assert!(send_to_slow_reader(body_only) > 1);
    let head_only = SendBuffer {
        head: pattern(large),
        ..SendBuffer::default()
    };
    assert!(send_to_slow_reader(head_only) > 1);
    // The first send ends within the head, a later one within the body.
    let both = SendBuffer {
        head: pattern(large),
        body: Bytes::from(pattern(large + 1)).into(),
        sent_bytes: 0,
    };
    assert!(send_to_slow_reader(both) > 1);
}

#[test]
fn head_and_body_leave_together() {
    let both = SendBuffer {
        head: b"head".to_vec(),
        body: Bytes::from_static(b"body").into(),
        sent_bytes: 0,
    };
    assert_eq!(send_to_slow_reader(both), 1);
    let begun = SendBuffer {
        head: b"head".to_vec(),
        body: Bytes::from_static(b"body").into(),
        sent_bytes: 2,
    };
    let mut shard = Shard::new(UringOptions::default());
    let (socket, mut client) = shard.connect();
    shard.ring.send(&socket, OWNER, begun);
    assert_eq!(shard.sent().1, Ok(6));
    let mut read = [0; 6];
    client.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"adbody");
}

#[test]
fn a_send_to_nobody_fails_and_gives_the_buffer_back() {
    let mut shard = Shard::new(UringOptions::default());
    let (socket, client) = shard.connect();
    // Unread bytes at the client make its close a reset.
    let mut buffer = SendBuffer {
        head: pattern(100),
        ..SendBuffer::default()
    };
    shard.ring.send(&socket, OWNER, buffer);
    assert_eq!(shard.sent().1, Ok(100));
    drop(client);
    let errno = loop {
        buffer = SendBuffer {
            head: pattern(100),
            ..SendBuffer::default()
        };
        shard.ring.send(&socket, OWNER, buffer);
        let (back, result) = shard.sent();
        assert_eq!(back.head, pattern(100));
        match result {
            Ok(_) => continue,
            Err(errno) => {
                assert_eq!(back.sent_bytes, 0);
                break errno;
            }
        }
    };
    assert!([libc::EPIPE, libc::ECONNRESET].contains(&errno), "{errno}");
}

#[test]
fn a_reset_ends_the_receive_with_its_errno() {
    let mut shard = Shard::new(UringOptions::default());
    let (socket, client) = shard.connect();
    shard.ring.recv(&socket, OWNER);
    shard.ring.enter(0).unwrap();
    socket2::SockRef::from(&client)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(client);
    match shard.received() {
        (Received::Failed(errno), false) => assert_eq!(errno.0, libc::ECONNRESET),
        other => panic!("{other:?}"),
    }
    shard.close(socket);
}

#[test]
fn a_stopped_receive_says_so_and_can_be_armed_again() {
    for options in [UringOptions::default(), single_shot()] {
        let mut shard = Shard::new(options);
        let (socket, mut client) = shard.connect();
        // Nothing is in flight: nothing happens.
        shard.ring.stop_recv(&socket);
        shard.assert_quiet();
        shard.ring.recv(&socket, OWNER);
        shard.ring.enter(0).unwrap();
        shard.ring.stop_recv(&socket);
        assert!(matches!(shard.received(), (Received::Cancelled, false)));
        client.write_all(b"held back").unwrap();
        shard.assert_quiet();
        shard.ring.recv(&socket, OWNER);
        let mut bytes = Vec::new();
        shard.receive(&socket, 9, &mut bytes);
        assert_eq!(bytes, b"held back");
    }
}

#[test]
fn the_heartbeat_beats_until_it_is_stopped() {
    for options in [UringOptions::default(), single_shot()] {
        let mut ring = Uring::new(options).unwrap();
        ring.heartbeat(Some(Nanos::from_millis(1)));
        let mut beats_count = 0;
        while beats_count < 5 {
            ring.enter(1).unwrap();
            while let Some(completion) = ring.pop() {
                assert!(
                    matches!(completion, Completion::Heartbeat),
                    "{completion:?}"
                );
                beats_count += 1;
            }
        }
        assert_eq!(ring.features().multishot_timeout, options.multishot);
        // What follows would never return if a beat still came where none is wanted: the timer alone
        // ends the wait.
        ring.heartbeat(None);
        ring.timer(Some(RealClock::new().now() + Nanos::from_millis(5)));
        loop {
            ring.enter(1).unwrap();
            match ring.pop() {
                Some(Completion::Timer) => break,
                Some(other) => panic!("{other:?}"),
                None => {}
            }
        }
    }
}

#[test]
fn the_timer_fires_once_at_its_moment_and_not_before() {
    let mut shard = Shard::new(UringOptions::default());
    let clock = RealClock::new();
    let at = clock.now() + Nanos::from_millis(3);
    shard.ring.timer(Some(at));
    assert!(matches!(shard.next(), Completion::Timer));
    // The kernel's clock and ours may differ by the reading of both.
    assert!(clock.now() + Nanos::from_micros(50) >= at);
    shard.assert_quiet();
    // A moment that has passed fires at once.
    shard.ring.timer(Some(Nanos(1)));
    assert!(matches!(shard.next(), Completion::Timer));
}

#[test]
fn a_timer_that_is_replaced_or_disarmed_does_not_fire() {
    let mut shard = Shard::new(UringOptions::default());
    let clock = RealClock::new();
    let far = clock.now() + Nanos::from_secs(3_600);
    let near = clock.now() + Nanos::from_millis(2);
    shard.ring.timer(Some(far));
    shard.ring.enter(0).unwrap();
    shard.ring.timer(Some(near));
    assert!(matches!(shard.next(), Completion::Timer));
    shard.ring.timer(Some(clock.now() + Nanos::from_millis(1)));
    shard.ring.enter(0).unwrap();
    shard.ring.timer(None);
    // Let its moment pass within the kernel, where it would have fired.
    for _ in 0..3 {
        shard.ring.enter(1).unwrap();
        shard.assert_quiet();
    }
    // Fired, but replaced before it was popped: only the new one counts.
    shard.ring.timer(Some(Nanos(1)));
    shard.ring.enter(1).unwrap();
    shard.ring.timer(Some(far));
    shard.assert_quiet();
    shard.ring.timer(None);
    shard.assert_quiet();
}

#[test]
fn a_waker_wakes_from_another_thread_again_and_again() {
    let mut shard = Shard::new(UringOptions::default());
    shard.ring.enter(0).unwrap();
    for _ in 0..20 {
        let waker = shard.ring.waker();
        let thread = thread::spawn(move || waker.wake());
        assert!(matches!(shard.next(), Completion::Woken));
        thread.join().unwrap();
    }
    shard.assert_quiet();
    // Before the ring has ever entered: the wake is not lost.
    let mut shard = Shard::new(UringOptions::default());
    shard.ring.waker().wake();
    assert!(matches!(shard.next(), Completion::Woken));
}

#[test]
fn the_idle_eventfd_tells_of_completions_only_while_it_is_on() {
    let mut shard = Shard::new(UringOptions::default());
    let (socket, mut client) = shard.connect();
    shard.ring.heartbeat(None);
    shard.ring.recv(&socket, OWNER);
    shard.assert_quiet();
    let mut event = File::from(shard.ring.idle_eventfd().try_clone_to_owned().unwrap());
    // The host reads it blocking, so whether there is anything to read is asked of the kernel first.
    let mut is_told = || {
        let path = format!("/proc/self/fdinfo/{}", event.as_raw_fd());
        let info = std::fs::read_to_string(path).unwrap();
        let count = info
            .lines()
            .find_map(|line| line.strip_prefix("eventfd-count:"));
        let is_told = count.unwrap().trim() != "0";
        is_told && event.read(&mut [0; 8]).is_ok()
    };
    client.write_all(b"a").unwrap();
    assert!(!is_told());
    let mut bytes = Vec::new();
    shard.receive(&socket, 1, &mut bytes);
    shard.ring.register_eventfd().unwrap();
    shard.assert_quiet();
    assert!(!is_told());
    client.write_all(b"b").unwrap();
    assert!(is_told(), "the nap would never end");
    shard.receive(&socket, 2, &mut bytes);
    shard.ring.unregister_eventfd().unwrap();
    assert_eq!(bytes, b"ab");
    let refused = shard.ring.unregister_eventfd().unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::ENXIO));
}

#[test]
fn a_full_submission_queue_loses_nothing() {
    let options = UringOptions {
        submissions_max: 4,
        completions_max: 16,
        ..UringOptions::default()
    };
    let mut shard = Shard::new(options);
    let mut connections = HashMap::new();
    for index in 0..50 {
        connections.insert(index, shard.connect());
    }
    for (index, (socket, _)) in &connections {
        shard.ring.recv(socket, ticket(*index));
    }
    for (index, (_, client)) in &mut connections {
        client.write_all(&index.to_le_bytes()).unwrap();
    }
    // 50 completions come to a queue of 16: the kernel keeps the rest aside.
    shard.ring.enter(0).unwrap();
    let (mut received_count, mut sent_count) = (0, 0);
    while sent_count < 50 {
        match shard.next() {
            Completion::Received {
                owner,
                received: Received::Bytes(lease),
                more,
            } => {
                assert_eq!(shard.ring.bytes(&lease), owner.index().to_le_bytes());
                shard.ring.release(lease);
                let (socket, _) = &connections[&owner.index()];
                if !more {
                    // An overflow may end a multishot operation.
                    shard.ring.recv(socket, owner);
                }
                let reply = SendBuffer {
                    head: vec![owner.index() as u8],
                    ..SendBuffer::default()
                };
                shard.ring.send(socket, owner, reply);
                received_count += 1;
            }
            Completion::Sent { result, .. } => {
                assert_eq!(result, Ok(1));
                sent_count += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(received_count, 50);
    assert!(shard.ring.stats().overflow_count > 0);
    for (index, (_, client)) in &mut connections {
        let mut read = [0];
        client.read_exact(&mut read).unwrap();
        assert_eq!(read[0], *index as u8);
    }
}

#[test]
fn thousands_of_connections_use_the_same_slots() {
    let options = UringOptions {
        operations_count: 64,
        ..UringOptions::default()
    };
    let mut shard = Shard::new(options);
    shard.ring.accept(shard.listener, LISTENER);
    shard.ring.enter(0).unwrap();
    let addr = shard.addr;
    let connections_count = 3_000_u32;
    let client = thread::spawn(move || {
        for index in 0..connections_count {
            let mut client = TcpStream::connect(addr).unwrap();
            client.write_all(&index.to_le_bytes()).unwrap();
            let mut read = [0; 4];
            client.read_exact(&mut read).unwrap();
            assert_eq!(read, index.to_le_bytes());
            // A reset instead of TIME_WAIT, so that the ports last.
            socket2::SockRef::from(&client)
                .set_linger(Some(std::time::Duration::ZERO))
                .unwrap();
        }
    });
    let mut open = HashMap::new();
    let mut generation = NonZeroU32::MIN;
    let mut closed_count = 0;
    while closed_count < connections_count {
        match shard.next() {
            Completion::Accepted { result, .. } => {
                let socket = result.unwrap();
                generation = generation.saturating_add(1);
                let owner = Ticket::new(1, generation);
                shard.ring.recv(&socket, owner);
                open.insert(owner, socket);
            }
            Completion::Received {
                owner,
                received: Received::Bytes(lease),
                ..
            } => {
                let head = shard.ring.bytes(&lease).to_vec();
                shard.ring.release(lease);
                let reply = SendBuffer {
                    head,
                    ..SendBuffer::default()
                };
                shard.ring.send(&open[&owner], owner, reply);
            }
            Completion::Received {
                owner, more: false, ..
            } => shard.ring.close(open.remove(&owner).unwrap(), owner),
            Completion::Sent { result, .. } => assert_eq!(result, Ok(4)),
            Completion::Closed { .. } => closed_count += 1,
            other => panic!("{other:?}"),
        }
    }
    client.join().unwrap();
    assert_eq!(shard.ring.in_flight(), 1, "only the accept is left");
    assert_eq!(shard.ring.stats().stale_count, 0);
}

#[test]
fn dropping_a_ring_ends_what_is_in_flight_and_closes_its_sockets() {
    let mut shard = Shard::new(UringOptions::default());
    let (socket, mut client) = shard.connect();
    let (idle, mut idle_client) = shard.connect();
    shard.ring.recv(&socket, OWNER);
    shard.ring.recv(&idle, OWNER);
    shard.ring.accept(shard.listener, LISTENER);
    let endless = SendBuffer {
        body: Bytes::from(pattern(64 << 20)).into(),
        ..SendBuffer::default()
    };
    shard.ring.send(&socket, OWNER, endless);
    let (buffer, _) = shard.sent();
    shard.ring.send(&socket, OWNER, buffer);
    shard.ring.enter(0).unwrap();
    client.write_all(b"never read").unwrap();
    assert!(shard.ring.in_flight() >= 3);
    drop(shard);
    assert_eq!(idle_client.read(&mut [0]).unwrap(), 0, "an orderly end");
    // Bytes that were on their way may still come; then the end or a reset.
    let mut sink = vec![0; 1 << 20];
    while matches!(client.read(&mut sink), Ok(1..)) {}
}

/// A number that names one ring's socket may name anything on another: a listener, a file.
#[test]
fn a_socket_of_another_ring_is_refused() {
    fn check(name: &str, ask: impl Fn(&mut Uring, Socket)) {
        let mut shard = Shard::new(UringOptions::default());
        let (socket, _client) = shard.connect();
        let mut other = Uring::new(UringOptions::default()).unwrap();
        let asked = AssertUnwindSafe(|| ask(&mut other, socket));
        let said = catch_unwind(asked).expect_err(name);
        let said = said.downcast::<&str>().unwrap();
        assert!(
            said.contains("on the ring that accepted it"),
            "{name}: {said}"
        );
        assert_eq!(other.in_flight(), 0, "{name}");
    }
    check("recv", |ring, socket| ring.recv(&socket, OWNER));
    check("stop_recv", |ring, socket| ring.stop_recv(&socket));
    check("shutdown", |ring, socket| ring.shutdown_write(&socket));
    check("close", |ring, socket| ring.close(socket, OWNER));
    check("send", |ring, socket| {
        ring.send(&socket, OWNER, SendBuffer::default());
    });
}

#[test]
fn this_kernel_gives_all_or_says_what_is_missing() {
    match Uring::new(UringOptions::default()) {
        Ok(ring) => {
            let features = ring.features();
            assert!(features.multishot_accept, "{features:?}");
            // Both came before 6.1.
            assert!(
                features.multishot_recv || !features.defer_taskrun,
                "{features:?}"
            );
        }
        Err(error) => panic!("the tests need a ring: {error}"),
    }
}

#[test]
#[should_panic(expected = "power of two")]
fn sizes_out_of_range_are_refused() {
    let options = UringOptions {
        submissions_max: 1000,
        ..UringOptions::default()
    };
    drop(Uring::new(options));
}
