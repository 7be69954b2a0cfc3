//! Random batches of random transactions, run beside a map that is copied before each of them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const MODEL_SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS pairs (
        key INTEGER PRIMARY KEY,
        value INTEGER NOT NULL CHECK (value < 8),
        next INTEGER REFERENCES pairs DEFERRABLE INITIALLY DEFERRED
    ) STRICT;";
const INSERT_PAIR: &str = "INSERT INTO pairs (key, value) VALUES (?1, ?2)";
const INSERT_LINKED: &str = "INSERT INTO pairs (key, value, next) VALUES (?1, ?2, ?3)";
const INSERT_OR_ROLLBACK: &str = "INSERT OR ROLLBACK INTO pairs (key, value) VALUES (?1, ?2)";
const ADD: &str = "UPDATE pairs SET value = value + 1 WHERE key >= ?1";
const DELETE: &str = "DELETE FROM pairs WHERE key = ?1";
const SUM: &str = "SELECT sum(value) FROM pairs";
const TOO_LARGE: &str = "
    INSERT INTO pairs (key, value) VALUES (?1, ?2) RETURNING printf('%.*c', 5000, 'x')";

/// A value, and the key of another pair.
type Pairs = BTreeMap<i64, (i64, Option<i64>)>;

#[derive(Clone, Copy, Debug)]
enum Action {
    Insert { key: i64, value: i64 },
    InsertLinked { key: i64, value: i64, next: i64 },
    InsertOrRollback { key: i64, value: i64 },
    InsertTooLarge { key: i64, value: i64 },
    Add { from: i64, must_change: bool },
    Delete { key: i64, must_change: bool },
    Sum,
}

fn action() -> impl Strategy<Value = Action> {
    let (key, value) = (0..6_i64, 0..9_i64);
    let pair = (key.clone(), value);
    prop_oneof![
        6 => pair.clone().prop_map(|(key, value)| Action::Insert { key, value }),
        4 => (pair.clone(), key.clone())
            .prop_map(|((key, value), next)| Action::InsertLinked { key, value, next }),
        1 => pair.clone().prop_map(|(key, value)| Action::InsertOrRollback { key, value }),
        1 => pair.prop_map(|(key, value)| Action::InsertTooLarge { key, value }),
        3 => (key.clone(), any::<bool>())
            .prop_map(|(from, must_change)| Action::Add { from, must_change }),
        6 => (key, any::<bool>())
            .prop_map(|(key, must_change)| Action::Delete { key, must_change }),
        2 => Just(Action::Sum),
    ]
}

impl Action {
    fn sql(self) -> &'static str {
        match self {
            Action::Insert { .. } => INSERT_PAIR,
            Action::InsertLinked { .. } => INSERT_LINKED,
            Action::InsertOrRollback { .. } => INSERT_OR_ROLLBACK,
            Action::InsertTooLarge { .. } => TOO_LARGE,
            Action::Add { .. } => ADD,
            Action::Delete { .. } => DELETE,
            Action::Sum => SUM,
        }
    }

    fn values(self) -> Vec<SqlValue<'static>> {
        let int = SqlValue::Int;
        match self {
            Action::Insert { key, value }
            | Action::InsertOrRollback { key, value }
            | Action::InsertTooLarge { key, value } => vec![int(key), int(value)],
            Action::InsertLinked { key, value, next } => vec![int(key), int(value), int(next)],
            Action::Add { from: key, .. } | Action::Delete { key, .. } => vec![int(key)],
            Action::Sum => vec![],
        }
    }

    fn must_change(self) -> bool {
        match self {
            Action::Add { must_change, .. } | Action::Delete { must_change, .. } => must_change,
            _ => false,
        }
    }

    /// What it changes and gives; none where it fails. What a failure leaves behind does not matter.
    fn apply(self, pairs: &mut Pairs, is_last: bool) -> Option<(u64, Option<i64>)> {
        let mut insert = |key, value, next| {
            let is_free = value < 8 && !pairs.contains_key(&key);
            is_free.then(|| pairs.insert(key, (value, next)))?;
            Some((1, None))
        };
        let changed = match self {
            Action::Insert { key, value } | Action::InsertOrRollback { key, value } => {
                return insert(key, value, None);
            }
            Action::InsertLinked { key, value, next } => return insert(key, value, Some(next)),
            Action::InsertTooLarge { key, value } => {
                // Only the last statement's rows are kept, and only then are they too large.
                return insert(key, value, None).filter(|_| !is_last);
            }
            Action::Sum => {
                let sum = pairs.values().map(|(value, _)| value).copied();
                return Some((0, sum.reduce(|sum, value| sum + value)));
            }
            Action::Add { from, .. } => {
                let mut changed = 0;
                for (_, (value, _)) in pairs.range_mut(from..) {
                    *value += 1;
                    if *value == 8 {
                        return None;
                    }
                    changed += 1;
                }
                changed
            }
            Action::Delete { key, .. } => u64::from(pairs.remove(&key).is_some()),
        };
        (changed > 0 || !self.must_change()).then_some((changed, None))
    }
}

