//! stand-in
#![allow(missing_docs)]
use crate::http::{Method, Span};
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(u16, Span)>);
impl Params {
    pub fn new() -> Self {
        Params(vec![])
    }
    pub fn push(&mut self, i: u16, s: Span) {
        self.0.push((i, s))
    }
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u16, Span)> + '_ {
        self.0.iter().copied()
    }
}
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RouteError(String);
pub struct TableBuilder<T>(Vec<(Method, &'static str, T)>);
pub struct Table<T>(Vec<(Method, &'static str, T)>);
impl<T> TableBuilder<T> {
    pub fn new() -> Self {
        Self(vec![])
    }
    pub fn add(&mut self, m: Method, p: &'static str, t: T) {
        self.0.push((m, p, t))
    }
    pub fn build(self) -> Result<Table<T>, Vec<RouteError>> {
        Ok(Table(self.0))
    }
}
impl<T> Table<T> {
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|e| &e.2)
    }
}
