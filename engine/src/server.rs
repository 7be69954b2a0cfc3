//! Starting shards, signals, the drain, and the end of the process.
//!
//! The main thread starts everything and then waits for one of three things: a signal, the end of a
//! shard, the death of a worker. A shard or a worker that dies ends the wait with an error that says
//! what died: half a server that still answers is worse than none.

mod engine;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use cutaway_reactor::worker::{self, Death};
use cutaway_reactor::{ListenerOptions, Real, RealClock, Uring, UringOptions, Waker, listen};
use cutaway_scheduler::{Clock, Nanos};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::config::Serving;
use crate::ctx::IdSource;
use crate::effect::Settings;
use crate::effect::sqlite::Seat;
use crate::error::Error;
use crate::limits::Limits;
use crate::routes::BuiltRoutes;
use crate::shard::{Core, Performer, Shard, ShardStats, host};
use crate::timeline::{Exporter, ExporterStats, Names, Recorder, RecorderConfig};

pub use engine::Engine;

/// What an engine has come to before anything of it is started.
struct Launch {
    routes: BuiltRoutes,
    serving: Serving,
    limits: Limits,
}

/// Starts the workers, the exporter and the shards; see [`Engine::start`].
fn launch(launch: Launch) -> Result<Running, Error> {
    let Launch {
        routes,
        serving,
        limits,
    } = launch;
    let Serving {
        address,
        shards,
        trace,
    } = serving;
    let cores = cutaway_reactor::allowed_cores().map_err(Error::Cores)?;
    let count = shards.unwrap_or(cores.len());
    if count == 0 {
        return Err(Error::NoShards);
    }
    let core_of = |index: usize| cores[index % cores.len()];
    let routes = Arc::new(routes);
    let (reporter, news) = mpsc::channel();

    let wakers = (0..count)
        .map(|_| Waker::new())
        .collect::<io::Result<Vec<_>>>();
    let wakers = wakers.map_err(|error| Error::Kernel {
        what: "an eventfd",
        error,
    })?;
    let seats: Vec<Seat> = wakers
        .iter()
        .enumerate()
        .map(|(index, waker)| Seat {
            core: Some(core_of(index)),
            waker: waker.clone(),
        })
        .collect();
    let effects = open_resources(&routes, &seats, &RealClock::new(), &reporter)?;
    let control = Arc::new(Control {
        drain_within: AtomicU64::new(0),
        wakers,
    });

    let names = RouteNames(Arc::clone(&routes));
    let stderr = io::stderr();
    let has_colour = io::IsTerminal::is_terminal(&stderr);
    let mut exporter = Exporter::new(Box::new(names), Box::new(stderr), has_colour);
    let config = RecorderConfig {
        mode: trace,
        export_queue_len: limits.trace_queue_len,
        ..RecorderConfig::default()
    };

    let listeners = listen_all(address, count)?;
    let address = listeners[0]
        .local_addr()
        .map_err(|error| Error::Listen { address, error })?;
    let seed = cutaway_reactor::process_seed();
    let mut handles = Vec::with_capacity(count);
    for (index, (listener, effects)) in listeners.into_iter().zip(effects).enumerate() {
        let berth = Berth {
            index,
            core: core_of(index),
            control: Arc::clone(&control),
            listener,
            limits: limits.clone(),
            routes: Arc::clone(&routes),
            effects,
            recorder: exporter.recorder(index as u16, &config),
            ids: IdSource::new(seed, index as u16),
        };
        handles.push(start_shard(berth, reporter.clone())?);
    }
    for _ in 0..count {
        match news.recv() {
            Ok(News::ShardUp) => {}
            Ok(news) => return Err(news.into_error()),
            Err(_) => return Err(Error::ShardPanicked { shard: 0 }),
        }
    }
    watch_signals(reporter)?;
    let exporter = thread::Builder::new()
        .name("exporter".into())
        .spawn(move || exporter.run())
        .map_err(|error| Error::Kernel {
            what: "the exporter's thread",
            error,
        })?;
    let drain_timeout = limits.drain_timeout;
    Ok(Running {
        routes,
        address,
        drain_timeout,
        control,
        news,
        shards: handles,
        exporter,
    })
}

/// A server that is up.
pub struct Running {
    routes: Arc<BuiltRoutes>,
    address: SocketAddr,
    drain_timeout: Nanos,
    control: Arc<Control>,
    news: Receiver<News>,
    shards: Vec<JoinHandle<()>>,
    exporter: JoinHandle<ExporterStats>,
}

