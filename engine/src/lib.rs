//! An HTTP engine you can see inside.
pub mod timeline;
