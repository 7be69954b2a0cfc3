//! Transactions: all of it or nothing, and nothing of its neighbours.

use super::*;

const BEFORE: &str = "INSERT INTO authors (name) VALUES ('before')";
const MINE: &str = "INSERT INTO authors (name) VALUES ('mine')";
const AFTER: &str = "INSERT INTO authors (name) VALUES ('after')";

#[test]
fn a_transaction_gives_the_last_rows_and_what_each_did() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let (ada, title) = (author(7, "Ada"), [SqlValue::Text("On numbers")]);
    let done = shard.transact(&[
        statement(INSERT, &ada),
        // Its rows are nobody's: they are not the last ones.
        statement("UPDATE authors SET name = 'Ada L.' RETURNING name", &[]),
        statement(
            "INSERT INTO posts (id, author, title) VALUES (3, last_insert_rowid(), ?1)
             RETURNING id, author, title",
            &title,
        ),
    ]);
    let done = done.unwrap();
    let rows: Vec<_> = done.rows().collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].read(0), Ok(3_i64));
    assert_eq!(rows[0].read(1), Ok(7_i64));
    assert_eq!(rows[0].read(2), Ok("On numbers"));
    let of = |changed_count, last_row_id| Executed {
        changed_count,
        last_row_id,
    };
    assert_eq!(done.executed(), [of(1, 7), of(1, 7), of(1, 3)]);
    assert_eq!(names(&place), ["Ada L."]);

    // A query at its end sees what it has made.
    let read = shard.transact(&[
        statement("DELETE FROM posts", &[]),
        statement("SELECT count(*) FROM posts", &[]),
    ]);
    assert_eq!(int(&read.unwrap()), 0);
}

/// The culprit's second statement fails in the middle of a batch. `together` is how many jobs the
/// commit of the others decides: all of the batch, unless SQLite has ended the transaction itself.
#[track_caller]
fn check(culprit: &[SqlStatement<'_>], kind: SqlErrorKind, together: u32) {
    check_by(job_of(SqlMode::Write, culprit), kind, together);
}

#[track_caller]
fn check_by(culprit: Box<SqliteJob>, kind: SqlErrorKind, together: u32) {
    let place = Place::new();
    let clock = CountingClock::default();
    let settings = place.settings().result_bytes_max(1_000);
    let mut writer = settings.writer(clock.clone()).unwrap();
    let pair = [statement(AFTER, &[]), statement("DELETE FROM posts", &[])];
    let mut held = vec![
        job(BEFORE, &[]),
        culprit,
        job_of(SqlMode::Write, &pair),
        // What the culprit has undone is free again.
        job(MINE, &[]),
    ];
    for job in &mut held {
        if job.deadline != Nanos::NEVER {
            job.deadline = Nanos(clock.0.get()) + job.deadline;
        }
        assert_eq!(writer.run(job), Publish::Held);
    }
    assert_eq!(names(&place), [""; 0], "nobody sees it before the commit");
    writer.settle(&mut held);
    assert_eq!(outcomes(&held), [None, Some(kind), None, None]);
    assert_eq!(names(&place), ["before", "after", "mine"]);
    let counts = held.iter().map(|job| job.batch_count);
    let of_others: Vec<_> = counts.enumerate().filter(|(at, _)| *at != 1).collect();
    assert_eq!(of_others, [(0, together), (2, together), (3, together)]);

    // Nothing of it lingers.
    let mut held = vec![job("INSERT INTO authors (name) VALUES ('later')", &[])];
    assert_eq!(writer.run(&mut held[0]), Publish::Held);
    writer.settle(&mut held);
    assert_eq!(outcomes(&held), [None]);
    assert_eq!(held[0].batch_count, 1);
}

#[test]
fn a_statement_that_fails_undoes_those_before_it() {
    let mine = statement(MINE, &[]);
    let constraint = SqlErrorKind::Constraint;
    check(
        &[mine, statement(BEFORE, &[])],
        constraint(Constraint::Unique),
        4,
    );
    let null = "INSERT INTO authors (name) VALUES (NULL)";
    check(
        &[mine, statement(null, &[])],
        constraint(Constraint::NotNull),
        4,
    );
    // One that a commit would find, and one that a later statement makes good.
    let dangling = statement("INSERT INTO posts (author) VALUES (99)", &[]);
    check(&[mine, dangling], constraint(Constraint::ForeignKey), 4);
    check(
        &[
            mine,
            dangling,
            statement("INSERT INTO authors VALUES (99, 'late')", &[]),
            statement(BEFORE, &[]),
        ],
        constraint(Constraint::Unique),
        4,
    );
    check(
        &[mine, statement("INSERT INTO missing VALUES (1)", &[])],
        SqlErrorKind::Statement,
        4,
    );
    check(
        &[mine, statement("COMMIT", &[])],
        SqlErrorKind::Forbidden,
        4,
    );
    check(
        &[mine, statement(INSERT, &[SqlValue::Int(1)])],
        SqlErrorKind::Parameters {
            expected: 2,
            given: 1,
        },
        4,
    );
    let large = "UPDATE authors SET name = name || '!' RETURNING printf('%.*c', 5000, 'x')";
    check(
        &[mine, statement(large, &[])],
        SqlErrorKind::TooLarge(TooLarge {
            needed_bytes: 5_011,
            bytes_max: 1_000,
        }),
        4,
    );
}

#[test]
fn a_statement_that_finds_no_row_undoes_those_before_it() {
    let mine = statement(MINE, &[]);
    let delete = "DELETE FROM authors WHERE name = 'nobody'";
    check(&[mine, expecting(delete, &[])], SqlErrorKind::NoRow, 4);
    // Also one in the middle, and one that reads.
    check(
        &[mine, expecting(delete, &[]), statement(BEFORE, &[])],
        SqlErrorKind::NoRow,
        4,
    );
    let select = "SELECT * FROM authors WHERE name = 'nobody'";
    check(&[mine, expecting(select, &[])], SqlErrorKind::NoRow, 4);
    check(&[expecting(delete, &[])], SqlErrorKind::NoRow, 4);
}

#[test]
fn a_statement_that_finds_its_row_goes_on() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let done = shard.transact(&[
        expecting(MINE, &[]),
        expecting("UPDATE authors SET name = 'ours'", &[]),
        expecting("SELECT name FROM authors", &[]),
    ]);
    assert_eq!(done.unwrap().rows().len(), 1);
    assert!(
        shard
            .transact(&[expecting("DELETE FROM authors", &[])])
            .is_ok()
    );
    let nobody = shard.transact(&[expecting("DELETE FROM authors", &[])]);
    assert_eq!(nobody.unwrap_err().kind, SqlErrorKind::NoRow);
}

