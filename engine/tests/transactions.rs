//! Transactions over real sockets: what a client hears of them, two processes that write to one
//! file, and one that is killed in the middle.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of a test")]

use std::thread;

use cutaway::prelude::*;
use cutaway::{BuiltRoutes, Engine};
use libc::SIGKILL;

#[path = "harness/child.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
#[expect(unsafe_code, reason = "kill(2)")]
mod child;
#[path = "harness/client.rs"]
#[allow(dead_code, reason = "as above")]
mod client;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;

use child::ChildServer;
use client::{Client, Response, get};
use server::{Scratch, Server};

resource!(pub Bank: Sqlite);
slot!(pub From: i64 = path "from");
slot!(pub To: i64 = path "to");
slot!(pub Amount: i64 = path "amount");
slot!(pub Done<'r>: &'r [Executed]);
slot!(pub Account<'r>: (i64, &'r str, i64));
slot!(pub Found: Option<(i64,)>);
slot!(pub Sums: (i64, i64, i64));

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS accounts (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        balance INTEGER NOT NULL CHECK (balance >= 0)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS transfers (
        payer INTEGER NOT NULL REFERENCES accounts,
        payee INTEGER NOT NULL REFERENCES accounts,
        amount INTEGER NOT NULL
    ) STRICT;
    INSERT OR IGNORE INTO accounts VALUES (1, 'Ada', 1000000), (2, 'Grace', 1000000);
";

/// The payee is paid before anybody looks whether the payer can.
fn transfer(cx: &mut Cx<Reads<(From, To, Amount)>, Writes<Done>, Uses<Bank>>) -> Step {
    let (from, to, amount) = (*cx.get(From), *cx.get(To), *cx.get(Amount));
    let transfer = (cx.on(Bank).transaction())
        .exec("UPDATE accounts SET balance = balance + ?2 WHERE id = ?1")
        .bind(to)
        .bind(amount)
        .expecting_change()
        .exec("INSERT INTO transfers VALUES (?1, ?2, ?3)")
        .bind(from)
        .bind(to)
        .bind(amount)
        .exec("UPDATE accounts SET balance = balance - ?2 WHERE id = ?1")
        .bind(from)
        .bind(amount)
        .expecting_change();
    cx.need(transfer.into(Done))
}

fn transferred(cx: &mut Cx<Reads<Done>>) -> Step {
    let changed: Vec<_> = cx.get(Done).iter().map(|done| done.changed_count).collect();
    cx.json(&changed)
}

fn open_account(cx: &mut Cx<Writes<Account>, Uses<Bank>>) -> Step {
    let name = cx.param("name");
    let sql = "INSERT INTO accounts (name, balance) VALUES (?1, 0) RETURNING id, name, balance";
    cx.need(cx.on(Bank).returning_one(sql).bind(name).into(Account))
}

fn show_account(cx: &mut Cx<Reads<Account>>) -> Step {
    let account = cx.get(Account);
    cx.json(account)
}

fn rename(cx: &mut Cx<Reads<From>, Writes<Account>, Uses<Bank>>) -> Step {
    let (from, name) = (*cx.get(From), cx.param("name"));
    let sql = "UPDATE accounts SET name = ?2 WHERE id = ?1 RETURNING id, name, balance";
    let renamed = cx.on(Bank).returning_one(sql).bind(from).bind(name);
    cx.need(renamed.into(Account))
}

fn close(cx: &mut Cx<Reads<From>, Writes<Done>, Uses<Bank>>) -> Step {
    let from = *cx.get(From);
    let closed = cx
        .on(Bank)
        .exec("DELETE FROM accounts WHERE id = ?1")
        .bind(from);
    cx.need(closed.expecting_change().into(Done))
}

fn close_if_found(cx: &mut Cx<Reads<From>, Writes<Found>, Uses<Bank>>) -> Step {
    let from = *cx.get(From);
    let sql = "DELETE FROM accounts WHERE id = ?1 RETURNING id";
    cx.need(cx.on(Bank).returning_opt(sql).bind(from).into(Found))
}

fn found(cx: &mut Cx<Reads<Found>>) -> Step {
    let is_found = cx.get(Found).is_some();
    cx.json(&is_found)
}

fn many(cx: &mut Cx<Reads<Amount>, Writes<Done>, Uses<Bank>>) -> Step {
    const SQL: &str = "UPDATE accounts SET balance = balance";
    let mut statements = cx.on(Bank).transaction().exec(SQL);
    for _ in 1..*cx.get(Amount) {
        statements = statements.exec(SQL);
    }
    cx.need(statements.into(Done))
}

fn sums(cx: &mut Cx<Writes<Sums>, Uses<Bank>>) -> Step {
    const SQL: &str = "SELECT sum(balance), (SELECT count(*) FROM transfers),
        (SELECT total(amount) = 1000000 - (SELECT balance FROM accounts WHERE id = 1) FROM transfers)
        FROM accounts";
    cx.need(cx.on(Bank).query_one(SQL).into(Sums))
}

fn show_sums(cx: &mut Cx<Reads<Sums>>) -> Step {
    let sums = cx.get(Sums);
    cx.json(sums)
}

fn routes(scratch: &str) -> BuiltRoutes {
    let patient = 60.secs();
    let bank = Sqlite::open(format!("{scratch}/bank.db")).schema(SCHEMA);
    Routes::new()
        .resource(Bank, bank.busy_timeout(patient))
        .get(
            "/transfer/{from}/{to}/{amount}",
            chain(transfer).then(transferred).deadline(patient),
        )
        .get(
            "/open/{name}",
            chain(open_account).then(show_account).deadline(patient),
        )
        .get(
            "/rename/{from}/{name}",
            chain(rename).then(show_account).deadline(patient),
        )
        .get(
            "/close/{from}",
            chain(close).then(transferred).deadline(patient),
        )
        .get(
            "/close_if_found/{from}",
            chain(close_if_found).then(found).deadline(patient),
        )
        .get(
            "/many/{amount}",
            chain(many).then(transferred).deadline(patient),
        )
        .get("/sums", chain(sums).then(show_sums).deadline(patient))
        .build()
        .unwrap()
}

#[test]
fn a_client_hears_what_became_of_it() {
    let scratch = Scratch::new("transactions");
    let server = Server::start_with(routes(scratch.path().to_str().unwrap()), |engine| engine);
    let mut client = Client::connect(server.address);
    let text = |response: Response| (response.status, response.text().to_owned());
    let mut check = |target: &str, status: u16, expected: &str| {
        let got = text(client.get(target));
        assert_eq!(got, (status, expected.to_owned()), "{target}");
    };
    let sums = |balance, count: u32| format!("[{balance},{count},1]");
    check("/transfer/1/2/10", 200, "[1,1,1]");
    check("/sums", 200, &sums(2_000_000, 1));

    // Nothing is left of what came before the statement that failed.
    let problem = |title: &str, status: u16, detail: &str| {
        format!(
            r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}"}}"#
        )
    };
    let too_much = problem("Unprocessable Content", 422, "constraint balance >= 0");
    check("/transfer/1/2/5000000", 422, &too_much);
    let conflict = problem("Conflict", 409, "constraint FOREIGN KEY");
    check("/transfer/99/2/1", 409, &conflict);
    check("/transfer/1/99/1", 404, &problem("Not Found", 404, "Done"));
    check("/sums", 200, &sums(2_000_000, 1));

    // Rows of statements that write.
    check("/open/Barbara", 200, r#"[3,"Barbara",0]"#);
    let taken = problem("Conflict", 409, "constraint accounts.name");
    check("/open/Ada", 409, &taken);
    check("/rename/3/Liskov", 200, r#"[3,"Liskov",0]"#);
    check(
        "/rename/9/Nobody",
        404,
        &problem("Not Found", 404, "Account"),
    );
    check("/close/3", 200, "[1]");
    check("/close/3", 404, &problem("Not Found", 404, "Done"));
    check("/close_if_found/3", 200, "false");

    check("/many/16", 200, "[2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2]");
    let (status, words) = text(client.get("/many/17"));
    assert_eq!(status, 500);
    assert!(words.contains("transactions::many"), "{words}");
    assert!(
        words.contains("17 statements, 1 to 16 are allowed"),
        "{words}"
    );
    drop(client);
    server.stop();
}

/// The server that the tests start as a process of its own.
#[test]
#[ignore = "serves until it is told to stop; the other tests start it"]
fn serve() {
    let engine = Engine::new(routes(&std::env::var("TEST_SCRATCH").unwrap()))
        .address("127.0.0.1:0".parse().unwrap())
        .shards(1);
    let running = engine.start().unwrap();
    println!("listening on {}", running.address());
    running.wait().unwrap();
}

/// Two processes write to one file, each with batches of its own, and one of them dies of it.
#[test]
fn two_processes_share_a_file() {
    let scratch = Scratch::new("transactions");
    let path = scratch.path().to_str().unwrap();
    let ours = Server::start_with(routes(path), |engine| engine);
    let theirs = ChildServer::start(&[("TEST_SCRATCH", path)]);
    let addresses = [ours.address, theirs.address];
    let sums = |client: &mut Client| -> (i64, u64, i64) {
        serde_json::from_str(client.get("/sums").text()).unwrap()
    };
    // Each client has its transfers answered; the sum is right whenever anybody looks.
    let transfers = addresses.map(|address| {
        (0..2).map(move |_| {
            thread::spawn(move || {
                let mut client = Client::connect(address);
                for _ in 0..25 {
                    client.send(get("/transfer/1/2/1").repeat(4));
                    for _ in 0..4 {
                        let response = client.response();
                        assert_eq!((response.status, response.text()), (200, "[1,1,1]"));
                    }
                }
            })
        })
    });
    let transfers: Vec<_> = transfers.into_iter().flatten().collect();
    let mut watcher = Client::connect(ours.address);
    while !transfers.iter().all(|transfer| transfer.is_finished()) {
        let (sum, _, is_even) = sums(&mut watcher);
        assert_eq!((sum, is_even), (2_000_000, 1));
    }
    for transfer in transfers {
        transfer.join().unwrap();
    }
    assert_eq!(sums(&mut watcher), (2_000_000, 400, 1));

    // Killed while it writes: what it has answered is there, and nothing by halves.
    let mut client = Client::connect(theirs.address);
    client.send(get("/transfer/1/2/1").repeat(64));
    let mut answered_count = 0;
    for _ in 0..8 {
        answered_count += u64::from(client.response().status == 200);
    }
    theirs.signal(SIGKILL);
    let rest = client.rest_or_reset();
    answered_count += String::from_utf8_lossy(&rest).matches("[1,1,1]").count() as u64;
    theirs.end();
    assert_eq!(watcher.get("/transfer/1/2/1").status, 200);
    let (sum, count, is_even) = sums(&mut watcher);
    assert_eq!((sum, is_even), (2_000_000, 1));
    let count = count - 401;
    assert!((answered_count..=64).contains(&count), "{count}");
    drop((client, watcher));
    ours.stop();
}
