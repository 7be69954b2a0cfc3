//! What a step sees of its request.

use super::arena::Arena;
use super::exit::Exit;
use super::frame::Window;
use super::keeper::Keeper;
use super::list::{Clauses, Readable, Usable, Writable};
use super::request::Request;
use super::slot::{Slot, Value};
use crate::effect::{Body, BodyHandle, Kind, Resource, ResourceIndex};
use crate::step::Failure;

/// A request as one step may see and change it. The clauses say what that is:
/// [`Reads`](crate::Reads), [`Writes`](crate::Writes), [`Uses`](crate::Uses), in any order.
///
/// What it gives lives as long as the request (`'r`) and does not borrow `cx`.
///
/// ```
/// use cutaway::prelude::*;
///
/// slot!(pub Id: i64 = path "id");
/// slot!(pub PostId: i64);
///
/// fn by_id(cx: &mut Cx<Reads<Id>, Writes<PostId>>) -> Step {
///     let id = *cx.get(Id);
///     if id < 1 {
///         return fail(BadRequest, "post", "id");
///     }
///     cx.put(PostId, id);
///     Continue
/// }
/// ```
///
/// It stays on the request's shard: no other thread gets it.
///
/// ```compile_fail,E0277
/// # use cutaway::prelude::*;
/// fn spread(cx: &mut Cx) {
///     std::thread::scope(|scope| {
///         scope.spawn(|| cx.param("id").len());
///     });
/// }
/// ```
///
/// In a crate with `#![deny(rust_2018_idioms)]` the lifetime must be spelled: `Cx<'_, Reads<Id>>`.
///
/// Clippy finds clauses with several slots complex: `type-complexity-threshold = 1000` in a crate's
/// `clippy.toml` tells it that they are what a reader looks for.
pub struct Cx<'r, A = (), B = (), C = ()> {
    pub(crate) window: Window<'r, (A, B, C)>,
}

