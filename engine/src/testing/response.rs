//! A response as its client read it.

use std::fmt;

use serde::de::DeserializeOwned;

use super::timeline::RequestTimeline;
use crate::http::Status;

/// A response as its client read it, byte by byte off the simulated network, and where its time went.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing::App;
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.response_header("Greets", "the world")?;
///     cx.text("Hello, World!")
/// }
///
/// let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
/// let response = app.get("/hello").send();
/// response.assert_status(Status::OK);
/// assert_eq!(response.text(), "Hello, World!");
/// assert_eq!(response.field("greets"), Some("the world"));
/// assert_eq!(response.field("Content-Type"), Some("text/plain; charset=utf-8"));
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
#[derive(Clone)]
pub struct Response {
    status: Status,
    fields: Vec<(String, String)>,
    content: Vec<u8>,
    pub(super) timeline: Option<RequestTimeline>,
}

impl Response {
    /// Its status.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// assert_eq!(response.status(), Status::OK);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn status(&self) -> Status {
        self.status
    }

    /// Checks the status, and shows the whole response where it is another.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// app.get("/hello").send().assert_status(Status::OK);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    ///
    /// # Panics
    /// The status is another.
    #[track_caller]
    pub fn assert_status(&self, expected: Status) -> &Response {
        assert!(
            self.status == expected,
            "expected {} {}, got:\n{self:?}",
            expected.code(),
            expected.reason(),
        );
        self
    }

    /// The value of a field, the first one of several; its name in any case.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// assert_eq!(response.field("content-length"), Some("5"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All fields, in their order.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// let names: Vec<&str> = response.fields().map(|(name, _)| name).collect();
    /// assert!(names.contains(&"Content-Type"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        (self.fields.iter()).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The content.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// assert_eq!(response.body(), b"hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn body(&self) -> &[u8] {
        &self.content
    }

    /// The content as text.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// assert_eq!(response.text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    ///
    /// # Panics
    /// It is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.content) {
            Ok(text) => text,
            Err(error) => panic!("the content is no text, {error}:\n{self:?}"),
        }
    }

    /// The content as a value that was sent as JSON.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn answer(cx: &mut Cx) -> Step { cx.json(&(7, "First")) }
    /// # let app = App::new(Routes::new().get("/posts/7", chain(answer)).build()?);
    /// let (id, title): (i64, String) = app.get("/posts/7").send().json();
    /// assert_eq!((id, title.as_str()), (7, "First"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    ///
    /// # Panics
    /// It is no JSON, or of another shape.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.content) {
            Ok(value) => value,
            Err(error) => panic!("the content is no such JSON, {error}:\n{self:?}"),
        }
    }

    /// Where its time went.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// assert_eq!(response.timeline().steps().len(), 1);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    ///
    /// # Panics
    /// It has none: the shard was so full that it answered without taking the request in.
    #[track_caller]
    pub fn timeline(&self) -> &RequestTimeline {
        match &self.timeline {
            Some(timeline) => timeline,
            None => panic!("refused without a slot, so without a timeline:\n{self:?}"),
        }
    }

    /// Whether the request was taken in, and so has a timeline.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").send();
    /// assert!(response.has_timeline());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn has_timeline(&self) -> bool {
        self.timeline.is_some()
    }

    /// Reads one response from the front of `bytes`, and says how many it takes; none where it is not
    /// all there. The interim ones before it are stepped over.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub(super) fn read(
        bytes: &[u8],
        is_to_head: bool,
    ) -> Result<Option<(Response, usize)>, String> {
        let mut from = 0;
        loop {
            let Some((mut response, head_len)) = Response::read_head(&bytes[from..])? else {
                return Ok(None);
            };
            from += head_len;
            if response.status.code() < 200 {
                continue;
            }
            let len = response.content_len(is_to_head)?;
            let Some(content) = bytes.get(from..from + len) else {
                return Ok(None);
            };
            response.content = content.to_vec();
            return Ok(Some((response, from + len)));
        }
    }

    fn read_head(bytes: &[u8]) -> Result<Option<(Response, usize)>, String> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut head = httparse::Response::new(&mut fields);
        let head_len = match head.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(format!("{error}: \"{}\"", bytes.escape_ascii())),
        };
        let code = head.code.unwrap_or_default();
        let response = Response {
            status: Status::new(code).ok_or_else(|| format!("a status of {code}"))?,
            fields: (head.headers.iter())
                .map(|field| {
                    let value = String::from_utf8_lossy(field.value).into_owned();
                    (field.name.to_owned(), value)
                })
                .collect(),
            content: Vec::new(),
            timeline: None,
        };
        Ok(Some((response, head_len)))
    }

    /// How long the content is that follows the head.
    fn content_len(&self, is_to_head: bool) -> Result<usize, String> {
        if is_to_head || self.status.is_bodyless() {
            return Ok(0);
        }
        let length = (self.field("Content-Length"))
            .ok_or_else(|| format!("no Content-Length:\n{self:?}"))?;
        (length.parse()).map_err(|_| format!("a Content-Length of `{length}`"))
    }
}

/// The message as it was sent, and the timeline below it.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        writeln!(f, "HTTP/1.1 {} {}", status.code(), status.reason())?;
        for (name, value) in self.fields() {
            writeln!(f, "{name}: {value}")?;
        }
        writeln!(f, "\n{}", String::from_utf8_lossy(&self.content))?;
        match &self.timeline {
            Some(timeline) => write!(f, "\n{timeline}"),
            None => Ok(()),
        }
    }
}

/// More than the engine writes and a test's own chains add.
const FIELDS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<(u16, Vec<u8>, usize)> {
        let read = Response::read(bytes, false).expect("well-formed");
        read.map(|(response, len)| (response.status.code(), response.content, len))
    }

    #[test]
    fn one_response_is_read_and_no_more() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        for len in 0..whole.len() {
            assert_eq!(read(&whole[..len]), None, "{len}");
        }
        let two = [&whole[..], b"HTTP/1.1 204"].concat();
        assert_eq!(read(&two), Some((200, b"hi".to_vec(), whole.len())));
    }

    #[test]
    fn interim_responses_and_those_without_content_are_told_by_their_heads() {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        assert_eq!(read(interim), None);
        let both = [&interim[..], b"HTTP/1.1 204 No Content\r\n\r\n"].concat();
        assert_eq!(read(&both), Some((204, Vec::new(), both.len())));
        let to_head = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n";
        let (response, len) = Response::read(to_head, true).unwrap().unwrap();
        assert_eq!((response.body(), len), (&b""[..], to_head.len()));
    }

    #[test]
    fn what_is_no_response_is_refused() {
        for wrong in [
            &b"SSH-2.0"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            b"HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
        ] {
            assert!(
                Response::read(wrong, false).is_err(),
                "{}",
                wrong.escape_ascii()
            );
        }
    }
}
