//! Where a shard lives: a task on a glommio executor. The only file that knows glommio.
//!
//! While there is traffic, the shard blocks in its own ring. When a few beats pass without any
//! traffic, the shard hands its ring's eventfd to glommio and lets the core sleep there.
//!
//! Nothing else lives on the executor, so glommio gets no turn of its reactor while there is traffic:
//! each would cost 6 µs and three allocations. The cheapest way to give one is held by
//! `tests/pinned_glommio.rs`, for the day when it has a guest.
//!
//! Parking through glommio whenever the completion queue is empty for a moment would cost 14 % on
//! keep-alive plaintext; that is why the heartbeat exists.
//!
//! # Invariants
//! 1. glommio closes a descriptor that a file was made from; it is given one that nobody else owns.

use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use cutaway_reactor::{Real, Ring};
use cutaway_scheduler::Nanos;
use glommio::io::BufferedFile;
use glommio::{LocalExecutorBuilder, Placement};

use super::turn::Shard;

/// How many heartbeats without traffic pass before the shard naps.
const BEATS_BEFORE_NAP: u32 = 4;

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
    let mut quiet_beats = 0;
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
                stop_listening(shard);
            }
            if shard.is_drained() {
                return Ok(());
            }
        }
        if quiet_beats > BEATS_BEFORE_NAP && !turn.has_work {
            nap(shard, &bell).await?;
            quiet_beats = 0;
        }
    }
}

/// Closes the listeners whose accepts have ended, so that new clients are told at once instead of
/// waiting in a backlog that nobody accepts from.
fn stop_listening(shard: &mut Shard<Real>) {
    for listener in shard.core.stopped_listeners() {
        shard.ring.close_listener(listener);
    }
}

/// Lets the core sleep until the ring has something for the shard.
///
/// The order is what makes it safe: first the eventfd is registered, then a turn looks at everything
/// once more. What came before the registration is seen by that turn, what comes after it rings the
/// bell. A ring may ring for nothing (the stopped heartbeat's last word); then the shard sleeps on.
async fn nap(shard: &mut Shard<Real>, bell: &Bell) -> io::Result<()> {
    shard.begin_nap();
    shard.ring.register_eventfd()?;
    loop {
        let turn = shard.turn_with(0)?;
        if turn.completion_count > 0 || turn.has_work {
            break;
        }
        // What the turn itself has queued (a timeout's cancel) must be submitted first, and deferred
        // task work beyond what one `enter` does rings no bell.
        if shard.is_at_rest() && !shard.core.prepare_sleep() {
            bell.rung().await?;
        }
    }
    shard.ring.unregister_eventfd()?;
    shard.end_nap(HEARTBEAT);
    Ok(())
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
        self.file
            .read_at(0, 8)
            .await
            .map(drop)
            .map_err(io::Error::from)
    }
}
