//! The network and the other side of it: connections as two streams of bytes with bounded buffers
//! at either end.

use std::collections::VecDeque;

use crate::ring::Errno;

use super::SimConfig;
use super::event::Event;
use super::fault::Fault;
use super::operation::Armed;
use super::random::Stream;
use super::world::World;

/// One connection, both sides of it.
#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) listener: usize,
    /// The server's descriptor while it is open.
    pub(super) fd: Option<i32>,
    pub(super) is_accepted: bool,

    /// The receive as the shard sees it: until its last completion is popped.
    pub(super) receive_seen: Option<Armed>,
    /// The send as the shard sees it.
    pub(super) send_seen: Option<Armed>,
    /// The receive as the kernel has it: until its last completion is posted.
    pub(super) receiving: Option<Armed>,
    /// The send as the kernel has it: until its bytes have left or it failed.
    pub(super) sending: Option<Armed>,
    pub(super) is_receive_planned: bool,
    pub(super) is_send_planned: bool,

    /// What the client has sent and the server's kernel has not.
    pub(super) upstream: VecDeque<u8>,
    /// What the server's kernel has and no receive has brought yet.
    pub(super) arrived: VecDeque<u8>,
    pub(super) is_deliver_planned: bool,
    pub(super) has_client_finished: bool,
    pub(super) has_end_arrived: bool,

    /// The server's send buffer.
    pub(super) downstream: VecDeque<u8>,
    /// What the client's kernel has and the client has not read.
    pub(super) unread: VecDeque<u8>,
    /// What the client has read.
    pub(super) read: Vec<u8>,
    pub(super) is_depart_planned: bool,
    pub(super) has_server_finished: bool,
    pub(super) has_client_stopped_reading: bool,

    /// A fault has ended it, or a send of it.
    pub(super) is_struck: bool,
    /// The connection is dead in both directions.
    pub(super) is_broken: bool,
    /// Why; taken by the operation that tells it, as the kernel tells it once.
    pub(super) error: Option<Errno>,
    pub(super) client_end: Option<ClientEnd>,
}

/// How a connection ended, as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEnd {
    /// The server sent FIN after its last byte.
    Finished,
    /// The connection was reset or lost; bytes under way are gone.
    Reset,
}

impl Connection {
    /// Whether a receive would bring something.
    pub(super) fn is_readable(&self) -> bool {
        !self.arrived.is_empty() || self.has_end_arrived || self.is_broken
    }

    /// Both directions die with an error that the next operation will tell.
    pub(super) fn sever(&mut self, error: Errno) {
        self.is_broken = true;
        self.error = Some(error);
        self.upstream.clear();
        self.downstream.clear();
        self.client_end.get_or_insert(ClientEnd::Reset);
    }
}

impl World {
    pub(super) fn connect(&mut self, listener: usize) -> usize {
        let id = self.connections.len();
        self.connections.push(Connection {
            listener,
            ..Connection::default()
        });
        self.record("connect", id as u64, listener as u64);
        let at = self.after_network();
        self.agenda.plan(at, Event::Connect(id));
        id
    }

    pub(super) fn client_sends(&mut self, id: usize, bytes: &[u8]) {
        let now = self.now();
        self.log.record_bytes(now, "client sends", id, bytes);
        let connection = &mut self.connections[id];
        assert!(
            !connection.has_client_finished,
            "a client that has finished cannot send"
        );
        if !connection.is_broken {
            connection.upstream.extend(bytes);
        }
        self.plan_deliver(id);
    }

    pub(super) fn client_finishes(&mut self, id: usize) {
        self.record("client finishes", id as u64, 0);
        self.connections[id].has_client_finished = true;
        self.plan_deliver(id);
    }

    pub(super) fn client_resets(&mut self, id: usize) {
        self.record("client resets", id as u64, 0);
        let connection = &mut self.connections[id];
        connection.upstream.clear();
        connection.client_end.get_or_insert(ClientEnd::Reset);
        let at = self.after_network();
        self.agenda.plan(at, Event::Reset(id));
    }

    pub(super) fn client_stops_reading(&mut self, id: usize) {
        self.record("client stops reading", id as u64, 0);
        self.connections[id].has_client_stopped_reading = true;
    }

    pub(super) fn client_reads_again(&mut self, id: usize) {
        self.record("client reads again", id as u64, 0);
        let connection = &mut self.connections[id];
        connection.has_client_stopped_reading = false;
        connection.read.extend(connection.unread.drain(..));
        self.plan_depart(id);
    }

