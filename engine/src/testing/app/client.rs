//! A client of an app, and a response that it waits for.

use std::fmt;
use std::rc::Rc;

use super::ask::Ask;
use super::peer::Awaited;
use super::{Shared, with};
use crate::http::Method;
use crate::testing::response::Response;
use crate::testing::simulation::ClientEnd;
use crate::testing::timeline::RequestTimeline;

/// A client with one connection to an app; see [`App::client`](super::App::client). Clones are the
/// same client.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::testing::App;
///
/// fn hello(cx: &mut Cx) -> Step {
///     cx.text("Hello, World!")
/// }
///
/// let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
/// let client = app.client();
/// client.get("/hello").send().assert_status(Status::OK);
/// client.get("/nothing").send().assert_status(Status::NOT_FOUND);
///
/// // What is no request at all.
/// client.send(b"nonsense\r\n\r\n");
/// client.response().assert_status(Status::BAD_REQUEST);
/// assert!(!client.is_open());
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Shared,
    pub(super) index: usize,
}

impl Client {
    #[track_caller]
    pub(super) fn connect(shared: &Shared) -> Client {
        Client {
            shared: Rc::clone(shared),
            index: with(shared, |machine| machine.connect()),
        }
    }

    /// A GET request on this connection.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let client = app.client();
    /// assert_eq!(client.get("/hello").send().text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn get(&self, target: &str) -> Ask {
        self.request(Method::Get, target)
    }

    /// A POST request on this connection.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let client = app.client();
    /// client.post("/hello").send().assert_status(Status::METHOD_NOT_ALLOWED);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn post(&self, target: &str) -> Ask {
        self.request(Method::Post, target)
    }

    /// A request of any method on this connection. Those that are started before the response to an
    /// earlier one has come are pipelined.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// use cutaway::http::Method;
    ///
    /// let client = app.client();
    /// // Pipelined: both are sent before a response has come.
    /// let (first, second) = (client.get("/hello").start(), client.request(Method::Head, "/hello").start());
    /// assert_eq!(first.wait().text(), "hello");
    /// assert!(second.wait().body().is_empty());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn request(&self, method: Method, target: &str) -> Ask {
        Ask::new(Rc::clone(&self.shared), Some(self.clone()), method, target)
    }

    /// Sends bytes as they are: part of a request, several, or none.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let client = app.client();
    /// client.send(b"GET /hello HTTP/1.1\r\n");
    /// app.advance(3.millis());
    /// client.send(b"Host: test\r\n\r\n");
    /// assert_eq!(client.response().text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) {
        with(&self.shared, |machine| machine.peer(self.index).send(bytes));
    }

    /// The next response that nobody has waited for: the answer to bytes that were
    /// [sent](Client::send). Lets time pass until it is there.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let client = app.client();
    /// client.send(b"NONSENSE\r\n\r\n");
    /// client.response().assert_status(Status::BAD_REQUEST);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    ///
    /// # Panics
    /// As [`Pending::wait`].
    #[track_caller]
    pub fn response(&self) -> Response {
        let place = with(&self.shared, |machine| {
            machine.peer(self.index).expect_one()
        });
        let client = self.clone();
        Pending { client, place }.wait()
    }

    /// Goes away without a word: the connection is reset, and what was under way is lost.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let client = app.client();
    /// client.send(b"GET /hel");
    /// client.disconnect();
    /// app.advance(1.millis());
    /// app.finish();
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[track_caller]
    pub fn disconnect(&self) {
        with(&self.shared, |machine| {
            machine.peer(self.index).disconnect()
        });
    }

    /// Sends no more (FIN), and goes on reading.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let client = app.client();
    /// let pending = client.get("/hello").start();
    /// client.finish();
    /// assert_eq!(pending.wait().text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[track_caller]
    pub fn finish(&self) {
        with(&self.shared, |machine| machine.peer(self.index).finish());
    }

    /// Reads nothing more, so that the server's sends come to a halt.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let client = app.client();
    /// client.stop_reading();
    /// let pending = client.get("/hello").start();
    /// app.advance(5.millis());
    /// assert!(!pending.is_answered());
    /// client.read_again();
    /// assert_eq!(pending.wait().text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[track_caller]
    pub fn stop_reading(&self) {
        with(&self.shared, |machine| {
            machine.peer(self.index).sim().stop_reading()
        });
    }

    /// Reads again.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let client = app.client();
    /// client.stop_reading();
    /// let pending = client.get("/hello").start();
    /// app.advance(5.millis());
    /// client.read_again();
    /// assert_eq!(pending.wait().text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[track_caller]
    pub fn read_again(&self) {
        with(&self.shared, |machine| {
            machine.peer(self.index).sim().read_again()
        });
    }

    /// Whether the server has not ended the connection, as far as the client has heard.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let client = app.client();
    /// client.get("/hello").send();
    /// assert!(client.is_open());
    /// app.advance(61.secs()); // longer than `keep_alive_idle`
    /// assert!(!client.is_open());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[track_caller]
    pub fn is_open(&self) -> bool {
        self.end().is_none()
    }

    /// How the connection has ended, if it has.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// use cutaway::testing::simulation::ClientEnd;
    ///
    /// let client = app.client();
    /// client.get("/hello").field("Connection", "close").send();
    /// app.advance(1.millis());
    /// assert_eq!(client.end(), Some(ClientEnd::Finished));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[track_caller]
    pub fn end(&self) -> Option<ClientEnd> {
        with(&self.shared, |machine| machine.peer(self.index).sim().end())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.index).finish()
    }
}

