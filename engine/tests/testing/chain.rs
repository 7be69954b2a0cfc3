//! Steps and chains without a shard, their effects answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cutaway::effect::sqlite::SqlErrorKind;
use cutaway::effect::{Elapsed, SqlValue};
use cutaway::http::Method;
use cutaway::prelude::*;
use cutaway::testing::{self, ScriptedAnswer, ScriptedStatement};

use crate::service::Blog;

slot!(pub Id: i64 = path "id");
slot!(pub First: (i64,));
slot!(pub Second: (i64,));
slot!(pub Maybe: Option<(i64,)>);
slot!(pub Waited: Elapsed);
slot!(pub Written: Executed);
slot!(pub Sum: i64);

fn both(cx: &mut Cx<Writes<(First, Second)>, Uses<Blog>>) -> Step {
    let (one, two) = (cx.on(Blog).query_one("one"), cx.on(Blog).query_one("two"));
    cx.need((one.into(First), two.into(Second)))
}

fn show_both(cx: &mut Cx<Reads<(First, Second)>>) -> Step {
    let sum = cx.get(First).0 + cx.get(Second).0;
    cx.json(&sum)
}

fn race(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
    let blog = cx.on(Blog);
    cx.need(first([blog.query_one("one"), blog.query_one("two")]).into(First))
}

fn show_first(cx: &mut Cx<Reads<First>>) -> Step {
    cx.json(&cx.get(First).0)
}

/// Answers by the text, each after its own time.
fn by_text(statement: &ScriptedStatement<'_>) -> ScriptedAnswer {
    match statement.sql {
        "one" => ScriptedAnswer::row((1,)).after(20.millis()),
        "two" => ScriptedAnswer::row((2,)).after(10.millis()),
        _ => ScriptedAnswer::error(SqlErrorKind::Statement),
    }
}

#[test]
fn all_of_several_are_answered_and_the_chain_goes_on() {
    let tested = testing::get("/")
        .script(by_text)
        .run_chain(chain(both).then(show_both));
    assert_eq!(tested.decision(), Ok(Decision::Done));
    assert_eq!((tested.status(), tested.json::<i64>()), (Status::OK, 3));
    let steps = tested.steps();
    assert!(
        steps[0].ends_with("both") && steps[1].ends_with("show_both"),
        "{steps:?}"
    );
    assert_eq!(tested.slot(Second, |two| two.0), Some(2));
}

#[test]
fn a_race_is_won_by_who_is_first() {
    let tested = testing::get("/")
        .script(by_text)
        .run_chain(chain(race).then(show_first));
    assert_eq!(tested.text(), "2");
    let only_one = |statement: &ScriptedStatement<'_>| match statement.sql {
        "one" => ScriptedAnswer::row((1,)).after(1.secs()),
        _ => ScriptedAnswer::error(SqlErrorKind::Busy),
    };
    let tested = testing::get("/")
        .script(only_one)
        .run_chain(chain(race).then(show_first));
    assert_eq!(tested.text(), "1", "a loser is no failure");
    let none = |_: &ScriptedStatement<'_>| ScriptedAnswer::error(SqlErrorKind::Busy);
    let tested = testing::get("/")
        .script(none)
        .run_chain(chain(race).then(show_first));
    assert_eq!(tested.failure().unwrap().kind(), Unavailable);
}

#[test]
fn without_answers_it_ends_at_the_first_need() {
    let tested = testing::get("/").run_chain(chain(both).then(show_both));
    assert_eq!(tested.decision(), Ok(Decision::Need));
    let asked: Vec<_> = tested.effects().iter().map(|effect| effect.sql()).collect();
    assert_eq!(asked, [Some("one"), Some("two")]);
    assert_eq!(tested.steps().len(), 1);
    // One answer is not enough for both.
    let tested = testing::get("/")
        .answer(ScriptedAnswer::row((1,)))
        .run_chain(chain(both).then(show_both));
    assert_eq!(tested.decision(), Ok(Decision::Need));
    let tested = testing::get("/")
        .answer(ScriptedAnswer::row((1,)))
        .answer(ScriptedAnswer::row((20,)))
        .run_chain(chain(both).then(show_both));
    assert_eq!(tested.text(), "21");
}

