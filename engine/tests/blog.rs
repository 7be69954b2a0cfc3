//! The example blog, whole: its own code, asked on the simulated machine and over real sockets. Its
//! unit tests run here too.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(missing_docs, reason = "the slots and resources of the example")]

#[path = "blog/api.rs"]
mod api;
#[path = "harness/child.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
#[expect(unsafe_code, reason = "kill(2)")]
mod child;
#[path = "harness/client.rs"]
#[allow(dead_code, reason = "as above")]
mod client;
#[path = "blog/crash.rs"]
mod crash;
#[path = "../examples/blog/main.rs"]
#[allow(dead_code, reason = "it has a `main` of its own")]
mod example;
#[path = "blog/faults.rs"]
mod faults;
#[path = "blog/load.rs"]
mod load;
#[path = "blog/pages.rs"]
mod pages;
#[path = "harness/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;
#[path = "blog/site.rs"]
mod site;
