//! The closed loop: each connection sends a batch and sends the next one when the whole batch is
//! answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::expect::{Exchange, Expectation};
use crate::client::link::{Link, Received};
use crate::client::poller::{Poller, Ready};
use crate::client::{Latency, Totals, latency_histogram};
use crate::failure::{During, Failure};

/// A server that answers nothing for so long hangs.
const STALL_MAX: Duration = Duration::from_secs(10);

/// What to load, how, and for how long.
#[derive(Debug, Clone)]
pub struct Plan<'e> {
    /// The server.
    pub addr: SocketAddr,
    /// Keep-alive connections, all opened before the first request.
    pub connections: usize,
    /// Requests in a batch (pipelining depth); 1 is plain keep-alive.
    pub depth: usize,
    /// What is asked, in turn; connections start at different ones.
    pub exchanges: &'e [Exchange],
    /// When to end.
    pub until: Until,
}

/// When a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After this time; batches under way are left unanswered and not counted.
    Elapsed(Duration),
    /// After so many answers at least: each connection ends at the end of its batch.
    Answered(u64),
    /// When the server has closed every connection, each at the end of an answer.
    Closed,
}

/// What came of a run in which every answer was right.
#[derive(Debug, Clone)]
pub struct Report {
    /// Answers, each checked.
    pub answered_count: u64,
    /// Answers equal to the first one to their request, byte for byte, `Date` aside.
    pub equal_count: u64,
    /// Requests that the server left unanswered when it closed; 0 unless the run was until closed.
    pub unanswered_count: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// From the sending of a batch to each of its answers, in nanoseconds.
    pub latency: Histogram<u64>,
}

impl Report {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.answered_count as f64 / self.elapsed.as_secs_f64()
    }

    /// A percentile of the latency in microseconds; `quantile` is 0.99 for the 99th.
    pub fn latency_us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }

    /// The report in short.
    pub fn totals(&self) -> Totals {
        let latency = Latency {
            p50_us: self.latency_us(0.5),
            p99_us: self.latency_us(0.99),
        };
        Totals {
            answered_count: self.answered_count,
            rate: self.rate(),
            latency: Some(latency),
        }
    }
}

/// Runs `plan` on this thread.
///
/// *Panics*: where the plan has no connection, no exchange, or a depth of 0.
///
/// *Errors*: the first wrong answer, unexpected close or stall; a client that has seen one has
/// nothing to report.
pub fn run(plan: &Plan<'_>) -> Result<Report, Failure> {
    assert!(
        plan.connections > 0 && plan.depth > 0 && !plan.exchanges.is_empty(),
        "a plan that asks nothing"
    );
    let mut poller = Poller::new().during(|| "create an epoll".to_owned())?;
    let mut client = Client::connect(plan, &poller)?;
    client.start()?;
    let mut last_progress = (0, Instant::now());
    while client.open_count > 0 && !client.is_over() {
        let changes = poller
            .wait(Duration::from_millis(100))
            .during(|| "wait for answers".to_owned())?;
        for ready in changes {
            client.turn(ready)?;
        }
        if client.answered_count != last_progress.0 {
            last_progress = (client.answered_count, client.now);
        } else if last_progress.1.elapsed() > STALL_MAX {
            let owed = client.talks.iter().map(|talk| talk.owed).sum();
            return Err(Failure::Stalled {
                seconds: STALL_MAX.as_secs(),
                owed,
            });
        }
    }
    Ok(client.report())
}

struct Client<'e> {
    until: Until,
    depth: usize,
    /// One batch of requests for each exchange that it may begin with.
    batches: Vec<Vec<u8>>,
    expectations: Vec<Expectation<'e>>,
    talks: Vec<Talk>,
    open_count: usize,
    answered_count: u64,
    unanswered_count: u64,
    latency: Histogram<u64>,
    started_at: Instant,
    now: Instant,
}

/// One connection's place in the talk.
struct Talk {
    link: Link,
    /// Which batch is under way, and how much of it is sent.
    batch: usize,
    sent_bytes: usize,
    sent_at: Instant,
    /// Answers still owed for it.
    owed: usize,
    /// Which exchange the next answer belongs to.
    next: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Talking,
    /// The server said `Connection: close`, or the run has its answers.
    Finished,
    Closed,
}

