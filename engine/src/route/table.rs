//! All routes of a server: a tree for each method, and what to say where none matches.

use std::borrow::Cow;

use thiserror::Error;

use super::escape;
use super::tree::{Piece, Tree};
use crate::http::{Method, Span};

const METHODS_COUNT: usize = Method::ALL.len();

/// How many parameters a pattern may have.
pub const PARAMS_MAX: usize = 16;

/// Where the parameters of a matched pattern stand in the path, in the pattern's order.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    spans: [Span; PARAMS_MAX],
    count: u8,
}

impl Params {
    /// No parameters.
    pub const fn new() -> Params {
        Params {
            spans: [Span { start: 0, len: 0 }; PARAMS_MAX],
            count: 0,
        }
    }

    /// The spans, in the pattern's order.
    pub fn spans(&self) -> &[Span] {
        &self.spans[..usize::from(self.count)]
    }

    /// Each parameter's place among the pattern's parameters, with its span.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u16, Span)> + '_ {
        self.spans()
            .iter()
            .enumerate()
            .map(|(index, span)| (index as u16, *span))
    }

    /// Adds one. A table's own look-up does this; it is public for tests that make requests by hand.
    ///
    /// # Panics
    /// Beyond [`PARAMS_MAX`].
    pub fn push(&mut self, span: Span) {
        // A pattern with more parameters is refused when the table is built.
        self.spans[usize::from(self.count)] = span;
        self.count += 1;
    }

    /// Keeps the first ones.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.count = self.count.min(count as u8);
    }

    pub(super) fn pop(&mut self) {
        self.count -= 1;
    }
}

impl Default for Params {
    fn default() -> Params {
        Params::new()
    }
}

/// Why a pattern was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RouteError {
    /// It does not begin with a slash.
    #[error("route `{pattern}`: a pattern begins with `/`")]
    NoSlash {
        /// The pattern.
        pattern: String,
    },
    /// A segment is neither literal text nor `{name}` nor a final `{*rest}`.
    #[error(
        "route `{pattern}`: segment `{segment}` is not literal text, `{{name}}`, or a last `{{*rest}}`"
    )]
    BadSegment {
        /// The pattern.
        pattern: String,
        /// The segment.
        segment: String,
    },
    /// A byte that no path has as it stands.
    #[error(
        "route `{pattern}`: `{byte}` cannot stand in a path as it is; write it percent-encoded"
    )]
    BadByte {
        /// The pattern.
        pattern: String,
        /// The character.
        byte: char,
    },
    /// A percent sign that begins no escape.
    #[error("route `{pattern}`: a `%` is written `%25`, and begins an escape otherwise")]
    BadEscape {
        /// The pattern.
        pattern: String,
    },
    /// The same name twice.
    #[error("route `{pattern}`: parameter `{name}` stands in it twice")]
    TwiceNamed {
        /// The pattern.
        pattern: String,
        /// The name.
        name: String,
    },
    /// Too many parameters.
    #[error("route `{pattern}`: {actual} parameters, at most {limit}")]
    TooManyParams {
        /// The pattern.
        pattern: String,
        /// How many it has.
        actual: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Another pattern matches exactly the same paths.
    #[error("route `{} {pattern}` matches the same paths as `{} {present}`", method.name(), method.name())]
    Conflict {
        /// The method of both.
        method: Method,
        /// The pattern that was added later.
        pattern: String,
        /// The one that was there.
        present: String,
    },
}

/// What a look-up found.
#[derive(Debug)]
pub enum Found<'t, T> {
    /// A route.
    Route {
        /// What was added with the pattern.
        value: &'t T,
        /// Where its parameters stand in the path.
        params: Params,
    },
    /// No pattern matches the path, whatever the method.
    NotFound,
    /// Patterns match the path, but for other methods.
    MethodNotAllowed {
        /// The value of the Allow field (RFC 9110 section 10.2.1).
        allow: &'t str,
    },
}

/// Collects routes.
#[derive(Debug)]
pub struct TableBuilder<T> {
    added: Vec<(Method, String, T)>,
}

