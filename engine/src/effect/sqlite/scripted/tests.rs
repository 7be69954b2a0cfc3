use std::cell::Cell;
use std::num::NonZeroU32;

use cutaway_reactor::Ticket;
use cutaway_reactor::sim::SimConfig;

use super::*;
use crate::effect::record::{EffectRecord, Operation, SqlStatement};
use crate::effect::row::{Executed, TooLarge};
use crate::effect::sqlite::{Constraint, JobHandle, SqlFinished};
use crate::testing::silenced;

const SELECT: &str = "SELECT id, title FROM posts WHERE id = ?1";
const INSERT: &str = "INSERT INTO posts (title) VALUES (?1)";
const DELETE: &str = "DELETE FROM posts";

/// A shard's face of a scripted database, and its machine.
struct Stage {
    net: SimNet,
    effects: SqliteEffects<SimPort<SqliteJob>>,
}

impl Stage {
    fn new(answer: impl FnMut(&ScriptedStatement<'_>) -> ScriptedAnswer + 'static) -> Stage {
        let net = SimNet::new(SimConfig::new(1));
        let settings = Sqlite::open("never opened").result_bytes_max(1_000);
        let effects = settings.simulate_scripted("Blog", &Script::new(answer), &net, 8);
        Stage { net, effects }
    }

    fn now(&self) -> Nanos {
        self.net.clock().now()
    }

    fn start(&mut self, mode: SqlMode, statements: &[SqlStatement<'_>], until: Nanos) -> JobHandle {
        let (request, now) = (Ticket::new(0, NonZeroU32::MIN), self.now());
        let started = self
            .effects
            .try_start(request, mode, statements, until, now);
        started.unwrap()
    }

    /// The next one that comes back.
    fn wait(&mut self) -> SqlFinished {
        loop {
            if let Some(finished) = self.effects.poll() {
                return finished;
            }
            assert!(self.net.step(), "nothing is under way");
        }
    }

    fn run(
        &mut self,
        mode: SqlMode,
        statements: &[SqlStatement<'_>],
    ) -> Result<ResultBuffer, SqlError> {
        self.start(mode, statements, Nanos::NEVER);
        self.wait().result
    }
}

fn statement<'v>(sql: &'static str, params: &'v [SqlValue<'v>], rows_max: u32) -> SqlStatement<'v> {
    SqlStatement {
        sql,
        params,
        rows_max,
        expects_row: false,
        wanted: None,
    }
}

fn ids(result: &ResultBuffer) -> Vec<i64> {
    result.rows().map(|row| row.read(0).unwrap()).collect()
}

#[test]
fn a_script_sees_the_statement_and_gives_its_rows() {
    let mut stage = Stage::new(|statement| {
        assert_eq!(
            (statement.database, statement.mode),
            ("Blog", SqlMode::Read)
        );
        assert_eq!((statement.index, statement.count), (0, 1));
        assert_eq!(statement.sql, SELECT);
        let expected = [
            SqlValue::Int(7),
            SqlValue::Text("ü"),
            SqlValue::Blob(&[0, 255]),
            SqlValue::Float(0.5),
            SqlValue::Null,
        ];
        assert_eq!(statement.params, expected);
        ScriptedAnswer::rows([(1, "one"), (2, "two"), (3, "three")])
    });
    let values = [
        SqlValue::Int(7),
        SqlValue::Text("ü"),
        SqlValue::Blob(&[0, 255]),
        SqlValue::Float(0.5),
        SqlValue::Null,
    ];
    let all = stage
        .run(SqlMode::Read, &[statement(SELECT, &values, u32::MAX)])
        .unwrap();
    assert_eq!(ids(&all), [1, 2, 3]);
    assert_eq!(all.rows().nth(1).unwrap().read(1), Ok("two"));
    assert_eq!(all.executed(), [Executed::default()]);
    // As many as are of use.
    let first = stage
        .run(SqlMode::Read, &[statement(SELECT, &values, 1)])
        .unwrap();
    assert_eq!(ids(&first), [1]);
}

