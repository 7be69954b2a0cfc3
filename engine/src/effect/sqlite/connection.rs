//! SQLite's C interface, as far as workers need it, with a safe face.
//!
//! Bare because rusqlite copies every text into a `String`, boxes errors and looks statements up by
//! hashing their text; here a row goes from SQLite's page to the job's buffer in one copy and a
//! statement is found by its address. Invariants:
//! 1. `Handle::db` is an open connection until the last `Rc<Handle>` is dropped, which closes it. It was
//!    opened `NOMUTEX`; a handle is not `Send`, so one thread uses it.
//! 2. A `Statement` owns `raw`, a prepared statement of the connection it keeps alive; its `Drop`
//!    finalizes it once.
//! 3. What is bound is borrowed for the life of the `Bound` that stands for it. Its `Drop` resets the
//!    statement and clears the bindings; a `Bound` that was leaked is cleared before the next bind, and
//!    in between nothing steps the statement.
//! 4. A column's memory is valid until the next step or reset. A `Column` borrows the `Bound`, and
//!    stepping takes it mutably. The accessor always fits the column's type, so reading one column
//!    converts nothing that another read gave out.
//! 5. The context of each callback is `Rc::as_ptr` of the `Watch` that the handle keeps alive, used only
//!    as `&Watch<C>` with the `C` it was registered with, and only on the connection's thread.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use cutaway_scheduler::Clock;
use libsqlite3_sys as ffi;

use super::error::{SqlError, SqlErrorKind};
use super::watch::Watch;
use crate::effect::row::Column;

/// How many operations of its virtual machine SQLite runs between two questions to the watch: some
/// ten microseconds of work for one clock read.
const PROGRESS_OPERATIONS: c_int = 1_000;

/// An open database.
pub(super) struct Connection<C> {
    handle: Rc<Handle>,
    watch: Rc<Watch<C>>,
}

