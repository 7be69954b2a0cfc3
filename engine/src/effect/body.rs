//! The content of a request as an effect: it is read while the request is under way, by whatever step
//! wants it.
//!
//! A step that declares [`Uses<Body>`](Body) makes its route a streaming one: the request is admitted
//! when its head is there, and its content stays with the client, held back by TCP, until a step
//! asks for it.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use cutaway_scheduler::Nanos;
use serde::Deserialize;

use super::ask::{Ask, Effect};
use super::decode::{Answer, Decode, Undecoded};
use super::file::{BodyFile, NewFile};
use super::record::{EffectRecord, Operation};
use super::shape::{Optional, Shape};
use super::{Kind, Resource, ResourceIndex, Settings};
use crate::ctx::{Arena, BodyFormat, FromText, Keeper, Slot, Value, content};
use crate::step::Failure;

/// The content of the request: a resource that every engine has. A step that declares `Uses<Body>`
/// takes the content with [`cx.body()`](crate::Cx::body).
///
/// ```
/// use cutaway::prelude::*;
///
/// slot!(pub Upload<'r>: &'r [u8]);
///
/// fn check_rights(cx: &mut Cx) -> Step {
///     // Nothing of the content has been read yet.
///     cx.request().field("authorization").or_fail(Unauthorized, "upload", "")?;
///     Continue
/// }
///
/// fn receive(cx: &mut Cx<Writes<Upload>, Uses<Body>>) -> Step {
///     cx.need(cx.body().bytes().into(Upload))
/// }
///
/// fn show(cx: &mut Cx<Reads<Upload>>) -> Step {
///     cx.json(&cx.get(Upload).len())
/// }
///
/// let routes = Routes::new()
///     .post("/uploads", chain(check_rights).then(receive).then(show).no_deadline())
///     .build()?;
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
///
/// A chain takes the content in one way: with `cx.body()`, or with a slot `= body ..`, which has it
/// read before the first step. Both is refused when the routes are built. It is taken once: a
/// second effect on it fails the request with a 500 that names the step.
///
/// # Bounds
/// [`Chain::body_bytes_max`](crate::step::Chain::body_bytes_max), else the engine's limit: where the
/// head tells, more is refused with a 413 before the first step; else the effect fails so. Of content
/// that no step has taken when the request is answered,
/// [`discard_bytes_max`](crate::limits::Limits::discard_bytes_max) is read and thrown away; where
/// there may be more, the connection ends with the answer.
#[derive(Clone, Copy, Debug)]
pub struct Body;

impl Resource for Body {
    type Kind = RequestBody;
    const NAME: &'static str = "Body";
}

/// The kind of resource that [`Body`] is. There is nothing to set, so nobody can make one.
#[derive(Clone, Copy, Debug)]
pub enum RequestBody {}

impl Kind for RequestBody {
    type Handle<'r> = BodyHandle<'r>;

    fn handle<'r>(_: ResourceIndex, keeper: Keeper<'r>) -> BodyHandle<'r> {
        BodyHandle { keeper }
    }

    fn settings(self) -> Settings {
        match self {}
    }
}

/// Builds the effect that takes the request's content: `cx.body()`.
///
/// Each effect begins with the 100 (Continue) that a client may wait for, and has completed with the
/// last byte of the content. Waiting for the client counts as parked; a client that sends nothing for
/// [`body_idle_timeout`](crate::limits::Limits::body_idle_timeout) gets a 408.
pub struct BodyHandle<'r> {
    keeper: Keeper<'r>,
}

