//! Children: pinned, tied to the runner's life, killed whatever happens.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustix::thread::sched_getaffinity;

use cutaway_loadtest::Failure;
use cutaway_loadtest::process::{Launcher, Program, Scratch, ensure_equals, ensure_free};

fn launcher() -> Launcher {
    Launcher {
        tool: PathBuf::from(env!("CARGO_BIN_EXE_cutaway-loadtest")),
    }
}

fn program(name: &str, path: &str, args: &[&str]) -> Program {
    Program {
        name: name.to_owned(),
        path: path.into(),
        args: args.iter().map(Into::into).collect(),
    }
}

fn hog() -> Program {
    program("hog", env!("CARGO_BIN_EXE_cutaway-loadtest"), &["hog"])
}

/// A core that this process may use.
fn core() -> usize {
    let set = sched_getaffinity(None).expect("our own affinity");
    (0..)
        .find(|&core| set.is_set(core))
        .expect("a core to run on")
}

fn is_running(pid: u32) -> bool {
    // A killed child stays a zombie until it is waited for; its state is the first field after the
    // name.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
}

#[test]
fn a_child_runs_on_its_core_only() {
    let core = core();
    let status = launcher()
        .run(&program("cat", "cat", &["/proc/self/status"]), core)
        .expect("cat");
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .expect("in the status");
    assert_eq!(allowed.trim(), core.to_string());
}

#[test]
fn a_dropped_child_is_gone() {
    let scratch = Scratch::new().expect("a folder");
    let child = launcher().start(&hog(), core(), &scratch).expect("the hog");
    let pid = child.pid();
    assert!(is_running(pid));
    drop(child);
    assert!(!is_running(pid));
}

/// The kernel ends a child whose parent thread ends without dropping it, so a runner that is killed
/// leaves nothing behind.
#[test]
fn a_child_does_not_outlive_the_runner() {
    let scratch = Scratch::new().expect("a folder");
    let mut child = thread::scope(|scope| {
        let start = || {
            let child = launcher().start(&hog(), core(), &scratch).expect("the hog");
            // It has asked for the signal once it has become the hog.
            let command_line = format!("/proc/{}/cmdline", child.pid());
            while !fs::read_to_string(&command_line)
                .expect("a running child")
                .ends_with("hog\0")
                || fs::read_to_string(&command_line)
                    .expect("a running child")
                    .contains("pinned")
            {
                thread::yield_now();
            }
            child
        };
        scope.spawn(start).join().expect("started")
    });
    let status = child
        .await_end(Duration::from_secs(20))
        .expect("ended by the kernel");
    assert_eq!(status.signal(), Some(9));
}

#[test]
fn a_child_that_ends_by_itself_is_reported_with_its_last_words() {
    let scratch = Scratch::new().expect("a folder");
    let free = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("bound");
    let mut child = launcher()
        .start(
            &program("sh", "sh", &["-c", "echo out of luck; exit 3"]),
            core(),
            &scratch,
        )
        .expect("sh");
    match child.await_listening(free) {
        Err(Failure::Died { name, status, said }) => {
            assert_eq!(
                (name.as_str(), status.code(), said.as_str()),
                ("sh", Some(3), "out of luck")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_that_is_not_there_is_a_failure() {
    assert!(matches!(
        launcher().run(&program("none", "/nowhere/none", &[]), core()),
        Err(Failure::Died { said, .. }) if said.contains("/nowhere/none")
    ));
}

#[test]
fn a_taken_port_is_refused_and_a_free_one_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("bound");
    assert!(matches!(ensure_free(addr), Err(Failure::PortTaken { addr: taken }) if taken == addr));
    drop(listener);
    ensure_free(addr).expect("free again");
}

#[test]
fn children_of_one_runner_weigh_the_same() {
    let scratch = Scratch::new().expect("a folder");
    let one = launcher().start(&hog(), core(), &scratch).expect("the hog");
    ensure_equals(one.pid(), std::process::id()).expect("one session, one group");
}

#[test]
fn scratch_folders_are_apart_and_go_away() {
    let (one, other) = (
        Scratch::new().expect("a folder"),
        Scratch::new().expect("a folder"),
    );
    let file = one.path("file");
    assert_ne!(file, other.path("file"));
    fs::write(&file, "text").expect("a writable folder");
    drop(one);
    assert!(!file.exists());
    assert!(other.path("").exists());
}
