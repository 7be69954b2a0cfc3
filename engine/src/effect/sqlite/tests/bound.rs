//! What is too much.

use super::*;

#[test]
fn what_is_too_much_is_refused() {
    let place = Place::new();
    let settings = place.settings().in_flight_max(3).operand_bytes_max(100);
    let mut shard = Shard::open(&settings);
    let stranger = place.stranger();
    speak(&stranger, "BEGIN IMMEDIATE");
    for id in 0..3 {
        let name = id.to_string();
        shard.start(INSERT, SqlMode::Write, &author(id, &name));
    }
    let values = author(9, "one too many");
    let refused = shard.try_start(INSERT, SqlMode::Write, &values, Nanos::NEVER);
    assert_eq!(refused, Err(Refused::Full));
    speak(&stranger, "COMMIT");
    for _ in 0..3 {
        assert!(shard.wait().result.is_ok());
    }
    let long = "x".repeat(100);
    let refused = shard.try_start(INSERT, SqlMode::Write, &author(9, &long), Nanos::NEVER);
    assert!(matches!(refused, Err(Refused::TooLarge(_))), "{refused:?}");
    // A refusal keeps nothing.
    for _ in 0..3 {
        assert_eq!(shard.read_int(COUNT), 3);
    }
}

#[test]
fn a_result_past_its_bound_is_an_error_and_changes_nothing() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings().result_bytes_max(1_000));
    let sql = "SELECT printf('%.*c', ?1, 'x')";
    assert!(shard.run(sql, SqlMode::Read, &[SqlValue::Int(900)]).is_ok());
    let error = shard
        .run(sql, SqlMode::Read, &[SqlValue::Int(5_000)])
        .unwrap_err();
    let bound = TooLarge {
        needed_bytes: 5_011,
        bytes_max: 1_000,
    };
    assert_eq!(error.kind, SqlErrorKind::TooLarge(bound));
    assert_eq!(
        error.to_string(),
        "the result came to 5011 bytes, 1000 are allowed"
    );

    let sql = "INSERT INTO authors (name) VALUES (?1) RETURNING printf('%.*c', 5000, name)";
    let error = shard
        .run(sql, SqlMode::Write, &[SqlValue::Text("x")])
        .unwrap_err();
    assert!(matches!(error.kind, SqlErrorKind::TooLarge(_)));
    assert_eq!(shard.read_int(COUNT), 0);
    assert!(shard.run(INSERT, SqlMode::Write, &author(1, "Ada")).is_ok());
}
