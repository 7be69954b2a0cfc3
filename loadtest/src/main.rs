//! `cutaway-loadtest`: see `--help`.

use std::ffi::OsString;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use cutaway_loadtest::client::{Body, Exchange, Plan, Until, closed};
use cutaway_loadtest::compare::{self, Comparison};
use cutaway_loadtest::noisy::{self, Neighbours};
use cutaway_loadtest::process::{self, Launcher};
use cutaway_loadtest::scenario::{PLAINTEXT, Scenario, exchange};
use cutaway_loadtest::subject::Subject;
use cutaway_loadtest::{Failure, peers, record, smoke, wrk};

/// Peers and engine get the same allocator when they are compared.
#[cfg(feature = "peers")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Loads Cutaway and its peers and says what a request costs.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure subjects under one load, interleaved, and print their ratios.
    Compare(CompareArgs),
    /// Measure a route's latency with and without slow requests beside it.
    Noisy(NoisyArgs),
    /// Look at a running engine: right answers, clean end.
    Smoke {
        /// The engine's example; by default beside this program.
        #[arg(long)]
        program: Option<PathBuf>,
        #[command(flatten)]
        port: Port,
    },
    /// Load a server that runs already.
    Load(LoadArgs),
    /// Serve as one of the peers.
    Peer {
        /// Which one.
        name: String,
        /// Where to listen.
        #[arg(long)]
        addr: SocketAddr,
        /// The core to run on.
        #[arg(long, default_value_t = 0)]
        core: usize,
    },
    /// Pin this process and become a program.
    #[command(hide = true)]
    Pinned {
        #[arg(long)]
        core: usize,
        #[arg(long)]
        parent: u32,
        #[arg(last = true, required = true)]
        program: Vec<OsString>,
    },
    /// Use up a core.
    #[command(hide = true)]
    Hog,
}

#[derive(Args)]
struct Port {
    /// The port that servers listen on, at 127.0.0.1.
    #[arg(long, default_value_t = 18080)]
    port: u16,
}

#[derive(Args)]
struct Cores {
    /// The server's core.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The client's core.
    #[arg(long, default_value_t = 1)]
    client_core: usize,
}

#[derive(Args)]
struct Keep {
    /// The folder that records go to.
    #[arg(long, default_value_os_t = record::default_folder())]
    record: PathBuf,
    /// Leave no record.
    #[arg(long)]
    no_record: bool,
}

#[derive(Args)]
struct CompareArgs {
    /// The load.
    #[arg(long, default_value = "plaintext64")]
    scenario: String,
    /// Who meets it: engine, bare, hyper, or NAME=PROGRAM for another build of the engine's
    /// example.
    #[arg(long, value_delimiter = ',', default_value = "engine,bare")]
    subjects: Vec<String>,
    /// The subject that ratios refer to; the last one by default.
    #[arg(long)]
    base: Option<String>,
    /// How often each is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long each measurement takes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Share the server's core with a busy loop of equal weight.
    #[arg(long)]
    hog: bool,
    /// The client.
    #[arg(long, value_enum, default_value_t = ClientChoice::Auto)]
    client: ClientChoice,
    #[command(flatten)]
    port: Port,
    #[command(flatten)]
    cores: Cores,
    #[command(flatten)]
    keep: Keep,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClientChoice {
    /// wrk where it is installed, else our own.
    Auto,
    /// wrk.
    Wrk,
    /// Our own, which checks every answer.
    Own,
}

#[derive(Args)]
struct NoisyArgs {
    /// Who is asked.
    #[arg(long, default_value = "engine")]
    subject: String,
    /// What the latency is measured of; anything but 200 is a fault.
    #[arg(long, default_value = PLAINTEXT.0)]
    path: String,
    /// Requests for it a second.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Connections for it.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// What is asked beside it.
    #[arg(long)]
    background: String,
    /// The status that the background is answered with.
    #[arg(long, default_value_t = 200)]
    background_status: u16,
    /// Milliseconds from one background request to the next.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..))]
    every_ms: u64,
    /// Connections for the background.
    #[arg(long, default_value_t = 4)]
    background_connections: usize,
    /// Milliseconds for which another process holds the database's write lock each time.
    #[arg(long)]
    hold_lock_ms: Option<u64>,
    /// How often each form is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long each measurement takes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    #[command(flatten)]
    port: Port,
    #[command(flatten)]
    cores: Cores,
    #[command(flatten)]
    keep: Keep,
}

#[derive(Args)]
struct LoadArgs {
    /// The server.
    #[arg(long)]
    addr: SocketAddr,
    /// A scenario by name, instead of the next three.
    #[arg(long, conflicts_with_all = ["path", "connections", "depth"])]
    scenario: Option<String>,
    /// What to ask, in turn.
    #[arg(long, default_value = PLAINTEXT.0)]
    path: Vec<String>,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Pipelining depth.
    #[arg(long, default_value_t = 1)]
    depth: usize,
    /// How long.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// The core to run on.
    #[arg(long)]
    core: Option<usize>,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cutaway-loadtest: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Compare(args) => run_compare(args),
        Command::Noisy(args) => run_noisy(args),
        Command::Smoke { program, port } => {
            let launcher = launcher()?;
            let program = program
                .unwrap_or_else(|| launcher.tool.with_file_name("examples").join("plaintext"));
            smoke::run(program, port.addr(), &launcher)
        }
        Command::Load(args) => run_load(args),
        Command::Peer { name, addr, core } => peers::serve(&name, addr, core),
        Command::Pinned {
            core,
            parent,
            program,
        } => {
            let (program, args) = program.split_first().expect("clap requires a program");
            Err(process::become_pinned(core, parent, program.as_ref(), args))
        }
        Command::Hog => hog(),
    }
}