#[test]
fn a_transaction_is_asked_up_to_what_fails() {
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    let mut stage = Stage::new(move |statement| {
        count.set(count.get() + 1);
        assert_eq!((statement.mode, statement.count), (SqlMode::Write, 3));
        match (statement.sql, statement.params) {
            (INSERT, [SqlValue::Text("taken")]) => {
                ScriptedAnswer::constraint(Constraint::Unique, "posts.title")
            }
            (INSERT, [SqlValue::Text(_)]) => ScriptedAnswer::inserted(9),
            (DELETE, []) => ScriptedAnswer::changed(2),
            _ => ScriptedAnswer::rows([(5, "five"), (6, "six")]),
        }
    });
    let mut run = |title| {
        let title = [SqlValue::Text(title)];
        stage.run(
            SqlMode::Write,
            &[
                statement(DELETE, &[], 0),
                statement(INSERT, &title, 0),
                statement(SELECT, &[], 1),
            ],
        )
    };
    let done = run("free").unwrap();
    assert_eq!(ids(&done), [5]);
    let of = |changed_count, last_row_id| Executed {
        changed_count,
        last_row_id,
    };
    assert_eq!(done.executed(), [of(2, 0), of(1, 9), of(2, 0)]);
    assert_eq!(asked.replace(0), 3);

    let error = run("taken").unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Constraint(Constraint::Unique));
    assert_eq!(asked.get(), 2);
}

#[test]
fn a_statement_that_expects_a_row_fails_without_one() {
    let mut stage = Stage::new(|statement| match statement.sql {
        DELETE => ScriptedAnswer::none(),
        INSERT => ScriptedAnswer::changed(1),
        _ => ScriptedAnswer::row((1, "one")),
    });
    let mut kind = |sql| {
        let statement = SqlStatement {
            expects_row: true,
            wanted: None,
            ..statement(sql, &[], 1)
        };
        let error = stage.run(SqlMode::Write, &[statement]).err();
        error.map(|error| error.kind)
    };
    assert_eq!(kind(DELETE), Some(SqlErrorKind::NoRow));
    assert_eq!(kind(INSERT), None);
    assert_eq!(kind(SELECT), None);
}

#[test]
fn a_refusal_is_worded_as_by_sqlite() {
    let check = |constraint, which: &str, expected: &str| {
        let answer = ScriptedAnswer::constraint(constraint, which);
        let length = Nanos::ZERO;
        let effect = EffectRecord::new(None, Operation::Timer { length });
        let failure = answer.given.unwrap_err().failure(&effect);
        assert_eq!(failure.to_string(), expected);
    };
    check(
        Constraint::Unique,
        "posts.title",
        "Conflict: constraint posts.title",
    );
    check(
        Constraint::PrimaryKey,
        "posts.id",
        "Conflict: constraint posts.id",
    );
    check(
        Constraint::ForeignKey,
        "",
        "Conflict: constraint FOREIGN KEY",
    );
    check(
        Constraint::NotNull,
        "posts.title",
        "Unprocessable: constraint posts.title",
    );
    check(
        Constraint::Check,
        "title <> ''",
        "Unprocessable: constraint title <> ''",
    );

    let mut stage = Stage::new(|_| ScriptedAnswer::error(SqlErrorKind::Storage));
    let error = stage
        .run(SqlMode::Read, &[statement(SELECT, &[], 1)])
        .unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Storage);
    assert_eq!(error.message(), "scripted: Storage");

    let mut stage = Stage::new(|_| ScriptedAnswer::row(("x".repeat(2_000).as_str(),)));
    let error = stage
        .run(SqlMode::Read, &[statement(SELECT, &[], 1)])
        .unwrap_err();
    let bound = TooLarge {
        needed_bytes: 2_011,
        bytes_max: 1_000,
    };
    assert_eq!(error.kind, SqlErrorKind::TooLarge(bound));
}

/// Answers after as many milliseconds as its first value says.
fn sleepy(statement: &ScriptedStatement<'_>) -> ScriptedAnswer {
    let SqlValue::Int(millis) = statement.params[0] else {
        panic!("it is a number");
    };
    let delay = std::time::Duration::from_millis(millis.unsigned_abs());
    ScriptedAnswer::row((millis,)).after(delay)
}

