//! The flags that all examples have. To take them into a program of your own, copy this file: flags
//! become settings of a `Config`, which are stronger than file and environment, and what is wrong with
//! any of the three is told at once.

use std::path::PathBuf;

use clap::Args;
use cutaway::Config;

/// Where and how to serve.
#[derive(Args)]
pub struct Serving {
    /// A configuration file; `cutaway keys` tells what it may say.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen, if not on 127.0.0.1:8080.
    #[arg(long, value_name = "HOST:PORT")]
    addr: Option<String>,
    /// How many shards, if not as many as the example takes.
    #[arg(long, value_name = "N")]
    shards: Option<String>,
    /// Which timelines to print: all, slow or off.
    #[arg(long, value_name = "WHICH")]
    trace: Option<String>,
    /// Any other key, as in `--set limits.head_bytes_max=8KiB`; as often as needed.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Serving {
    /// The file with the flags laid over it.
    pub fn config(self) -> Config {
        let mut config = Config::new();
        if let Some(path) = self.config {
            config = config.file(path);
        }
        for (key, value) in [
            ("server.address", self.addr),
            ("server.shards", self.shards),
            ("server.trace", self.trace),
        ] {
            if let Some(value) = value {
                config = config.set(key, value);
            }
        }
        for pair in self.set {
            let (key, value) = pair.split_once('=').unwrap_or((&pair, ""));
            config = config.set(key, value);
        }
        config
    }
}