#[test]
fn an_effect_that_fails_fails_the_chain() {
    let check = |answer: ScriptedAnswer, kind| {
        let tested = testing::get("/")
            .answer(answer)
            .run_chain(chain(load).then(show_first));
        assert_eq!(tested.failure().unwrap().kind(), kind);
        assert_eq!(tested.status(), kind.status());
        assert_eq!(tested.steps().len(), 1);
    };
    check(ScriptedAnswer::none(), NotFound);
    check(ScriptedAnswer::error(SqlErrorKind::Busy), Unavailable);
    check(ScriptedAnswer::row((1,)).after(60.millis()), Timeout);
    check(ScriptedAnswer::row(("text",)), Internal);
}

/// One row, within its time.
fn load(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
    let query = cx.on(Blog).query_one("one").timeout(50.millis());
    cx.need(query.into(First))
}

#[test]
fn what_is_optional_may_be_missing() {
    fn optional(cx: &mut Cx<Writes<(First, Maybe)>, Uses<Blog>>) -> Step {
        let (one, two) = (cx.on(Blog).query_one("one"), cx.on(Blog).query_one("two"));
        cx.need((one.into(First), two.optional().into(Maybe)))
    }
    let tested = testing::get("/")
        .answer(ScriptedAnswer::row((1,)))
        .answer(ScriptedAnswer::none())
        .run(optional);
    assert_eq!(tested.decision(), Ok(Decision::Continue));
    assert_eq!(tested.slot(Maybe, |maybe| maybe.is_none()), Some(true));
    assert_eq!(tested.slot(First, |first| first.0), Some(1));
}

#[test]
fn time_passes_by_itself_for_a_chain_that_only_waits_for_it() {
    fn wait(cx: &mut Cx<Writes<Waited>>) -> Step {
        cx.need(cx.timer(3.secs()).into(Waited))
    }
    fn wait_again(cx: &mut Cx) -> Step {
        cx.need(cx.timer(1.secs()))
    }
    fn show(cx: &mut Cx<Reads<Waited>>) -> Step {
        let waited = cx.get(Waited).length();
        cx.json(&waited.as_secs())
    }
    let waiting = || chain(wait).then(wait_again).then(show);
    let tested = testing::get("/").run_chain(waiting());
    assert_eq!(tested.text(), "3");
    // A step alone is asked what it has decided.
    assert_eq!(testing::get("/").run(wait).decision(), Ok(Decision::Need));
    // And who asks a database waits for its answer, timer or not.
    fn both(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
        let count = cx.on(Blog).query_one("count").timeout(1.secs());
        cx.need((cx.timer(1.secs()), count.into(First)))
    }
    let tested = testing::get("/").run_chain(chain(both));
    assert_eq!(tested.decision(), Ok(Decision::Need));
    // Whoever goes round in circles is stopped where a service would stop it.
    fn circles(cx: &mut Cx) -> Step {
        cx.need(cx.timer(1.secs()).then(circles))
    }
    let tested = testing::get("/").run_chain(chain(circles));
    let failure = tested.failure().unwrap();
    assert_eq!(failure.key(), "asked for effects more than 1000 times");
}

#[test]
fn in_order_each_waits_for_the_one_before_it() {
    fn in_order(cx: &mut Cx<Writes<(Written, First)>, Uses<Blog>>) -> Step {
        let write = cx.on(Blog).exec("write");
        let count = cx.on(Blog).query_one("count");
        cx.need(all((write.into(Written), count.into(First))).in_order())
    }
    let mut written = 0;
    let tested = testing::get("/")
        .script(move |statement| match statement.sql {
            "write" => {
                written += 1;
                ScriptedAnswer::changed(1).after(1.secs())
            }
            _ => ScriptedAnswer::row((written,)),
        })
        .run(in_order);
    assert_eq!(tested.slot(First, |count| count.0), Some(1));
    let tested = testing::get("/")
        .script(|statement| {
            assert_eq!(
                statement.sql, "write",
                "the one behind a failure does not begin"
            );
            ScriptedAnswer::error(SqlErrorKind::Busy)
        })
        .run(in_order);
    assert_eq!(tested.failure().unwrap().kind(), Unavailable);
}

#[test]
fn a_continuation_runs_in_its_steps_place() {
    fn add(cx: &mut Cx<Reads<(First, Second)>, Writes<Sum>>) -> Step {
        let sum = cx.get(First).0 + cx.get(Second).0;
        cx.put(Sum, sum);
        Continue
    }
    fn sum(cx: &mut Cx<Writes<(First, Second, Sum)>, Uses<Blog>>) -> Step {
        let (one, two) = (cx.on(Blog).query_one("one"), cx.on(Blog).query_one("two"));
        cx.need((one.into(First), two.into(Second)).then(add))
    }
    let tested = testing::get("/").script(by_text).run(sum);
    assert_eq!(tested.decision(), Ok(Decision::Continue));
    assert_eq!(tested.slot(Sum, |sum| *sum), Some(3));
    assert_eq!(tested.steps().len(), 2);
}

