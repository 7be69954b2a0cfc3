//! Values of parameters.

use std::fmt;

/// The value of a parameter.
///
/// ```
/// use cutaway::effect::SqlValue;
///
/// assert_eq!(SqlValue::from(7_u32), SqlValue::Int(7));
/// assert_eq!(SqlValue::from("hello"), SqlValue::Text("hello"));
/// assert_eq!(SqlValue::from(None::<i64>), SqlValue::Null);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SqlValue<'r> {
    /// SQL NULL.
    Null,
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    Text(&'r str),
    /// Bytes.
    Blob(&'r [u8]),
}

/// What can be bound to a parameter: all that becomes a [`SqlValue`]. A trait of its own, so that the
/// compiler's refusal says what to do.
#[diagnostic::on_unimplemented(
    message = "a value of type `{Self}` cannot be bound to a parameter",
    label = "not a value that SQLite knows",
    note = "integers up to `i64` and `u32`, `bool`, `f64`, `&str`, `&[u8]` and an `Option` of these can",
    note = "a larger integer becomes one by `i64::try_from(..)`; text of the step's own is put into the request first: `cx.arena().text(..)`"
)]
pub trait Bind<'r> {
    /// The value.
    fn into_value(self) -> SqlValue<'r>;
}

#[diagnostic::do_not_recommend]
impl<'r, T: Into<SqlValue<'r>>> Bind<'r> for T {
    fn into_value(self) -> SqlValue<'r> {
        self.into()
    }
}

/// As it stands in SQL, but for text, which stands there as it is.
///
/// ```
/// use cutaway::effect::SqlValue;
///
/// let values = [SqlValue::from(7), "a b".into(), SqlValue::Null, (&b"\x0a\xff"[..]).into()];
/// assert_eq!(values.map(|value| value.to_string()), ["7", "a b", "NULL", "x'0aff'"]);
/// ```
impl fmt::Display for SqlValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlValue::Null => f.write_str("NULL"),
            SqlValue::Int(value) => write!(f, "{value}"),
            SqlValue::Float(value) => write!(f, "{value}"),
            SqlValue::Text(text) => f.write_str(text),
            SqlValue::Blob(bytes) => {
                f.write_str("x'")?;
                for byte in *bytes {
                    write!(f, "{byte:02x}")?;
                }
                f.write_str("'")
            }
        }
    }
}

macro_rules! from_integer {
    ($($type:ty),*) => {$(
        impl From<$type> for SqlValue<'_> {
            fn from(value: $type) -> Self {
                SqlValue::Int(value.into())
            }
        }
    )*};
}

from_integer!(i8, i16, i32, i64, u8, u16, u32, bool);

impl From<f64> for SqlValue<'_> {
    fn from(value: f64) -> Self {
        SqlValue::Float(value)
    }
}

impl<'r> From<&'r str> for SqlValue<'r> {
    fn from(value: &'r str) -> Self {
        SqlValue::Text(value)
    }
}

impl<'r> From<&'r String> for SqlValue<'r> {
    fn from(value: &'r String) -> Self {
        SqlValue::Text(value)
    }
}

impl<'r> From<&'r [u8]> for SqlValue<'r> {
    fn from(value: &'r [u8]) -> Self {
        SqlValue::Blob(value)
    }
}

impl<'r, T: Into<SqlValue<'r>>> From<Option<T>> for SqlValue<'r> {
    fn from(value: Option<T>) -> Self {
        value.map_or(SqlValue::Null, Into::into)
    }
}
