//! The law: the stages tile a request without gap or overlap.

use std::fmt;

use crate::timeline::StageSums;
use crate::timeline::mark::{Change, Mark, MarkKind, Stage};

/// What the law is checked on: the marks of a request and the totals that were kept beside them.
#[derive(Clone, Copy, Debug)]
pub struct Tiling<'m> {
    /// The marks, in the order in which they were stamped.
    pub marks: &'m [Mark],
    /// How many marks found no room: with any, only the totals can be checked.
    pub overflow_count: u32,
    /// What each stage has had.
    pub sums: &'m StageSums,
    /// Up to when the stages are summed, in nanoseconds since the request's first byte.
    pub until_ns: u64,
    /// The stage a request that goes on is in; none for one that has ended.
    pub stage: Option<Stage>,
}

/// The law: the stages tile the request without gap or overlap.
///
/// The marks alone must lead from stage to stage as the table of kinds has it, never back in time,
/// steps in pairs, each effect from its submission to its end; and the totals that were kept while it happened must be what the marks
/// say, stage by stage.
///
/// ```
/// use cutaway::timeline::{Mark, MarkKind, Stage, Tiling, Violation, law};
///
/// let marks = [Mark::new(MarkKind::ReadFirst, 0, 0, 0)];
/// let mut sums = [0; Stage::COUNT];
/// sums[Stage::Read as usize] = 700;
/// let tiling = Tiling {
///     marks: &marks,
///     overflow_count: 0,
///     sums: &sums,
///     until_ns: 700,
///     stage: Some(Stage::Read),
/// };
/// assert_eq!(law(tiling), Ok(()));
/// let gap = Tiling { until_ns: 800, ..tiling };
/// assert_eq!(law(gap), Err(Violation::Total { stages_ns: 700, request_ns: 800 }));
/// ```
///
/// # Errors
/// The first violation.
pub fn law(tiling: Tiling<'_>) -> Result<(), Violation> {
    let total_ns: u64 = tiling.sums.iter().sum();
    if total_ns != tiling.until_ns {
        return Err(Violation::Total {
            stages_ns: total_ns,
            request_ns: tiling.until_ns,
        });
    }
    // Marks that were lost, or that time has outgrown, say nothing.
    if tiling.overflow_count > 0 || tiling.until_ns > Mark::SINCE_START_NS_MAX {
        return Ok(());
    }
    let mut walk = Walk::open(tiling.marks)?;
    for (index, mark) in tiling.marks.iter().enumerate().skip(1) {
        walk.take(index, *mark)?;
    }
    walk.close(tiling)
}