#[test]
fn a_transaction_that_sqlite_ends_takes_nobody_with_it() {
    let mine = statement(MINE, &[]);
    let or_rollback = "INSERT OR ROLLBACK INTO authors (name) VALUES ('before')";
    check(
        &[mine, statement(or_rollback, &[])],
        SqlErrorKind::Constraint(Constraint::Unique),
        1,
    );
    let mut endless = job_of(SqlMode::Write, &[mine, statement(ENDLESS_INSERT, &[])]);
    endless.deadline = Nanos::from_micros(50);
    check_by(endless, SqlErrorKind::Deadline, 1);
}

#[test]
fn a_deadline_between_short_statements_is_seen() {
    let mine = statement(MINE, &[]);
    let rename = statement(
        "UPDATE authors SET name = name || '!' WHERE name = 'mine'",
        &[],
    );
    for deadline in 4..30 {
        let statements: Vec<_> = [mine].into_iter().chain([rename; 15]).collect();
        let mut job = job_of(SqlMode::Write, &statements);
        // The clock moves 1 µs on each look; starting takes two of them, and each statement too.
        job.deadline = Nanos::from_micros(deadline);
        check_by(job, SqlErrorKind::Deadline, 4);
    }
}

#[test]
fn a_deadline_or_a_cancel_undoes_a_transaction() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let endless = [statement(MINE, &[]), statement(ENDLESS, &[])];
    let deadline = shard.clock.now() + Nanos::from_millis(5);
    let started = shard.try_start_all(SqlMode::Write, &endless, deadline);
    let finished = shard.wait_for(started.unwrap());
    assert_eq!(finished.result.unwrap_err().kind, SqlErrorKind::Deadline);
    assert!(finished.finished_at >= deadline);

    let started = shard.try_start_all(SqlMode::Write, &endless, Nanos::NEVER);
    let neighbour = shard.start(AFTER, SqlMode::Write, &[]);
    // It holds the lock while it runs.
    let stranger = place.stranger();
    while (stranger.watch())
        .as_engine(|| stranger.run_all("BEGIN IMMEDIATE; COMMIT"))
        .is_ok()
    {
        std::thread::yield_now();
    }
    shard.effects.cancel(started.unwrap());
    let finished = shard.wait_for(started.unwrap());
    assert_eq!(finished.result.unwrap_err().kind, SqlErrorKind::Cancelled);
    assert!(shard.wait_for(neighbour).result.is_ok());
    assert_eq!(names(&place), ["after"]);
}

