//! An HTTP engine you can see inside.

pub mod effect;
pub mod http;
pub mod limits;
pub mod route;
pub mod timeline;
