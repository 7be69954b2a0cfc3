//! Chains: steps in an order that the compiler has checked.

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use cutaway_scheduler::{ClassId, Nanos};

use super::decision::{IntoStep, Step};
use crate::ctx::list::{
    AvailableIn, Clauses, Concat, Follows, Joined, ListOf, Nil, OnceIn, ResourceList, Set, SlotList,
};
use crate::ctx::{Access, Cx, Frame, PlanBuilder, Reach, SlotMeta};
use crate::effect::ResourceMeta;

/// Steps in order, and what is known of them from their types alone.
///
/// `Given` are the slots it expects from outside, `Available` all that are there after its last
/// step, `Own` those its own steps write.
///
/// ```
/// use cutaway::prelude::*;
///
/// slot!(pub Id: i64 = path "id");
/// slot!(pub Name: String);
///
/// fn find(cx: &mut Cx<Reads<Id>, Writes<Name>>) {
///     let id = *cx.get(Id);
///     cx.put(Name, format!("number {id}"));
/// }
///
/// fn greet(cx: &mut Cx<Reads<Name>>) -> Step {
///     let name = cx.get(Name);
///     cx.text(name)
/// }
///
/// let greeting = chain(find).then(greet).class(Interactive).deadline(50.millis());
/// ```
#[must_use = "a chain serves requests only once a route has it"]
pub struct Chain<Given, Available, Own> {
    pub(crate) entries: Vec<Entry>,
    pub(crate) settings: Settings,
    lists: Lists<Given, Available, Own>,
}

/// A chain as a function returns it: what it expects, and what its own steps write, the last step's
/// slots first.
///
/// ```
/// use cutaway::prelude::*;
/// use cutaway::step::Shared;
///
/// slot!(pub User: String);
/// slot!(pub Rights: u32);
/// slot!(pub Quota: u32);
///
/// fn find_rights(cx: &mut Cx<Reads<User>, Writes<Rights>>) {
///     let rights = cx.get(User).len() as u32;
///     cx.put(Rights, rights);
/// }
///
/// fn find_quota(cx: &mut Cx<Reads<Rights>, Writes<Quota>>) {
///     let quota = 10 * *cx.get(Rights);
///     cx.put(Quota, quota);
/// }
///
/// /// What a user may do, for every route that asks.
/// fn limits() -> Shared<User, (Quota, Rights)> {
///     given::<User>().then(find_rights).then(find_quota)
/// }
///
/// assert_eq!(limits().writes(), ["Rights", "Quota"]);
/// ```
pub type Shared<Expects, Writes> =
    Chain<ListOf<Expects>, Joined<ListOf<Writes>, ListOf<Expects>>, ListOf<Writes>>;

type Lists<Given, Available, Own> = PhantomData<fn() -> (Given, Available, Own)>;

/// What a chain says about its requests besides its steps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) class: Option<ClassId>,
    pub(crate) deadline: Deadline,
    pub(crate) slow_after: Option<Nanos>,
    pub(crate) body_bytes_max: Option<u64>,
}

impl Settings {
    /// With the class and the deadline of the routes around it, where it has said none itself.
    pub(crate) fn within(self, around: &Settings) -> Settings {
        Settings {
            class: self.class.or(around.class),
            deadline: match self.deadline {
                Deadline::OfClass => around.deadline,
                said => said,
            },
            ..self
        }
    }
}

/// How long a request of a route may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deadline {
    /// As long as its class says.
    #[default]
    OfClass,
    /// So long.
    After(Nanos),
    /// As long as it likes.
    Never,
}

/// The slots that the clauses `C` write.
pub type WritesOf<C> = <C as Clauses>::Writes;

/// A chain that begins with this step.
///
/// ```
/// # use cutaway::prelude::*;
/// fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
///
/// let routes = Routes::new().get("/hello", chain(hello)).build()?;
/// # Ok::<(), cutaway::RoutesRefused>(())
/// ```
#[allow(clippy::type_complexity)] // the type says what the chain knows
pub fn chain<F, A, B, C, R, Index>(step: F) -> Chain<Nil, WritesOf<(A, B, C)>, WritesOf<(A, B, C)>>
where
    F: for<'a, 'r> Fn(&'a mut Cx<'r, A, B, C>) -> R + Send + Sync + 'static,
    R: IntoStep + 'static,
    (A, B, C): Clauses,
    F: Follows<Nil, (A, B, C), Index>,
{
    Chain::of(vec![Entry::of(step)], Settings::default())
}

