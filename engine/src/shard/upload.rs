//! Requests whose content is still arriving, and whether it may.
//!
//! A request is routed at its head, so that content nobody wants is refused before it comes. What is
//! wanted waits here; the request itself begins when its content is there.

use cutaway_scheduler::Nanos;

use super::intake::Course;
use crate::http::{FieldSpan, Framing, Head};
use crate::route::Found;
use crate::routes::BuiltRoutes;
use crate::step::{BodyMode, Fail, Failure};

/// A request as it has come so far.
#[derive(Clone, Copy)]
pub(super) struct Arrived<'a> {
    pub head: &'a Head,
    pub head_bytes: &'a [u8],
    pub fields: &'a [FieldSpan],
    /// What is kept of its content.
    pub body: &'a [u8],
    pub extent: Extent,
    pub arrival: &'a Arrival,
}

/// How much of a request's content has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// There is none, or nobody waits for it.
    None,
    /// So much of it, and no more is waited for.
    Part { bytes: u64 },
    /// All of it.
    Whole { bytes: u64 },
}

/// When the parts of a request arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrival {
    pub first_byte_at: Nanos,
    /// Since when its bytes waited unparsed behind the parse-ahead bound; none where they did not.
    pub held_at: Option<Nanos>,
    pub head_at: Nanos,
}

/// A request whose content is still arriving. Pooled by the shard.
#[derive(Default)]
pub(super) struct Upload {
    head: Head,
    head_bytes: Vec<u8>,
    fields: Vec<FieldSpan>,
    arrival: Arrival,
    body: Vec<u8>,
    /// How much has come.
    bytes: u64,
    awaited: Awaited,
}

impl Upload {
    /// Takes in a request up to its content.
    pub fn begin(&mut self, arrived: &Arrived<'_>, awaited: Awaited) {
        self.head = *arrived.head;
        self.head_bytes.clear();
        self.head_bytes.extend_from_slice(arrived.head_bytes);
        self.fields.clear();
        self.fields.extend_from_slice(arrived.fields);
        self.arrival = *arrived.arrival;
        self.body.clear();
        self.bytes = 0;
        self.awaited = awaited;
    }

    /// Takes more content in. False where it is too much.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        self.bytes += bytes.len() as u64;
        let is_within = self.bytes <= self.awaited.bytes_max;
        if is_within && self.awaited.is_kept {
            self.body.extend_from_slice(bytes);
        }
        is_within
    }

    /// The request with its content.
    pub fn whole(&self) -> Arrived<'_> {
        self.arrived(Extent::Whole { bytes: self.bytes }, &self.body)
    }

    /// The request, whose content is waited for no longer.
    pub fn cut(&self) -> Arrived<'_> {
        self.arrived(Extent::Part { bytes: self.bytes }, &[])
    }

    /// What becomes of the request now that more has come than may: its answer may have nothing to
    /// do with its content.
    pub fn overfull(&self) -> Course {
        if self.awaited.is_routed {
            Course::Refuse(too_large(self.awaited.bytes_max))
        } else {
            Course::Run
        }
    }

    fn arrived<'a>(&'a self, extent: Extent, body: &'a [u8]) -> Arrived<'a> {
        Arrived {
            head: &self.head,
            head_bytes: &self.head_bytes,
            fields: &self.fields,
            body,
            extent,
            arrival: &self.arrival,
        }
    }

    /// Gives the memory of large content back, before the upload is kept for the next request.
    pub fn forget_content(&mut self) {
        self.body.clear();
        self.body.shrink_to(BYTES_KEPT_MAX);
    }
}

/// What is done about a request with content, when its head is there.
pub(super) enum Welcome {
    /// Its content is waited for.
    Await(Awaited),
    /// It is worked on at once, and takes its content meanwhile.
    Stream {
        /// How much may come.
        bytes_max: u64,
    },
    /// It is worked on without its content, which nobody wants: there is more of it than is thrown
    /// away, or its client holds it back until it is asked for. Where it ends, or whether it comes at
    /// all, is not waited for, so the connection ends with the answer.
    AtOnce,
    /// It is refused for its content.
    Refuse(Failure),
}

/// Content that is waited for.
#[derive(Clone, Copy, Default)]
pub(super) struct Awaited {
    /// Whether it is kept, or thrown away as it comes.
    pub is_kept: bool,
    /// Whether its request has found a route, so that too much of it is what is wrong.
    pub is_routed: bool,
    /// How much may come.
    pub bytes_max: u64,
}

/// What is done about a request with content. `bytes_max` holds where its route says nothing else.
pub(super) fn welcome(routes: &BuiltRoutes, arrived: &Arrived<'_>, bytes_max: u64) -> Welcome {
    let (head, head_bytes) = (arrived.head, arrived.head_bytes);
    // Looked for once more when the content is there: keeping what is found now would cost every
    // upload the room of all parameters.
    let found = found(routes, head, head_bytes);
    let route = routes.route(match &found {
        Found::Route { value, .. } => **value,
        Found::NotFound | Found::MethodNotAllowed { .. } => {
            routes.unrouted(&found, head.path.of(head_bytes)).index
        }
    });
    // A fallback that takes content is as good as a route.
    let is_routed = matches!(found, Found::Route { .. }) || route.body_mode() != BodyMode::None;
    let bytes_max = route.body_bytes_max().unwrap_or(bytes_max);
    if let Framing::Length(length) = head.framing
        && length > bytes_max
    {
        return if is_routed {
            Welcome::Refuse(too_large(bytes_max))
        } else {
            Welcome::AtOnce
        };
    }
    if route.body_mode() == BodyMode::Streamed {
        return Welcome::Stream { bytes_max };
    }
    let is_kept = route.body_mode() == BodyMode::Buffered;
    // https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1 – a final status instead of 100.
    if head.expect_continue && !is_kept {
        return Welcome::AtOnce;
    }
    if let Some(format) = route.body_format()
        && let Err(failure) = format.admit(content_type(arrived))
    {
        return Welcome::Refuse(failure);
    }
    Welcome::Await(Awaited {
        is_kept,
        is_routed,
        bytes_max,
    })
}

/// What the routes have for a request.
#[inline]
pub(super) fn found<'t>(routes: &'t BuiltRoutes, head: &Head, head_bytes: &[u8]) -> Found<'t, u16> {
    let path = head.path.of(head_bytes);
    if head.path_is_escaped {
        routes.find_escaped(head.method, path)
    } else {
        routes.find(head.method, path)
    }
}

fn content_type<'a>(arrived: &Arrived<'a>) -> Option<&'a [u8]> {
    let is_it = |field: &&FieldSpan| {
        let name = field.name.of(arrived.head_bytes);
        name.eq_ignore_ascii_case(b"content-type")
    };
    let field = arrived.fields.iter().find(is_it)?;
    Some(field.value.of(arrived.head_bytes))
}

/// The failure of a request with more content than it may have.
#[cold]
pub(super) fn too_large(bytes_max: u64) -> Failure {
    let key = format!("more than {bytes_max} bytes");
    Failure::new(Fail::ContentTooLarge, "body", &key)
}

/// What the memory of an upload's content may have grown to and still be kept for the next one.
const BYTES_KEPT_MAX: usize = 64 * 1024;
