//! What a step can need, each kind on a whole simulated shard: what is answered, which effects began,
//! ended and were let go in which order, and that nothing is left behind.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::cell::RefCell;
use std::time::Duration;

use cutaway::BuiltRoutes;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::shard::ShardStats;
use cutaway::testing::simulation::{SimConfig, Simulation, SimulationOptions};
use cutaway::timeline::{KeptRecord, MarkKind};
use cutaway_scheduler::{ManualClock, Nanos};

#[path = "harness/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod server;

use server::Scratch;

resource!(pub Blog: Sqlite);
slot!(pub Id: i64 = path "id");
slot!(pub First: (i64,));
slot!(pub Second: (i64,));
slot!(pub Third: Option<(i64,)>);
slot!(pub Fourth: Option<(i64,)>);
slot!(pub Written: Executed);
slot!(pub List<'r>: &'r [(i64,)]);
slot!(pub Sparse<'r>: &'r [Option<(i64,)>]);
slot!(pub Waited: Elapsed);
slot!(pub Name<'r>: (&'r str,));
slot!(pub Titles<'r>: &'r [(&'r str,)]);
slot!(pub Sum: i64);

const SCHEMA: &str = "
    CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
    CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    INSERT INTO authors (id, name) VALUES (7, 'ann');
    CREATE TABLE posts (title TEXT NOT NULL, author TEXT NOT NULL);
    INSERT INTO posts (title, author) VALUES ('one', 'ann'), ('two', 'ann'), ('three', 'bob');
";

const ONE: &str = "SELECT 1";
const TWO: &str = "SELECT 2";
/// SQLite refuses it: there is no such table.
const BROKEN: &str = "SELECT id FROM nowhere";
/// No row.
const NONE: &str = "SELECT id FROM authors WHERE id = 0";
const NOTES: &str = "SELECT count(*) FROM notes";
/// Takes some tens of milliseconds on the machine's time.
const SLOW: &str =
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)
     SELECT count(*) FROM numbers";

thread_local! {
    /// The machine's time, for a step that takes its time.
    static CLOCK: RefCell<Option<ManualClock>> = const { RefCell::new(None) };
}

mod step {
    //! The steps, by the paths that they are asked for.

    use super::*;

    type Pair = (First, Second);
    type Found = (Name, Titles, Sum);

    pub fn parallel(cx: &mut Cx<Writes<Pair>, Uses<Blog>>) -> Step {
        let (one, two) = (cx.on(Blog).query_one(ONE), cx.on(Blog).query_one(TWO));
        cx.need((one.into(First), two.into(Second)))
    }

    pub fn in_order(cx: &mut Cx<Writes<(Written, First)>, Uses<Blog>>) -> Step {
        let write = cx.on(Blog).exec("INSERT INTO notes (text) VALUES ('x')");
        let count = cx.on(Blog).query_one(NOTES);
        cx.need(all((write.into(Written), count.into(First))).in_order())
    }

    pub fn in_order_broken(cx: &mut Cx<Writes<Pair>, Uses<Blog>>) -> Step {
        let (broken, two) = (cx.on(Blog).query_one(BROKEN), cx.on(Blog).query_one(TWO));
        cx.need(all((broken.into(First), two.into(Second))).in_order())
    }

    pub fn optional(cx: &mut Cx<Writes<(First, Third)>, Uses<Blog>>) -> Step {
        let (one, broken) = (cx.on(Blog).query_one(ONE), cx.on(Blog).query_one(BROKEN));
        cx.need((one.into(First), broken.optional().into(Third)))
    }

    pub fn optional_alone(cx: &mut Cx<Writes<Third>, Uses<Blog>>) -> Step {
        cx.need(cx.on(Blog).query_one(NONE).optional().into(Third))
    }

    pub fn optional_in_time(cx: &mut Cx<Writes<Third>, Uses<Blog>>) -> Step {
        let slow = cx.on(Blog).query_one(SLOW).timeout(1.millis());
        cx.need(slow.optional().into(Third))
    }

    pub fn required(cx: &mut Cx<Writes<Pair>, Uses<Blog>>) -> Step {
        let (broken, slow) = (cx.on(Blog).query_one(BROKEN), cx.on(Blog).query_one(SLOW));
        cx.need((broken.into(First), slow.into(Second)))
    }

    pub fn impatient(cx: &mut Cx<Writes<Pair>, Uses<Blog>>) -> Step {
        let slow = cx.on(Blog).query_one(SLOW);
        // Nobody knows it yet, so it goes where the slow ones go.
        let quick = cx.on(Blog).query_one("SELECT 3").timeout(1.millis());
        cx.need((slow.into(First), quick.into(Second)))
    }

    pub fn all_required(cx: &mut Cx<Writes<(First, Third)>, Uses<Blog>>) -> Step {
        let (one, slow) = (cx.on(Blog).query_one(ONE), cx.on(Blog).query_one(SLOW));
        cx.need(cutaway::step::all_required((
            one.into(First),
            slow.optional().into(Third),
        )))
    }

    pub fn required_in_order(cx: &mut Cx<Writes<(First, Third, Fourth)>, Uses<Blog>>) -> Step {
        let [broken, one, two] = [BROKEN, ONE, TWO].map(|sql| cx.on(Blog).query_one(sql));
        let (broken, two) = (broken.optional(), two.optional());
        let asks = (broken.into(Third), one.into(First), two.into(Fourth));
        cx.need(cutaway::step::all_required(asks).in_order())
    }

    pub fn required_in_order_broken(
        cx: &mut Cx<Writes<(First, Second, Third)>, Uses<Blog>>,
    ) -> Step {
        let [one, broken, two] = [ONE, BROKEN, TWO].map(|sql| cx.on(Blog).query_one(sql));
        let asks = (
            one.optional().into(Third),
            broken.into(First),
            two.into(Second),
        );
        cx.need(cutaway::step::all_required(asks).in_order())
    }

    pub fn none_required_in_order(cx: &mut Cx<Writes<(Third, Fourth)>, Uses<Blog>>) -> Step {
        let [one, two] = [ONE, TWO].map(|sql| cx.on(Blog).query_one(sql).optional());
        let asks = (one.into(Third), two.into(Fourth));
        cx.need(cutaway::step::all_required(asks).in_order())
    }

    /// Nobody looks at what the statement has changed.
    pub fn slotless(cx: &mut Cx<Uses<Blog>>) -> Step {
        cx.need(cx.on(Blog).exec("INSERT INTO notes (text) VALUES ('x')"))
    }

    pub fn slotless_among_others(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
        let write = cx.on(Blog).exec("INSERT INTO notes (text) VALUES ('y')");
        let count = cx.on(Blog).query_one(NOTES).into(First);
        let broken = cx.on(Blog).exec("DELETE FROM nowhere").optional();
        cx.need(all((write, count, broken)).in_order())
    }

    pub fn slotless_missing(cx: &mut Cx<Uses<Blog>>) -> Step {
        let delete = cx.on(Blog).exec("DELETE FROM notes WHERE id = -1");
        cx.need(delete.expecting_change())
    }

    pub fn or_missing(cx: &mut Cx<Reads<Id>, Writes<Name>, Uses<Blog>>) -> Step {
        let id = *cx.get(Id);
        let author = cx
            .on(Blog)
            .query_one("SELECT name FROM authors WHERE id = ?1");
        cx.need(author.bind(id).or_missing("author", id).into(Name))
    }

    /// Each statement has its own words; the author is there, the note is not.
    pub fn or_missing_in_transaction(cx: &mut Cx<Reads<Id>, Uses<Blog>>) -> Step {
        let id = *cx.get(Id);
        let rename = cx
            .on(Blog)
            .transaction()
            .exec("UPDATE authors SET name = 'bob' WHERE id = ?1")
            .bind(id)
            .or_missing("author", id)
            .exec("DELETE FROM notes WHERE text = ?1")
            .bind("a note")
            .or_missing("note", "a note");
        cx.need(rename)
    }

    pub fn or_missing_optional(cx: &mut Cx<Writes<Third>, Uses<Blog>>) -> Step {
        let none = cx.on(Blog).query_one(NONE).or_missing("author", 0);
        cx.need(none.optional().into(Third))
    }

    pub fn shows_name(cx: &mut Cx<Reads<Name>>) -> Step {
        cx.json(cx.get(Name))
    }

    pub fn counts_notes(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
        cx.need(cx.on(Blog).query_one(NOTES).into(First))
    }

    pub fn shows_three(cx: &mut Cx<Reads<(First, Third, Fourth)>>) -> Step {
        cx.json(&(cx.get(First).0, cx.get(Third), cx.get(Fourth)))
    }

    pub fn shows_options(cx: &mut Cx<Reads<(Third, Fourth)>>) -> Step {
        cx.json(&(cx.get(Third), cx.get(Fourth)))
    }

    pub fn list(cx: &mut Cx<Writes<List>, Uses<Blog>>) -> Step {
        let blog = cx.on(Blog);
        let number = |n: i64| blog.query_one("SELECT ?1").bind(n);
        cx.need(all((0..5).map(number)).into(List))
    }

    pub fn empty_list(cx: &mut Cx<Writes<List>, Uses<Blog>>) -> Step {
        let blog = cx.on(Blog);
        let number = |n: i64| blog.query_one("SELECT ?1").bind(n);
        cx.need(all((0..0).map(number)).into(List))
    }

    pub fn sparse_list(cx: &mut Cx<Writes<Sparse>, Uses<Blog>>) -> Step {
        let blog = cx.on(Blog);
        let asks = [ONE, BROKEN, TWO, NONE].map(|sql| blog.query_one(sql).optional());
        cx.need(all(asks).in_order().into(Sparse))
    }

    pub fn endless_list(cx: &mut Cx<Writes<List>, Uses<Blog>>) -> Step {
        let blog = cx.on(Blog);
        cx.need(all(std::iter::repeat_with(|| blog.query_one(ONE))).into(List))
    }

    pub fn first(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
        let asks = [BROKEN, ONE, SLOW].map(|sql| cx.on(Blog).query_one(sql));
        cx.need(cutaway::step::first(asks).into(First))
    }

    pub fn first_of_none(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
        let asks = [BROKEN, NONE].map(|sql| cx.on(Blog).query_one(sql));
        cx.need(cutaway::step::first(asks).in_order().into(First))
    }

    pub fn first_optional(cx: &mut Cx<Writes<Third>, Uses<Blog>>) -> Step {
        let asks = [BROKEN, NONE].map(|sql| cx.on(Blog).query_one(sql));
        cx.need(cutaway::step::first(asks).optional().into(Third))
    }

    pub fn fallback(cx: &mut Cx<Reads<Id>, Writes<First>, Uses<Blog>>) -> Step {
        let id = *cx.get(Id);
        let author = cx
            .on(Blog)
            .query_one("SELECT id FROM authors WHERE id = ?1");
        let nobody = cx.on(Blog).query_one("SELECT -1");
        cx.need(
            cutaway::step::first([author.bind(id), nobody])
                .in_order()
                .into(First),
        )
    }

    pub fn nobody_runs(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
        let blog = cx.on(Blog);
        cx.need(cutaway::step::first([ONE; 0].map(|sql| blog.query_one(sql))).into(First))
    }

    pub fn any(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
        let asks = [ONE, SLOW].map(|sql| cx.on(Blog).query_one(sql));
        cx.need(cutaway::step::any(asks).into(First))
    }

    pub fn any_fails(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
        let asks = [NONE, SLOW].map(|sql| cx.on(Blog).query_one(sql));
        cx.need(cutaway::step::any(asks).into(First))
    }

    pub fn any_optional(cx: &mut Cx<Writes<Third>, Uses<Blog>>) -> Step {
        let asks = [NONE, SLOW].map(|sql| cx.on(Blog).query_one(sql));
        cx.need(cutaway::step::any(asks).optional().into(Third))
    }

    pub fn timer(cx: &mut Cx<Writes<Waited>>) -> Step {
        cx.need(cx.timer(20.millis()).into(Waited))
    }

    pub fn late_timer(cx: &mut Cx<Writes<Waited>>) -> Step {
        cx.need(cx.timer(20.millis()).into(Waited))
    }

    /// At least so long, whatever the query takes.
    pub fn paced(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
        let one = cx.on(Blog).query_one(ONE);
        cx.need((cx.timer(20.millis()), one.into(First)))
    }

    pub fn author(cx: &mut Cx<Reads<Id>, Writes<Found>, Uses<Blog>>) -> Step {
        let id = *cx.get(Id);
        let author = cx
            .on(Blog)
            .query_one("SELECT name FROM authors WHERE id = ?1");
        cx.need(author.bind(id).into(Name).then(titles))
    }

    fn titles(cx: &mut Cx<Reads<Name>, Writes<(Titles, Sum)>, Uses<Blog>>) -> Step {
        let (name,) = *cx.get(Name);
        let titles = cx
            .on(Blog)
            .query("SELECT title FROM posts WHERE author = ?1");
        cx.need(titles.bind(name).into(Titles).then(add))
    }

    fn add(cx: &mut Cx<Reads<(Name, Titles)>, Writes<Sum>>) {
        let (name,) = *cx.get(Name);
        let lengths = cx.get(Titles).iter().map(|(title,)| title.len());
        cx.put(Sum, (name.len() + lengths.sum::<usize>()) as i64);
    }

    pub fn answers_early(cx: &mut Cx<Writes<(First, Second)>, Uses<Blog>>) -> Step {
        let one = cx.on(Blog).query_one(ONE).into(First);
        cx.need(one.then(|cx: &mut Cx<Reads<First>>| cx.json(cx.get(First))))
    }

    pub fn merged(cx: &mut Cx<Writes<(First, Second, Sum)>, Uses<Blog>>) -> Step {
        let (one, two) = (cx.on(Blog).query_one(ONE), cx.on(Blog).query_one(TWO));
        cx.need((one.into(First), two.into(Second)).then(merge))
    }

    fn merge(cx: &mut Cx<Reads<Pair>, Writes<Sum>>) {
        let sum = cx.get(First).0 + cx.get(Second).0;
        cx.put(Sum, sum);
    }

    pub fn forgets(cx: &mut Cx<Writes<(First, Second)>, Uses<Blog>>) -> Step {
        let one = cx.on(Blog).query_one(ONE).into(First);
        cx.need(one.then(|_: &mut Cx<Reads<First>>| ()))
    }

    pub fn reads_too_early(cx: &mut Cx<Writes<(First, Second)>, Uses<Blog>>) -> Step {
        let one = cx.on(Blog).query_one(ONE).into(First);
        cx.need(one.then(|cx: &mut Cx<Reads<Second>>| cx.json(cx.get(Second))))
    }

    pub fn puts_and_needs(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
        cx.put(First, (1,));
        cx.need(cx.on(Blog).query_one(ONE).into(First))
    }

    pub fn two_into_one(cx: &mut Cx<Writes<First>, Uses<Blog>>) -> Step {
        let (one, two) = (cx.on(Blog).query_one(ONE), cx.on(Blog).query_one(TWO));
        cx.need((one.into(First), two.into(First)))
    }

    /// Goes round in a circle.
    pub fn circles(cx: &mut Cx) -> Step {
        cx.need(cx.timer(Duration::ZERO).then(circles))
    }

    /// Takes more than a turn's quantum.
    pub fn works(cx: &mut Cx) -> Step {
        CLOCK.with_borrow(|clock| clock.as_ref().unwrap().advance(Nanos::from_millis(1)));
        cx.text("worked")
    }

    pub fn shows_pair(cx: &mut Cx<Reads<Pair>>) -> Step {
        cx.json(&(cx.get(First).0, cx.get(Second).0))
    }

    pub fn shows_first(cx: &mut Cx<Reads<First>>) -> Step {
        cx.json(&cx.get(First).0)
    }

    pub fn shows_third(cx: &mut Cx<Reads<Third>>) -> Step {
        cx.json(cx.get(Third))
    }

    pub fn shows_both(cx: &mut Cx<Reads<(First, Third)>>) -> Step {
        cx.json(&(cx.get(First).0, cx.get(Third)))
    }

    pub fn shows_list(cx: &mut Cx<Reads<List>>) -> Step {
        cx.json(cx.get(List))
    }

    pub fn shows_sparse(cx: &mut Cx<Reads<Sparse>>) -> Step {
        cx.json(cx.get(Sparse))
    }

    pub fn shows_waited(cx: &mut Cx<Reads<Waited>>) -> Step {
        let waited = cx.get(Waited).length();
        cx.json(&(20.millis()..22.millis()).contains(&waited))
    }

    pub fn shows_sum(cx: &mut Cx<Reads<Sum>>) -> Step {
        cx.json(cx.get(Sum))
    }
}

fn routes(home: &Scratch) -> BuiltRoutes {
    use step::*;
    Routes::new()
        .resource(Blog, Sqlite::open(home.join("blog.db")).schema(SCHEMA))
        .get("/parallel", chain(parallel).then(shows_pair))
        .get("/in-order", chain(in_order).then(shows_first))
        .get("/in-order/broken", chain(in_order_broken).then(shows_pair))
        .get("/optional", chain(optional).then(shows_both))
        .get("/optional/alone", chain(optional_alone).then(shows_third))
        .get(
            "/optional/in-time",
            chain(optional_in_time).then(shows_third),
        )
        .get("/required", chain(required).then(shows_pair))
        .get("/impatient", chain(impatient).then(shows_pair))
        .get("/all-required", chain(all_required).then(shows_both))
        .get(
            "/all-required/in-order",
            chain(required_in_order).then(shows_three),
        )
        .get(
            "/all-required/in-order/broken",
            chain(required_in_order_broken).then(shows_first),
        )
        .get(
            "/all-required/in-order/none",
            chain(none_required_in_order).then(shows_options),
        )
        .get(
            "/slotless",
            chain(slotless).then(counts_notes).then(shows_first),
        )
        .get(
            "/slotless/among",
            chain(slotless_among_others).then(shows_first),
        )
        .get("/slotless/missing", chain(slotless_missing))
        .get("/or-missing/{id}", chain(or_missing).then(shows_name))
        .get("/or-missing/{id}/both", chain(or_missing_in_transaction))
        .get(
            "/or-missing/optional",
            chain(or_missing_optional).then(shows_third),
        )
        .get("/list", chain(list).then(shows_list))
        .get("/list/empty", chain(empty_list).then(shows_list))
        .get("/list/sparse", chain(sparse_list).then(shows_sparse))
        .get("/list/endless", chain(endless_list).then(shows_list))
        .get("/first", chain(first).then(shows_first))
        .get("/first/of-none", chain(first_of_none).then(shows_first))
        .get("/first/optional", chain(first_optional).then(shows_third))
        .get("/fallback/{id}", chain(fallback).then(shows_first))
        .get("/nobody", chain(nobody_runs).then(shows_first))
        .get("/any", chain(any).then(shows_first))
        .get("/any/fails", chain(any_fails).then(shows_first))
        .get("/any/optional", chain(any_optional).then(shows_third))
        .get("/timer", chain(timer).then(shows_waited))
        .get(
            "/timer/late",
            chain(late_timer).then(shows_waited).deadline(5.millis()),
        )
        .get("/paced", chain(paced).then(shows_first))
        .get("/authors/{id}", chain(author).then(shows_sum))
        .get("/early", chain(answers_early).then(shows_pair))
        .get("/merged", chain(merged).then(shows_sum))
        .get("/forgets", chain(forgets).then(shows_pair))
        .get("/too-early", chain(reads_too_early).then(shows_pair))
        .get("/puts", chain(puts_and_needs).then(shows_first))
        .get("/two-into-one", chain(two_into_one).then(shows_first))
        .get("/circles", chain(circles))
        .get("/works", chain(works).class(Interactive))
        .build()
        .unwrap()
}

/// A shard with its clients gone, and its database.
struct World {
    simulation: Simulation,
    _home: Scratch,
}

impl World {
    fn new(limits: Limits) -> World {
        let home = Scratch::new("needs");
        let options = SimulationOptions {
            limits,
            ..SimulationOptions::default()
        };
        let config = SimConfig::new(1);
        World {
            simulation: Simulation::with_options(routes(&home), config, options).unwrap(),
            _home: home,
        }
    }

    /// Asks, and gives the status, the content and the timeline.
    fn get(&mut self, target: &str) -> (String, KeptRecord) {
        let client = self.simulation.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        self.simulation.run_for(500.millis());
        let reply = String::from_utf8(client.take_read()).unwrap();
        let (head, content) = reply.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).unwrap_or_default();
        client.finish();
        self.simulation.run_for(1.millis());
        let mut kept = self.simulation.kept();
        let record = kept.pop().expect("the request has ended");
        assert_eq!(record.check(), Ok(()), "{target}");
        (format!("{status} {content}"), record)
    }

    fn check(&mut self, target: &str, expected: &str) -> KeptRecord {
        let (reply, record) = self.get(target);
        assert_eq!(reply, expected, "{target}: {:?}", record.marks());
        record
    }

    /// The reply is a problem of this status, whose detail says this.
    fn check_problem(&mut self, target: &str, status: u16, detail: &str) -> KeptRecord {
        let (reply, record) = self.get(target);
        assert!(
            reply.starts_with(&format!("{status} {{")) && reply.contains(detail),
            "{target}: {reply}"
        );
        record
    }

    /// Nothing is left when the shard has drained.
    fn end(mut self) -> ShardStats {
        self.simulation.drain(100.millis());
        self.simulation.run_for(200.millis());
        self.simulation.check_drained();
        self.simulation.stats().clone()
    }
}

/// What happened to the effects, in order: `b` began, `q` queued, `f` finished, `c` completed, `l` let
/// go, `|` parked, `>` resumed, `s` a step.
fn effects(record: &KeptRecord) -> String {
    let mut text = Vec::new();
    for mark in record.marks() {
        let letter = match mark.kind() {
            MarkKind::Submitted => 'b',
            MarkKind::JobQueued => 'q',
            MarkKind::JobFinished => 'f',
            MarkKind::Completed => 'c',
            MarkKind::LetGo => 'l',
            MarkKind::Parked => '|',
            MarkKind::Resumed => '>',
            MarkKind::StepStart => 's',
            _ => continue,
        };
        text.push(match letter {
            '|' | '>' => letter.to_string(),
            letter => format!("{letter}{}", mark.which()),
        });
    }
    text.join(" ")
}

const INTERNAL: &str = r#"500 {"type":"about:blank","title":"Internal Server Error","status":500}"#;

#[test]
fn all_of_several() {
    let mut world = World::new(Limits::default());
    let record = world.check("/parallel", "200 [1,2]");
    assert_eq!(effects(&record), "s0 b0 q0 b1 q1 | f0 f1 > s1");
    // The second begins when the first has ended, so that it sees what that has written.
    let record = world.check("/in-order", "200 1");
    assert_eq!(effects(&record), "s0 b0 q0 | f0 b1 q1 f1 > s1");
    let record = world.check("/in-order/broken", INTERNAL);
    assert_eq!(effects(&record), "s0 b0 q0 | f0 >");
    world.check("/optional", "200 [1,null]");
    // A row that must be there is not.
    world.check("/optional/alone", "200 null");
    // Its own time ends before the request's.
    let record = world.check("/optional/in-time", "200 null");
    assert_eq!(effects(&record), "s0 b0 q0 | f0 > s1");
    // What is of no use any more is let go at once.
    let record = world.check("/required", INTERNAL);
    assert_eq!(effects(&record), "s0 b0 q0 b1 q1 | f0 l1 >");
    // The second waits behind the first for longer than it may take.
    let record = world.check_problem("/impatient", 504, "effect Second");
    assert_eq!(effects(&record), "s0 b0 q0 b1 q1 | l1 l0 >");
    let record = world.check("/all-required", "200 [1,null]");
    assert_eq!(effects(&record), "s0 b0 q0 b1 q1 | f0 l1 > s1");
    let stats = world.end();
    assert_eq!((stats.let_go_count, stats.late_result_count), (4, 4));
}

#[test]
fn all_required_in_order() {
    let mut world = World::new(Limits::default());
    // What stands behind the last required one never begins.
    let record = world.check("/all-required/in-order", "200 [1,null,null]");
    assert_eq!(effects(&record), "s0 b0 q0 | f0 b1 q1 f1 > s1");
    // Nor does what follows a required failure, be it required itself.
    let record = world.check("/all-required/in-order/broken", INTERNAL);
    assert_eq!(effects(&record), "s0 b0 q0 | f0 b1 q1 f1 >");
    let record = world.check("/all-required/in-order/none", "200 [null,null]");
    assert_eq!(effects(&record), "s0 s1");
    let stats = world.end();
    assert_eq!((stats.let_go_count, stats.late_result_count), (0, 0));
}

#[test]
fn a_statement_that_only_writes_needs_no_slot() {
    let mut world = World::new(Limits::default());
    world.check("/slotless", "200 1");
    let record = world.check("/slotless/among", "200 2");
    assert_eq!(effects(&record), "s0 b0 q0 | f0 b1 q1 f1 b2 q2 f2 > s1");
    let missing = r#"404 {"type":"about:blank","title":"Not Found","status":404,"detail":"row"}"#;
    world.check("/slotless/missing", missing);
    world.end();
}

#[test]
fn what_is_missing_has_the_name_that_the_step_gave_it() {
    let mut world = World::new(Limits::default());
    world.check("/or-missing/7", r#"200 ["ann"]"#);
    world.check_problem("/or-missing/8", 404, r#""detail":"author 8""#);
    world.check_problem("/or-missing/8/both", 404, r#""detail":"author 8""#);
    world.check_problem("/or-missing/7/both", 404, r#""detail":"note a note""#);
    // It was undone.
    world.check("/or-missing/7", r#"200 ["ann"]"#);
    world.check("/or-missing/optional", "200 null");
    world.end();
}

#[test]
fn lists() {
    let mut world = World::new(Limits::default());
    world.check("/list", "200 [[0],[1],[2],[3],[4]]");
    // Nothing to wait for: the request goes on without being parked.
    let record = world.check("/list/empty", "200 []");
    assert_eq!(effects(&record), "s0 s1");
    let record = world.check("/list/sparse", "200 [[1],null,[2],null]");
    let order = "s0 b0 q0 | f0 b1 q1 f1 b2 q2 f2 b3 q3 f3 > s1";
    assert_eq!(effects(&record), order);
    let words = "endless_list asked for more than 16 effects at once";
    world.check_problem("/list/endless", 500, words);
    world.end();
}

#[test]
fn races() {
    let mut world = World::new(Limits::default());
    let record = world.check("/first", "200 1");
    assert_eq!(effects(&record), "s0 b0 q0 b1 q1 b2 q2 | f0 f1 l2 > s1");
    // Nothing succeeds: the last failure is told, a row that is missing.
    world.check_problem("/first/of-none", 404, "First");
    world.check("/first/optional", "200 null");
    let record = world.check("/fallback/7", "200 7");
    assert_eq!(effects(&record), "s0 b0 q0 | f0 > s1");
    let record = world.check("/fallback/8", "200 -1");
    assert_eq!(effects(&record), "s0 b0 q0 | f0 b1 q1 f1 > s1");
    let words = "nobody_runs asked for a race without effects";
    world.check_problem("/nobody", 500, words);
    let record = world.check("/any", "200 1");
    assert_eq!(effects(&record), "s0 b0 q0 b1 q1 | f0 l1 > s1");
    world.check_problem("/any/fails", 404, "First");
    world.check("/any/optional", "200 null");
    let stats = world.end();
    assert_eq!((stats.let_go_count, stats.late_result_count), (4, 4));
}

#[test]
fn timers() {
    let mut world = World::new(Limits::default());
    let record = world.check("/timer", "200 true");
    assert_eq!(effects(&record), "s0 b0 | c0 > s1");
    world.check_problem("/timer/late", 504, "effect Waited");
    let record = world.check("/paced", "200 1");
    assert_eq!(effects(&record), "s0 b0 b1 q1 | f1 c0 > s1");
    assert!(record.total_ns() >= 20_000_000);
    let stats = world.end();
    assert_eq!((stats.timed_out_count, stats.let_go_count), (1, 0));
}

#[test]
fn continuations() {
    let mut world = World::new(Limits::default());
    // Three runs of the step's place: the step, and two continuations.
    let record = world.check("/authors/7", "200 9");
    assert_eq!(effects(&record), "s0 b0 q0 | f0 > s0 b0 q0 | f0 > s0 s1");
    world.check_problem("/authors/8", 404, "Name");
    let record = world.check("/early", "200 [1]");
    assert_eq!(effects(&record), "s0 b0 q0 | f0 > s0");
    world.check("/merged", "200 3");
    let words = "forgets::{{closure}} slot `Second` was not put";
    world.check_problem("/forgets", 500, words);
    let words = "reads_too_early::{{closure}} slot `Second` was not put";
    world.check_problem("/too-early", 500, words);
    world.end();
}

#[test]
fn a_slot_that_has_its_value_is_not_filled_again() {
    let mut world = World::new(Limits::default());
    let words = "puts_and_needs slot `First` was put twice";
    world.check_problem("/puts", 500, words);
    let words = "two_into_one slot `First` was put twice";
    world.check_problem("/two-into-one", 500, words);
    world.end();
}

#[test]
fn who_goes_round_in_a_circle_is_stopped() {
    let mut world = World::new(Limits {
        needs_per_request_max: 7,
        ..Limits::default()
    });
    let words = "circles asked for effects more than 7 times";
    let record = world.check_problem("/circles", 500, words);
    assert_eq!(effects(&record).matches("c0").count(), 7);
    world.end();
}

#[test]
fn a_client_that_goes_leaves_nothing() {
    let mut world = World::new(Limits::default());
    let targets = [
        "/required",
        "/all-required",
        "/first",
        "/any",
        "/paced",
        "/timer",
    ];
    for (index, target) in targets.iter().cycle().take(60).enumerate() {
        let client = world.simulation.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let micros = Duration::from_micros(40 * index as u64);
        world.simulation.run_for(micros);
        client.reset();
    }
    let stats = world.end();
    assert!(stats.cancelled_count > 20, "{stats:?}");
}

/// A race is won, and its client goes before its request's turn to run comes. The loser keeps the
/// request's slot, but nothing runs in it.
#[test]
fn a_client_that_goes_when_its_race_is_won_is_not_run_for() {
    let mut world = World::new(Limits::default());
    CLOCK.set(Some(world.simulation.clock()));
    let busy = world.simulation.connect();
    for micros in (0..1_000).step_by(10) {
        let gone = world.simulation.connect();
        gone.send(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
        world.simulation.run_for(Duration::from_micros(micros));
        // The shard is held up until all of this has come; then a request takes a whole turn.
        busy.send(b"GET /works HTTP/1.1\r\nHost: a\r\n\r\n");
        gone.reset();
        world.simulation.clock().advance(Nanos::from_millis(1));
        world.simulation.run_for(100.millis());
        assert!(busy.take_read().ends_with(b"worked"));
    }
    let stats = world.end();
    assert!(
        stats.cancelled_count > 0 && stats.stale_count > 0,
        "{stats:?}"
    );
}

/// A database whose worker takes one job at a time: an effect that is refused is one that has failed.
#[test]
fn an_effect_that_is_refused_has_failed() {
    let home = Scratch::new("needs");
    let options = SimulationOptions {
        jobs_max: 1,
        ..SimulationOptions::default()
    };
    let simulation = Simulation::with_options(routes(&home), SimConfig::new(1), options).unwrap();
    let mut world = World {
        simulation,
        _home: home,
    };
    // Statements that nobody knows all go to one reader: the list's second one finds no room.
    let record = world.check_problem("/list", 503, "effect busy");
    assert_eq!(effects(&record), "s0 b0 q0 b1 l1 l0");
    let stats = world.end();
    assert_eq!((stats.refused_effect_count, stats.let_go_count), (1, 1));
}