/// A chain that expects slots from outside: from a `before` chain, or from the chain that includes
/// it.
///
/// ```
/// use cutaway::prelude::*;
///
/// slot!(pub User<'r>: &'r str);
///
/// fn greet(cx: &mut Cx<Reads<User>>) -> Step {
///     let user = *cx.get(User);
///     cx.text(user)
/// }
///
/// let greeting = given::<User>().then(greet);
/// ```
pub fn given<G: Set>() -> Chain<G::List, G::List, Nil> {
    Chain::of(Vec::new(), Settings::default())
}

impl<Given, Available, Own> Chain<Given, Available, Own> {
    fn of(entries: Vec<Entry>, settings: Settings) -> Chain<Given, Available, Own> {
        Chain {
            entries,
            settings,
            lists: PhantomData,
        }
    }

    /// The next step. What it reads must have been written by then, and no earlier step may write
    /// what it writes.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn check(_: &mut Cx) {}
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// let routes = Routes::new().get("/hello", chain(check).then(hello)).build()?;
    /// assert_eq!(routes.routes()[0].steps_count(), 2);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    #[allow(clippy::type_complexity)] // as above
    pub fn then<F, A, B, C, R, Index, ThisSlotAlreadyHasAWriter>(
        mut self,
        step: F,
    ) -> Chain<Given, Joined<WritesOf<(A, B, C)>, Available>, Joined<WritesOf<(A, B, C)>, Own>>
    where
        F: for<'a, 'r> Fn(&'a mut Cx<'r, A, B, C>) -> R + Send + Sync + 'static,
        R: IntoStep + 'static,
        (A, B, C): Clauses,
        F: Follows<Available, (A, B, C), Index>,
        WritesOf<(A, B, C)>: Concat<Available>
            + Concat<Own>
            + OnceIn<Joined<WritesOf<(A, B, C)>, Available>, ThisSlotAlreadyHasAWriter>,
    {
        self.entries.push(Entry::of(step));
        Chain::of(self.entries, self.settings)
    }

    /// The steps of a shared chain. What it expects must have been written by then; what it writes
    /// is there afterwards. Its class and deadline are its own affair and do not come along.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    ///
    /// slot!(pub User: String);
    /// slot!(pub Rights: u32);
    ///
    /// fn find_user(cx: &mut Cx<Writes<User>>) {
    ///     cx.put(User, "ann".to_owned());
    /// }
    ///
    /// fn find_rights(cx: &mut Cx<Reads<User>, Writes<Rights>>) {
    ///     let rights = cx.get(User).len() as u32;
    ///     cx.put(Rights, rights);
    /// }
    ///
    /// fn show(cx: &mut Cx<Reads<Rights>>) -> Step {
    ///     cx.json(cx.get(Rights))
    /// }
    ///
    /// let rights = given::<User>().then(find_rights);
    /// let showing = chain(find_user).include(&rights).then(show);
    /// assert!(showing.reads().is_empty());
    /// ```
    pub fn include<G, Theirs, TheirOwn, Index>(
        mut self,
        shared: &Chain<G, Theirs, TheirOwn>,
    ) -> Chain<Given, Joined<TheirOwn, Available>, Joined<TheirOwn, Own>>
    where
        G: AvailableIn<Available, Index>,
        TheirOwn: Concat<Available> + Concat<Own>,
    {
        self.entries.extend(shared.entries.iter().cloned());
        Chain::of(self.entries, self.settings)
    }

    /// The steps of a shared chain, ahead of all of this one's. They write what this one expects; what
    /// they expect themselves it expects from now on. Their class and deadline do not come along.
    ///
    /// Where this chain expects more than the shared one writes, let the shared one expect it too:
    /// `.before(&given::<User>().include(&shared))`.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// slot!(pub Id: i64 = path "id");
    /// slot!(pub Title: String);
    ///
    /// fn load(cx: &mut Cx<Reads<Id>, Writes<Title>>) {
    ///     let id = *cx.get(Id);
    ///     cx.put(Title, format!("post {id}"));
    /// }
    ///
    /// fn show(cx: &mut Cx<Reads<Title>>) -> Step {
    ///     let title = cx.get(Title);
    ///     cx.text(title)
    /// }
    ///
    /// fn edit(cx: &mut Cx<Reads<Title>>) -> Step {
    ///     let title = cx.get(Title);
    ///     cx.html(&format!("<input value='{title}'>"))
    /// }
    ///
    /// let loaded = chain(load);
    /// let routes = Routes::new()
    ///     .get("/posts/{id}", given::<Title>().then(show).before(&loaded))
    ///     .get("/posts/{id}/edit", given::<Title>().then(edit).before(&loaded))
    ///     .build()?;
    /// assert_eq!(routes.routes()[1].steps_count(), 2);
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn before<G, Theirs, TheirOwn, Index>(
        self,
        shared: &Chain<G, Theirs, TheirOwn>,
    ) -> Chain<G, Joined<Own, Theirs>, Joined<Own, TheirOwn>>
    where
        Given: AvailableIn<Theirs, Index>,
        Own: Concat<Theirs> + Concat<TheirOwn>,
    {
        let mut entries = shared.entries.clone();
        entries.extend(self.entries);
        Chain::of(entries, self.settings)
    }