impl<C: Clock + 'static> Connection<C> {
    /// Opens the file, makes it where it is not there, and lets the watch watch.
    pub(super) fn open(path: &CStr, watch: Rc<Watch<C>>) -> Result<Connection<C>, SqlError> {
        let mut db = ptr::null_mut();
        let flags = ffi::SQLITE_OPEN_READWRITE
            | ffi::SQLITE_OPEN_CREATE
            | ffi::SQLITE_OPEN_NOMUTEX
            | ffi::SQLITE_OPEN_EXRESCODE;
        // SAFETY: needs nothing: the path ends in a zero, and `db` is written.
        let code = unsafe { ffi::sqlite3_open_v2(path.as_ptr(), &mut db, flags, ptr::null()) };
        let Some(db) = NonNull::new(db) else {
            return Err(SqlError::reported(code, b"no memory for a connection"));
        };
        // From here on the handle closes the connection, also one that failed to open.
        let handle = Rc::new(Handle {
            db,
            _watch: watch.clone(),
        });
        handle.check(code)?;
        let context: *mut c_void = Rc::as_ptr(&watch).cast_mut().cast();
        // SAFETY: invariants 1 and 5.
        unsafe {
            ffi::sqlite3_progress_handler(
                db.as_ptr(),
                PROGRESS_OPERATIONS,
                Some(progress::<C>),
                context,
            );
        }
        // SAFETY: invariants 1 and 5.
        let code = unsafe { ffi::sqlite3_busy_handler(db.as_ptr(), Some(busy::<C>), context) };
        handle.check(code)?;
        // SAFETY: invariants 1 and 5.
        let code =
            unsafe { ffi::sqlite3_set_authorizer(db.as_ptr(), Some(authorize::<C>), context) };
        handle.check(code)?;
        Ok(Connection { handle, watch })
    }

    /// What watches over this connection.
    pub(super) fn watch(&self) -> &Watch<C> {
        &self.watch
    }

    /// Compiles one statement.
    pub(super) fn prepare(&self, sql: &str) -> Result<Statement, SqlError> {
        let (statement, rest) = self.prepare_first(sql)?;
        let statement = statement
            .ok_or_else(|| SqlError::new(SqlErrorKind::Statement, "there is no statement"))?;
        // Whatever stands behind the first statement would silently not run. Only white space and
        // comments compile to nothing.
        if !rest.trim().is_empty() && self.prepare_first(rest)?.0.is_some() {
            let refused = "more than one statement in one text";
            return Err(SqlError::new(SqlErrorKind::Statement, refused));
        }
        Ok(statement)
    }

    /// Runs all statements of a text and throws their rows away.
    pub(super) fn run_all(&self, sql: &str) -> Result<(), SqlError> {
        let mut rest = sql;
        while !rest.is_empty() {
            let (statement, after) = self.prepare_first(rest)?;
            if let Some(mut statement) = statement {
                statement.run()?;
            }
            rest = after;
        }
        Ok(())
    }

    /// Whether a transaction is open. SQLite itself ends one on some errors.
    pub(super) fn in_transaction(&self) -> bool {
        // SAFETY: invariant 1.
        unsafe { ffi::sqlite3_get_autocommit(self.handle.db.as_ptr()) == 0 }
    }

    /// Whether a row refers to one that is not there, which a commit would refuse.
    pub(super) fn breaks_references(&self) -> bool {
        let (mut current, mut highest) = (0, 0);
        // SAFETY: invariant 1; both numbers are written.
        unsafe {
            ffi::sqlite3_db_status(
                self.handle.db.as_ptr(),
                ffi::SQLITE_DBSTATUS_DEFERRED_FKS,
                &mut current,
                &mut highest,
                0,
            )
        };
        current != 0
    }

    /// Rows changed by the newest INSERT, UPDATE or DELETE.
    pub(super) fn changed_count(&self) -> u64 {
        // SAFETY: invariant 1.
        let count = unsafe { ffi::sqlite3_changes64(self.handle.db.as_ptr()) };
        count.unsigned_abs()
    }

    /// Rows changed since the connection was opened, triggers and foreign keys included.
    pub(super) fn changed_in_all_count(&self) -> i64 {
        // SAFETY: invariant 1.
        unsafe { ffi::sqlite3_total_changes64(self.handle.db.as_ptr()) }
    }

    /// The row id of the newest insert.
    pub(super) fn last_row_id(&self) -> i64 {
        // SAFETY: invariant 1.
        unsafe { ffi::sqlite3_last_insert_rowid(self.handle.db.as_ptr()) }
    }

    /// The first statement of the text, if there is any, and the text behind it.
    fn prepare_first<'s>(&self, sql: &'s str) -> Result<(Option<Statement>, &'s str), SqlError> {
        // To SQLite a zero byte is the end: what stands behind it would silently not run.
        if sql.as_bytes().contains(&0) {
            let refused = "there is a zero byte in the text";
            return Err(SqlError::new(SqlErrorKind::Statement, refused));
        }
        let len = c_int::try_from(sql.len())
            .map_err(|_| SqlError::new(SqlErrorKind::Statement, "the text is too long"))?;
        let text: *const c_char = sql.as_ptr().cast();
        let mut raw = ptr::null_mut();
        let mut tail = ptr::null();
        // SAFETY: invariant 1; `len` bytes can be read at `text`, `raw` and `tail` are written.
        let code = unsafe {
            ffi::sqlite3_prepare_v3(
                self.handle.db.as_ptr(),
                text,
                len,
                ffi::SQLITE_PREPARE_PERSISTENT,
                &mut raw,
                &mut tail,
            )
        };
        self.handle.check(code)?;
        let consumed = tail.addr() - text.addr();
        let statement = NonNull::new(raw).map(|raw| Statement {
            raw,
            handle: self.handle.clone(),
            is_used: Cell::new(false),
        });
        Ok((statement, &sql[consumed..]))
    }
}

/// Closes the connection when the connection and all its statements are gone.
struct Handle {
    db: NonNull<ffi::sqlite3>,
    _watch: Rc<dyn std::any::Any>,
}

impl Handle {
    fn check(&self, code: c_int) -> Result<(), SqlError> {
        if code == ffi::SQLITE_OK {
            Ok(())
        } else {
            Err(self.error(code))
        }
    }

