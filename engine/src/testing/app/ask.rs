//! A request that is being made up.

use serde::Serialize;

use super::client::{Client, Pending};
use super::{Shared, with};
use crate::http::Method;
use crate::testing::content;
use crate::testing::response::Response;

/// A request that is being made up; see [`App::get`](super::App::get).
///
/// `Host` is `test` unless it is said, and `Content-Length` is what the content has.
#[must_use = "a request goes out by `send` or `start`"]
pub struct Ask {
    shared: Shared,
    /// None where it gets a connection of its own.
    client: Option<Client>,
    method: Method,
    target: String,
    fields: Vec<(String, String)>,
    content: Vec<u8>,
}

impl Ask {
    pub(super) fn new(shared: Shared, client: Option<Client>, method: Method, target: &str) -> Ask {
        Ask {
            shared,
            client,
            method,
            target: target.to_owned(),
            fields: Vec::new(),
            content: Vec::new(),
        }
    }

    /// A field line.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text(cx.request_id()) }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let response = app.get("/hello").field("X-Request-Id", "r7").send();
    /// assert_eq!(response.text(), "r7");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn field(mut self, name: &str, value: impl Into<String>) -> Ask {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// The content. Say what it is with [`field`](Ask::field), or send it by [`json`](Ask::json),
    /// [`form`](Ask::form) or [`text`](Ask::text).
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # slot!(pub Sent<'r>: &'r str = body text);
    /// # fn hello(cx: &mut Cx<Reads<Sent>>) -> Step { cx.text(cx.get(Sent)) }
    /// # let app = App::new(Routes::new().post("/hello", chain(hello)).build()?);
    /// let response = app.post("/hello").field("Content-Type", "text/csv").body("a,b").send();
    /// assert_eq!(response.text(), "a,b");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn body(mut self, content: impl Into<Vec<u8>>) -> Ask {
        self.content = content.into();
        self
    }

    /// A value as JSON, and its Content-Type.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # slot!(pub Title: String = body json);
    /// # fn echo(cx: &mut Cx<Reads<Title>>) -> Step { let title = cx.get(Title); cx.text(title) }
    /// # let app = App::new(Routes::new().post("/posts", chain(echo)).build()?);
    /// let response = app.post("/posts").json("A \"title\"").send();
    /// assert_eq!(response.text(), "A \"title\"");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    ///
    /// # Panics
    /// The value cannot be written as JSON.
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Ask {
        self.field("Content-Type", content::JSON)
            .body(content::json(value))
    }

    /// Fields as a form sends them, and its Content-Type.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # #[derive(serde::Deserialize)]
    /// # pub struct Name { name: String }
    /// # slot!(pub Sent: Name = body form);
    /// # fn hello(cx: &mut Cx<Reads<Sent>>) -> Step { cx.text(&cx.get(Sent).name) }
    /// # let app = App::new(Routes::new().post("/hello", chain(hello)).build()?);
    /// let response = app.post("/hello").form(&[("name", "this & that")]).send();
    /// assert_eq!(response.text(), "this & that");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn form(self, fields: &[(&str, &str)]) -> Ask {
        self.field("Content-Type", content::FORM)
            .body(content::form(fields))
    }

    /// Text, and its Content-Type.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # slot!(pub Sent<'r>: &'r str = body text);
    /// # fn hello(cx: &mut Cx<Reads<Sent>>) -> Step { cx.text(cx.get(Sent)) }
    /// # let app = App::new(Routes::new().post("/hello", chain(hello)).build()?);
    /// let response = app.post("/hello").text("ann").send();
    /// assert_eq!(response.text(), "ann");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn text(self, text: &str) -> Ask {
        self.field("Content-Type", content::TEXT).body(text)
    }

    /// Sends it and lets time pass until its response is there.
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
    /// No response comes: within the app's patience, or because the connection ends without.
    #[track_caller]
    pub fn send(self) -> Response {
        self.start().wait()
    }

    /// Sends it and goes on at once, so that several are under way together.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let first = app.get("/hello").start();
    /// let second = app.get("/hello").start();
    /// assert!(!first.is_answered());
    /// app.advance(1.millis());
    /// assert!(first.is_answered() && second.is_answered());
    /// assert_eq!(first.wait().text(), second.wait().text());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[track_caller]
    pub fn start(self) -> Pending {
        let bytes = self.bytes();
        let words = format!("{} {}", self.method.name(), self.target);
        let is_to_head = self.method == Method::Head;
        let ends_connection = self.client.is_none();
        let client = self.client.unwrap_or_else(|| Client::connect(&self.shared));
        let place = with(&self.shared, |machine| {
            let peer = machine.peer(client.index);
            peer.ask(&bytes, words, is_to_head, ends_connection)
        });
        Pending { client, place }
    }

    /// The request as it goes over the wire.
    fn bytes(&self) -> Vec<u8> {
        let has = |wanted: &str| {
            let mut names = self.fields.iter().map(|(name, _)| name);
            names.any(|name| name.eq_ignore_ascii_case(wanted))
        };
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method.name(), self.target);
        if !has("Host") {
            text.push_str("Host: test\r\n");
        }
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let may_have_content = matches!(self.method, Method::Post | Method::Put | Method::Patch);
        let is_framed = has("Content-Length") || has("Transfer-Encoding");
        if !is_framed && (may_have_content || !self.content.is_empty()) {
            text.push_str(&format!("Content-Length: {}\r\n", self.content.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.content);
        bytes
    }
}