/// A request that was sent, and its response once it is there; see [`Ask::start`].
#[derive(Clone, Debug)]
pub struct Pending {
    pub(super) client: Client,
    /// Its place among the requests of the client.
    pub(super) place: usize,
}

impl Pending {
    /// Whether the response is there.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let pending = app.get("/hello").start();
    /// assert!(!pending.is_answered());
    /// app.advance(1.millis());
    /// assert!(pending.is_answered());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[track_caller]
    pub fn is_answered(&self) -> bool {
        self.response().is_some()
    }

    /// The response, if it is there. No time passes.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let pending = app.get("/hello").start();
    /// assert!(pending.response().is_none());
    /// app.advance(1.millis());
    /// assert_eq!(pending.response().unwrap().text(), "hello");
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[track_caller]
    pub fn response(&self) -> Option<Response> {
        match self.look() {
            Awaited::Response(response) => Some(response),
            Awaited::Nothing | Awaited::Never(_) => None,
        }
    }

    /// The response. Lets time pass until it is there.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let (first, second) = (app.get("/hello").start(), app.get("/hello").start());
    /// assert_eq!(first.wait().text(), second.wait().text());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    ///
    /// # Panics
    /// It does not come: within the app's [patience](super::App::patience), or because the connection
    /// ends without it.
    #[track_caller]
    pub fn wait(&self) -> Response {
        let Pending { client, place } = self;
        let waited = with(&client.shared, |machine| machine.wait(client.index, *place));
        waited.unwrap_or_else(|never| panic!("{never}"))
    }

    /// The timeline of the request once it has ended, with a response or without one.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let pending = app.get("/hello").start();
    /// assert!(pending.timeline().is_none());
    /// app.advance(1.millis());
    /// assert_eq!(pending.timeline().unwrap().status(), 200);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[track_caller]
    pub fn timeline(&self) -> Option<RequestTimeline> {
        let Pending { client, place } = self;
        with(&client.shared, |machine| {
            machine.timeline_of(client.index, *place)
        })
    }

    /// Its client goes away; see [`Client::disconnect`].
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # use cutaway::timeline::MarkKind;
    /// # slot!(Waited: cutaway::effect::Elapsed);
    /// # fn wait(cx: &mut Cx<Writes<Waited>>) -> Step {
    /// #     cx.need(cx.timer(20.millis()).into(Waited))
    /// # }
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let routes = Routes::new().get("/slow", chain(wait).then(hello)).build()?;
    /// let app = App::new(routes);
    /// let pending = app.get("/slow").start();
    /// app.advance(5.millis());
    /// pending.disconnect();
    /// app.advance(0.millis());
    /// let timeline = pending.timeline().expect("it has ended");
    /// assert_eq!(timeline.total(), 5.millis());
    /// assert!(timeline.has(MarkKind::ClientGone));
    /// app.finish();
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[track_caller]
    pub fn disconnect(&self) {
        self.client.disconnect();
    }

    /// The client that sent it.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing::App;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// # let app = App::new(Routes::new().get("/hello", chain(hello)).build()?);
    /// let pending = app.get("/hello").start();
    /// pending.client().disconnect();
    /// app.advance(1.millis());
    /// assert!(!pending.client().is_open());
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn client(&self) -> &Client {
        &self.client
    }

    #[track_caller]
    fn look(&self) -> Awaited {
        let Pending { client, place } = self;
        with(&client.shared, |machine| machine.look(client.index, *place))
    }
}
