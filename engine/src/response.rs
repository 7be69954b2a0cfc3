//! Responses: what a step makes of `cx`, and what the shard finds.

mod problem;
mod said;

use std::cell::Ref;
use std::mem;
use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;

use crate::ctx::Cx;
use crate::http::Status;
use crate::http::encode::{FieldName, FieldValue};
use crate::step::{Done, Fail, Failure, Step, caught};

pub use problem::{Problem, Renderer, problem};

use said::Said;

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
        self.copied(TEXT, text.as_bytes())
    }

    /// HTML. Nothing is escaped.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn page(cx: &mut Cx) -> Step {
    ///     cx.html("<!doctype html><title>Hello</title>")
    /// }
    /// # let tested = cutaway::testing::get("/").run(page);
    /// # assert_eq!(tested.response().body().as_slice(), b"<!doctype html><title>Hello</title>");
    /// ```
    ///
    /// # Errors
    /// Never.
    pub fn html(&mut self, html: &str) -> Step {
        self.copied(HTML, html.as_bytes())
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
        match serde_json::to_writer(output.start(JSON), value) {
            Ok(()) => Done,
            Err(error) => {
                output.clear_content();
                Err(Failure::error("json", &error))
            }
        }
    }

    /// A copy of the bytes.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn picture(cx: &mut Cx) -> Step {
    ///     cx.slice("image/gif", b"GIF89a")
    /// }
    /// # let tested = cutaway::testing::get("/").run(picture);
    /// # assert_eq!(tested.response().body().as_slice(), b"GIF89a");
    /// ```
    ///
    /// # Errors
    /// The media type is no field value: a 500.
    pub fn slice(&mut self, content_type: &'static str, content: &[u8]) -> Step {
        self.copied(media_type(content_type)?, content)
    }

    /// Bytes of the program itself, not copied.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn style(cx: &mut Cx) -> Step {
    ///     cx.fixed("text/css", b"body { margin: 0 }")
    /// }
    /// # let tested = cutaway::testing::get("/").run(style);
    /// # assert_eq!(tested.response().body().as_slice(), b"body { margin: 0 }");
    /// ```
    ///
    /// # Errors
    /// The media type is no field value: a 500.
    pub fn fixed(&mut self, content_type: &'static str, content: &'static [u8]) -> Step {
        let content_type = media_type(content_type)?;
        (self.window.output()).set(content_type, Content::Static(content));
        Done
    }

    /// Owned or shared bytes, not copied.
    ///
    /// Where their owner panics when it is dropped, that is caught; the response is out by then.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn report(cx: &mut Cx) -> Step {
    ///     let lines: Vec<u8> = (0..3).flat_map(|line| format!("{line}\n").into_bytes()).collect();
    ///     cx.bytes("text/csv", lines)
    /// }
    /// # let tested = cutaway::testing::get("/").run(report);
    /// # assert_eq!(tested.response().body().as_slice(), b"0\n1\n2\n");
    /// ```
    ///
    /// # Errors
    /// The media type is no field value: a 500.
    pub fn bytes(&mut self, content_type: &'static str, content: impl Into<Bytes>) -> Step {
        let content_type = media_type(content_type)?;
        (self.window.output()).set(content_type, Content::Bytes(content.into()));
        Done
    }

    /// No content: a 204, unless [`status`](Cx::status) says something else.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn deleted(cx: &mut Cx) -> Step {
    ///     cx.empty()
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(deleted).response().status(), Status::NO_CONTENT);
    /// ```
    ///
    /// # Errors
    /// Never.
    pub fn empty(&mut self) -> Step {
        self.window.output().clear_content();
        Done
    }

    /// Fails the request with a detail of any length and with members of the program's own (RFC 9457
    /// extensions): anything that JSON has as an object, or `&()` for none.
    ///
    /// The routes' [renderer](Renderer) writes it. The default one adds the members behind its own;
    /// a `type` or a `title` among them replaces the engine's. The [`Failure`]'s `what` is
    /// `"problem"`, its key the beginning of the detail.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Faults<'a> { errors: &'a [Fault] }
    ///
    /// #[derive(serde::Serialize)]
    /// struct Fault { pointer: &'static str, detail: &'static str }
    ///
    /// fn check(cx: &mut Cx) -> Step {
    ///     let errors = [Fault { pointer: "/title", detail: "is missing" }];
    ///     cx.problem(Unprocessable, "the post has a fault", &Faults { errors: &errors })
    /// }
    ///
    /// let tested = testing::get("/").run(check);
    /// assert_eq!(tested.response().status(), Status::UNPROCESSABLE_CONTENT);
    /// assert_eq!(
    ///     tested.text(),
    ///     r#"{"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"the post has a fault","errors":[{"pointer":"/title","detail":"is missing"}]}"#
    /// );
    /// ```
    ///
    /// # Errors
    /// Always. A 500 where the members cannot be written as JSON, are no object, or are named `status`,
    /// `detail` or `request_id`, which say what the reply says elsewhere.
    ///
    /// # Source
    /// <https://www.rfc-editor.org/rfc/rfc9457#section-3.2>
    pub fn problem<T: Serialize + ?Sized>(
        &mut self,
        kind: Fail,
        detail: &str,
        members: &T,
    ) -> Step {
        Err(self.window.output().said.say(kind, detail, members))
    }

    /// The status of the response that follows: `cx.status(Status::CREATED).json(&post)`.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn created(cx: &mut Cx) -> Step {
    ///     cx.status(Status::CREATED).json(&7)
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(created).response().status(), Status::CREATED);
    /// ```
    ///
    /// # Panics
    /// It is a 1xx, which is no response yet: the client would take the answer to its next request for
    /// the one to this. The request is answered with a 500 then.
    pub fn status(&mut self, status: Status) -> &mut Self {
        // https://www.rfc-editor.org/rfc/rfc9110#section-15.2
        assert!(
            status >= Status::OK,
            "a {} is no response to a request",
            status.code()
        );
        self.window.output().status = Some(status);
        self
    }

    /// One more header field. It is kept whatever answers the request, a failure too.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// fn moved(cx: &mut Cx) -> Step {
    ///     cx.response_header("Location", "/posts/7")?;
    ///     cx.status(Status::SEE_OTHER).empty()
    /// }
    /// ```
    ///
    /// # Errors
    /// A 500 where the name is no token, where a line end or another control byte stands in the
    /// value, or where the engine itself writes the field: `Connection`, `Content-Length`,
    /// `Content-Type`, `Date` and `Transfer-Encoding`.
    pub fn response_header(&mut self, name: &'static str, value: &str) -> Result<(), Failure> {
        let is_ours = OWN_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(name));
        match (FieldName::new(name), FieldValue::new(value)) {
            (Some(name), Some(_)) if !is_ours => {
                self.window.output().add_field(name, value);
                Ok(())
            }
            _ => Err(Failure::error(name, &"a header field that cannot be set")),
        }
    }

    #[inline]
    fn copied(&mut self, content_type: FieldValue<'static>, content: &[u8]) -> Step {
        let mut output = self.window.output();
        output.start(content_type).extend_from_slice(content);
        Done
    }
}

