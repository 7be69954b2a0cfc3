//! The way of kept requests off the shards: one thread drains every shard's ring and prints.
//!
//! This file starts no thread: the server does, and runs [`Exporter::run`] on it. The shards never
//! wait for it. While records come in, it looks every 50 ms, and a shard makes a system call for it
//! only where half a ring has piled up since; once a second has passed without a record, it sleeps
//! until a shard wakes it, so that an idle process uses no CPU.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use crate::timeline::kept::KeptRecord;
use crate::timeline::print::{Names, render};
use crate::timeline::recorder::{Recorder, RecorderConfig};

/// Drains the recorders of all shards and prints what they kept.
pub struct Exporter {
    inboxes: Vec<rtrb::Consumer<KeptRecord>>,
    alarm: Arc<Alarm>,
    names: Box<dyn Names + Send>,
    out: Box<dyn Write + Send>,
    has_colour: bool,
    quiet_looks_max: u32,
    text: String,
    stats: ExporterStats,
}

/// What an [`Exporter`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExporterStats {
    /// Requests printed.
    pub printed_count: u64,
    /// Requests that shards kept and lost because this thread was behind, as far as they told.
    pub dropped_count: u64,
    /// Writes that failed; what they held is lost.
    pub failed_count: u64,
}

impl Exporter {
    /// An exporter that prints to `out`, in colour if that is a terminal.
    pub fn new(
        names: Box<dyn Names + Send>,
        out: Box<dyn Write + Send>,
        has_colour: bool,
    ) -> Exporter {
        Exporter {
            inboxes: Vec::new(),
            alarm: Arc::new(Alarm::default()),
            names,
            out,
            has_colour,
            quiet_looks_max: QUIET_LOOKS_MAX,
            text: String::new(),
            stats: ExporterStats::default(),
        }
    }

    /// Sleeps until it is woken after so many looks that found nothing. Default 20, which is a second;
    /// 0 sleeps after each record, and every record then costs its shard a system call.
    pub fn asleep_after_looks(mut self, count: u32) -> Exporter {
        self.quiet_looks_max = count;
        self
    }

    /// The recorder of a shard, to be moved there before this exporter runs.
    pub fn recorder(&mut self, shard: u16, config: &RecorderConfig) -> Recorder {
        let (outbox, inbox) = rtrb::RingBuffer::new(config.export_queue_len.max(1));
        self.inboxes.push(inbox);
        Recorder::new(shard, config, outbox, Ringer(Arc::clone(&self.alarm)))
    }

    /// Prints until the last recorder is gone and its ring is empty. Blocks its thread.
    pub fn run(mut self) -> ExporterStats {
        self.alarm.thread.get_or_init(std::thread::current);
        let mut quiet_looks = 0;
        loop {
            // Seen before the drain: what a recorder sent before it went is then surely drained.
            let is_over = self.inboxes.iter().all(rtrb::Consumer::is_abandoned);
            if self.drain() {
                quiet_looks = 0;
            } else {
                quiet_looks += 1;
            }
            if is_over {
                return self.stats;
            }
            if quiet_looks < self.quiet_looks_max {
                std::thread::park_timeout(LOOK_EVERY);
            } else {
                self.sleep();
            }
        }
    }

    /// Takes what is there, instead of printing it: for a simulation, which has no thread to print on.
    pub(crate) fn take_each(&mut self, mut see: impl FnMut(&KeptRecord)) {
        for inbox in &mut self.inboxes {
            while let Ok(record) = inbox.pop() {
                see(&record);
            }
        }
    }

    /// Prints what is there. Whether there was anything.
    fn drain(&mut self) -> bool {
        let mut has_printed = false;
        for inbox in &mut self.inboxes {
            while let Ok(record) = inbox.pop() {
                has_printed = true;
                self.text.clear();
                render(&record, &*self.names, &mut self.text, self.has_colour);
                self.stats.printed_count += 1;
                self.stats.dropped_count += u64::from(record.dropped_before_count);
                if self.out.write_all(self.text.as_bytes()).is_err() {
                    self.stats.failed_count += 1;
                }
            }
        }
        if has_printed && self.out.flush().is_err() {
            self.stats.failed_count += 1;
        }
        has_printed
    }

    /// Sleeps until a shard rings.
    fn sleep(&self) {
        self.alarm.is_asleep.store(true, Ordering::Relaxed);
        // Pairs with the fence in `Ringer::ring`: either the shard sees that we sleep, or we see what
        // it has sent. Without both fences each could miss the other.
        fence(Ordering::SeqCst);
        let has_news = self
            .inboxes
            .iter()
            .any(|inbox| !inbox.is_empty() || inbox.is_abandoned());
        if !has_news {
            std::thread::park();
        }
        self.alarm.is_asleep.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter")
            .field("shards", &self.inboxes.len())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

/// How the shards wake the exporter's thread.
#[derive(Debug, Default)]
struct Alarm {
    is_asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

/// A shard's end of the alarm. Dropped, it wakes the exporter, so that it sees the shard gone.
#[derive(Debug)]
pub(super) struct Ringer(Arc<Alarm>);

impl Ringer {
    /// A record was sent. A system call only where the exporter sleeps.
    pub(super) fn ring(&self) {
        // Pairs with the fence in `Exporter::sleep`.
        fence(Ordering::SeqCst);
        if self.0.is_asleep.load(Ordering::Relaxed)
            // One of several shards makes the call.
            && self.0.is_asleep.swap(false, Ordering::Relaxed)
        {
            self.hurry();
        }
    }

    /// Makes the exporter look now, whether it sleeps or rests between two looks.
    pub(super) fn hurry(&self) {
        // Before the exporter runs there is nobody to wake, and it looks before it first sleeps.
        if let Some(thread) = self.0.thread.get() {
            thread.unpark();
        }
    }
}

impl Drop for Ringer {
    fn drop(&mut self) {
        self.hurry();
    }
}

/// Slow enough to cost nothing, fast enough for somebody who watches.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// After a second without a record the exporter sleeps.
const QUIET_LOOKS_MAX: u32 = 20;
