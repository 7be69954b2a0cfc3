//! Effects: what a step asks for and the engine performs.

pub mod row;

pub use row::{Column, DecodeError, FromColumn, ResultBuffer, Row, RowWriter, Rows, TooLarge};