#[test]
fn reads_do_not_wait_for_each_other_and_writes_do() {
    let order = |mode| {
        let mut stage = Stage::new(sleepy);
        let started_at = stage.now();
        for millis in [30, 10, 20] {
            stage.start(
                mode,
                &[statement(SELECT, &[SqlValue::Int(millis)], 1)],
                Nanos::NEVER,
            );
        }
        let mut order = Vec::new();
        for _ in 0..3 {
            let finished = stage.wait();
            let of = ids(&finished.result.unwrap())[0];
            let took = finished.finished_at.since(finished.started_at);
            assert_eq!(took, Nanos::from_millis(of.unsigned_abs()));
            order.push(of);
        }
        (order, stage.now().since(started_at))
    };
    let (reads, took) = order(SqlMode::Read);
    assert_eq!(reads, [10, 20, 30]);
    assert!(took < Nanos::from_millis(35), "{took:?}");
    let (writes, took) = order(SqlMode::Write);
    assert_eq!(writes, [30, 10, 20]);
    assert!(took >= Nanos::from_millis(60), "{took:?}");
}

#[test]
fn a_deadline_comes_before_an_answer_that_is_late() {
    let check = |answer: fn(&ScriptedStatement<'_>) -> ScriptedAnswer, expected| {
        let mut stage = Stage::new(answer);
        let deadline = stage.now() + Nanos::from_millis(10);
        let values = [SqlValue::Int(9)];
        stage.start(SqlMode::Read, &[statement(SELECT, &values, 1)], deadline);
        let finished = stage.wait();
        let kind = finished.result.err().map(|error| error.kind);
        assert_eq!(kind, expected);
        if expected.is_some() {
            assert_eq!(finished.finished_at, deadline);
        }
        assert!(finished.finished_at <= deadline);
    };
    check(sleepy, None);
    check(|_| ScriptedAnswer::never(), Some(SqlErrorKind::Deadline));
    check(
        |_| ScriptedAnswer::none().after(std::time::Duration::from_millis(11)),
        Some(SqlErrorKind::Deadline),
    );
}

#[test]
fn what_was_cancelled_is_not_asked_for() {
    let mut stage = Stage::new(|_| panic!("nobody asks"));
    let handle = stage.start(SqlMode::Read, &[statement(SELECT, &[], 1)], Nanos::NEVER);
    stage.effects.cancel(handle);
    let error = stage.wait().result.unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Cancelled);
}

#[test]
fn a_panic_is_its_own_jobs_only() {
    let mut stage = Stage::new(|statement| match statement.sql {
        INSERT => panic!("as the test wants it"),
        _ => ScriptedAnswer::row((1,)),
    });
    let mut words = |sql| {
        let run = stage.run(SqlMode::Read, &[statement(sql, &[], 1)]);
        run.err()
            .map(|error| (error.kind, error.message().to_owned()))
    };
    silenced(|| {
        let (kind, message) = words(INSERT).unwrap();
        assert_eq!(kind, SqlErrorKind::Panicked);
        assert_eq!(message, "as the test wants it");
        assert_eq!(words(SELECT), None);
    });
}

/// One that waited for its turn and then panicked has not ended before it began.
#[test]
fn a_panic_comes_after_the_start_of_its_job() {
    let mut stage = Stage::new(|statement| match statement.sql {
        INSERT => panic!("as the test wants it"),
        _ => ScriptedAnswer::changed(1).after(std::time::Duration::from_millis(3)),
    });
    stage.start(SqlMode::Write, &[statement(SELECT, &[], 1)], Nanos::NEVER);
    stage.start(SqlMode::Write, &[statement(INSERT, &[], 1)], Nanos::NEVER);
    silenced(|| {
        assert_eq!(stage.wait().result.map(drop), Ok(()));
        let finished = stage.wait();
        assert!(finished.started_at >= Nanos::from_millis(3));
        assert_eq!(finished.finished_at, finished.started_at);
    });
}

#[test]
fn what_is_cancelled_while_it_runs_comes_back_then() {
    for answer in [ScriptedAnswer::never, || {
        ScriptedAnswer::row((1,)).after(std::time::Duration::from_secs(3))
    }] {
        let mut stage = Stage::new(move |_| answer());
        let handle = stage.start(SqlMode::Read, &[statement(SELECT, &[], 1)], Nanos::NEVER);
        stage.net.set_horizon(Some(Nanos::from_millis(100)));
        while stage.net.step() {}
        assert!(stage.effects.poll().is_none());
        assert!(!stage.net.is_quiet(), "it never ends, and yet it runs");
        stage.effects.cancel(handle);
        let finished = stage.wait();
        assert_eq!(finished.result.unwrap_err().kind, SqlErrorKind::Cancelled);
        assert!(stage.now() < Nanos::from_millis(2));
        assert_eq!(finished.finished_at, stage.now());
        assert_eq!(stage.effects.in_flight(), 0);
    }
}
