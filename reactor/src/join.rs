//! Joins: when a group of effects has come to its end, as one decision at each completion.
//!
//! Pure values: what performs the effects tells a [`JoinState`] what has completed, and does what its
//! [`Verdict`] says. Effects are named by their places in the group, and some are required.
//!
//! | join | succeeds | fails |
//! |---|---|---|
//! | [`All`](Join::All) | when all have completed | at once, with the first required failure |
//! | [`AllRequired`](Join::AllRequired) | when all required have succeeded | at once, with the first required failure |
//! | [`Any`](Join::Any) | with the first completion, a success or an optional failure | with the first completion, a required failure |
//! | [`FirstSuccess`](Join::FirstSuccess) | with the first success | at once, with a required failure; with the last failure, when nothing has succeeded |
//!
//! A group in which nothing is required has what `AllRequired` waits for before anything has begun,
//! and so has an empty group what `All` waits for. What completes after the end changes nothing.

/// When a group of effects has succeeded, and when it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Join {
    /// All of them count: optional ones may fail.
    All,
    /// The required ones count; the others have as long as these take.
    AllRequired,
    /// The first to complete decides.
    Any,
    /// The first to succeed decides.
    FirstSuccess,
}

/// What follows from a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Verdict {
    /// Nothing yet, or nothing any more.
    Wait,
    /// The group has succeeded. Whatever has not completed is of no use.
    Resume,
    /// The group has failed, as the effect at this place did. Whatever has not completed is of no
    /// use.
    Fail(usize),
}

/// How far a group of effects has come. Its end is told once.
///
/// # Bounds
/// [`EFFECTS_MAX`](JoinState::EFFECTS_MAX) effects.
///
/// # Complexity
/// Three words; every call is a few instructions.
///
/// ```
/// use cutaway_reactor::join::{Join, JoinState, Verdict};
///
/// let (mut join, verdict) = JoinState::begin(Join::FirstSuccess, [false, false]);
/// assert_eq!(verdict, Verdict::Wait);
/// assert_eq!(join.complete(1, false), Verdict::Wait);
/// assert_eq!(join.complete(0, true), Verdict::Resume);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinState {
    join: Join,
    /// The effects that have not completed, a bit for each place.
    outstanding: u64,
    required: u64,
    is_over: bool,
}

impl JoinState {
    /// How many effects a group may have: each is a bit.
    pub const EFFECTS_MAX: usize = u64::BITS as usize;

    /// A group of which nothing has completed; for each effect, whether it is required. It may be
    /// over before anything has begun.
    ///
    /// # Panics
    /// More effects than [`EFFECTS_MAX`](JoinState::EFFECTS_MAX), or a race
    /// ([`Any`](Join::Any), [`FirstSuccess`](Join::FirstSuccess)) without any: it would never end.
    pub fn begin(join: Join, is_required: impl IntoIterator<Item = bool>) -> (JoinState, Verdict) {
        let (mut outstanding, mut required) = (0, 0);
        for (place, is_required) in is_required.into_iter().enumerate() {
            assert!(
                place < JoinState::EFFECTS_MAX,
                "a group has at most 64 effects"
            );
            outstanding |= 1 << place;
            required |= u64::from(is_required) << place;
        }
        let is_over = match join {
            Join::All => outstanding == 0,
            Join::AllRequired => required == 0,
            Join::Any | Join::FirstSuccess => {
                assert!(outstanding != 0, "a race has effects");
                false
            }
        };
        let state = JoinState {
            join,
            outstanding,
            required,
            is_over,
        };
        let verdict = if is_over {
            Verdict::Resume
        } else {
            Verdict::Wait
        };
        (state, verdict)
    }

    /// The effect at this place has completed.
    ///
    /// # Panics
    /// In a debug build, where there is no such effect or it has completed before.
    pub fn complete(&mut self, place: usize, has_succeeded: bool) -> Verdict {
        let effect = 1_u64.unbounded_shl(place as u32);
        debug_assert!(
            self.outstanding & effect != 0,
            "an effect of the group completes once"
        );
        self.outstanding &= !effect;
        if self.is_over {
            return Verdict::Wait;
        }
        let verdict = self.judge(place, has_succeeded, self.required & effect != 0);
        self.is_over = verdict != Verdict::Wait;
        verdict
    }

    fn judge(&self, place: usize, has_succeeded: bool, is_required: bool) -> Verdict {
        if !has_succeeded && is_required {
            return Verdict::Fail(place);
        }
        match self.join {
            Join::All if self.outstanding == 0 => Verdict::Resume,
            Join::AllRequired if self.outstanding & self.required == 0 => Verdict::Resume,
            Join::All | Join::AllRequired => Verdict::Wait,
            Join::Any => Verdict::Resume,
            Join::FirstSuccess if has_succeeded => Verdict::Resume,
            Join::FirstSuccess if self.outstanding == 0 => Verdict::Fail(place),
            Join::FirstSuccess => Verdict::Wait,
        }
    }

    /// Whether the group has come to its end.
    pub fn is_over(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests;
