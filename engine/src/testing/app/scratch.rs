//! A folder for the databases of one app.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder that is removed with everything in it; in memory where the machine has such a place.
pub(crate) struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// # Panics
    /// The folder cannot be made.
    pub fn new() -> Scratch {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let in_memory = Path::new("/dev/shm");
        let base = if in_memory.is_dir() {
            in_memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let folder = base.join(format!("cutaway-app-{}-{number}", std::process::id()));
        // What a process of the same number has left there is none of ours.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        Scratch { folder }
    }

    /// Where the database of this resource is.
    pub fn database(&self, resource: &str) -> PathBuf {
        self.folder.join(format!("{resource}.db"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder in memory that stays is a nuisance and no failure.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
