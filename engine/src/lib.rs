//! An HTTP engine you can see inside.
