use std::io::Read;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::*;

/// A clock that stands still until it is told to panic.
#[derive(Clone, Default)]
struct StillClock(Arc<AtomicU64>);

impl Clock for StillClock {
    fn now(&self) -> Nanos {
        let now = self.0.load(Ordering::Relaxed);
        assert_ne!(now, u64::MAX, "the clock is broken");
        Nanos(now)
    }
}

#[derive(Debug, Default)]
struct Job {
    number: u64,
    order: Order,
    settled_with: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Order {
    #[default]
    Double,
    Hold,
    Panic,
    /// Runs until a port has submitted this many jobs in all.
    WaitForInput(u32),
}

struct Doubler {
    submitted: Arc<AtomicU32>,
    /// Shared with the test: how many jobs each settle got.
    settles: Arc<Mutex<Vec<usize>>>,
}

impl Handler<Job> for Doubler {
    fn run(&mut self, job: &mut Job) -> Publish {
        match job.order {
            Order::Double => {}
            Order::Hold => return Publish::Held,
            Order::Panic => panic!("job {} went wrong", job.number),
            Order::WaitForInput(count) => {
                while self.submitted.load(Ordering::Acquire) < count {
                    std::thread::yield_now();
                }
            }
        }
        job.number *= 2;
        Publish::Now
    }

    fn settle(&mut self, held: &mut [Box<Job>]) {
        self.settles.lock().unwrap().push(held.len());
        let count = held.len();
        for job in held {
            assert_ne!(job.number, 13, "no settling 13");
            job.settled_with = count;
        }
    }

    fn expected(&self, job: &Job) -> Nanos {
        match job.order {
            Order::WaitForInput(_) => Nanos::NEVER,
            _ => Nanos::ZERO,
        }
    }
}

/// A worker with its ports, and what the tests see of it from outside.
struct Bench {
    ports: Vec<ThreadPort<Job>>,
    wakers: Vec<Waker>,
    clock: StillClock,
    submitted: Arc<AtomicU32>,
    settles: Arc<Mutex<Vec<usize>>>,
    deaths: Arc<Mutex<Vec<Death>>>,
}

impl Bench {
    fn new(ports_count: usize, batch: Batch) -> Bench {
        let wakers: Vec<_> = (0..ports_count).map(|_| Waker::new().unwrap()).collect();
        let clock = StillClock::default();
        let submitted = Arc::new(AtomicU32::new(0));
        let settles = Arc::new(Mutex::new(Vec::new()));
        let deaths = Arc::new(Mutex::new(Vec::new()));
        let told = deaths.clone();
        let setup = Setup {
            name: "doubler".into(),
            placement: Placement::default(),
            batch,
            on_death: Box::new(move |death| told.lock().unwrap().push(death.clone())),
        };
        let handler = Doubler {
            submitted: submitted.clone(),
            settles: settles.clone(),
        };
        let ports = spawn(setup, wakers.clone(), clock.clone(), move || {
            Ok::<_, io::Error>(handler)
        })
        .unwrap();
        Bench {
            ports,
            wakers,
            clock,
            submitted,
            settles,
            deaths,
        }
    }

    fn one() -> Bench {
        Bench::new(1, Batch::default())
    }

    fn submit(&mut self, port: usize, number: u64, order: Order) {
        let job = Box::new(Job {
            number,
            order,
            settled_with: 0,
        });
        self.ports[port].try_submit(job).unwrap();
        self.submitted.fetch_add(1, Ordering::Release);
    }

