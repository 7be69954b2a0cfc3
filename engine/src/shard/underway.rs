//! What a request needs, while it is under way: each effect's state, and when the whole has ended.
//!
//! One is kept in every request's slot and used again, so that a need allocates nothing once its slot
//! has seen as many effects before.

use cutaway_reactor::{Backend, Join, JoinState, Verdict};
use cutaway_scheduler::{Nanos, TimerKey, Wheel};

use super::core::TimerItem;
use super::performer::Performer;
use super::store::Store;
use crate::effect::sqlite::JobHandle;
use crate::effect::{EffectResult, ResultBuffer};
use crate::step::{Failure, NeedRecord, Order};

/// The effects of a request's need, by their places.
pub(super) struct Underway {
    effects: Vec<Effect>,
    join: JoinState,
    order: Order,
    /// Whether its failure is none of the request's.
    is_optional: bool,
    begun_count: usize,
    /// The effect whose failure is the request's.
    failed: Option<usize>,
    /// The deadline's; none where there is none.
    timer: Option<TimerKey>,
    /// Jobs that are still at their workers while nobody waits for them: of this need and of those
    /// before it.
    left_count: usize,
}

struct Effect {
    state: State,
    /// Its own: a timer effect's, or that of its timeout.
    timer: Option<TimerKey>,
}

enum State {
    Waiting,
    AtWorker {
        resource: usize,
        job: JobHandle,
    },
    OnWheel {
        since: Nanos,
    },
    /// The content of its request is on its way.
    Reading,
    /// The content of its request is on its way into a file.
    Storing {
        store: Store,
        /// Whether all of it has come.
        has_arrived: bool,
    },
    Given(Given),
    Failed(Failure),
    LetGo,
}

/// What an effect gave, and the resource that its buffer goes back to.
pub(super) struct Given {
    pub result: EffectResult,
    pub lender: Option<u16>,
}

impl Underway {
    /// Nothing.
    pub fn new() -> Underway {
        let (join, _) = JoinState::begin(Join::All, []);
        Underway {
            effects: Vec::with_capacity(EFFECTS_KEPT),
            join,
            order: Order::Parallel,
            is_optional: false,
            begun_count: 0,
            failed: None,
            timer: None,
            left_count: 0,
        }
    }

    /// The next need; none of its effects has begun. It may be over already.
    pub fn begin(&mut self, need: &NeedRecord<'_>) -> Verdict {
        self.effects.clear();
        self.effects.extend(need.effects.iter().map(|_| Effect {
            state: State::Waiting,
            timer: None,
        }));
        self.order = need.order;
        self.is_optional = need.is_optional();
        self.begun_count = 0;
        self.failed = None;
        // In a race for a success, a failure is no more than a loss.
        let may_lose = need.join == Join::FirstSuccess;
        let is_required = need.effects.iter().map(|it| it.is_required && !may_lose);
        let (join, verdict) = JoinState::begin(need.join, is_required);
        self.join = join;
        verdict
    }

    /// The effect to begin next, if one may begin now.
    pub fn next_to_begin(&self) -> Option<usize> {
        let place = self.begun_count;
        let is_free = match (self.order, place.checked_sub(1)) {
            (Order::Parallel, _) | (Order::InOrder, None) => true,
            (Order::InOrder, Some(before)) => self.effects[before].has_ended(),
        };
        (place < self.effects.len() && is_free).then_some(place)
    }

    /// The next effect has begun, as a worker's job.
    pub fn is_at_worker(&mut self, resource: usize, job: JobHandle, timer: Option<TimerKey>) {
        self.begin_next(State::AtWorker { resource, job }, timer);
    }

    /// The next effect has begun: it is a timer.
    pub fn is_on_wheel(&mut self, since: Nanos, timer: TimerKey) {
        self.begin_next(State::OnWheel { since }, Some(timer));
    }

    /// The next effect has begun: it takes the content.
    pub fn is_reading(&mut self, timer: Option<TimerKey>) {
        self.begin_next(State::Reading, timer);
    }

