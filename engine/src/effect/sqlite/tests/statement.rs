//! What a statement gives, and what it says where it fails.

use std::cell::RefCell;

use proptest::prelude::*;

use super::*;

#[test]
fn what_was_written_is_read() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let written = shard
        .run(INSERT, SqlMode::Write, &author(7, "Ada"))
        .unwrap();
    let executed = Executed {
        changed_count: 1,
        last_row_id: 7,
    };
    assert_eq!(written.executed(), [executed]);
    assert_eq!(written.rows().len(), 0);

    let sql = "SELECT id, name FROM authors WHERE id = ?1";
    let read = shard.run(sql, SqlMode::Read, &[SqlValue::Int(7)]).unwrap();
    let row = read.rows().next().unwrap();
    assert_eq!(row.read(0), Ok(7_i64));
    assert_eq!(row.read(1), Ok("Ada"));
    assert_eq!(read.executed(), [Executed::default()]);

    // What comes back tells when it waited and when it ran.
    let handle = shard.start(COUNT, SqlMode::Read, &[]);
    let finished = shard.wait_for(handle);
    assert!(finished.queued_at <= finished.started_at);
    assert!(finished.started_at < finished.finished_at);
    assert_eq!(finished.request.index(), shard.started_count);
    assert_eq!(finished.batch_count, 0);
}

#[test]
fn returning_gives_rows_and_changes() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let sql = "INSERT INTO authors (name) VALUES (?1), (?2) RETURNING id";
    let names = [SqlValue::Text("Ada"), SqlValue::Text("Grace")];
    let written = shard.run(sql, SqlMode::Write, &names).unwrap();
    let ids: Vec<i64> = written.rows().map(|row| row.read(0).unwrap()).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(written.executed()[0].changed_count, 2);
    // A statement that changes nothing reports no changes of an earlier one.
    let sql = "UPDATE authors SET name = 'x' WHERE id = 99";
    let written = shard.run(sql, SqlMode::Write, &[]).unwrap();
    assert_eq!(written.executed(), [Executed::default()]);
}

#[test]
fn rows_of_no_use_are_not_read() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let take = |sql, rows_max| SqlStatement {
        rows_max,
        ..statement(sql, &[])
    };
    let sql = "
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)
        SELECT n FROM numbers";
    // Read to its end it would never come back.
    let started = shard.try_start_all(SqlMode::Read, &[take(sql, 3)], Nanos::NEVER);
    let read = shard.wait_for(started.unwrap()).result.unwrap();
    let numbers: Vec<i64> = read.rows().map(|row| row.read(0).unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3]);

    // What a statement that writes does not return it does all the same.
    let insert = "INSERT INTO authors (name) VALUES ('a'), ('b'), ('c') RETURNING id";
    let written = shard.transact(&[take(insert, 1)]).unwrap();
    assert_eq!(written.rows().len(), 1);
    assert_eq!(written.executed()[0].changed_count, 3);
    assert_eq!(shard.read_int(COUNT), 3);
    // A row that nobody asked for can fail, and then nothing was done.
    let insert = "INSERT INTO authors (name) VALUES ('d'), ('e')
        RETURNING CASE name WHEN 'e' THEN abs(-9223372036854775808) END";
    let error = shard.transact(&[take(insert, 1)]).unwrap_err();
    assert_eq!(error.message(), "integer overflow");
    assert_eq!(shard.read_int(COUNT), 3);
}

#[test]
fn errors_say_what_to_conclude() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    shard
        .run(INSERT, SqlMode::Write, &author(1, "Ada"))
        .unwrap();
    let mut check = |sql, mode, values: &[SqlValue<'_>], kind: SqlErrorKind, text: &str| {
        let error = shard.run(sql, mode, values).unwrap_err();
        assert_eq!(
            (error.kind, error.to_string().as_str()),
            (kind, text),
            "{sql}"
        );
    };
    let constraint = SqlErrorKind::Constraint;
    check(
        INSERT,
        SqlMode::Write,
        &author(2, "Ada"),
        constraint(Constraint::Unique),
        "UNIQUE constraint failed: authors.name (SQLite 2067)",
    );
    check(
        INSERT,
        SqlMode::Write,
        &author(1, "Grace"),
        constraint(Constraint::PrimaryKey),
        "UNIQUE constraint failed: authors.id (SQLite 1555)",
    );
    check(
        INSERT,
        SqlMode::Write,
        &[SqlValue::Int(3), SqlValue::Null],
        constraint(Constraint::NotNull),
        "NOT NULL constraint failed: authors.name (SQLite 1299)",
    );
    check(
        "INSERT INTO posts (title) VALUES ('')",
        SqlMode::Write,
        &[],
        constraint(Constraint::Check),
        "CHECK constraint failed: title <> '' (SQLite 275)",
    );
    // Checked at the commit.
    check(
        "INSERT INTO posts (author) VALUES (99)",
        SqlMode::Write,
        &[],
        constraint(Constraint::ForeignKey),
        "FOREIGN KEY constraint failed (SQLite 787)",
    );
    check(
        "SELECT missing",
        SqlMode::Read,
        &[],
        SqlErrorKind::Statement,
        "no such column: missing (SQLite 1)",
    );
    check(
        "SELECT ?1, ?2",
        SqlMode::Read,
        &[SqlValue::Null],
        SqlErrorKind::Parameters {
            expected: 2,
            given: 1,
        },
        "the statement has 2 parameters, 1 values were given",
    );
    check(
        "DELETE FROM authors",
        SqlMode::Read,
        &[],
        SqlErrorKind::Forbidden,
        "attempt to write a readonly database (SQLite 8)",
    );
    for sql in ["COMMIT", "SAVEPOINT mine", "ATTACH ':memory:' AS mine"] {
        let text = "not authorized (SQLite 23)";
        check(sql, SqlMode::Write, &[], SqlErrorKind::Forbidden, text);
    }
    check(
        "SELECT 1; SELECT 2",
        SqlMode::Read,
        &[],
        SqlErrorKind::Statement,
        "more than one statement in one text",
    );
    assert_eq!(shard.read_int("SELECT 5; -- and a comment"), 5);
    assert_eq!(shard.read_int(COUNT), 1);
}

