//! What stops a statement: a lock, a deadline, a cancel.

use super::*;

#[test]
fn a_lock_holds_up_the_writer_and_no_reader() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let stranger = place.stranger();
    speak(&stranger, "BEGIN IMMEDIATE");
    let write = shard.start(INSERT, SqlMode::Write, &author(1, "Ada"));
    for _ in 0..10 {
        assert_eq!(shard.read_int(COUNT), 0);
    }
    assert_eq!(shard.effects.in_flight(), 1);
    speak(&stranger, "COMMIT");
    assert!(shard.wait_for(write).result.is_ok());
    assert_eq!(shard.read_int(COUNT), 1);
}

#[test]
fn a_lock_held_too_long_is_busy() {
    let place = Place::new();
    let settings = place.settings().busy_timeout(Nanos::from_millis(200));
    let mut shard = Shard::open(&settings);
    let stranger = place.stranger();
    speak(&stranger, "BEGIN IMMEDIATE");
    let write = shard.start(INSERT, SqlMode::Write, &author(1, "Ada"));
    let finished = shard.wait_for(write);
    assert_eq!(finished.result.unwrap_err().kind, SqlErrorKind::Busy);
    let waited = finished.finished_at.since(finished.started_at);
    assert!(waited >= Nanos::from_millis(200), "{waited:?}");

    // A deadline ends the wait earlier, and says so; so does a cancel.
    let deadline = shard.clock.now() + Nanos::from_millis(5);
    let values = author(1, "Ada");
    let write = shard.try_start(INSERT, SqlMode::Write, &values, deadline);
    let finished = shard.wait_for(write.unwrap());
    assert_eq!(finished.result.unwrap_err().kind, SqlErrorKind::Deadline);

    let write = shard.start(INSERT, SqlMode::Write, &values);
    shard.effects.cancel(write);
    let finished = shard.wait_for(write);
    assert_eq!(finished.result.unwrap_err().kind, SqlErrorKind::Cancelled);
    speak(&stranger, "COMMIT");
    assert!(shard.run(INSERT, SqlMode::Write, &values).is_ok());
}

#[test]
fn a_deadline_stops_a_query_that_computes() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let deadline = shard.clock.now() + Nanos::from_millis(5);
    let query = shard.try_start(ENDLESS, SqlMode::Read, &[], deadline);
    let finished = shard.wait_for(query.unwrap());
    let error = finished.result.unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Deadline);
    assert!(finished.finished_at >= deadline);

    // One that is over already does not start.
    let query = shard.try_start(ENDLESS, SqlMode::Read, &[], deadline);
    let finished = shard.wait_for(query.unwrap());
    assert_eq!(finished.result.unwrap_err().kind, SqlErrorKind::Deadline);
}

#[test]
fn a_cancel_stops_its_own_statement_alone() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings().readers(1));
    for _ in 0..20 {
        let endless = shard.start(ENDLESS, SqlMode::Read, &[]);
        let next = shard.start(COUNT, SqlMode::Read, &[]);
        shard.effects.cancel(endless);
        let stopped = shard.wait_for(endless);
        assert_eq!(stopped.result.unwrap_err().kind, SqlErrorKind::Cancelled);
        // Late cancels of a use that has ended hit neither the next use nor the neighbour.
        shard.effects.cancel(endless);
        assert!(shard.wait_for(next).result.is_ok());
    }
}
