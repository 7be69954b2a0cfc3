//! What the simulated ring owes a shard, rule by rule, and what it refuses from one.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;

use cutaway_reactor::ring::{Completion, ListenerId, Owner, Received, Ring, SendBuffer, Socket};
use cutaway_reactor::sim::{
    ClientEnd, Fault, FaultPlan, SimClient, SimConfig, SimNet, SimPort, SimRing, WorkClock,
};
use cutaway_reactor::{Errno, Handler, Outcome, Publish, Ticket, WorkerPort};
use cutaway_scheduler::{Clock, Nanos};

/// A machine with one listener, and the few steps every test begins with.
struct Machine {
    net: SimNet,
    ring: SimRing,
    listener: ListenerId,
}

impl Machine {
    fn new(config: SimConfig) -> Machine {
        let net = SimNet::new(config);
        Machine {
            ring: net.ring(),
            listener: net.listen(),
            net,
        }
    }

    fn healthy(seed: u64) -> Machine {
        Machine::new(SimConfig::new(seed))
    }

    fn faulty(seed: u64, fault: Fault) -> Machine {
        Machine::new(SimConfig {
            faults: FaultPlan::none().with(fault, 1000),
            ..SimConfig::new(seed)
        })
    }

    /// The next completion; the machine must have one to give.
    fn next(&mut self) -> Completion {
        for _ in 0..100 {
            if let Some(completion) = self.ring.pop() {
                return completion;
            }
            self.ring.enter(1).expect("a simulated ring enters");
        }
        panic!("nothing completes in {:?}", self.net);
    }

    /// A client and the server's side of its connection.
    fn connection(&mut self) -> (SimClient, Socket) {
        let client = self.net.connect(self.listener);
        self.ring.accept(self.listener, owner(0));
        let socket = match self.next() {
            Completion::Accepted {
                result: Ok(socket), ..
            } => socket,
            other => panic!("{other:?} instead of a connection"),
        };
        self.ring.stop_accept(self.listener);
        loop {
            if let Completion::Accepted { more: false, .. } = self.next() {
                return (client, socket);
            }
        }
    }

    fn close(&mut self, socket: Socket) {
        self.ring.close(socket, owner(9));
        assert!(matches!(self.next(), Completion::Closed { owner: it } if it == owner(9)));
    }

    /// Lets everything happen that would by itself.
    fn settle(&self) {
        while !self.net.is_quiet() && self.net.step() {}
    }
}

fn owner(index: u32) -> Owner {
    Ticket::new(index, NonZeroU32::MIN)
}

fn buffer(bytes: &[u8]) -> SendBuffer {
    SendBuffer {
        head: bytes.to_vec(),
        ..SendBuffer::default()
    }
}

#[test]
fn completions_become_visible_by_enter_only() {
    let mut machine = Machine::healthy(1);
    machine.ring.accept(machine.listener, owner(0));
    machine.ring.enter(0).unwrap();
    machine.net.connect(machine.listener);
    machine.settle();
    while machine.net.step() {}
    assert!(!machine.ring.is_ready());
    machine.ring.enter(0).unwrap();
    assert!(machine.ring.is_ready());
}

#[test]
fn a_stopped_accept_ends_with_ecanceled() {
    let mut machine = Machine::healthy(1);
    machine.ring.stop_accept(machine.listener);
    machine.ring.accept(machine.listener, owner(3));
    machine.ring.stop_accept(machine.listener);
    let Completion::Accepted {
        owner: it,
        result: Err(error),
        more: false,
    } = machine.next()
    else {
        panic!("an accept that was stopped did not end");
    };
    assert_eq!((it, error), (owner(3), Errno(libc::ECANCELED)));
    machine.net.check_drained();
}

