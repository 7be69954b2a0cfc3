//! What the kernel does with an operation.

use std::collections::VecDeque;

use cutaway_scheduler::Nanos;

use crate::ring::{Errno, ListenerId, Owner, SendBuffer, Socket};

use super::event::{Done, Entry, Event};
use super::fault::Fault;
use super::operation::{Armed, Kind};
use super::world::World;

/// A listening socket.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// Connections that nobody has accepted yet.
    backlog: VecDeque<usize>,
    /// The accept as the shard sees it: until its last completion is popped.
    pub(super) accept_seen: Option<Armed>,
    /// The accept as the kernel has it.
    accepting: Option<Armed>,
    is_accept_planned: bool,
}

/// What waits for the next `enter`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Submission {
    Accept(usize, Armed),
    StopAccept(usize, Armed),
    Receive(usize, Armed),
    StopReceive(usize, Armed),
    Send(usize, Armed),
    ShutdownWrite(usize),
    Close(usize, Armed),
    Heartbeat(Option<Nanos>),
    Timer(Option<Nanos>),
}

/// The shard's calls: each checks its rule and queues.
impl World {
    pub(super) fn accept(&mut self, listener: ListenerId, owner: Owner) {
        let index = listener.0 as usize;
        if self.listeners[index].accept_seen.is_some() {
            self.bug(format_args!(
                "listener {index} has an accept in flight already"
            ));
        }
        let armed = self.open(Kind::Accept, owner, index, None);
        self.listeners[index].accept_seen = Some(armed);
        self.submit("accept", index, Submission::Accept(index, armed));
    }

    pub(super) fn stop_accept(&mut self, listener: ListenerId) {
        let index = listener.0 as usize;
        if let Some(armed) = self.listeners[index].accept_seen {
            self.submit("stop accept", index, Submission::StopAccept(index, armed));
        }
    }

    pub(super) fn receive(&mut self, socket: &Socket, owner: Owner) {
        let id = self.connection_of(socket);
        if self.connections[id].receive_seen.is_some() {
            self.bug(format_args!(
                "connection {id} has a receive in flight already"
            ));
        }
        let armed = self.open(Kind::Receive, owner, id, None);
        self.connections[id].receive_seen = Some(armed);
        self.submit("receive", id, Submission::Receive(id, armed));
    }

    pub(super) fn stop_receive(&mut self, socket: &Socket) {
        let id = self.connection_of(socket);
        if let Some(armed) = self.connections[id].receive_seen {
            self.submit("stop receive", id, Submission::StopReceive(id, armed));
        }
    }

    pub(super) fn send(&mut self, socket: &Socket, owner: Owner, buffer: SendBuffer) {
        let id = self.connection_of(socket);
        if self.connections[id].send_seen.is_some() {
            self.bug(format_args!("connection {id} has a send in flight already"));
        }
        if buffer.remaining_bytes() == 0 {
            self.bug(format_args!("connection {id} was to send nothing"));
        }
        let armed = self.open(Kind::Send, owner, id, Some(buffer));
        self.connections[id].send_seen = Some(armed);
        self.submit("send", id, Submission::Send(id, armed));
    }

    pub(super) fn shutdown_write(&mut self, socket: &Socket) {
        let id = self.connection_of(socket);
        self.submit("shutdown write", id, Submission::ShutdownWrite(id));
    }

    pub(super) fn close(&mut self, socket: &Socket, owner: Owner) {
        let id = self.connection_of(socket);
        let connection = &self.connections[id];
        if connection.receive_seen.is_some() {
            self.bug(format_args!(
                "connection {id} was closed before its receive had ended"
            ));
        }
        if connection.send_seen.is_some() {
            self.bug(format_args!(
                "connection {id} was closed before its send had ended"
            ));
        }
        let armed = self.open(Kind::Close, owner, id, None);
        self.submit("close", id, Submission::Close(id, armed));
    }

    fn connection_of(&self, socket: &Socket) -> usize {
        let open = self.files.get(socket.fd as usize).copied().flatten();
        let Some(id) = open else {
            self.bug(format_args!(
                "an operation on descriptor {}, which is closed",
                socket.fd
            ));
        };
        id
    }
}