/// How the law was broken. `index` is the place of the mark among the request's marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The first mark is not the first byte's, at zero.
    NotOpened {
        /// The mark that stands there, if any.
        found: Option<MarkKind>,
    },
    /// A mark lies before the one before it.
    Backward {
        /// Where.
        index: usize,
        /// Its time.
        at_ns: u64,
        /// The time of the one before.
        after_ns: u64,
    },
    /// A mark does not leave the stage the request is in.
    WrongStage {
        /// Where.
        index: usize,
        /// The mark.
        kind: MarkKind,
        /// The stage the request is in.
        stage: Stage,
    },
    /// A mark may not come after the one before it.
    WrongOrder {
        /// Where.
        index: usize,
        /// The mark.
        kind: MarkKind,
        /// The mark before it, details left out.
        after: MarkKind,
    },
    /// A mark came after the request's end.
    AfterEnd {
        /// Where.
        index: usize,
        /// The mark.
        kind: MarkKind,
    },
    /// A mark is about another step or effect than the one it belongs to.
    WrongWhich {
        /// Where.
        index: usize,
        /// The mark.
        kind: MarkKind,
        /// The step or effect it names.
        which: u8,
        /// The one it should name.
        expected: u8,
    },
    /// Something happened to an effect out of its turn: a job was queued for none, started before it
    /// was queued, finished before it was started, or any of these twice.
    WrongEffect {
        /// Where.
        index: usize,
        /// The mark.
        kind: MarkKind,
        /// The effect.
        which: u8,
    },
    /// A request went on before one of its effects had ended or been let go.
    EffectOpen {
        /// The effect.
        which: u8,
    },
    /// A request was parked with no effect under way.
    Idle {
        /// Where.
        index: usize,
    },
    /// The marks leave the request in another stage than the one it is said to be in.
    WrongEnd {
        /// Where the marks leave it; none at its end.
        marks: Option<Stage>,
        /// Where it is said to be; none at its end.
        said: Option<Stage>,
    },
    /// A stage's total is not what the marks say.
    WrongSum {
        /// The stage.
        stage: Stage,
        /// The time between the marks.
        marks_ns: u64,
        /// The total.
        sum_ns: u64,
    },
    /// The stages' totals do not add up to the request's time.
    Total {
        /// All stages together.
        stages_ns: u64,
        /// The request.
        request_ns: u64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |stage: Option<Stage>| stage.map_or("its end", Stage::name);
        match *self {
            Violation::NotOpened { found: None } => write!(f, "no marks"),
            Violation::NotOpened { found: Some(kind) } => {
                write!(
                    f,
                    "the first mark is `{}`, not the first byte at 0",
                    kind.name()
                )
            }
            Violation::Backward {
                index,
                at_ns,
                after_ns,
            } => {
                write!(
                    f,
                    "mark {index} at {at_ns} ns stands after one at {after_ns} ns"
                )
            }
            Violation::WrongStage { index, kind, stage } => {
                write!(
                    f,
                    "mark {index}, `{}`, in stage {}",
                    kind.name(),
                    stage.name()
                )
            }
            Violation::WrongOrder { index, kind, after } => {
                write!(
                    f,
                    "mark {index}, `{}`, after `{}`",
                    kind.name(),
                    after.name()
                )
            }
            Violation::AfterEnd { index, kind } => {
                write!(f, "mark {index}, `{}`, after the end", kind.name())
            }
            Violation::WrongWhich {
                index,
                kind,
                which,
                expected,
            } => {
                write!(
                    f,
                    "mark {index}, `{}`, is of {which} instead of {expected}",
                    kind.name()
                )
            }
            Violation::WrongEffect { index, kind, which } => {
                write!(
                    f,
                    "mark {index}, `{}` of effect {which}, out of turn",
                    kind.name()
                )
            }
            Violation::EffectOpen { which } => {
                write!(f, "went on before effect {which} had ended")
            }
            Violation::Idle { index } => {
                write!(f, "mark {index}, `parked`, with no effect under way")
            }
            Violation::WrongEnd { marks, said } => {
                write!(f, "the marks lead to {}, not {}", name(marks), name(said))
            }
            Violation::WrongSum {
                stage,
                marks_ns,
                sum_ns,
            } => {
                write!(
                    f,
                    "{} has {sum_ns} ns, its marks say {marks_ns} ns",
                    stage.name()
                )
            }
            Violation::Total {
                stages_ns,
                request_ns,
            } => {
                write!(
                    f,
                    "the stages have {stages_ns} ns, the request {request_ns} ns"
                )
            }
        }
    }
}

impl std::error::Error for Violation {}

/// The walk along a request's marks.
struct Walk {
    /// None after the end.
    stage: Option<Stage>,
    /// The latest mark that was no detail.
    last: Mark,
    sums: StageSums,
    is_accepted: bool,
    /// How many effects of the latest need have begun.
    effect_count: usize,
    /// How far each has come; one place for each `which`.
    effects: [Effect; 256],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Absent,
    Submitted,
    Queued,
    Started,
    Ended,
}

impl Walk {
    fn open(marks: &[Mark]) -> Result<Walk, Violation> {
        let first = marks.first().copied();
        match first {
            Some(mark)
                if matches!(mark.kind().change(), Change::Opens(_))
                    && mark.since_start().as_u64() == 0 =>
            {
                Ok(Walk {
                    stage: Some(Stage::Read),
                    last: mark,
                    sums: [0; Stage::COUNT],
                    is_accepted: false,
                    effect_count: 0,
                    effects: [Effect::Absent; 256],
                })
            }
            _ => Err(Violation::NotOpened {
                found: first.map(Mark::kind),
            }),
        }
    }

