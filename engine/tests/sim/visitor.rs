//! A client with a character: what it sends, how, and whether it got what it was owed.

use std::collections::BTreeMap;
use std::ops::Range;

use cutaway::testing::simulation::{ClientEnd, SimClient, Stream};
use cutaway_scheduler::Nanos;

use crate::reply::Reply;
use crate::request::{Author, Expected, Taking};

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Character {
    /// Sends requests, reads replies, stays or goes.
    Usual,
    /// Sends byte by byte.
    Dripping,
    /// Stops in the middle of a request and waits.
    Stalling,
    /// Says nothing.
    Mute,
    /// Stops reading its replies, perhaps for good.
    Deaf,
    /// Sends FIN behind its last request and reads on.
    HalfClosing,
    /// Sends FIN in the middle of a request.
    GivingUp,
    /// Resets the connection at some moment.
    Resetting,
}

impl Character {
    fn draw(choices: &mut Stream) -> Character {
        match choices.below(100) {
            0..=49 => Character::Usual,
            50..=61 => Character::Dripping,
            62..=67 => Character::Stalling,
            68..=72 => Character::Mute,
            73..=80 => Character::Deaf,
            81..=88 => Character::HalfClosing,
            89..=92 => Character::GivingUp,
            _ => Character::Resetting,
        }
    }
}

/// A client, what it has asked and what it was answered.
pub struct Visitor {
    client: SimClient,
    character: Character,
    /// What it means to send and has not.
    outgoing: Vec<u8>,
    /// How many bytes it has meant to send, and how many it has sent.
    meant_bytes: usize,
    sent_bytes: usize,
    /// Up to which byte it had sent at which moment.
    sent_at: Vec<(usize, Nanos)>,
    /// Its requests in their order.
    asked: Vec<Asked>,
    answered_count: usize,
    /// What it has read and not understood yet.
    unread: Vec<u8>,
    /// A reply was the connection's last.
    has_last_reply: bool,
    /// Content that may follow the last reply: what was never read as a HEAD is not answered as one.
    content_in_doubt: usize,
    /// What it asks from now on is in vain: it has asked for the end.
    has_asked_for_end: bool,
    requests_left: usize,
    has_finished: bool,
    has_reset: bool,
    is_deaf: bool,
    was_deaf: bool,
    accepted_at: Option<Nanos>,
    ended_at: Option<Nanos>,
}

struct Asked {
    place: Range<usize>,
    expected: Expected,
}

/// What a client may be answered besides what it asked for.
#[derive(Clone, Copy, Debug)]
pub struct House {
    pub now: Nanos,
    /// Since when no new request is taken in.
    pub drain_since: Option<Nanos>,
    /// From when on what is left is cut off.
    pub cut_off_at: Option<Nanos>,
    /// Nobody misbehaves and no fault strikes: every reply is the expected one.
    pub is_decent: bool,
}

impl Visitor {
    pub fn new(client: SimClient, choices: &mut Stream, is_decent: bool) -> Visitor {
        let drawn = Character::draw(choices);
        Visitor {
            client,
            character: if is_decent { Character::Usual } else { drawn },
            outgoing: Vec::new(),
            meant_bytes: 0,
            sent_bytes: 0,
            sent_at: Vec::new(),
            asked: Vec::new(),
            answered_count: 0,
            unread: Vec::new(),
            has_last_reply: false,
            content_in_doubt: 0,
            has_asked_for_end: false,
            requests_left: choices.within(1, 40),
            has_finished: false,
            has_reset: false,
            is_deaf: false,
            was_deaf: false,
            accepted_at: None,
            ended_at: None,
        }
    }

    /// Whether the connection is over as far as the client can see.
    pub fn is_over(&self) -> bool {
        self.ended_at.is_some() || self.has_reset
    }

    /// Does one thing, or nothing.
    pub fn act(&mut self, choices: &mut Stream, house: &House) {
        if self.is_over() || self.has_finished {
            return;
        }
        self.ask(choices, house.is_decent);
        match self.character {
            Character::Mute => {}
            Character::Dripping => {
                let len = choices.within(1, 9).min(self.outgoing.len());
                self.send(len, house.now);
            }
            Character::Stalling if self.asked.len() > 2 => {
                // The last request stays in the middle.
                let keep = choices.within(1, 30).min(self.outgoing.len());
                self.send(self.outgoing.len() - keep, house.now);
                self.requests_left = 0;
                self.character = Character::Mute;
            }
            Character::GivingUp if self.asked.len() > 1 => {
                let keep = choices.within(1, 30).min(self.outgoing.len());
                self.send(self.outgoing.len() - keep, house.now);
                self.finish();
            }
            Character::Resetting if choices.per_mille(100) => {
                self.send(self.outgoing.len(), house.now);
                self.client.reset();
                self.has_reset = true;
            }
            Character::Deaf => {
                self.send(self.outgoing.len(), house.now);
                if self.is_deaf && choices.per_mille(60) {
                    self.client.read_again();
                    self.is_deaf = false;
                } else if !self.is_deaf && choices.per_mille(300) {
                    self.client.stop_reading();
                    (self.is_deaf, self.was_deaf) = (true, true);
                }
            }
            _ => {
                let is_cut = choices.per_mille(200);
                let len = self.outgoing.len();
                self.send(if is_cut { choices.within(0, len) } else { len }, house.now);
                let is_done = self.requests_left == 0 && self.outgoing.is_empty();
                let finishes = match self.character {
                    Character::HalfClosing => is_done,
                    _ => is_done && self.has_all() && choices.per_mille(300),
                };
                if finishes {
                    self.finish();
                }
            }
        }
    }