#[test]
fn sockets_overtake_one_another_and_bytes_of_one_do_not() {
    let mut orders = std::collections::HashSet::new();
    for seed in 0..20 {
        let mut machine = Machine::faulty(seed, Fault::ShortReceive);
        let (one, first) = machine.connection();
        let (other, second) = machine.connection();
        one.send(b"abcdefgh");
        other.send(b"12345678");
        one.finish();
        other.finish();
        machine.ring.recv(&first, owner(0));
        machine.ring.recv(&second, owner(1));
        let mut bytes: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
        let mut order = Vec::new();
        let mut ended_count = 0;
        while ended_count < 2 {
            match machine.next() {
                Completion::Received {
                    owner,
                    received: Received::Bytes(lease),
                    ..
                } => {
                    order.push(owner.index());
                    bytes[owner.index() as usize].extend(machine.ring.bytes(&lease));
                    machine.ring.release(lease);
                }
                Completion::Received {
                    received: Received::End,
                    more: false,
                    ..
                } => ended_count += 1,
                other => panic!("{other:?} instead of bytes"),
            }
        }
        assert_eq!(bytes, [b"abcdefgh".to_vec(), b"12345678".to_vec()]);
        orders.insert(order);
        machine.close(first);
        machine.close(second);
        machine.net.check_drained();
    }
    assert!(orders.len() > 10, "{} orders in 20 seeds", orders.len());
}

#[test]
fn a_send_falls_short_then_waits_for_the_reader() {
    let mut machine = Machine::new(SimConfig {
        send_buffer_bytes: 100,
        client_window_bytes: 50,
        ..SimConfig::new(1)
    });
    let (client, socket) = machine.connection();
    client.stop_reading();
    let bytes: Vec<u8> = (0..=255).collect();
    machine.ring.send(&socket, owner(1), buffer(&bytes));
    let mut rest = match machine.next() {
        Completion::Sent {
            result: Ok(100),
            buffer,
            ..
        } => buffer,
        other => panic!("{other:?} instead of a short send"),
    };
    assert_eq!(rest.remaining_bytes(), 156);
    machine.settle();
    // The client's window took fifty; as many fit again, then the send waits.
    machine.ring.send(&socket, owner(1), rest);
    rest = match machine.next() {
        Completion::Sent {
            result: Ok(50),
            buffer,
            ..
        } => buffer,
        other => panic!("{other:?} instead of a short send"),
    };
    machine.settle();
    machine.ring.send(&socket, owner(1), rest);
    machine.ring.enter(1).unwrap();
    assert!(machine.ring.pop().is_none(), "there was no room");
    client.read_again();
    let mut sent_bytes = 150;
    while let Completion::Sent { result, buffer, .. } = machine.next() {
        sent_bytes += result.unwrap();
        if buffer.remaining_bytes() == 0 {
            break;
        }
        machine.ring.send(&socket, owner(1), buffer);
    }
    machine.settle();
    assert_eq!(sent_bytes, 256);
    machine.close(socket);
    machine.settle();
    assert_eq!(client.take_read(), bytes);
    assert_eq!(client.end(), Some(ClientEnd::Finished));
}

#[test]
fn shutdown_ends_a_send_that_waits() {
    let mut machine = Machine::new(SimConfig {
        send_buffer_bytes: 10,
        client_window_bytes: 10,
        ..SimConfig::new(1)
    });
    let (client, socket) = machine.connection();
    client.stop_reading();
    let mut rest = buffer(&[7; 100]);
    for _ in 0..2 {
        machine.ring.send(&socket, owner(1), rest);
        let Completion::Sent { buffer, .. } = machine.next() else {
            panic!("a send with room did not complete");
        };
        rest = buffer;
        machine.settle();
    }
    machine.ring.send(&socket, owner(1), rest);
    machine.ring.shutdown_write(&socket);
    let Completion::Sent {
        result: Err(error),
        buffer,
        ..
    } = machine.next()
    else {
        panic!("a send without room completed");
    };
    assert_eq!(error, Errno(libc::EPIPE));
    assert_eq!(buffer.sent_bytes, 20);
    machine.close(socket);
    machine.net.check_drained();
}

