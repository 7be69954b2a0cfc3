//! The testing kit tested: that it shows what happens, and that its assertions fail when they should.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

#[path = "testing/chain.rs"]
mod chain;
#[path = "testing/client.rs"]
mod client;
#[path = "testing/content.rs"]
mod content;
#[path = "testing/failing.rs"]
mod failing;
#[path = "testing/script.rs"]
mod script;
#[path = "testing/seed.rs"]
mod seed;
#[path = "testing/service.rs"]
mod service;
#[path = "testing/whole.rs"]
mod whole;
