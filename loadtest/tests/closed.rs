//! The closed loop against small servers that answer rightly, in pieces, wrongly, or not at all.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use cutaway_loadtest::Failure;
use cutaway_loadtest::client::closed::run;
use cutaway_loadtest::client::response::Fault;
use cutaway_loadtest::client::{Body, Exchange, Plan, Until};

const END: &[u8] = b"\r\n\r\n";

fn answer(body: &str, more: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Serves each connection on a thread of its own; threads end with their connections, the listener
/// with the process.
fn serve(each: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for socket in listener.incoming() {
            let socket = socket.expect("a connection");
            socket.set_nodelay(true).expect("nodelay");
            let each = each.clone();
            thread::spawn(move || each(socket));
        }
    });
    addr
}

/// The targets of the requests that arrive, one by one, until the client closes.
fn targets(mut socket: TcpStream) -> impl Iterator<Item = String> {
    let mut bytes = Vec::new();
    std::iter::from_fn(move || {
        loop {
            if let Some(end) = bytes.windows(END.len()).position(|window| window == END) {
                let head: Vec<u8> = bytes.drain(..end + END.len()).collect();
                let head = String::from_utf8(head).expect("a request in ASCII");
                return Some(head.split(' ').nth(1).expect("a request-target").to_owned());
            }
            let mut scratch = [0; 4096];
            match socket.read(&mut scratch) {
                Ok(0) | Err(_) => return None,
                Ok(count) => bytes.extend_from_slice(&scratch[..count]),
            }
        }
    })
}

/// Answers each request with its target as content.
fn echo(socket: TcpStream) {
    let mut out = socket.try_clone().expect("a second handle");
    for target in targets(socket) {
        if out.write_all(&answer(&target, "")).is_err() {
            return;
        }
    }
}

fn exchanges(paths: &[&str]) -> Vec<Exchange> {
    paths
        .iter()
        .map(|path| Exchange::get(path, Body::Exact(path.as_bytes().to_vec())))
        .collect()
}

fn plan<'e>(
    addr: SocketAddr,
    connections: usize,
    depth: usize,
    exchanges: &'e [Exchange],
    until: Until,
) -> Plan<'e> {
    Plan {
        addr,
        connections,
        depth,
        exchanges,
        until,
    }
}

#[test]
fn answers_are_matched_to_requests_in_order_at_any_depth() {
    let addr = serve(echo);
    let exchanges = exchanges(&["/a", "/bb", "/ccc"]);
    for (connections, depth) in [(1, 1), (7, 1), (1, 16), (5, 4), (64, 3)] {
        let report = run(&plan(
            addr,
            connections,
            depth,
            &exchanges,
            Until::Answered(1000),
        ))
        .expect("right answers");
        assert!(report.answered_count >= 1000);
        assert_eq!(report.answered_count % depth as u64, 0, "whole batches");
        assert_eq!(report.equal_count, report.answered_count);
        assert_eq!(report.latency.len(), report.answered_count);
        assert_eq!(report.unanswered_count, 0);
    }
}

#[test]
fn answers_in_pieces_are_the_same_answers() {
    let whole = [answer("/a", ""), answer("/bb", "")].concat();
    let exchanges = exchanges(&["/a", "/bb"]);
    let pieces = whole.clone();
    let addr = serve(move |socket| {
        let mut out = socket.try_clone().expect("a second handle");
        for (turn, _) in targets(socket)
            .enumerate()
            .filter(|(turn, _)| turn % 2 == 1)
        {
            // Every batch of two answers is cut at another place; a pause of a turn of the
            // scheduler lets the pieces arrive apart.
            let cut = (turn / 2) % pieces.len();
            let sent = out
                .write_all(&pieces[..cut])
                .map(|()| thread::yield_now())
                .and_then(|()| out.write_all(&pieces[cut..]));
            if sent.is_err() {
                return;
            }
        }
    });
    let enough = 2 * whole.len() as u64;
    let report =
        run(&plan(addr, 1, 2, &exchanges, Until::Answered(enough))).expect("right answers");
    assert_eq!(
        (report.answered_count, report.equal_count),
        (enough, enough)
    );
}

