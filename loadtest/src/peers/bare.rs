//! The bare loop: io_uring and httparse with nothing between them.
//!
//! The floor under every server on this kernel: multishot accept and receive into provided buffers,
//! deferred task work, all answers to one receive in one send, one `io_uring_enter` per turn, no
//! routing table, no deadlines, no limits but those of its buffers. What the engine costs above it is
//! the price of being an engine.
//!
//! Safe code cannot lend memory to the kernel. Invariants:
//! 1. A send points into its connection's `leaving` bytes. They are neither changed nor freed until
//!    the send's completion, and the connection lives until then.
//! 2. All other SQEs point to nothing.
//! 3. A descriptor the kernel gives for an accept is ours.

mod answer;
mod buffers;

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use io_uring::types::Fd;
use io_uring::{CompletionQueue, IoUring, SubmissionQueue, Submitter, cqueue, opcode, squeue};
use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::{During, Failure};
use answer::{Answers, Taken};
use buffers::Buffers;

/// Serves on `addr` on this thread until the process is killed.
///
/// *Errors*: the system's, as of an address in use or a kernel before 6.1.
pub fn serve(addr: SocketAddr) -> Result<(), Failure> {
    let listener = listen(addr).during(|| format!("listen on {addr}"))?;
    let mut ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_cqsize(COMPLETIONS_MAX)
        .build(SUBMISSIONS_MAX)
        .during(|| "set up an io_uring".to_owned())?;
    let buffers =
        Buffers::new(&ring.submitter()).during(|| "register receive buffers".to_owned())?;
    let (mut submitter, submissions, completions) = ring.split();
    // Spares the kernel the look-up of a descriptor per turn; without it works as well.
    let _ = submitter.register_ring_fd();
    let mut server = Server {
        submissions: Submissions {
            queue: submissions,
            submitter,
        },
        buffers,
        connections: Vec::new(),
        answers: Answers::new(),
        talking: Vec::new(),
        listener,
    };
    server
        .run(completions)
        .during(|| format!("serve on {addr}"))
}

/// A connection, at the index of its descriptor.
struct Connection {
    socket: OwnedFd,
    /// What was received but is not a whole request yet.
    partial: Vec<u8>,
    /// Answers for the next send.
    answers: Vec<u8>,
    /// Answers the kernel is sending.
    leaving: Vec<u8>,
    sent_bytes: usize,
    is_sending: bool,
    is_receiving: bool,
    /// Nothing more is read: the peer is done, or asked to close.
    is_ending: bool,
    /// Whether it stands in the list of those with something to say.
    is_talking: bool,
}

struct Server<'ring> {
    submissions: Submissions<'ring>,
    buffers: Buffers,
    connections: Vec<Option<Connection>>,
    answers: Answers,
    /// Connections whose turn brought answers.
    talking: Vec<RawFd>,
    listener: TcpListener,
}

