//! Strings that had to be unescaped, as strings of the request.
//!
//! A parser of JSON hands out what it finds in the text where that says it as it is. A string with
//! escapes it unescapes into a buffer of its own, which a `&'r str` cannot hold: the same field would
//! take one title and refuse the next. So the visitor of each string is wrapped here, and what was
//! unescaped is copied into the request's arena. Visitors that only look (`String`, the names of
//! fields) are left alone.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use crate::ctx::Arena;

/// A deserializer, or a part of one, whose strings all live as long as the arena.
pub(super) struct Borrowing<'r, T> {
    inner: T,
    arena: &'r Arena,
}

impl<'r, T> Borrowing<'r, T> {
    pub(super) fn from(inner: T, arena: &'r Arena) -> Borrowing<'r, T> {
        Borrowing { inner, arena }
    }

    fn wrap<U>(&self, inner: U) -> Borrowing<'r, U> {
        Borrowing::from(inner, self.arena)
    }
}

/// Methods that hand the visitor on: as it is, or wrapped.
macro_rules! forward {
    (plain: $($plain:ident)+; wrapped: $($wrapped:ident($($name:ident: $type:ty),*))+) => {
        $(
            #[inline]
            fn $plain<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, D::Error> {
                self.inner.$plain(visitor)
            }
        )+
        $(
            #[inline]
            fn $wrapped<V: Visitor<'r>>(
                self,
                $($name: $type,)*
                visitor: V,
            ) -> Result<V::Value, D::Error> {
                let visitor = self.wrap(visitor);
                self.inner.$wrapped($($name,)* visitor)
            }
        )+
    };
}

impl<'r, D: Deserializer<'r>> Deserializer<'r> for Borrowing<'r, D> {
    type Error = D::Error;

    forward! {
        plain:
            deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
            deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
            deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_string
            deserialize_byte_buf deserialize_unit deserialize_identifier deserialize_ignored_any;
        wrapped:
            deserialize_any()
            deserialize_str()
            deserialize_bytes()
            deserialize_option()
            deserialize_unit_struct(name: &'static str)
            deserialize_newtype_struct(name: &'static str)
            deserialize_seq()
            deserialize_tuple(len: usize)
            deserialize_tuple_struct(name: &'static str, len: usize)
            deserialize_map()
            deserialize_struct(name: &'static str, fields: &'static [&'static str])
            deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Methods that hand a plain value on.
macro_rules! hand_on {
    ($($method:ident($type:ty))+) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )+};
}

impl<'r, V: Visitor<'r>> Visitor<'r> for Borrowing<'r, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.expecting(formatter)
    }

    #[inline]
    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        self.inner.visit_borrowed_str(self.arena.text(text))
    }

    #[inline]
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<V::Value, E> {
        self.inner.visit_borrowed_bytes(self.arena.slice(bytes))
    }

    hand_on! {
        visit_bool(bool)
        visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128)
        visit_f32(f32) visit_f64(f64) visit_char(char)
        visit_borrowed_str(&'r str) visit_string(String)
        visit_borrowed_bytes(&'r [u8]) visit_byte_buf(Vec<u8>)
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'r>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = self.wrap(value);
        self.inner.visit_some(value)
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'r>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = self.wrap(value);
        self.inner.visit_newtype_struct(value)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'r>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.wrap(access);
        self.inner.visit_seq(access)
    }

    #[inline]
    fn visit_map<A: MapAccess<'r>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.wrap(access);
        self.inner.visit_map(access)
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'r>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.wrap(access);
        self.inner.visit_enum(access)
    }
}

impl<'r, S: DeserializeSeed<'r>> DeserializeSeed<'r> for Borrowing<'r, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'r>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.wrap(deserializer);
        self.inner.deserialize(deserializer)
    }
}

impl<'r, A: SeqAccess<'r>> SeqAccess<'r> for Borrowing<'r, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'r>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        let seed = self.wrap(seed);
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'r, A: MapAccess<'r>> MapAccess<'r> for Borrowing<'r, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'r>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let seed = self.wrap(seed);
        self.inner.next_key_seed(seed)
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'r>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        let seed = self.wrap(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'r, A: EnumAccess<'r>> EnumAccess<'r> for Borrowing<'r, A> {
    type Error = A::Error;
    type Variant = Borrowing<'r, A::Variant>;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'r>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self::Variant), A::Error> {
        let (arena, seed) = (self.arena, self.wrap(seed));
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, Borrowing::from(variant, arena)))
    }
}

impl<'r, A: VariantAccess<'r>> VariantAccess<'r> for Borrowing<'r, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'r>>(self, seed: T) -> Result<T::Value, A::Error> {
        let seed = self.wrap(seed);
        self.inner.newtype_variant_seed(seed)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'r>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.wrap(visitor);
        self.inner.tuple_variant(len, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'r>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.wrap(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}
