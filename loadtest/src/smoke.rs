//! A short, strict look at a running engine: right answers on every route, also pipelined, and a
//! clean end.
//!
//! It looks at bytes and exit codes, never at speed, so that it holds on a busy machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::client::Exchange;
use crate::client::closed::{self, Plan, Report, Until};
use crate::failure::Failure;
use crate::process::{Launcher, Process, Scratch, ensure_free};
use crate::scenario::{JSON, PARAMETERS, PLAINTEXT, SQLITE_READ, exchange};
use crate::subject::Subject;
use crate::table::Table;

/// Connections of each look.
const CONNECTIONS: usize = 16;
/// How long each look takes; four routes, all of them mixed, and all of them pipelined come to
/// about a second.
const LOOK: Duration = Duration::from_millis(170);
/// A drain that takes longer hangs.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Starts `program` with the flags of the example `plaintext`, looks at it, and ends it.
///
/// *Errors*: the first fault: a wrong byte, a wrong order, an answer cut off, an exit other than 0
/// after SIGTERM.
pub fn run(program: PathBuf, addr: SocketAddr, launcher: &Launcher) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let subject = Subject::engine("engine", program)?;
    ensure_free(addr)?;
    let mut server = launcher.start(&subject.program(addr, 0, &scratch), 0, &scratch)?;
    server.await_listening(addr)?;

    let routes =
        [PLAINTEXT, JSON, PARAMETERS, SQLITE_READ].map(|(path, holds)| exchange(path, holds));
    let mut table = Table::new(&["look", "answers", "equal but for Date"]);
    for route in &routes {
        look(
            &mut table,
            &route.path,
            addr,
            std::slice::from_ref(route),
            1,
        )?;
    }
    look(&mut table, "all in turn", addr, &routes, 1)?;
    look(&mut table, "all, pipelined 16", addr, &routes, 16)?;
    server.ensure_alive()?;

    let drained = drain(&mut server, addr, &routes)?;
    table.row(vec![
        "drain under load".to_owned(),
        drained.answered_count.to_string(),
        format!("{} unanswered", drained.unanswered_count),
    ]);
    print!("{table}");
    println!("smoke: every answer right, exit 0 after SIGTERM");
    Ok(())
}

/// Loads some routes and demands that all answers of a route are the same bytes, `Date` aside.
fn look(
    table: &mut Table,
    name: &str,
    addr: SocketAddr,
    exchanges: &[Exchange],
    depth: usize,
) -> Result<(), Failure> {
    let until = Until::Elapsed(LOOK);
    let report = closed::run(&Plan {
        addr,
        connections: CONNECTIONS,
        depth,
        exchanges,
        until,
    })?;
    if report.equal_count != report.answered_count || report.answered_count == 0 {
        let differing = report.answered_count - report.equal_count;
        let what = format!(
            "{name}: {differing} of {} answers differ from the first one",
            report.answered_count
        );
        return Err(Failure::Tool {
            tool: "smoke",
            what,
        });
    }
    table.row(vec![
        name.to_owned(),
        report.answered_count.to_string(),
        report.equal_count.to_string(),
    ]);
    Ok(())
}

/// Ends the server in the middle of a load: no answer may be cut off, every connection must be
/// closed, the exit is 0.
///
/// Requests that crossed the close on the wire stay unanswered; HTTP/1.1 cannot avoid that, so they
/// are only counted.
fn drain(server: &mut Process, addr: SocketAddr, routes: &[Exchange]) -> Result<Report, Failure> {
    let plan = Plan {
        addr,
        connections: CONNECTIONS,
        depth: 1,
        exchanges: routes,
        until: Until::Closed,
    };
    let loaded = thread::scope(|scope| {
        let load = scope.spawn(|| closed::run(&plan));
        thread::sleep(LOOK);
        let asked = server.ask_to_end();
        let loaded = load
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        asked.and(loaded)
    })?;
    let status = server.await_end(DRAIN_MAX)?;
    if !status.success() {
        let what = format!("{status} after SIGTERM where exit 0 is expected");
        return Err(Failure::Exit {
            name: "engine".to_owned(),
            what,
            said: server.said(),
        });
    }
    Ok(loaded)
}
