//! What the main thread makes of deaths. Signals and drains are shown on whole processes, in
//! `tests/life.rs`.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;

use cutaway_reactor::Ticket;

use super::*;
use crate::effect::{SqlMode, SqlStatement};
use crate::prelude::*;
use crate::testing::Scratch;

resource!(Notes: Sqlite);

/// A server whose main thread waits for news, without shards of its own.
fn running(news: Receiver<News>) -> Running {
    let control = Control {
        drain_within: AtomicU64::new(0),
        wakers: Vec::new(),
    };
    let routes = Routes::new().build().expect("no routes are in no conflict");
    Running {
        routes: Arc::new(routes),
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        drain_timeout: Nanos::ZERO,
        control: Arc::new(control),
        news,
        shards: vec![thread::spawn(|| {})],
        exporter: thread::spawn(ExporterStats::default),
    }
}

/// A clock that panics once it is told to: the one way to bring a worker down from outside, because
/// whatever a job does is caught.
#[derive(Clone)]
struct FrailClock {
    clock: RealClock,
    is_broken: Arc<AtomicBool>,
}

impl Clock for FrailClock {
    fn now(&self) -> Nanos {
        let is_broken = self.is_broken.load(Ordering::Relaxed);
        assert!(!is_broken, "the clock is broken");
        self.clock.now()
    }
}

#[test]
fn the_death_of_a_worker_ends_the_wait() {
    let scratch = Scratch::new();
    let routes = Routes::new()
        .resource(Notes, Sqlite::open(scratch.database("Notes")))
        .build()
        .unwrap();
    let seat = Seat {
        core: None,
        waker: Waker::new().unwrap(),
    };
    let clock = FrailClock {
        clock: RealClock::new(),
        is_broken: Arc::default(),
    };
    let (reporter, news) = mpsc::channel();
    let mut effects = open_resources(&routes, &[seat], &clock, &reporter).unwrap();
    clock.is_broken.store(true, Ordering::Relaxed);
    let request = Ticket::new(0, NonZeroU32::MIN);
    let never = Nanos::NEVER;
    let statement = SqlStatement {
        sql: "SELECT 1",
        params: &[],
        rows_max: 1,
        expects_row: false,
        wanted: None,
    };
    let effects = effects[0][0].database();
    let started = effects.try_start(request, SqlMode::Read, &[statement], never, Nanos::ZERO);
    assert!(started.is_ok());

    let error = running(news).wait().unwrap_err();
    let words = error.to_string();
    assert!(words.starts_with("worker Notes-r0."), "{words}");
    assert!(words.contains("died: the clock is broken"), "{words}");
}

#[test]
fn the_panic_of_a_shard_ends_the_wait() {
    let (reporter, news) = mpsc::channel();
    let shard = thread::spawn(move || {
        let _report = Report {
            index: 3,
            reporter,
            end: None,
        };
        panic!("a bug of the engine");
    });
    assert!(shard.join().is_err());
    let error = running(news).wait().unwrap_err();
    assert!(
        matches!(error, Error::ShardPanicked { shard: 3 }),
        "{error}"
    );
}

#[test]
fn timelines_name_the_engines_own_routes_too() {
    fn stamp(_: &mut Cx) {}
    let inner = Routes::new().before(chain(stamp)).get("/", chain(stamp));
    let routes = Routes::new().mount("/api", inner).build().unwrap();
    let names = RouteNames(Arc::new(routes));
    let titles: Vec<_> = (0..7).map(|index| names.route(index)).collect();
    let expected = [
        Some("/api/"),
        Some("(not found)"),
        Some("(method not allowed)"),
        Some("(method not allowed) /api"),
        // Where the content of a request to a route with a `before` chain is refused.
        Some("/api/"),
        Some("(method not allowed) /api"),
        None,
    ];
    assert_eq!(titles, expected);
    let step = |route, step| {
        names
            .step(route, step)
            .and_then(|name| name.rsplit("::").next())
    };
    assert_eq!([step(1, 0), step(1, 1)], [Some("not_found"), None]);
    assert_eq!(
        [step(3, 0), step(3, 1)],
        [Some("stamp"), Some("not_allowed")]
    );
    assert_eq!([step(4, 0), step(4, 1)], [Some("stamp"), Some("refused")]);
}
