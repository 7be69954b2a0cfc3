//! A kept request as text for people.
//!
//! ```text
//! GET /posts/7  #0-42  200  203 ms
//!      0 ns  read        1.20 µs
//!   4.60 µs  step load   800 ns
//!   5.40 µs  effect posts  203 ms  (worker queue 1.10 µs, worker run 203 ms)
//!   5.40 µs  park        203 ms
//!    203 ms  write       80.0 µs
//!   SLOW: 203 ms where 50.0 ms are allowed; 99.9 % in effect posts, worker run
//! ```
//!
//! Stages that took no measurable time have no line: most marks share the shard's latest reading of
//! the clock, so that nothing is said about times below the distance of two readings.

use std::fmt::{self, Write};

use cutaway_scheduler::Nanos;

use crate::timeline::departure::Why;
use crate::timeline::kept::{KeepReasons, KeptRecord};
use crate::timeline::mark::{Mark, MarkKind, Stage};
use crate::timeline::span::{Span, SpanKind, spans};

/// What the numbers in a record are called.
pub trait Names {
    /// The template of a route.
    fn route(&self, route: u16) -> Option<&str>;
    /// A step of a route's chain.
    fn step(&self, route: u16, step: u8) -> Option<&str>;
    /// A resource that effects are performed on.
    fn resource(&self, resource: u64) -> Option<&str>;
}

/// Writes `record` as lines of text, each ended by a line feed.
///
/// `has_colour` adds terminal sequences; nothing that came from a client can, because everything but
/// printable ASCII is written as `%` and its hexadecimal value.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing::App;
/// use cutaway::timeline::{Names, render};
///
/// struct Numbers;
///
/// impl Names for Numbers {
///     fn route(&self, _: u16) -> Option<&str> {
///         None
///     }
///     fn step(&self, _: u16, step: u8) -> Option<&str> {
///         (step == 0).then_some("hello")
///     }
///     fn resource(&self, _: u64) -> Option<&str> {
///         None
///     }
/// }
///
/// # fn hello(cx: &mut Cx) -> Step { cutaway::testing::spend(3.millis()); cx.text("hello") }
/// let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
/// let response = app.get("/hello").send();
/// let mut page = String::new();
/// render(response.timeline().record(), &Numbers, &mut page, false);
/// assert!(page.starts_with("GET /hello "), "{page}");
/// assert!(page.contains("step hello"), "{page}");
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
pub fn render(record: &KeptRecord, names: &dyn Names, out: &mut String, has_colour: bool) {
    // Writing into a `String` cannot fail.
    let _ = Page {
        record,
        names,
        paint: Paint { has_colour },
        out,
    }
    .write();
}

struct Page<'a> {
    record: &'a KeptRecord,
    names: &'a dyn Names,
    paint: Paint,
    out: &'a mut String,
}

