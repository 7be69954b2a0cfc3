//! Content that a request takes while it runs, in scenes of which every byte is known.

use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::shard::Close;
use cutaway::testing::simulation::{SimClient, SimConfig, Simulation, SimulationOptions};
use cutaway::timeline::Stage;
use cutaway_scheduler::Nanos;

use crate::reply::Reply;

slot!(pub Content: Vec<u8>);
slot!(pub Waited: Elapsed);

fn wait(cx: &mut Cx<Writes<Waited>>) -> Step {
    cx.need(cx.timer(100.millis()).into(Waited))
}

fn take(cx: &mut Cx<Writes<Content>, Uses<Body>>) -> Step {
    cx.need(cx.body().bytes().into(Content))
}

fn measure(cx: &mut Cx<Reads<Content>>) -> Step {
    cx.json(&cx.get(Content).len())
}

fn wait_long(cx: &mut Cx<Writes<Waited>>) -> Step {
    cx.need(cx.timer(500.millis()).into(Waited))
}

fn take_hastily_and_wait(cx: &mut Cx<Writes<(Content, Waited)>, Uses<Body>>) -> Step {
    let content = cx.body().bytes().timeout(50.millis());
    cx.need((content.into(Content), cx.timer(20.millis()).into(Waited)))
}

fn answer(cx: &mut Cx<Reads<Waited>, Uses<Body>>) -> Step {
    let waited = cx.get(Waited).length() >= 100.millis();
    cx.json(&waited)
}

const CONTENT_BYTES: usize = 300_000;
const INBOX_BYTES_MAX: usize = 4096;

fn simulation() -> Simulation {
    let late = || chain(wait).then(take).then(measure);
    let routes = Routes::new()
        .post("/late", late().no_deadline())
        .post("/brief", late().deadline(150.millis()))
        .post("/never", chain(wait).then(answer).no_deadline())
        .post("/long", chain(wait_long).then(answer).no_deadline())
        .post(
            "/hasty",
            chain(take_hastily_and_wait).then(measure).no_deadline(),
        )
        .build()
        .expect("the routes fit together");
    let config = SimConfig {
        keeps_text: true,
        ..SimConfig::new(1)
    };
    let limits = Limits {
        head_bytes_max: 1024,
        target_bytes_max: 256,
        inbox_bytes_max: INBOX_BYTES_MAX,
        body_idle_timeout: Nanos::from_millis(300),
        ..Limits::default()
    };
    let options = SimulationOptions {
        limits,
        ..SimulationOptions::default()
    };
    Simulation::with_options(routes, config, options).expect("there is nothing to open")
}

fn head(target: &str) -> Vec<u8> {
    format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {CONTENT_BYTES}\r\n\r\n").into()
}

/// How many bytes the shard has been handed.
fn received_bytes(simulation: &Simulation) -> usize {
    let log = simulation.net().log_text().expect("the text is kept");
    let arrivals = log.lines().filter(|line| line.contains(" arrives "));
    arrivals
        .filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok())
        .sum()
}

fn reply(client: &SimClient) -> Reply {
    let read = client.take_read();
    let (reply, len) = Reply::read(&read, false)
        .expect("well-formed")
        .expect("whole");
    assert_eq!(len, read.len());
    reply
}

#[test]
fn content_that_nobody_takes_yet_stays_with_its_client() {
    let mut simulation = simulation();
    let client = simulation.connect();
    client.send(&head("/late"));
    client.send(&vec![b'x'; CONTENT_BYTES]);
    simulation.run_for(95.millis());
    let received = received_bytes(&simulation);
    // What was in the ring's buffers when the receive was stopped comes on top.
    let in_buffers = 16 * 2048;
    assert!(received >= INBOX_BYTES_MAX, "{received}");
    assert!(received <= INBOX_BYTES_MAX + in_buffers, "{received}");
    simulation.run_for(200.millis());
    assert_eq!(reply(&client).content, CONTENT_BYTES.to_string().as_bytes());
    assert!(received_bytes(&simulation) > CONTENT_BYTES);
}

/// Waiting for content is parking, and its time begins when somebody takes it.
#[test]
fn waiting_for_content_is_park() {
    let mut simulation = simulation();
    let client = simulation.connect();
    client.send(&head("/late"));
    simulation.run_for(350.millis());
    client.send(&vec![b'x'; CONTENT_BYTES]);
    simulation.run_for(50.millis());
    assert_eq!(reply(&client).status, 200);
    let kept = simulation.kept();
    let park = Nanos(kept[0].sums[Stage::Park as usize]);
    assert!(park >= Nanos::from_millis(349), "{park:?}");
    assert!(kept[0].sums[Stage::Read as usize] < 1_000_000);
}

