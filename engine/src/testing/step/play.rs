//! Effects without a shard: a need is played through, its statements answered by a script.
//!
//! The databases are the scripted ones of the simulated machine, so that answers, delays, failures
//! and transactions mean here what they mean there; only who waits for them is another.

use std::num::NonZeroU32;

use cutaway_reactor::sim::{SimConfig, SimNet, SimPort};
use cutaway_reactor::{JoinState, Ticket, Verdict};
use cutaway_scheduler::{Clock, Nanos};

use crate::ctx::BodyFormat;
use crate::effect::file::NameRefused;
use crate::effect::sqlite::scripted::Script;
use crate::effect::sqlite::{JobHandle, SqlFinished, SqliteEffects, SqliteJob};
use crate::effect::{
    EffectRecord, EffectResult, Fold, Operation, ResourceMeta, ResultBuffer, Sqlite, StoredFile,
};
use crate::step::{Fail, Failure, NeedRecord, Order, caught};

/// A machine with the databases of one chain.
pub(super) struct Play {
    net: SimNet,
    databases: Vec<SqliteEffects<SimPort<SqliteJob>>>,
    /// None once an effect has taken it.
    content: Option<Content>,
}

/// The content of the request, which one effect may take.
pub(super) struct Content {
    pub bytes: Vec<u8>,
    /// What it is by its own words.
    pub media_type: Option<Vec<u8>>,
}

/// How far an effect is.
enum State {
    Waiting,
    AtWorker { resource: usize, job: JobHandle },
    OnWheel { since: Nanos, until: Nanos },
    Given(EffectResult),
    Failed(Failure),
    LetGo,
}

/// What a need came to.
pub(super) enum Played {
    /// What each effect gave, if it did.
    Results(Vec<Option<EffectResult>>),
    Failed(Failure),
    /// Nothing more will happen: a statement is never answered.
    Stuck,
}

impl Play {
    pub fn new(resources: &[ResourceMeta], script: &Script, content: Content) -> Play {
        let net = SimNet::new(SimConfig::still(1));
        let databases = resources.iter().map(|resource| {
            let settings = Sqlite::open(resource.name);
            settings.simulate_scripted(resource.name, script, &net, JOBS_MAX)
        });
        Play {
            databases: databases.collect(),
            net,
            content: Some(content),
        }
    }

    /// Plays a need through. `step` is the name of who asked.
    pub fn play(&mut self, need: &NeedRecord<'_>, step: &'static str) -> Played {
        // In a race for a success, a failure is no more than a loss.
        let may_lose = need.join == cutaway_reactor::Join::FirstSuccess;
        let is_required = need.effects.iter().map(|it| it.is_required && !may_lose);
        let (mut join, mut verdict) = JoinState::begin(need.join, is_required);
        let mut states: Vec<State> = need.effects.iter().map(|_| State::Waiting).collect();
        loop {
            while verdict == Verdict::Wait
                && let Some(place) = next_to_begin(need.order, &states)
            {
                states[place] = self.begin(&need.effects[place], step);
                verdict = match states[place] {
                    State::Given(_) => join.complete(place, true),
                    State::Failed(_) => join.complete(place, false),
                    _ => verdict,
                };
            }
            match verdict {
                Verdict::Wait => {}
                Verdict::Fail(place) if !need.is_optional() => return self.failed(states, place),
                Verdict::Fail(_) | Verdict::Resume => return self.given(states),
            }
            let Some((place, outcome)) = self.next_completion(need, &states) else {
                return Played::Stuck;
            };
            verdict = join.complete(place, outcome.is_ok());
            states[place] = match outcome {
                Ok(result) => State::Given(result),
                Err(failure) => State::Failed(failure),
            };
        }
    }

    fn begin(&mut self, effect: &EffectRecord<'_>, step: &'static str) -> State {
        let now = self.net.clock().now();
        match effect.operation {
            Operation::Timer { length } => State::OnWheel {
                since: now,
                until: now + length,
            },
            Operation::Body { format, fold } => match self.take_content(format, fold, step) {
                Ok(result) => State::Given(result),
                Err(failure) => State::Failed(failure),
            },
            Operation::Store { name, .. } => match self.store(name, step) {
                Ok(stored) => State::Given(EffectResult::Stored(stored)),
                Err(failure) => State::Failed(failure),
            },
            Operation::Sqlite { mode, statements } => {
                let resource =
                    usize::from(effect.resource.expect("statements have their database"));
                let until = effect.timeout.map_or(Nanos::NEVER, |timeout| now + timeout);
                let database = &mut self.databases[resource];
                match database.try_start(NOBODY, mode, statements, until, now) {
                    Ok(job) => State::AtWorker { resource, job },
                    Err(refused) => State::Failed(refused.failure(step)),
                }
            }
        }
    }