impl<'r> BodyHandle<'r> {
    /// The content as it comes, into a slot of type `&'r [u8]` or what can be made of it.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// slot!(pub Sent<'r>: &'r [u8]);
    ///
    /// fn receive(cx: &mut Cx<Writes<Sent>, Uses<Body>>) -> Step {
    ///     cx.need(cx.body().bytes().into(Sent))
    /// }
    ///
    /// let receiving = chain(receive);
    /// ```
    pub fn bytes(self) -> Content<'r, BodyBytes> {
        Content::of(BodyFormat::Bytes, None)
    }

    /// Text, into a slot of a type that is [read from text](FromText).
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// slot!(pub Sent<'r>: &'r str);
    ///
    /// fn receive(cx: &mut Cx<Writes<Sent>, Uses<Body>>) -> Step {
    ///     cx.need(cx.body().text().into(Sent))
    /// }
    ///
    /// let receiving = chain(receive);
    /// ```
    ///
    /// # Errors
    /// The effect fails with a 415 where the content is of another type by its own words, the request
    /// with a 400 where it is not UTF-8.
    pub fn text(self) -> Content<'r, BodyText> {
        Content::of(BodyFormat::Text, None)
    }

    /// JSON, into a slot of a type that serde can read. The slot says which: `json()` itself has no
    /// type parameter, and needs none.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// #[derive(serde::Deserialize)]
    /// pub struct PostInput<'r> {
    ///     title: &'r str,
    /// }
    ///
    /// slot!(pub NewPost<'r>: PostInput<'r>);
    ///
    /// fn receive(cx: &mut Cx<Writes<NewPost>, Uses<Body>>) -> Step {
    ///     cx.need(cx.body().json().into(NewPost))
    /// }
    ///
    /// let receiving = chain(receive);
    /// ```
    ///
    /// # Errors
    /// The effect fails with a 415 where the content is of another type by its own words; the request
    /// with a 400 or 422 as a slot `= body json` has it.
    pub fn json(self) -> Content<'r, BodyJson> {
        Content::of(BodyFormat::Json, None)
    }

    /// A form, into a slot of a type that serde can read.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// #[derive(serde::Deserialize)]
    /// pub struct Comment<'r> {
    ///     text: &'r str,
    /// }
    ///
    /// slot!(pub Sent<'r>: Comment<'r>);
    ///
    /// fn receive(cx: &mut Cx<Writes<Sent>, Uses<Body>>) -> Step {
    ///     cx.need(cx.body().form().into(Sent))
    /// }
    ///
    /// let receiving = chain(receive);
    /// ```
    ///
    /// # Errors
    /// As [`json`](BodyHandle::json).
    pub fn form(self) -> Content<'r, BodyForm> {
        Content::of(BodyFormat::Form, None)
    }

    /// Adds each piece of the content to a value as it comes, without keeping the pieces. The value goes
    /// into a slot of type `T`.
    ///
    /// `add` is called in the shard's own time: it should be short, as a step should.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// slot!(pub LineCount: usize);
    ///
    /// fn count(cx: &mut Cx<Writes<LineCount>, Uses<Body>>) -> Step {
    ///     cx.need(cx.body().fold(0, add_lines).into(LineCount))
    /// }
    ///
    /// fn add_lines(count: &mut usize, piece: &[u8]) -> Result<(), cutaway::Failure> {
    ///     *count += piece.iter().filter(|&&byte| byte == b'\n').count();
    ///     Ok(())
    /// }
    ///
    /// let counting = chain(count);
    /// ```
    ///
    /// # Errors
    /// The effect fails where `add` does, with that failure.
    ///
    /// # Cancel safety
    /// The value is dropped exactly once, whatever becomes of the request.
    pub fn fold<T: 'static>(self, init: T, add: AddPiece<T>) -> Content<'r, BodyFold<T>> {
        let state = self.keeper.keep(init);
        let fold: &'r Adding<'r, T> = self.keeper.arena().bump().alloc(Adding { state, add });
        Content::of(BodyFormat::Bytes, Some(Fold(fold)))
    }

    /// Writes the content into a file as it comes, without keeping it, and gives the file its name when
    /// it is whole. Into a slot of type [`StoredFile`](super::StoredFile).
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Uploads: Directory);
    /// slot!(pub Name<'r>: &'r str = path "name");
    /// slot!(pub Saved: StoredFile);
    ///
    /// fn save(cx: &mut Cx<Reads<Name>, Writes<Saved>, Uses<(Body, Uploads)>>) -> Step {
    ///     let file = cx.on(Uploads).file(cx.get(Name)).replacing();
    ///     cx.need(cx.body().to_file(file).into(Saved))
    /// }
    ///
    /// fn show(cx: &mut Cx<Reads<Saved>>) -> Step {
    ///     let is_new = !cx.get(Saved).has_replaced;
    ///     cx.status(if is_new { Status::CREATED } else { Status::OK }).text("stored")
    /// }
    ///
    /// let routes = Routes::new()
    ///     .resource(Uploads, Directory::open("uploads"))
    ///     .put("/files/{name}", chain(save).then(show).deadline(600.secs()).body_bytes_max(1 << 30))
    ///     .build()?;
    ///
    /// let app = cutaway::testing::App::new(routes);
    /// app.put("/files/a.txt").body("hello").send().assert_status(Status::CREATED);
    /// assert_eq!(app.disk(Uploads).file("a.txt").as_deref(), Some(&b"hello"[..]));
    /// app.put("/files/a.txt").body("other").send().assert_status(Status::OK);
    /// app.put("/files/..%2fa.txt").body("x").send().assert_status(Status::UNPROCESSABLE_CONTENT);
    /// app.finish();
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    ///
    /// A file under its name is whole and durable: it is written without a name, synced, named, and its
    /// directory synced, before the effect completes. Where anything goes wrong before that, the
    /// client going away included, nothing of it is left.
    ///
    /// # Bounds
    /// The request's [deadline](crate::step::Chain::deadline) covers the whole upload: a route for large
    /// files should have a longer one than its class, or [none](crate::step::Chain::no_deadline); a
    /// client that sends nothing is given up all the same. How much may come is
    /// [`body_bytes_max`](crate::step::Chain::body_bytes_max), which may be far more than fits in
    /// memory: about two times [`write_bytes`](super::directory::DirectoryBounds::write_bytes) are held
    /// at a time, and while the disk is slower than that, the client is not read from.
    ///
    /// # Errors
    /// The effect fails with a 422 for a name that no file may have; a 409 where there is a file of the
    /// name that is not to be [replaced](NewFile::replacing), before the content is asked for if it is
    /// known by then; a 507 where the disk is full; a 503 where too many files are written at a time; a
    /// 500, told to the trace only, where the disk fails. As with the other effects a 413, 408 or 400
    /// where the content is too large, too slow, or cut off.
    ///
    /// # Cancel safety
    /// A deadline, a cancel or a disconnect stops it between two writes. The one thing that cannot be
    /// taken back is the name: where it is being given at that moment, the file may stand there, whole,
    /// though its client was told of a failure.
    pub fn to_file(self, file: NewFile<'r>) -> Content<'r, BodyFile> {
        Content {
            resource: Some(file.resource),
            operation: Operation::Store {
                name: file.name,
                is_replacing: file.is_replacing,
            },
            timeout: None,
            shape: PhantomData,
        }
    }
}