#[test]
fn a_text_with_a_zero_byte_is_refused() {
    let place = Place::new();
    let refused = "there is a zero byte in the text";
    let mut shard = Shard::open(&place.settings());
    for sql in ["SELECT 1\0", "SELECT 1\0; SELECT 2", "SELECT '\0'"] {
        let error = shard.run(sql, SqlMode::Read, &[]).unwrap_err();
        assert_eq!(
            (error.kind, error.message()),
            (SqlErrorKind::Statement, refused)
        );
    }
    let settings = place.settings().schema("CREATE TABLE lost (id);\0");
    let error = settings.writer(StillClock).err().unwrap().to_string();
    assert!(error.contains(refused), "{error}");
    let error = shard.run("SELECT * FROM lost", SqlMode::Read, &[]);
    assert_eq!(error.unwrap_err().message(), "no such table: lost");
}

#[test]
fn statements_beyond_the_cache_are_compiled_again() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings().statements_max(2).readers(1));
    for _ in 0..3 {
        assert_eq!(shard.read_int("SELECT 1"), 1);
        assert_eq!(shard.read_int("SELECT 2"), 2);
        assert_eq!(shard.read_int("SELECT 3"), 3);
    }
}

#[test]
fn a_changed_schema_is_noticed() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings().readers(1));
    shard
        .run(INSERT, SqlMode::Write, &author(1, "Ada"))
        .unwrap();
    let sql = "SELECT * FROM authors";
    let columns = |result: ResultBuffer| result.rows().columns_count();
    assert_eq!(columns(shard.run(sql, SqlMode::Read, &[]).unwrap()), 2);
    let alter = "ALTER TABLE authors ADD COLUMN born INTEGER";
    shard.run(alter, SqlMode::Write, &[]).unwrap();
    assert_eq!(columns(shard.run(sql, SqlMode::Read, &[]).unwrap()), 3);
}

#[derive(Clone, Debug)]
enum Value {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Value {
    fn bound(&self) -> SqlValue<'_> {
        match self {
            Value::Null => SqlValue::Null,
            Value::Int(value) => SqlValue::Int(*value),
            Value::Float(value) => SqlValue::Float(*value),
            Value::Text(text) => SqlValue::Text(text),
            Value::Blob(bytes) => SqlValue::Blob(bytes),
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Int),
        prop::num::f64::NORMAL.prop_map(Value::Float),
        "\\PC{0,20}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Blob),
    ]
}

#[test]
fn values_go_through_sqlite_unchanged() {
    let place = Place::new();
    place.settings().writer(RealClock::new()).unwrap();
    let reader = RefCell::new(place.settings().reader(RealClock::new()).unwrap());
    let mut runner = proptest::test_runner::TestRunner::default();
    let values = (value(), value(), value());
    let checked = runner.run(&values, |(first, second, third)| {
        let values = [first.bound(), second.bound(), third.bound()];
        let sql = "SELECT ?1, ?2, ?3 UNION ALL SELECT ?3, ?1, ?2";
        let mut job = job_of(SqlMode::Read, &[statement(sql, &values)]);
        assert_eq!(reader.borrow_mut().run(&mut job), Publish::Now);
        prop_assert_eq!(&job.error, &None);
        let result = job.result.take().unwrap();
        let rows: Vec<Vec<_>> = result.rows().map(|row| row.columns().collect()).collect();
        let [first, second, third] = values.map(SqlValue::column);
        prop_assert_eq!(rows, [[first, second, third], [third, first, second]]);
        Ok(())
    });
    checked.unwrap();
}
