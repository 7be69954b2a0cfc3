//! Sockets that listen.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// How a listening socket is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerOptions {
    /// Connections the kernel completes and keeps until they are accepted; 4096 if not told, cut to
    /// `/proc/sys/net/core/somaxconn`. When it is full, clients try again after a second.
    pub backlog: u32,
    /// Whether several sockets may listen on the address and share its connections, one for each
    /// shard; yes if not told.
    pub reuse_port: bool,
    /// Whether accepted sockets send small segments at once; yes if not told. Set on the listener:
    /// accepted sockets inherit it, so it costs no syscall per connection.
    pub no_delay: bool,
}

impl Default for ListenerOptions {
    fn default() -> ListenerOptions {
        ListenerOptions {
            backlog: 4096,
            reuse_port: true,
            no_delay: true,
        }
    }
}

/// A socket that listens on `addr`.
///
/// # Errors
/// What socket(2), setsockopt(2), bind(2) and listen(2) say.
pub fn listen(addr: SocketAddr, options: &ListenerOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server finds connections of the old one in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(options.reuse_port)?;
    socket.set_tcp_nodelay(options.no_delay)?;
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}
