//! Slots that are filled from the request before the first step that reads them.
//!
//! ```text
//! slot!(pub Id: i64 = path "id");            path parameter    FromText
//! slot!(pub Page: u32 = query "page" or 1);  one query field   FromText, absent: Option or a default
//! slot!(pub Agent<'r>: &'r str = header "user-agent");         as a query field
//! slot!(pub Search<'r>: Filter<'r> = query);                   the whole query, by serde
//! slot!(pub NewPost<'r>: Post<'r> = body json);                the content, by serde
//! ```
//!
//! What is decoded lies in the request's arena, so that a `&str` can hold it, escapes or not.

mod borrowing;
pub(crate) mod content;
mod form;
mod json;
mod pair;
mod text;

use super::arena::Arena;
use super::frame::{Access, Frame, PlanBuilder};
use super::list::{AvailableFrom, Writes};
use super::request::Request;
use super::slot::{Origin, Slot, Value};
use crate::step::{Fail, Failure};

pub use content::BodyFormat;
pub use text::{FromSent, FromText};

pub(super) use pair::path_text;

use serde::Deserialize;

/// The slot's value is read from the request.
pub struct FromRequest;

impl<S: Extracted> Origin<S> for FromRequest {
    const EXTRACT: Option<Extract> = Some(Extract {
        source: S::SOURCE,
        place: |plan| Box::new(Filled::<S>(plan.access(Box::default()))),
    });
}

impl<S, W> AvailableFrom<S, W, ()> for FromRequest {}

/// A slot that is read from the request. [`slot!`](crate::slot) implements it where the declaration
/// names a source.
pub trait Extracted: Slot {
    /// Where the value stands in the request.
    const SOURCE: Source;

    /// Reads the value.
    ///
    /// # Errors
    /// The failure of a request without such a value.
    fn extract<'r>(from: Incoming<'r>) -> Result<Value<'r, Self>, Failure>;
}

