//! A small shard over the seam: it echoes, and lets a worker look at some of what it echoes.

use std::num::NonZeroU32;

use cutaway_reactor::ring::{Completion, ListenerId, Owner, Received, Ring, SendBuffer, Socket};
use cutaway_reactor::sim::{SimNet, Stream};
use cutaway_reactor::{Errno, Handler, Outcome, Publish, Ticket, WorkerPort};
use cutaway_scheduler::{Clock, Nanos};

/// A job of the echo: for whom, and what became of it.
#[derive(Debug)]
pub struct Job {
    pub owner: Owner,
    pub result: Option<Result<(), Errno>>,
    pub is_held: bool,
}

/// Writes to a disk that the simulation may let fail.
pub struct Disk {
    pub net: SimNet,
}

impl Handler<Job> for Disk {
    fn run(&mut self, job: &mut Job) -> Publish {
        if job.is_held {
            return Publish::Held;
        }
        job.result = Some(self.net.disk_fault().map_or(Ok(()), Err));
        Publish::Now
    }

    fn settle(&mut self, held: &mut [Box<Job>]) {
        let outcome = self.net.disk_fault().map_or(Ok(()), Err);
        for job in held {
            job.result = Some(outcome);
        }
    }
}

/// What the echo counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EchoCounts {
    pub accepted: u64,
    pub received_bytes: u64,
    pub sent_bytes: u64,
    pub failed: u64,
    pub jobs_back: u64,
    pub jobs_refused: u64,
    pub jobs_failed: u64,
    pub heartbeats: u64,
    pub timers: u64,
    pub wakes: u64,
}

pub struct Echo<R, P, C> {
    pub ring: R,
    port: P,
    clock: C,
    listener: ListenerId,
    is_accepting: bool,
    is_draining: bool,
    connections: Vec<Slot>,
    choices: Stream,
    timer_at: Option<Nanos>,
    pub counts: EchoCounts,
}

struct Slot {
    generation: NonZeroU32,
    connection: Option<Connection>,
}

#[derive(Default)]
struct Connection {
    socket: Option<Socket>,
    is_receiving: bool,
    is_sending: bool,
    is_closing: bool,
    /// A job runs: what arrives meanwhile waits.
    is_parked: bool,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// Nothing more will come.
    has_ended: bool,
    is_broken: bool,
}

impl<R: Ring, P: WorkerPort<Job>, C: Clock> Echo<R, P, C> {
    pub fn new(ring: R, port: P, clock: C, listener: ListenerId, choices: Stream) -> Self {
        let mut echo = Echo {
            ring,
            port,
            clock,
            listener,
            is_accepting: false,
            is_draining: false,
            connections: Vec::new(),
            choices,
            timer_at: None,
            counts: EchoCounts::default(),
        };
        echo.ring.heartbeat(Some(Nanos::from_millis(1)));
        echo
    }

    /// No connection is accepted any more.
    pub fn drain(&mut self) {
        self.is_draining = true;
        if self.is_accepting {
            self.ring.stop_accept(self.listener);
        }
        self.ring.heartbeat(None);
        self.ring.timer(None);
        self.timer_at = None;
    }

    pub fn is_drained(&self) -> bool {
        let open = self
            .connections
            .iter()
            .any(|slot| slot.connection.is_some());
        self.is_draining && !self.is_accepting && !open && self.port.in_flight() == 0
    }

    pub fn turn(&mut self) {
        if !self.is_accepting && !self.is_draining {
            self.is_accepting = true;
            self.ring.accept(self.listener, LISTENER);
        }
        if self.timer_at.is_none() && !self.is_draining && self.choices.per_mille(100) {
            let at = self.clock.now() + Nanos(self.choices.below(3_000_000));
            self.timer_at = Some(at);
            self.ring.timer(Some(at));
        }
        let must_not_block = self.choices.per_mille(300) || self.port.prepare_sleep();
        self.ring
            .enter(u32::from(!must_not_block))
            .expect("a simulated ring enters");
        while let Some(completion) = self.ring.pop() {
            self.complete(completion);
        }
        while let Some(finished) = self.port.poll() {
            self.counts.jobs_back += 1;
            let has_failed = finished.outcome != Outcome::Ran
                || finished
                    .job
                    .result
                    .expect("a job that ran has a result")
                    .is_err();
            self.counts.jobs_failed += u64::from(has_failed);
            let connection = self.connection(finished.job.owner);
            assert!(connection.is_parked, "a job came back twice");
            connection.is_parked = false;
        }
        for index in 0..self.connections.len() {
            self.drive(index);
        }
    }