fn media_type(text: &'static str) -> Result<FieldValue<'static>, Failure> {
    FieldValue::new(text).ok_or_else(|| Failure::error("media type", &text))
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
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// let tested = cutaway::testing::get("/").run(created);
    /// assert_eq!(tested.response().status(), Status::CREATED);
    /// ```
    pub fn status(&self) -> Status {
        let unsaid = if self.output.content_type.is_none() {
            Status::NO_CONTENT
        } else {
            Status::OK
        };
        self.output.status.unwrap_or(unsaid)
    }

    /// The media type of the content; none where there is no content.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// let tested = cutaway::testing::get("/").run(created);
    /// let response = tested.response();
    /// assert_eq!(response.content_type().map(|value| value.as_str()), Some("application/json"));
    /// ```
    pub fn content_type(&self) -> Option<FieldValue<'static>> {
        self.output.content_type
    }

    /// The header fields that steps added, in their order.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// let tested = cutaway::testing::get("/").run(created);
    /// let response = tested.response();
    /// let (name, value) = response.fields().next().unwrap();
    /// assert_eq!((name.as_str(), value.as_str()), ("Location", "/posts/7"));
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = (FieldName<'static>, FieldValue<'_>)> {
        (self.output.fields.iter()).filter_map(|field| {
            let value = &self.output.field_text[field.value.clone()];
            Some((field.name, FieldValue::new(value)?))
        })
    }

    /// The content.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// let tested = cutaway::testing::get("/").run(created);
    /// assert_eq!(tested.response().body().as_slice(), b"7");
    /// ```
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
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// let tested = cutaway::testing::get("/").run(created);
    /// assert_eq!(tested.response().body().as_slice(), b"7");
    /// ```
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
    content_type: Option<FieldValue<'static>>,
    content: Content,
    buffer: Vec<u8>,
    fields: Vec<Field>,
    /// The values of the fields, one after another.
    field_text: String,
    said: Said,
}