    /// The whole content in one piece, as the shard would hand it out.
    fn take_content(
        &mut self,
        format: BodyFormat,
        fold: Option<Fold<'_>>,
        step: &'static str,
    ) -> Result<EffectResult, Failure> {
        let content = self.content.take();
        let content = content.ok_or_else(|| Failure::content_twice(step))?;
        format.admit(content.media_type.as_deref())?;
        if let Some(fold) = fold {
            // A shard has no piece without a byte.
            if !content.bytes.is_empty() {
                caught(|| fold.add(&content.bytes)).map_err(|panic| panic.into_failure(step))??;
            }
            return Ok(EffectResult::Folded);
        }
        let mut buffer = ResultBuffer::default();
        buffer.push_content(&content.bytes);
        Ok(EffectResult::Content(buffer))
    }

    /// The whole content in a file of its own: no disk is in the way of a step, and no other file.
    fn store(
        &mut self,
        name: Result<&str, NameRefused>,
        step: &'static str,
    ) -> Result<StoredFile, Failure> {
        name.map_err(NameRefused::failure)?;
        let content = self.content.take();
        let content = content.ok_or_else(|| Failure::content_twice(step))?;
        Ok(StoredFile::of(content.bytes.len() as u64))
    }

    /// Lets time pass until an effect has completed; which one, and with what.
    fn next_completion(
        &mut self,
        need: &NeedRecord<'_>,
        states: &[State],
    ) -> Option<(usize, Result<EffectResult, Failure>)> {
        loop {
            for resource in 0..self.databases.len() {
                while let Some(finished) = self.databases[resource].poll() {
                    let is_it = |state: &State| matches!(state, State::AtWorker { resource: at, job } if (*at, *job) == (resource, finished.handle));
                    // What an earlier need has let go may come back now.
                    if let Some(place) = states.iter().position(is_it) {
                        return Some((place, self.outcome(&need.effects[place], finished)));
                    }
                }
            }
            let clock = self.net.clock();
            let timers = states
                .iter()
                .enumerate()
                .filter_map(|(place, state)| match state {
                    State::OnWheel { since, until } => Some((*until, place, *since)),
                    _ => None,
                });
            let next = timers.min();
            let next_event = self.net.next_at();
            match next {
                Some((until, place, since)) if next_event.is_none_or(|at| at > until) => {
                    clock.advance_to(until);
                    return Some((place, Ok(EffectResult::Elapsed(until.since(since)))));
                }
                _ if self.net.step() => {}
                _ => return None,
            }
        }
    }

    fn outcome(
        &mut self,
        effect: &EffectRecord<'_>,
        finished: SqlFinished,
    ) -> Result<EffectResult, Failure> {
        match finished.result {
            Ok(buffer) if effect.needs_row && buffer.is_empty() => Err(effect.missing_row(0)),
            Ok(buffer) => Ok(EffectResult::Rows(buffer)),
            Err(error) => Err(error.failure(effect)),
        }
    }

    fn failed(&mut self, mut states: Vec<State>, place: usize) -> Played {
        let failed = std::mem::replace(&mut states[place], State::LetGo);
        self.given(states);
        match failed {
            State::Failed(failure) => Played::Failed(failure),
            _ => Played::Failed(Failure::new(Fail::Internal, "effect", "")),
        }
    }

    /// Takes what was given and lets go of the rest.
    fn given(&mut self, states: Vec<State>) -> Played {
        let results = states.into_iter().map(|state| match state {
            State::Given(result) => Some(result),
            State::AtWorker { resource, job } => {
                self.databases[resource].cancel(job);
                None
            }
            _ => None,
        });
        Played::Results(results.collect())
    }
}

/// The effect to begin next, if one may begin now.
fn next_to_begin(order: Order, states: &[State]) -> Option<usize> {
    let place = (states.iter()).position(|state| matches!(state, State::Waiting))?;
    let is_free = order == Order::Parallel
        || (states[..place].iter())
            .all(|before| matches!(before, State::Given(_) | State::Failed(_)));
    is_free.then_some(place)
}

/// No shard asks, so no request does.
const NOBODY: Ticket = Ticket::new(0, NonZeroU32::MIN);

/// More than a need can have at once.
const JOBS_MAX: usize = 64;
