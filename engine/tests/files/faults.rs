//! Content that goes into a file, on a simulated machine: a fault at each step, a client that goes at
//! each moment, and time that is known.

use std::time::Duration;

use cutaway::BuiltRoutes;
use cutaway::limits::Limits;
use cutaway::prelude::*;
use cutaway::shard::Close;
use cutaway::testing::simulation::{Fault, FaultPlan};
use cutaway::testing::{self, App, Disk, DiskFault};
use cutaway::timeline::{MarkKind, Stage};

use super::*;

slot!(pub Waited: Elapsed);
slot!(pub Other: StoredFile);

/// Two that want the one content.
fn save_twice(cx: &mut Cx<Writes<(Saved, Other)>, Uses<(Body, Uploads)>>) -> Step {
    let files = cx.on(Uploads);
    let first = cx.body().to_file(files.file("first")).into(Saved);
    let second = cx.body().to_file(files.file("second")).into(Other);
    cx.need((first, second))
}

/// Has less time than its request.
fn save_hastily(cx: &mut Save<'_>) -> Step {
    cx.need(cx.body().to_file(file(cx)).timeout(10.millis()).into(Saved))
}

/// Goes on with what comes first.
fn race_a_timer(cx: &mut Cx<Writes<(MaybeSaved, Waited)>, Uses<(Body, Uploads)>>) -> Step {
    let saving = cx.body().to_file(cx.on(Uploads).file("raced")).optional();
    cx.need(all_required((
        saving.into(MaybeSaved),
        cx.timer(5.millis()).into(Waited),
    )))
}

fn show_maybe(cx: &mut Cx<Reads<MaybeSaved>>) -> Step {
    let is_saved = cx.get(MaybeSaved).is_some();
    cx.json(&is_saved)
}

fn simulated() -> BuiltRoutes {
    Routes::new()
        .resource(
            Uploads,
            Directory::open("uploads").write_bytes(4096).uploads_max(3),
        )
        .post(
            "/files/{name}",
            chain(save).then(show).deadline(100.millis()),
        )
        .post(
            "/patient/{name}",
            chain(save).then(show).no_deadline().body_bytes_max(1 << 30),
        )
        .put("/files/{name}", chain(replace).then(show))
        .post(
            "/hasty/{name}",
            chain(save_hastily).then(show).deadline(100.millis()),
        )
        .post("/twice", chain(save_twice).then(show))
        .post("/race", chain(race_a_timer).then(show_maybe))
        .build()
        .unwrap()
}

/// How many operations of the disk one upload takes that is written in one piece: a look, a creation,
/// a write with what came first, one more with nothing, two syncs and a name between them.
fn operations_of_an_upload() -> u64 {
    let app = App::new(simulated());
    let disk = app.disk(Uploads);
    app.post("/files/a")
        .body("content")
        .send()
        .assert_status(Status::CREATED);
    app.finish();
    disk.operation_count()
}

#[test]
fn a_fault_at_any_step_is_told_and_leaves_nothing() {
    let count = operations_of_an_upload();
    assert!(count >= 6, "{count}");
    for (fault, status) in [
        (DiskFault::Full, Status::INSUFFICIENT_STORAGE),
        (DiskFault::Failed, Status::INTERNAL_SERVER_ERROR),
        (DiskFault::Panic, Status::INTERNAL_SERVER_ERROR),
    ] {
        for operation in 1..=count {
            let app = App::new(simulated());
            let disk = app.disk(Uploads);
            let client = app.client();
            disk.fail(operation, fault);
            let response = client.post("/files/a").body("content").send();
            response.assert_status(status);
            app.advance(1.millis());
            // A panic behind the name cannot take it back: what stands there is whole.
            let is_named = fault == DiskFault::Panic && operation == count;
            match disk.file("a") {
                Some(file) => assert!(is_named && file == b"content", "{fault:?} {operation}"),
                None => assert!(!is_named, "{fault:?} {operation}"),
            }
            assert_eq!(disk.unnamed_count(), 0, "{fault:?} {operation}");
            // Whoever comes next finds everything as it should be.
            let again = client.post("/files/b").body("content").send();
            again.assert_status(Status::CREATED);
            drop(client);
            app.finish();
        }
    }
}

/// The old file or the new one, never a part and never none.
#[test]
fn what_is_replaced_is_whole_at_every_moment() {
    for fault in [
        DiskFault::Full,
        DiskFault::Failed,
        DiskFault::Panic,
        DiskFault::PowerLoss,
    ] {
        for operation in 1..12 {
            let app = App::new(simulated());
            let disk = app.disk(Uploads);
            disk.put("a", "the old one");
            disk.fail(operation, fault);
            let response = app.put("/files/a").body("the new one!").send();
            let is_stored = response.status() == Status::OK;
            app.advance(1.millis());
            if fault == DiskFault::PowerLoss {
                disk.restart();
            }
            let file = disk.file("a").unwrap();
            assert!(file == b"the new one!" || file == b"the old one" && !is_stored);
            assert_eq!(disk.unnamed_count(), 0);
            app.finish();
        }
    }
}

