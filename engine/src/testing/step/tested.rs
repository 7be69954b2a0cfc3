//! What became of a step or a chain.

use serde::de::DeserializeOwned;

use crate::ctx::{Context, Reads, Slot, Value, Writes};
use crate::effect::EffectRecord;
use crate::http::Status;
use crate::response::ResponseView;
use crate::step::{Contract, Decision, Declared, Fail, Failure, NeedRecord, Outcome, Route};

/// What became of a step or a chain.
pub struct Tested {
    pub(super) context: Context,
    pub(super) route: Route,
    pub(super) outcome: Outcome,
    /// The steps that have run, by their places.
    pub(super) ran: Vec<u16>,
    /// How many of the route's steps are the test's own, at its end.
    pub(super) own_steps_count: usize,
}

impl Tested {
    /// What the step decided, or what the chain came to: `Done` where it answered, `Need` where it
    /// waits for an effect that nobody has answered.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// # fn refuse(_: &mut Cx) -> Step { fail(Conflict, "post", "7") }
    /// assert_eq!(testing::get("/").run(created).decision(), Ok(Decision::Done));
    /// assert!(testing::get("/").run(refuse).decision().is_err());
    /// ```
    ///
    /// # Errors
    /// The failure, where it failed, panicked or broke its contract.
    pub fn decision(&self) -> Result<Decision, &Failure> {
        match &self.outcome {
            Outcome::Paused => Ok(Decision::Continue),
            Outcome::Need => Ok(Decision::Need),
            Outcome::Done => Ok(Decision::Done),
            Outcome::Failed(failure) => Err(failure),
        }
    }

    /// The failure of the request, if it failed.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// # fn refuse(_: &mut Cx) -> Step { fail(Conflict, "post", "7") }
    /// let tested = testing::get("/").run(refuse);
    /// assert_eq!(tested.failure().map(|failure| failure.kind()), Some(Conflict));
    /// ```
    pub fn failure(&self) -> Option<&Failure> {
        self.decision().err()
    }

    /// Checks that the request failed like this.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// slot!(pub Id: i64 = path "id");
    ///
    /// fn by_id(cx: &mut Cx<Reads<Id>>) -> Step {
    ///     let id = cx.get(Id).to_string();
    ///     fail(NotFound, "post", id)
    /// }
    ///
    /// testing::get("/posts/7").pattern("/posts/{id}").run(by_id).assert_fails(NotFound, "post", "7");
    /// ```
    ///
    /// # Panics
    /// It did not fail, or otherwise.
    #[track_caller]
    pub fn assert_fails(&self, kind: Fail, what: &str, key: &str) {
        match self.decision() {
            Err(failure) => {
                let found = (failure.kind(), failure.what(), failure.key());
                assert!(
                    found == (kind, what, key),
                    "expected the failure {kind:?}: {what} {key}, got {failure}"
                );
            }
            Ok(decision) => {
                panic!("expected the failure {kind:?}: {what} {key}, got the decision {decision:?}")
            }
        }
    }