/// What a transaction did: its statements' changes and the last one's row; none where it failed.
type Outcome = Option<(Vec<u64>, Option<i64>)>;

fn apply(actions: &[Action], pairs: &mut Pairs) -> Outcome {
    let mut copy = pairs.clone();
    let (mut changes, mut row) = (Vec::new(), None);
    for (index, action) in actions.iter().enumerate() {
        let is_last = index + 1 == actions.len();
        let (changed, gave) = action.apply(&mut copy, is_last)?;
        changes.push(changed);
        row = gave;
    }
    let mut references = copy.values().filter_map(|(_, next)| *next);
    if references.any(|next| !copy.contains_key(&next)) {
        return None;
    }
    *pairs = copy;
    Some((changes, row))
}

fn outcome(job: &SqliteJob) -> Outcome {
    if job.error.is_some() {
        return None;
    }
    let result = job.result.as_ref().unwrap();
    let changes = result.executed().iter().map(|of| of.changed_count);
    let row = result.rows().next();
    Some((
        changes.collect(),
        row.and_then(|row| row.read::<Option<i64>>(0).unwrap()),
    ))
}

fn all_pairs(place: &Place) -> Pairs {
    let stranger = place.stranger();
    let mut statement = stranger
        .prepare("SELECT key, value, next FROM pairs")
        .unwrap();
    let mut bound = statement.bind_none();
    let mut pairs = Pairs::new();
    while bound.step().unwrap() {
        let int = |index| match bound.column(index).unwrap() {
            Column::Int(value) => Some(value),
            _ => None,
        };
        pairs.insert(int(0).unwrap(), (int(1).unwrap(), int(2)));
    }
    pairs
}

#[test]
fn batches_of_transactions_do_what_each_would_do_alone() {
    let transaction = prop::collection::vec(action(), 1..5);
    let batches = prop::collection::vec(prop::collection::vec(transaction, 1..8), 1..4);
    proptest!(ProptestConfig::with_cases(128), |(batches in batches)| {
        let place = Place::new();
        let settings = Sqlite::open(place.file()).schema(MODEL_SCHEMA).result_bytes_max(1_000);
        let mut writer = settings.writer(StillClock).unwrap();
        let mut pairs = Pairs::new();
        for batch in batches {
            let expected: Vec<_> = batch.iter().map(|actions| apply(actions, &mut pairs)).collect();
            let mut held: Vec<_> = batch.iter().map(|actions| job_for(actions)).collect();
            for job in &mut held {
                prop_assert_eq!(writer.run(job), Publish::Held);
            }
            writer.settle(&mut held);
            let outcomes: Vec<_> = held.iter().map(|job| outcome(job)).collect();
            prop_assert_eq!(outcomes, expected);
            prop_assert_eq!(all_pairs(&place), pairs.clone());
        }
    });
}

fn job_for(actions: &[Action]) -> Box<SqliteJob> {
    let values: Vec<_> = actions.iter().map(|action| action.values()).collect();
    let statements: Vec<_> = (actions.iter().zip(&values))
        .map(|(action, values)| SqlStatement {
            expects_row: action.must_change(),
            ..statement(action.sql(), values)
        })
        .collect();
    job_of(SqlMode::Write, &statements)
}
