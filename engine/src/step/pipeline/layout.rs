//! From a chain's steps to a route: laid out, or refused with every reason.

use std::any::TypeId;

use cutaway_scheduler::Nanos;

use super::{BodyUse, PlacedStep, Route, Usage};
use crate::ctx::{BodyFormat, Extract, PlanBuilder, PlanRefusal, SlotMeta, Source};
use crate::effect::{Body, ResourceMeta};
use crate::http::Method;
use crate::response::Renderer;
use crate::step::chain::{Deadline, Entry, Settings};

/// What a route is built from.
pub(crate) struct RouteParts<'a> {
    pub(crate) method: Method,
    pub(crate) pattern: &'static str,
    pub(crate) params: Vec<&'static str>,
    pub(crate) settings: Settings,
    pub(crate) entries: Vec<Entry>,
    /// The resources given to the engine, in order.
    pub(crate) resources: &'a [ResourceMeta],
    pub(crate) renderer: Renderer,
}

/// Why a route cannot be. All of them are mistakes in a set-up, and each says whose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteRefusal {
    /// It has no steps.
    #[error("{pattern}: the chain is empty, so nothing can answer")]
    EmptyChain {
        /// The route's pattern.
        pattern: &'static str,
    },
    /// Two steps write one slot.
    #[error("{pattern}: slot `{slot}` has two writers: {first} and {second}")]
    TwoWriters {
        /// The route's pattern.
        pattern: &'static str,
        /// The slot.
        slot: &'static str,
        /// The step that writes it first.
        first: &'static str,
        /// The step that writes it again.
        second: &'static str,
    },
    /// A step reads what no earlier step writes.
    #[error("{pattern}: step {step} reads slot `{slot}`, which no earlier step writes")]
    NotWritten {
        /// The route's pattern.
        pattern: &'static str,
        /// The step.
        step: &'static str,
        /// The slot.
        slot: &'static str,
    },
    /// A step uses a resource that was not given.
    #[error("{pattern}: step {step} uses resource `{resource}`, which is not given to the engine")]
    ResourceMissing {
        /// The route's pattern.
        pattern: &'static str,
        /// The step.
        step: &'static str,
        /// The resource.
        resource: &'static str,
    },
    /// A step reads a path parameter that the pattern lacks.
    #[error("{pattern}: step {step} reads path parameter `{param}`, which the pattern lacks")]
    ParamMissing {
        /// The route's pattern.
        pattern: &'static str,
        /// The step.
        step: &'static str,
        /// The parameter.
        param: &'static str,
    },
    /// Two slots take the content as different things.
    #[error(
        "{pattern}: slot `{first}` is the body as {first_format}, slot `{second}` as {second_format}"
    )]
    TwoBodies {
        /// The route's pattern.
        pattern: &'static str,
        /// The slot that is read first.
        first: &'static str,
        /// As what.
        first_format: &'static str,
        /// The other slot.
        second: &'static str,
        /// As what.
        second_format: &'static str,
    },
    /// The content is taken by a slot and by an effect.
    #[error(
        "{pattern}: slot `{slot}` is the body, which step {step} takes with `cx.body()`; one of the two"
    )]
    BodyTwice {
        /// The route's pattern.
        pattern: &'static str,
        /// The slot.
        slot: &'static str,
        /// The step.
        step: &'static str,
    },
    /// Its steps have more slots than presence bits.
    #[error("{pattern}: {count} slots, at most {} a route", crate::ctx::SLOTS_MAX)]
    TooManySlots {
        /// The route's pattern.
        pattern: &'static str,
        /// How many there are.
        count: usize,
    },
    /// Its slots' values are too large to lie in the frame.
    #[error(
        "{pattern}: the slots take {bytes} bytes, at most {}; box the large ones",
        crate::ctx::FRAME_BYTES_MAX
    )]
    FrameTooLarge {
        /// The route's pattern.
        pattern: &'static str,
        /// How many bytes they take.
        bytes: usize,
    },
    /// Its deadline is zero.
    #[error("{pattern}: a deadline of zero can never be met")]
    DeadlineZero {
        /// The route's pattern.
        pattern: &'static str,
    },
}

impl Route {
    /// Lays the steps out, or says everything that is wrong with them.
    ///
    /// The compiler has checked the order already; it is checked again because the traits that say
    /// so are open.
    pub(crate) fn build(parts: RouteParts<'_>) -> Result<Route, Vec<RouteRefusal>> {
        Route::build_given(parts, &[])
    }

    /// As [`build`](Route::build), with slots that somebody else puts before the first step.
    pub(crate) fn build_given(
        parts: RouteParts<'_>,
        given: &[SlotMeta],
    ) -> Result<Route, Vec<RouteRefusal>> {
        let mut refusals = refusals_of(&parts, given);
        let body = body_use(&parts, given, &mut refusals);
        let mut plan = PlanBuilder::new();
        let mut present: Vec<SlotMeta> = given.to_vec();
        let steps = (parts.entries.into_iter())
            .map(|entry| place_step(entry, parts.resources, &mut plan, &mut present))
            .collect();
        let pattern = parts.pattern;
        let plan = plan.build().map_err(|refusal| match refusal {
            PlanRefusal::TooManySlots { count } => RouteRefusal::TooManySlots { pattern, count },
            PlanRefusal::TooLarge { bytes } => RouteRefusal::FrameTooLarge { pattern, bytes },
        });
        match plan {
            Ok(plan) if refusals.is_empty() => Ok(Route {
                method: parts.method,
                pattern,
                params: parts.params.into(),
                settings: parts.settings,
                steps,
                plan,
                body,
                renderer: parts.renderer,
            }),
            Ok(_) => Err(refusals),
            Err(refusal) => {
                refusals.push(refusal);
                Err(refusals)
            }
        }
    }
}

