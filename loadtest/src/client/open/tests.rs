use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::client::Body;

use super::*;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The first request's answer is held back for so long from its arrival; the schedule ends within
/// that time.
const SILENCE: Duration = Duration::from_millis(90);

/// A server for one connection that is silent for a while after the first request and quick from
/// then on.
fn serve_after_silence(listener: TcpListener) {
    let (mut socket, _) = listener.accept().unwrap();
    let mut scratch = [0; 1024];
    let mut silence = SILENCE;
    while socket.read(&mut scratch).unwrap() > 0 {
        thread::sleep(std::mem::take(&mut silence));
        socket.write_all(ANSWER).unwrap();
    }
}

/// The server is silent for the whole schedule. A closed loop would have seen one slow request;
/// here every request whose moment fell into the silence must have waited for the rest of it.
#[test]
fn a_stall_counts_for_every_request_that_was_due_in_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = thread::spawn(move || serve_after_silence(listener));
    let exchange = Exchange::get("/", Body::Exact(b"ok".to_vec()));
    let stream = Stream {
        name: "only".to_owned(),
        exchange: &exchange,
        connections: 1,
        interval: Duration::from_millis(1),
    };
    let duration = Duration::from_millis(60);
    let plan = OpenPlan {
        addr,
        streams: vec![stream],
        duration,
        grace: Duration::from_secs(20),
    };
    let reports = run(&plan).unwrap();
    server.join().unwrap();

    let report = &reports[0];
    assert_eq!(
        (
            report.due_count,
            report.answered_count,
            report.unanswered_count()
        ),
        (60, 60, 0)
    );
    // Lower bounds by arithmetic, which no machine is too slow for: the request of millisecond n
    // has waited 90 - n at least. The histogram keeps three figures.
    let at_least = |value_ns: u64, bound_ms: u64| {
        assert!(
            value_ns as f64 * 1.001 >= bound_ms as f64 * 1e6,
            "{value_ns}"
        )
    };
    at_least(report.latency.max(), 90);
    at_least(report.latency.value_at_quantile(0.5), 90 - 30);
    at_least(report.latency.min(), 90 - 59);
}

#[test]
fn requests_that_are_never_answered_are_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let exchange = Exchange::get("/", Body::Any);
    let stream = Stream {
        name: "mute".to_owned(),
        exchange: &exchange,
        connections: 2,
        interval: Duration::from_millis(1),
    };
    let plan = OpenPlan {
        addr,
        streams: vec![stream],
        duration: Duration::from_millis(10),
        grace: Duration::from_millis(10),
    };
    let reports = run(&plan).unwrap();
    drop(listener);
    assert_eq!(
        (reports[0].due_count, reports[0].unanswered_count()),
        (10, 10)
    );
}

#[test]
fn streams_have_schedules_of_their_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            thread::spawn(move || {
                let mut scratch = [0; 1024];
                while socket.read(&mut scratch).unwrap_or(0) > 0 {
                    socket.write_all(ANSWER).unwrap();
                }
            });
        }
    });
    let exchange = Exchange::get("/", Body::Length(2));
    let stream = |name: &str, interval_ms| Stream {
        name: name.to_owned(),
        exchange: &exchange,
        connections: 3,
        interval: Duration::from_millis(interval_ms),
    };
    let plan = OpenPlan {
        addr,
        streams: vec![stream("often", 1), stream("seldom", 25)],
        duration: Duration::from_millis(100),
        grace: Duration::from_secs(20),
    };
    let counts: Vec<_> = run(&plan)
        .unwrap()
        .iter()
        .map(|it| (it.due_count, it.answered_count))
        .collect();
    assert_eq!(counts, [(100, 100), (4, 4)]);
}
