//! One connection: bytes out, bytes in, nothing about HTTP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::client::poller::Poller;

/// The inbox grows from here only where an answer is longer.
const INBOX_BYTES: usize = 16 * 1024;

/// A non-blocking connection with its unread bytes.
#[derive(Debug)]
pub struct Link {
    socket: TcpStream,
    inbox: Vec<u8>,
    start: usize,
    end: usize,
}

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Bytes, and there may be more.
    More,
    /// All there was for now.
    Dry,
    /// The server closed its side or reset the connection.
    Ended,
}

impl Link {
    /// Connects, blocking, and has `poller` report changes under `key`.
    ///
    /// *Errors*: the system's, as of a refused connection.
    pub fn connect(addr: SocketAddr, poller: &Poller, key: usize) -> io::Result<Link> {
        let socket = TcpStream::connect(addr)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        poller.watch(&socket, key)?;
        Ok(Link {
            socket,
            inbox: vec![0; INBOX_BYTES],
            start: 0,
            end: 0,
        })
    }

    /// Sends what is left of `bytes` from `sent` on; returns how far it came.
    ///
    /// *Errors*: the system's, as of a connection that the server reset; a full socket is none.
    pub fn send(&mut self, bytes: &[u8], mut sent: usize) -> io::Result<usize> {
        while sent < bytes.len() {
            match self.socket.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Reads once into the inbox; `is_ending` says that the poller saw the server close its side.
    ///
    /// A read that does not fill the room has drained the socket, so the next edge is awaited
    /// without another call. Not so where the end came with the same edge as the last bytes: no
    /// other edge follows it.
    ///
    /// *Source*: epoll(7), questions 9 and 10 of its appendix.
    ///
    /// *Errors*: the system's; a reset is an end, not an error, since what was received before it
    /// is still to be judged.
    pub fn receive(&mut self, is_ending: bool) -> io::Result<Received> {
        self.make_room();
        let room = &mut self.inbox[self.end..];
        let room_bytes = room.len();
        match self.socket.read(room) {
            Ok(0) => Ok(Received::Ended),
            Ok(count) => {
                self.end += count;
                let is_dry = count < room_bytes && !is_ending;
                Ok(if is_dry {
                    Received::Dry
                } else {
                    Received::More
                })
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => Ok(Received::Dry),
                io::ErrorKind::Interrupted => Ok(Received::More),
                io::ErrorKind::ConnectionReset => Ok(Received::Ended),
                _ => Err(error),
            },
        }
    }

    /// The bytes received and not consumed.
    pub fn unread(&self) -> &[u8] {
        &self.inbox[self.start..self.end]
    }

    /// Takes `count` bytes off the unread ones.
    ///
    /// *Panics*: where there are fewer.
    pub fn consume(&mut self, count: usize) {
        assert!(
            count <= self.end - self.start,
            "consumed more than was received"
        );
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    fn make_room(&mut self) {
        if self.end < self.inbox.len() {
            return;
        }
        self.inbox.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.inbox.len() {
            self.inbox.resize(self.inbox.len() * 2, 0);
        }
    }
}