    /// The next effect has begun: it writes the content into a file.
    pub fn is_storing(&mut self, store: Store, timer: Option<TimerKey>) {
        let has_arrived = false;
        self.begin_next(State::Storing { store, has_arrived }, timer);
    }

    /// All the content of this file has come.
    pub fn has_arrived(&mut self, store: Store) {
        if let Some(place) = self.place_of_store(store) {
            let has_arrived = true;
            self.effects[place].state = State::Storing { store, has_arrived };
        }
    }

    /// Where the effect stands that writes this file; none where nobody waits for it any more.
    pub fn place_of_store(&self, of: Store) -> Option<usize> {
        let is_it =
            |effect: &Effect| matches!(effect.state, State::Storing { store, .. } if store == of);
        self.effects.iter().position(is_it)
    }

    /// The place of the effect that begins next.
    pub fn next_place(&self) -> usize {
        self.begun_count
    }

    /// Where the effect stands that takes the content.
    pub fn reading_place(&self) -> Option<usize> {
        let is_it = |effect: &Effect| matches!(effect.state, State::Reading);
        self.effects.iter().position(is_it)
    }

    /// The place of an effect that is waited for: that which takes the content, before others; for it
    /// is the client that has it in hand.
    pub fn awaited_place(&self) -> usize {
        let first = || self.effects.iter().position(|effect| !effect.has_ended());
        self.reading_place().or_else(first).unwrap_or_default()
    }

    /// The next effect was refused.
    pub fn is_refused(&mut self, failure: Failure) -> Verdict {
        let place = self.begun_count;
        self.begun_count += 1;
        self.fail(place, failure)
    }

    fn begin_next(&mut self, state: State, timer: Option<TimerKey>) {
        self.effects[self.begun_count] = Effect { state, timer };
        self.begun_count += 1;
    }

    /// Where the effect with this job stands; none where nobody waits for it any more.
    pub fn place_of(&self, resource: usize, job: JobHandle) -> Option<usize> {
        let is_it = |state: &State| matches!(state, State::AtWorker { resource: at, job: known } if (*at, *known) == (resource, job));
        self.effects.iter().position(|effect| is_it(&effect.state))
    }

    /// The timer of this effect has come: since when it ran, where it was a timer effect's.
    pub fn on_timer(&mut self, place: usize) -> Option<TimerOf> {
        let effect = self.effects.get_mut(place)?;
        effect.timer = None;
        match effect.state {
            State::OnWheel { since } => Some(TimerOf::Timer { since }),
            State::Reading => {
                effect.state = State::LetGo;
                Some(TimerOf::Content)
            }
            State::Storing { store, .. } => {
                effect.state = State::LetGo;
                Some(TimerOf::Store(store))
            }
            State::AtWorker { resource, job } => {
                effect.state = State::LetGo;
                self.left_count += 1;
                Some(TimerOf::Job { resource, job })
            }
            _ => None,
        }
    }

    /// The effect has succeeded.
    pub fn succeed(&mut self, place: usize, given: Given) -> Verdict {
        self.effects[place].state = State::Given(given);
        self.join.complete(place, true)
    }

    /// The effect has failed.
    pub fn fail(&mut self, place: usize, failure: Failure) -> Verdict {
        let is_mistake = failure.is_mistake();
        self.effects[place].state = State::Failed(failure);
        match self.join.complete(place, false) {
            _ if is_mistake => {
                self.failed = Some(place);
                Verdict::Fail(place)
            }
            Verdict::Fail(_) if self.is_optional => Verdict::Resume,
            Verdict::Fail(failed) => {
                self.failed = Some(failed);
                Verdict::Fail(failed)
            }
            verdict => verdict,
        }
    }

    /// The deadline's timer; none where there is none, or it has come.
    pub fn set_timer(&mut self, timer: Option<TimerKey>) {
        self.timer = timer;
    }