impl Page<'_> {
    fn write(&mut self) -> fmt::Result {
        self.write_dropped()?;
        self.write_title()?;
        if self.record.marks().is_empty() {
            self.write_sums()?;
        } else {
            self.write_spans()?;
        }
        self.write_overflow()?;
        self.write_verdict()
    }

    fn write_dropped(&mut self) -> fmt::Result {
        match self.record.dropped_before_count {
            0 => Ok(()),
            1 => writeln!(
                self.out,
                "(1 request before this one was lost: the printer was behind)"
            ),
            count => writeln!(
                self.out,
                "({count} requests before this one were lost: the printer was behind)"
            ),
        }
    }

    fn write_title(&mut self) -> fmt::Result {
        let record = self.record;
        self.out.push_str(self.paint.bold());
        if record.method.is_empty() {
            self.out.push_str("unreadable request");
        } else {
            write!(self.out, "{} ", record.method)?;
            self.write_target()?;
        }
        let total = Length(record.total_ns());
        write!(
            self.out,
            "{}  #{}-{}  ",
            self.paint.plain(),
            record.shard,
            record.request_id
        )?;
        if !record.id().is_empty() {
            write!(self.out, "id {}  ", record.id())?;
        }
        match record.status {
            0 => write!(self.out, "no reply")?,
            status => write!(
                self.out,
                "{}{status}{}",
                self.paint.status(status),
                self.paint.plain()
            )?,
        }
        write!(self.out, "  {total}")?;
        let mut separator = "  [";
        for name in record.reasons.names() {
            write!(self.out, "{separator}{name}")?;
            separator = ", ";
        }
        if separator == ", " {
            self.out.push(']');
        }
        self.out.push('\n');
        Ok(())
    }

    /// The path, or the route's template where the path was not kept.
    fn write_target(&mut self) -> fmt::Result {
        let record = self.record;
        if record.path().is_empty() {
            let template = record.route.and_then(|route| self.names.route(route));
            self.out.push_str(template.unwrap_or("-"));
            return Ok(());
        }
        for byte in record.path() {
            match byte {
                0x21..=0x7e => self.out.push(char::from(*byte)),
                _ => write!(self.out, "%{byte:02X}")?,
            }
        }
        if record.is_path_cut() {
            self.out.push('…');
        }
        Ok(())
    }

    fn write_sums(&mut self) -> fmt::Result {
        let record = self.record;
        for stage in Stage::ALL {
            let sum_ns = record.sums[stage as usize];
            if sum_ns > 0 {
                self.write_line(None, stage.name(), sum_ns)?;
                self.out.push('\n');
            }
        }
        writeln!(
            self.out,
            "  (its marks were not kept, only the sum of each stage)"
        )
    }

    fn write_spans(&mut self) -> fmt::Result {
        let marks = self.record.marks();
        for span in spans(marks) {
            let is_told = match span.kind {
                // Told with their effect.
                SpanKind::WorkerQueue | SpanKind::WorkerRun => false,
                SpanKind::Step | SpanKind::Park | SpanKind::Effect => true,
                _ => span.len_ns() > 0,
            };
            if is_told {
                let label = self.label(&span);
                self.write_line(Some(span.from_ns), &label, span.len_ns())?;
                if span.kind == SpanKind::Effect {
                    self.write_worker(&span)?;
                }
                self.out.push('\n');
            }
        }
        self.write_ending()
    }

    fn write_line(&mut self, from_ns: Option<u64>, label: &str, len_ns: u64) -> fmt::Result {
        let (dim, plain) = (self.paint.dim(), self.paint.plain());
        let from = from_ns.map_or(String::new(), |from_ns| Length(from_ns).to_string());
        let len = Length(len_ns).to_string();
        write!(
            self.out,
            "{dim}{from:>10}{plain}  {label:<LABEL_WIDTH$} {len:>8}"
        )
    }

    /// Where an effect waited and where it ran, and whether it was let go of.
    fn write_worker(&mut self, effect: &Span) -> fmt::Result {
        let mut separator = "  (";
        for span in worker_spans(self.record.marks(), *effect) {
            let name = match span.kind {
                SpanKind::WorkerQueue => "worker queue",
                _ => "worker run",
            };
            write!(self.out, "{separator}{name} {}", Length(span.len_ns()))?;
            separator = ", ";
        }
        let mut marks = self.record.marks().iter();
        if marks.any(|mark| is_let_go(mark, effect)) {
            write!(self.out, "{separator}let go")?;
            separator = ", ";
        }
        if separator == ", " {
            self.out.push(')');
        }
        Ok(())
    }

    /// How it ended, where it did not end well, and why it failed. The words may be a client's: they
    /// are written with escapes.
    fn write_ending(&mut self) -> fmt::Result {
        let mut why = self.record.why();
        for mark in self.record.marks() {
            let what = match mark.kind() {
                MarkKind::Refused => "refused",
                MarkKind::Failed => "failed",
                MarkKind::Expired => "deadline passed",
                MarkKind::Panicked => "panicked",
                MarkKind::ClientGone => "client gone",
                MarkKind::Cancelled => "given up",
                _ => continue,
            };
            let at = Length(mark.since_start().as_u64()).to_string();
            let (dim, plain, red) = (self.paint.dim(), self.paint.plain(), self.paint.red());
            write!(self.out, "{dim}{at:>10}{plain}  {red}{what}{plain}")?;
            if let Some(Why { what, key }) = why.take() {
                write!(self.out, ": {what} {key:?}")?;
            }
            self.out.push('\n');
        }
        Ok(())
    }

    fn write_overflow(&mut self) -> fmt::Result {
        match self.record.overflow_count {
            0 => Ok(()),
            count => writeln!(
                self.out,
                "  ({count} more marks found no room; the sums of the stages are whole)"
            ),
        }
    }

    fn write_verdict(&mut self) -> fmt::Result {
        let record = self.record;
        let total_ns = record.total_ns();
        if !record.reasons.contains(KeepReasons::SLOW) || total_ns == 0 {
            return Ok(());
        }
        let (culprit, culprit_ns) = self.culprit();
        // Tenths of a percent; no stage is longer than the whole.
        let share = u128::from(culprit_ns) * 1_000 / u128::from(total_ns);
        let (red, plain) = (self.paint.red(), self.paint.plain());
        writeln!(
            self.out,
            "  {red}SLOW{plain}: {} where {} are allowed; {}.{} % in {culprit}",
            Length(total_ns),
            Length(record.slow_after.as_u64()),
            share / 10,
            share % 10,
        )
    }

    /// The one place that had the most of the time: the largest stage, and inside it the longest step,
    /// or the longest effect with the part of it that took longest.
    fn culprit(&self) -> (String, u64) {
        let record = self.record;
        let stage = Stage::ALL
            .into_iter()
            .max_by_key(|stage| record.sums[*stage as usize])
            .unwrap_or(Stage::Read);
        let sum_ns = record.sums[stage as usize];
        let inner = match stage {
            Stage::Run => self.longest(SpanKind::Step),
            Stage::Park => self.longest(SpanKind::Effect),
            _ => None,
        };
        let Some(inner) = inner else {
            return (stage.name().to_owned(), sum_ns);
        };
        let mut label = self.label(&inner);
        let worker = worker_spans(self.record.marks(), inner).max_by_key(Span::len_ns);
        let Some(worker) = worker.filter(|worker| worker.len_ns() * 2 > inner.len_ns()) else {
            return (label, inner.len_ns());
        };
        label.push_str(match worker.kind {
            SpanKind::WorkerQueue => ", worker queue",
            _ => ", worker run",
        });
        (label, worker.len_ns())
    }

    fn longest(&self, kind: SpanKind) -> Option<Span> {
        spans(self.record.marks())
            .filter(|span| span.kind == kind)
            .max_by_key(Span::len_ns)
    }

    fn label(&self, span: &Span) -> String {
        let record = self.record;
        match span.kind {
            SpanKind::ReadHead => "read".to_owned(),
            SpanKind::PipelineWait => "pipeline wait".to_owned(),
            SpanKind::Parse => "parse".to_owned(),
            SpanKind::Route => "route".to_owned(),
            SpanKind::ReadBody => "read content".to_owned(),
            SpanKind::Admit => "admit".to_owned(),
            SpanKind::QueueWait => "queue wait".to_owned(),
            SpanKind::Step => {
                let name = record
                    .route
                    .and_then(|route| self.names.step(route, span.which));
                match name {
                    Some(name) => format!("step {name}"),
                    None => format!("step {}", span.which),
                }
            }
            SpanKind::Park => "park".to_owned(),
            SpanKind::Effect => {
                let submitted = record.marks().iter().find(|mark| is_submission(mark, span));
                let resource = submitted.map(|mark| mark.argument());
                match resource.and_then(|resource| self.names.resource(resource)) {
                    Some(name) => format!("effect {name}"),
                    None if resource == Some(MarkKind::NO_RESOURCE) => "effect timer".to_owned(),
                    None if resource == Some(MarkKind::OWN_CONTENT) => "effect body".to_owned(),
                    None => format!("effect {}", span.which),
                }
            }
            SpanKind::WorkerQueue => "worker queue".to_owned(),
            SpanKind::WorkerRun => "worker run".to_owned(),
            SpanKind::Encode => "encode".to_owned(),
            SpanKind::Hold => "hold".to_owned(),
            SpanKind::Write => "write".to_owned(),
        }
    }
}