#[test]
fn timers_take_their_time_against_statements() {
    fn wait(cx: &mut Cx<Writes<(First, Waited)>, Uses<Blog>>) -> Step {
        let timer = cx.timer(15.millis());
        cx.need((cx.on(Blog).query_one("one").into(First), timer.into(Waited)))
    }
    let tested = testing::get("/").script(by_text).run(wait);
    assert_eq!(
        tested.slot(Waited, |waited| waited.length()),
        Some(15.millis())
    );
    assert_eq!(tested.slot(First, |first| first.0), Some(1));
    fn only_wait(cx: &mut Cx<Writes<Waited>>) -> Step {
        cx.need(cx.timer(3.secs()).into(Waited))
    }
    // Somebody plays as soon as there is an answer to anything.
    let tested = testing::get("/").script(by_text).run(only_wait);
    assert_eq!(
        tested.slot(Waited, |waited| waited.length()),
        Some(3.secs())
    );
}

#[test]
fn a_transaction_is_answered_statement_by_statement() {
    fn transact(cx: &mut Cx<Reads<Id>, Writes<Written>, Uses<Blog>>) -> Step {
        let id = *cx.get(Id);
        let both = cx
            .on(Blog)
            .transaction()
            .exec("a")
            .bind(id)
            .exec("b")
            .bind("two");
        cx.need(both.into(Written))
    }
    let tested = testing::request(Method::Put, "/posts/7")
        .pattern("/posts/{id}")
        .script(|statement| match (statement.index, statement.params) {
            (0, [SqlValue::Int(7)]) => ScriptedAnswer::changed(1),
            (1, [SqlValue::Text("two")]) => ScriptedAnswer::inserted(9),
            other => panic!("{other:?}"),
        })
        .run(transact);
    assert_eq!(tested.slot(Written, |written| written.last_row_id), Some(9));
}

#[test]
fn a_pattern_finds_its_parameters() {
    fn show(cx: &mut Cx<Reads<Id>>) -> Step {
        let rest = cx.param("rest").to_owned();
        cx.json(&(*cx.get(Id), rest))
    }
    let tested = testing::get("/users/7/files/a/b%20c?x=1")
        .pattern("/users/{id}/files/{*rest}")
        .run(show);
    assert_eq!(tested.json::<(i64, String)>(), (7, "a/b c".to_owned()));
}

#[test]
fn a_panic_in_a_script_is_a_panic_of_the_worker() {
    let tested = testing::get("/")
        .script(|_| std::panic::resume_unwind(Box::new("the script's own")))
        .run(load);
    let failure = tested.failure().unwrap();
    assert_eq!(failure.kind(), Internal);
    assert!(failure.key().contains("the script's own"), "{failure}");
}

#[test]
fn no_time_passes_for_real() {
    fn patient(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
        cx.need(cx.on(Blog).query_one("one").into(First))
    }
    let tested = testing::get("/")
        .answer(ScriptedAnswer::row((1,)).after(Duration::from_secs(86_400)))
        .run(patient);
    assert_eq!(tested.slot(First, |first| first.0), Some(1));
}

/// A test that asks for what there is not must fail instead of being told something.
#[test]
fn nobody_is_told_of_a_response_that_was_not_made() {
    fn goes_on(cx: &mut Cx) -> Step {
        cx.response_header("X-Seen", "1")?;
        Continue
    }
    let (waits, continues) = (testing::get("/").run(race), testing::get("/").run(goes_on));
    assert_eq!(continues.field("x-seen").as_deref(), Some("1"));
    for tested in [&waits, &continues] {
        let asks: [fn(&testing::Tested); 3] = [
            |tested| _ = tested.status(),
            |tested| _ = tested.text(),
            |tested| tested.json(),
        ];
        for ask in asks {
            let told = catch_unwind(AssertUnwindSafe(|| ask(tested))).unwrap_err();
            let told = told.downcast_ref::<String>().expect("it is told in words");
            assert!(told.starts_with("there is no response"), "{told}");
        }
    }
}
