//! Which octets the grammar allows where.
//!
//! One table of bits serves every class, so that a check is a load and a mask.

/// A class of octets; see the constants.
#[derive(Clone, Copy)]
pub(super) struct Class(u8);

/// What method and field names are made of.
///
/// https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 – `tchar`.
pub(super) const TOKEN: Class = Class(1);

/// What a field's value is made of: visible characters, blank, tab and everything beyond ASCII.
///
/// https://www.rfc-editor.org/rfc/rfc9110#section-5.5 – CR, LF and NUL "MUST" be rejected or
/// replaced; the other control characters have no use but to confuse.
pub(super) const VALUE: Class = Class(2);

/// What a path is made of beside percent escapes.
///
/// https://www.rfc-editor.org/rfc/rfc3986#section-3.3 – `pchar` without `pct-encoded`, and `/`.
pub(super) const PATH: Class = Class(4);

/// What a query may be made of: every visible ASCII character but those no browser sends raw.
///
/// Wider than RFC 3986, which lacks ``[ ] { } | \ ^ ` ``: browsers leave these as typed, and
/// `?filter[name]=x` is everywhere. A percent sign that starts no escape is left as it is too;
/// none of this can move the end of the target. `#`, `"`, `<` and `>` stay out.
pub(super) const QUERY: Class = Class(8);

/// What a registered name is made of beside percent escapes.
///
/// https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2 – `reg-name`.
pub(super) const NAME: Class = Class(16);

impl Class {
    /// Whether `octet` is of this class.
    #[inline]
    pub(super) fn has(self, octet: u8) -> bool {
        CLASSES[octet as usize] & self.0 != 0
    }

    /// Whether all of `octets` are of this class; true of none.
    #[inline]
    pub(super) fn all(self, octets: &[u8]) -> bool {
        octets.iter().all(|&octet| self.has(octet))
    }

    /// How many octets from the front are of this class.
    #[inline]
    pub(super) fn run(self, octets: &[u8]) -> usize {
        let mut len = 0;
        while len < octets.len() && self.has(octets[len]) {
            len += 1;
        }
        len
    }
}

/// Whether `octets` are `word`, which stands in lower case, in whatever case.
///
/// Meant for what is known to be a token or a field's value: setting bit 5 turns upper case into
/// lower, and what else it turns into a letter, a digit or `-` are control characters, which are
/// in neither. `eq_ignore_ascii_case` takes three times the instructions.
#[inline]
pub(super) fn is_word<const N: usize>(octets: &[u8], word: &[u8; N]) -> bool {
    // No early way out: without one the octets are compared side by side.
    octets.len() == N
        && octets
            .iter()
            .zip(word)
            .fold(0, |differ, (octet, word)| differ | ((octet | 0x20) ^ word))
            == 0
}

/// Whether `octets` start with a percent escape.
pub(super) fn starts_with_escape(octets: &[u8]) -> bool {
    matches!(octets, [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// `octets` without the blanks and tabs at their front.
pub(super) fn skip_whitespace(octets: &[u8]) -> &[u8] {
    let blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let start = octets.iter().position(|octet| !blank(octet));
    &octets[start.unwrap_or(octets.len())..]
}

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        classes[octet] = classes_of(octet as u8);
        octet += 1;
    }
    classes
};

const fn classes_of(octet: u8) -> u8 {
    let alphanumeric = octet.is_ascii_alphanumeric();
    let unreserved = alphanumeric || matches!(octet, b'-' | b'.' | b'_' | b'~');
    let sub_delim = matches!(
        octet,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
    );
    let token = alphanumeric
        || matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
    let value = octet == b'\t' || (octet >= b' ' && octet != 0x7f);
    let path = unreserved || sub_delim || matches!(octet, b'/' | b':' | b'@');
    let query = octet.is_ascii_graphic() && !matches!(octet, b'#' | b'"' | b'<' | b'>');
    let name = unreserved || sub_delim;

    let mut classes = 0;
    if token {
        classes |= TOKEN.0;
    }
    if value {
        classes |= VALUE.0;
    }
    if path {
        classes |= PATH.0;
    }
    if query {
        classes |= QUERY.0;
    }
    if name {
        classes |= NAME.0;
    }
    classes
}