    #[cold]
    fn error(&self, code: c_int) -> SqlError {
        // SAFETY: invariant 1.
        let message = unsafe { ffi::sqlite3_errmsg(self.db.as_ptr()) };
        if message.is_null() {
            return SqlError::reported(code, b"");
        }
        // SAFETY: needs nothing: SQLite's message ends in a zero and stays until the next call.
        let message = unsafe { CStr::from_ptr(message) };
        SqlError::reported(code, message.to_bytes())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: invariants 1 and 2: statements keep the handle, so none is left.
        let code = unsafe { ffi::sqlite3_close(self.db.as_ptr()) };
        debug_assert_eq!(code, ffi::SQLITE_OK, "no statement outlives its connection");
    }
}

/// A compiled statement.
pub(super) struct Statement {
    raw: NonNull<ffi::sqlite3_stmt>,
    handle: Rc<Handle>,
    /// Whether it may hold bindings or a cursor.
    is_used: Cell<bool>,
}

impl Statement {
    /// How many parameters it has.
    pub(super) fn parameters_count(&self) -> u32 {
        // SAFETY: invariant 2.
        let count = unsafe { ffi::sqlite3_bind_parameter_count(self.raw.as_ptr()) };
        count.unsigned_abs()
    }

    /// Whether it leaves the database as it is.
    pub(super) fn is_readonly(&self) -> bool {
        // SAFETY: invariant 2.
        unsafe { ffi::sqlite3_stmt_readonly(self.raw.as_ptr()) != 0 }
    }

    /// Runs it without parameters and throws its rows away.
    pub(super) fn run(&mut self) -> Result<(), SqlError> {
        let mut bound = self.bind_none();
        while bound.step()? {}
        Ok(())
    }

    /// Binds nothing: parameters are NULL.
    pub(super) fn bind_none(&mut self) -> Bound<'_> {
        self.clear();
        self.is_used.set(true);
        Bound {
            statement: self,
            _operands: PhantomData,
        }
    }

    /// Binds the columns to the parameters, in their order, without copying them.
    pub(super) fn bind<'a, 'o: 'a>(
        &'a mut self,
        operands: impl Iterator<Item = Column<'o>>,
    ) -> Result<Bound<'a>, SqlError> {
        let bound = self.bind_none();
        for (index, operand) in (1..).zip(operands) {
            bound.bind(index, operand)?;
        }
        Ok(bound)
    }

    fn clear(&self) {
        if !self.is_used.replace(false) {
            return;
        }
        // Its result repeats the error of the last step, which was reported then.
        // SAFETY: invariant 2.
        unsafe { ffi::sqlite3_reset(self.raw.as_ptr()) };
        // SAFETY: invariant 2.
        unsafe { ffi::sqlite3_clear_bindings(self.raw.as_ptr()) };
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: invariant 2.
        unsafe { ffi::sqlite3_finalize(self.raw.as_ptr()) };
    }
}

/// A statement at work on operands that it borrows.
pub(super) struct Bound<'a> {
    statement: &'a Statement,
    _operands: PhantomData<&'a [u8]>,
}