/// What adds a piece of content to a value.
pub type AddPiece<T> = fn(&mut T, &[u8]) -> Result<(), Failure>;

/// The content of the request, to be taken; `Q` is the shape of what it becomes.
#[must_use = "an effect is performed only when it is returned with `cx.need`"]
pub struct Content<'r, Q> {
    resource: Option<u16>,
    operation: Operation<'r>,
    timeout: Option<Nanos>,
    shape: PhantomData<fn() -> Q>,
}

impl<'r, Q: Shape> Content<'r, Q> {
    fn of(format: BodyFormat, fold: Option<Fold<'r>>) -> Content<'r, Q> {
        Content {
            resource: None,
            operation: Operation::Body { format, fold },
            timeout: None,
            shape: PhantomData,
        }
    }

    /// How long the effect may take. Without it only the request's deadline bounds it.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// slot!(pub Sent<'r>: &'r [u8]);
    ///
    /// fn receive(cx: &mut Cx<Writes<Sent>, Uses<Body>>) -> Step {
    ///     cx.need(cx.body().bytes().timeout(2.secs()).into(Sent))
    /// }
    ///
    /// let receiving = chain(receive);
    /// ```
    pub fn timeout(mut self, length: Duration) -> Self {
        self.timeout = Some(length.into());
        self
    }

    /// Lets the request go on where the content does not come, or not as it should: it is of another
    /// type by its own words, too large, too slow or cut off, or its file cannot be written. The slot's
    /// value is an `Option`, and none then.
    ///
    /// Content that has come and cannot be read as what it says it is fails the request all the same.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// resource!(pub Uploads: Directory);
    /// slot!(pub Saved: Option<StoredFile>);
    ///
    /// fn save(cx: &mut Cx<Writes<Saved>, Uses<(Body, Uploads)>>) -> Step {
    ///     cx.need(cx.body().to_file(cx.on(Uploads).file("latest")).optional().into(Saved))
    /// }
    ///
    /// fn show(cx: &mut Cx<Reads<Saved>>) -> Step {
    ///     match cx.get(Saved) {
    ///         Some(_) => cx.text("stored"),
    ///         None => cx.status(Status::CONFLICT).text("there is one already, or no room"),
    ///     }
    /// }
    ///
    /// let routes = Routes::new()
    ///     .resource(Uploads, Directory::open("uploads"))
    ///     .post("/latest", chain(save).then(show))
    ///     .build()?;
    /// let app = cutaway::testing::App::new(routes);
    /// assert_eq!(app.post("/latest").body("one").send().text(), "stored");
    /// app.post("/latest").body("two").send().assert_status(Status::CONFLICT);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn optional(self) -> Content<'r, Optional<Q>> {
        Content {
            resource: self.resource,
            operation: self.operation,
            timeout: self.timeout,
            shape: PhantomData,
        }
    }

