//! Small servers to be measured against, each set up the way its experts would.
//!
//! They answer as the engine's example does: the same fields, the same content.

use std::net::SocketAddr;

use crate::failure::Failure;

#[expect(unsafe_code, reason = "lends memory to the kernel")]
pub mod bare;
#[cfg(feature = "peers")]
pub mod hyper;

/// The peers of this build.
pub const PEERS: &[&str] = &[
    "bare",
    #[cfg(feature = "peers")]
    "hyper",
];

/// Refuses the name of a peer that this build does not have.
///
/// *Errors*: [`Failure::Unknown`] with what to do.
pub fn ensure_present(name: &str) -> Result<(), Failure> {
    if PEERS.contains(&name) {
        return Ok(());
    }
    let known = format!(
        "this build has engine, NAME=PROGRAM, {}; `--features peers` brings all",
        PEERS.join(", ")
    );
    Err(Failure::Unknown {
        what: "subject",
        name: name.to_owned(),
        known,
    })
}

/// Serves as `name` on `addr`, pinned to `core`, until the process is killed.
///
/// *Errors*: there is no such peer in this build, or the system's.
pub fn serve(name: &str, addr: SocketAddr, core: usize) -> Result<(), Failure> {
    ensure_present(name)?;
    crate::process::pin_to(core)?;
    match name {
        "bare" => bare::serve(addr),
        #[cfg(feature = "peers")]
        "hyper" => hyper::serve(addr),
        _ => unreachable!("every name in PEERS has its arm: {name} on {addr}"),
    }
}