impl Server<'_> {
    fn run(&mut self, mut completions: CompletionQueue<'_>) -> io::Result<()> {
        self.accept()?;
        loop {
            self.submissions.enter(1)?;
            self.answers.renew();
            completions.sync();
            for completion in &mut completions {
                let fd = completion.user_data() as u32 as RawFd;
                match completion.user_data() >> 32 {
                    ACCEPT => self.accepted(&completion)?,
                    RECEIVE => self.received(fd, &completion)?,
                    _ => self.sent(fd, completion.result())?,
                }
            }
            // The kernel must see them taken, or it takes the next wait for satisfied.
            completions.sync();
            self.buffers.publish();
            self.send_all()?;
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let accept = opcode::AcceptMulti::new(Fd(self.listener.as_raw_fd())).build();
        self.submissions.push(accept.user_data(ACCEPT << 32))
    }

    fn accepted(&mut self, completion: &cqueue::Entry) -> io::Result<()> {
        if !cqueue::more(completion.flags()) {
            self.accept()?;
        }
        let fd = completion.result();
        if fd < 0 {
            return Ok(());
        }
        let index = fd as usize;
        if index >= self.connections.len() {
            self.connections.resize_with(index + 1, || None);
        }
        self.connections[index] = Some(Connection {
            // SAFETY: invariant 3.
            socket: unsafe { OwnedFd::from_raw_fd(fd) },
            partial: Vec::new(),
            answers: Vec::with_capacity(OUTPUT_BYTES),
            leaving: Vec::with_capacity(OUTPUT_BYTES),
            sent_bytes: 0,
            is_sending: false,
            is_receiving: true,
            is_ending: false,
            is_talking: false,
        });
        self.receive(fd)
    }

    fn receive(&mut self, fd: RawFd) -> io::Result<()> {
        let receive = opcode::RecvMulti::new(Fd(fd), buffers::GROUP).build();
        self.submissions
            .push(receive.user_data(RECEIVE << 32 | fd as u64))
    }

    fn received(&mut self, fd: RawFd, completion: &cqueue::Entry) -> io::Result<()> {
        let connection = open(&mut self.connections, fd);
        connection.is_receiving = cqueue::more(completion.flags());
        let result = completion.result();
        match cqueue::buffer_select(completion.flags()) {
            Some(buffer) if result > 0 => {
                let bytes = self.buffers.bytes(buffer, result as usize);
                connection.take(bytes, &self.answers);
                self.buffers.give_back(buffer);
            }
            _ => connection.is_ending |= result != -libc::ENOBUFS,
        }
        if !connection.answers.is_empty() && !connection.is_talking {
            connection.is_talking = true;
            self.talking.push(fd);
        }
        if connection.is_ending {
            if connection.answers.is_empty() && !connection.is_sending {
                self.end(fd);
            }
            return Ok(());
        }
        if connection.is_receiving {
            return Ok(());
        }
        connection.is_receiving = true;
        self.receive(fd)
    }

    fn sent(&mut self, fd: RawFd, result: i32) -> io::Result<()> {
        let connection = open(&mut self.connections, fd);
        connection.is_sending = false;
        match usize::try_from(result) {
            Ok(sent_bytes) => connection.sent_bytes += sent_bytes,
            Err(_) => connection.give_up(),
        }
        if connection.sent_bytes < connection.leaving.len() || !connection.answers.is_empty() {
            return self.send(fd);
        }
        connection.leaving.clear();
        connection.sent_bytes = 0;
        if connection.is_ending {
            self.end(fd);
        }
        Ok(())
    }

    /// One send for each connection with something to say.
    fn send_all(&mut self) -> io::Result<()> {
        while let Some(fd) = self.talking.pop() {
            let Some(connection) = &mut self.connections[fd as usize] else {
                continue;
            };
            connection.is_talking = false;
            if !connection.is_sending && !connection.answers.is_empty() {
                self.send(fd)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, fd: RawFd) -> io::Result<()> {
        let connection = open(&mut self.connections, fd);
        if connection.sent_bytes == connection.leaving.len() {
            connection.leaving.clear();
            connection.sent_bytes = 0;
            std::mem::swap(&mut connection.leaving, &mut connection.answers);
        }
        connection.is_sending = true;
        let bytes = &connection.leaving[connection.sent_bytes..];
        let send = opcode::Send::new(Fd(fd), bytes.as_ptr(), bytes.len() as u32)
            .flags(libc::MSG_NOSIGNAL)
            .build();
        self.submissions
            .push(send.user_data(SEND << 32 | fd as u64))
    }

    /// Ends a connection whose last answer has left.
    fn end(&mut self, fd: RawFd) {
        let connection = open(&mut self.connections, fd);
        if connection.is_receiving {
            // The receive ends by the shutdown, and comes here again. An error means that the peer
            // was faster.
            let _ = socket2::SockRef::from(&connection.socket).shutdown(Shutdown::Both);
        } else {
            // Closes the descriptor, whose index the next accept may use.
            self.connections[fd as usize] = None;
        }
    }
}

impl Connection {
    /// Answers all whole requests in `bytes`, and keeps the rest.
    fn take(&mut self, bytes: &[u8], answers: &Answers) {
        if self.is_ending {
            return;
        }
        if self.partial.is_empty() {
            let taken = answers.answer(bytes, &mut self.answers);
            self.note(&taken);
            self.partial.extend_from_slice(&bytes[taken.bytes..]);
        } else {
            self.partial.extend_from_slice(bytes);
            let taken = answers.answer(&self.partial, &mut self.answers);
            self.note(&taken);
            self.partial.drain(..taken.bytes);
        }
    }

    fn note(&mut self, taken: &Taken) {
        self.is_ending |= taken.is_last || self.partial.len() > PARTIAL_BYTES_MAX;
    }

    /// Forgets what can no longer be sent.
    fn give_up(&mut self) {
        self.is_ending = true;
        self.answers.clear();
        self.leaving.clear();
        self.sent_bytes = 0;
    }
}

/// The submission queue, and the syscall that empties it.
struct Submissions<'ring> {
    queue: SubmissionQueue<'ring>,
    submitter: Submitter<'ring>,
}

impl Submissions<'_> {
    fn push(&mut self, entry: squeue::Entry) -> io::Result<()> {
        // SAFETY: invariants 1 and 2.
        while unsafe { self.queue.push(&entry) }.is_err() {
            self.enter(0)?;
        }
        Ok(())
    }

    fn enter(&mut self, want: usize) -> io::Result<()> {
        self.queue.sync();
        match self.submitter.submit_and_wait(want) {
            Err(error) if !is_passing(&error) => return Err(error),
            _ => {}
        }
        self.queue.sync();
        Ok(())
    }
}

/// A signal, or a completion queue to be emptied first.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINTR | libc::EBUSY | libc::EAGAIN)
    )
}

fn open(connections: &mut [Option<Connection>], fd: RawFd) -> &mut Connection {
    connections[fd as usize]
        .as_mut()
        .expect("a connection outlives its operations")
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

const ACCEPT: u64 = 1;
const RECEIVE: u64 = 2;
const SEND: u64 = 3;

const SUBMISSIONS_MAX: u32 = 2048;
const COMPLETIONS_MAX: u32 = 8192;
/// What the engine's listener asks for too.
const BACKLOG: i32 = 4096;
const OUTPUT_BYTES: usize = 512;
/// A head longer than this is not answered.
const PARTIAL_BYTES_MAX: usize = 64 << 10;
