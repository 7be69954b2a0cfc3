//! Content that goes into a file: from the effect's beginning over each of its jobs to its end.
//!
//! ```text
//! begin ──▶ opened ──▶ taken, piece by piece ──▶ all has come ──▶ named ──▶ completed
//!              │               │  ▲                    │
//!              │               ▼  │                    │
//!              │       not read: the disk is behind    │
//!              └───────────────────┴───────────────────┴──▶ failed
//! ```
//!
//! What is begun of a file is its directory's affair, and outlives the request where that ends early:
//! the shard only says that nobody wants it any more.

use cutaway_reactor::{Backend, Ticket, Verdict};
use cutaway_scheduler::Nanos;

use super::core::{Core, TimerItem};
use super::inflow::Sink;
use super::performer::Performer;
use super::request::Request;
use super::underway::Given;
use crate::effect::EffectResult;
use crate::effect::directory::{FileError, FileNews, FileReturned, UploadHandle};
use crate::step::{Fail, Failure};
use crate::timeline::MarkKind;

/// A file under way, and its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Store {
    pub resource: usize,
    pub upload: UploadHandle,
}

impl Store {
    /// Has the directory begin a file for that request.
    pub fn begin<B: Backend>(
        performers: &mut [Performer<B>],
        resource: usize,
        request: Ticket,
        name: &str,
        is_replacing: bool,
    ) -> Result<Store, Failure> {
        let directory = performers[resource].directory();
        match directory.try_begin(request, name, is_replacing) {
            Ok(upload) => Ok(Store { resource, upload }),
            Err(error) => Err(error.failure(name)),
        }
    }
}

impl<B: Backend> Core<B> {
    /// An effect writes its request's content into a file, or may not.
    pub(super) fn note_begun(
        &mut self,
        ticket: Ticket,
        begun: Result<Store, Failure>,
        ends_at: Option<Nanos>,
    ) -> Verdict {
        let now = self.reading;
        let Some(request) = self.requests.get_mut(ticket) else {
            return Verdict::Wait;
        };
        let which = request.underway.next_place() as u8;
        match begun {
            Ok(store) => {
                request.timeline.stamp(MarkKind::JobQueued, now, which, 0);
                let item = TimerItem::Effect(ticket, which);
                let timer = ends_at.map(|ends_at| self.timers.arm(ends_at, item));
                request.underway.is_storing(store, timer);
                Verdict::Wait
            }
            Err(failure) => {
                let is_for_room = failure.kind() == Fail::Unavailable;
                self.stats.refused_effect_count += u64::from(is_for_room);
                request.timeline.stamp(MarkKind::LetGo, now, which, 0);
                request.underway.is_refused(failure)
            }
        }
    }

    /// A job of a file has come back.
    pub(super) fn finish_file_job(&mut self, resource: usize, returned: &FileReturned) {
        let store = Store {
            resource,
            upload: returned.upload,
        };
        match returned.news {
            FileNews::Discarded { is_late } => self.stats.late_result_count += u64::from(is_late),
            FileNews::Opened => self.take_content_into(returned.request, store),
            FileNews::Written => self.note_room(returned.request),
            FileNews::Stored(stored) => {
                self.end_store(returned, store, Ok(EffectResult::Stored(stored)));
            }
            FileNews::Failed(error) => self.end_store(returned, store, Err(error)),
        }
    }

    /// The file is begun: now its content may come.
    fn take_content_into(&mut self, ticket: Ticket, store: Store) {
        let Some(request) = self.requests.get_mut(ticket) else {
            debug_assert!(false, "a request that ends abandons its files");
            return;
        };
        if std::mem::replace(&mut request.has_taken_content, true) {
            let failure = Failure::content_twice(request.step_name(&self.routes));
            return self.fail_store(ticket, store, failure);
        }
        // Where it has none, nothing is left to wait for but the disk.
        if self.start_taking(ticket, Sink::Stored(store)).is_err() {
            self.complete_store(ticket, store);
        }
    }

    /// A piece of content for a file. True where no more should come for now.
    pub(super) fn store_piece(&mut self, ticket: Ticket, store: Store, piece: &[u8]) -> bool {
        let directory = self.effects[store.resource].directory();
        let pushed = directory.push(store.upload, piece);
        let unwritten_bytes = directory.unwritten_bytes() as u64;
        self.stats.unwritten_bytes_max = self.stats.unwritten_bytes_max.max(unwritten_bytes);
        match pushed {
            Ok(is_full) => is_full,
            Err(error) => {
                self.refuse_store(ticket, store, error);
                false
            }
        }
    }

    /// All the content of a file has come.
    pub(super) fn complete_store(&mut self, ticket: Ticket, store: Store) {
        if let Some(request) = self.requests.get_mut(ticket) {
            request.underway.has_arrived(store);
        }
        let directory = self.effects[store.resource].directory();
        if let Err(error) = directory.complete(store.upload) {
            self.refuse_store(ticket, store, error);
        }
    }

    /// The worker takes no more of a file.
    fn refuse_store(&mut self, ticket: Ticket, store: Store, error: FileError) {
        self.stats.refused_effect_count += 1;
        self.fail_store(ticket, store, error.failure(""));
    }

    /// A file will not be written, for a reason that is none of the disk's.
    pub(super) fn fail_store(&mut self, ticket: Ticket, store: Store, failure: Failure) {
        let now = self.reading;
        self.effects[store.resource]
            .directory()
            .abandon(store.upload);
        let Some((request, place)) = self.storing(ticket, store) else {
            return;
        };
        let connection = request.connection;
        (request.timeline).stamp(MarkKind::LetGo, now, place as u8, 0);
        self.give_up_content(connection);
        self.complete(ticket, place, Err(failure));
    }

    /// The disk has done all it was asked for, or cannot.
    fn end_store(
        &mut self,
        returned: &FileReturned,
        store: Store,
        outcome: Result<EffectResult, FileError>,
    ) {
        let ticket = returned.request;
        let Some((request, place)) = self.storing(ticket, store) else {
            debug_assert!(false, "a request that ends abandons its files");
            return;
        };
        let (timeline, which) = (&mut request.timeline, place as u8);
        timeline.stamp(MarkKind::JobStarted, returned.started_at, which, 0);
        timeline.stamp(MarkKind::JobFinished, returned.finished_at, which, 0);
        let outcome = match outcome {
            Ok(result) => Ok(Given {
                result,
                lender: None,
            }),
            Err(error) => Err(error.failure(file_name(request, place))),
        };
        let connection = request.connection;
        if outcome.is_err() {
            self.give_up_content(connection);
        }
        self.complete(ticket, place, outcome);
    }

    /// The request that waits for a file, and the effect's place.
    fn storing(&mut self, ticket: Ticket, store: Store) -> Option<(&mut Request, usize)> {
        let request = self.requests.get_mut(ticket)?;
        let place = request.underway.place_of_store(store)?;
        Some((request, place))
    }
}

/// The name of the file that an effect writes.
fn file_name(request: &Request, place: usize) -> &str {
    let need = request.context.need();
    let effect = need.and_then(|need| need.effects.get(place));
    effect.and_then(|effect| effect.file_name()).unwrap_or("")
}
