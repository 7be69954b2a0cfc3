//! Contents of requests, as clients write them.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// A value as JSON.
///
/// # Panics
/// It cannot be written as JSON.
#[track_caller]
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value)
        .unwrap_or_else(|error| panic!("the value cannot be written as JSON: {error}"))
}

/// Fields as a form sends them.
pub(super) fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let pairs: Vec<String> = (fields.iter())
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    pairs.join("&").into_bytes()
}

/// The media types of the contents above, and of text.
pub(super) const JSON: &str = "application/json";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