/// What a client was told of is there after a loss of power, and what is there is whole.
#[test]
fn a_loss_of_power_takes_nothing_that_was_promised() {
    let mut stored_count = 0;
    for operation in 1..12 {
        let app = App::new(simulated());
        let disk = app.disk(Uploads);
        disk.fail(operation, DiskFault::PowerLoss);
        let response = app.post("/files/a").body("content").send();
        let is_stored = response.status() == Status::CREATED;
        disk.restart();
        match disk.file("a") {
            Some(file) => assert_eq!(file, b"content", "at {operation}"),
            None => assert!(!is_stored, "at {operation}"),
        }
        stored_count += u32::from(is_stored);
        app.finish();
    }
    assert!(stored_count > 0);
}

/// A client that goes at any moment: while the file is begun, between its pieces, while it is written,
/// while it is made durable.
#[test]
fn who_goes_leaves_nothing() {
    let (mut gone_count, mut late_count) = (0, 0);
    for moment in 0..40 {
        let app = App::new(simulated());
        let disk = app.disk(Uploads);
        disk.slow(1.millis());
        let client = app.client();
        client.send(&head("POST", "/patient/a", "Content-Length: 9000").into_bytes());
        let (pause, mut sent) = (Duration::from_micros(500), 0);
        for _ in 0..moment {
            let piece = 700.min(9000 - sent);
            client.send(&vec![b'x'; piece]);
            sent += piece;
            app.advance(pause);
        }
        client.disconnect();
        app.advance(100.millis());
        match disk.file("a") {
            None => gone_count += 1,
            Some(file) => assert_eq!((file.len(), sent), (9000, 9000), "at {moment}"),
        }
        assert_eq!(disk.unnamed_count(), 0, "at {moment}");
        let stats = app.stats();
        late_count += stats.late_result_count;
        assert_eq!(
            stats.closed(Close::ClientGone) + stats.closed(Close::PeerDone),
            1
        );
        app.finish();
    }
    assert!(
        gone_count > 10 && late_count > 5,
        "{gone_count}, {late_count}"
    );
}

/// The deadline covers the whole upload, and says whose fault it was.
#[test]
fn a_deadline_ends_an_upload_wherever_it_is() {
    // The client sends nothing more.
    let app = App::new(simulated());
    let disk = app.disk(Uploads);
    let client = app.client();
    client.send((head("POST", "/files/a", "Content-Length: 10") + "abc").as_bytes());
    app.advance(99.millis());
    assert!(client.is_open());
    client.response().assert_status(Status::REQUEST_TIMEOUT);
    app.advance(1.millis());
    assert_eq!((disk.names().len(), disk.unnamed_count()), (0, 0));
    app.finish();

    // The disk does not get on: with all of it, or with so much of it that no more is read.
    for content in [10, 100_000] {
        let app = App::new(simulated()).limits(Limits {
            body_bytes_max: 1 << 20,
            ..Limits::default()
        });
        let disk = app.disk(Uploads);
        disk.slow(45.millis());
        let pending = app.post("/files/a").body(vec![b'x'; content]).start();
        pending.wait().assert_status(Status::GATEWAY_TIMEOUT);
        assert_eq!(app.now(), 100.millis());
        app.advance(1.secs());
        assert_eq!((disk.names().len(), disk.unnamed_count()), (0, 0));
        assert_eq!(app.stats().late_result_count, 1);
        app.finish();
    }

    // Its own time is over before that of its request.
    let app = App::new(simulated());
    app.disk(Uploads).slow(45.millis());
    let response = app.post("/hasty/a").body("content").send();
    response.assert_status(Status::GATEWAY_TIMEOUT);
    assert_eq!(app.now(), 10.millis());
    app.advance(1.secs());
    assert!(app.disk(Uploads).names().is_empty());
    app.finish();
}

/// A disk that is slower than the client: what waits for it has a bound, and the rest is not read.
#[test]
fn a_slow_disk_holds_the_client_back() {
    let app = App::new(simulated()).limits(Limits {
        inbox_bytes_max: 4096,
        head_bytes_max: 1024,
        target_bytes_max: 256,
        ..Limits::default()
    });
    let disk = app.disk(Uploads);
    disk.slow(20.millis());
    let content = vec![b'x'; 200_000];
    let pending = app.post("/patient/a").body(content.clone()).start();
    pending.wait().assert_status(Status::CREATED);
    // At least a look, a creation, ten writes, two syncs and a name.
    assert!(app.now() >= 260.millis(), "{:?}", app.now());
    assert_eq!(disk.file("a").unwrap(), content);
    let held = app.stats().unwritten_bytes_max;
    assert!(
        held > 4096 && held <= 2 * (4096 + PIECE_BYTES_MAX as u64),
        "{held}"
    );
    app.finish();
}

