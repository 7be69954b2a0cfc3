//! Which reader a statement goes to, and a reader that panics.

use std::sync::atomic::AtomicU64;

use super::*;

#[test]
fn a_point_read_does_not_wait_behind_slow_queries() {
    let place = Place::new();
    // Time stands still, so that no machine that dawdles makes the quick statement a slow one.
    let mut shard = Shard::open_on(&place.settings(), StillClock);
    // A statement that nobody knows yet is taken for slow; from its second run on it is quick.
    shard.read_int(COUNT);
    let slow: Vec<_> = (0..5)
        .map(|_| shard.start(ENDLESS, SqlMode::Read, &[]))
        .collect();
    for _ in 0..50 {
        let first = shard.start(COUNT, SqlMode::Read, &[]);
        let second = shard.start(COUNT, SqlMode::Read, &[]);
        assert!(shard.wait_for(first).result.is_ok());
        assert!(shard.wait_for(second).result.is_ok());
    }
    for handle in slow {
        shard.effects.cancel(handle);
        let stopped = shard.wait_for(handle);
        assert_eq!(stopped.result.unwrap_err().kind, SqlErrorKind::Cancelled);
    }
}

#[test]
fn a_statement_costs_what_its_reads_took() {
    let place = Place::new();
    let mut shard = Shard::open(&place.settings());
    let mut expected = None;
    for _ in 0..20 {
        let handle = shard.start(COUNT, SqlMode::Read, &[]);
        let finished = shard.wait_for(handle);
        let took = finished.finished_at.since(finished.started_at);
        // One run counts as a millisecond at most, and an eighth of the average.
        let took = took.min(Nanos::from_millis(1)).0;
        expected = Some(expected.map_or(took, |average| average - average / 8 + took / 8));
        assert_eq!(shard.effects.cost(COUNT).map(|cost| cost.0), expected);
    }

    let given = author(1, "Ada");
    shard.run(INSERT, SqlMode::Write, &given).unwrap();
    assert_eq!(shard.effects.cost(INSERT), None);

    let handle = shard.start(ENDLESS, SqlMode::Read, &[]);
    shard.effects.cancel(handle);
    let error = shard.wait_for(handle).result.unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Cancelled);
    assert_eq!(shard.effects.cost(ENDLESS), None);
}

#[test]
fn a_panic_on_a_reader_is_contained() {
    /// Breaks for one look, at the moment the test arms it.
    #[derive(Clone, Default)]
    struct Breaking(Arc<AtomicU64>);
    impl Clock for Breaking {
        fn now(&self) -> Nanos {
            assert_ne!(
                self.0.swap(0, Ordering::Relaxed),
                BROKEN,
                "the clock is broken"
            );
            Nanos::ZERO
        }
    }
    let place = Place::new();
    let clock = Breaking::default();
    let waker = Waker::new().unwrap();
    let setup = |name: &str| Setup {
        name: name.into(),
        placement: Placement::default(),
        batch: Batch::default(),
        on_death: Box::new(|death| panic!("{death:?}")),
    };
    let settings = place.settings();
    let make = move || settings.writer(StillClock);
    let writers = worker::spawn(setup("writer"), vec![waker.clone()], StillClock, make);
    let (settings, of_reader) = (place.settings(), clock.clone());
    let make = move || settings.reader(of_reader);
    let readers = worker::spawn(setup("reader"), vec![waker.clone()], StillClock, make);
    let mut shard = Shard {
        effects: SqliteEffects::new(
            &place.settings(),
            readers.unwrap(),
            writers.unwrap().remove(0),
        ),
        waker,
        clock: RealClock::new(),
        started_count: 0,
    };

    clock.0.store(BROKEN, Ordering::Relaxed);
    let error = shard.run(COUNT, SqlMode::Read, &[]).unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Panicked);
    assert!(error.message().contains("the clock is broken"), "{error}");
    assert_eq!(shard.read_int(COUNT), 0);
}