    /// The next job that comes back, sleeping as a shard does.
    fn wait(&mut self, port: usize) -> Finished<Job> {
        loop {
            if let Some(finished) = self.ports[port].poll() {
                return finished;
            }
            if !self.ports[port].prepare_sleep() {
                sleep(&self.wakers[port]);
            }
        }
    }
}

/// Waits until the waker is called. A lost wake makes the test fail instead of hang.
fn sleep(waker: &Waker) {
    let event = std::fs::File::from(waker.as_fd().try_clone_to_owned().unwrap());
    for _ in 0..20_000_000 {
        if (&event).read(&mut [0; 8]).is_ok() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("a wake was lost");
}

#[test]
fn jobs_come_back_in_order() {
    let mut bench = Bench::one();
    for number in 0..JOBS_MAX as u64 {
        bench.submit(0, number, Order::Double);
    }
    assert_eq!(bench.ports[0].in_flight(), JOBS_MAX);
    for number in 0..JOBS_MAX as u64 {
        let finished = bench.wait(0);
        assert_eq!(finished.job.number, number * 2);
        assert_eq!(finished.outcome, Outcome::Ran);
    }
    assert_eq!(bench.ports[0].in_flight(), 0);
    assert!(bench.ports[0].poll().is_none());
}

#[test]
fn a_full_port_hands_the_job_back() {
    let mut bench = Bench::one();
    // The first job runs until one more was submitted than there is room for.
    let beyond = JOBS_MAX as u32 + 1;
    for number in 0..JOBS_MAX as u64 {
        bench.submit(0, number, Order::WaitForInput(beyond));
    }
    let refused = bench.ports[0].try_submit(Box::new(Job {
        number: 99,
        ..Job::default()
    }));
    assert_eq!(refused.unwrap_err().number, 99);
    bench.submitted.fetch_add(1, Ordering::Release);
    let first = bench.wait(0).job;
    assert_eq!(first.number, 0);
    assert!(bench.ports[0].try_submit(first).is_ok());
    for _ in 0..JOBS_MAX {
        bench.wait(0);
    }
}

#[test]
fn a_panic_is_that_job_s_error_alone() {
    let mut bench = Bench::one();
    bench.submit(0, 1, Order::Panic);
    bench.submit(0, 2, Order::Double);
    let failed = bench.wait(0);
    assert_eq!(failed.outcome, Outcome::Panicked("job 1 went wrong".into()));
    assert_eq!(failed.job.number, 1);
    assert_eq!(bench.wait(0).job.number, 4);
    assert!(!bench.ports[0].is_dead());
    assert!(bench.deaths.lock().unwrap().is_empty());
}

#[test]
fn held_jobs_settle_when_no_input_waits() {
    let mut bench = Bench::one();
    bench.submit(0, 0, Order::WaitForInput(4));
    for number in 1..=3 {
        bench.submit(0, number, Order::Hold);
    }
    bench.wait(0);
    for number in 1..=3 {
        let held = bench.wait(0);
        assert_eq!(
            (held.job.number, held.job.settled_with),
            (number, 3),
            "{:?}",
            bench.settles
        );
    }
}

#[test]
fn a_batch_has_bounds() {
    let batch = Batch {
        jobs_max: 2,
        held_max: Nanos::from_millis(1),
    };
    let mut bench = Bench::new(1, batch);
    // 1 and 2 fill a batch; 3 would wait for a job that takes for ever, so it settles before that.
    bench.submit(0, 0, Order::WaitForInput(6));
    for number in 1..=3 {
        bench.submit(0, number, Order::Hold);
    }
    bench.submit(0, 4, Order::WaitForInput(7));
    bench.submit(0, 5, Order::Hold);
    for _ in 0..4 {
        bench.wait(0);
    }
    assert_eq!(*bench.settles.lock().unwrap(), [2, 1]);
    bench.submit(0, 6, Order::Double);
    for _ in 0..3 {
        bench.wait(0);
    }
    assert_eq!(*bench.settles.lock().unwrap(), [2, 1, 1]);
}

#[test]
fn a_panic_in_settle_is_every_held_job_s_error() {
    let mut bench = Bench::one();
    bench.submit(0, 0, Order::WaitForInput(3));
    bench.submit(0, 12, Order::Hold);
    bench.submit(0, 13, Order::Hold);
    bench.wait(0);
    for _ in 0..2 {
        let Outcome::Panicked(text) = bench.wait(0).outcome else {
            panic!("settling 13 panics");
        };
        assert!(text.contains("no settling 13"), "{text}");
    }
    bench.submit(0, 7, Order::Hold);
    assert_eq!(bench.wait(0).outcome, Outcome::Ran);
}

#[test]
fn a_slow_job_does_not_keep_a_finished_one_waiting() {
    let mut bench = Bench::one();
    bench.submit(0, 0, Order::WaitForInput(3));
    bench.submit(0, 1, Order::Double);
    bench.submit(0, 2, Order::WaitForInput(4));
    assert_eq!(bench.wait(0).job.number, 0);
    // The slow job runs until the next submission, which comes only after this one is here.
    assert_eq!(bench.wait(0).job.number, 2);
    bench.submit(0, 3, Order::Double);
    assert_eq!(bench.wait(0).job.number, 4);
}

#[test]
fn one_worker_serves_its_ports_in_turn() {
    let mut bench = Bench::new(3, Batch::default());
    bench.submit(0, 0, Order::WaitForInput(301));
    for number in 0..100 {
        for port in 0..3 {
            bench.submit(port, number * 10 + port as u64, Order::Double);
        }
    }
    bench.wait(0);
    for number in 0..100 {
        for port in 0..3 {
            assert_eq!(bench.wait(port).job.number, number * 20 + port as u64 * 2);
        }
    }
}

#[test]
fn a_batch_wakes_the_shard_once() {
    let mut bench = Bench::one();
    bench.submit(0, 0, Order::WaitForInput(51));
    for number in 0..50 {
        bench.submit(0, number, Order::Double);
    }
    assert!(!bench.ports[0].prepare_sleep());
    bench.submitted.fetch_add(1, Ordering::Release);
    let mut wakes_count = 0;
    while bench.ports[0].in_flight() > 0 {
        sleep(&bench.wakers[0]);
        wakes_count += 1;
        while bench.ports[0].poll().is_some() {}
        if bench.ports[0].prepare_sleep() {
            break;
        }
    }
    assert_eq!(wakes_count, 1);
}

#[test]
fn an_awake_shard_is_not_woken() {
    let mut bench = Bench::one();
    assert!(!bench.ports[0].prepare_sleep());
    // Looking is being awake.
    assert!(bench.ports[0].poll().is_none());
    bench.submit(0, 1, Order::Double);
    while bench.ports[0].poll().is_none() {
        std::thread::yield_now();
    }
    drop(bench.ports);
    let event = std::fs::File::from(bench.wakers[0].as_fd().try_clone_to_owned().unwrap());
    assert!((&event).read(&mut [0; 8]).is_err(), "no wake was due");
}

#[test]
fn every_job_comes_back_from_a_dead_worker() {
    let mut bench = Bench::one();
    bench.submit(0, 0, Order::WaitForInput(4));
    for number in 1..=3 {
        bench.clock.0.store(u64::MAX, Ordering::Relaxed);
        bench.submit(0, number, Order::Double);
    }
    let back: Vec<_> = (0..4).map(|_| bench.wait(0)).collect();
    let numbers: Vec<_> = back.iter().map(|finished| finished.job.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    for finished in &back[1..] {
        assert!(matches!(&finished.outcome, Outcome::Panicked(text) if text.contains("died")));
    }
    assert!(bench.ports[0].is_dead());
    let refused = bench.ports[0].try_submit(Box::default());
    assert!(refused.is_err());
    // Nothing is left to wait for, so the shard may sleep.
    assert!(!bench.ports[0].prepare_sleep());
    drop(bench.ports);
    let deaths = bench.deaths.lock().unwrap();
    assert_eq!(deaths.len(), 1);
    assert_eq!(deaths[0].worker, "doubler");
    assert!(deaths[0].text.contains("the clock is broken"));
}

#[test]
fn the_last_port_waits_until_the_handler_is_gone() {
    let mut bench = Bench::new(2, Batch::default());
    bench.submit(0, 1, Order::Double);
    let settles = bench.settles.clone();
    bench.ports.pop();
    assert_eq!(Arc::strong_count(&settles), 3);
    bench.ports.pop();
    assert_eq!(Arc::strong_count(&settles), 2);
}

#[test]
fn a_set_up_that_fails_is_told() {
    fn start<E: Send + 'static>(
        placement: Placement,
        make: impl FnOnce() -> Result<Doubler, E> + Send + 'static,
    ) -> SpawnError<E> {
        let setup = Setup {
            name: "refused".into(),
            placement,
            batch: Batch::default(),
            on_death: Box::new(|_| {}),
        };
        let wakers = vec![Waker::new().unwrap()];
        match spawn::<Job, _, _, _>(setup, wakers, StillClock::default(), make) {
            Ok(_) => panic!("the set-up is bad"),
            Err(refused) => refused,
        }
    }
    let refused = start(Placement::default(), || Err::<Doubler, _>("no database"));
    assert!(matches!(refused, SpawnError::Make("no database")));

    let refused = start::<&str>(Placement::default(), || panic!("no handler"));
    assert!(matches!(refused, SpawnError::Panicked { text, .. } if text == "no handler"));

    let nowhere = Placement {
        core: Some(9_999),
        background: false,
    };
    let refused = start::<&str>(nowhere, || Err("never made"));
    assert!(matches!(refused, SpawnError::Placement { .. }));
}

/// Submits in bursts of every size and sleeps at every moment. A wake that is lost on either side
/// hangs `wait`, which then fails.
#[test]
fn no_wake_is_lost() {
    let rounds = if cfg!(miri) { 50 } else { 20_000 };
    let mut bench = Bench::new(2, Batch::default());
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..rounds {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let burst = seed % 4 + 1;
        let port = (seed >> 8) as usize % 2;
        for number in 0..burst {
            let order = if (seed >> (16 + number)) & 1 == 0 {
                Order::Double
            } else {
                Order::Hold
            };
            bench.submit(port, round, order);
        }
        // Spin a little or not at all, so that the sleep meets the wake at different points.
        for _ in 0..(seed >> 32) % 200 {
            std::hint::spin_loop();
        }
        for _ in 0..burst {
            bench.wait(port);
        }
    }
}