impl<T> Default for TableBuilder<T> {
    fn default() -> TableBuilder<T> {
        TableBuilder { added: Vec::new() }
    }
}

impl<T> TableBuilder<T> {
    /// No routes yet.
    pub fn new() -> TableBuilder<T> {
        TableBuilder::default()
    }

    /// Adds a route.
    pub fn add(&mut self, method: Method, pattern: &str, value: T) {
        self.added.push((method, pattern.to_owned(), value));
    }

    /// The finished table.
    ///
    /// # Errors
    /// Every pattern that is malformed or matches the same paths as an earlier one.
    pub fn build(self) -> Result<Table<T>, Vec<RouteError>> {
        let mut errors = Vec::new();
        let mut trees: [Option<Tree<Leaf<T>>>; METHODS_COUNT] = std::array::from_fn(|_| None);
        for (method, pattern, value) in self.added {
            let pieces = match pieces(&pattern) {
                Ok(pieces) => pieces,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            let tree = trees[method as usize].get_or_insert_with(Tree::new);
            let leaf = Leaf {
                pattern: pattern.clone(),
                value,
            };
            if let Err(present) = tree.insert(&pieces, leaf) {
                let present = present.pattern.clone();
                errors.push(RouteError::Conflict {
                    method,
                    pattern,
                    present,
                });
            }
        }
        if errors.is_empty() {
            let allows = allow_values(&trees);
            Ok(Table { trees, allows })
        } else {
            Err(errors)
        }
    }
}

#[derive(Debug)]
struct Leaf<T> {
    pattern: String,
    value: T,
}

/// All routes, ready to be looked up. Shared by the shards.
#[derive(Debug)]
pub struct Table<T> {
    trees: [Option<Tree<Leaf<T>>>; METHODS_COUNT],
    /// The Allow value of each set of methods that can occur, by the set's bits.
    allows: Vec<(u16, Box<str>)>,
}

impl<T> Table<T> {
    /// Finds the route of a request whose path has no escape. Allocates nothing.
    ///
    /// A HEAD that has no route of its own is answered by the GET route (RFC 9110 section 9.3.2).
    pub fn find(&self, method: Method, path: &[u8]) -> Found<'_, T> {
        self.find_by::<false>(method, path)
    }

    /// Finds the route of a request in whose path escapes may stand. Allocates nothing.
    ///
    /// # Complexity
    /// Slower than [`find`](Table::find), which is why there are two: whoever has parsed the path
    /// knows whether there are any.
    #[cold]
    pub fn find_escaped(&self, method: Method, path: &[u8]) -> Found<'_, T> {
        self.find_by::<true>(method, path)
    }

    /// What was added with a pattern that matches the path, of the first method in the order of
    /// [`Method::ALL`] that has one; and where its parameters stand.
    ///
    /// A second look-up instead of a part of [`Found`]: it is for a path whose method is not allowed,
    /// and those that are found would have to make room for it.
    #[cold]
    pub fn find_any(&self, path: &[u8]) -> Option<(&T, Params)> {
        let mut params = Params::new();
        let mut methods = Method::ALL.into_iter();
        let value = methods.find_map(|method| self.find_in::<true>(method, path, &mut params))?;
        Some((value, params))
    }

    #[inline(always)] // as if it were written twice
    fn find_by<const IS_ESCAPED: bool>(&self, method: Method, path: &[u8]) -> Found<'_, T> {
        let mut params = Params::new();
        if let Some(value) = self.find_in::<IS_ESCAPED>(method, path, &mut params) {
            return Found::Route { value, params };
        }
        if method == Method::Head
            && let Some(value) = self.find_in::<IS_ESCAPED>(Method::Get, path, &mut params)
        {
            return Found::Route { value, params };
        }
        let mut set = 0_u16;
        for other in Method::ALL {
            let mut params = Params::new();
            if self
                .find_in::<IS_ESCAPED>(other, path, &mut params)
                .is_some()
            {
                set |= 1 << other as u16;
            }
        }
        match self.allows.binary_search_by_key(&set, |allow| allow.0) {
            Ok(index) => Found::MethodNotAllowed {
                allow: &self.allows[index].1,
            },
            Err(_) => Found::NotFound,
        }
    }

    #[inline]
    fn find_in<const IS_ESCAPED: bool>(
        &self,
        method: Method,
        path: &[u8],
        params: &mut Params,
    ) -> Option<&T> {
        let tree = self.trees[method as usize].as_ref()?;
        tree.find::<IS_ESCAPED>(path, params)
            .map(|leaf| &leaf.value)
    }
}