struct Field {
    name: FieldName<'static>,
    value: Range<usize>,
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
            fields: Vec::new(),
            field_text: String::new(),
            said: Said::default(),
        }
    }
}

impl Output {
    /// Begins content in the buffer.
    #[inline]
    fn start(&mut self, content_type: FieldValue<'static>) -> &mut Vec<u8> {
        self.set(content_type, Content::Buffer);
        self.buffer.clear();
        &mut self.buffer
    }

    #[inline]
    fn set(&mut self, content_type: FieldValue<'static>, content: Content) {
        self.content_type = Some(content_type);
        self.content = content;
    }

    fn clear_content(&mut self) {
        self.content_type = None;
        self.content = Content::Buffer;
        self.buffer.clear();
    }

    fn add_field(&mut self, name: FieldName<'static>, value: &str) {
        let start = self.field_text.len();
        self.field_text.push_str(value);
        self.fields.push(Field {
            name,
            value: start..self.field_text.len(),
        });
    }

    /// Makes this the response to a failure. The fields that steps added stay.
    ///
    /// # Errors
    /// The renderer has panicked, or the owner of content that is not sent after all; the response is
    /// a 500 with fixed content.
    pub(crate) fn fail(
        &mut self,
        renderer: Renderer,
        problem: &Problem<'_>,
    ) -> Result<(), Failure> {
        let released = self.release_content();
        self.buffer.clear();
        let problem = problem.with(self.said.about(problem.failure()));
        let out = &mut self.buffer;
        let rendered = released.and_then(|()| problem::render(renderer, &problem, out));
        let rendered = rendered.inspect_err(|_| problem::fall_back(&mut self.buffer));
        self.status = Some(match &rendered {
            Ok(_) => problem.status(),
            Err(panic) => panic.kind().status(),
        });
        self.content_type = Some(*rendered.as_ref().unwrap_or(&problem::PROBLEM_JSON));
        rendered.map(|_| ())
    }

    /// Gives the content back to whoever owns it.
    ///
    /// # Errors
    /// The owner has panicked.
    #[inline]
    fn release_content(&mut self) -> Result<(), Failure> {
        if !matches!(self.content, Content::Bytes(_)) {
            return Ok(());
        }
        let content = mem::replace(&mut self.content, Content::Buffer);
        caught(|| drop(content)).map_err(|panic| panic.into_failure("response"))
    }

    /// Forgets the response, keeps the buffers unless one response has made them giants.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.status = None;
        // A panic comes too late to be this request's failure, and is no other's.
        let _ = self.release_content();
        self.clear_content();
        self.fields.clear();
        self.field_text.clear();
        self.said.clear();
        if self.buffer.capacity() > BUFFER_BYTES_KEPT_MAX {
            self.buffer = Vec::with_capacity(BUFFER_BYTES);
        }
    }
}

const TEXT: FieldValue<'static> = constant("text/plain; charset=utf-8");
const HTML: FieldValue<'static> = constant("text/html; charset=utf-8");
const JSON: FieldValue<'static> = constant("application/json");

/// What [`Cx::response_header`] refuses: these say where a message ends and whose it is.
const OWN_FIELDS: [&str; 5] = [
    "Connection",
    "Content-Length",
    "Content-Type",
    "Date",
    "Transfer-Encoding",
];

/// A field value that is known when the engine is compiled.
const fn constant(text: &'static str) -> FieldValue<'static> {
    FieldValue::new(text).expect("a constant of the engine is a field value")
}

/// What a response's buffer begins with.
const BUFFER_BYTES: usize = 1024;

/// What a response's buffer keeps after a request.
const BUFFER_BYTES_KEPT_MAX: usize = 64 * 1024;
