//! Opening and closing a database leaves neither a descriptor nor a thread behind. Alone in its
//! process, because it counts everybody's.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use std::num::NonZeroU32;
use std::sync::Arc;

use cutaway::effect::sqlite::{Seat, Sqlite};
use cutaway::effect::{SqlMode, SqlStatement};
use cutaway_reactor::worker::Death;
use cutaway_reactor::{RealClock, Ticket, Waker};
use cutaway_scheduler::{Clock, Nanos};

fn count(directory: &str) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

fn statement(sql: &'static str) -> SqlStatement<'static> {
    SqlStatement {
        sql,
        params: &[],
        rows_max: u32::MAX,
        expects_row: false,
        wanted: None,
    }
}

#[test]
fn nothing_stays_open() {
    let directory =
        std::env::temp_dir().join(format!("cutaway-descriptors-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let clock = RealClock::new();
    let settings =
        Sqlite::open(directory.join("test.db")).schema("CREATE TABLE IF NOT EXISTS t (a)");
    let before = (count("/proc/self/fd"), count("/proc/self/task"));
    for cycle in 0..25 {
        let wakers = [Waker::new().unwrap(), Waker::new().unwrap()];
        let seats = wakers.map(|waker| Seat { core: None, waker });
        let on_death = Arc::new(|death: &Death| panic!("{death:?}"));
        let mut shards = settings
            .start("t", &seats, clock.clone(), on_death)
            .unwrap();
        let request = Ticket::new(cycle, NonZeroU32::MIN);
        let sql = "INSERT INTO t VALUES (1)";
        let (never, now) = (Nanos::NEVER, clock.now());
        for shard in &mut shards {
            let started = shard.try_start(request, SqlMode::Write, &[statement(sql)], never, now);
            started.unwrap();
        }
        if cycle % 2 == 0 {
            for shard in &mut shards {
                while shard.poll().is_none() {
                    std::thread::yield_now();
                }
            }
        } else {
            // Closed with work on its way, and a query that would run for ever.
            let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
                       SELECT max(i) FROM n";
            let started =
                shards[0].try_start(request, SqlMode::Read, &[statement(sql)], never, now);
            started.unwrap();
        }
    }
    // The kernel takes a joined thread off its list a moment after the join returns.
    for _ in 0..100_000 {
        if count("/proc/self/task") == before.1 {
            break;
        }
        std::thread::yield_now();
    }
    let after = (count("/proc/self/fd"), count("/proc/self/task"));
    assert_eq!(after, before);
    // The last to close has folded the log into the database.
    assert_eq!(count(directory.to_str().unwrap()), 1);
    std::fs::remove_dir_all(&directory).unwrap();
}
