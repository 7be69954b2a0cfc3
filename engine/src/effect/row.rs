//! Rows as bytes: written on a worker, read on the shard, borrowed by the request.
//!
//! ```text
//! row count u32 | column count u16 | column…      everything little-endian
//! column: 0                       null
//!         1, i64                  integer
//!         2, f64                  float
//!         3, length u32, bytes    text
//!         4, length u32, bytes    blob
//! ```
//!
//! Text is checked to be UTF-8 when a step reads it, so a column that nobody reads costs nothing.

use std::fmt;

/// What a statement gave: its rows as bytes, and what it changed.
///
/// Belongs to a job while that runs and to the request afterwards, until the request ends. Its
/// capacity survives, so that it can serve the next job.
#[derive(Debug)]
pub struct ResultBuffer {
    bytes: Vec<u8>,
    executed: Vec<Executed>,
}

/// What a statement that writes has done: the value of a slot that `exec` fills.
///
/// ```
/// # use cutaway::prelude::*;
/// slot!(pub Done: Executed);
///
/// fn created(cx: &mut Cx<Reads<Done>>) -> Step {
///     let done = cx.get(Done);
///     cx.status(Status::CREATED).json(&done.last_row_id)
/// }
///
/// let done = Executed { changed_count: 1, last_row_id: 7 };
/// let tested = cutaway::testing::post("/posts").put(Done, done).run(created);
/// assert_eq!(tested.response().body().as_slice(), b"7");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// How many rows it inserted, updated or deleted.
    pub changed_count: u64,
    /// The row id of the newest insert; meaningful after an insert.
    pub last_row_id: i64,
}

impl ResultBuffer {
    /// A buffer without rows that has room for `capacity_bytes`.
    pub fn with_capacity(capacity_bytes: usize) -> ResultBuffer {
        let mut buffer = ResultBuffer {
            bytes: Vec::with_capacity(capacity_bytes.max(HEADER_BYTES)),
            executed: Vec::new(),
        };
        buffer.clear();
        buffer
    }

