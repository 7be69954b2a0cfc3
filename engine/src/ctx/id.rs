//! Names of requests: what the client calls one, or digits that no other request has.

use std::cell::Cell;
use std::fmt;

use super::arena::Arena;
use super::request::Request;
use crate::http::encode::FieldName;

/// What the ids of one shard's requests are made of.
///
/// # Bounds
/// 2^48 requests of each of 2^16 shards have ids of their own. Two processes share ids where their
/// seeds are equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdSource {
    process: u64,
    key: u64,
}

impl IdSource {
    /// The source of a shard, in a process that has drawn this seed. Without one, as in a bench or in
    /// a test of one step, the default serves.
    pub fn new(seed: [u64; 2], shard: u16) -> IdSource {
        let [process, key] = seed;
        IdSource {
            process,
            key: key ^ u64::from(shard) << 48,
        }
    }

    /// Digits for the request of this number, alike for no two numbers. Scrambled, so that two ids can
    /// be told apart at a glance and do not show how many requests lie between them; they are no
    /// secrets.
    fn digits(self, number: u64) -> impl fmt::Display {
        let low = scramble(self.key ^ number);
        fmt::from_fn(move |f| write!(f, "{:016x}{low:016x}", self.process))
    }
}

/// A permutation: each step can be undone, so different numbers stay different.
const fn scramble(mut bits: u64) -> u64 {
    const ODD: u64 = 0xd6e8_feb8_6659_fd93;
    bits = (bits ^ bits >> 32).wrapping_mul(ODD);
    bits = (bits ^ bits >> 32).wrapping_mul(ODD);
    bits ^ bits >> 32
}

/// The id of the request in a frame. It is made when somebody asks for it; until then it costs
/// nothing but its number.
#[derive(Default)]
pub(crate) struct Identity {
    pub(crate) source: IdSource,
    pub(crate) number: u64,
    is_asked: Cell<bool>,
}

impl Identity {
    /// The id, asked for by a step.
    pub(super) fn ask<'r>(&self, request: &Request<'r>, arena: &'r Arena) -> &'r str {
        self.is_asked.set(true);
        self.text(Some(request), arena)
    }

    /// Whether a step has asked for it.
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.get()
    }

    pub(super) fn forget(&self) {
        self.is_asked.set(false);
    }

    /// What the client called the request, where that can go through logs and header fields as it is;
    /// else digits.
    pub(crate) fn text<'r>(&self, request: Option<&Request<'r>>, arena: &'r Arena) -> &'r str {
        request.and_then(called_by_client).unwrap_or_else(|| {
            let digits = self.source.digits(self.number);
            arena.format(format_args!("{digits}"))
        })
    }
}

fn called_by_client<'r>(request: &Request<'r>) -> Option<&'r str> {
    let value = request.field(REQUEST_ID)?;
    let text = std::str::from_utf8(value).ok()?;
    (text.len() <= ID_BYTES_MAX && FieldName::new(text).is_some()).then_some(text)
}

/// The field that carries an id, in requests and in responses.
pub(crate) const REQUEST_ID: &str = "X-Request-Id";

/// The longest id that is taken from a client.
pub(crate) const ID_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::prelude::*;
    use crate::testing;

    #[test]
    fn no_two_requests_of_a_process_have_one_id() {
        // Miri is about a thousand times slower.
        let count = if cfg!(miri) { 10 } else { 500 };
        let ids: BTreeSet<String> = (0..8_u16)
            .flat_map(|shard| {
                let source = IdSource::new([7, 11], shard);
                (0..count).map(move |number| source.digits(number).to_string())
            })
            .collect();
        assert_eq!(ids.len() as u64, 8 * count);
        assert!(ids.iter().all(|id| id.len() == 32));
        let other = IdSource::new([8, 11], 0).digits(0).to_string();
        assert!(!ids.contains(&other), "another process");
    }

    #[test]
    fn the_clients_own_id_is_taken_where_it_is_a_token() {
        fn says_id(cx: &mut Cx) -> Step {
            let id = cx.request_id();
            assert_eq!(id, cx.request_id(), "it does not change");
            cx.text(id)
        }
        let id_of = |sent: Option<&str>| {
            let test = testing::get("/");
            let test = match sent {
                Some(sent) => test.field("x-request-ID", sent),
                None => test,
            };
            let tested = test.run(says_id);
            let body = tested.response().body().as_slice().to_vec();
            String::from_utf8(body).unwrap()
        };
        let own = id_of(None);
        assert_eq!(own.len(), 32);
        assert!(own.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let longest = "a".repeat(ID_BYTES_MAX);
        for taken in ["7", "0b5c-A_1.~", longest.as_str()] {
            assert_eq!(id_of(Some(taken)), taken);
        }
        let too_long = "a".repeat(ID_BYTES_MAX + 1);
        for refused in ["", "two words", "a\"b", "ä", "a/b", too_long.as_str()] {
            assert_eq!(id_of(Some(refused)), own, "{refused}");
        }
    }
}