impl<'e> Client<'e> {
    fn connect(plan: &Plan<'e>, poller: &Poller) -> Result<Client<'e>, Failure> {
        let started_at = Instant::now();
        let talks = (0..plan.connections)
            .map(|key| {
                let link = Link::connect(plan.addr, poller, key).during(|| {
                    format!("connection {key} of {} to {}", plan.connections, plan.addr)
                })?;
                let batch = key % plan.exchanges.len();
                Ok(Talk {
                    link,
                    batch,
                    sent_bytes: 0,
                    sent_at: started_at,
                    owed: 0,
                    next: batch,
                    state: State::Talking,
                })
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        Ok(Client {
            until: plan.until,
            depth: plan.depth,
            batches: batches(plan.exchanges, plan.depth),
            expectations: plan.exchanges.iter().map(Expectation::of).collect(),
            open_count: talks.len(),
            talks,
            answered_count: 0,
            unanswered_count: 0,
            latency: latency_histogram(),
            started_at,
            now: started_at,
        })
    }

    fn start(&mut self) -> Result<(), Failure> {
        self.started_at = Instant::now();
        self.now = self.started_at;
        (0..self.talks.len()).try_for_each(|key| self.ask(key))
    }

    fn is_over(&self) -> bool {
        match self.until {
            Until::Elapsed(duration) => self.started_at.elapsed() >= duration,
            Until::Answered(_) | Until::Closed => false,
        }
    }

    /// Sends the next batch.
    fn ask(&mut self, key: usize) -> Result<(), Failure> {
        let talk = &mut self.talks[key];
        talk.batch = talk.next;
        talk.sent_bytes = 0;
        talk.owed = self.depth;
        talk.sent_at = self.now;
        self.push(key)
    }

    /// Sends what is left of the batch.
    fn push(&mut self, key: usize) -> Result<(), Failure> {
        let talk = &mut self.talks[key];
        let bytes = &self.batches[talk.batch];
        if talk.sent_bytes == bytes.len() {
            return Ok(());
        }
        match talk.link.send(bytes, talk.sent_bytes) {
            Ok(sent_bytes) => talk.sent_bytes = sent_bytes,
            // The answers that came before the reset are still to be read; the end follows them.
            Err(_) if self.until == Until::Closed => talk.sent_bytes = bytes.len(),
            Err(error) => return Err(error).during(|| format!("send on connection {key}")),
        }
        Ok(())
    }

    /// One report of the poller: send on, read all, judge all.
    fn turn(&mut self, ready: Ready) -> Result<(), Failure> {
        let key = ready.key;
        if self.talks[key].state == State::Closed {
            return Ok(());
        }
        if self.talks[key].owed > 0 {
            self.push(key)?;
        }
        loop {
            let received = self.talks[key]
                .link
                .receive(ready.is_ending)
                .during(|| format!("receive on connection {key}"))?;
            self.now = Instant::now();
            self.judge(key)?;
            match received {
                Received::More => {}
                Received::Dry => return Ok(()),
                Received::Ended => return self.end(key),
            }
        }
    }

    fn judge(&mut self, key: usize) -> Result<(), Failure> {
        loop {
            let talk = &mut self.talks[key];
            let unread = talk.link.unread().len();
            if unread == 0 {
                return Ok(());
            }
            if talk.owed == 0 {
                return Err(Failure::Unasked {
                    connection: key,
                    unread,
                });
            }
            let expectation = &mut self.expectations[talk.next];
            let answer = match expectation.check(talk.link.unread()) {
                Ok(Some(answer)) => answer,
                Ok(None) => return Ok(()),
                Err(fault) => {
                    let path = expectation.exchange().path.clone();
                    return Err(Failure::Answer {
                        connection: key,
                        answer: self.answered_count,
                        path,
                        fault,
                    });
                }
            };
            talk.link.consume(answer.len_bytes);
            talk.owed -= 1;
            talk.next = (talk.next + 1) % self.expectations.len();
            let waited = self.now.saturating_duration_since(talk.sent_at);
            self.latency
                .saturating_record(waited.as_nanos().try_into().unwrap_or(u64::MAX));
            self.answered_count += 1;
            if answer.close {
                talk.state = State::Finished;
            } else if talk.owed == 0 && talk.state == State::Talking {
                // Bytes beyond the last answer are judged before the next batch could lay claim to
                // them.
                let unread = talk.link.unread().len();
                if unread > 0 {
                    return Err(Failure::Unasked {
                        connection: key,
                        unread,
                    });
                }
                if matches!(self.until, Until::Answered(enough) if self.answered_count >= enough) {
                    talk.state = State::Closed;
                    self.open_count -= 1;
                } else {
                    self.ask(key)?;
                }
            }
        }
    }

    /// The server closed the connection: right only where the run awaits it, and only between two
    /// answers.
    fn end(&mut self, key: usize) -> Result<(), Failure> {
        let talk = &mut self.talks[key];
        let unread = talk.link.unread().len();
        if self.until != Until::Closed || unread > 0 {
            return Err(Failure::Closed {
                connection: key,
                owed: talk.owed,
                unread,
            });
        }
        self.unanswered_count += talk.owed as u64;
        talk.owed = 0;
        talk.state = State::Closed;
        self.open_count -= 1;
        Ok(())
    }

    fn report(self) -> Report {
        Report {
            answered_count: self.answered_count,
            equal_count: self
                .expectations
                .iter()
                .map(|expectation| expectation.equal_count)
                .sum(),
            unanswered_count: self.unanswered_count,
            elapsed: self.now - self.started_at,
            latency: self.latency,
        }
    }
}

/// The requests of a batch for each exchange that it may begin with.
fn batches(exchanges: &[Exchange], depth: usize) -> Vec<Vec<u8>> {
    let batch = |first: usize| {
        exchanges
            .iter()
            .cycle()
            .skip(first)
            .take(depth)
            .flat_map(|exchange| exchange.request.iter().copied())
            .collect()
    };
    (0..exchanges.len()).map(batch).collect()
}
