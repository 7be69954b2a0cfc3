//! After warm-up a statement allocates nothing: not on the shard, not on the workers, and for a
//! statement it has compiled, not inside SQLite. Alone in its process, because it counts everybody's
//! allocations.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cutaway::effect::sqlite::{Seat, Sqlite, SqliteEffects, SqliteJob, memory};
use cutaway::effect::{SqlMode, SqlStatement, SqlValue};
use cutaway_reactor::worker::{Death, ThreadPort};
use cutaway_reactor::{RealClock, Ticket, Waker};
use cutaway_scheduler::{Clock, Nanos};

static COUNT: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(memory, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Effects = SqliteEffects<ThreadPort<SqliteJob>>;

/// What is run: one statement that reads, one that writes, or a transaction.
const READ: (SqlMode, &[&str]) = (
    SqlMode::Read,
    &["SELECT id, body FROM notes WHERE id <= ?1 AND body <> ?2"],
);
const WRITE: (SqlMode, &[&str]) = (
    SqlMode::Write,
    &["UPDATE notes SET body = ?2 WHERE id = ?1"],
);
const TRANSACTION: (SqlMode, &[&str]) = (
    SqlMode::Write,
    &[
        "UPDATE notes SET body = ?2 WHERE id = ?1",
        "UPDATE notes SET body = body || '!' WHERE id = ?1 AND body = ?2",
        "SELECT id, body FROM notes WHERE id <= ?1 AND body <> ?2",
    ],
);

/// Has `width` effects on their way at once, `rounds` times.
fn run(
    effects: &mut Effects,
    clock: &RealClock,
    (mode, texts): (SqlMode, &[&'static str]),
    width: i64,
    rounds: i64,
) {
    let request = Ticket::new(1, NonZeroU32::MIN);
    for _ in 0..rounds {
        for id in 0..width {
            let values = [SqlValue::Int(id), SqlValue::Text("a body")];
            let statement = |sql| SqlStatement {
                sql,
                params: &values,
                rows_max: u32::MAX,
                expects_row: false,
                wanted: None,
            };
            let mut statements = [statement(texts[0]); 3];
            for (place, &sql) in statements.iter_mut().zip(texts) {
                *place = statement(sql);
            }
            let (statements, now) = (&statements[..texts.len()], clock.now());
            let started = effects.try_start(request, mode, statements, Nanos::NEVER, now);
            started.unwrap();
        }
        while effects.in_flight() > 0 {
            match effects.poll() {
                Some(finished) => effects.recycle(finished.result.unwrap()),
                None => std::thread::yield_now(),
            }
        }
    }
}

#[test]
fn a_statement_allocates_nothing() {
    let directory =
        std::env::temp_dir().join(format!("cutaway-allocations-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let schema = "
        CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);
        INSERT INTO notes (body) VALUES ('one'), ('two'), ('three');";
    let clock = RealClock::new();
    let seat = Seat {
        core: None,
        waker: Waker::new().unwrap(),
    };
    let settings = Sqlite::open(directory.join("test.db")).schema(schema);
    let on_death = Arc::new(|death: &Death| panic!("{death:?}"));
    let mut started = settings
        .start("notes", &[seat], clock.clone(), on_death)
        .unwrap();
    let mut effects = started.remove(0);

    // SQLite keeps a list of the pages that a savepoint has changed, in memory of its own.
    for (what, of_sqlite_max) in [(READ, 0), (WRITE, 0), (TRANSACTION, 2)] {
        // Wide first: all boxes have buffers then.
        run(&mut effects, &clock, what, 128, 5);
        let (ours, sqlite) = (COUNT.load(Ordering::Relaxed), memory().allocation_count);
        assert!(ours > 0 && sqlite > 0, "both counters count");
        run(&mut effects, &clock, what, 32, 50);
        let ours = COUNT.load(Ordering::Relaxed) - ours;
        let sqlite = memory().allocation_count - sqlite;
        assert_eq!(ours, 0, "{what:?}");
        assert!(sqlite <= of_sqlite_max * 32 * 50, "{what:?}: {sqlite}");
    }
    drop(effects);
    std::fs::remove_dir_all(&directory).unwrap();
}