#[test]
fn a_panic_in_a_transaction_undoes_it() {
    let place = Place::new();
    let clock = CountingClock::default();
    let mut writer = place.settings().writer(clock.clone()).unwrap();
    let mut held = vec![job(BEFORE, &[])];
    writer.run(&mut held[0]);
    let at = clock.0.get();
    let mut panicking = job_of(
        SqlMode::Write,
        &[
            statement(MINE, &[]),
            statement("UPDATE authors SET name = name || '!'", &[]),
        ],
    );
    // The clock is asked at the start, after the first statement, and then it breaks.
    clock.0.set(BROKEN - 3_000);
    let run = std::panic::AssertUnwindSafe(|| writer.run(&mut panicking));
    assert!(crate::testing::caught(run.0).is_err());
    clock.0.set(at);
    writer.settle(&mut held);
    assert_eq!(outcomes(&held), [None]);
    assert_eq!(names(&place), ["before"]);
}

#[test]
fn too_many_statements_are_refused() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let rename = statement("UPDATE authors SET name = name", &[]);
    let mut refused = |mode, count| {
        let started = shard.try_start_all(mode, &vec![rename; count], Nanos::NEVER);
        match started {
            Ok(handle) => {
                shard.wait_for(handle);
                None
            }
            Err(refused) => Some(refused),
        }
    };
    let statements = |count, count_max| Some(Refused::Statements { count, count_max });
    assert_eq!(STATEMENTS_PER_TRANSACTION_MAX, 16);
    assert_eq!(refused(SqlMode::Write, 0), statements(0, 16));
    assert_eq!(refused(SqlMode::Write, 16), None);
    assert_eq!(refused(SqlMode::Write, 17), statements(17, 16));
    assert_eq!(refused(SqlMode::Read, 1), None);
    assert_eq!(refused(SqlMode::Read, 2), statements(2, 1));

    let values = vec![SqlValue::Null; 32_768];
    let twice = [statement(INSERT, &values); 2];
    let refused = shard.try_start_all(SqlMode::Write, &twice, Nanos::NEVER);
    let parameters = Refused::Parameters {
        count: 65_536,
        count_max: 65_535,
    };
    assert_eq!(refused, Err(parameters));
    // A refusal keeps nothing.
    assert_eq!(shard.read_int(COUNT), 0);
}

/// The commits in a write-ahead log: each frame that ends one says how large the database is then
/// (<https://sqlite.org/fileformat2.html#the_write_ahead_log>, bytes 4 to 7 of a frame's head).
fn commit_count(place: &Place) -> usize {
    let mut name = place.file().into_os_string();
    name.push("-wal");
    let log = std::fs::read(name).unwrap();
    let (head, frames) = log.split_at_checked(32).unwrap_or_default();
    let page_bytes = head.get(8..12).map_or(4096, |bytes| {
        u32::from_be_bytes(bytes.try_into().unwrap()) as usize
    });
    let frames = frames.chunks_exact(24 + page_bytes);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

#[test]
fn a_transaction_costs_no_commit_of_its_own() {
    let place = Place::new();
    let mut writer = place.settings().writer(StillClock).unwrap();
    let pair = |id, name: &'static str| {
        let given = author(id, name);
        job_of(
            SqlMode::Write,
            &[
                statement(INSERT, &given),
                statement(
                    "INSERT INTO posts (author) VALUES (last_insert_rowid())",
                    &[],
                ),
            ],
        )
    };
    let before = commit_count(&place);
    let mut held = vec![
        job(BEFORE, &[]),
        pair(10, "a pair"),
        // One that fails costs none either.
        pair(10, "twice"),
        pair(11, "another pair"),
        job(AFTER, &[]),
    ];
    for job in &mut held {
        writer.run(job);
    }
    writer.settle(&mut held);
    let unique = Some(SqlErrorKind::Constraint(Constraint::PrimaryKey));
    assert_eq!(outcomes(&held), [None, None, unique, None, None]);
    assert_eq!(commit_count(&place) - before, 1);

    // What it is measured with counts.
    let mut held = vec![job(MINE, &[])];
    writer.run(&mut held[0]);
    writer.settle(&mut held);
    assert_eq!(commit_count(&place) - before, 2);
}