/// Where in the request an extractor slot's value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path parameter, by its name.
    Path(&'static str),
    /// The first field of the query that has this name.
    QueryField(&'static str),
    /// The whole query.
    WholeQuery,
    /// The first field line that has this name, in any case of letters.
    Header(&'static str),
    /// The content.
    Body(BodyFormat),
}

impl Source {
    /// A field line of this name.
    ///
    /// # Panics
    /// It is no name of a field, so that no request would ever have it. A slot's declaration is
    /// evaluated when it is compiled.
    pub const fn header(name: &'static str) -> Source {
        assert!(
            crate::http::encode::FieldName::new(name).is_some(),
            "a header's name is a token: letters, digits and hyphens"
        );
        Source::Header(name)
    }
}

/// How a slot is filled from the request.
#[derive(Clone, Copy, Debug)]
pub struct Extract {
    pub(crate) source: Source,
    pub(crate) place: fn(&mut PlanBuilder) -> Box<dyn Fill>,
}

/// The clauses of an extractor: it writes its one slot.
type Only<S> = (Writes<S>, (), ());

/// An extractor in a plan.
pub(crate) trait Fill: Send + Sync {
    /// Fills the slot where it is empty.
    fn fill(&self, frame: &Frame) -> Result<(), Failure>;
}

struct Filled<S>(Access<'static, Only<S>>);

impl<S: Extracted> Fill for Filled<S> {
    fn fill(&self, frame: &Frame) -> Result<(), Failure> {
        frame.enter(&self.0, |window| {
            if window.has::<S, _>() {
                return Ok(());
            }
            let value = S::extract(Incoming {
                request: window.request(),
                arena: window.arena(),
            })?;
            window.put::<S, _>(value);
            Ok(())
        })
    }
}

/// A request that an extractor reads: each method is one source of [`slot!`](crate::slot).
///
/// What is wrong with a request is told by a failure's `what`, which is the source, and its `key`,
/// which is the name that was looked for.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'r> {
    request: &'r Request<'r>,
    arena: &'r Arena,
}

impl<'r> Incoming<'r> {
    /// A path parameter, percent-decoded.
    ///
    /// # Errors
    /// A 400: it is not UTF-8, or no such value.
    pub fn path<T: FromText<'r>>(self, name: &'static str) -> Result<T, Failure> {
        (self.request.param(name, self.arena))
            .and_then(T::from_text)
            .ok_or_else(|| Failure::new(Fail::BadRequest, "path", name))
    }

    /// The first field of this name in the query, percent-decoded, a plus sign read as a space.
    ///
    /// # Errors
    /// A 400: it is not there and `T` must have it, or it is not UTF-8, or no such value.
    pub fn query<T: FromSent<'r>>(self, name: &'static str) -> Result<T, Failure> {
        self.query_text(name)
            .and_then(T::from_sent)
            .ok_or_else(|| Failure::new(Fail::BadRequest, "query", name))
    }

    /// As [`query`](Incoming::query), with what is meant where it is not there.
    ///
    /// # Errors
    /// A 400: it is not UTF-8, or no such value.
    pub fn query_or<T: FromText<'r>>(
        self,
        name: &'static str,
        absent: impl FnOnce() -> T,
    ) -> Result<T, Failure> {
        Ok(self.query::<Option<T>>(name)?.unwrap_or_else(absent))
    }

    /// The whole query.
    ///
    /// # Errors
    /// A 400 that names the field: it is missing, or no such value.
    pub fn whole_query<T: Deserialize<'r>>(self) -> Result<T, Failure> {
        let query = self.request.query().unwrap_or_default();
        form::read(query.as_bytes(), self.arena).map_err(|unread| unread.in_query())
    }

    /// The value of the first field line of this name.
    ///
    /// # Errors
    /// A 400: it is not there and `T` must have it, or it is not UTF-8, or no such value.
    pub fn header<T: FromSent<'r>>(self, name: &'static str) -> Result<T, Failure> {
        let text = self
            .request
            .field(name)
            .map(std::str::from_utf8)
            .transpose();
        (text.ok().and_then(T::from_sent))
            .ok_or_else(|| Failure::new(Fail::BadRequest, "header", name))
    }

    /// As [`header`](Incoming::header), with what is meant where it is not there.
    ///
    /// # Errors
    /// A 400: it is not UTF-8, or no such value.
    pub fn header_or<T: FromText<'r>>(
        self,
        name: &'static str,
        absent: impl FnOnce() -> T,
    ) -> Result<T, Failure> {
        Ok(self.header::<Option<T>>(name)?.unwrap_or_else(absent))
    }

    /// The content as JSON.
    ///
    /// # Errors
    /// A 415 where it is no JSON by its own words, a 400 that names line and column where it is none
    /// by its syntax, a 422 that names the field where it is another value.
    pub fn json<T: Deserialize<'r>>(self) -> Result<T, Failure> {
        content::json(self.content(BodyFormat::Json)?, self.arena)
    }

    /// The content as a form sends it.
    ///
    /// # Errors
    /// A 415 where it is no form by its own words, a 400 where it is not UTF-8, a 422 that names the
    /// field where it is missing or no such value.
    pub fn form<T: Deserialize<'r>>(self) -> Result<T, Failure> {
        content::form(self.content(BodyFormat::Form)?, self.arena)
    }

    /// The content as text.
    ///
    /// # Errors
    /// A 415 where it is no text by its own words, a 400 where it is not UTF-8 or no such value.
    pub fn text<T: FromText<'r>>(self) -> Result<T, Failure> {
        content::text(self.content(BodyFormat::Text)?)
    }

    /// The content as it came.
    ///
    /// # Errors
    /// Never.
    pub fn bytes<T: From<&'r [u8]>>(self) -> Result<T, Failure> {
        Ok(T::from(self.content(BodyFormat::Bytes)?))
    }

    fn content(self, format: BodyFormat) -> Result<&'r [u8], Failure> {
        format.admit(self.request.field("content-type"))?;
        Ok(self.request.body())
    }

    /// The outer option says whether it is text.
    fn query_text(self, name: &str) -> Option<Option<&'r str>> {
        let query = self.request.query().unwrap_or_default();
        pair::find(query.as_bytes(), name, self.arena)
    }
}

#[cfg(test)]
mod tests;