impl<'r, A, B, C> Cx<'r, A, B, C>
where
    (A, B, C): Clauses,
{
    /// The value of a slot in `Reads`.
    ///
    /// It is there by construction: the pipeline was checked when it was compiled and again when it
    /// was built.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// slot!(pub Id: i64 = path "id");
    ///
    /// fn show(cx: &mut Cx<Reads<Id>>) -> Step {
    ///     let id = cx.get(Id);
    ///     cx.json(id)
    /// }
    /// # let tested = cutaway::testing::get("/7").param("id", "7").run(show);
    /// # assert_eq!(tested.response().body().as_slice(), b"7");
    /// ```
    #[inline(always)]
    pub fn get<S, I>(&self, _slot: S) -> &'r Value<'r, S>
    where
        S: Slot + Readable<<(A, B, C) as Clauses>::Reads, I>,
    {
        self.window.get::<S, I>()
    }

    /// Gives a slot in `Writes` its value, and shows it.
    ///
    /// The first value stays: a second `put` drops its value and fails the request with a 500.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// slot!(pub Name: String);
    ///
    /// fn name(cx: &mut Cx<Writes<Name>>) {
    ///     let name = cx.put(Name, "ann".to_owned());
    ///     assert_eq!(name.len(), 3);
    /// }
    /// # let tested = cutaway::testing::get("/").run(name);
    /// # assert_eq!(tested.slot(Name, String::clone).as_deref(), Some("ann"));
    /// ```
    #[inline(always)]
    pub fn put<S, I>(&mut self, _slot: S, value: Value<'r, S>) -> &'r Value<'r, S>
    where
        S: Slot + Writable<<(A, B, C) as Clauses>::Writes, I>,
    {
        self.window.put::<S, I>(value)
    }

    /// The handle of a resource in `Uses`, from which effects are built.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Count: (i64,));
    ///
    /// fn count(cx: &mut Cx<Writes<Count>, Uses<Blog>>) -> Step {
    ///     let query = cx.on(Blog).query_one("SELECT count(*) FROM posts");
    ///     cx.need(query.into(Count))
    /// }
    /// # assert_eq!(cutaway::testing::get("/").run(count).decision(), Ok(Decision::Need));
    /// ```
    #[inline]
    pub fn on<D, I>(&self, _resource: D) -> <D::Kind as Kind>::Handle<'r>
    where
        D: Resource + Usable<<(A, B, C) as Clauses>::Uses, I>,
    {
        let resource = ResourceIndex(self.window.resource::<D, I>());
        D::Kind::handle(resource, Keeper::of(self.window.footing()))
    }

    /// Takes the request's content: it is read when the effect that this builds is performed. The step
    /// has to declare [`Uses<Body>`](Body), which makes its route a streaming one.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// slot!(pub Upload: Vec<u8>);
    ///
    /// fn receive(cx: &mut Cx<Writes<Upload>, Uses<Body>>) -> Step {
    ///     cx.need(cx.body().bytes().into(Upload))
    /// }
    ///
    /// let receiving = chain(receive);
    /// ```
    #[inline]
    pub fn body<I>(&self) -> BodyHandle<'r>
    where
        Body: Usable<<(A, B, C) as Clauses>::Uses, I>,
    {
        self.on(Body)
    }
}

impl<'r, A, B, C> Cx<'r, A, B, C> {
    #[inline(always)]
    pub(crate) fn new(window: Window<'r, (A, B, C)>) -> Self {
        Cx { window }
    }

    /// The request's arena: for borrowed slots and whatever else must live as long as the request.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// slot!(pub Words<'r>: &'r [&'r str]);
    ///
    /// fn split(cx: &mut Cx<Writes<Words>>) {
    ///     let words: Vec<&str> = cx.request().path().split('/').skip(1).collect();
    ///     let words = cx.arena().slice(&words);
    ///     cx.put(Words, words);
    /// }
    /// # let tested = cutaway::testing::get("/a/b").run(split);
    /// # assert_eq!(tested.slot(Words, |words| words.len()), Some(2));
    /// ```
    #[inline]
    pub fn arena(&self) -> &'r Arena {
        self.window.arena()
    }

    /// The request as it came.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// fn greet(cx: &mut Cx) -> Step {
    ///     let request = cx.request();
    ///     cx.text(&format!("{} {}", request.method().name(), request.path()))
    /// }
    /// # let tested = cutaway::testing::get("/hello?a=1").run(greet);
    /// # assert_eq!(tested.response().body().as_slice(), b"GET /hello");
    /// ```
    #[inline]
    pub fn request(&self) -> &'r Request<'r> {
        self.window.request()
    }

    /// Why the request's content is refused: for the engine's own step, which runs where it is.
    pub(crate) fn refusal(&self) -> Failure {
        let refusal = self.window.take_refusal();
        refusal.expect("whoever sends a request to a refusing route says why")
    }

    /// The request's id: what the client sent as `X-Request-Id`, where that is a token of at most 128
    /// bytes; else 32 hexadecimal digits that no other request of this process has, nor, but for a
    /// chance of 2^-64, one of another process.
    ///
    /// A failure's problem+json and the request's timeline name it once it was asked for. The chain
    /// [`request_id`](crate::chains::request_id) sends it back to the client.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// fn whoami(cx: &mut Cx) -> Step {
    ///     let id = cx.request_id();
    ///     cx.text(id)
    /// }
    ///
    /// let tested = cutaway::testing::get("/").field("X-Request-Id", "7f3a").run(whoami);
    /// assert_eq!(tested.response().body().as_slice(), b"7f3a");
    /// ```
    ///
    /// # Complexity
    /// Looks through the request's fields with each call. A request that does not ask pays nothing.
    pub fn request_id(&self) -> &'r str {
        self.window.request_id()
    }

    /// Runs `callback` once when the request's own code is over, however that comes: answered, failed,
    /// panicked, past its deadline, or with its client gone. It may take along what borrows from the
    /// request.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::ctx::ExitKind;
    ///
    /// fn watch(cx: &mut Cx) {
    ///     let path = cx.request().path();
    ///     cx.on_exit(move |exit| {
    ///         if exit.kind() == ExitKind::ClientGone {
    ///             eprintln!("nobody waited for {path}");
    ///         }
    ///     });
    /// }
    /// ```
    ///
    /// A panic in it is caught and makes the request's reply a 500, as a panic in a step does.
    ///
    /// # Ordering
    /// The last one registered runs first, all of them before a value of the request is dropped, and
    /// that before the reply is encoded: whether the client gets it is not known yet. A value whose
    /// drop panics afterwards still changes the reply to a 500.
    ///
    /// # Complexity
    /// Its captures are moved into the request's arena.
    pub fn on_exit(&mut self, callback: impl FnOnce(&Exit) + 'r) {
        self.window.on_exit(callback);
    }

    /// A path parameter, percent-decoded; bytes that are not UTF-8 become `U+FFFD`.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// slot!(pub Post<'r>: Option<&'r str>);
    ///
    /// fn show(cx: &mut Cx<Reads<Post>>) -> Step {
    ///     let post = cx.get(Post).or_fail(NotFound, "post", cx.param("id"))?;
    ///     cx.text(post)
    /// }
    /// # let tested = cutaway::testing::get("/7").param("id", "a%20b").put_with(Post, |_| None).run(show);
    /// # assert_eq!(tested.failure().unwrap().key(), "a b");
    /// ```
    ///
    /// # Panics
    /// The route's pattern has no such parameter; the request is answered with a 500 then.
    /// [`Request::param`] answers with none instead.
    #[inline]
    pub fn param(&self, name: &str) -> &'r str {
        match self.window.request().param_lossy(name, self.window.arena()) {
            Some(text) => text,
            None => no_such_param(name),
        }
    }
}

#[cold]
fn no_such_param(name: &str) -> ! {
    panic!("the route's pattern has no parameter `{name}`")
}