    /// Forgets the rows and what was executed, keeps the capacity.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&[0; HEADER_BYTES]);
        self.executed.clear();
    }

    /// Starts over with rows of `columns_count` columns. What was executed stays noted.
    ///
    /// # Bounds
    /// The bytes, header included, never exceed `bytes_max`.
    pub fn writer(&mut self, columns_count: u16, bytes_max: usize) -> RowWriter<'_> {
        self.bytes.truncate(HEADER_BYTES);
        RowWriter::new(&mut self.bytes, columns_count, bytes_max)
    }

    /// The rows.
    pub fn rows(&self) -> Rows<'_> {
        Rows::new(&self.bytes)
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows().len() == 0
    }

    /// Adds a piece of content, which a buffer may hold instead of rows.
    pub(crate) fn push_content(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// The content; the rows, where it holds those.
    pub(crate) fn content(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// Notes what one more statement has done.
    pub fn push_executed(&mut self, executed: Executed) {
        self.executed.push(executed);
    }

    /// What the statements have done, in their order.
    pub fn executed(&self) -> &[Executed] {
        &self.executed
    }

    /// How many bytes the rows take.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes fit without allocation.
    pub fn capacity_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives memory back where one large result has grown the buffer beyond `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        if self.bytes.capacity() > bytes {
            self.clear();
            self.bytes.shrink_to(bytes);
        }
    }
}

impl Default for ResultBuffer {
    fn default() -> ResultBuffer {
        ResultBuffer::with_capacity(HEADER_BYTES)
    }
}

/// Writes rows, column by column.
///
/// A row counts once [`end_row`](RowWriter::end_row) was called for it.
#[derive(Debug)]
pub struct RowWriter<'b> {
    bytes: &'b mut Vec<u8>,
    bytes_max: usize,
    rows_count: u32,
    columns_count: u16,
    columns_written: u16,
}

impl<'b> RowWriter<'b> {
    fn new(bytes: &'b mut Vec<u8>, columns_count: u16, bytes_max: usize) -> RowWriter<'b> {
        bytes[ROWS_COUNT].copy_from_slice(&0_u32.to_le_bytes());
        bytes[COLUMNS_COUNT].copy_from_slice(&columns_count.to_le_bytes());
        RowWriter {
            bytes,
            bytes_max,
            rows_count: 0,
            columns_count,
            columns_written: 0,
        }
    }

    /// Writes a column.
    ///
    /// # Errors
    /// [`TooLarge`] where the bound would be passed. Nothing of the column was written then.
    ///
    /// # Panics
    /// Where the row has all its columns already.
    pub fn column(&mut self, column: Column<'_>) -> Result<(), TooLarge> {
        match column {
            Column::Null => self.fixed(NULL, &[]),
            Column::Int(value) => self.fixed(INT, &value.to_le_bytes()),
            Column::Float(value) => self.fixed(FLOAT, &value.to_le_bytes()),
            Column::Text(bytes) => self.counted(TEXT, bytes),
            Column::Blob(bytes) => self.counted(BLOB, bytes),
        }
    }

    /// Ends the row.
    ///
    /// # Panics
    /// Where columns are missing.
    pub fn end_row(&mut self) {
        assert_eq!(
            self.columns_written, self.columns_count,
            "a row ends with all its columns"
        );
        self.columns_written = 0;
        self.rows_count += 1;
        self.bytes[ROWS_COUNT].copy_from_slice(&self.rows_count.to_le_bytes());
    }

    fn fixed(&mut self, tag: u8, value: &[u8]) -> Result<(), TooLarge> {
        self.reserve(1 + value.len())?;
        self.bytes.push(tag);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    fn counted(&mut self, tag: u8, value: &[u8]) -> Result<(), TooLarge> {
        self.reserve(1 + LENGTH_BYTES + value.len())?;
        let len = u32::try_from(value.len()).map_err(|_| self.too_large(value.len()))?;
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    fn reserve(&mut self, more_bytes: usize) -> Result<(), TooLarge> {
        assert!(
            self.columns_written < self.columns_count,
            "a row has no more columns than were declared"
        );
        if self.bytes.len() + more_bytes > self.bytes_max {
            return Err(self.too_large(more_bytes));
        }
        self.columns_written += 1;
        Ok(())
    }

    fn too_large(&self, more_bytes: usize) -> TooLarge {
        TooLarge {
            needed_bytes: self.bytes.len() + more_bytes,
            bytes_max: self.bytes_max,
        }
    }
}

/// A result that passed its bound. The rows before it are whole, but it is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// What the result had come to when it passed the bound.
    pub needed_bytes: usize,
    /// The bound.
    pub bytes_max: usize,
}

/// The rows of a result, in order.
#[derive(Clone, Debug)]
pub struct Rows<'r> {
    rest: &'r [u8],
    rows_left: u32,
    columns_count: u16,
}

impl<'r> Rows<'r> {
    /// No rows.
    pub(crate) fn none() -> Rows<'r> {
        Rows {
            rest: &[],
            rows_left: 0,
            columns_count: 0,
        }
    }

    fn new(bytes: &'r [u8]) -> Rows<'r> {
        let mut rest = bytes;
        Rows {
            rows_left: u32::from_le_bytes(take(&mut rest)),
            columns_count: u16::from_le_bytes(take(&mut rest)),
            rest,
        }
    }

    /// How many columns each row has.
    pub fn columns_count(&self) -> usize {
        usize::from(self.columns_count)
    }
}

impl<'r> Iterator for Rows<'r> {
    type Item = Row<'r>;

    fn next(&mut self) -> Option<Row<'r>> {
        self.rows_left = self.rows_left.checked_sub(1)?;
        let row = Row {
            bytes: self.rest,
            columns_count: self.columns_count,
        };
        for _ in 0..self.columns_count {
            take_column(&mut self.rest);
        }
        Some(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.rows_left as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Rows<'_> {}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'r> {
    bytes: &'r [u8],
    columns_count: u16,
}

impl<'r> Row<'r> {
    /// How many columns it has.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// pub struct Width(usize);
    ///
    /// impl FromRow<'_> for Width {
    ///     fn from_row(row: Row<'_>) -> Result<Self, DecodeError> {
    ///         Ok(Width(row.columns_count()))
    ///     }
    /// }
    /// ```
    pub fn columns_count(&self) -> usize {
        usize::from(self.columns_count)
    }

    /// Its columns from the first to the last.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// pub struct Post<'r> { id: i64, title: &'r str }
    ///
    /// impl<'r> FromRow<'r> for Post<'r> {
    ///     fn from_row(row: Row<'r>) -> Result<Self, DecodeError> {
    ///         let mut columns = row.columns();
    ///         Ok(Post { id: columns.read()?, title: columns.read()? })
    ///     }
    /// }
    /// ```
    pub fn columns(&self) -> Columns<'r> {
        Columns {
            rest: self.bytes,
            columns_count: self.columns_count,
            index: 0,
        }
    }

    /// The value of the column at `index`, counted from zero.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// pub struct Title<'r>(&'r str);
    ///
    /// impl<'r> FromRow<'r> for Title<'r> {
    ///     fn from_row(row: Row<'r>) -> Result<Self, DecodeError> {
    ///         Ok(Title(row.read(1)?))
    ///     }
    /// }
    /// ```
    ///
    /// # Complexity
    /// Steps over the columns before it. To read them all, use [`columns`](Row::columns).
    ///
    /// # Errors
    /// [`DecodeError`] where there is no such column or it holds something else.
    pub fn read<T: FromColumn<'r>>(&self, index: usize) -> Result<T, DecodeError> {
        let mut columns = self.columns();
        columns.step_over(index);
        columns.read()
    }
}