    fn take(&mut self, index: usize, mark: Mark) -> Result<(), Violation> {
        let kind = mark.kind();
        let Some(stage) = self.stage else {
            return Err(Violation::AfterEnd { index, kind });
        };
        if kind.change() == Change::Detail {
            return self.take_detail(index, mark, stage);
        }
        let after = self.last.kind();
        if !kind.may_follow(after) {
            return Err(Violation::WrongOrder { index, kind, after });
        }
        if !kind.may_leave(stage) {
            return Err(Violation::WrongStage { index, kind, stage });
        }
        let at_ns = mark.since_start().as_u64();
        let after_ns = self.last.since_start().as_u64();
        if at_ns < after_ns {
            return Err(Violation::Backward {
                index,
                at_ns,
                after_ns,
            });
        }
        self.pair(index, mark)?;
        self.sums[stage as usize] += at_ns - after_ns;
        self.last = mark;
        let begun = &mut self.effects[..self.effect_count];
        let open = begun.iter().position(|effect| *effect != Effect::Ended);
        match (kind, open) {
            (MarkKind::Parked, None) => return Err(Violation::Idle { index }),
            (MarkKind::Resumed | MarkKind::Enqueued, Some(which)) => {
                return Err(Violation::EffectOpen { which: which as u8 });
            }
            // What a step asks for from here on is numbered from zero.
            (MarkKind::StepEnd, _) => {
                begun.fill(Effect::Absent);
                self.effect_count = 0;
            }
            _ => {}
        }
        self.stage = match kind.change() {
            Change::Opens(next) | Change::Enters(next) => Some(next),
            Change::Ends => None,
            Change::Detail => self.stage,
        };
        Ok(())
    }

    /// A step's end is of the step that began; effects of a need are numbered from zero.
    fn pair(&self, index: usize, mark: Mark) -> Result<(), Violation> {
        let kind = mark.kind();
        let expected = match kind {
            MarkKind::StepEnd => self.last.which(),
            MarkKind::Submitted => self.effect_count as u8,
            _ => return Ok(()),
        };
        if mark.which() == expected {
            return Ok(());
        }
        Err(Violation::WrongWhich {
            index,
            kind,
            which: mark.which(),
            expected,
        })
    }

    fn take_detail(&mut self, index: usize, mark: Mark, stage: Stage) -> Result<(), Violation> {
        let kind = mark.kind();
        let which = mark.which();
        if !kind.may_leave(stage) {
            return Err(Violation::WrongStage { index, kind, stage });
        }
        if kind == MarkKind::Accepted {
            if std::mem::replace(&mut self.is_accepted, true) {
                return Err(Violation::WrongOrder {
                    index,
                    kind,
                    after: kind,
                });
            }
            return Ok(());
        }
        self.pair(index, mark)?;
        let effect = &mut self.effects[usize::from(which)];
        let next = match (kind, *effect) {
            (MarkKind::Submitted, Effect::Absent) => {
                self.effect_count += 1;
                Effect::Submitted
            }
            (MarkKind::JobQueued, Effect::Submitted) => Effect::Queued,
            (MarkKind::JobStarted, Effect::Queued) => Effect::Started,
            (MarkKind::JobFinished, Effect::Started) => Effect::Ended,
            (MarkKind::Completed, Effect::Submitted) => Effect::Ended,
            (MarkKind::LetGo, Effect::Submitted | Effect::Queued) => Effect::Ended,
            _ => return Err(Violation::WrongEffect { index, kind, which }),
        };
        *effect = next;
        Ok(())
    }

    fn close(mut self, tiling: Tiling<'_>) -> Result<(), Violation> {
        if self.stage != tiling.stage {
            return Err(Violation::WrongEnd {
                marks: self.stage,
                said: tiling.stage,
            });
        }
        let last_ns = self.last.since_start().as_u64();
        if let Some(stage) = self.stage {
            self.sums[stage as usize] += tiling.until_ns.saturating_sub(last_ns);
        }
        for stage in Stage::ALL {
            let marks_ns = self.sums[stage as usize];
            let sum_ns = tiling.sums[stage as usize];
            if marks_ns != sum_ns {
                return Err(Violation::WrongSum {
                    stage,
                    marks_ns,
                    sum_ns,
                });
            }
        }
        Ok(())
    }
}
