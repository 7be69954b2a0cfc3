//! An HTTP engine you can see inside.

pub mod http;
pub mod limits;
