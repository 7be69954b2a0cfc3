//! What the shard's host relies on in glommio, and what it works around. Each test fails when
//! glommio changes its ways.
//!
//! Two things are borrowed from glommio: one turn of its reactor while the shard is busy, and sleep
//! without cost while the shard is idle. Neither has a function of its own there, so the two below
//! are made of what it has; `engine/src/shard/host.rs` does the same.

#![expect(
    unsafe_code,
    reason = "an eventfd passes into glommio's hands, and SQEs are pushed to a ring"
)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::future::{Future, poll_fn};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use glommio::channels::shared_channel::{self, ConnectedSender, SharedReceiver};
use glommio::io::BufferedFile;
use glommio::timer::Timer;
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
use io_uring::{IoUring, opcode, types};

/// Polls a future once, with the caller's waker.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Gives glommio exactly one turn of its reactor.
///
/// A timer of zero is ready at its first poll and a yield goes back to the task without a turn. What
/// glommio does have is the end of a shared channel that waits for its peer to connect: it is woken
/// at each look of the reactor, whatever happened. A peer that never connects makes that a turn: no
/// clock is read, nothing is armed, nothing is allocated once the list of wakers has its first entry.
///
/// A timer of some 500 ns does nearly the same, but lets glommio try to sleep first, which costs a
/// `membarrier` (28 µs a turn against 6 µs), and may take two turns.
struct Turns {
    connecting: Pin<Box<dyn Future<Output = ConnectedSender<()>>>>,
    _peer: SharedReceiver<()>,
}

impl Turns {
    fn new() -> Turns {
        let (sender, peer) = shared_channel::new_bounded(1);
        Turns {
            connecting: Box::pin(sender.connect()),
            _peer: peer,
        }
    }

    /// Ready after one turn. Nothing but the reactor may wake the task meanwhile.
    async fn turn(&mut self) {
        let mut turned = false;
        poll_fn(|cx| {
            if turned {
                return Poll::Ready(());
            }
            turned = true;
            let connected = self.connecting.as_mut().poll(cx);
            assert!(connected.is_pending(), "the peer never connects");
            Poll::Pending
        })
        .await;
    }
}

/// A turn by a short timer; see [`Turns`] for why it is not used.
///
/// The poll that finds the timer pending must also be the one that suspends the task: a second poll
/// in the same breath may find it expired, and the task would go on without a turn. A thread that
/// was preempted between the timer's making and its first poll finds it expired, too: then nothing
/// has been suspended yet, and a new one is made.
async fn turn_by_timer() {
    let mut armed: Option<Timer> = None;
    poll_fn(|cx| {
        if let Some(timer) = &mut armed {
            return Pin::new(timer).poll(cx).map(drop);
        }
        loop {
            let mut timer = Timer::new(Duration::from_nanos(500));
            if Pin::new(&mut timer).poll(cx).is_pending() {
                armed = Some(timer);
                return Poll::Pending;
            }
        }
    })
    .await;
}

/// An eventfd that a task on glommio can await.
///
/// glommio has no call that waits for a descriptor it does not know. But a buffered file made from
/// a raw descriptor reads with a plain `IORING_OP_READ`, and an eventfd's read supports poll, so the
/// kernel arms a poll and completes the read when somebody writes: no thread, no CPU.
///
/// Every read that has begun must be awaited to its end: a dropped one is a cancellation inside
/// glommio, which is where its reactor has panicked.
struct Bell {
    file: BufferedFile,
}

impl Bell {
    /// Takes a duplicate, for glommio closes what it is given.
    fn new(eventfd: &OwnedFd) -> Bell {
        let duplicate = eventfd.try_clone().unwrap().into_raw_fd();
        // SAFETY: the descriptor was just duplicated and nobody else owns it.
        let file = unsafe { BufferedFile::from_raw_fd(duplicate) };
        Bell { file }
    }

    /// Ready once the eventfd's counter is above zero, and sets it to zero. Gives the counter.
    async fn rung(&self) -> u64 {
        let bytes = self.file.read_at(0, 8).await.unwrap();
        u64::from_ne_bytes(bytes[..].try_into().unwrap())
    }
}

fn eventfd() -> OwnedFd {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    assert!(fd >= 0, "eventfd");
    // SAFETY: the kernel has just given it to us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn ring_it(eventfd: &OwnedFd, count: u64) {
    let bytes = count.to_ne_bytes();
    // SAFETY: eight readable bytes.
    let written = unsafe { libc::write(eventfd.as_raw_fd(), bytes.as_ptr().cast(), 8) };
    assert_eq!(written, 8);
}

fn executor() -> LocalExecutor {
    LocalExecutorBuilder::new(Placement::Unbound)
        .name("pinned")
        .io_memory(65536)
        .make()
        .unwrap()
}

/// Counts its wakes.
#[derive(Default)]
struct Probe(AtomicUsize);

