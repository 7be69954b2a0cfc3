//! The other end of one connection, and which response belongs to which of its requests.

use crate::testing::response::Response;
use crate::testing::simulation::{ClientEnd, SimClient};
use crate::testing::timeline::RequestTimeline;

/// The other end of one connection, and what came of its requests.
pub(crate) struct Peer {
    sim: SimClient,
    asked: Vec<Asked>,
    /// What the shard calls its requests, in the order of their replies.
    request_ids: Vec<u64>,
    /// How many of these have got their response.
    matched_ids_count: usize,
    /// Responses in their order, and behind each whether its timeline is settled.
    responses: Vec<(Response, Matched)>,
    unread: Vec<u8>,
    has_finished: bool,
    has_disconnected: bool,
    fault: Option<String>,
}

struct Asked {
    words: String,
    is_to_head: bool,
    ends_connection: bool,
}

/// Which of a peer's request numbers belongs to a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matched {
    NotYet,
    To(u64),
    ToNone,
}

impl Peer {
    pub fn new(sim: SimClient) -> Peer {
        Peer {
            sim,
            asked: Vec::new(),
            request_ids: Vec::new(),
            matched_ids_count: 0,
            responses: Vec::new(),
            unread: Vec::new(),
            has_finished: false,
            has_disconnected: false,
            fault: None,
        }
    }

    pub fn sim(&self) -> &SimClient {
        &self.sim
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.sim.send(bytes);
    }

    /// Sends a request; its place among the client's.
    pub fn ask(
        &mut self,
        bytes: &[u8],
        words: String,
        is_to_head: bool,
        ends_connection: bool,
    ) -> usize {
        self.asked.push(Asked {
            words,
            is_to_head,
            ends_connection,
        });
        self.sim.send(bytes);
        self.asked.len() - 1
    }

    /// The place of the next response that answers bytes instead of a request.
    pub fn expect_one(&mut self) -> usize {
        self.asked.push(Asked {
            words: "what was sent".to_owned(),
            is_to_head: false,
            ends_connection: false,
        });
        self.asked.len() - 1
    }

    pub fn disconnect(&mut self) {
        self.has_disconnected = true;
        self.sim.reset();
    }

    pub fn finish(&mut self) {
        if !self.has_finished && !self.has_disconnected {
            self.has_finished = true;
            self.sim.finish();
        }
    }

    pub fn wind_down(&mut self) {
        self.sim.read_again();
        self.finish();
    }

    pub fn is_over(&self) -> bool {
        self.has_disconnected || self.sim.end().is_some()
    }

    /// The shard has a request of this client, perhaps a new one.
    pub fn note_request(&mut self, request_id: u64) {
        if !self.request_ids.contains(&request_id) {
            self.request_ids.push(request_id);
        }
    }

    /// Takes in what has come.
    pub fn read(&mut self) {
        if self.sim.read_bytes() == 0 || self.fault.is_some() {
            return;
        }
        self.unread.extend(self.sim.take_read());
        loop {
            let asked = self.asked.get(self.responses.len());
            let is_to_head = asked.is_some_and(|asked| asked.is_to_head);
            match Response::read(&self.unread, is_to_head) {
                Ok(None) => return,
                Ok(Some((response, len))) => {
                    self.unread.drain(..len);
                    if asked.is_some_and(|asked| asked.ends_connection) {
                        self.finish();
                    }
                    self.responses.push((response, Matched::NotYet));
                }
                Err(wrong) => {
                    self.fault = Some(format!("what came is no response: {wrong}"));
                    return;
                }
            }
        }
    }

    /// The status of the first response without its timeline, and the number of the request that it
    /// would belong to.
    pub fn unmatched(&self) -> Option<(u16, Option<u64>)> {
        let mut responses = self.responses.iter();
        let (response, _) = responses.find(|(_, matched)| *matched == Matched::NotYet)?;
        let id = self.request_ids.get(self.matched_ids_count).copied();
        Some((response.status().code(), id))
    }

    /// Settles the timeline of that response.
    pub fn match_next(&mut self, timeline: Option<RequestTimeline>) {
        let mut responses = self.responses.iter_mut();
        let Some((response, matched)) = responses.find(|(_, matched)| *matched == Matched::NotYet)
        else {
            return;
        };
        *matched = match &timeline {
            Some(timeline) => Matched::To(timeline.record().request_id),
            None => Matched::ToNone,
        };
        self.matched_ids_count += usize::from(timeline.is_some());
        response.timeline = timeline;
    }

    pub fn awaited(&self, place: usize) -> Awaited {
        match self.responses.get(place) {
            Some((response, matched)) if *matched != Matched::NotYet => {
                return Awaited::Response(response.clone());
            }
            Some(_) => return Awaited::Nothing,
            None => {}
        }
        if let Some(fault) = &self.fault {
            return Awaited::Never(fault.clone());
        }
        if self.has_disconnected {
            return Awaited::Never("its client has disconnected".to_owned());
        }
        match self.sim.end() {
            None => Awaited::Nothing,
            Some(ClientEnd::Finished) => {
                Awaited::Never("the server closed the connection".to_owned())
            }
            Some(ClientEnd::Reset) => Awaited::Never("the connection was reset".to_owned()),
        }
    }

    pub fn words(&self, place: usize) -> &str {
        self.asked
            .get(place)
            .map_or("a request", |asked| &asked.words)
    }

    /// What the shard calls the request at this place.
    pub fn request_id(&self, place: usize) -> Option<u64> {
        match self.responses.get(place) {
            Some((_, Matched::To(id))) => Some(*id),
            Some((_, Matched::ToNone)) => None,
            _ => {
                let settled = self.responses.iter();
                let settled = settled.filter(|(_, matched)| *matched != Matched::NotYet);
                let ahead = place.checked_sub(settled.count())?;
                self.request_ids
                    .get(self.matched_ids_count + ahead)
                    .copied()
            }
        }
    }

    /// What the client asked that the shard calls so.
    pub fn words_of(&self, request_id: u64) -> &str {
        let places = 0..self.asked.len();
        let mut named = places.filter(|place| self.request_id(*place) == Some(request_id));
        named.next().map_or("a request", |place| self.words(place))
    }
}

/// What there is of a response that somebody waits for.
pub(crate) enum Awaited {
    Response(Response),
    /// Not yet.
    Nothing,
    /// It will not come; why.
    Never(String),
}