    fn complete(&mut self, completion: Completion) {
        match completion {
            Completion::Accepted {
                owner,
                result,
                more,
            } => {
                assert_eq!(owner, LISTENER);
                self.is_accepting = more;
                if let Ok(socket) = result {
                    self.counts.accepted += 1;
                    self.open(socket);
                }
            }
            Completion::Received {
                owner,
                received,
                more,
            } => self.received(owner, received, more),
            Completion::Sent {
                owner,
                buffer,
                result,
            } => {
                let connection = self.connection(owner);
                assert!(
                    connection.is_sending,
                    "a send completed that was not in flight"
                );
                connection.is_sending = false;
                connection.is_broken |= result.is_err();
                let rest: Vec<u8> = [&buffer.head[..], &buffer.body[..]].concat();
                let rest = rest[buffer.sent_bytes..].to_vec();
                connection.outbox.splice(..0, rest);
                match result {
                    Ok(len) => self.counts.sent_bytes += len as u64,
                    Err(_) => self.counts.failed += 1,
                }
            }
            Completion::Closed { owner } => {
                let slot = &mut self.connections[owner.index() as usize];
                assert_eq!(slot.generation, owner.generation());
                assert!(slot.connection.take().is_some_and(|it| it.is_closing));
                slot.generation = slot.generation.checked_add(1).expect("a run is short");
            }
            Completion::Heartbeat => self.counts.heartbeats += 1,
            Completion::Timer => {
                let at = self
                    .timer_at
                    .take()
                    .expect("a timer fired that was not armed");
                assert!(self.clock.now() >= at, "a timer fired early");
                self.counts.timers += 1;
            }
            Completion::Woken => self.counts.wakes += 1,
        }
    }

    fn received(&mut self, owner: Owner, received: Received, more: bool) {
        let bytes = match &received {
            Received::Bytes(lease) => {
                self.counts.received_bytes += lease.len_bytes() as u64;
                self.ring.bytes(lease).to_vec()
            }
            _ => Vec::new(),
        };
        let connection = self.connection(owner);
        assert!(
            connection.is_receiving,
            "a receive completed that was not in flight"
        );
        connection.is_receiving = more;
        connection.inbox.extend(&bytes);
        match received {
            Received::Bytes(lease) => self.ring.release(lease),
            Received::End => connection.has_ended = true,
            Received::NoBuffers | Received::Cancelled => assert!(!more),
            Received::Failed(_) => {
                connection.is_broken = true;
                self.counts.failed += 1;
            }
        }
    }

    fn drive(&mut self, index: usize) {
        let owner = Ticket::new(index as u32, self.connections[index].generation);
        let Some(connection) = &mut self.connections[index].connection else {
            return;
        };
        if connection.is_closing {
            return;
        }
        if !connection.is_parked && !connection.inbox.is_empty() && !connection.is_broken {
            let bytes = std::mem::take(&mut connection.inbox);
            connection.outbox.extend(bytes);
            if self.choices.per_mille(400) {
                let job = Box::new(Job {
                    owner,
                    result: None,
                    is_held: self.choices.per_mille(500),
                });
                match self.port.try_submit(job) {
                    Ok(()) => connection.is_parked = true,
                    Err(_) => self.counts.jobs_refused += 1,
                }
            }
        }
        let socket = connection.socket.as_ref().expect("open until it closes");
        let is_over = connection.is_broken
            || (connection.has_ended
                && connection.inbox.is_empty()
                && connection.outbox.is_empty());
        if !connection.is_sending && !connection.outbox.is_empty() && !connection.is_broken {
            let mut head = std::mem::take(&mut connection.outbox);
            let body = head.split_off(head.len() / 2);
            connection.is_sending = true;
            let buffer = SendBuffer {
                head,
                body: bytes::Bytes::from(body).into(),
                sent_bytes: 0,
            };
            self.ring.send(socket, owner, buffer);
        } else if is_over && !connection.is_parked && !connection.is_sending {
            if connection.is_receiving {
                self.ring.stop_recv(socket);
            } else {
                connection.is_closing = true;
                let socket = connection.socket.take().expect("open until it closes");
                self.ring.shutdown_write(&socket);
                self.ring.close(socket, owner);
                return;
            }
        } else if connection.is_broken && connection.is_sending {
            // What waits for room that will never come ends by the shutdown.
            self.ring.shutdown_write(socket);
        }
        let is_full = connection.outbox.len() > OUTPUT_BYTES_MAX;
        let socket = connection.socket.as_ref().expect("open until it closes");
        if connection.is_receiving {
            if is_full || self.choices.per_mille(30) {
                self.ring.stop_recv(socket);
            }
        } else if !is_full && !connection.has_ended && !connection.is_broken {
            connection.is_receiving = true;
            self.ring.recv(socket, owner);
        }
    }

    fn open(&mut self, socket: Socket) {
        let index = self
            .connections
            .iter()
            .position(|slot| slot.connection.is_none())
            .unwrap_or_else(|| {
                self.connections.push(Slot {
                    generation: NonZeroU32::MIN,
                    connection: None,
                });
                self.connections.len() - 1
            });
        self.connections[index].connection = Some(Connection {
            socket: Some(socket),
            ..Connection::default()
        });
    }

    fn connection(&mut self, owner: Owner) -> &mut Connection {
        let slot = &mut self.connections[owner.index() as usize];
        assert_eq!(slot.generation, owner.generation(), "an owner that is gone");
        slot.connection.as_mut().expect("an owner that is gone")
    }
}

const LISTENER: Owner = Ticket::new(u32::MAX, NonZeroU32::MIN);
const OUTPUT_BYTES_MAX: usize = 4096;
