//! A server in a process of its own: this test's binary, started again for the one test that serves.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use libc::c_int;

/// The name of the test that serves; it is ignored in every other run.
pub const SERVE: &str = "serve";

/// A server that is up.
pub struct ChildServer {
    child: Child,
    pub address: SocketAddr,
}

impl ChildServer {
    /// Starts it with these settings in its environment, and waits until it listens.
    pub fn start(settings: &[(&str, &str)]) -> ChildServer {
        ChildServer::start_test(SERVE, settings)
    }

    /// As [`start`](ChildServer::start), where the test that serves has another name.
    pub fn start_test(name: &str, settings: &[(&str, &str)]) -> ChildServer {
        let mut child = spawn(name, settings);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            Some(line.strip_prefix("listening on ")?.parse().unwrap())
        });
        let Some(address) = address else {
            panic!("the server did not start: {}", run_out(child).1);
        };
        ChildServer { child, address }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: c_int) {
        let process = self.child.id() as c_int;
        // SAFETY: takes two numbers; the process is our child and was not waited for.
        assert_eq!(unsafe { libc::kill(process, signal) }, 0);
    }

    /// Waits for its end.
    pub fn end(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// What it prints of its timelines.
    pub fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().unwrap()
    }

    /// How often each of its threads has been put on a core so far, by the thread's name.
    pub fn wake_ups(&self) -> Vec<(String, u64)> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let tasks = tasks.map(|task| {
            let task = task.unwrap().path();
            let name = fs::read_to_string(task.join("comm"))
                .unwrap()
                .trim()
                .to_owned();
            // Time on a core, time waited for one, number of time slices.
            let schedstat = fs::read_to_string(task.join("schedstat")).unwrap();
            let slices = schedstat
                .split_whitespace()
                .nth(2)
                .unwrap()
                .parse()
                .unwrap();
            (name, slices)
        });
        let mut tasks: Vec<_> = tasks.collect();
        tasks.sort();
        tasks
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        // Only a test that fails leaves it running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Closes a descriptor under whoever owns it.
pub fn close(descriptor: c_int) {
    // SAFETY: whatever becomes of its owner's calls, they are only refused.
    unsafe { libc::close(descriptor) };
}

/// Starts a server that is not expected to come up; says how it ended, and its last words.
pub fn fail_to_start(settings: &[(&str, &str)]) -> (ExitStatus, String) {
    run_out(spawn(SERVE, settings))
}

fn spawn(name: &str, settings: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--ignored", "--nocapture"])
        .envs(settings.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn run_out(mut child: Child) -> (ExitStatus, String) {
    let mut words = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    (child.wait().unwrap(), words)
}