    /// Stops the timer of an effect that has completed.
    pub fn stop_timer(&mut self, place: usize, timers: &mut Wheel<TimerItem>) {
        if let Some(timer) = self.effects[place].timer.take() {
            timers.cancel(timer);
        }
    }

    /// Lets go of what is still under way, and tells the places: jobs are stopped as soon as may be and
    /// counted until they are back; no timer is left. Whether the content was being taken.
    pub fn let_go<B: Backend>(
        &mut self,
        performers: &mut [Performer<B>],
        timers: &mut Wheel<TimerItem>,
        mut tell: impl FnMut(usize),
    ) -> bool {
        let mut was_reading = false;
        if let Some(timer) = self.timer.take() {
            timers.cancel(timer);
        }
        for place in 0..self.begun_count {
            self.stop_timer(place, timers);
            let effect = &mut self.effects[place];
            match effect.state {
                State::AtWorker { resource, job } => {
                    performers[resource].database().cancel(job);
                    self.left_count += 1;
                }
                State::OnWheel { .. } => {}
                State::Reading => was_reading = true,
                State::Storing { store, .. } => {
                    performers[store.resource].directory().abandon(store.upload);
                    was_reading = true;
                }
                _ => continue,
            }
            effect.state = State::LetGo;
            tell(place);
        }
        was_reading
    }

    /// The failure that is the request's, if the need has failed.
    pub fn take_failure(&mut self) -> Option<Failure> {
        let effect = &mut self.effects[self.failed.take()?];
        match std::mem::replace(&mut effect.state, State::LetGo) {
            State::Failed(failure) => Some(failure),
            _ => unreachable!("the effect that failed the need has failed"),
        }
    }

    /// What the effects gave, in their order. Names the lender of each buffer.
    pub fn take_results<'u>(
        &'u mut self,
        lenders: &'u mut Vec<u16>,
    ) -> impl Iterator<Item = Option<EffectResult>> + 'u {
        self.effects.iter_mut().map(|effect| {
            let Given { result, lender } = effect.take()?;
            lenders.extend(lender);
            Some(result)
        })
    }

    /// Gives back what nobody will take: the request has ended.
    pub fn discard(&mut self, mut recycle: impl FnMut(u16, ResultBuffer)) {
        for effect in &mut self.effects {
            let Some(Given { result, lender }) = effect.take() else {
                continue;
            };
            if let (Some(lender), Some(buffer)) = (lender, result.into_buffer()) {
                recycle(lender, buffer);
            }
        }
        self.effects.clear();
        self.begun_count = 0;
    }

    /// A job that nobody waited for is back.
    pub fn note_left_back(&mut self) {
        self.left_count -= 1;
    }

    /// How many jobs are still at their workers while nobody waits for them.
    pub fn left_count(&self) -> usize {
        self.left_count
    }

    /// Whether the shard itself or the client will end its wait: a timer effect, or content.
    pub fn waits_for_nobody(&self) -> bool {
        let mut effects = self.effects.iter();
        effects.any(|effect| match effect.state {
            State::OnWheel { .. } | State::Reading => true,
            State::Storing { has_arrived, .. } => !has_arrived,
            _ => false,
        })
    }
}

/// Whose timer has come.
pub(super) enum TimerOf {
    /// A timer effect's.
    Timer { since: Nanos },
    /// A job's, which has taken its time and is let go.
    Job { resource: usize, job: JobHandle },
    /// That of an effect which takes the content, and is let go.
    Content,
    /// That of an effect which writes it into a file, and is let go.
    Store(Store),
}

impl Effect {
    fn has_ended(&self) -> bool {
        matches!(
            self.state,
            State::Given(_) | State::Failed(_) | State::LetGo
        )
    }

    fn take(&mut self) -> Option<Given> {
        match std::mem::replace(&mut self.state, State::LetGo) {
            State::Given(given) => Some(given),
            other => {
                self.state = other;
                None
            }
        }
    }
}

/// Room for so many effects before a request's list of them grows; it keeps what it has grown to.
const EFFECTS_KEPT: usize = 4;
