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
    pub fn get(&self, target: &str) -> Ask {
        self.request(Method::Get, target)
    }

    /// A POST request on this connection.
    pub fn post(&self, target: &str) -> Ask {
        self.request(Method::Post, target)
    }

    /// A request of any method on this connection. Those that are started before the response to an
    /// earlier one has come are pipelined.
    pub fn request(&self, method: Method, target: &str) -> Ask {
        Ask::new(Rc::clone(&self.shared), Some(self.clone()), method, target)
    }

    /// Sends bytes as they are: part of a request, several, or none.
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) {
        with(&self.shared, |machine| machine.peer(self.index).send(bytes));
    }

    /// The next response that nobody has waited for: the answer to bytes that were
    /// [sent](Client::send). Lets time pass until it is there.
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
    #[track_caller]
    pub fn disconnect(&self) {
        with(&self.shared, |machine| {
            machine.peer(self.index).disconnect()
        });
    }

    /// Sends no more (FIN), and goes on reading.
    #[track_caller]
    pub fn finish(&self) {
        with(&self.shared, |machine| machine.peer(self.index).finish());
    }

    /// Reads nothing more, so that the server's sends come to a halt.
    #[track_caller]
    pub fn stop_reading(&self) {
        with(&self.shared, |machine| {
            machine.peer(self.index).sim().stop_reading()
        });
    }

    /// Reads again.
    #[track_caller]
    pub fn read_again(&self) {
        with(&self.shared, |machine| {
            machine.peer(self.index).sim().read_again()
        });
    }

    /// Whether the server has not ended the connection, as far as the client has heard.
    #[track_caller]
    pub fn is_open(&self) -> bool {
        self.end().is_none()
    }

    /// How the connection has ended, if it has.
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
    #[track_caller]
    pub fn is_answered(&self) -> bool {
        self.response().is_some()
    }

    /// The response, if it is there. No time passes.
    #[track_caller]
    pub fn response(&self) -> Option<Response> {
        match self.look() {
            Awaited::Response(response) => Some(response),
            Awaited::Nothing | Awaited::Never(_) => None,
        }
    }

    /// The response. Lets time pass until it is there.
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
    pub fn client(&self) -> &Client {
        &self.client
    }

    #[track_caller]
    fn look(&self) -> Awaited {
        let Pending { client, place } = self;
        with(&client.shared, |machine| machine.look(client.index, *place))
    }
}
