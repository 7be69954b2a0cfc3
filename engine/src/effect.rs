//! Effects: what a step asks for and the engine performs.

pub mod row;
pub mod sqlite;

pub use row::{Column, DecodeError, FromColumn, ResultBuffer, Row, RowWriter, Rows, TooLarge};
