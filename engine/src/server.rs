//! Starting shards, signals, the drain, and the end of the process.
//!
//! The main thread starts everything and then waits for one of three things: a signal, the end of a
//! shard, the death of a worker. A shard or a worker that dies takes the process with it, with a
//! message that says what died: half a server that still answers is worse than none.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cutaway_reactor::Waker;
use cutaway_scheduler::Nanos;

use crate::error::Error;
use crate::limits::Limits;
use crate::routes::Routes;
use crate::shard::host::{self, Berth};
use crate::timeline::TraceMode;

/// What the main thread tells the shards.
pub(crate) struct Control {
    /// Nanoseconds that the drain may take; zero where there is no drain.
    drain_within: AtomicU64,
    /// Taken only at start and at the drain.
    wakers: Mutex<Vec<Waker>>,
}

impl Control {
    fn new() -> Control {
        Control { drain_within: AtomicU64::new(0), wakers: Mutex::new(Vec::new()) }
    }

    /// A shard that wants to be woken when there is news.
    pub fn enlist(&self, waker: Waker) {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
    }

    /// How long the drain may take, once there is one.
    pub fn drain_within(&self) -> Option<Nanos> {
        // Relaxed: the number is all there is to see, and the waker's write comes after it.
        match self.drain_within.load(Ordering::Relaxed) {
            0 => None,
            within => Some(Nanos(within)),
        }
    }

    fn drain(&self, within: Nanos) {
        self.drain_within.store(within.as_u64().max(1), Ordering::Relaxed);
        for waker in self.wakers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            waker.wake();
        }
    }
}

/// What ends the main thread's wait.
enum News {
    Signal(i32),
    ShardUp(usize, Result<(), Error>),
    ShardEnded(usize, Result<(), Error>),
    ShardPanicked(usize),
    WorkerDied(String),
}

/// A set of routes that is ready to serve.
///
/// One shard per core, each with its own listener on the same address (`SO_REUSEPORT`), its own ring
/// and its own workers.
pub struct Engine {
    routes: Routes,
    address: SocketAddr,
    shards: Option<usize>,
    limits: Limits,
    trace: TraceMode,
}

impl Engine {
    /// An engine with the defaults: 127.0.0.1:8080, a shard for each core that the process may use.
    pub fn new(routes: Routes) -> Engine {
        Engine {
            routes,
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            shards: None,
            limits: Limits::default(),
            trace: TraceMode::default(),
        }
    }

    /// Where to listen. Port 0 takes a free one.
    pub fn address(mut self, address: SocketAddr) -> Engine {
        self.address = address;
        self
    }

    /// How many shards; each is pinned to a core of its own while there are cores left.
    pub fn shards(mut self, count: usize) -> Engine {
        self.shards = Some(count);
        self
    }

    /// The bounds of everything.
    pub fn limits(mut self, limits: Limits) -> Engine {
        self.limits = limits;
        self
    }

    /// Which requests' timelines are printed.
    pub fn trace(mut self, mode: TraceMode) -> Engine {
        self.trace = mode;
        self
    }

    /// Serves until SIGTERM or SIGINT, then drains and returns.
    ///
    /// # Blocking
    /// For as long as the server runs.
    ///
    /// # Errors
    /// What kept it from starting, or what ended it: [`Error`] says which and what to do.
    pub fn run(self) -> Result<(), Error> {
        self.start()?.wait()
    }
}

/// A server that is up.
pub struct Running {
    address: SocketAddr,
    limits: Limits,
    control: Arc<Control>,
    news: Receiver<News>,
    shards: Vec<JoinHandle<()>>,
    exporter: ExporterThread,
}

impl Engine {
    /// Starts the workers, the exporter and the shards; returns once every shard is listening.
    ///
    /// # Errors
    /// As [`run`](Engine::run); nothing is left running then that the caller would have to end.
    pub fn start(self) -> Result<Running, Error> {
        let Engine { routes, address, shards, limits, trace } = self;
        let cores = allowed_cores().map_err(Error::Cores)?;
        let count = shards.unwrap_or(cores.len());
        if count == 0 {
            return Err(Error::NoShards);
        }
        let routes = Arc::new(routes);
        let (reporter, news) = mpsc::channel();
        watch_signals(reporter.clone())?;

        let wakers = (0..count).map(|_| Waker::new()).collect::<Result<Vec<_>, _>>();
        let wakers = wakers.map_err(Error::Waker)?;
        let control = Arc::new(Control { drain_within: AtomicU64::new(0), wakers: wakers.clone() });
        let mut effects = routes.open(&wakers, &cores, &reporter_of_deaths(&reporter))?;
        let (recorders, exporter) = timeline::exporter(&routes, trace, count, limits.trace_queue_len);

        // Port 0 is settled by the first listener; the others join it.
        let mut listening = Listening::bind(address)?;
        let address = listening.address();
        let mut handles = Vec::with_capacity(count);
        for (index, recorder) in recorders.into_iter().enumerate() {
            let berth = Berth {
                index,
                core: cores[index % cores.len()],
                control: Arc::clone(&control),
                waker: wakers[index].clone(),
                listener: listening.next()?,
                limits: limits.clone(),
                routes: Arc::clone(&routes),
                effects: effects.remove(0),
                recorder,
            };
            handles.push(start_shard(berth, reporter.clone())?);
        }
        let mut up = 0;
        while up < count {
            match news.recv() {
                Ok(News::ShardUp) => up += 1,
                Ok(News::ShardEnded(_, Err(error))) => return Err(error),
                Ok(other) => return Err(other.into_error()),
                Err(_) => return Err(Error::Lost),
            }
        }
        let exporter = ExporterThread::start(exporter)?;
        Ok(Running { address, limits, control, news, shards: handles, exporter })
    }
}