/// What becomes of them.
impl World {
    pub(super) fn start(&mut self, submission: Submission) {
        match submission {
            Submission::Accept(listener, armed) => {
                self.listeners[listener].accepting = Some(armed);
                self.plan_accept(listener);
            }
            Submission::StopAccept(listener, armed) => {
                let is_armed = self.listeners[listener].accepting == Some(armed);
                if is_armed && self.faults.strikes(Fault::LateCancel) {
                    let at = self.after_latency() + self.config.latency_max;
                    self.agenda.plan(at, Event::CancelAccept(listener, armed));
                } else {
                    self.cancel_accept(listener, armed);
                }
            }
            Submission::Receive(id, armed) => {
                self.connections[id].receiving = Some(armed);
                self.plan_receive(id);
            }
            Submission::StopReceive(id, armed) => {
                let is_armed = self.connections[id].receiving == Some(armed);
                if is_armed && self.faults.strikes(Fault::LateCancel) {
                    let at = self.after_latency() + self.config.latency_max;
                    self.agenda.plan(at, Event::CancelReceive(id, armed));
                } else {
                    self.cancel_receive(id, armed);
                }
            }
            Submission::Send(id, armed) => {
                // The first attempt is made while submitting, so what is submitted after it (a
                // shutdown) cannot overtake it; only its completion takes time.
                self.connections[id].sending = Some(armed);
                if let Some(entry) = self.attempt_send(id) {
                    self.post_later(entry);
                }
            }
            Submission::ShutdownWrite(id) => {
                self.connections[id].has_server_finished = true;
                self.plan_depart(id);
                self.plan_send(id);
            }
            Submission::Close(id, armed) => self.close_file(id, armed),
            Submission::Heartbeat(period) => self.set_heartbeat(period),
            Submission::Timer(at) => self.set_timer(at),
        }
    }

    /// A connection stands in its listener's backlog.
    pub(super) fn arrive(&mut self, id: usize) {
        let listener = self.connections[id].listener;
        self.listeners[listener].backlog.push_back(id);
        self.plan_accept(listener);
    }

    pub(super) fn try_accept(&mut self, index: usize) {
        let listener = &mut self.listeners[index];
        listener.is_accept_planned = false;
        let Some(armed) = listener.accepting else {
            return;
        };
        if listener.backlog.is_empty() {
            return;
        }
        for fault in [Fault::ProcessFiles, Fault::MachineFiles] {
            if self.faults.strikes(fault) {
                return self.end_accept(index, armed, fault.errno().expect("both have an errno"));
            }
        }
        let Some(fd) = self.free_file() else {
            return self.end_accept(index, armed, Errno(libc::EMFILE));
        };
        let Some(id) = self.listeners[index].backlog.pop_front() else {
            return;
        };
        self.files[fd] = Some(id);
        let connection = &mut self.connections[id];
        connection.fd = Some(fd as i32);
        connection.is_accepted = true;
        let more = !self.faults.strikes(Fault::AcceptEnds);
        if !more {
            self.listeners[index].accepting = None;
        }
        self.post(Entry::Operation {
            armed,
            result: Ok(Done::Accepted(fd as i32)),
            more,
        });
        self.plan_accept(index);
    }

    pub(super) fn cancel_accept(&mut self, index: usize, armed: Armed) {
        if self.listeners[index].accepting == Some(armed) {
            self.end_accept(index, armed, Errno(libc::ECANCELED));
        }
    }

    pub(super) fn try_receive(&mut self, id: usize) {
        self.connections[id].is_receive_planned = false;
        let Some(armed) = self.connections[id].receiving else {
            return;
        };
        if !self.connections[id].is_readable() {
            return;
        }
        self.sever_by_fault(id, &[Fault::ConnectionReset, Fault::TimedOut]);
        let (result, more) = if self.faults.strikes(Fault::Cancelled) {
            (Err(Errno(libc::ECANCELED)), false)
        } else if !self.connections[id].arrived.is_empty() {
            self.receive_bytes(id)
        } else if let Some(error) = self.connections[id].error.take() {
            (Err(error), false)
        } else {
            (Ok(Done::End), false)
        };
        if !more {
            self.connections[id].receiving = None;
        }
        self.post(Entry::Operation {
            armed,
            result,
            more,
        });
        self.plan_receive(id);
    }

    pub(super) fn cancel_receive(&mut self, id: usize, armed: Armed) {
        if self.connections[id].receiving == Some(armed) {
            self.connections[id].receiving = None;
            self.post(Entry::Operation {
                armed,
                result: Err(Errno(libc::ECANCELED)),
                more: false,
            });
        }
    }

    pub(super) fn try_send(&mut self, id: usize) {
        self.connections[id].is_send_planned = false;
        if let Some(entry) = self.attempt_send(id) {
            self.post(entry);
        }
    }

    pub(super) fn plan_receive(&mut self, id: usize) {
        let connection = &mut self.connections[id];
        if connection.receiving.is_some()
            && connection.is_readable()
            && !connection.is_receive_planned
        {
            connection.is_receive_planned = true;
            let at = self.after_latency();
            self.agenda.plan(at, Event::TryReceive(id));
        }
    }

    /// Tries a waiting send again where it could now end.
    pub(super) fn plan_send(&mut self, id: usize) {
        let room_max = self.config.send_buffer_bytes;
        let connection = &mut self.connections[id];
        let can_end = connection.downstream.len() < room_max
            || connection.is_broken
            || connection.has_server_finished;
        if connection.sending.is_some() && can_end && !connection.is_send_planned {
            connection.is_send_planned = true;
            let at = self.after_latency();
            self.agenda.plan(at, Event::TrySend(id));
        }
    }

