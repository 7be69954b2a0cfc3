//! The open loop: requests leave when the schedule says so, and latency counts from that moment.
//!
//! A closed loop waits for a stalled server and so asks it less, just when its users would suffer
//! most (coordinated omission). Here a request whose moment has come while every connection is busy
//! waits in line, and its wait counts.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::expect::{Exchange, Expectation};
use crate::client::latency_histogram;
use crate::client::link::{Link, Received};
use crate::client::poller::{Poller, Ready};
use crate::failure::{During, Failure};

/// The client sleeps until this long before the next moment and polls from there on: a timer wakes
/// up to 50 µs late (prctl(2), PR_SET_TIMERSLACK), and a late request is the client's fault, not
/// the server's.
const SPIN: Duration = Duration::from_micros(150);

/// Several streams of requests against one server.
#[derive(Debug, Clone)]
pub struct OpenPlan<'e> {
    /// The server.
    pub addr: SocketAddr,
    /// The streams, each with its own connections.
    pub streams: Vec<Stream<'e>>,
    /// How long requests are sent.
    pub duration: Duration,
    /// How long answers are awaited after the last moment of the schedule.
    pub grace: Duration,
}

/// Requests of one kind at even intervals.
#[derive(Debug, Clone)]
pub struct Stream<'e> {
    /// The stream's name in messages and tables.
    pub name: String,
    /// What is asked.
    pub exchange: &'e Exchange,
    /// Connections that share the work; each has one request under way.
    pub connections: usize,
    /// From one request's moment to the next one's.
    pub interval: Duration,
}

/// What came of one stream.
#[derive(Debug, Clone)]
pub struct StreamReport {
    /// The stream's name.
    pub name: String,
    /// Moments of the schedule.
    pub due_count: u64,
    /// Correct answers.
    pub answered_count: u64,
    /// From the intended moment to the answer, in nanoseconds.
    pub latency: Histogram<u64>,
}

impl StreamReport {
    /// Requests that had no answer when the grace ended; a percentile without them would flatter
    /// the server.
    pub fn unanswered_count(&self) -> u64 {
        self.due_count - self.answered_count
    }
}

/// Runs `plan` on this thread.
///
/// *Panics*: where a stream has no connection or no interval.
///
/// *Errors*: the first wrong answer or unexpected close.
pub fn run(plan: &OpenPlan<'_>) -> Result<Vec<StreamReport>, Failure> {
    let mut poller = Poller::new().during(|| "create an epoll".to_owned())?;
    let mut client = Client::connect(plan, &poller)?;
    let last_at = client.started_at + plan.duration + plan.grace;
    loop {
        let now = Instant::now();
        let next_at = client.send_due(now)?;
        if next_at.is_none() && client.is_settled() || now >= last_at {
            return Ok(client.report());
        }
        let patience = next_at
            .unwrap_or(last_at)
            .saturating_duration_since(now)
            .saturating_sub(SPIN);
        let changes = poller
            .wait(patience)
            .during(|| "wait for answers".to_owned())?;
        for ready in changes {
            client.turn(ready)?;
        }
    }
}

struct Client<'e> {
    started_at: Instant,
    duration: Duration,
    lanes: Vec<Lane<'e>>,
    calls: Vec<Call>,
}

/// One stream under way.
struct Lane<'e> {
    name: String,
    expectation: Expectation<'e>,
    interval: Duration,
    due_count: u64,
    /// Intended moments of requests that found no idle connection.
    waiting: VecDeque<Instant>,
    /// Connections without a request; the one idle longest is next, so that all of them work.
    idle: VecDeque<usize>,
    answered_count: u64,
    latency: Histogram<u64>,
}

/// One connection with at most one request under way.
struct Call {
    link: Link,
    lane: usize,
    intended_at: Option<Instant>,
    sent_bytes: usize,
}

