//! Queries and forms by serde.
//!
//! The pairs are decoded into the arena first, so that a `&str` can hold each of them and nothing
//! goes to the heap; the crates that do this borrow only what has no escapes, and replace what is
//! not UTF-8. A field of a type with several values (`Vec`, a tuple) takes all pairs of its name in
//! their order, any other the first.

use bumpalo::collections::Vec as ArenaVec;
use serde::Deserialize;
use serde::de::value::{BorrowedStrDeserializer, Error};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::json::field_of;
use super::pair::pairs;
use crate::ctx::Arena;
use crate::step::{Fail, Failure};

/// How many pairs a query or a form may have: they are sorted by name, and each takes 40 bytes.
///
/// Beyond it: 400 with the key `pairs`.
pub const PAIRS_MAX: usize = 1024;

/// Why there is no value.
pub(super) enum Unread {
    /// Its text cannot be read at all: a word for what is wrong.
    Text(&'static str),
    /// It can, but the field of this path is missing or no such value.
    Field(String),
}

impl Unread {
    /// The failure where the text was the query.
    #[cold]
    pub(super) fn in_query(self) -> Failure {
        let key = match &self {
            Unread::Text(what) => what,
            Unread::Field(path) => path.as_str(),
        };
        Failure::new(Fail::BadRequest, "query", key)
    }

    /// The failure where the text was the content.
    #[cold]
    pub(super) fn in_body(self) -> Failure {
        match self {
            Unread::Text(what) => Failure::new(Fail::BadRequest, "body", what),
            Unread::Field(path) => Failure::new(Fail::Unprocessable, "body", &path),
        }
    }
}

/// Reads a value from the text of a query or a form.
///
/// # Complexity
/// Linear in the text; for n pairs n log n comparisons of names. Nothing on the heap but what the
/// value takes, and what a refusal needs to name the field.
pub(super) fn read<'r, T: Deserialize<'r>>(text: &'r [u8], arena: &'r Arena) -> Result<T, Unread> {
    let count = pairs(text).take(PAIRS_MAX + 1).count();
    if count > PAIRS_MAX {
        return Err(Unread::Text("pairs"));
    }
    let mut fields = ArenaVec::with_capacity_in(count, arena.bump());
    for (place, pair) in pairs(text).enumerate() {
        let name = pair.name(arena).ok_or(Unread::Text("UTF-8"))?;
        let value = pair.value(arena).ok_or(Unread::Text("UTF-8"))?;
        fields.push(Field { name, value, place });
    }
    // Pairs of one name side by side; without their places a stable sort, which takes memory.
    fields.sort_unstable_by_key(|field| (field.name, field.place));
    let fields: &'r [Field<'r>] = fields.into_bump_slice();
    T::deserialize(Fields(fields)).map_err(|_| unread::<T>(fields))
}

/// Reads once more, now with an eye on where it fails.
#[cold]
fn unread<'r, T: Deserialize<'r>>(fields: &'r [Field<'r>]) -> Unread {
    let path = serde_path_to_error::deserialize::<_, T>(Fields(fields))
        .err()
        .map_or_else(String::new, |error| {
            field_of(error.path(), &error.inner().to_string())
        });
    Unread::Field(path)
}

#[derive(Clone, Copy, Debug)]
struct Field<'r> {
    name: &'r str,
    value: &'r str,
    /// Where it stood among its kin.
    place: usize,
}

/// All fields, sorted by name and place.
#[derive(Clone, Copy)]
struct Fields<'r>(&'r [Field<'r>]);

impl<'r> Deserializer<'r> for Fields<'r> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(ByName {
            rest: self.0,
            values: &[],
        })
    }

    fn deserialize_option<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'r>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'r>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        <V: Visitor<'r>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Goes from name to name.
struct ByName<'r> {
    rest: &'r [Field<'r>],
    /// The fields of the name that was given last.
    values: &'r [Field<'r>],
}

impl<'r> MapAccess<'r> for ByName<'r> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'r>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(first) = self.rest.first() else {
            return Ok(None);
        };
        let count = self.rest.partition_point(|field| field.name <= first.name);
        (self.values, self.rest) = self.rest.split_at(count);
        seed.deserialize(BorrowedStrDeserializer::new(first.name))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'r>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Values(self.values))
    }
}

/// What was sent under one name: never empty, but for a caller that asks for a value before a name.
#[derive(Clone, Copy)]
struct Values<'r>(&'r [Field<'r>]);

impl<'r> Values<'r> {
    fn first(self) -> &'r str {
        self.0.first().map_or("", |field| field.value)
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $type:ty)+) => {$(
        fn $method<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.first().parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(Error::invalid_value(Unexpected::Str(self.first()), &visitor)),
            }
        }
    )+};
}

impl<'r> Deserializer<'r> for Values<'r> {
    type Error = Error;

    parsed! {
        deserialize_i8 visit_i8 i8
        deserialize_i16 visit_i16 i16
        deserialize_i32 visit_i32 i32
        deserialize_i64 visit_i64 i64
        deserialize_i128 visit_i128 i128
        deserialize_u8 visit_u8 u8
        deserialize_u16 visit_u16 u16
        deserialize_u32 visit_u32 u32
        deserialize_u64 visit_u64 u64
        deserialize_u128 visit_u128 u128
        deserialize_f32 visit_f32 f32
        deserialize_f64 visit_f64 f64
    }

    fn deserialize_bool<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.first() {
            // What browsers send for a box that is checked; for others they send nothing.
            "true" | "on" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => Err(Error::invalid_value(Unexpected::Str(other), &visitor)),
        }
    }

    fn deserialize_any<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.first())
    }

    fn deserialize_bytes<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.first().as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    /// An empty text is none: a form sends every field it has, so that is how it says nothing.
    fn deserialize_option<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.len() <= 1 && self.first().is_empty() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'r>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'r>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_tuple<V: Visitor<'r>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'r>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_enum<V: Visitor<'r>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.first().into_deserializer())
    }

    forward_to_deserialize_any! { <V: Visitor<'r>> char str string map struct identifier ignored_any }
}

impl<'r> SeqAccess<'r> for Values<'r> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'r>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some((first, rest)) = self.0.split_at_checked(1) else {
            return Ok(None);
        };
        self.0 = rest;
        seed.deserialize(Values(first)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}