/// The worker's part in an effect.
fn worker_spans(marks: &[Mark], effect: Span) -> impl Iterator<Item = Span> {
    spans(marks).filter(move |span| {
        effect.kind == SpanKind::Effect
            && matches!(span.kind, SpanKind::WorkerQueue | SpanKind::WorkerRun)
            && span.which == effect.which
            && (effect.from_ns..=effect.until_ns).contains(&span.from_ns)
    })
}

fn is_submission(mark: &Mark, effect: &Span) -> bool {
    mark.kind() == MarkKind::Submitted
        && mark.which() == effect.which
        && mark.since_start() == Nanos(effect.from_ns)
}

fn is_let_go(mark: &Mark, effect: &Span) -> bool {
    mark.kind() == MarkKind::LetGo
        && mark.which() == effect.which
        && mark.since_start() == Nanos(effect.until_ns)
}

/// A length of time in the unit that suits it, with three digits that count.
struct Length(u64);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")];
        for (unit, name) in UNITS {
            if self.0 >= unit {
                let whole = self.0 / unit;
                let thousandths = self.0 % unit / (unit / 1_000);
                return match whole {
                    0..=9 => write!(f, "{whole}.{:02} {name}", thousandths / 10),
                    10..=99 => write!(f, "{whole}.{} {name}", thousandths / 100),
                    _ => write!(f, "{whole} {name}"),
                };
            }
        }
        write!(f, "{} ns", self.0)
    }
}

/// Terminal sequences, or nothing.
#[derive(Clone, Copy)]
struct Paint {
    has_colour: bool,
}

impl Paint {
    fn pick(self, sequence: &'static str) -> &'static str {
        if self.has_colour { sequence } else { "" }
    }

    fn plain(self) -> &'static str {
        self.pick("\x1b[0m")
    }

    fn bold(self) -> &'static str {
        self.pick("\x1b[1m")
    }

    fn dim(self) -> &'static str {
        self.pick("\x1b[2m")
    }

    fn red(self) -> &'static str {
        self.pick("\x1b[1;31m")
    }

    fn status(self, status: u16) -> &'static str {
        self.pick(match status {
            500.. => "\x1b[31m",
            400.. => "\x1b[33m",
            _ => "\x1b[32m",
        })
    }
}

const LABEL_WIDTH: usize = 24;

#[cfg(test)]
mod tests;
