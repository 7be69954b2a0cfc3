//! Patterns below a prefix.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Whether patterns can stand behind it.
pub(super) fn is_prefix(prefix: &str) -> bool {
    prefix.is_empty() || prefix.starts_with('/') && !prefix.ends_with('/')
}

/// The pattern below the prefix. An empty one is the prefix itself; one that begins without a slash
/// stays alone, so that it is refused as what it is.
pub(super) fn joined(prefix: &'static str, pattern: &'static str) -> &'static str {
    if prefix.is_empty() || !(pattern.is_empty() || pattern.starts_with('/')) {
        return pattern;
    }
    if pattern.is_empty() {
        return prefix;
    }
    interned(format!("{prefix}{pattern}"))
}

/// The text for the rest of the process. Each is kept once, so that routes which are built again and
/// again, as in tests, take memory once: names of parameters are parts of patterns, and a request
/// must be able to name them without a copy.
pub(super) fn interned(text: String) -> &'static str {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    // A set is whole between any two of its calls, so a panic elsewhere does no harm.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match known.get(text.as_str()) {
        Some(present) => present,
        None => {
            let kept: &'static str = Box::leak(text.into_boxed_str());
            known.insert(kept);
            kept
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_behind_its_prefix() {
        let check = |prefix, pattern, expected| assert_eq!(joined(prefix, pattern), expected);
        check("/api", "/posts", "/api/posts");
        check("/api", "/", "/api/");
        check("/api", "", "/api");
        check("", "/posts", "/posts");
        check("/api", "posts", "posts");
    }

    #[test]
    fn a_prefix_ends_without_a_slash() {
        for prefix in ["", "/api", "/api/v1", "/users/{id}"] {
            assert!(is_prefix(prefix), "{prefix}");
        }
        for prefix in ["/", "api", "/api/"] {
            assert!(!is_prefix(prefix), "{prefix}");
        }
    }

    #[test]
    fn a_text_is_kept_once() {
        let (first, second) = (interned("/once".to_owned()), interned("/once".to_owned()));
        assert_eq!(first.as_ptr(), second.as_ptr());
    }
}
