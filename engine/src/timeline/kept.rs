//! A request that was kept, as it travels to the exporter.

use cutaway_scheduler::Nanos;

use crate::timeline::departure::{Departure, Why};
use crate::timeline::law::{Tiling, Violation, law};
use crate::timeline::mark::{Mark, MarkKind, Stage};
use crate::timeline::{StageSums, Timeline};

/// A request that was kept, as the exporter gets it: a value of fixed size that points to nothing.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing::{self, App};
/// use cutaway::timeline::{KeepReasons, MarkKind};
///
/// fn hello(_: &mut Cx) -> Step {
///     testing::spend(3.millis());
///     fail(NotFound, "post", "7")
/// }
///
/// let app = App::new(Routes::new().get("/posts/{id}", chain(hello)).build()?);
/// let response = app.get("/posts/7").send();
/// let timeline = response.timeline();
/// let record = timeline.record();
/// assert_eq!((record.path(), record.is_path_cut()), (&b"/posts/7"[..], false));
/// assert_eq!(record.total_ns(), 3_000_000);
/// assert_eq!(record.marks()[0].kind(), MarkKind::ReadFirst);
/// assert_eq!(record.why().map(|why| (why.what, why.key)), Some(("post", "7")));
/// assert_eq!(record.id(), "", "no step has asked for it");
/// assert!(record.reasons.contains(KeepReasons::ALL));
/// assert_eq!(record.check(), Ok(()));
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeptRecord {
    /// The shard it ran on.
    pub shard: u16,
    /// Its number on that shard.
    pub request_id: u64,
    /// Its method; empty where it could not be read.
    pub method: &'static str,
    /// Its route; none where it could not be read.
    pub route: Option<u16>,
    /// The status of its reply; zero where there is none.
    pub status: u16,
    /// When its first byte was reaped, on the shard's clock.
    pub started_at: Nanos,
    /// Its deadline, on the shard's clock; [`Nanos::NEVER`] for none.
    pub deadline: Nanos,
    /// From which length of time on it counts as slow.
    pub slow_after: Nanos,
    /// What each stage has had, in nanoseconds.
    pub sums: StageSums,
    /// Why it was kept.
    pub reasons: KeepReasons,
    /// How many marks found no room.
    pub overflow_count: u32,
    /// How many records this shard lost since the one before.
    pub dropped_before_count: u32,
    path_len: u32,
    marks_len: u8,
    path: [u8; KeptRecord::PATH_BYTES_MAX],
    marks: [Mark; KeptRecord::MARKS_MAX],
    id: Text<128>,
    why_what: &'static str,
    why_key: Text<64>,
}

impl KeptRecord {
    /// How much of a path is kept.
    pub const PATH_BYTES_MAX: usize = 160;

    /// A timeline's marks, and those of hold and write.
    const MARKS_MAX: usize = Timeline::MARKS_MAX + 4;

    pub(super) fn empty() -> KeptRecord {
        KeptRecord {
            shard: 0,
            request_id: 0,
            method: "",
            route: None,
            status: 0,
            started_at: Nanos::ZERO,
            deadline: Nanos::NEVER,
            slow_after: Nanos::NEVER,
            sums: [0; Stage::COUNT],
            reasons: KeepReasons::NONE,
            overflow_count: 0,
            dropped_before_count: 0,
            path_len: 0,
            marks_len: 0,
            path: [0; KeptRecord::PATH_BYTES_MAX],
            marks: [Mark::new(MarkKind::ReadFirst, 0, 0, 0); KeptRecord::MARKS_MAX],
            id: Text::EMPTY,
            why_what: "",
            why_key: Text::EMPTY,
        }
    }

    /// The raw path, or its first [`PATH_BYTES_MAX`](KeptRecord::PATH_BYTES_MAX) bytes; empty where
    /// only the totals were kept.
    pub fn path(&self) -> &[u8] {
        &self.path[..(self.path_len as usize).min(KeptRecord::PATH_BYTES_MAX)]
    }

    /// Whether the path was longer than what was kept of it.
    pub fn is_path_cut(&self) -> bool {
        self.path_len as usize > KeptRecord::PATH_BYTES_MAX
    }

    /// The marks; empty where only the totals were kept.
    pub fn marks(&self) -> &[Mark] {
        &self.marks[..usize::from(self.marks_len)]
    }

