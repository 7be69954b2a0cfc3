//! What SQLite itself allocates.
//!
//! SQLite's own statistics take a mutex for every allocation, shared by all threads. These counters
//! are two relaxed additions instead, and they replace it. Invariants:
//! 1. `sqlite3_config` runs once, under a `Once`, before this module lets anybody use SQLite. Where
//!    somebody else has used it already it refuses (`SQLITE_MISUSE`) and changes nothing.
//! 2. `DEFAULT` is set before the counting methods are installed and never changes, so they find it.
//! 3. The counting methods pass on what they were given; their callers keep SQLite's contract.

use std::ffi::{c_int, c_void};
use std::mem::zeroed;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Once, OnceLock};

use libsqlite3_sys as ffi;

/// What SQLite has allocated in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Allocations and reallocations since the first database was opened.
    pub allocation_count: u64,
    /// Bytes it holds now.
    pub bytes: u64,
}

/// What SQLite has allocated; all zero until a database was opened, and where another user of SQLite
/// in this process has started it first.
///
/// ```
/// use cutaway::effect::sqlite::memory;
///
/// assert_eq!(memory().bytes, 0, "no database has been opened");
/// ```
pub fn memory() -> MemoryStats {
    MemoryStats {
        allocation_count: ALLOCATION_COUNT.load(Ordering::Relaxed),
        bytes: BYTES.load(Ordering::Relaxed),
    }
}

/// Starts counting, before SQLite is used for the first time.
pub(super) fn count() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: needs nothing: zero is none for all its optional functions and its pointer.
        let mut default: ffi::sqlite3_mem_methods = unsafe { zeroed() };
        let place: *mut ffi::sqlite3_mem_methods = &mut default;
        // SAFETY: invariant 1; the operation writes the methods at the pointer.
        let code = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMALLOC, place) };
        if code == ffi::SQLITE_OK
            && let Some(methods) = Methods::of(&default)
            && DEFAULT.set(methods).is_ok()
        {
            install(&ffi::sqlite3_mem_methods {
                xMalloc: Some(malloc),
                xFree: Some(free),
                xRealloc: Some(realloc),
                ..default
            });
        }
    });
}

fn install(counting: *const ffi::sqlite3_mem_methods) {
    // SAFETY: invariants 1 and 2; the operation copies the methods.
    let code = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, counting) };
    if code == ffi::SQLITE_OK {
        // SAFETY: invariant 1; the operation takes one integer.
        unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0 as c_int) };
    }
}

unsafe extern "C" fn malloc(bytes: c_int) -> *mut c_void {
    let Some(default) = DEFAULT.get() else {
        return ptr::null_mut();
    };
    // SAFETY: invariant 3.
    let memory = unsafe { (default.malloc)(bytes) };
    ALLOCATION_COUNT.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(default.size(memory), Ordering::Relaxed);
    memory
}

unsafe extern "C" fn free(memory: *mut c_void) {
    if let Some(default) = DEFAULT.get() {
        BYTES.fetch_sub(default.size(memory), Ordering::Relaxed);
        // SAFETY: invariant 3.
        unsafe { (default.free)(memory) };
    }
}

unsafe extern "C" fn realloc(memory: *mut c_void, bytes: c_int) -> *mut c_void {
    let Some(default) = DEFAULT.get() else {
        return ptr::null_mut();
    };
    let before = default.size(memory);
    // SAFETY: invariant 3.
    let moved = unsafe { (default.realloc)(memory, bytes) };
    // Where it failed, the old memory stays as it was.
    if !moved.is_null() {
        ALLOCATION_COUNT.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_sub(before, Ordering::Relaxed);
        BYTES.fetch_add(default.size(moved), Ordering::Relaxed);
    }
    moved
}

/// SQLite's own methods.
struct Methods {
    malloc: unsafe extern "C" fn(c_int) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    realloc: unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void,
    size: unsafe extern "C" fn(*mut c_void) -> c_int,
}

impl Methods {
    fn of(methods: &ffi::sqlite3_mem_methods) -> Option<Methods> {
        Some(Methods {
            malloc: methods.xMalloc?,
            free: methods.xFree?,
            realloc: methods.xRealloc?,
            size: methods.xSize?,
        })
    }

    /// The size of an allocation; zero for none.
    fn size(&self, memory: *mut c_void) -> u64 {
        // SQLite itself never asks for the size of none, and its method would read before it.
        if memory.is_null() {
            return 0;
        }
        // SAFETY: invariant 3; there is an allocation at the pointer.
        let bytes = unsafe { (self.size)(memory) };
        u64::from(bytes.unsigned_abs())
    }
}

static DEFAULT: OnceLock<Methods> = OnceLock::new();
static ALLOCATION_COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_memory_has_no_size() {
        count();
        let default = DEFAULT.get().expect("nobody used SQLite before");
        assert_eq!(default.size(ptr::null_mut()), 0);
    }
}