#[test]
fn a_reset_is_told_once_and_the_rest_is_epipe_and_end() {
    let mut machine = Machine::healthy(1);
    let (client, socket) = machine.connection();
    client.send(b"x");
    machine.settle();
    client.reset();
    machine.settle();
    machine.ring.recv(&socket, owner(1));
    // What had arrived before the reset can be read.
    let Completion::Received {
        received: Received::Bytes(lease),
        more: true,
        ..
    } = machine.next()
    else {
        panic!("the byte before the reset is lost");
    };
    machine.ring.release(lease);
    let failed = machine.next();
    assert!(matches!(
        failed,
        Completion::Received {
            received: Received::Failed(Errno(libc::ECONNRESET)),
            more: false,
            ..
        }
    ));
    machine.ring.send(&socket, owner(1), buffer(b"y"));
    assert!(matches!(
        machine.next(),
        Completion::Sent {
            result: Err(Errno(libc::EPIPE)),
            ..
        }
    ));
    machine.ring.recv(&socket, owner(1));
    assert!(matches!(
        machine.next(),
        Completion::Received {
            received: Received::End,
            ..
        }
    ));
    machine.close(socket);
    machine.net.check_drained();
}

#[test]
fn closing_with_unread_bytes_loses_the_answer() {
    let mut machine = Machine::healthy(1);
    let (client, socket) = machine.connection();
    client.stop_reading();
    client.send(b"more than the server reads");
    machine.settle();
    machine.ring.send(&socket, owner(1), buffer(&[0; 16_000]));
    machine.next();
    machine.close(socket);
    machine.settle();
    assert_eq!(client.end(), Some(ClientEnd::Reset));
    client.read_again();
    assert!(client.take_read().len() < 16_000);
    machine.net.check_drained();
}

#[test]
fn a_descriptor_is_used_again_at_once() {
    let mut machine = Machine::healthy(1);
    let (_, socket) = machine.connection();
    let first = format!("{socket:?}");
    machine.close(socket);
    let (_, socket) = machine.connection();
    assert_eq!(format!("{socket:?}"), first);
    machine.close(socket);
}

#[test]
fn too_many_files_end_the_accept_and_leave_the_client_waiting() {
    let mut machine = Machine::new(SimConfig {
        files_max: 4,
        ..SimConfig::new(1)
    });
    let (_, socket) = machine.connection();
    let waiting = machine.net.connect(machine.listener);
    machine.ring.accept(machine.listener, owner(0));
    assert!(matches!(
        machine.next(),
        Completion::Accepted {
            result: Err(Errno(libc::EMFILE)),
            more: false,
            ..
        }
    ));
    machine.close(socket);
    machine.ring.accept(machine.listener, owner(0));
    assert!(matches!(
        machine.next(),
        Completion::Accepted { result: Ok(_), .. }
    ));
    assert!(waiting.is_accepted());
}

#[test]
fn a_small_completion_queue_delays_and_loses_nothing() {
    let mut machine = Machine::new(SimConfig {
        completions_max: 2,
        ..SimConfig::new(1)
    });
    machine.ring.accept(machine.listener, owner(0));
    let clients: Vec<SimClient> = (0..7)
        .map(|_| machine.net.connect(machine.listener))
        .collect();
    machine.ring.enter(0).unwrap();
    while machine.net.step() {}
    let mut accepted_count = 0;
    while accepted_count < clients.len() {
        machine.ring.enter(1).unwrap();
        let before = accepted_count;
        while machine.ring.pop().is_some() {
            accepted_count += 1;
        }
        assert!(accepted_count - before <= 2);
    }
    assert_eq!(machine.ring.stats().overflow_count, 1);
}

#[test]
fn only_the_timer_armed_last_fires_and_never_early() {
    let mut machine = Machine::healthy(1);
    let at = Nanos::from_millis(20);
    machine.ring.timer(Some(Nanos::from_millis(5)));
    machine.ring.enter(0).unwrap();
    machine.ring.timer(Some(at));
    assert!(matches!(machine.next(), Completion::Timer));
    assert!(machine.net.clock().now() >= at);
    machine.ring.timer(Some(at + at));
    machine.ring.timer(None);
    machine.ring.enter(1).unwrap();
    assert!(machine.ring.pop().is_none());
}