/// Reads the columns of a row in order.
#[derive(Clone, Debug)]
pub struct Columns<'r> {
    rest: &'r [u8],
    columns_count: u16,
    index: u16,
}

impl<'r> Columns<'r> {
    /// The value of the next column.
    ///
    /// ```
    /// # use cutaway::prelude::*;
    /// pub struct Post<'r> { id: i64, subtitle: Option<&'r str> }
    ///
    /// impl<'r> FromRow<'r> for Post<'r> {
    ///     fn from_row(row: Row<'r>) -> Result<Self, DecodeError> {
    ///         let mut columns = row.columns();
    ///         Ok(Post { id: columns.read()?, subtitle: columns.read()? })
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`DecodeError`] where there is no further column or it holds something else.
    pub fn read<T: FromColumn<'r>>(&mut self) -> Result<T, DecodeError> {
        let index = self.index;
        let column = self.next().ok_or(DecodeError {
            column: index,
            reason: Mismatch::Missing {
                columns_count: self.columns_count,
            },
        })?;
        T::from_column(column).map_err(|reason| DecodeError {
            column: index,
            reason,
        })
    }

    fn step_over(&mut self, count: usize) {
        for _ in 0..count {
            if self.next().is_none() {
                // The next read reports the column that was asked for, not the last one.
                self.index = u16::try_from(count).unwrap_or(u16::MAX);
                return;
            }
        }
    }
}

impl<'r> Iterator for Columns<'r> {
    type Item = Column<'r>;

    fn next(&mut self) -> Option<Column<'r>> {
        if self.index >= self.columns_count {
            return None;
        }
        self.index += 1;
        Some(take_column(&mut self.rest))
    }
}

/// A column as it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Column<'r> {
    /// SQL NULL.
    Null,
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text; checked to be UTF-8 when it is read as `&str`.
    Text(&'r [u8]),
    /// Bytes.
    Blob(&'r [u8]),
}

impl Column<'_> {
    fn name(&self) -> &'static str {
        match self {
            Column::Null => "NULL",
            Column::Int(_) => "an integer",
            Column::Float(_) => "a float",
            Column::Text(_) => "text",
            Column::Blob(_) => "a blob",
        }
    }

    fn is_not(&self, wanted: &'static str) -> Mismatch {
        Mismatch::Kind {
            wanted,
            found: self.name(),
        }
    }
}

/// A value that can be read from a column.
///
/// Nothing is converted that could lose something: text is not parsed, a float is not truncated. An
/// integer is read as a float, as SQLite itself does where a column has no declared type.
///
/// ```
/// use cutaway::effect::row::Mismatch;
/// use cutaway::effect::{Column, FromColumn};
///
/// /// A state that is stored as a word.
/// pub enum State { Draft, Public }
///
/// impl<'r> FromColumn<'r> for State {
///     fn from_column(column: Column<'r>) -> Result<Self, Mismatch> {
///         match <&str>::from_column(column)? {
///             "public" => Ok(State::Public),
///             _ => Ok(State::Draft),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a column",
    label = "a column of the slot's type is `{Self}`",
    note = "integers, `bool`, `f64`, `&'r str`, `&'r [u8]` and an `Option` of these can; for another type, implement `FromColumn<'r>`",
    note = "text is borrowed from the request: `slot!(pub Name<'r>: (i64, &'r str))`"
)]
pub trait FromColumn<'r>: Sized {
    /// The value.
    ///
    /// # Errors
    /// Where the column holds something else.
    fn from_column(column: Column<'r>) -> Result<Self, Mismatch>;
}

impl<'r> FromColumn<'r> for Column<'r> {
    fn from_column(column: Column<'r>) -> Result<Self, Mismatch> {
        Ok(column)
    }
}