    /// Adds requests to what it means to send: one, or several at once.
    fn ask(&mut self, choices: &mut Stream, is_decent: bool) {
        let may_ask = self.requests_left > 0 && self.outgoing.is_empty();
        // Most wait for their replies before they go on.
        if !may_ask || (!self.has_all() && choices.per_mille(800)) {
            return;
        }
        let burst = if choices.per_mille(350) {
            choices.within(2, 16)
        } else {
            1
        };
        for _ in 0..burst.min(self.requests_left) {
            self.requests_left -= 1;
            let request = Author { choices, is_decent }.request();
            self.outgoing.extend_from_slice(&request.bytes);
            let place = self.meant_bytes..self.meant_bytes + request.bytes.len();
            self.meant_bytes = place.end;
            if self.has_asked_for_end {
                // Asked in vain: nothing may be answered behind the last reply.
                self.requests_left = 0;
                return;
            }
            self.has_asked_for_end = request.expected.is_last;
            self.asked.push(Asked {
                place,
                expected: request.expected,
            });
        }
        if self.has_asked_for_end && choices.per_mille(700) {
            self.requests_left = 0;
        }
    }

    fn send(&mut self, len: usize, now: Nanos) {
        if len == 0 {
            return;
        }
        let rest = self.outgoing.split_off(len);
        self.client.send(&self.outgoing);
        self.outgoing = rest;
        self.sent_bytes += len;
        self.sent_at.push((self.sent_bytes, now));
    }

    fn finish(&mut self) {
        self.client.finish();
        self.has_finished = true;
    }

    /// The run is ending: whoever does not read does again, so that it can end.
    pub fn wind_down(&mut self) {
        self.client.read_again();
        self.is_deaf = false;
        self.requests_left = 0;
    }

    /// Whether every request was answered.
    fn has_all(&self) -> bool {
        self.answered_count == self.asked.len()
    }

    /// Reads what has come, and holds it against what was asked.
    ///
    /// # Errors
    /// In words, what the server did wrong.
    pub fn read(
        &mut self,
        choices: &mut Stream,
        house: &House,
        statuses: &mut BTreeMap<u16, u64>,
    ) -> Result<(), String> {
        if self.ended_at.is_some() {
            return Ok(());
        }
        if self.accepted_at.is_none() && self.client.is_accepted() {
            self.accepted_at = Some(house.now);
        }
        if self.client.read_bytes() > 0 {
            self.unread.extend(self.client.take_read());
            while !self.has_last_reply
                && let Some((reply, len)) = Reply::read(&self.unread, self.is_head_next())?
            {
                self.unread.drain(..len);
                if self.is_head_next() && matches!(reply.status, 408 | 503) {
                    self.content_in_doubt = reply.length;
                }
                *statuses.entry(reply.status).or_default() += 1;
                self.take(&reply, house)
                    .map_err(|wrong| self.told(&wrong))?;
            }
            // Nothing may stand behind the last reply.
            if self.has_last_reply && self.unread.len() > self.content_in_doubt {
                return Err(self.told("bytes behind the last reply"));
            }
        }
        if self.client.end().is_some() {
            self.ended_at = Some(house.now);
            // Most clients close in their turn; some never do.
            if !self.has_finished && !self.has_reset && choices.per_mille(700) {
                self.finish();
            }
        }
        Ok(())
    }

    fn is_head_next(&self) -> bool {
        self.asked
            .get(self.answered_count)
            .is_some_and(|asked| asked.expected.is_to_head)
    }

