//! The request as its steps see it: copied once into the arena, read as slices of it.

use percent_encoding::percent_decode;

use super::arena::Arena;
use super::extract::path_text;
use crate::http::{FieldSpan, Method, Span};
use crate::route::Params;

/// A request. Everything in it lives as long as the request and is read where it lies.
#[derive(Debug)]
pub struct Request<'r> {
    method: Method,
    head: &'r [u8],
    target: Span,
    path: Span,
    query: Option<Span>,
    fields: &'r [FieldSpan],
    params: &'r [Param],
    body: &'r [u8],
}

/// What the wire gave, as spans of the head.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// The method.
    pub method: Method,
    /// The request-target.
    pub target: Span,
    /// The path in it.
    pub path: Span,
    /// The query in it, without the question mark.
    pub query: Option<Span>,
    /// The field lines.
    pub fields: &'a [FieldSpan],
    /// The path's parameters: indices of names, and spans of the path.
    pub params: &'a Params,
    /// The content.
    pub body: &'a [u8],
}

/// A path parameter: its name, and its text in the head.
#[derive(Clone, Copy, Debug)]
struct Param {
    name: &'static str,
    text: Span,
}

impl<'r> Request<'r> {
    /// Copies a request into the arena.
    ///
    /// # Complexity
    /// One copy each of the head's bytes, of its spans, and of the body.
    #[inline]
    pub(crate) fn copied(
        arena: &'r Arena,
        names: &[&'static str],
        head: &[u8],
        parts: &RequestParts<'_>,
    ) -> Request<'r> {
        let params = parts.params.iter().map(|(name, text)| Param {
            name: names[usize::from(name)],
            text: Span {
                start: parts.path.start + text.start,
                len: text.len,
            },
        });
        Request {
            method: parts.method,
            head: arena.slice(head),
            target: parts.target,
            path: parts.path,
            query: parts.query,
            fields: arena.slice(parts.fields),
            params: if params.len() == 0 {
                &[]
            } else {
                arena.collect(params)
            },
            body: if parts.body.is_empty() {
                &[]
            } else {
                arena.slice(parts.body)
            },
        }
    }

    /// The method.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn show(cx: &mut Cx) -> Step {
    ///     cx.text(cx.request().method().name())
    /// }
    ///
    /// let tested = cutaway::testing::get("/").run(show);
    /// assert_eq!(tested.response().body().as_slice(), b"GET");
    /// ```
    pub fn method(&self) -> Method {
        self.method
    }

    /// The request-target as it came.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn show(cx: &mut Cx) -> Step {
    ///     cx.text(cx.request().target())
    /// }
    ///
    /// let tested = cutaway::testing::get("/posts?page=2").run(show);
    /// assert_eq!(tested.response().body().as_slice(), b"/posts?page=2");
    /// ```
    pub fn target(&self) -> &'r str {
        self.target.text(self.head)
    }

    /// The path as it came, not percent-decoded.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn show(cx: &mut Cx) -> Step {
    ///     cx.text(cx.request().path())
    /// }
    ///
    /// let tested = cutaway::testing::get("/posts?page=2").run(show);
    /// assert_eq!(tested.response().body().as_slice(), b"/posts");
    /// ```
    pub fn path(&self) -> &'r str {
        self.path.text(self.head)
    }

    /// The query as it came, without the question mark.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn show(cx: &mut Cx) -> Step {
    ///     cx.text(cx.request().query().unwrap_or("none"))
    /// }
    ///
    /// let tested = cutaway::testing::get("/posts?page=2").run(show);
    /// assert_eq!(tested.response().body().as_slice(), b"page=2");
    /// ```
    pub fn query(&self) -> Option<&'r str> {
        self.query.map(|query| query.text(self.head))
    }

    /// The content; empty where the chain has no slot of it, for then it is not kept.
    pub(super) fn body(&self) -> &'r [u8] {
        self.body
    }

    /// The value of the first field of this name, in any case of letters.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn show(cx: &mut Cx) -> Step {
    ///     let agent = cx.request().field("user-agent").unwrap_or(b"nobody");
    ///     cx.slice("text/plain", agent)
    /// }
    ///
    /// let tested = cutaway::testing::get("/").field("User-Agent", "curl/8").run(show);
    /// assert_eq!(tested.response().body().as_slice(), b"curl/8");
    /// ```
    pub fn field(&self, name: &str) -> Option<&'r [u8]> {
        self.fields()
            .find_map(|(known, value)| known.eq_ignore_ascii_case(name.as_bytes()).then_some(value))
    }

    /// All field lines in the order they came: names as they were written, and values.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn count(cx: &mut Cx) -> Step {
    ///     cx.json(&cx.request().fields().filter(|(name, _)| name.eq_ignore_ascii_case(b"cookie")).count())
    /// }
    ///
    /// let tested = cutaway::testing::get("/").field("Cookie", "a=1").field("cookie", "b=2").run(count);
    /// assert_eq!(tested.response().body().as_slice(), b"2");
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = (&'r [u8], &'r [u8])> + '_ {
        (self.fields.iter()).map(|field| (field.name.of(self.head), field.value.of(self.head)))
    }

    /// A path parameter, percent-decoded; none where the pattern has no such parameter or the bytes
    /// are not UTF-8.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn show(cx: &mut Cx) -> Step {
    ///     let slug = cx.request().param("slug", cx.arena()).or_fail(BadRequest, "path", "slug")?;
    ///     cx.text(slug)
    /// }
    ///
    /// let tested = cutaway::testing::get("/").param("slug", "caf%C3%A9").run(show);
    /// assert_eq!(tested.response().body().as_slice(), "café".as_bytes());
    /// let tested = cutaway::testing::get("/").param("slug", "%FF").run(show);
    /// assert_eq!(tested.failure().unwrap().kind(), BadRequest);
    /// ```
    pub fn param(&self, name: &str, arena: &'r Arena) -> Option<&'r str> {
        path_text(self.param_bytes(name)?, arena)
    }

    /// As [`param`](Request::param), but bytes that are not UTF-8 become `U+FFFD`.
    // Inlined, for to compare with a name that is known takes less than to call.
    #[inline]
    pub(crate) fn param_lossy(&self, name: &str, arena: &'r Arena) -> Option<&'r str> {
        self.param_bytes(name).map(|raw| lossy_text(raw, arena))
    }

    /// A path parameter as it came.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn show(cx: &mut Cx) -> Step {
    ///     let slug = cx.request().param_bytes("slug").unwrap_or_default();
    ///     cx.slice("text/plain", slug)
    /// }
    ///
    /// let tested = cutaway::testing::get("/").param("slug", "caf%C3%A9").run(show);
    /// assert_eq!(tested.response().body().as_slice(), b"caf%C3%A9");
    /// ```
    #[inline]
    pub fn param_bytes(&self, name: &str) -> Option<&'r [u8]> {
        let param = self.params.iter().find(|param| param.name == name)?;
        Some(param.text.of(self.head))
    }
}

fn lossy_text<'r>(raw: &'r [u8], arena: &'r Arena) -> &'r str {
    path_text(raw, arena).unwrap_or_else(|| replaced(raw, arena))
}

/// A text of which some bytes are not UTF-8.
#[cold]
fn replaced<'r>(raw: &[u8], arena: &'r Arena) -> &'r str {
    arena.text(&percent_decode(raw).decode_utf8_lossy())
}