fn place_step(
    entry: Entry,
    resources: &[ResourceMeta],
    plan: &mut PlanBuilder,
    present: &mut Vec<SlotMeta>,
) -> PlacedStep {
    let index_of = |wanted: &ResourceMeta| {
        let index = resources.iter().position(|known| known.id == wanted.id);
        // A resource that is missing refuses the route; the engine's own has no index.
        index
            .and_then(|index| u16::try_from(index).ok())
            .unwrap_or(u16::MAX)
    };
    let step = (entry.step).place(plan, entry.uses.iter().map(index_of).collect());
    let mut extracts = Vec::new();
    for slot in &entry.reads {
        if let Some(extract) = slot.extract
            && !present.iter().any(|known| known.is(slot))
        {
            present.push(*slot);
            extracts.push((extract.place)(plan));
        }
    }
    present.extend(&entry.writes);
    PlacedStep {
        slots_to_write: step.reach().writes(),
        step,
        extracts: extracts.into(),
        name: entry.name,
        reads: entry.reads.into(),
        writes: entry.writes.into(),
        uses: entry.uses.into(),
        usage: Usage::default(),
    }
}

fn refusals_of(parts: &RouteParts<'_>, given: &[SlotMeta]) -> Vec<RouteRefusal> {
    let pattern = parts.pattern;
    let mut refusals = Vec::new();
    if parts.entries.is_empty() {
        refusals.push(RouteRefusal::EmptyChain { pattern });
    }
    if parts.settings.deadline == Deadline::After(Nanos::ZERO) {
        refusals.push(RouteRefusal::DeadlineZero { pattern });
    }
    let mut written: Vec<(SlotMeta, &'static str)> =
        given.iter().map(|slot| (*slot, "the test")).collect();
    for entry in &parts.entries {
        let step = entry.name;
        for slot in &entry.reads {
            let is_written = written.iter().any(|(known, _)| known.is(slot));
            match slot.extract {
                _ if is_written => {}
                Some(Extract {
                    source: Source::Path(param),
                    ..
                }) if !parts.params.contains(&param) => {
                    refusals.push(RouteRefusal::ParamMissing {
                        pattern,
                        step,
                        param,
                    });
                }
                Some(_) => {}
                None => refusals.push(RouteRefusal::NotWritten {
                    pattern,
                    step,
                    slot: slot.name,
                }),
            }
        }
        for slot in &entry.writes {
            if let Some((_, first)) = written.iter().find(|(known, _)| known.is(slot)) {
                refusals.push(RouteRefusal::TwoWriters {
                    pattern,
                    slot: slot.name,
                    first,
                    second: step,
                });
            }
            written.push((*slot, step));
        }
        for resource in &entry.uses {
            if !knows(parts.resources, resource.id) {
                refusals.push(RouteRefusal::ResourceMissing {
                    pattern,
                    step,
                    resource: resource.name,
                });
            }
        }
    }
    refusals
}

/// What the steps take the content as. Bytes are whatever else it is, too: a signature is checked on
/// the same bytes that are read as JSON.
fn body_use(
    parts: &RouteParts<'_>,
    given: &[SlotMeta],
    refusals: &mut Vec<RouteRefusal>,
) -> BodyUse {
    let mut body = None;
    let mut written = given.to_vec();
    let mut read: Vec<&SlotMeta> = Vec::new();
    for entry in &parts.entries {
        let is_read = |slot: &&SlotMeta| !written.iter().any(|known| known.is(slot));
        read.extend(entry.reads.iter().filter(is_read));
        written.extend(&entry.writes);
    }
    for slot in read {
        let Some(Source::Body(format)) = slot.extract.map(|extract| extract.source) else {
            continue;
        };
        match body {
            None | Some((_, BodyFormat::Bytes)) => body = Some((slot.name, format)),
            Some((first, first_format))
                if format != first_format && format != BodyFormat::Bytes =>
            {
                refusals.push(RouteRefusal::TwoBodies {
                    pattern: parts.pattern,
                    first,
                    first_format: first_format.name(),
                    second: slot.name,
                    second_format: format.name(),
                });
            }
            Some(_) => {}
        }
    }
    let takes = |entry: &&Entry| entry.uses.iter().any(ResourceMeta::is_body);
    match (body, parts.entries.iter().find(takes)) {
        (None, None) => BodyUse::None,
        (None, Some(_)) => BodyUse::Streamed,
        (Some((_, format)), None) => BodyUse::Buffered(format),
        (Some((slot, _)), Some(entry)) => {
            refusals.push(RouteRefusal::BodyTwice {
                pattern: parts.pattern,
                slot,
                step: entry.name,
            });
            BodyUse::Streamed
        }
    }
}

/// Whether a resource is given: by whoever sets the routes up, or by the engine.
fn knows(resources: &[ResourceMeta], id: TypeId) -> bool {
    id == TypeId::of::<Body>() || resources.iter().any(|known| known.id == id)
}