    /// The slots it takes from outside, each once: those it expects of whoever runs it, and those
    /// that are read from the request.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// slot!(pub Id: i64 = path "id");
    /// slot!(pub User: String);
    /// slot!(pub Allowed: bool);
    ///
    /// fn check(cx: &mut Cx<Reads<(Id, User)>, Writes<Allowed>>) {
    ///     let is_own = *cx.get(Id) == 1 && cx.get(User) == "ann";
    ///     cx.put(Allowed, is_own);
    /// }
    ///
    /// fn demand(cx: &mut Cx<Reads<Allowed>>) -> Step {
    ///     if *cx.get(Allowed) { Continue } else { fail(Forbidden, "post", "not yours") }
    /// }
    ///
    /// let shared = given::<User>().then(check).then(demand);
    /// assert_eq!(shared.reads(), ["Id", "User"]);
    /// assert_eq!(shared.writes(), ["Allowed"]);
    /// assert!(shared.uses().is_empty());
    /// ```
    pub fn reads(&self) -> Vec<&'static str> {
        let mut written: Vec<SlotMeta> = Vec::new();
        let mut names = Vec::new();
        for entry in &self.entries {
            let is_written = |slot: &&SlotMeta| written.iter().any(|known| known.is(slot));
            names.extend(
                entry
                    .reads
                    .iter()
                    .filter(|slot| !is_written(slot))
                    .map(|slot| slot.name),
            );
            written.extend(&entry.writes);
        }
        each_once(names)
    }

    /// The slots its steps write.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    ///
    /// slot!(pub Name: String);
    ///
    /// fn name(cx: &mut Cx<Writes<Name>>) {
    ///     cx.put(Name, "ann".to_owned());
    /// }
    ///
    /// assert_eq!(chain(name).writes(), ["Name"]);
    /// ```
    pub fn writes(&self) -> Vec<&'static str> {
        let slots = self.entries.iter().flat_map(|entry| &entry.writes);
        each_once(slots.map(|slot| slot.name).collect())
    }

    /// The resources its steps use, each once.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Done: Executed);
    ///
    /// fn count(cx: &mut Cx<Writes<Done>, Uses<Blog>>) -> Step {
    ///     cx.need(cx.on(Blog).exec("UPDATE visits SET count = count + 1").into(Done))
    /// }
    ///
    /// assert_eq!(chain(count).uses(), ["Blog"]);
    /// ```
    pub fn uses(&self) -> Vec<&'static str> {
        let resources = self.entries.iter().flat_map(|entry| &entry.uses);
        each_once(resources.map(|resource| resource.name).collect())
    }

    /// The traffic class of its requests. Unless it is said, [its routes](crate::Routes::class) say it;
    /// else it is [`STANDARD`](ClassId::STANDARD).
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// let routes = Routes::new().get("/hello", chain(hello).class(Interactive)).build()?;
    /// assert!(routes.listing().to_string().contains("class interactive, deadline 10 ms"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn class(mut self, class: ClassId) -> Self {
        self.settings.class = Some(class);
        self
    }

    /// How long a request may take. Unless it is said, [its routes](crate::Routes::deadline) say it; else
    /// its class does.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// let routes = Routes::new().get("/hello", chain(hello).deadline(50.millis())).build()?;
    /// assert!(routes.listing().to_string().contains("class standard, deadline 50 ms"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn deadline(mut self, length: Duration) -> Self {
        self.settings.deadline = Deadline::After(length.into());
        self
    }

    /// A request may take as long as it likes.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// let routes = Routes::new().get("/hello", chain(hello).no_deadline()).build()?;
    /// assert!(routes.listing().to_string().contains("no deadline"));
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn no_deadline(mut self) -> Self {
        self.settings.deadline = Deadline::Never;
        self
    }

    /// The largest content of a request; the engine's limit says so unless it is said here. Beyond it
    /// the request is answered 413 and the connection closed.
    ///
    /// ```
    /// use cutaway::prelude::*;
    ///
    /// slot!(pub Picture<'r>: &'r [u8] = body bytes);
    ///
    /// fn keep(cx: &mut Cx<Reads<Picture>>) -> Step {
    ///     cx.json(&cx.get(Picture).len())
    /// }
    ///
    /// let routes = Routes::new().post("/pictures", chain(keep).body_bytes_max(10 << 20));
    /// ```
    pub fn body_bytes_max(mut self, bytes: u64) -> Self {
        self.settings.body_bytes_max = Some(bytes);
        self
    }

    /// A request that takes longer is slow and its timeline is kept; half its deadline unless it is
    /// said.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # fn hello(cx: &mut Cx) -> Step { cx.text("hello") }
    /// let greeting = chain(hello).deadline(2.secs()).slow_after(20.millis());
    /// let routes = Routes::new().get("/hello", greeting).build()?;
    /// # Ok::<(), cutaway::RoutesRefused>(())
    /// ```
    pub fn slow_after(mut self, length: Duration) -> Self {
        self.settings.slow_after = Some(length.into());
        self
    }
}

