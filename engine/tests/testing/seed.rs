//! The seed that the environment names, in a process of its own.

use std::process::Command;

use cutaway::testing::{self, App};

use crate::service::routes;

/// Runs one of the tests below alone, with this seed. What it printed, and whether it passed.
fn alone(test: &str, seed: &str) -> (String, bool) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env("CUTAWAY_SEED", seed)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    (text, output.status.success())
}

#[test]
#[ignore = "started by another test"]
fn tells_its_seeds() {
    testing::for_each_seed(0..3, |seed| println!("seed {seed}."));
}

#[test]
#[ignore = "started by another test"]
fn fails() {
    let app = App::new(routes());
    app.get("/hello")
        .send()
        .assert_status(cutaway::http::Status::CREATED);
}

#[test]
fn the_environment_names_the_only_seed() {
    let (text, has_passed) = alone("seed::tells_its_seeds", "17");
    assert!(has_passed, "{text}");
    let seeds: Vec<&str> = text.lines().filter(|line| line.contains("seed ")).collect();
    assert_eq!(seeds.len(), 1, "{text}");
    assert!(seeds[0].contains("seed 17."), "{text}");
    let (text, has_passed) = alone("seed::tells_its_seeds", "many");
    assert!(!has_passed);
    assert!(
        text.contains("CUTAWAY_SEED is a number, not `many`"),
        "{text}"
    );
}

#[test]
fn a_test_that_fails_tells_its_seed() {
    let (text, has_passed) = alone("seed::fails", "23");
    assert!(!has_passed);
    assert!(text.contains("CUTAWAY_SEED=23 runs it again"), "{text}");
}
