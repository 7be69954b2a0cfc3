//! Three bugs that need an interleaving, planted one at a time. Each must be caught by an invariant
//! that stands without it; and the seed that catches it must run without it.
//!
//! ```text
//! cargo test -p cutaway --features planted --test sim_planted
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};

use cutaway::testing::simulation::{Fault, FaultPlan};
use cutaway_reactor::planted::{Bug, plant};

use routes::Home;
use run::{Plan, run};

#[path = "sim/needs.rs"]
mod needs;
#[path = "sim/reply.rs"]
mod reply;
#[path = "sim/request.rs"]
mod request;
#[path = "sim/routes.rs"]
mod routes;
#[path = "sim/run.rs"]
mod run;
#[path = "sim/silence.rs"]
mod silence;
#[path = "sim/visitor.rs"]
mod visitor;

/// Plants the bug and runs seeds until one is caught; it must be caught by one of these sentences.
fn is_caught(bug: Bug, faults: FaultPlan, sentences: &[&str]) {
    silence::planned_panics();
    let home = Home::new();
    let plan = Plan {
        faults,
        is_decent: false,
        keeps_text: false,
    };
    let caught = (0..SEEDS_MAX).find_map(|seed| {
        let planted = plant(bug);
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&home, seed, plan)));
        drop(planted);
        outcome
            .err()
            .map(|payload| (seed, silence::text_of(&*payload)))
    });
    let (seed, text) = caught.unwrap_or_else(|| panic!("{bug:?} was never caught"));
    println!("{bug:?} was caught at seed {seed}: {text}");
    let is_known = sentences.iter().any(|sentence| text.contains(sentence));
    assert!(is_known, "{bug:?} at seed {seed} said: {text}");
    run(&home, seed, plan);
}

#[test]
fn a_stale_ticket_that_the_ring_accepts_is_caught() {
    is_caught(
        Bug::StaleTicket,
        FaultPlan::all(),
        &["a stale completion was taken for the one of"],
    );
}

#[test]
fn a_stale_ticket_that_the_shard_accepts_is_caught() {
    is_caught(
        Bug::StaleTicket,
        FaultPlan::all().with(Fault::StaleCompletion, 0),
        &["a request that waits is resumed", "each request ends once"],
    );
}

#[test]
fn a_lost_resume_is_caught() {
    is_caught(Bug::LostResume, FaultPlan::all(), &["a resume is lost"]);
}

#[test]
fn a_buffer_returned_twice_is_caught() {
    is_caught(
        Bug::DoubleRelease,
        FaultPlan::all(),
        &["a buffer went back to the kernel twice"],
    );
}

const SEEDS_MAX: u64 = 300;