#[test]
fn the_heart_beats_until_it_is_stopped() {
    let mut machine = Machine::healthy(1);
    machine.ring.heartbeat(Some(Nanos::from_millis(1)));
    for beat in 1..=3 {
        assert!(matches!(machine.next(), Completion::Heartbeat));
        assert!(machine.net.clock().now() >= Nanos::from_millis(beat));
    }
    machine.ring.heartbeat(None);
    machine.ring.enter(1).unwrap();
    assert!(machine.ring.pop().is_none());
}

#[test]
fn wakes_melt_into_one() {
    let mut machine = Machine::healthy(1);
    machine.net.wake();
    machine.net.wake();
    assert!(matches!(machine.next(), Completion::Woken));
    machine.ring.enter(1).unwrap();
    assert!(machine.ring.pop().is_none());
}

#[test]
fn a_horizon_stops_the_wait() {
    let mut machine = Machine::healthy(1);
    machine.ring.timer(Some(Nanos::from_millis(9)));
    machine.net.set_horizon(Some(Nanos::from_millis(4)));
    machine.ring.enter(1).unwrap();
    assert_eq!(machine.net.clock().now(), Nanos::from_millis(4));
    machine.net.set_horizon(None);
    assert!(matches!(machine.next(), Completion::Timer));
}

/// Counts what it settles; panics where a job asks for it.
struct Counter;

struct Count {
    wants_panic: bool,
    is_held: bool,
    batch_len: usize,
}

impl Handler<Count> for Counter {
    fn run(&mut self, job: &mut Count) -> Publish {
        assert!(!job.wants_panic, "as it was asked to");
        if job.is_held {
            Publish::Held
        } else {
            Publish::Now
        }
    }

    fn settle(&mut self, held: &mut [Box<Count>]) {
        let batch_len = held.len();
        for job in held {
            job.batch_len = batch_len;
        }
    }
}

fn count(wants_panic: bool, is_held: bool) -> Box<Count> {
    Box::new(Count {
        wants_panic,
        is_held,
        batch_len: 0,
    })
}

#[test]
fn jobs_come_back_once_and_wake_the_ring() {
    let mut machine = Machine::healthy(1);
    let mut port = SimPort::new(&machine.net, 3, Counter);
    for _ in 0..3 {
        assert!(port.try_submit(count(false, true)).is_ok());
    }
    assert!(port.try_submit(count(false, true)).is_err(), "it is full");
    let mut batches = Vec::new();
    while port.in_flight() > 0 {
        if !port.prepare_sleep() {
            assert!(matches!(machine.next(), Completion::Woken));
        }
        while let Some(finished) = port.poll() {
            assert_eq!(finished.outcome, Outcome::Ran);
            batches.push(finished.job.batch_len);
        }
    }
    assert_eq!(batches, [3, 3, 3], "one commit for all three");
    assert!(port.poll().is_none());
}

#[test]
fn a_panic_is_its_own_jobs_only() {
    let machine = Machine::healthy(1);
    let mut port = SimPort::new(&machine.net, 3, Counter);
    assert!(port.try_submit(count(true, false)).is_ok());
    assert!(port.try_submit(count(false, false)).is_ok());
    while machine.net.step() {}
    let outcome = port.poll().map(|it| it.outcome);
    assert_eq!(
        outcome,
        Some(Outcome::Panicked("as it was asked to".into()))
    );
    assert_eq!(port.poll().map(|it| it.outcome), Some(Outcome::Ran));
}

/// Computes until its deadline, which it looks for now and then.
struct Computer {
    clock: WorkClock,
}

impl Handler<Nanos> for Computer {
    fn run(&mut self, deadline: &mut Nanos) -> Publish {
        while self.clock.now() < *deadline {}
        Publish::Now
    }
}

