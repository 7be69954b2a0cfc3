//! JSON by serde, straight from the request's bytes.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;
use serde_path_to_error::Path;

use super::borrowing::Borrowing;
use crate::ctx::Arena;
use crate::step::{Fail, Failure};

/// Reads a value from a document. A string with escapes is unescaped into the arena, so that a
/// `&'r str` holds any string.
///
/// # Complexity
/// Linear in the document. Nothing on the heap but what the value takes, one buffer of the parser's
/// where a string has escapes, and what a refusal needs to name the field.
///
/// # Errors
/// A 400 that names line and column where it is no JSON, a 422 that names the field where it is
/// another value.
pub(super) fn read<'r, T: Deserialize<'r>>(
    content: &'r [u8],
    arena: &'r Arena,
) -> Result<T, Failure> {
    let mut document = serde_json::Deserializer::from_slice(content);
    T::deserialize(Borrowing::from(&mut document, arena))
        .and_then(|value| document.end().map(|()| value))
        .map_err(|error| refused::<T>(content, arena, &error))
}

#[cold]
fn refused<'r, T: Deserialize<'r>>(
    content: &'r [u8],
    arena: &'r Arena,
    error: &serde_json::Error,
) -> Failure {
    // A document that breaks off behind a wrong value is first of all no document.
    let syntax = match error.classify() {
        Category::Data => serde_json::from_slice::<IgnoredAny>(content).err(),
        Category::Io | Category::Syntax | Category::Eof => None,
    };
    if error.classify() != Category::Data || syntax.is_some() {
        let error = syntax.as_ref().unwrap_or(error);
        let place = format!("json at line {} column {}", error.line(), error.column());
        return Failure::new(Fail::BadRequest, "body", &place);
    }
    // Once more, now with an eye on where it fails.
    let mut document = serde_json::Deserializer::from_slice(content);
    let error = serde_path_to_error::deserialize::<_, T>(Borrowing::from(&mut document, arena));
    let field = error.err().map_or_else(String::new, |error| {
        field_of(error.path(), &error.inner().to_string())
    });
    Failure::new(Fail::Unprocessable, "body", &field)
}

/// The field that a failure is about, as `author.name` or `tags[2]`.
///
/// A field that is missing has no place of its own: serde fails in the structure around it and says
/// its name in words, which have not changed since 1.0.
pub(super) fn field_of(path: &Path, words: &str) -> String {
    let path = if path.iter().len() == 0 {
        String::new()
    } else {
        path.to_string()
    };
    let name = words
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next());
    match name {
        Some(name) if path.is_empty() => name.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path,
    }
}
