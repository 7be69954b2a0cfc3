//! Responses: what a step makes of `cx`, and what the shard finds.

mod problem;

use std::cell::Ref;

use bytes::Bytes;
use serde::Serialize;

use crate::ctx::Cx;
use crate::http::Status;
use crate::step::{Done, Failure, Step};

pub use problem::{Renderer, problem};

/// Making the response. Each of these ends the pipeline when it is returned; what was made before in
/// the same request is replaced.
impl<'r, A, B, C> Cx<'r, A, B, C> {
    /// Plain text.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// fn hello(cx: &mut Cx) -> Step {
    ///     cx.text("Hello, World!")
    /// }
    /// ```
    ///
    /// # Errors
    /// Never; it returns a [`Step`] to end one.
    #[inline]
    pub fn text(&mut self, text: &str) -> Step {
        self.slice(TEXT, text.as_bytes())
    }

    /// HTML. Nothing is escaped.
    ///
    /// # Errors
    /// Never.
    pub fn html(&mut self, html: &str) -> Step {
        self.slice(HTML, html.as_bytes())
    }

    /// JSON, written straight into the response's buffer.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Greeting<'a> { message: &'a str }
    ///
    /// fn hello(cx: &mut Cx) -> Step {
    ///     cx.json(&Greeting { message: "Hello, World!" })
    /// }
    /// ```
    ///
    /// # Errors
    /// The value cannot be written as JSON: a 500.
    pub fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Step {
        let mut output = self.window.output();
        let buffer = output.start(JSON);
        serde_json::to_writer(buffer, value).map_err(|error| Failure::error("json", &error))?;
        Done
    }

    /// A copy of the bytes.
    ///
    /// # Errors
    /// Never.
    #[inline]
    pub fn slice(&mut self, content_type: &'static str, content: &[u8]) -> Step {
        self.window
            .output()
            .start(content_type)
            .extend_from_slice(content);
        Done
    }

    /// Bytes of the program itself, not copied.
    ///
    /// # Errors
    /// Never.
    #[inline]
    pub fn fixed(&mut self, content_type: &'static str, content: &'static [u8]) -> Step {
        self.window
            .output()
            .set(content_type, Content::Static(content));
        Done
    }

    /// Owned or shared bytes, not copied.
    ///
    /// # Errors
    /// Never.
    pub fn bytes(&mut self, content_type: &'static str, content: impl Into<Bytes>) -> Step {
        self.window
            .output()
            .set(content_type, Content::Bytes(content.into()));
        Done
    }

    /// No content: a 204, unless [`status`](Cx::status) says something else.
    ///
    /// # Errors
    /// Never.
    pub fn empty(&mut self) -> Step {
        self.window.output().clear_content();
        Done
    }

    /// The status of the response that follows: `cx.status(Status::CREATED).json(&post)`.
    pub fn status(&mut self, status: Status) -> &mut Self {
        self.window.output().status = Some(status);
        self
    }
}

/// A response as the shard finds it.
pub struct ResponseView<'c> {
    output: Ref<'c, Output>,
}

impl<'c> ResponseView<'c> {
    pub(crate) fn of(output: Ref<'c, Output>) -> ResponseView<'c> {
        ResponseView { output }
    }

    /// The status: what a step said, else 200, or 204 where there is no content.
    pub fn status(&self) -> Status {
        let unsaid = if self.output.content_type.is_none() {
            Status::NO_CONTENT
        } else {
            Status::OK
        };
        self.output.status.unwrap_or(unsaid)
    }

    /// The media type of the content; none where there is no content.
    pub fn content_type(&self) -> Option<&'static str> {
        self.output.content_type
    }

    /// The content.
    pub fn body(&self) -> Body<'_> {
        match &self.output.content {
            Content::Buffer => Body::Slice(&self.output.buffer),
            Content::Static(content) => Body::Static(content),
            Content::Bytes(content) => Body::Bytes(content),
        }
    }
}

/// The content of a response, and how it may be sent.
#[derive(Clone, Copy, Debug)]
pub enum Body<'c> {
    /// Bytes of the request's context: to be copied before the request ends.
    Slice(&'c [u8]),
    /// Bytes of the program.
    Static(&'static [u8]),
    /// Shared bytes: may be sent as they are.
    Bytes(&'c Bytes),
}

impl Body<'_> {
    /// The bytes, wherever they are.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Body::Slice(content) => content,
            Body::Static(content) => content,
            Body::Bytes(content) => content,
        }
    }
}

/// The response of one request after another; keeps its buffer.
pub(crate) struct Output {
    status: Option<Status>,
    content_type: Option<&'static str>,
    content: Content,
    buffer: Vec<u8>,
}

enum Content {
    Buffer,
    Static(&'static [u8]),
    Bytes(Bytes),
}

impl Default for Output {
    fn default() -> Output {
        Output {
            status: None,
            content_type: None,
            content: Content::Buffer,
            buffer: Vec::with_capacity(BUFFER_BYTES),
        }
    }
}

impl Output {
    /// Begins content in the buffer.
    #[inline]
    fn start(&mut self, content_type: &'static str) -> &mut Vec<u8> {
        self.set(content_type, Content::Buffer);
        self.buffer.clear();
        &mut self.buffer
    }

    #[inline]
    fn set(&mut self, content_type: &'static str, content: Content) {
        self.content_type = Some(content_type);
        self.content = content;
    }

    fn clear_content(&mut self) {
        self.content_type = None;
        self.content = Content::Buffer;
        self.buffer.clear();
    }

    /// Makes this the response to a failure.
    pub(crate) fn fail(&mut self, renderer: Renderer, failure: &Failure) {
        self.status = Some(failure.kind().status());
        let content_type = problem::render(renderer, failure, self.start(problem::PROBLEM_JSON));
        self.content_type = Some(content_type);
    }

    /// Forgets the response, keeps the buffer unless one response has made it a giant.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.status = None;
        self.clear_content();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT_MAX);
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// What a response's buffer begins with.
const BUFFER_BYTES: usize = 1024;

/// What a response's buffer keeps after a request.
const BUFFER_BYTES_KEPT_MAX: usize = 64 * 1024;