#[test]
fn a_job_takes_the_time_it_has_seen_pass() {
    let machine = Machine::healthy(1);
    let clock = WorkClock::new(&machine.net, Nanos::from_micros(10));
    let computer = Computer {
        clock: clock.clone(),
    };
    let mut port = SimPort::with_clock(&machine.net, 1, clock.clone(), computer);
    let deadline = Nanos::from_millis(30);
    assert!(port.try_submit(Box::new(deadline)).is_ok());
    while machine.net.step() {}
    assert!(port.poll().is_some());
    assert!(machine.net.clock().now() >= deadline);
    // Between jobs it is the machine's.
    assert_eq!(clock.now(), machine.net.clock().now());
    assert_eq!(clock.now(), machine.net.clock().now());
}

/// Works for as many milliseconds as the job says.
struct Worker {
    clock: WorkClock,
}

impl Handler<u64> for Worker {
    fn run(&mut self, millis: &mut u64) -> Publish {
        self.clock.spend(Nanos::from_millis(*millis));
        Publish::Now
    }
}

#[test]
fn jobs_in_lanes_do_not_wait_for_each_other() {
    let order = |lanes_max| {
        let machine = Machine::healthy(1);
        let clock = WorkClock::new(&machine.net, Nanos::ZERO);
        let worker = Worker {
            clock: clock.clone(),
        };
        let mut port = SimPort::with_clock(&machine.net, 4, clock, worker).lanes(lanes_max);
        for millis in [40, 30, 10, 20] {
            assert!(port.try_submit(Box::new(millis)).is_ok());
        }
        while machine.net.step() {}
        let order: Vec<_> = std::iter::from_fn(|| port.poll())
            .map(|it| *it.job)
            .collect();
        (order, machine.net.clock().now())
    };
    let (one_by_one, end) = order(1);
    assert_eq!(one_by_one, [40, 30, 10, 20]);
    assert!(end >= Nanos::from_millis(100), "{end:?}");
    // The third starts when the second ends, the fourth with the end of the first.
    let (two_by_two, end) = order(2);
    assert_eq!(two_by_two, [30, 40, 10, 20]);
    assert!(end >= Nanos::from_millis(60), "{end:?}");
    assert!(end < Nanos::from_millis(70), "{end:?}");
    let (together, end) = order(4);
    assert_eq!(together, [10, 20, 30, 40]);
    assert!(end < Nanos::from_millis(50), "{end:?}");
}

/// Works until it is stopped.
struct Endless {
    clock: WorkClock,
    is_stopped: Rc<Cell<bool>>,
}

impl Handler<&'static str> for Endless {
    fn run(&mut self, _: &mut &'static str) -> Publish {
        self.clock.spend(Nanos::NEVER);
        Publish::Now
    }

    fn stops(&mut self, job: &mut &'static str) -> bool {
        if self.is_stopped.get() {
            *job = "stopped";
        }
        self.is_stopped.get()
    }
}

#[test]
fn a_job_without_an_end_is_under_way_until_it_is_stopped() {
    let machine = Machine::healthy(1);
    let clock = WorkClock::new(&machine.net, Nanos::ZERO);
    let is_stopped = Rc::new(Cell::new(false));
    let worker = Endless {
        clock: clock.clone(),
        is_stopped: Rc::clone(&is_stopped),
    };
    let mut port = SimPort::with_clock(&machine.net, 4, clock, worker);
    assert!(port.try_submit(Box::new("endless")).is_ok());
    while machine.net.step() {}
    assert!(port.poll().is_none());
    assert!(!machine.net.is_quiet(), "it is at work");
    // Told without a mark, it goes on.
    port.stop_marked();
    while machine.net.step() {}
    assert!(port.poll().is_none());
    is_stopped.set(true);
    port.stop_marked();
    while machine.net.step() {}
    assert_eq!(*port.poll().expect("it has ended").job, "stopped");
    assert_eq!(port.in_flight(), 0);
    while machine.net.step() {}
    assert!(machine.net.is_quiet());
}

