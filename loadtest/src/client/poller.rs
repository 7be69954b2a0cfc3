//! epoll, edge-triggered: one registration a connection, no re-arming.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;

/// Most readiness reports that one wait returns.
const EVENTS_MAX: usize = 256;

/// A socket that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The key it was registered under.
    pub key: usize,
    /// The server has closed its side, so that the reading goes on to the end.
    pub is_ending: bool,
}

/// Tells which sockets became readable or writable.
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    /// An empty poller.
    ///
    /// *Errors*: the system's, as of too many open files.
    pub fn new() -> io::Result<Poller> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Poller {
            epoll,
            events: Vec::with_capacity(EVENTS_MAX),
        })
    }

    /// Reports changes of `socket` under `key` from now on, until the socket is closed.
    ///
    /// *Errors*: the system's.
    pub fn watch(&self, socket: impl AsFd, key: usize) -> io::Result<()> {
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(
            &self.epoll,
            socket,
            epoll::EventData::new_u64(key as u64),
            interest,
        )?)
    }

    /// Waits for changes for at most `patience`; returns the sockets that changed.
    ///
    /// *Source*: epoll_pwait2(2), Linux 5.11: a timeout in nanoseconds.
    ///
    /// *Errors*: the system's; an interrupted wait is an empty report.
    pub fn wait(&mut self, patience: Duration) -> io::Result<impl Iterator<Item = Ready>> {
        let timeout = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(patience.subsec_nanos()),
        };
        self.events.clear();
        match epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            Some(&timeout),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let endings = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        Ok(self.events.iter().map(move |event| {
            let (data, flags) = (event.data, event.flags);
            Ready {
                key: data.u64() as usize,
                is_ending: flags.intersects(endings),
            }
        }))
    }
}
