//! Load client, runner and peers.
