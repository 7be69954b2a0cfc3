//! One route for each kind of need.

use std::time::Duration;

use cutaway::prelude::*;

use crate::routes::Blog;

slot!(pub Id: i64 = path "id");
slot!(pub Micros: u64 = path "n");
slot!(pub Title<'r>: Option<(&'r str,)>);
slot!(pub Count: (i64,));
slot!(pub Total: Option<(i64,)>);
slot!(pub Written: Executed);
slot!(pub Ids<'r>: &'r [(i64,)]);
slot!(pub Found: (i64,));
slot!(pub MaybeFound: Option<(i64,)>);
slot!(pub Waited: Elapsed);

const TITLE: &str = "SELECT title FROM posts WHERE id = ?1";
const COUNT: &str = "SELECT count(*) FROM posts";
const ID: &str = "SELECT id FROM posts WHERE id = ?1";
/// Computes for longer than most of what stands beside it.
const NUMBERS: &str = "WITH RECURSIVE numbers(n) AS
     (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000) SELECT count(*) FROM numbers";

fn parallel(cx: &mut Cx<Reads<Id>, Writes<(Title, Count)>, Uses<Blog>>) -> Step {
    let id = *cx.get(Id);
    let title = cx.on(Blog).query_opt(TITLE).bind(id).into(Title);
    cx.need((title, cx.on(Blog).query_one(COUNT).into(Count)))
}

fn shows_title(cx: &mut Cx<Reads<(Title, Count)>>) -> Step {
    cx.json(&(cx.get(Title), cx.get(Count)))
}

/// What is written first is there when the second looks.
fn in_order(cx: &mut Cx<Writes<(Written, Count)>, Uses<Blog>>) -> Step {
    let visit = cx.on(Blog).exec("INSERT INTO visits DEFAULT VALUES");
    let seen = cx
        .on(Blog)
        .query_one("SELECT EXISTS (SELECT 1 FROM visits)");
    cx.need(all((visit.into(Written), seen.into(Count))).in_order())
}

fn shows_count(cx: &mut Cx<Reads<Count>>) -> Step {
    cx.json(cx.get(Count))
}

/// The second is waited for only as long as the first takes, or as its own time lasts.
fn lenient(cx: &mut Cx<Reads<Id>, Writes<(Count, Total)>, Uses<Blog>>) -> Step {
    let count = cx.on(Blog).query_one(COUNT).into(Count);
    let numbers = cx.on(Blog).query_one(NUMBERS).optional();
    if *cx.get(Id) % 2 == 0 {
        return cx.need(all_required((count, numbers.into(Total))));
    }
    cx.need((count, numbers.timeout(1.millis()).into(Total)))
}

fn shows_total(cx: &mut Cx<Reads<(Count, Total)>>) -> Step {
    cx.json(&(cx.get(Count), cx.get(Total)))
}

fn list(cx: &mut Cx<Reads<Id>, Writes<Ids>, Uses<Blog>>) -> Step {
    let blog = cx.on(Blog);
    let doubled = |n: i64| blog.query_one("SELECT 2 * ?1").bind(n);
    cx.need(all((0..*cx.get(Id) % 7).map(doubled)).into(Ids))
}

fn shows_ids(cx: &mut Cx<Reads<Ids>>) -> Step {
    cx.json(cx.get(Ids))
}

fn race(cx: &mut Cx<Reads<Id>, Writes<Found>, Uses<Blog>>) -> Step {
    let id = *cx.get(Id);
    let (one, two) = (cx.on(Blog).query_one(ID), cx.on(Blog).query_one(ID));
    cx.need(first([one.bind(id), two.bind(id)]).into(Found))
}

/// Where there is no such post, there is a substitute.
fn fallback(cx: &mut Cx<Reads<Id>, Writes<Found>, Uses<Blog>>) -> Step {
    let id = *cx.get(Id);
    let post = cx.on(Blog).query_one(ID).bind(id);
    let substitute = cx.on(Blog).query_one("SELECT -1");
    cx.need(first([post, substitute]).in_order().into(Found))
}

fn shows_found(cx: &mut Cx<Reads<Found>>) -> Step {
    cx.json(cx.get(Found))
}

fn either(cx: &mut Cx<Writes<MaybeFound>, Uses<Blog>>) -> Step {
    let (one, two) = (cx.on(Blog).query_one(COUNT), cx.on(Blog).query_one(COUNT));
    cx.need(any([one, two]).optional().into(MaybeFound))
}

fn shows_either(cx: &mut Cx<Reads<MaybeFound>>) -> Step {
    cx.json(cx.get(MaybeFound))
}

fn continued(cx: &mut Cx<Reads<Id>, Writes<(Title, Count)>, Uses<Blog>>) -> Step {
    let id = *cx.get(Id);
    let title = cx.on(Blog).query_opt(TITLE).bind(id);
    cx.need(title.into(Title).then(counts_on))
}

fn counts_on(cx: &mut Cx<Reads<Title>, Writes<Count>, Uses<Blog>>) -> Step {
    cx.get(Title).or_fail(NotFound, "post", "")?;
    let pause = cx.timer(Duration::from_micros(100));
    cx.need((pause, cx.on(Blog).query_one(COUNT).into(Count)))
}

fn pause(cx: &mut Cx<Reads<Micros>, Writes<Waited>>) -> Step {
    let length = Duration::from_micros(*cx.get(Micros));
    cx.need(cx.timer(length).into(Waited))
}

fn has_paused(cx: &mut Cx<Reads<(Micros, Waited)>>) -> Step {
    let length = Duration::from_micros(*cx.get(Micros));
    cx.json(&(cx.get(Waited).length() >= length))
}

/// The routes, to be mounted.
pub fn routes() -> Routes {
    Routes::new()
        .get("/parallel/{id}", chain(parallel).then(shows_title))
        .post("/in-order", chain(in_order).then(shows_count))
        .get("/lenient/{id}", chain(lenient).then(shows_total))
        .get("/list/{id}", chain(list).then(shows_ids))
        .get("/race/{id}", chain(race).then(shows_found))
        .get("/fallback/{id}", chain(fallback).then(shows_found))
        .get("/either", chain(either).then(shows_either))
        .get("/continued/{id}", chain(continued).then(shows_title))
        .get("/pause/{n}", chain(pause).then(has_paused))
}