impl<'e> Client<'e> {
    fn connect(plan: &OpenPlan<'e>, poller: &Poller) -> Result<Client<'e>, Failure> {
        let mut calls = Vec::new();
        let mut lanes = Vec::new();
        for (lane, stream) in plan.streams.iter().enumerate() {
            assert!(
                stream.connections > 0 && !stream.interval.is_zero(),
                "a stream that asks nothing or everything"
            );
            let first = calls.len();
            for key in first..first + stream.connections {
                let link = Link::connect(plan.addr, poller, key)
                    .during(|| format!("connection {key} to {}", plan.addr))?;
                calls.push(Call {
                    link,
                    lane,
                    intended_at: None,
                    sent_bytes: 0,
                });
            }
            lanes.push(Lane {
                name: stream.name.clone(),
                expectation: Expectation::of(stream.exchange),
                interval: stream.interval,
                due_count: 0,
                waiting: VecDeque::new(),
                idle: (first..calls.len()).collect(),
                answered_count: 0,
                latency: latency_histogram(),
            });
        }
        Ok(Client {
            started_at: Instant::now(),
            duration: plan.duration,
            lanes,
            calls,
        })
    }

    /// Sends what is due; returns the next moment of the schedule.
    fn send_due(&mut self, now: Instant) -> Result<Option<Instant>, Failure> {
        let mut next_at: Option<Instant> = None;
        for lane in 0..self.lanes.len() {
            while let Some(intended_at) = self.lanes[lane].next_at(self.started_at, self.duration) {
                if intended_at > now {
                    next_at = Some(next_at.map_or(intended_at, |at| at.min(intended_at)));
                    break;
                }
                self.lanes[lane].due_count += 1;
                match self.lanes[lane].idle.pop_front() {
                    Some(key) => self.ask(key, intended_at)?,
                    None => self.lanes[lane].waiting.push_back(intended_at),
                }
            }
        }
        Ok(next_at)
    }

    fn is_settled(&self) -> bool {
        self.lanes
            .iter()
            .all(|lane| lane.answered_count == lane.due_count)
    }

    fn ask(&mut self, key: usize, intended_at: Instant) -> Result<(), Failure> {
        let call = &mut self.calls[key];
        call.intended_at = Some(intended_at);
        call.sent_bytes = 0;
        self.push(key)
    }

    fn push(&mut self, key: usize) -> Result<(), Failure> {
        let call = &mut self.calls[key];
        let request = &self.lanes[call.lane].expectation.exchange().request;
        call.sent_bytes = call
            .link
            .send(request, call.sent_bytes)
            .during(|| format!("send on connection {key}"))?;
        Ok(())
    }

    fn turn(&mut self, ready: Ready) -> Result<(), Failure> {
        let key = ready.key;
        if self.calls[key].intended_at.is_some() {
            self.push(key)?;
        }
        loop {
            let received = self.calls[key]
                .link
                .receive(ready.is_ending)
                .during(|| format!("receive on connection {key}"))?;
            self.judge(key, Instant::now())?;
            match received {
                Received::More => {}
                Received::Dry => return Ok(()),
                Received::Ended => {
                    let call = &self.calls[key];
                    let owed = usize::from(call.intended_at.is_some());
                    return Err(Failure::Closed {
                        connection: key,
                        owed,
                        unread: call.link.unread().len(),
                    });
                }
            }
        }
    }

    fn judge(&mut self, key: usize, now: Instant) -> Result<(), Failure> {
        let call = &mut self.calls[key];
        let lane = &mut self.lanes[call.lane];
        let unread = call.link.unread().len();
        if unread == 0 {
            return Ok(());
        }
        let Some(intended_at) = call.intended_at else {
            return Err(Failure::Unasked {
                connection: key,
                unread,
            });
        };
        let answer = match lane.expectation.check(call.link.unread()) {
            Ok(Some(answer)) => answer,
            Ok(None) => return Ok(()),
            Err(fault) => {
                let path = lane.expectation.exchange().path.clone();
                return Err(Failure::Answer {
                    connection: key,
                    answer: lane.answered_count,
                    path,
                    fault,
                });
            }
        };
        call.link.consume(answer.len_bytes);
        let unread = call.link.unread().len();
        if unread > 0 {
            return Err(Failure::Unasked {
                connection: key,
                unread,
            });
        }
        call.intended_at = None;
        lane.answered_count += 1;
        let waited = now.saturating_duration_since(intended_at);
        lane.latency
            .saturating_record(waited.as_nanos().try_into().unwrap_or(u64::MAX));
        match lane.waiting.pop_front() {
            Some(next) => self.ask(key, next),
            None => {
                lane.idle.push_back(key);
                Ok(())
            }
        }
    }

    fn report(self) -> Vec<StreamReport> {
        let report = |lane: Lane<'_>| StreamReport {
            name: lane.name,
            due_count: lane.due_count,
            answered_count: lane.answered_count,
            latency: lane.latency,
        };
        self.lanes.into_iter().map(report).collect()
    }
}

impl Lane<'_> {
    /// The next moment of the schedule, if it lies within the run.
    fn next_at(&self, started_at: Instant, duration: Duration) -> Option<Instant> {
        let offset = self.interval.mul_f64(self.due_count as f64);
        (offset < duration).then(|| started_at + offset)
    }
}

#[cfg(test)]
mod tests;
