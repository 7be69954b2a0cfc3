//! Timers: effects that only take their time.

use std::time::Duration;

use cutaway_scheduler::Nanos;

use super::ask::{Ask, Effect};
use super::decode::{Answer, Decode, Undecoded};
use super::record::{EffectRecord, Operation};
use super::shape::Shape;
use crate::ctx::{Arena, Slot, Value};

/// An effect that has completed when so much time has passed: `cx.timer(20.millis())`.
///
/// It needs no resource. It may stand in `cx.need` with or without a slot.
///
/// # Units
/// It completes at the first turn of the shard that begins at its moment or later: within a
/// millisecond, unless steps hold the shard up.
#[must_use = "an effect is performed only when it is returned with `cx.need`"]
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    length: Nanos,
}

impl Timer {
    pub(crate) fn after(length: Duration) -> Timer {
        Timer {
            length: length.into(),
        }
    }

    /// The slot that takes how long it was: a slot of type [`Elapsed`], in the step's `Writes`.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// slot!(pub Waited: Elapsed);
    ///
    /// fn wait(cx: &mut Cx<Writes<Waited>>) -> Step {
    ///     cx.need(cx.timer(20.millis()).into(Waited))
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(wait).decision(), Ok(Decision::Need));
    /// ```
    pub fn into<'r, S: Slot>(self, _slot: S) -> Effect<'r, S>
    where
        Value<'r, S>: Decode<'r, Lapse>,
    {
        Effect::of(self)
    }
}

impl<'r> Ask<'r> for Timer {
    type Shape = Lapse;

    fn record(self) -> EffectRecord<'r> {
        EffectRecord::new(
            None,
            Operation::Timer {
                length: self.length,
            },
        )
    }
}

/// The result of a timer.
#[derive(Debug)]
pub struct Lapse;

impl Shape for Lapse {}

/// How long a timer was: the value of a slot that it fills.
///
/// Never shorter than the timer was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elapsed(Nanos);

impl Elapsed {
    /// As a length of time.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// slot!(pub Waited: Elapsed);
    ///
    /// fn wait(cx: &mut Cx<Writes<Waited>>) -> Step {
    ///     cx.need(cx.timer(20.millis()).into(Waited))
    /// }
    ///
    /// fn tell(cx: &mut Cx<Reads<Waited>>) -> Step {
    ///     assert_eq!(cx.get(Waited).length(), 20.millis());
    ///     cx.empty()
    /// }
    ///
    /// let routes = Routes::new().get("/", chain(wait).then(tell)).build()?;
    /// cutaway::testing::App::new(routes).get("/").send().assert_status(Status::NO_CONTENT);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn length(self) -> Duration {
        self.0.into()
    }
}

impl<'r> Decode<'r, Lapse> for Elapsed {
    fn decode(answer: Answer<'r>, _: &'r Arena) -> Result<Self, Undecoded> {
        Ok(Elapsed(answer.elapsed))
    }
}
