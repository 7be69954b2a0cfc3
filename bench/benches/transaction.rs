//! What a transaction costs inside a batch of the one writer.
//!
//! Real files, the real writer, no threads: a port that runs its jobs where they are polled. Side by
//! side stand the same two inserts as a transaction each, as statements of their own (no atomicity:
//! what the savepoints cost is the difference), and as a transaction with a commit for each.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(
    clippy::unwrap_used,
    reason = "a bench ends where something is not as it should be"
)]

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use cutaway::effect::sqlite::{Reader, Sqlite, SqliteEffects, SqliteJob, Writer};
use cutaway::effect::{SqlMode, SqlStatement, SqlValue};
use cutaway_reactor::{Finished, Handler, Outcome, Publish, RealClock, Ticket, WorkerPort};
use cutaway_scheduler::Nanos;

/// A worker without a thread: it settles when `batch_max` jobs are held or none waits.
struct Inline<H> {
    handler: H,
    batch_max: usize,
    input: VecDeque<Box<SqliteJob>>,
    #[expect(clippy::vec_box, reason = "the boxes are what travels")]
    held: Vec<Box<SqliteJob>>,
    output: VecDeque<Box<SqliteJob>>,
}

impl<H: Handler<SqliteJob>> Inline<H> {
    fn work(&mut self) {
        while let Some(mut job) = self.input.pop_front() {
            match self.handler.run(&mut job) {
                Publish::Now => self.output.push_back(job),
                Publish::Held => self.held.push(job),
            }
            if self.held.len() == self.batch_max {
                break;
            }
        }
        if !self.held.is_empty() {
            self.handler.settle(&mut self.held);
            self.output.extend(self.held.drain(..));
        }
    }
}

/// Readers and the writer as one type of port.
enum Port {
    Reader(Inline<Reader<RealClock>>),
    Writer(Inline<Writer<RealClock>>),
}

fn inline<H>(handler: H, batch_max: usize) -> Inline<H> {
    Inline {
        handler,
        batch_max,
        input: VecDeque::new(),
        held: Vec::new(),
        output: VecDeque::new(),
    }
}

impl WorkerPort<SqliteJob> for Port {
    fn try_submit(&mut self, job: Box<SqliteJob>) -> Result<(), Box<SqliteJob>> {
        match self {
            Port::Reader(port) => port.input.push_back(job),
            Port::Writer(port) => port.input.push_back(job),
        }
        Ok(())
    }

    fn poll(&mut self) -> Option<Finished<SqliteJob>> {
        let job = match self {
            Port::Reader(port) => {
                port.work();
                port.output.pop_front()
            }
            Port::Writer(port) => {
                port.work();
                port.output.pop_front()
            }
        };
        job.map(|job| Finished {
            job,
            outcome: Outcome::Ran,
        })
    }

    fn in_flight(&self) -> usize {
        match self {
            Port::Reader(port) => port.input.len() + port.output.len(),
            Port::Writer(port) => port.input.len() + port.output.len(),
        }
    }

    fn prepare_sleep(&mut self) -> bool {
        true
    }

    fn is_dead(&self) -> bool {
        false
    }
}

struct Scene {
    directory: PathBuf,
    effects: SqliteEffects<Port>,
}

impl Scene {
    fn new(batch_max: usize) -> Scene {
        let directory = std::env::temp_dir().join(format!("cutaway-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let settings = Sqlite::open(directory.join("bench.db")).schema(
            "CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT);
             CREATE TABLE history (post INTEGER, what TEXT);",
        );
        let writer = Port::Writer(inline(
            settings.writer(RealClock::new()).unwrap(),
            batch_max,
        ));
        let reader = Port::Reader(inline(settings.reader(RealClock::new()).unwrap(), 1));
        Scene {
            effects: SqliteEffects::new(&settings, vec![reader], writer),
            directory,
        }
    }

    fn start(&mut self, statements: &[SqlStatement<'_>]) {
        let request = Ticket::new(0, NonZeroU32::MIN);
        let (never, now) = (Nanos::NEVER, Nanos::ZERO);
        let started = (self.effects).try_start(request, SqlMode::Write, statements, never, now);
        started.unwrap();
    }

    fn finish(&mut self) {
        while let Some(finished) = self.effects.poll() {
            self.effects.recycle(finished.result.unwrap());
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

const PAIRS: usize = 32;

fn transactions(criterion: &mut Criterion) {
    let title = [SqlValue::Text("On numbers")];
    let statement = |sql| SqlStatement {
        sql,
        params: &title,
        rows_max: 0,
        expects_row: false,
        wanted: None,
    };
    let pair = [
        statement("INSERT INTO posts (title) VALUES (?1)"),
        statement("INSERT INTO history (post, what) VALUES (last_insert_rowid(), ?1)"),
    ];
    let mut group = criterion.benchmark_group("two_inserts");
    group.throughput(Throughput::Elements(PAIRS as u64));
    let mut scene = Scene::new(64);
    group.bench_function("a_transaction_in_a_batch", |bencher| {
        bencher.iter(|| {
            for _ in 0..PAIRS {
                scene.start(&pair);
            }
            scene.finish();
        });
    });
    drop(scene);
    let mut scene = Scene::new(64);
    group.bench_function("statements_in_a_batch", |bencher| {
        bencher.iter(|| {
            for _ in 0..PAIRS {
                scene.start(&pair[..1]);
                scene.start(&pair[1..]);
            }
            scene.finish();
        });
    });
    drop(scene);
    let mut scene = Scene::new(1);
    group.bench_function("a_commit_for_each", |bencher| {
        bencher.iter(|| {
            for _ in 0..PAIRS {
                scene.start(&pair);
            }
            scene.finish();
        });
    });
    drop(scene);
    group.finish();
}

criterion_group!(benches, transactions);
criterion_main!(benches);
