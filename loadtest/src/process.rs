//! Children of a run: pinned before they start, killed whatever happens.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::failure::{During, Failure};

/// A server that does not listen by then never will.
const READY_MAX: Duration = Duration::from_secs(20);
/// A ring is torn down within milliseconds of its process, on a busy machine within tens.
const RELEASE_MAX: Duration = Duration::from_secs(1);
/// How often a state without an event of its own is looked at.
const GLANCE: Duration = Duration::from_millis(5);

/// A program with its arguments and the name it has in messages.
#[derive(Debug, Clone)]
pub struct Program {
    /// The name in messages and tables.
    pub name: String,
    /// The program's file, or its name in `PATH`.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// A folder of its own for databases and logs, removed at the end.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes a fresh folder below the system's temporary one.
    ///
    /// *Errors*: the system's.
    pub fn new() -> Result<Scratch, Failure> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cutaway-loadtest-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).during(|| format!("make {}", path.display()))?;
        Ok(Scratch(path))
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing can be done about a folder that does not go, and the system clears it one day.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts children by way of this very program, which pins itself and then becomes them
/// ([`become_pinned`]).
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The `cutaway-loadtest` program.
    pub tool: PathBuf,
}

impl Launcher {
    /// Starts `program` on `core`, its output going to a log in `scratch`.
    ///
    /// *Errors*: the system's, as of a program that is not there.
    pub fn start(
        &self,
        program: &Program,
        core: usize,
        scratch: &Scratch,
    ) -> Result<Process, Failure> {
        let log = scratch.path(&format!("{}.log", program.name));
        let output = File::create(&log).during(|| format!("make {}", log.display()))?;
        let errors = output
            .try_clone()
            .during(|| format!("share {}", log.display()))?;
        let child = self
            .command(program, core)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .during(|| format!("start {}", program.path.display()))?;
        Ok(Process {
            name: program.name.clone(),
            child,
            log,
        })
    }

    /// Runs `program` on `core` to its end and gives its standard output.
    ///
    /// *Errors*: the system's, or an exit status that is not 0.
    pub fn run(&self, program: &Program, core: usize) -> Result<String, Failure> {
        let output = self
            .command(program, core)
            .stdin(Stdio::null())
            .output()
            .during(|| format!("run {}", program.path.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failure::Died {
                name: program.name.clone(),
                status: output.status,
                said,
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, program: &Program, core: usize) -> Command {
        let mut command = Command::new(&self.tool);
        command
            .args([
                "pinned",
                "--core",
                &core.to_string(),
                "--parent",
                &std::process::id().to_string(),
                "--",
            ])
            .arg(&program.path)
            .args(&program.args);
        command
    }
}

/// Pins this process to `core`, ties its life to process `parent`, and becomes `program`.
///
/// Both survive execve(2), so the program needs no flag of its own and no code runs between fork
/// and exec.
///
/// *Errors*: it returns only where it failed.
pub fn become_pinned(core: usize, parent: u32, program: &Path, args: &[OsString]) -> Failure {
    let prepared = pin_to(core).and_then(|()| {
        set_parent_process_death_signal(Some(Signal::KILL))
            .during(|| "tie to the parent's life".to_owned())
    });
    if let Err(failure) = prepared {
        return failure;
    }
    // A parent that died before the signal was asked for sends none.
    if getppid()
        .map(Pid::as_raw_nonzero)
        .map(|pid| pid.get() as u32)
        != Some(parent)
    {
        return Failure::Machine("the runner is gone".to_owned());
    }
    let source = Command::new(program).args(args).exec();
    Failure::Io {
        what: format!("start {}", program.display()),
        source,
    }
}

/// Pins this thread, and what it starts from now on, to `core`.
///
/// *Errors*: there is no such core, or it is not ours to use.
pub fn pin_to(core: usize) -> Result<(), Failure> {
    if core >= CpuSet::MAX_CPU {
        return Err(Failure::Machine(format!("there is no core {core}")));
    }
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).during(|| format!("pin to core {core}"))
}

/// Refuses an address on which somebody listens.
///
/// It looks for up to a second: a killed server's io_uring lets go of its listener only after the
/// process has ended, when the kernel comes to it.
///
/// *Errors*: [`Failure::PortTaken`], or the system's.
pub fn ensure_free(addr: SocketAddr) -> Result<(), Failure> {
    let started_at = Instant::now();
    loop {
        match TcpListener::bind(addr) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                return Err(error).during(|| format!("try {addr}"));
            }
            Err(_) if started_at.elapsed() > RELEASE_MAX => {
                return Err(Failure::PortTaken { addr });
            }
            Err(_) => sleep(GLANCE),
        }
    }
}

/// A running child; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the child accepts connections on `addr`.
    ///
    /// *Errors*: the child ended, or does not listen after 20 seconds.
    pub fn await_listening(&mut self, addr: SocketAddr) -> Result<(), Failure> {
        let started_at = Instant::now();
        loop {
            if TcpStream::connect_timeout(&addr, READY_MAX).is_ok() {
                return Ok(());
            }
            self.ensure_alive()?;
            if started_at.elapsed() > READY_MAX {
                let what = format!("does not listen on {addr} after {} s", READY_MAX.as_secs());
                return Err(Failure::Exit {
                    name: self.name.clone(),
                    what,
                    said: self.said(),
                });
            }
            sleep(GLANCE);
        }
    }

    /// Refuses a child that has ended.
    ///
    /// *Errors*: [`Failure::Died`] with the end of its output.
    pub fn ensure_alive(&mut self) -> Result<(), Failure> {
        match self
            .child
            .try_wait()
            .during(|| format!("look after {}", self.name))?
        {
            None => Ok(()),
            Some(status) => Err(Failure::Died {
                name: self.name.clone(),
                status,
                said: self.said(),
            }),
        }
    }

    /// Sends SIGTERM.
    ///
    /// *Errors*: the system's.
    pub fn ask_to_end(&self) -> Result<(), Failure> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).during(|| format!("send SIGTERM to {}", self.name))
    }

    /// Waits until the child has ended, which it was asked to do; `patience` only bounds a hang.
    ///
    /// *Errors*: it did not end.
    pub fn await_end(&mut self, patience: Duration) -> Result<ExitStatus, Failure> {
        let asked_at = Instant::now();
        loop {
            if let Some(status) = self
                .child
                .try_wait()
                .during(|| format!("look after {}", self.name))?
            {
                return Ok(status);
            }
            if asked_at.elapsed() > patience {
                let what = format!("still runs {} s after SIGTERM", patience.as_secs());
                return Err(Failure::Exit {
                    name: self.name.clone(),
                    what,
                    said: self.said(),
                });
            }
            sleep(GLANCE);
        }
    }

    /// The end of what the child printed.
    pub fn said(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either fails only where the child has ended and been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Refuses two processes that the scheduler does not weigh against each other as equals.
///
/// Where autogroup is on, the weight of a session counts, not that of a process; likewise for
/// control groups.
///
/// *Errors*: [`Failure::Machine`] with the two groups.
pub fn ensure_equals(one: u32, other: u32) -> Result<(), Failure> {
    for file in ["autogroup", "cgroup"] {
        let group =
            |pid: u32| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let (one, other) = (group(one), group(other));
        if one != other {
            let what = format!(
                "the hog's {file} is {:?}, the server's {:?}",
                one.trim(),
                other.trim()
            );
            return Err(Failure::Machine(what));
        }
    }
    Ok(())
}