impl Running {
    /// Where it listens; the port is a real one also where 0 was asked for.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let running = Engine::new(routes).address(([127, 0, 0, 1], 0).into()).start()?;
    /// println!("listening on http://{}", running.address());
    /// running.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Something that can ask for the drain from another thread.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let running = Engine::new(routes).start()?;
    /// let stopper = running.stopper();
    /// std::thread::spawn(move || {
    ///     let mut line = String::new();
    ///     let _ = std::io::stdin().read_line(&mut line);
    ///     stopper.stop();
    /// });
    /// running.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stopper(&self) -> Stopper {
        Stopper {
            control: Arc::clone(&self.control),
            within: self.drain_timeout,
        }
    }

    /// Waits for the end: a signal and the drain it begins, or a fault.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let running = Engine::new(routes).start()?;
    /// println!("listening on http://{}", running.address());
    /// running.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Blocking
    /// Until then.
    ///
    /// # Errors
    /// [`Error::Interrupted`] where a second signal cut the drain short; what ended a shard or a
    /// worker otherwise. The process should exit then: what is left of the server is not whole.
    pub fn wait(self) -> Result<(), Error> {
        self.wait_for_stats().map(drop)
    }

    /// As [`wait`](Running::wait), with what each shard has counted.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// for (shard, stats) in Engine::new(routes).start()?.wait_for_stats()?.iter().enumerate() {
    ///     println!("shard {shard}: {} turns", stats.turn_count);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`wait`](Running::wait).
    pub fn wait_for_stats(self) -> Result<Vec<ShardStats>, Error> {
        let mut stats = vec![ShardStats::default(); self.shards.len()];
        let mut up = self.shards.len();
        let mut is_draining = false;
        while up > 0 {
            match self.news.recv() {
                Ok(News::Signal) if is_draining => return Err(Error::Interrupted),
                Ok(News::Signal) => {
                    is_draining = true;
                    self.control.drain(self.drain_timeout);
                }
                Ok(News::ShardDrained(index, counted)) => {
                    stats[index] = *counted;
                    up -= 1;
                }
                Ok(news) => return Err(news.into_error()),
                Err(_) => return Err(Error::ShardPanicked { shard: 0 }),
            }
        }
        for shard in self.shards {
            // A shard that has said it is drained has nothing left to panic in.
            let _ = shard.join();
        }
        // The last recorder is gone with its shard, so the exporter prints what is left and ends.
        let _ = self.exporter.join();
        // Words for whoever develops; nothing is lost where nobody listens.
        let _ = io::stderr().write_all(self.routes.unused_report().as_bytes());
        Ok(stats)
    }
}

/// Asks a server to drain.
#[derive(Clone)]
pub struct Stopper {
    control: Arc<Control>,
    within: Nanos,
}

impl Stopper {
    /// Begins the drain, as SIGTERM would. Returns at once.
    ///
    /// ```no_run
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let routes = Routes::new().get("/hello", chain(hello)).build()?;
    /// let running = Engine::new(routes).start()?;
    /// running.stopper().stop();
    /// running.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop(&self) {
        self.control.drain(self.within);
    }
}

/// What the main thread tells the shards.
struct Control {
    /// Nanoseconds that the drain may take; zero while there is none.
    drain_within: AtomicU64,
    wakers: Vec<Waker>,
}

impl Control {
    fn drain_within(&self) -> Option<Nanos> {
        // Relaxed: the number is all there is to see, and the wake comes after it.
        match self.drain_within.load(Ordering::Relaxed) {
            0 => None,
            within => Some(Nanos(within)),
        }
    }

    fn drain(&self, within: Nanos) {
        self.drain_within
            .store(within.as_u64().max(1), Ordering::Relaxed);
        self.wakers.iter().for_each(Waker::wake);
    }
}

/// What ends the main thread's wait.
enum News {
    Signal,
    ShardUp,
    ShardDrained(usize, Box<ShardStats>),
    Fault(Error),
}

impl News {
    /// What this means where nothing but a fault was left to come.
    fn into_error(self) -> Error {
        match self {
            News::Fault(error) => error,
            News::Signal | News::ShardUp | News::ShardDrained(..) => Error::Interrupted,
        }
    }
}

/// What a shard starts with.
struct Berth {
    index: usize,
    core: usize,
    control: Arc<Control>,
    listener: TcpListener,
    limits: Limits,
    routes: Arc<BuiltRoutes>,
    effects: Vec<Performer<Real>>,
    recorder: Recorder,
    ids: IdSource,
}

impl Berth {
    /// Builds the shard on its own thread: a ring belongs to the thread that made it.
    fn shard(self) -> Result<Shard<Real>, Error> {
        let waker = self.control.wakers[self.index].clone();
        let options = UringOptions {
            buffers_count: self.limits.receive_buffers as u16,
            buffer_bytes: self.limits.receive_buffer_bytes as u32,
            ..UringOptions::default()
        };
        let mut ring = Uring::with_waker(options, waker).map_err(|error| Error::Ring {
            shard: self.index,
            error,
        })?;
        let listener = ring.adopt(self.listener).map_err(|error| Error::Kernel {
            what: "a listener",
            error,
        })?;
        let core = Core::new(
            RealClock::new(),
            self.limits,
            self.routes,
            self.effects,
            self.recorder,
            self.ids,
        );
        Ok(Shard::new(ring, core, &[listener]))
    }
}

