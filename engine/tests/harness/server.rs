//! A server of the test's own: its routes, its limits, a free port, and an end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use cutaway::limits::Limits;
use cutaway::shard::ShardStats;
use cutaway::{BuiltRoutes, Engine, Running, TraceMode};

/// A server with one shard, drained when it is stopped.
pub struct Server {
    running: Running,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(routes: BuiltRoutes, limits: Limits) -> Server {
        Server::start_with(routes, |engine| engine.limits(limits))
    }

    pub fn start_with(routes: BuiltRoutes, set_up: impl FnOnce(Engine) -> Engine) -> Server {
        let engine = Engine::new(routes)
            .address(SocketAddr::from(([127, 0, 0, 1], 0)))
            .shards(1)
            .trace(TraceMode::Slow);
        let running = set_up(engine).start().unwrap();
        Server {
            address: running.address(),
            running,
        }
    }

    /// Drains the server and says what its first shard has counted.
    pub fn stop(self) -> ShardStats {
        self.stop_all().remove(0)
    }

    /// Drains the server and says what each shard has counted.
    pub fn stop_all(self) -> Vec<ShardStats> {
        self.running.stopper().stop();
        self.running.wait_for_stats().unwrap()
    }
}

/// A directory of the test's own, gone with it.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        Scratch::below(&std::env::temp_dir(), name)
    }

    /// In memory where the machine has such a place, for what must not wait for a disk.
    pub fn in_memory(name: &str) -> Scratch {
        let in_memory = Path::new("/dev/shm");
        if in_memory.is_dir() {
            Scratch::below(in_memory, name)
        } else {
            Scratch::new(name)
        }
    }

    fn below(directory: &Path, name: &str) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("cutaway-{name}-{}-{number}", std::process::id());
        let path = directory.join(unique);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