impl<'r> FromColumn<'r> for i64 {
    fn from_column(column: Column<'r>) -> Result<Self, Mismatch> {
        match column {
            Column::Int(value) => Ok(value),
            other => Err(other.is_not("an integer")),
        }
    }
}

macro_rules! from_integer {
    ($($narrow:ty),*) => {$(
        impl<'r> FromColumn<'r> for $narrow {
            fn from_column(column: Column<'r>) -> Result<Self, Mismatch> {
                let value = i64::from_column(column)?;
                value.try_into().map_err(|_| Mismatch::Range { value, wanted: stringify!($narrow) })
            }
        }
    )*};
}

from_integer!(i8, i16, i32, u8, u16, u32, u64, usize);

impl<'r> FromColumn<'r> for bool {
    fn from_column(column: Column<'r>) -> Result<Self, Mismatch> {
        match i64::from_column(column)? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(Mismatch::Range {
                value,
                wanted: "bool",
            }),
        }
    }
}

impl<'r> FromColumn<'r> for f64 {
    fn from_column(column: Column<'r>) -> Result<Self, Mismatch> {
        match column {
            Column::Float(value) => Ok(value),
            Column::Int(value) => Ok(value as f64),
            other => Err(other.is_not("a float")),
        }
    }
}

impl<'r> FromColumn<'r> for &'r str {
    fn from_column(column: Column<'r>) -> Result<Self, Mismatch> {
        match column {
            Column::Text(bytes) => std::str::from_utf8(bytes).map_err(|_| Mismatch::NotUtf8),
            other => Err(other.is_not("text")),
        }
    }
}

impl<'r> FromColumn<'r> for &'r [u8] {
    fn from_column(column: Column<'r>) -> Result<Self, Mismatch> {
        match column {
            Column::Text(bytes) | Column::Blob(bytes) => Ok(bytes),
            other => Err(other.is_not("a blob")),
        }
    }
}

impl<'r, T: FromColumn<'r>> FromColumn<'r> for Option<T> {
    fn from_column(column: Column<'r>) -> Result<Self, Mismatch> {
        match column {
            Column::Null => Ok(None),
            other => T::from_column(other).map(Some),
        }
    }
}

/// A row that does not hold what the reader expects: the statement and the reader disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {reason}")]
pub struct DecodeError {
    /// Which column, counted from zero.
    pub column: u16,
    /// What is wrong with it.
    pub reason: Mismatch,
}

/// What is wrong with a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The row has fewer columns.
    Missing {
        /// How many it has.
        columns_count: u16,
    },
    /// It holds another kind of value.
    Kind {
        /// What the reader wanted.
        wanted: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// The integer does not fit the type.
    Range {
        /// The integer.
        value: i64,
        /// The type.
        wanted: &'static str,
    },
    /// The text is not UTF-8.
    NotUtf8,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Missing { columns_count } => {
                write!(f, "the row has only {columns_count} columns")
            }
            Mismatch::Kind { wanted, found } => write!(f, "wanted {wanted}, found {found}"),
            Mismatch::Range { value, wanted } => write!(f, "{value} does not fit {wanted}"),
            Mismatch::NotUtf8 => f.write_str("text that is not UTF-8"),
        }
    }
}

/// Takes a column off the front. The bytes are only ever written by [`RowWriter`], which frames
/// them; a column that runs past the end is a bug and panics.
fn take_column<'r>(rest: &mut &'r [u8]) -> Column<'r> {
    let [tag] = take(rest);
    match tag {
        NULL => Column::Null,
        INT => Column::Int(i64::from_le_bytes(take(rest))),
        FLOAT => Column::Float(f64::from_le_bytes(take(rest))),
        TEXT => Column::Text(take_counted(rest)),
        BLOB => Column::Blob(take_counted(rest)),
        other => unreachable!("the row writer writes no tag {other}"),
    }
}

fn take_counted<'r>(rest: &mut &'r [u8]) -> &'r [u8] {
    let len = u32::from_le_bytes(take(rest)) as usize;
    let (bytes, after) = rest.split_at(len);
    *rest = after;
    bytes
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (bytes, after) = rest
        .split_first_chunk::<N>()
        .expect("the row writer wrote the whole column");
    *rest = after;
    *bytes
}

const NULL: u8 = 0;
const INT: u8 = 1;
const FLOAT: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

const ROWS_COUNT: std::ops::Range<usize> = 0..4;
const COLUMNS_COUNT: std::ops::Range<usize> = 4..6;
const HEADER_BYTES: usize = 6;
const LENGTH_BYTES: usize = 4;

#[cfg(test)]
mod tests;
