//! The flags of an example that has none of its own.

use clap::Parser;
use cutaway::Config;

#[path = "serving.rs"]
mod serving;

/// An example of Cutaway; the head of its source says what it shows.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    serving: serving::Serving,
}

/// What the command line says.
pub fn config() -> Config {
    Options::parse().serving.config()
}
