//! What is committed together, and what becomes of it where one of it fails.

use super::*;

#[test]
fn writes_that_wait_together_are_committed_together() {
    let place = Place::new();
    // Time stands still, so that no batch is cut short by a machine that dawdles.
    let mut shard = Shard::open_on(&place.settings(), StillClock);
    shard
        .run(INSERT, SqlMode::Write, &author(100, "first"))
        .unwrap();
    let stranger = place.stranger();
    speak(&stranger, "BEGIN IMMEDIATE");
    let names: Vec<_> = (0..10).map(|id| format!("author {id}")).collect();
    for (id, name) in (0..).zip(&names) {
        shard.start(INSERT, SqlMode::Write, &author(id, name));
    }
    speak(&stranger, "COMMIT");
    for _ in 0..10 {
        let finished = shard.wait();
        assert!(finished.result.is_ok());
        assert_eq!(finished.batch_count, 10);
    }
    assert_eq!(shard.read_int(COUNT), 11);
}

/// A job that takes the whole transaction down does not take its neighbours with it.
#[test]
fn neighbours_of_a_lost_transaction_are_run_again() {
    fn check(culprit: Box<SqliteJob>, kind: SqlErrorKind) {
        let place = Place::new();
        let clock = CountingClock::default();
        let mut writer = place.settings().writer(clock.clone()).unwrap();
        let mut held = vec![
            job("INSERT INTO authors (name) VALUES ('before')", &[]),
            job("INSERT INTO authors (name) VALUES ('before')", &[]),
            culprit,
            job("INSERT INTO authors (name) VALUES ('after')", &[]),
        ];
        for job in &mut held {
            if job.deadline != Nanos::NEVER {
                job.deadline = Nanos(clock.0.get()) + job.deadline;
            }
            assert_eq!(writer.run(job), Publish::Held);
        }
        assert_eq!(names(&place), [""; 0]);
        writer.settle(&mut held);
        let unique = Some(SqlErrorKind::Constraint(Constraint::Unique));
        assert_eq!(outcomes(&held), [None, unique, Some(kind), None]);
        assert_eq!(names(&place), ["before", "after"]);

        // Nothing of it lingers.
        let mut held = vec![job("INSERT INTO authors (name) VALUES ('later')", &[])];
        assert_eq!(writer.run(&mut held[0]), Publish::Held);
        assert_eq!(held[0].verdict, Verdict::Ran);
        writer.settle(&mut held);
        assert_eq!(held[0].batch_count, 1);
        assert_eq!(names(&place), ["before", "after", "later"]);
    }
    // SQLite rolls the whole transaction back when a writing statement is interrupted.
    let mut endless = job(ENDLESS_INSERT, &[]);
    endless.deadline = Nanos::from_micros(50);
    check(endless, SqlErrorKind::Deadline);

    let unique = SqlErrorKind::Constraint(Constraint::Unique);
    let sql = "INSERT OR ROLLBACK INTO authors (name) VALUES ('before')";
    check(job(sql, &[]), unique);

    // Found out only at the commit.
    let foreign = SqlErrorKind::Constraint(Constraint::ForeignKey);
    let sql = "INSERT INTO posts (author) VALUES (99)";
    check(job(sql, &[]), foreign);
}

/// A clock whose time is what others see of the database: how many authors there are.
#[derive(Clone)]
struct Witness(Rc<Place>);

impl Clock for Witness {
    fn now(&self) -> Nanos {
        Nanos(names(&self.0).len() as u64)
    }
}

/// A write has finished when it is there for others, not when its statement has run.
#[test]
fn a_write_takes_until_it_is_committed() {
    let place = Rc::new(Place::new());
    drop(place.settings().writer(RealClock::new()).unwrap());
    let mut writer = place.settings().writer(Witness(Rc::clone(&place))).unwrap();
    let sql = "INSERT INTO authors (name) VALUES (?1)";
    let insert = |name: &str| job(sql, &[SqlValue::Text(name)]);
    let mut check = |mut held: Vec<Box<SqliteJob>>, before: u64, after: u64| {
        for job in &mut held {
            assert_eq!(writer.run(job), Publish::Held);
            assert_eq!(job.started_at, Nanos(before));
        }
        writer.settle(&mut held);
        for job in held {
            assert_eq!(job.finished_at, Nanos(after), "{:?}", job.error);
        }
    };
    check(vec![insert("one"), insert("two")], 0, 2);
    // A transaction of its own for each, since one has taken the common one down.
    let culprit = "INSERT OR ROLLBACK INTO authors (name) VALUES ('one')";
    check(
        vec![insert("three"), job(culprit, &[]), insert("four")],
        2,
        4,
    );
    let name = [SqlValue::Text("five")];
    let both = [statement(sql, &name), statement(COUNT, &[])];
    check(vec![job_of(SqlMode::Write, &both)], 4, 5);
}

#[test]
fn a_panic_keeps_neither_lock_nor_changes() {
    let place = Place::new();
    let clock = CountingClock::default();
    let mut writer = place.settings().writer(clock.clone()).unwrap();
    let mut held = vec![job("INSERT INTO authors (name) VALUES ('before')", &[])];
    writer.run(&mut held[0]);
    let at = clock.0.replace(BROKEN);
    let mut panicking = job("INSERT INTO authors (name) VALUES ('lost')", &[]);
    let run = std::panic::AssertUnwindSafe(|| writer.run(&mut panicking));
    assert!(std::panic::catch_unwind(run).is_err());
    clock.0.set(at);
    // The lock is free at once.
    speak(&place.stranger(), "BEGIN IMMEDIATE; COMMIT");
    writer.settle(&mut held);
    assert_eq!(outcomes(&held), [None]);
    assert_eq!(names(&place), ["before"]);
}