    /// The request's id; empty where nobody has asked for it.
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// Why it has failed; none where it did not, and where only the totals were kept.
    pub fn why(&self) -> Option<Why<'_>> {
        (!self.why_what.is_empty()).then(|| Why {
            what: self.why_what,
            key: self.why_key.as_str(),
        })
    }

    /// The request's whole time.
    pub fn total_ns(&self) -> u64 {
        self.sums.iter().sum()
    }

    /// Checks the law on the whole request; see [`law`].
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self) -> Result<(), Violation> {
        if self.marks_len == 0 {
            return Ok(());
        }
        law(Tiling {
            marks: self.marks(),
            overflow_count: self.overflow_count,
            sums: &self.sums,
            until_ns: self.total_ns(),
            stage: None,
        })
    }

    pub(super) fn push(&mut self, mark: Mark) {
        // A reply is released, begun and ended once each; the room is there for them.
        if let Some(slot) = self.marks.get_mut(usize::from(self.marks_len)) {
            *slot = mark;
            self.marks_len += 1;
        }
    }

    pub(super) fn fill(&mut self, timeline: &Timeline, path: &[u8]) {
        let marks = timeline.marks();
        self.marks[..marks.len()].copy_from_slice(marks);
        self.marks_len = marks.len() as u8;
        let kept_bytes = path.len().min(KeptRecord::PATH_BYTES_MAX);
        self.path[..kept_bytes].copy_from_slice(&path[..kept_bytes]);
        self.path_len = u32::try_from(path.len()).unwrap_or(u32::MAX);
    }

    pub(super) fn name(&mut self, id: Option<&str>, why: Option<Why<'_>>) {
        self.id = Text::cut(id.unwrap_or_default());
        let why = why.unwrap_or(Why { what: "", key: "" });
        self.why_what = why.what;
        self.why_key = Text::cut(why.key);
    }

    pub(super) fn label(&mut self, departure: &Departure, shard: u16) {
        self.shard = shard;
        self.request_id = departure.request_id;
        self.method = departure.method;
        self.route = departure.route;
        self.status = departure.status;
        self.started_at = departure.started_at;
        self.deadline = departure.deadline;
        self.slow_after = departure.slow_after;
        self.sums = departure.sums;
        self.reasons = departure.reasons;
        self.overflow_count = departure.overflow_count;
    }
}

/// A short text, inline; what does not fit is cut off between characters.
#[derive(Clone, Copy, Debug)]
struct Text<const BYTES_MAX: usize> {
    len: u8,
    bytes: [u8; BYTES_MAX],
}

impl<const BYTES_MAX: usize> Text<BYTES_MAX> {
    const EMPTY: Self = Text {
        len: 0,
        bytes: [0; BYTES_MAX],
    };

    fn cut(text: &str) -> Self {
        let len = text.floor_char_boundary(text.len().min(BYTES_MAX));
        let mut cut = Text::EMPTY;
        cut.bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        cut.len = len as u8;
        cut
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)])
            .expect("a text is cut between characters")
    }
}

/// Why a request was kept. Several may hold.
///
/// ```
/// use cutaway::timeline::KeepReasons;
///
/// assert!(KeepReasons::NONE.is_empty());
/// assert!(KeepReasons::SLOW.contains(KeepReasons::SLOW));
/// assert!(!KeepReasons::SLOW.contains(KeepReasons::PANICKED));
/// assert!(KeepReasons::SLOW.names().eq(["slow"]));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepReasons(u8);

impl KeepReasons {
    /// None: not kept.
    pub const NONE: KeepReasons = KeepReasons(0);
    /// Every request is.
    pub const ALL: KeepReasons = KeepReasons(1);
    /// Its total was past its route's threshold.
    pub const SLOW: KeepReasons = KeepReasons(1 << 1);
    /// Its reply was encoded after its deadline.
    pub const DEADLINE_MISSED: KeepReasons = KeepReasons(1 << 2);
    /// It was answered with a 5xx, and was more than a head that could not be read.
    pub const SERVER_ERROR: KeepReasons = KeepReasons(1 << 3);
    /// A step panicked, or something else of the program's.
    pub const PANICKED: KeepReasons = KeepReasons(1 << 4);
    /// The client had gone before the reply had.
    pub const CLIENT_GONE: KeepReasons = KeepReasons(1 << 5);
    /// The engine gave it up without a whole reply.
    pub const CANCELLED: KeepReasons = KeepReasons(1 << 6);
    /// It had more marks than there is room for.
    pub const MARK_OVERFLOW: KeepReasons = KeepReasons(1 << 7);

    /// Whether all of `reasons` hold.
    pub const fn contains(self, reasons: KeepReasons) -> bool {
        self.0 & reasons.0 == reasons.0
    }

    /// Whether none holds.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn add(&mut self, reason: KeepReasons, holds: bool) {
        if holds {
            self.0 |= reason.0;
        }
    }

    /// The reasons' names, but for [`ALL`](KeepReasons::ALL), which says nothing.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        const NAMES: [(KeepReasons, &str); 7] = [
            (KeepReasons::SLOW, "slow"),
            (KeepReasons::DEADLINE_MISSED, "deadline missed"),
            (KeepReasons::SERVER_ERROR, "server error"),
            (KeepReasons::PANICKED, "panic"),
            (KeepReasons::CLIENT_GONE, "client gone"),
            (KeepReasons::CANCELLED, "cancelled"),
            (KeepReasons::MARK_OVERFLOW, "mark overflow"),
        ];
        NAMES
            .into_iter()
            .filter(move |(reason, _)| self.contains(*reason))
            .map(|(_, name)| name)
    }
}
