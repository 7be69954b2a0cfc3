//! Where a shard lives: a task on a glommio executor. The only file that knows glommio.
//!
//! While there is traffic, the shard blocks in its own ring, and glommio is given a turn of its reactor
//! every few heartbeats. When a few beats pass without any
//! traffic, the shard hands its ring's eventfd to glommio and lets the core sleep there.
//!
//! Parking through glommio whenever the completion queue is empty for a moment would cost 14 % on
//! keep-alive plaintext; that is why the heartbeat exists.
//!
//! # Invariants
//! 1. glommio closes a descriptor that a file was made from; it is given one that nobody else owns.

use std::future::poll_fn;
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::pin::Pin;
use std::task::Poll;

use cutaway_reactor::{Real, Ring};
use cutaway_scheduler::Nanos;
use glommio::channels::shared_channel::{self, ConnectedSender, SharedReceiver};
use glommio::io::BufferedFile;
use glommio::{LocalExecutorBuilder, Placement};

use super::turn::Shard;

/// How many heartbeats without traffic pass before the shard naps.
const BEATS_BEFORE_NAP: u32 = 4;

/// How many heartbeats pass between two turns of glommio's reactor: 0.06 % of a core, and what runs
/// on glommio is at most so late under load.
const BEATS_A_TURN: u64 = 10;

/// One period of the heartbeat.
const HEARTBEAT: Nanos = Nanos::from_millis(1);

/// Runs a future of this thread's own on an executor that is pinned to `core`, until it ends.
///
/// # Blocking
/// For as long as the future lives.
///
/// # Errors
/// glommio's word, where it cannot make an executor: most often for want of locked memory.
pub(crate) fn run<T>(
    name: &str,
    core: usize,
    future: impl Future<Output = T>,
) -> Result<T, String> {
    let executor = LocalExecutorBuilder::new(Placement::Fixed(core))
        .name(name)
        // glommio pins 10 MiB for each of its three rings unless told otherwise.
        .io_memory(65536)
        .make()
        .map_err(|error| error.to_string())?;
    Ok(executor.run(future))
}

/// Turns the shard until it is drained. `drain_within` says how long the drain may take, once there
/// is one; it is asked at every heartbeat.
///
/// # Errors
/// The ring broke.
pub(crate) async fn drive(
    shard: &mut Shard<Real>,
    drain_within: impl Fn() -> Option<Nanos>,
) -> io::Result<()> {
    let bell = Bell::new(shard.ring.idle_eventfd().try_clone_to_owned()?);
    let mut turns = Turns::new();
    let (mut quiet_beats, mut beat_count) = (0, 0_u64);
    shard.ring.heartbeat(Some(HEARTBEAT));
    loop {
        let turn = shard.turn()?;
        if turn.completion_count > 0 {
            quiet_beats = 0;
        }
        if turn.is_beat {
            quiet_beats += 1;
            if let Some(within) = drain_within() {
                shard.drain(within);
            }
            if shard.is_drained() {
                return Ok(());
            }
            beat_count += 1;
            if beat_count % BEATS_A_TURN == 0 {
                turns.give().await;
            }
        }
        if quiet_beats > BEATS_BEFORE_NAP && !turn.has_work {
            nap(shard, &bell).await?;
            quiet_beats = 0;
        }
    }
}

/// Lets the core sleep until the ring has something for the shard.
///
/// The order is what makes it safe: first the eventfd is registered, then a turn looks at everything
/// once more. What came before the registration is seen by that turn, what comes after it rings the
/// bell. A ring may ring for nothing (the stopped heartbeat's last word); then the shard sleeps on.
async fn nap(shard: &mut Shard<Real>, bell: &Bell) -> io::Result<()> {
    shard.ring.heartbeat(None);
    shard.ring.timer(shard.core.next_timer_at());
    shard.ring.register_eventfd()?;
    shard.core.stats.nap_count += 1;
    loop {
        let turn = shard.turn_with(0)?;
        if turn.completion_count > 0 || turn.has_work {
            break;
        }
        if !shard.core.prepare_sleep() {
            bell.rung().await?;
        }
    }
    shard.ring.unregister_eventfd()?;
    shard.ring.timer(None);
    shard.ring.heartbeat(Some(HEARTBEAT));
    Ok(())
}

/// Gives glommio turns of its reactor.
///
/// Neither a yield nor a timer of zero makes glommio look at its reactor, and a short timer does it
/// at the price of a park (28 µs). The cheapest thing that does is a channel whose peer never
/// connects: glommio wakes whoever waits for it each time it has looked (6 µs, no sleep). Held by
/// `tests/pinned_glommio.rs`.
struct Turns {
    connecting: Pin<Box<dyn Future<Output = ConnectedSender<()>>>>,
    _peer: SharedReceiver<()>,
}

impl Turns {
    fn new() -> Turns {
        let (sender, peer) = shared_channel::new_bounded(1);
        Turns { connecting: Box::pin(sender.connect()), _peer: peer }
    }

    /// Exactly one turn.
    async fn give(&mut self) {
        let mut has_turned = false;
        poll_fn(|cx| {
            if has_turned {
                return Poll::Ready(());
            }
            has_turned = true;
            // The poll that finds it pending is the one that suspends the task: a second one in the
            // same breath would go on without a turn.
            let connected = self.connecting.as_mut().poll(cx);
            debug_assert!(connected.is_pending(), "the peer never connects");
            Poll::Pending
        })
        .await;
    }
}

/// The ring's eventfd as something that a task on glommio can await.
///
/// glommio has no call that waits for a descriptor it does not know. But a buffered file made from a
/// raw descriptor reads with a plain `IORING_OP_READ`, and an eventfd can be polled, so the kernel
/// completes the read when somebody writes: no thread, no CPU. Every read that has begun is awaited
/// to its end, because a dropped one is a cancellation inside glommio's reactor.
struct Bell {
    file: BufferedFile,
}

impl Bell {
    /// Takes a duplicate of its own, for glommio closes what it is given.
    fn new(eventfd: OwnedFd) -> Bell {
        // SAFETY: by invariant 1; `into_raw_fd` gives up the only owner.
        let file = unsafe { BufferedFile::from_raw_fd(eventfd.into_raw_fd()) };
        Bell { file }
    }

    /// Ready once the eventfd's counter is above zero, and sets it to zero.
    async fn rung(&self) -> io::Result<()> {
        self.file.read_at(0, 8).await.map(drop).map_err(io::Error::from)
    }
}