#[test]
fn content_longer_than_the_inbox_is_taken_whole() {
    let body = "x".repeat(100_000);
    let bytes = answer(&body, "");
    let addr = serve(move |socket| {
        let mut out = socket.try_clone().expect("a second handle");
        for _ in targets(socket) {
            if out.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    let exchanges = [Exchange::get("/", Body::Length(100_000))];
    let report = run(&plan(addr, 3, 4, &exchanges, Until::Answered(100))).expect("right answers");
    assert_eq!(report.equal_count, report.answered_count);
}

/// A server that answers its first requests rightly and then once with `bytes`, and closes.
fn once_wrong(rightly: usize, bytes: &[u8]) -> Failure {
    let bytes = bytes.to_vec();
    let addr = serve(move |socket| {
        let mut out = socket.try_clone().expect("a second handle");
        for (turn, target) in targets(socket).enumerate() {
            let is_last = turn == rightly;
            let sent = if is_last {
                out.write_all(&bytes)
            } else {
                out.write_all(&answer(&target, ""))
            };
            if is_last || sent.is_err() {
                return;
            }
        }
    });
    let exchanges = exchanges(&["/a"]);
    run(&plan(addr, 1, 1, &exchanges, Until::Answered(1000))).expect_err("a fault")
}

#[test]
fn a_wrong_answer_ends_the_run_with_its_place() {
    for rightly in [0, 1, 30] {
        match once_wrong(rightly, &answer("/b", "")) {
            Failure::Answer {
                connection: 0,
                answer,
                path,
                fault: Fault::Content { at: 1 },
            } => {
                assert_eq!((answer, path.as_str()), (rightly as u64, "/a"));
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn every_other_fault_ends_the_run_too() {
    let cut = answer("/a", "");
    assert!(matches!(
        once_wrong(2, &cut[..cut.len() - 1]),
        Failure::Closed { connection: 0, owed: 1, unread } if unread == cut.len() - 1
    ));
    assert!(matches!(
        once_wrong(2, b""),
        Failure::Closed {
            owed: 1,
            unread: 0,
            ..
        }
    ));
    assert!(matches!(
        once_wrong(2, b"nonsense"),
        Failure::Answer {
            fault: Fault::Syntax(_),
            ..
        }
    ));
}

#[test]
fn an_answer_to_no_request_is_a_fault() {
    let addr = serve(|socket| {
        let mut out = socket.try_clone().expect("a second handle");
        out.write_all(&answer("/a", "").repeat(3))
            .expect("sent before anything was asked");
        targets(socket).for_each(drop);
    });
    let exchanges = exchanges(&["/a"]);
    let failure = run(&plan(addr, 1, 2, &exchanges, Until::Answered(1000))).expect_err("a fault");
    assert!(
        matches!(failure, Failure::Unasked { connection: 0, .. }),
        "{failure}"
    );
}

#[test]
fn a_drain_is_clean_where_every_connection_ends_between_answers() {
    let addr = serve(|socket| {
        let mut out = socket.try_clone().expect("a second handle");
        for (turn, target) in targets(socket).enumerate() {
            let is_last = turn == 20;
            let more = if is_last { "Connection: close\r\n" } else { "" };
            if out.write_all(&answer(&target, more)).is_err() || is_last {
                return;
            }
        }
    });
    let exchanges = exchanges(&["/a"]);
    let report = run(&plan(addr, 8, 1, &exchanges, Until::Closed)).expect("a clean drain");
    assert_eq!(
        (report.answered_count, report.unanswered_count),
        (8 * 21, 0)
    );
}

#[test]
fn a_drain_that_cuts_an_answer_off_is_a_fault() {
    let addr = serve(|socket| {
        let mut out = socket.try_clone().expect("a second handle");
        if targets(socket).next().is_some() {
            let bytes = answer("/a", "");
            out.write_all(&bytes[..bytes.len() - 1])
                .expect("a socket with room");
        }
    });
    let exchanges = exchanges(&["/a"]);
    let failure = run(&plan(addr, 1, 1, &exchanges, Until::Closed)).expect_err("a fault");
    assert!(
        matches!(failure, Failure::Closed { owed: 1, .. }),
        "{failure}"
    );
}

#[test]
fn requests_left_unanswered_by_a_drain_are_counted() {
    let addr = serve(|socket| {
        let mut out = socket.try_clone().expect("a second handle");
        for target in targets(socket).take(2) {
            out.write_all(&answer(&target, ""))
                .expect("a socket with room");
        }
    });
    let exchanges = exchanges(&["/a"]);
    let report =
        run(&plan(addr, 1, 4, &exchanges, Until::Closed)).expect("ended between two answers");
    assert_eq!((report.answered_count, report.unanswered_count), (2, 2));
}