#[test]
fn content_that_does_not_come_has_the_time_of_a_body_or_of_its_request() {
    let mut simulation = simulation();
    let (slow, brief) = (simulation.connect(), simulation.connect());
    slow.send(&head("/late"));
    brief.send(&head("/brief"));
    simulation.run_for(160.millis());
    let reply_to_brief = reply(&brief);
    assert_eq!(
        (reply_to_brief.status, reply_to_brief.is_last()),
        (408, true)
    );
    assert_eq!(slow.read_bytes(), 0);
    simulation.run_for(235.millis());
    assert_eq!(slow.read_bytes(), 0);
    simulation.run_for(10.millis());
    let reply_to_slow = reply(&slow);
    assert_eq!((reply_to_slow.status, reply_to_slow.is_last()), (408, true));
    slow.finish();
    brief.finish();
    simulation.run_for(50.millis());
    assert_eq!(simulation.stats().closed(Close::TooSlow), 1);
    assert_eq!(simulation.stats().closed(Close::NotKeptAlive), 1);
}

/// However the time of the effect that takes it is kept, it is the client that was too slow.
#[test]
fn content_that_takes_longer_than_its_effect_may_is_the_clients_fault() {
    let mut simulation = simulation();
    let client = simulation.connect();
    client.send(&head("/hasty"));
    simulation.run_for(60.millis());
    assert_eq!(reply(&client).status, 408);
}

/// The 100 stands behind the replies before it, and so does the time for what it asks for.
#[test]
fn who_was_not_asked_for_content_is_not_too_slow() {
    let mut simulation = simulation();
    let (prompt, slow) = (simulation.connect(), simulation.connect());
    for client in [&prompt, &slow] {
        client.send(b"POST /long HTTP/1.1\r\nHost: a\r\n\r\n");
        client.send(
            b"POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
        );
    }
    simulation.run_for(510.millis());
    for client in [&prompt, &slow] {
        let read = client.take_read();
        let (first, len) = Reply::read(&read, false)
            .expect("well-formed")
            .expect("whole");
        assert_eq!(first.content, b"true");
        assert_eq!(&read[len..], b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    prompt.send(b"abc");
    simulation.run_for(10.millis());
    assert_eq!(reply(&prompt).content, b"3");
    simulation.run_for(270.millis());
    assert_eq!(slow.read_bytes(), 0);
    simulation.run_for(20.millis());
    assert_eq!(reply(&slow).status, 408);
}

/// A client that goes while its content is on its way takes its request along.
#[test]
fn who_goes_in_the_middle_of_content_is_not_waited_for() {
    for is_taken in [false, true] {
        let mut simulation = simulation();
        let client = simulation.connect();
        client.send(&head("/late"));
        client.send(&[b'x'; 1000]);
        simulation.run_for(if is_taken { 120.millis() } else { 20.millis() });
        client.reset();
        simulation.run_for(10.millis());
        assert_eq!(simulation.stats().cancelled_count, 1);
        assert_eq!(simulation.stats().closed(Close::ClientGone), 1);
        simulation.drain(1.secs());
        simulation.run_for(50.millis());
        simulation.check_drained();
    }
}

/// A client that half-closes before its content is complete is answered, when somebody finds out.
#[test]
fn content_that_is_cut_off_is_found_when_it_is_taken() {
    let mut simulation = simulation();
    let (late, never) = (simulation.connect(), simulation.connect());
    for (client, target) in [(&late, "/late"), (&never, "/never")] {
        client.send(&head(target));
        client.send(&[b'x'; 1000]);
        client.finish();
    }
    simulation.run_for(95.millis());
    assert_eq!((late.read_bytes(), never.read_bytes()), (0, 0));
    simulation.run_for(10.millis());
    let reply_to_late = reply(&late);
    assert_eq!((reply_to_late.status, reply_to_late.is_last()), (400, true));
    assert_eq!(reply(&never).content, b"true");
    simulation.run_for(10.millis());
    assert!(late.end().is_some() && never.end().is_some());
}

/// Content of a request that is answered is nothing to wait for.
#[test]
fn a_drain_does_not_wait_for_content_that_nobody_wants() {
    let mut simulation = simulation();
    let client = simulation.connect();
    client.send(b"POST /never HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    simulation.run_for(110.millis());
    let answered = reply(&client);
    assert_eq!((answered.status, answered.is_last()), (200, false));
    simulation.drain(10.secs());
    simulation.run_for(20.millis());
    assert_eq!(simulation.stats().closed(Close::Draining), 0);
    client.finish();
    simulation.run_for(20.millis());
    assert_eq!(simulation.stats().closed(Close::Draining), 1);
    assert!(simulation.is_drained());
    simulation.check_drained();
}