    fn take(&mut self, reply: &Reply, house: &House) -> Result<(), String> {
        self.has_last_reply = reply.is_last();
        // Beyond the limit of connections, a refusal comes unasked.
        let is_turned_away =
            reply.status == 503 && reply.is_last() && self.answered_count == 0 && !house.is_decent;
        let Some(asked) = self.asked.get_mut(self.answered_count) else {
            return if is_turned_away {
                Ok(())
            } else {
                Err(format!("an unasked {}", reply.status))
            };
        };
        if reply.is_interim() {
            let was_due = reply.status == 100 && asked.expected.may_be_asked_for;
            asked.expected.may_be_asked_for = false;
            return if was_due {
                Ok(())
            } else {
                Err(format!("an undue {}", reply.status))
            };
        }
        self.answered_count += 1;
        let asked = &self.asked[self.answered_count - 1];
        // Who is too slow is told so, or only that there is no room to say it in.
        let is_told_late = matches!(reply.status, 408 | 503) && reply.is_last();
        if is_turned_away || is_told_late && self.is_slow(asked, house.now) {
            return Ok(());
        }
        let is_whole = asked.place.end <= self.sent_bytes;
        let may_cut_short = asked.expected.may_cut_short(reply.status);
        if !is_whole && !may_cut_short {
            return Err(format!(
                "a {} to a request that was not sent whole",
                reply.status
            ));
        }
        let may_end = asked.expected.is_last || may_cut_short;
        if reply.is_last() && !may_end && house.drain_since.is_none() {
            return Err(format!(
                "a {} ends the connection for no reason",
                reply.status
            ));
        }
        if house.is_decent && reply.status != asked.expected.status {
            return Err(format!(
                "expected {}, got {}",
                asked.expected.status, reply.status
            ));
        }
        asked.expected.check(reply)
    }

    /// Whether the server may say that this request takes too long to arrive: it began long ago, and
    /// its end is missing or hardly there.
    fn is_slow(&self, asked: &Asked, now: Nanos) -> bool {
        // What was sent before the connection was accepted waited in the kernel.
        let accepted_at = self.accepted_at.unwrap_or(now);
        let since_sent = |byte: usize| {
            let sent = self.sent_at.iter().find(|(until, _)| *until > byte);
            sent.map(|(_, at)| now.since(accepted_at.max(*at)))
        };
        since_sent(asked.place.start).is_some_and(|began| began >= PATIENCE_MIN)
            && since_sent(asked.place.end - 1).is_none_or(|ended| ended < RACE_MAX)
    }

    /// Everything has ended: whether it got all it was owed.
    ///
    /// # Errors
    /// In words, what is missing.
    pub fn check(&self, house: &House) -> Result<(), String> {
        let Some(accepted_at) = self.accepted_at else {
            return Ok(());
        };
        let was_cut_off = match (house.cut_off_at, self.ended_at) {
            (Some(cut_off_at), Some(ended_at)) => ended_at >= cut_off_at,
            (Some(_), None) => true,
            (None, _) => false,
        };
        // What these lack is their own doing, the network's, or the drain's deadline's.
        if self.has_reset || self.client.is_struck() || self.was_deaf || was_cut_off {
            return Ok(());
        }
        let Some(ended_at) = self.ended_at else {
            return Err(self.told("the connection never ended"));
        };
        let is_whole = self.unread.is_empty()
            || self.has_last_reply && self.unread.len() == self.content_in_doubt;
        if !is_whole {
            return Err(self.told("the last reply is cut off"));
        }
        if self.has_last_reply {
            return Ok(());
        }
        let is_due = |asked: &&Asked| asked.place.end <= self.sent_bytes;
        let Some(lost) = self.asked.get(self.answered_count).filter(is_due) else {
            return Ok(());
        };
        // Nobody knew how much content of the request before it was still to come.
        let before = self.answered_count.checked_sub(1);
        if before.is_some_and(|before| self.asked[before].expected.taking == Taking::Never) {
            return Ok(());
        }
        // An idle connection may be closed while a request is on its way to it.
        let sent = self
            .sent_at
            .iter()
            .find(|(until, _)| *until >= lost.place.end);
        let is_race =
            sent.is_some_and(|(_, sent_at)| ended_at.since(accepted_at.max(*sent_at)) < RACE_MAX);
        if is_race && !house.is_decent {
            return Ok(());
        }
        Err(self.told("a request was lost"))
    }

    fn told(&self, wrong: &str) -> String {
        let end = match self.client.end() {
            None => "still there",
            Some(ClientEnd::Finished) => "closed in order",
            Some(ClientEnd::Reset) => "reset",
        };
        format!(
            "connection {} ({:?}): {wrong}; {} of {} requests are answered, {} of {} bytes sent, \
             unread \"{}\", {end}",
            self.client.connection(),
            self.character,
            self.answered_count,
            self.asked.len(),
            self.sent_bytes,
            self.meant_bytes,
            self.unread[..self.unread.len().min(200)].escape_ascii(),
        )
    }
}

/// The server's least patience with a request that is arriving.
pub const PATIENCE_MIN: Nanos = Nanos::from_millis(20);

/// How long before the end of a connection its client may have sent what the server never saw.
const RACE_MAX: Nanos = Nanos::from_millis(30);
