//! A radix tree over the bytes of patterns.
//!
//! Literal text is shared by prefix, across segments. Parameters hang where a segment begins. Since
//! a parameter always takes one whole segment, each node can be reached in one way only, so a look-up
//! visits a node at most once even where it has to step back.

use std::borrow::Cow;

use super::escape;
use super::table::Params;
use crate::http::Span;

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'p> {
    /// Literal text, slashes included.
    Literal(Cow<'p, str>),
    /// One segment.
    Param(&'p str),
    /// All the rest.
    Rest(&'p str),
}

/// A tree of values under patterns.
#[derive(Debug)]
pub(super) struct Tree<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    /// The text that leads here from the parent.
    text: Box<[u8]>,
    /// What a path that ends here gives.
    value: Option<T>,
    /// The first byte of each literal child's text, in the children's order.
    firsts: Vec<u8>,
    literals: Vec<Node<T>>,
    param: Option<Box<Node<T>>>,
    rest: Option<T>,
}

impl<T> Node<T> {
    fn new(text: &[u8]) -> Node<T> {
        Node {
            text: text.into(),
            value: None,
            firsts: Vec::new(),
            literals: Vec::new(),
            param: None,
            rest: None,
        }
    }

    /// The node that this literal text leads to; made where it is missing.
    fn descend(&mut self, text: &[u8]) -> &mut Node<T> {
        let Some(&first) = text.first() else {
            return self;
        };
        let Some(index) = self.firsts.iter().position(|&byte| byte == first) else {
            self.firsts.push(first);
            self.literals.push(Node::new(text));
            let last = self.literals.len() - 1;
            return &mut self.literals[last];
        };
        let child = &mut self.literals[index];
        let shared = child
            .text
            .iter()
            .zip(text)
            .take_while(|(a, b)| a == b)
            .count();
        if shared < child.text.len() {
            child.split(shared);
        }
        child.descend(&text[shared..])
    }

    /// Cuts the node's text, so that it ends after `at` bytes; what it held moves to a child.
    fn split(&mut self, at: usize) {
        let (head, tail) = self.text.split_at(at);
        let (head, first, mut lower) = (Box::from(head), tail[0], Node::new(tail));
        lower.value = self.value.take();
        lower.firsts = std::mem::take(&mut self.firsts);
        lower.literals = std::mem::take(&mut self.literals);
        lower.param = self.param.take();
        lower.rest = self.rest.take();
        self.text = head;
        self.firsts = vec![first];
        self.literals = vec![lower];
    }

    /// Literal before parameter before rest, at every segment: so the leftmost literal wins.
    ///
    /// Compiled twice, so that a path without escapes does not pay for those that have some.
    fn find<const IS_ESCAPED: bool>(
        &self,
        path: &[u8],
        mut at: usize,
        params: &mut Params,
    ) -> Option<&T> {
        if IS_ESCAPED {
            at += escape::prefix_len(path, at, &self.text)?;
        } else if begins_with(&path[at..], &self.text) {
            at += self.text.len();
        } else {
            return None;
        }
        let Some(&octet) = path.get(at) else {
            return self.value.as_ref();
        };
        let next = if IS_ESCAPED {
            escape::octet(path, at).map_or(octet, |(meant, _)| meant)
        } else {
            octet
        };
        if let Some(index) = self.firsts.iter().position(|&first| first == next)
            && let Some(value) = self.literals[index].find::<IS_ESCAPED>(path, at, params)
        {
            return Some(value);
        }
        if let Some(param) = &self.param {
            let len = path[at..]
                .iter()
                .position(|&b| b == b'/')
                .unwrap_or(path.len() - at);
            if len > 0 {
                params.push(Span::between(at, at + len));
                if let Some(value) = param.find::<IS_ESCAPED>(path, at + len, params) {
                    return Some(value);
                }
                params.pop();
            }
        }
        let rest = self.rest.as_ref()?;
        params.push(Span::between(at, path.len()));
        Some(rest)
    }
}

impl<T> Tree<T> {
    pub fn new() -> Tree<T> {
        Tree {
            root: Node::new(b""),
        }
    }

    /// Puts a value under a pattern; the one that is there already is shown instead.
    pub fn insert(&mut self, pieces: &[Piece<'_>], value: T) -> Result<(), &T> {
        let mut node = &mut self.root;
        for piece in pieces {
            node = match piece {
                Piece::Literal(text) => node.descend(text.as_bytes()),
                Piece::Param(_) => node.param.get_or_insert_with(|| Box::new(Node::new(b""))),
                Piece::Rest(_) => {
                    let place = &mut node.rest;
                    return match place {
                        Some(present) => Err(present),
                        None => {
                            *place = Some(value);
                            Ok(())
                        }
                    };
                }
            };
        }
        match &mut node.value {
            Some(present) => Err(present),
            place => {
                *place = Some(value);
                Ok(())
            }
        }
    }

    /// The value of the pattern that matches, with the spans of its parameters. Escapes are seen as
    /// such only where that is said.
    ///
    /// # Complexity
    /// Linear in the path's length for literals; a step back costs what it had tried.
    pub fn find<const IS_ESCAPED: bool>(&self, path: &[u8], params: &mut Params) -> Option<&T> {
        self.root.find::<IS_ESCAPED>(path, 0, params)
    }
}

/// `starts_with` for the short texts of patterns: eight bytes at a time, because a call of `memcmp`
/// costs more than the comparison.
#[inline]
fn begins_with(path: &[u8], text: &[u8]) -> bool {
    let Some(path) = path.get(..text.len()) else {
        return false;
    };
    let (path_words, path_rest) = path.as_chunks::<8>();
    let (text_words, text_rest) = text.as_chunks::<8>();
    path_words
        .iter()
        .zip(text_words)
        .all(|(a, b)| u64::from_ne_bytes(*a) == u64::from_ne_bytes(*b))
        && path_rest.iter().zip(text_rest).all(|(a, b)| a == b)
}