    /// The slot that the content goes into; it must be in the step's `Writes`.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// slot!(pub Sent: Vec<u8>);
    ///
    /// fn receive(cx: &mut Cx<Writes<Sent>, Uses<Body>>) -> Step {
    ///     cx.need(cx.body().bytes().into(Sent))
    /// }
    ///
    /// let receiving = chain(receive);
    /// ```
    pub fn into<S: Slot>(self, _slot: S) -> Effect<'r, S>
    where
        Value<'r, S>: Decode<'r, Q>,
    {
        Effect::of(self)
    }
}

impl<'r, Q: Shape> Ask<'r> for Content<'r, Q> {
    type Shape = Q;

    fn record(self) -> EffectRecord<'r> {
        EffectRecord {
            timeout: self.timeout,
            ..EffectRecord::new(self.resource, self.operation)
        }
    }
}

/// The content as bytes.
#[derive(Debug)]
pub struct BodyBytes;

/// The content as text.
#[derive(Debug)]
pub struct BodyText;

/// The content as JSON.
#[derive(Debug)]
pub struct BodyJson;

/// The content as a form.
#[derive(Debug)]
pub struct BodyForm;

/// What was made of the content, piece by piece.
#[derive(Debug)]
pub struct BodyFold<T>(PhantomData<fn() -> T>);

impl Shape for BodyBytes {}
impl Shape for BodyText {}
impl Shape for BodyJson {}
impl Shape for BodyForm {}
impl<T: 'static> Shape for BodyFold<T> {}

impl<'r, T: From<&'r [u8]>> Decode<'r, BodyBytes> for T {
    fn decode(answer: Answer<'r>, _: &'r Arena) -> Result<Self, Undecoded> {
        Ok(T::from(answer.content))
    }
}

impl<'r, T: FromText<'r>> Decode<'r, BodyText> for T {
    fn decode(answer: Answer<'r>, _: &'r Arena) -> Result<Self, Undecoded> {
        content::text(answer.content).map_err(Undecoded::Content)
    }
}

impl<'r, T: Deserialize<'r>> Decode<'r, BodyJson> for T {
    fn decode(answer: Answer<'r>, arena: &'r Arena) -> Result<Self, Undecoded> {
        content::json(answer.content, arena).map_err(Undecoded::Content)
    }
}

impl<'r, T: Deserialize<'r>> Decode<'r, BodyForm> for T {
    fn decode(answer: Answer<'r>, arena: &'r Arena) -> Result<Self, Undecoded> {
        content::form(answer.content, arena).map_err(Undecoded::Content)
    }
}

impl<'r, T: 'static> Decode<'r, BodyFold<T>> for T {
    fn decode(answer: Answer<'r>, _: &'r Arena) -> Result<Self, Undecoded> {
        let state = answer.fold.map(|fold| fold.0.state());
        let state = state.and_then(<dyn Any>::downcast_ref::<RefCell<Option<T>>>);
        let value = state.and_then(RefCell::take);
        Ok(value.expect("the value of a fold is there until its slot takes it"))
    }
}

/// What each piece of the content is added to. Plain data: the value lies in the request's arena.
#[derive(Clone, Copy)]
pub struct Fold<'r>(&'r (dyn Folding + 'r));

impl Fold<'_> {
    /// Adds a piece.
    pub(crate) fn add(self, piece: &[u8]) -> Result<(), Failure> {
        self.0.add(piece)
    }
}

impl fmt::Debug for Fold<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fold")
    }
}

/// Whether both add to one value.
impl PartialEq for Fold<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self.0, other.0)
    }
}

/// A fold whose type is forgotten.
trait Folding {
    fn add(&self, piece: &[u8]) -> Result<(), Failure>;
    fn state(&self) -> &dyn Any;
}

struct Adding<'r, T> {
    state: &'r RefCell<Option<T>>,
    add: AddPiece<T>,
}

impl<T: 'static> Folding for Adding<'_, T> {
    fn add(&self, piece: &[u8]) -> Result<(), Failure> {
        match self.state.borrow_mut().as_mut() {
            Some(state) => (self.add)(state, piece),
            None => Ok(()),
        }
    }

    fn state(&self) -> &dyn Any {
        self.state
    }
}
