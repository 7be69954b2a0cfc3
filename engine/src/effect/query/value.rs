//! Values of parameters.

/// The value of a parameter.
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