    /// Sends what there is room for. None where the send must wait, or there is none.
    fn attempt_send(&mut self, id: usize) -> Option<Entry> {
        let armed = self.connections[id].sending?;
        self.sever_by_fault(id, &[Fault::BrokenPipe, Fault::TimedOut]);
        let room_max = self.config.send_buffer_bytes;
        let now = self.now();
        let connection = &mut self.connections[id];
        let result = if self.faults.strikes(Fault::Cancelled) {
            connection.is_struck = true;
            Err(Errno(libc::ECANCELED))
        } else if let Some(error) = connection.error.take() {
            Err(error)
        } else if connection.is_broken || connection.has_server_finished {
            Err(Errno(libc::EPIPE))
        } else {
            let room = room_max.saturating_sub(connection.downstream.len());
            if room == 0 {
                return None;
            }
            let buffer = self
                .operations
                .find(armed.ticket)
                .and_then(|operation| operation.buffer.as_ref())
                .expect("a send in flight has its operation, and that its buffer");
            let len = self
                .faults
                .cut(Fault::ShortSend, buffer.remaining_bytes().min(room));
            let from = buffer.sent_bytes;
            let in_head = buffer.head.len().saturating_sub(from).min(len);
            let head = &buffer.head[buffer.head.len().min(from)..][..in_head];
            let body_from = from.saturating_sub(buffer.head.len());
            let body = &buffer.body[body_from..body_from + len - in_head];
            self.log.record_bytes(now, "leaves", id, head);
            self.log.record_bytes(now, "leaves", id, body);
            connection.downstream.extend(head);
            connection.downstream.extend(body);
            Ok(Done::Sent(len))
        };
        connection.sending = None;
        self.plan_depart(id);
        Some(Entry::Operation {
            armed,
            result,
            more: false,
        })
    }

    /// Moves arrived bytes into a provided buffer.
    fn receive_bytes(&mut self, id: usize) -> (Result<Done, Errno>, bool) {
        if self.faults.strikes(Fault::NoBuffers) {
            return (Err(Errno(libc::ENOBUFS)), false);
        }
        let taken = self.buffers.take();
        let Some(buffer) = self.hold(taken) else {
            return (Err(Errno(libc::ENOBUFS)), false);
        };
        let arrived = self.connections[id].arrived.len();
        let len = arrived.min(self.buffers.buffer_bytes());
        let len = self.faults.cut(Fault::ShortReceive, len);
        let arrived = self.connections[id].arrived.drain(..len);
        for (place, byte) in self.buffers.bytes_mut(buffer).iter_mut().zip(arrived) {
            *place = byte;
        }
        let now = self.now();
        let bytes = &self.buffers.bytes(buffer)[..len];
        self.log.record_bytes(now, "arrives", id, bytes);
        // Room in the receive buffer lets the client's next bytes come.
        self.plan_deliver(id);
        let len = len as u32;
        let more = !self.faults.strikes(Fault::ReceiveEnds);
        (Ok(Done::Received { buffer, len }), more)
    }

    fn end_accept(&mut self, index: usize, armed: Armed, error: Errno) {
        self.listeners[index].accepting = None;
        self.post(Entry::Operation {
            armed,
            result: Err(error),
            more: false,
        });
    }

    fn plan_accept(&mut self, index: usize) {
        let listener = &mut self.listeners[index];
        if listener.accepting.is_some()
            && !listener.backlog.is_empty()
            && !listener.is_accept_planned
        {
            listener.is_accept_planned = true;
            let at = self.after_latency();
            self.agenda.plan(at, Event::TryAccept(index));
        }
    }

    /// The lowest free descriptor, as POSIX has it, so that numbers are used again at once.
    fn free_file(&mut self) -> Option<usize> {
        let free = self
            .files
            .iter()
            .skip(FILES_OF_THE_PROCESS)
            .position(Option::is_none)
            .map(|position| position + FILES_OF_THE_PROCESS);
        if free.is_none() && self.files.len() < self.config.files_max {
            let len = self.files.len().max(FILES_OF_THE_PROCESS);
            self.files.resize(len + 1, None);
            return Some(len);
        }
        free
    }

    fn close_file(&mut self, id: usize, armed: Armed) {
        let connection = &mut self.connections[id];
        let fd = connection.fd.take();
        connection.has_server_finished = true;
        if !connection.arrived.is_empty() {
            // Closing with unread bytes resets at once (tcp_close in Linux), and what was on its way
            // to the client is lost with it. Bytes still under way meet the same fate on arrival.
            connection.arrived.clear();
            connection.sever(Errno(libc::ECONNRESET));
        }
        if let Some(fd) = fd {
            self.files[fd as usize] = None;
        }
        self.plan_deliver(id);
        self.plan_depart(id);
        self.post_later(Entry::Operation {
            armed,
            result: Ok(Done::Closed),
            more: false,
        });
    }
}

/// Standard input, output and error.
const FILES_OF_THE_PROCESS: usize = 3;
