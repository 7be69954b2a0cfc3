//! Paths with percent-encoded octets, compared as RFC 3986 says they are equal.
//!
//! An escape of an unreserved character means that character, and the digits of an escape have no
//! case; every other escape stays what it is, so that `%2F` never ends a segment.
//!
//! # Source
//! <https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2>

/// How many bytes of the path, from `at` on, the text is equal to; none where it is not.
///
/// The text is normal, as [`normal`] makes it. A text may end inside of an escape that stays: nodes
/// of the tree share their beginnings byte by byte.
#[cold]
pub(super) fn prefix_len(path: &[u8], at: usize, text: &[u8]) -> Option<usize> {
    let mut end = at;
    for expected in text {
        let (octet, len) = octet(path, end)?;
        if octet != *expected {
            return None;
        }
        end += len;
    }
    Some(end - at)
}

/// The octet of the normal path that stands at `at`, and how many bytes it takes as it came.
#[cold]
pub(super) fn octet(path: &[u8], at: usize) -> Option<(u8, usize)> {
    let octet = *path.get(at)?;
    let is_digit = |back: usize| at.checked_sub(back).is_some_and(|mark| path[mark] == b'%');
    Some(match unreserved(&path[at..]) {
        Some(meant) => (meant, 3),
        // The digit of an escape that stays: a `%` of a request-target always begins one.
        None if is_digit(1) || is_digit(2) => (octet.to_ascii_uppercase(), 1),
        None => (octet, 1),
    })
}

/// The text with every escape that means an unreserved character replaced, and the digits of the
/// others in capitals. None where a `%` begins no escape.
pub(super) fn normal(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut normal = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' && !bytes[at + 1..].iter().take(2).filter(is_hex).count().eq(&2) {
            return None;
        }
        let (octet, len) = octet(bytes, at)?;
        normal.push(char::from(octet));
        at += len;
    }
    Some(normal)
}

/// The unreserved character that an escape at the front means.
///
/// <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>
fn unreserved(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else {
        return None;
    };
    let digit = |octet: &u8| char::from(*octet).to_digit(16);
    let octet = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
    (octet.is_ascii_alphanumeric() || b"-._~".contains(&octet)).then_some(octet)
}

fn is_hex(octet: &&u8) -> bool {
    octet.is_ascii_hexdigit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreserved_characters_are_decoded_and_nothing_else() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(normal(text).as_deref(), expected, "{text}");
        };
        check("/posts", Some("/posts"));
        check("/%70osts", Some("/posts"));
        check("/%7Euser%7euser", Some("/~user~user"));
        check("/%2d%2E%5f", Some("/-._"));
        check("/a%2fb%2Fc", Some("/a%2Fb%2Fc"));
        check("/%c3%A9", Some("/%C3%A9"));
        check("/%25%37%30", Some("/%2570"));
        check("/100%", None);
        check("/%7", None);
        check("/%zz", None);
    }
}