impl Bound<'_> {
    /// Goes to the next row; false where there is none.
    pub(super) fn step(&mut self) -> Result<bool, SqlError> {
        // SAFETY: invariants 2 and 3.
        match unsafe { ffi::sqlite3_step(self.raw()) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            code => Err(self.statement.handle.error(code)),
        }
    }

    /// How many columns a row has. Known for certain after the first step, which compiles the
    /// statement again where the schema has changed.
    pub(super) fn columns_count(&self) -> u16 {
        // SAFETY: invariant 2.
        let count = unsafe { ffi::sqlite3_column_count(self.raw()) };
        u16::try_from(count).expect("SQLite allows at most 32767 columns")
    }

    /// A column of the present row.
    pub(super) fn column(&self, index: u16) -> Result<Column<'_>, SqlError> {
        let at = c_int::from(index);
        // SAFETY: invariant 2; an index out of range gives NULL.
        match unsafe { ffi::sqlite3_column_type(self.raw(), at) } {
            ffi::SQLITE_INTEGER => {
                // SAFETY: invariant 2.
                let value = unsafe { ffi::sqlite3_column_int64(self.raw(), at) };
                Ok(Column::Int(value))
            }
            ffi::SQLITE_FLOAT => {
                // SAFETY: invariant 2.
                let value = unsafe { ffi::sqlite3_column_double(self.raw(), at) };
                Ok(Column::Float(value))
            }
            ffi::SQLITE_TEXT => {
                // SAFETY: invariant 2.
                let text = unsafe { ffi::sqlite3_column_text(self.raw(), at) };
                Ok(Column::Text(self.bytes(at, text)?))
            }
            ffi::SQLITE_BLOB => {
                // SAFETY: invariant 2.
                let blob = unsafe { ffi::sqlite3_column_blob(self.raw(), at) };
                Ok(Column::Blob(self.bytes(at, blob.cast())?))
            }
            _ => Ok(Column::Null),
        }
    }

    /// The bytes of a column whose memory starts at `start`.
    fn bytes(&self, at: c_int, start: *const u8) -> Result<&[u8], SqlError> {
        // SAFETY: invariant 2.
        let len = unsafe { ffi::sqlite3_column_bytes(self.raw(), at) };
        let len = usize::try_from(len).expect("a length is not negative");
        if !start.is_null() {
            // SAFETY: invariant 4.
            return Ok(unsafe { std::slice::from_raw_parts(start, len) });
        }
        // An empty blob has no memory. Neither has one that could not be had.
        if len == 0 {
            Ok(&[])
        } else {
            Err(SqlError::reported(ffi::SQLITE_NOMEM, b"out of memory"))
        }
    }

    fn bind(&self, index: c_int, operand: Column<'_>) -> Result<(), SqlError> {
        let raw = self.raw();
        let code = match operand {
            // SAFETY: invariant 2; an index out of range is refused.
            Column::Null => unsafe { ffi::sqlite3_bind_null(raw, index) },
            // SAFETY: as above.
            Column::Int(value) => unsafe { ffi::sqlite3_bind_int64(raw, index, value) },
            // SAFETY: as above.
            Column::Float(value) => unsafe { ffi::sqlite3_bind_double(raw, index, value) },
            Column::Text(text) => {
                let start: *const c_char = text.as_ptr().cast();
                let len = text.len() as u64;
                let utf8 = ffi::SQLITE_UTF8 as u8;
                // SAFETY: invariants 2 and 3.
                unsafe {
                    ffi::sqlite3_bind_text64(raw, index, start, len, ffi::SQLITE_STATIC(), utf8)
                }
            }
            Column::Blob(blob) => {
                let start: *const c_void = blob.as_ptr().cast();
                let len = blob.len() as u64;
                // SAFETY: invariants 2 and 3.
                unsafe { ffi::sqlite3_bind_blob64(raw, index, start, len, ffi::SQLITE_STATIC()) }
            }
        };
        self.statement.handle.check(code)
    }

    fn raw(&self) -> *mut ffi::sqlite3_stmt {
        self.statement.raw.as_ptr()
    }
}

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        self.statement.clear();
    }
}

unsafe extern "C" fn progress<C: Clock>(context: *mut c_void) -> c_int {
    // SAFETY: invariant 5.
    let watch = unsafe { &*context.cast::<Watch<C>>() };
    c_int::from(watch.must_stop().is_some())
}

unsafe extern "C" fn busy<C: Clock>(context: *mut c_void, tries: c_int) -> c_int {
    // SAFETY: invariant 5.
    let watch = unsafe { &*context.cast::<Watch<C>>() };
    c_int::from(watch.wait_for_lock(tries.unsigned_abs()))
}

unsafe extern "C" fn authorize<C: Clock>(
    context: *mut c_void,
    action: c_int,
    _first: *const c_char,
    _second: *const c_char,
    _database: *const c_char,
    _trigger: *const c_char,
) -> c_int {
    // SAFETY: invariant 5.
    let watch = unsafe { &*context.cast::<Watch<C>>() };
    if watch.may(action) {
        ffi::SQLITE_OK
    } else {
        ffi::SQLITE_DENY
    }
}