/// The pieces of a pattern, checked.
pub(super) fn pieces(pattern: &str) -> Result<Vec<Piece<'_>>, RouteError> {
    let Some(tail) = pattern.strip_prefix('/') else {
        return Err(RouteError::NoSlash {
            pattern: pattern.to_owned(),
        });
    };
    let mut pieces = vec![Piece::Literal(Cow::Borrowed("/"))];
    let mut names: Vec<&str> = Vec::new();
    let mut segments = tail.split('/').peekable();
    while let Some(segment) = segments.next() {
        let bad = || RouteError::BadSegment {
            pattern: pattern.to_owned(),
            segment: segment.to_owned(),
        };
        let inner = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        if let Some(inner) = inner {
            let rest = inner.strip_prefix('*');
            let name = rest.unwrap_or(inner);
            let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if name.is_empty() || !is_name || (rest.is_some() && segments.peek().is_some()) {
                return Err(bad());
            }
            if names.contains(&name) {
                let name = name.to_owned();
                return Err(RouteError::TwiceNamed {
                    pattern: pattern.to_owned(),
                    name,
                });
            }
            names.push(name);
            pieces.push(if rest.is_some() {
                Piece::Rest(name)
            } else {
                Piece::Param(name)
            });
        } else {
            if segment.contains(['{', '}', '*']) {
                return Err(bad());
            }
            let odd = segment
                .chars()
                .find(|c| !c.is_ascii_graphic() || "?#\"<>\\^`|".contains(*c));
            if let Some(byte) = odd {
                return Err(RouteError::BadByte {
                    pattern: pattern.to_owned(),
                    byte,
                });
            }
            let Some(normal) = escape::normal(segment) else {
                return Err(RouteError::BadEscape {
                    pattern: pattern.to_owned(),
                });
            };
            pieces.push(Piece::Literal(Cow::Owned(normal)));
        }
        if segments.peek().is_some() {
            pieces.push(Piece::Literal(Cow::Borrowed("/")));
        }
    }
    if names.len() > PARAMS_MAX {
        return Err(RouteError::TooManyParams {
            pattern: pattern.to_owned(),
            actual: names.len(),
            limit: PARAMS_MAX,
        });
    }
    Ok(pieces)
}

/// The names of a pattern's parameters, in its order; empty where the pattern is malformed.
pub(crate) fn param_names(pattern: &'static str) -> Vec<&'static str> {
    let pieces = pieces(pattern).unwrap_or_default();
    pieces
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Param(name) | Piece::Rest(name) => Some(name),
            Piece::Literal(_) => None,
        })
        .collect()
}

/// The Allow values of all sets of the methods that have a tree, sorted by the sets' bits.
fn allow_values<T>(trees: &[Option<Tree<Leaf<T>>>; METHODS_COUNT]) -> Vec<(u16, Box<str>)> {
    let present = Method::ALL
        .into_iter()
        .filter(|method| trees[*method as usize].is_some())
        .fold(0_u16, |set, method| set | 1 << method as u16);
    (1..1 << METHODS_COUNT)
        .filter(|set| set & !present == 0)
        .map(|set| (set, allow_value(set)))
        .collect()
}

/// HEAD comes with GET, and OPTIONS is answered for every path that there is.
fn allow_value(set: u16) -> Box<str> {
    let has = |method: Method| set & 1 << method as u16 != 0;
    let names: Vec<&str> = Method::ALL
        .into_iter()
        .filter(|&method| {
            has(method) || method == Method::Options || (method == Method::Head && has(Method::Get))
        })
        .map(Method::name)
        .collect();
    names.join(", ").into()
}

#[cfg(test)]
mod tests;