    /// Some of what the client has sent arrives, cut where the network likes.
    pub(super) fn deliver(&mut self, id: usize) {
        let room_max = self.config.receive_buffer_bytes;
        let connection = &mut self.connections[id];
        connection.is_deliver_planned = false;
        if connection.is_broken {
            return;
        }
        if connection.is_accepted && connection.fd.is_none() {
            // Data for a closed socket is answered with RST (RFC 9293, 3.10.7.1).
            if !connection.upstream.is_empty() {
                connection.sever(Errno(libc::ECONNRESET));
            }
            return;
        }
        let room = room_max.saturating_sub(connection.arrived.len());
        let len = connection.upstream.len().min(room);
        if len > 0 {
            let len = cut(&mut self.splits, &self.config, len);
            connection.arrived.extend(connection.upstream.drain(..len));
        }
        if connection.upstream.is_empty() && connection.has_client_finished {
            connection.has_end_arrived = true;
        }
        self.plan_deliver(id);
        self.plan_receive(id);
    }

    /// Some of what the server has sent arrives.
    pub(super) fn depart(&mut self, id: usize) {
        let window = self.config.client_window_bytes;
        let connection = &mut self.connections[id];
        connection.is_depart_planned = false;
        if connection.is_broken {
            return;
        }
        let room = window.saturating_sub(connection.unread.len());
        let len = connection.downstream.len().min(room);
        if len > 0 {
            let len = cut(&mut self.splits, &self.config, len);
            let bytes = connection.downstream.drain(..len);
            if connection.has_client_stopped_reading {
                connection.unread.extend(bytes);
            } else {
                connection.read.extend(bytes);
            }
        }
        if connection.downstream.is_empty() && connection.has_server_finished {
            connection.client_end.get_or_insert(ClientEnd::Finished);
        }
        self.plan_depart(id);
        self.plan_send(id);
    }

    /// The client's RST arrives. What has arrived before it can still be received.
    pub(super) fn reset(&mut self, id: usize) {
        if !self.connections[id].is_broken {
            self.sever(id, Errno(libc::ECONNRESET));
        }
    }

    /// The connection dies, and what waits on it learns of it.
    pub(super) fn sever(&mut self, id: usize, error: Errno) {
        self.record("severed", id as u64, error.0 as u64);
        self.connections[id].sever(error);
        self.plan_receive(id);
        self.plan_send(id);
    }

    /// A fault that ends the connection, where one strikes now. What had arrived is lost with it,
    /// as though it had never come.
    pub(super) fn sever_by_fault(&mut self, id: usize, faults: &[Fault]) {
        for &fault in faults {
            if !self.connections[id].is_broken && self.faults.strikes(fault) {
                let error = fault.errno().expect("faults of connections have an errno");
                self.connections[id].is_struck = true;
                self.connections[id].arrived.clear();
                self.sever(id, error);
            }
        }
    }

    pub(super) fn plan_deliver(&mut self, id: usize) {
        let room_max = self.config.receive_buffer_bytes;
        let connection = &mut self.connections[id];
        let has_bytes = !connection.upstream.is_empty() && connection.arrived.len() < room_max;
        let has_end = connection.upstream.is_empty()
            && connection.has_client_finished
            && !connection.has_end_arrived;
        if (has_bytes || has_end) && !connection.is_deliver_planned && !connection.is_broken {
            connection.is_deliver_planned = true;
            let at = self.after_network();
            self.agenda.plan(at, Event::Deliver(id));
        }
    }

    pub(super) fn plan_depart(&mut self, id: usize) {
        let window = self.config.client_window_bytes;
        let connection = &mut self.connections[id];
        let has_bytes = !connection.downstream.is_empty() && connection.unread.len() < window;
        let has_end = connection.downstream.is_empty()
            && connection.has_server_finished
            && connection.client_end.is_none();
        if (has_bytes || has_end) && !connection.is_depart_planned && !connection.is_broken {
            connection.is_depart_planned = true;
            let at = self.after_network();
            self.agenda.plan(at, Event::Depart(id));
        }
    }
}

/// All of it half of the time, else some of it: the network may cut anywhere, unless it stands still.
fn cut(splits: &mut Stream, config: &SimConfig, len: usize) -> usize {
    if config.is_still || splits.per_mille(500) {
        len
    } else {
        splits.within(1, len)
    }
}