/// Shares its steps: a chain is a value that many routes may have.
impl<Given, Available, Own> Clone for Chain<Given, Available, Own> {
    fn clone(&self) -> Self {
        Chain::of(self.entries.clone(), self.settings)
    }
}

/// The names without repetitions, in the order in which they come first.
fn each_once(names: Vec<&'static str>) -> Vec<&'static str> {
    let mut once = Vec::with_capacity(names.len());
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

/// A step whose type is forgotten, with what its type said.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) step: Arc<dyn ErasedStep>,
    pub(crate) name: &'static str,
    pub(crate) reads: Vec<SlotMeta>,
    pub(crate) writes: Vec<SlotMeta>,
    pub(crate) uses: Vec<ResourceMeta>,
}

impl Entry {
    pub(crate) fn of<F, A, B, C, R>(step: F) -> Entry
    where
        F: for<'a, 'r> Fn(&'a mut Cx<'r, A, B, C>) -> R + Send + Sync + 'static,
        R: IntoStep + 'static,
        (A, B, C): Clauses,
    {
        let mut entry = Entry {
            step: Arc::new(Erased::<F, (A, B, C), R>(Arc::new(step), PhantomData)),
            name: std::any::type_name::<F>(),
            reads: Vec::new(),
            writes: Vec::new(),
            uses: Vec::new(),
        };
        <(A, B, C) as Clauses>::Reads::metas(&mut entry.reads);
        <(A, B, C) as Clauses>::Writes::metas(&mut entry.writes);
        <(A, B, C) as Clauses>::Uses::metas(&mut entry.uses);
        entry
    }

    /// Whether it cannot run without the request's content.
    pub(crate) fn takes_content(&self) -> bool {
        self.uses.iter().any(ResourceMeta::is_body) || self.reads.iter().any(SlotMeta::is_body)
    }
}

/// A step whose type is forgotten and that has no place yet.
pub(crate) trait ErasedStep: Send + Sync {
    /// The step with its access in a plan.
    fn place(&self, plan: &mut PlanBuilder, resources: Box<[u16]>) -> Box<dyn Run + Send + Sync>;
}

struct Erased<F, C, R>(Arc<F>, PhantomData<fn() -> (C, R)>);

impl<F, A, B, C, R> ErasedStep for Erased<F, (A, B, C), R>
where
    F: for<'a, 'r> Fn(&'a mut Cx<'r, A, B, C>) -> R + Send + Sync + 'static,
    R: IntoStep + 'static,
    (A, B, C): Clauses,
{
    fn place(&self, plan: &mut PlanBuilder, resources: Box<[u16]>) -> Box<dyn Run + Send + Sync> {
        let access = plan.access::<(A, B, C)>(resources);
        Box::new(Placed::<_, F, _, R>::new(Arc::clone(&self.0), access))
    }
}

/// A step, or a continuation, in a plan: it opens its own window on the frame.
pub(crate) trait Run {
    /// Runs it.
    fn call(&self, frame: &Frame) -> Step;

    /// What it may reach there.
    fn reach(&self) -> &Reach<'_>;
}

/// The function `F` with its access, whose types are forgotten behind [`Run`]; `P` holds it.
pub(super) struct Placed<'r, P, F, C, R> {
    function: P,
    access: Access<'r, C>,
    types: PhantomData<fn() -> (F, R)>,
}

impl<'r, P, F, C, R> Placed<'r, P, F, C, R> {
    pub(super) fn new(function: P, access: Access<'r, C>) -> Placed<'r, P, F, C, R> {
        Placed {
            function,
            access,
            types: PhantomData,
        }
    }
}

impl<P, F, A, B, C, R> Run for Placed<'_, P, F, (A, B, C), R>
where
    P: Borrow<F>,
    F: for<'a, 'r> Fn(&'a mut Cx<'r, A, B, C>) -> R,
    R: IntoStep,
    (A, B, C): Clauses,
{
    #[inline]
    fn call(&self, frame: &Frame) -> Step {
        let function = self.function.borrow();
        frame.enter(&self.access, |window| {
            function(&mut Cx::new(window)).into_step()
        })
    }

    fn reach(&self) -> &Reach<'_> {
        self.access.reach()
    }
}