fn start_shard(berth: Berth, reporter: Sender<News>) -> Result<JoinHandle<()>, Error> {
    let (index, name) = (berth.index, format!("shard-{}", berth.index));
    thread::Builder::new()
        .name(name.clone())
        .spawn(move || {
            // The main thread has to hear of the end however it comes, a panic included.
            let report = Report {
                index,
                reporter,
                end: None,
            };
            serve(&name, berth, report);
        })
        .map_err(|error| Error::Kernel {
            what: "a shard's thread",
            error,
        })
}

fn serve(name: &str, berth: Berth, mut report: Report) {
    let (index, core) = (berth.index, berth.core);
    let control = Arc::clone(&berth.control);
    let reporter = report.reporter.clone();
    let served = host::run(name, core, async move {
        let mut shard = berth.shard()?;
        // The workers on this core run behind the shard; a kernel that cannot do it is no fault.
        let _ = worker::come_first();
        let _ = reporter.send(News::ShardUp);
        let ended = host::drive(&mut shard, || control.drain_within()).await;
        ended.map_err(|error| Error::ShardBroke {
            shard: index,
            error,
        })?;
        Ok(shard.stats().clone())
    });
    report.end = Some(match served {
        Ok(Ok(stats)) => News::ShardDrained(index, Box::new(stats)),
        Ok(Err(error)) => News::Fault(error),
        Err(why) => News::Fault(Error::Executor { shard: index, why }),
    });
}

/// Tells how a shard ended when it is dropped: without a word from the shard, that it panicked.
struct Report {
    index: usize,
    reporter: Sender<News>,
    end: Option<News>,
}

impl Drop for Report {
    fn drop(&mut self) {
        let panicked = News::Fault(Error::ShardPanicked { shard: self.index });
        // Nobody listens any more where the main thread has gone first.
        let _ = self.reporter.send(self.end.take().unwrap_or(panicked));
    }
}

/// One listener for each shard. Port 0 is settled by the first; the others join it.
///
/// A port that can be shared is shared with anybody of the same user: a second server would start
/// without a word and take half of the first one's connections. So the port is asked for alone first.
fn listen_all(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, Error> {
    let refused = |error| Error::Listen { address, error };
    let options = ListenerOptions::default();
    if address.port() != 0 {
        let alone = ListenerOptions {
            reuse_port: false,
            ..options
        };
        drop(listen(address, &alone).map_err(refused)?);
    }
    let first = listen(address, &options).map_err(refused)?;
    let settled = first.local_addr().map_err(refused)?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(listen(settled, &options).map_err(refused)?);
    }
    Ok(listeners)
}

/// The faces of all resources, for each shard.
type EffectsOfShards = Vec<Vec<Performer<Real>>>;

fn open_resources(
    routes: &BuiltRoutes,
    seats: &[Seat],
    clock: &(impl Clock + Clone + Send + 'static),
    reporter: &Sender<News>,
) -> Result<EffectsOfShards, Error> {
    let mut of_shards: EffectsOfShards = seats.iter().map(|_| Vec::new()).collect();
    let reporter = reporter.clone();
    let on_death: Arc<dyn Fn(&Death) + Send + Sync> = Arc::new(move |death| {
        let (worker, text) = (death.worker.clone(), death.text.clone());
        let _ = reporter.send(News::Fault(Error::WorkerDied { worker, text }));
    });
    for (name, settings) in routes.resources() {
        let resource = *name;
        let (clock, on_death) = (clock.clone(), Arc::clone(&on_death));
        let opened: Vec<Performer<Real>> = match settings {
            Settings::Sqlite(sqlite) => {
                let opened = sqlite.start(name, seats, clock, on_death);
                let opened = opened.map_err(|error| Error::Database { resource, error })?;
                opened.into_iter().map(Performer::Database).collect()
            }
            Settings::Directory(directory) => {
                let opened = directory.start(name, seats, clock, on_death);
                let opened = opened.map_err(|error| Error::Directory { resource, error })?;
                opened.into_iter().map(Performer::Directory).collect()
            }
        };
        for (of_shard, performer) in of_shards.iter_mut().zip(opened) {
            of_shard.push(performer);
        }
    }
    Ok(of_shards)
}

/// Reports SIGTERM and SIGINT. The thread lives as long as the process.
fn watch_signals(reporter: Sender<News>) -> Result<(), Error> {
    let refused = |what| move |error| Error::Kernel { what, error };
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(refused("signals"))?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for _ in signals.forever() {
                if reporter.send(News::Signal).is_err() {
                    return;
                }
            }
        })
        .map_err(refused("the signals' thread"))?;
    Ok(())
}

/// Names for the timelines' printer.
pub(crate) struct RouteNames(pub(crate) Arc<BuiltRoutes>);

impl Names for RouteNames {
    fn route(&self, route: u16) -> Option<&str> {
        self.0
            .all_routes()
            .get(usize::from(route))
            .map(|route| route.pattern())
    }

    fn step(&self, route: u16, step: u8) -> Option<&str> {
        let route = self.0.all_routes().get(usize::from(route))?;
        Some(route.step_name(u16::from(step))).filter(|name| !name.is_empty())
    }

    fn resource(&self, resource: u64) -> Option<&str> {
        let index = usize::try_from(resource).ok()?;
        self.0.resources().get(index).map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests;