#[test]
fn a_machine_that_stands_still_takes_no_time_and_keeps_the_order() {
    let mut machine = Machine::new(SimConfig::still(1));
    let pairs: Vec<_> = (0..4).map(|_| machine.connection()).collect();
    for (index, (client, socket)) in pairs.iter().enumerate() {
        machine.ring.recv(socket, owner(index as u32));
        client.send(&[b'a'; 1_000]);
    }
    for index in 0..pairs.len() {
        let Completion::Received {
            owner: received_by,
            received: Received::Bytes(lease),
            ..
        } = machine.next()
        else {
            panic!("bytes were sent");
        };
        // All of them at once, and whole.
        assert_eq!(received_by, owner(index as u32));
        assert_eq!(lease.len_bytes(), 1_000);
        machine.ring.release(lease);
    }
    let clock = WorkClock::new(&machine.net, Nanos::ZERO);
    let worker = Worker {
        clock: clock.clone(),
    };
    let mut port = SimPort::with_clock(&machine.net, 4, clock, worker);
    assert_eq!(machine.net.clock().now(), Nanos::ZERO);
    assert!(port.try_submit(Box::new(7)).is_ok());
    while port.poll().is_none() {
        assert!(machine.net.step(), "it is under way");
    }
    assert_eq!(machine.net.clock().now(), Nanos::from_millis(7));
}

#[test]
#[should_panic(expected = "connection 0 has a receive in flight already")]
fn a_second_receive_is_refused() {
    let mut machine = Machine::healthy(1);
    let (_, socket) = machine.connection();
    machine.ring.recv(&socket, owner(1));
    machine.ring.recv(&socket, owner(1));
}

#[test]
#[should_panic(expected = "connection 0 has a send in flight already")]
fn a_second_send_is_refused() {
    let mut machine = Machine::healthy(1);
    let (_, socket) = machine.connection();
    machine.ring.send(&socket, owner(1), buffer(b"a"));
    machine.ring.send(&socket, owner(1), buffer(b"b"));
}

#[test]
#[should_panic(expected = "connection 0 was to send nothing")]
fn an_empty_send_is_refused() {
    let mut machine = Machine::healthy(1);
    let (_, socket) = machine.connection();
    machine.ring.send(&socket, owner(1), buffer(b""));
}

#[test]
#[should_panic(expected = "connection 0 was closed before its receive had ended")]
fn a_close_before_the_receives_end_is_refused() {
    let mut machine = Machine::healthy(1);
    let (_, socket) = machine.connection();
    machine.ring.recv(&socket, owner(1));
    machine.ring.stop_recv(&socket);
    machine.ring.close(socket, owner(1));
}

#[test]
#[should_panic(expected = "1 leases outlived the turn that reaped them")]
fn a_lease_kept_over_an_enter_is_told() {
    let mut machine = Machine::healthy(1);
    let (client, socket) = machine.connection();
    client.send(b"x");
    machine.ring.recv(&socket, owner(1));
    let _kept = machine.next();
    let _ = machine.ring.enter(0);
}

#[test]
#[should_panic(expected = "the shard blocks on a job without having prepared the worker")]
fn blocking_on_a_job_unprepared_is_told() {
    let mut machine = Machine::healthy(1);
    let mut port = SimPort::new(&machine.net, 3, Counter);
    assert!(port.try_submit(count(false, false)).is_ok());
    let _ = machine.ring.enter(1);
}

#[test]
#[should_panic(expected = "at the end 1 sockets are still open")]
fn a_leaked_socket_is_told() {
    let mut machine = Machine::healthy(1);
    let _leaked = machine.connection();
    machine.net.check_drained();
}

#[test]
fn a_broken_rule_names_the_seed_and_the_moment() {
    let mut machine = Machine::healthy(42);
    machine.ring.accept(machine.listener, owner(0));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        machine.ring.accept(machine.listener, owner(0));
    }));
    let text = *outcome.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(
        text,
        "simulation, seed 42, at 0 ns: listener 0 has an accept in flight already"
    );
}