impl Wake for Probe {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Probe {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Registers a probe with a timer that has expired by the time any reactor turn could look at it.
fn expired_timer(probe: &Arc<Probe>) -> Pin<Box<Timer>> {
    let waker = Waker::from(Arc::clone(probe));
    loop {
        let mut timer = Box::pin(Timer::new(Duration::from_nanos(200)));
        if timer
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
        {
            let made = std::time::Instant::now();
            while made.elapsed() < Duration::from_micros(1) {
                std::hint::spin_loop();
            }
            return timer;
        }
    }
}

/// How often glommio picked a task queue (or found none) since the last call.
fn picks() -> u64 {
    glommio::executor().executor_stats().scheduler_runs()
}

#[test]
fn a_timer_of_zero_is_ready_at_once() {
    executor().run(async {
        for _ in 0..1_000 {
            let timer = pin!(Timer::new(Duration::ZERO));
            assert!(poll_once(timer).await.is_ready());
        }
    });
}

#[test]
fn a_yield_does_not_run_the_reactor() {
    executor().run(async {
        // Right after a turn, so that the preemption timer (100 ms) cannot fall into the loop.
        Turns::new().turn().await;
        let probe = Arc::new(Probe::default());
        let _timer = expired_timer(&probe);
        picks();
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(picks(), 0, "a yield went back to the scheduler");
        assert_eq!(probe.count(), 0, "a yield ran the reactor");
    });
}

#[test]
fn a_channel_that_waits_for_its_peer_gives_exactly_one_turn() {
    executor().run(async {
        let mut turns = Turns::new();
        for round in 0..10_000 {
            let probe = Arc::new(Probe::default());
            // With and without other work for the reactor.
            let timer = (round % 2 == 0).then(|| expired_timer(&probe));
            picks();
            turns.turn().await;
            // One pick finds no task and ends the queue's run, the reactor turns, one pick finds us.
            assert_eq!(picks(), 2, "round {round}");
            let expired_count = usize::from(timer.is_some());
            assert_eq!(probe.count(), expired_count, "round {round}: no turn");
        }
    });
}

#[test]
fn a_turn_never_sleeps() {
    executor().run(async {
        let mut turns = Turns::new();
        turns.turn().await;
        let (_, switches_before) = thread_use();
        for _ in 0..1_000 {
            turns.turn().await;
        }
        let (_, switches_after) = thread_use();
        let switches = switches_after - switches_before;
        assert!(switches <= 20, "{switches} switches in 1000 turns");
    });
}

#[test]
fn a_turn_runs_what_other_tasks_wait_for() {
    executor().run(async {
        let mut turns = Turns::new();
        let eventfd = eventfd();
        let bell = Bell::new(&eventfd);
        let task = glommio::spawn_local(async move { bell.rung().await }).detach();
        let mut task = pin!(task);
        for _ in 0..10 {
            turns.turn().await;
            assert!(poll_once(task.as_mut()).await.is_pending());
        }
        ring_it(&eventfd, 3);
        for turn_count in 1.. {
            assert!(turn_count <= 10, "the task was never served");
            turns.turn().await;
            if let Poll::Ready(rung) = poll_once(task.as_mut()).await {
                assert_eq!(rung, Some(3));
                break;
            }
        }
    });
}

#[test]
fn a_short_timer_gives_at_least_one_turn() {
    executor().run(async {
        for round in 0..1_000 {
            let probe = Arc::new(Probe::default());
            let _timer = expired_timer(&probe);
            picks();
            turn_by_timer().await;
            assert!(picks() >= 2, "round {round}");
            assert_eq!(probe.count(), 1, "round {round}: the reactor did not turn");
        }
    });
}

/// `futures_lite::future::yield_now`, which is what glommio's own yields are made of.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The calling thread's CPU time in nanoseconds and its voluntary switches.
fn thread_use() -> (u64, u64) {
    let run_ns = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let run_ns = run_ns.split(' ').next().unwrap().parse().unwrap();
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let switches = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .unwrap();
    (run_ns, switches.trim().parse().unwrap())
}

/// The names of this process's threads.
fn thread_names() -> Vec<String> {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

#[test]
fn an_idle_shard_sleeps_in_glommio_until_its_own_ring_has_something() {
    const NAP: Duration = Duration::from_millis(200);

    executor().run(async {
        let mut ring: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(8)
            .unwrap();
        let eventfd = eventfd();
        let bell = Bell::new(&eventfd);

        for nap in 0..2 {
            ring.submitter()
                .register_eventfd(eventfd.as_raw_fd())
                .unwrap();
            let length = types::Timespec::from(NAP);
            let entry = opcode::Timeout::new(&length).build().user_data(nap);
            // SAFETY: `length` lives until the timeout has completed below.
            unsafe { ring.submission().push(&entry) }.unwrap();
            ring.submit().unwrap();
            // The recheck: what came before the registration is no longer announced.
            assert!(ring.completion().is_empty());

            let (run_before_ns, switches_before) = thread_use();
            assert!(bell.rung().await >= 1);
            let (run_after_ns, switches_after) = thread_use();
            ring.submitter().unregister_eventfd().unwrap();

            // With deferred task work the eventfd says "come and get it", not "it is there".
            ring.submit_and_wait(1).unwrap();
            let completion = ring.completion().next().unwrap();
            assert_eq!(completion.user_data(), nap);
            assert_eq!(completion.result(), -libc::ETIME);

            // A loop that polled would have used the whole nap, one that dozed many switches.
            let run_ns = run_after_ns - run_before_ns;
            let switches = switches_after - switches_before;
            println!("nap {nap}: {run_ns} ns of CPU, {switches} voluntary switches");
            assert!(u128::from(run_ns) < NAP.as_nanos() / 20, "{run_ns} ns");
            assert!(switches <= 4, "{switches} switches");
        }

        let names = thread_names();
        let kernel_worker = names.iter().find(|name| name.starts_with("iou-wrk"));
        assert_eq!(kernel_worker, None, "the read blocks a kernel thread");
    });
}

#[test]
fn a_ring_that_was_rung_before_the_nap_ends_it_at_once() {
    executor().run(async {
        let eventfd = eventfd();
        let bell = Bell::new(&eventfd);
        for count in 1..=3_u64 {
            ring_it(&eventfd, count);
            assert_eq!(bell.rung().await, count);
        }
    });
}

#[test]
fn another_thread_ends_the_nap() {
    executor().run(async {
        let eventfd = eventfd();
        let bell = Bell::new(&eventfd);
        let ringer = eventfd.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            ring_it(&ringer, 7);
        });
        assert_eq!(bell.rung().await, 7);
        thread.join().unwrap();
    });
}