/// An upload is one effect, and waiting for it is parking: for the disk as for the client.
#[test]
fn an_upload_is_an_effect_with_its_marks() {
    let app = App::new(simulated());
    app.disk(Uploads).slow(2.millis());
    let client = app.client();
    client.send(head("POST", "/patient/a", "Content-Length: 6").as_bytes());
    app.advance(10.millis());
    client.send(b"abc");
    app.advance(10.millis());
    client.send(b"def");
    let response = client.response();
    response.assert_status(Status::CREATED);
    let timelines = app.timelines();
    let timeline = &timelines[0];
    // 20 ms for the client, then what it sent last is written and the file is made whole.
    assert_eq!(timeline.stage(Stage::Park), app.now());
    assert!(timeline.stage(Stage::Park) >= 26.millis());
    assert!(timeline.has(MarkKind::JobQueued) && timeline.has(MarkKind::JobFinished));
    assert!(!timeline.has(MarkKind::LetGo));
    drop(client);
    app.finish();
}

#[test]
fn an_upload_stands_among_other_effects() {
    let app = App::new(simulated());
    let disk = app.disk(Uploads);
    // Nobody waits for what is optional once the rest is there.
    let client = app.client();
    client.send(head("POST", "/race", "Content-Length: 6").as_bytes());
    assert_eq!(client.response().text(), "false");
    app.advance(1.millis());
    assert_eq!((disk.names().len(), disk.unnamed_count()), (0, 0));
    client.send(b"abcdef");
    // Two files cannot have one content: a mistake of the program.
    let response = app.post("/twice").body("content").send();
    response.assert_status(Status::INTERNAL_SERVER_ERROR);
    assert!(
        response
            .text()
            .contains("save_twice took the content a second time")
    );
    app.advance(1.millis());
    assert_eq!((disk.names().len(), disk.unnamed_count()), (0, 0));
    drop(client);
    app.finish();
}

#[test]
fn more_files_at_a_time_than_may_be_are_refused() {
    let app = App::new(simulated());
    let clients: Vec<_> = (0..4).map(|_| app.client()).collect();
    for (number, client) in clients.iter().enumerate() {
        let target = format!("/patient/{number}");
        client.send((head("POST", &target, "Content-Length: 3") + "ab").as_bytes());
    }
    app.advance(1.millis());
    clients[3]
        .response()
        .assert_status(Status::SERVICE_UNAVAILABLE);
    assert_eq!(app.stats().refused_effect_count, 1);
    for client in &clients[..3] {
        client.send(b"c");
        client.response().assert_status(Status::CREATED);
    }
    assert_eq!(app.disk(Uploads).names(), ["0", "1", "2"]);
    drop(clients);
    app.finish();
}

/// Everything goes wrong now and then: each request ends, and each name stands for a whole file.
#[test]
fn under_all_faults_names_stand_for_whole_files() {
    let content = vec![b'x'; 20_000];
    let (mut stored_count, mut failed_count) = (0, 0);
    for seed in 0..150 {
        let faults = FaultPlan::all()
            .with(Fault::DiskFull, 15)
            .with(Fault::DiskFailed, 15);
        let app = App::new(simulated()).seed(seed).noise().faults(faults);
        let disk = app.disk(Uploads);
        let pending: Vec<_> = (0..4)
            .map(|number| {
                let target = format!("/patient/{number}");
                app.post(&target).body(content.clone()).start()
            })
            .collect();
        app.advance(2.secs());
        for (number, pending) in pending.iter().enumerate() {
            let is_stored = pending
                .response()
                .is_some_and(|it| it.status() == Status::CREATED);
            let file = disk.file(&number.to_string());
            assert!(file.is_some() || !is_stored, "seed {seed}");
            assert!(file.is_none_or(|file| file == content), "seed {seed}");
            stored_count += u32::from(is_stored);
            failed_count += u32::from(!is_stored);
        }
        drop(pending);
        app.finish();
        assert_eq!(disk.unnamed_count(), 0, "seed {seed}");
    }
    assert!(
        stored_count > 50 && failed_count > 50,
        "{stored_count}, {failed_count}"
    );
}

/// A step and a chain by themselves, without a machine.
#[test]
fn a_chain_is_tried_without_a_disk() {
    let tested = testing::post("/files/a")
        .pattern("/files/{name}")
        .body("content")
        .run_chain(chain(save).then(show));
    assert_eq!(tested.text(), "7");
    let tested = testing::post("/files/%2e")
        .pattern("/files/{name}")
        .run_chain(chain(save).then(show));
    tested.assert_fails(Unprocessable, "file name", "begins with `.`");
}

#[test]
fn disks_of_two_machines_are_two() {
    let (one, other) = (Disk::new(), Disk::new());
    one.put("a", "x");
    assert_eq!((one.names().len(), other.names().len()), (1, 0));
    assert_eq!(format!("{one:?}"), r#"Disk(["a"])"#);
}