fn run_compare(args: CompareArgs) -> Result<(), Failure> {
    let launcher = launcher()?;
    let subjects = args
        .subjects
        .iter()
        .map(|word| Subject::named(word, &launcher.tool))
        .collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = subjects
        .iter()
        .map(|subject| subject.name.as_str())
        .collect();
    let base = args
        .base
        .unwrap_or_else(|| names[names.len() - 1].to_owned());
    if !names.contains(&base.as_str()) {
        return Err(Failure::Unknown {
            what: "base",
            name: base,
            known: names.join(", "),
        });
    }
    let wrk = match args.client {
        ClientChoice::Own => None,
        ClientChoice::Auto => wrk::find(),
        ClientChoice::Wrk => Some(wrk::find().ok_or_else(|| Failure::Missing {
            what: "wrk",
            path: "PATH".into(),
            remedy: "install it or take --client own",
        })?),
    };
    let comparison = Comparison {
        scenario: Scenario::named(&args.scenario)?,
        base,
        subjects,
        rounds: args.rounds.into(),
        duration: Duration::from_secs(args.seconds),
        hog: args.hog,
        wrk,
        addr: args.port.addr(),
        cores: args.cores.pair(),
        record: args.keep.folder(),
    };
    compare::run(&comparison, &launcher).map(drop)
}

fn run_noisy(args: NoisyArgs) -> Result<(), Failure> {
    let launcher = launcher()?;
    let neighbours = Neighbours {
        subject: Subject::named(&args.subject, &launcher.tool)?,
        foreground: exchange_of(&args.path),
        rate: args.rate,
        connections: args.connections,
        background: Exchange::get(&args.background, Body::Any).answered(args.background_status),
        every: Duration::from_millis(args.every_ms),
        hold_lock: args.hold_lock_ms.map(Duration::from_millis),
        background_connections: args.background_connections,
        rounds: args.rounds.into(),
        duration: Duration::from_secs(args.seconds),
        addr: args.port.addr(),
        cores: args.cores.pair(),
        record: args.keep.folder(),
    };
    noisy::run(&neighbours, &launcher).map(drop)
}

fn run_load(args: LoadArgs) -> Result<(), Failure> {
    if let Some(core) = args.core {
        process::pin_to(core)?;
    }
    let (connections, depth, exchanges) = match &args.scenario {
        Some(name) => {
            let scenario = Scenario::named(name)?;
            (scenario.connections, scenario.depth, scenario.exchanges())
        }
        None => (
            args.connections,
            args.depth,
            args.path.iter().map(|path| exchange_of(path)).collect(),
        ),
    };
    let until = Until::Elapsed(Duration::from_secs(args.seconds));
    let report = closed::run(&Plan {
        addr: args.addr,
        connections,
        depth,
        exchanges: &exchanges,
        until,
    })?;
    println!(
        "{} answers, all right; {:.0} a second; p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us, longest {:.0} us",
        report.answered_count,
        report.rate(),
        report.latency_us(0.5),
        report.latency_us(0.99),
        report.latency_us(0.999),
        report.latency.max() as f64 / 1e3,
    );
    Ok(())
}

/// A GET of `path`; where its answer is known, it must be that.
fn exchange_of(path: &str) -> Exchange {
    if path == PLAINTEXT.0 {
        exchange(path, PLAINTEXT.1)
    } else {
        Exchange::get(path, Body::Any)
    }
}

fn launcher() -> Result<Launcher, Failure> {
    let tool = std::env::current_exe().map_err(|source| Failure::Io {
        what: "find this program".to_owned(),
        source,
    })?;
    Ok(Launcher { tool })
}

/// Arithmetic rather than a pause: a pausing core looks idle to a hypervisor, which may then give
/// it away.
fn hog() -> ! {
    let mut count = 0u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

impl Port {
    fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

impl Cores {
    fn pair(&self) -> (usize, usize) {
        (self.server_core, self.client_core)
    }
}

impl Keep {
    fn folder(self) -> Option<PathBuf> {
        (!self.no_record).then_some(self.record)
    }
}