    /// The names of the steps that have run, in their order. A continuation has run in the place of
    /// the step that named it.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// # fn refuse(_: &mut Cx) -> Step { fail(Conflict, "post", "7") }
    /// let tested = testing::get("/").run(created);
    /// assert!(tested.steps()[0].ends_with("created"));
    /// ```
    pub fn steps(&self) -> Vec<&'static str> {
        let own_from = self.route.steps_count() - self.own_steps_count;
        let ran = self
            .ran
            .iter()
            .filter(|step| usize::from(**step) < own_from);
        ran.map(|step| self.route.step_name(*step)).collect()
    }

    /// Reads a slot; none where it has no value.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// slot!(pub Name: String);
    ///
    /// fn name(cx: &mut Cx<Writes<Name>>) {
    ///     cx.put(Name, "ann".to_owned());
    /// }
    ///
    /// let tested = testing::get("/").run(name);
    /// assert_eq!(tested.slot(Name, |name| name.len()), Some(3));
    /// ```
    pub fn slot<S: Slot, T>(
        &self,
        _slot: S,
        read: impl for<'r> FnOnce(&'r Value<'r, S>) -> T,
    ) -> Option<T> {
        let access = (self.route.plan()).access::<(Reads<S>, Writes<S>, ())>()?;
        (self.context.frame).enter::<(Reads<S>, Writes<S>, ()), _>(&access, |window| {
            window.has::<S, _>().then(|| read(window.get::<S, _>()))
        })
    }

    /// The slots in the step's `Reads` that this run of it did not read. Empty where it failed, and in
    /// release builds, which do not count.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// slot!(pub User: String);
    /// slot!(pub Rights: u32);
    ///
    /// fn greet(cx: &mut Cx<Reads<(User, Rights)>>) -> Step {
    ///     let user = cx.get(User);
    ///     cx.text(user)
    /// }
    ///
    /// let tested = testing::get("/").put(User, "ann".to_owned()).put(Rights, 1).run(greet);
    /// assert!(!cfg!(debug_assertions) || tested.unread() == ["Rights"]);
    /// ```
    pub fn unread(&self) -> Vec<&'static str> {
        let untouched = self.route.contracts().flat_map(Contract::untouched_slots);
        untouched
            .filter(|(declared, _)| *declared == Declared::ToRead)
            .map(|(_, slot)| slot.name)
            .collect()
    }

    /// What was asked for and nobody has answered: the effects, how they are joined, and what comes
    /// then.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: (i64,));
    /// fn count(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    ///     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts").into(Found))
    /// }
    ///
    /// let tested = testing::get("/").run(count);
    /// assert_eq!(tested.need().unwrap().effects.len(), 1);
    /// ```
    pub fn need(&self) -> Option<NeedRecord<'_>> {
        self.context.need()
    }

    /// The effects that were asked for and nobody has answered, in the order in which they stand.
    ///
    /// ```
    /// use cutaway::prelude::*;
    /// use cutaway::testing;
    ///
    /// resource!(pub Blog: Sqlite);
    /// slot!(pub Posts: (i64,));
    /// slot!(pub Comments: (i64,));
    ///
    /// fn count(cx: &mut Cx<Writes<(Posts, Comments)>, Uses<Blog>>) -> Step {
    ///     let posts = cx.on(Blog).query_one("SELECT count(*) FROM posts");
    ///     let comments = cx.on(Blog).query_one("SELECT count(*) FROM comments");
    ///     cx.need((posts.into(Posts), comments.into(Comments)))
    /// }
    ///
    /// let tested = testing::get("/").run(count);
    /// let effects = tested.effects();
    /// assert_eq!(effects.len(), 2);
    /// assert_eq!(effects[1].sql(), Some("SELECT count(*) FROM comments"));
    /// assert_eq!(effects[1].slot, "Comments");
    /// ```
    pub fn effects(&self) -> &[EffectRecord<'_>] {
        self.need().map_or(&[], |need| need.effects)
    }

    /// The effect that was asked for and nobody has answered, where it is one alone.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// # resource!(pub Blog: Sqlite);
    /// # slot!(pub Found: (i64,));
    /// fn count(cx: &mut Cx<Writes<Found>, Uses<Blog>>) -> Step {
    ///     cx.need(cx.on(Blog).query_one("SELECT count(*) FROM posts").into(Found))
    /// }
    ///
    /// let tested = testing::get("/").run(count);
    /// assert_eq!(tested.effect().unwrap().sql(), Some("SELECT count(*) FROM posts"));
    /// ```
    ///
    /// # Panics
    /// There are several.
    #[track_caller]
    pub fn effect(&self) -> Option<EffectRecord<'_>> {
        let effects = self.effects();
        assert!(effects.len() < 2, "{} effects are asked for", effects.len());
        effects.first().copied()
    }

    /// The response: what a step made, or the problem that a failure is rendered as. Before one of them
    /// is there it has no content, and the fields that were added so far.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// # fn refuse(_: &mut Cx) -> Step { fail(Conflict, "post", "7") }
    /// let tested = testing::get("/").run(created);
    /// assert_eq!(tested.response().status(), Status::CREATED);
    /// ```
    pub fn response(&self) -> ResponseView<'_> {
        self.context.response()
    }

    /// The status of the response.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// # fn refuse(_: &mut Cx) -> Step { fail(Conflict, "post", "7") }
    /// assert_eq!(testing::get("/").run(created).status(), Status::CREATED);
    /// assert_eq!(testing::get("/").run(refuse).status(), Status::CONFLICT);
    /// ```
    ///
    /// # Panics
    /// There is none: the step went on, or waits for an effect that nobody has answered.
    #[track_caller]
    pub fn status(&self) -> Status {
        self.made().status()
    }

    /// The content of the response, as text.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// # fn refuse(_: &mut Cx) -> Step { fail(Conflict, "post", "7") }
    /// assert_eq!(testing::get("/").run(created).text(), "7");
    /// ```
    ///
    /// # Panics
    /// There is no response yet, or it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> String {
        let content = self.made().body().as_slice().to_vec();
        String::from_utf8(content).unwrap_or_else(|error| panic!("the content is no text: {error}"))
    }

    /// The response, where somebody has made one.
    #[track_caller]
    fn made(&self) -> ResponseView<'_> {
        if let Ok(decision @ (Decision::Continue | Decision::Need)) = self.decision() {
            panic!("there is no response, for the decision was {decision:?}");
        }
        self.response()
    }

    /// The content of the response, as a value that was sent as JSON.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// # fn refuse(_: &mut Cx) -> Step { fail(Conflict, "post", "7") }
    /// let id: i64 = testing::get("/").run(created).json();
    /// assert_eq!(id, 7);
    /// ```
    ///
    /// # Panics
    /// There is no response yet, or it is no JSON, or of another shape.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        let text = self.text();
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("the content is no such JSON, {error}: {text}"))
    }

    /// The value of a field that a step added to the response, the first one of several; its name in
    /// any case.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// # use cutaway::testing;
    /// # fn created(cx: &mut Cx) -> Step {
    /// #     cx.response_header("Location", "/posts/7")?;
    /// #     cx.status(Status::CREATED).json(&7)
    /// # }
    /// # fn refuse(_: &mut Cx) -> Step { fail(Conflict, "post", "7") }
    /// let tested = testing::get("/").run(created);
    /// assert_eq!(tested.field("location").as_deref(), Some("/posts/7"));
    /// ```
    pub fn field(&self, name: &str) -> Option<String> {
        let response = self.response();
        let mut fields = response.fields();
        let found = fields.find(|(known, _)| known.as_str().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str().to_owned())
    }
}
