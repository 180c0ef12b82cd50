//! Members whose type differs between engines and versions: a string here, an object or `null` there.
//!
//! Whatever stands there is read without an error, so that one odd member does not cost the whole event.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// Elements of a list that are read; those after them are skipped. No engine makes that many choices.
pub(crate) const ELEMENTS_MAX: usize = 128;
/// The same for lists inside of lists, so that a small text cannot become a large tree.
pub(crate) const INNER_ELEMENTS_MAX: usize = 32;

/// Any JSON value; of objects what `T` reads, of lists the first `N` objects.
#[derive(Debug, Default)]
pub(crate) enum Loose<'a, T = IgnoredAny, const N: usize = ELEMENTS_MAX> {
    #[default]
    Nothing,
    Bool(bool),
    Whole(u64),
    Number(f64),
    Text(Cow<'a, str>),
    Object(Box<T>),
    List(Vec<T>),
}

impl<T, const N: usize> Loose<'_, T, N> {
    /// The text, unless it is empty.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The text; of anything else an empty one.
    pub(crate) fn words(&self) -> &str {
        self.text().unwrap_or_default()
    }

    pub(crate) fn object(&self) -> Option<&T> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> &[T] {
        match self {
            Self::List(list) => list,
            _ => &[],
        }
    }

    pub(crate) fn whole(&self) -> Option<u64> {
        match self {
            Self::Whole(number) => Some(*number),
            Self::Number(number) if *number >= 0.0 && number.fract() == 0.0 => Some(*number as u64),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Loose<'a, T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

struct Reader<'a, T, const N: usize>(PhantomData<(&'a (), T)>);

impl<'de: 'a, 'a, T: Deserialize<'de>, const N: usize> Visitor<'de> for Reader<'a, T, N> {
    type Value = Loose<'a, T, N>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Loose::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Loose::Whole(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Loose::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Loose::Number(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Ok(Loose::Object(Box::new(T::deserialize(MapAccessDeserializer::new(map))?)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut objects = Vec::new();
        while objects.len() < N {
            match list.next_element::<Loose<'a, T, N>>()? {
                Some(Loose::Object(object)) => objects.push(*object),
                Some(_) => {}
                None => return Ok(Loose::List(objects)),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::List(objects))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Inner<'a> {
        #[serde(borrow, default)]
        a: Loose<'a>,
    }

    #[derive(Debug, Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        a: Loose<'a, Inner<'a>>,
    }

    #[test]
    fn anything_is_read() {
        let check = |json: &str, expected: &str| {
            let read: Loose<'_, Inner<'_>> = serde_json::from_str(json).unwrap();
            assert_eq!(format!("{read:?}"), expected, "{json}");
        };
        check("null", "Nothing");
        check("true", "Bool(true)");
        check("7", "Whole(7)");
        check("-7", "Number(-7.0)");
        check("1.5", "Number(1.5)");
        check(r#""a\"b""#, r#"Text("a\"b")"#);
        check(r#"{"b":[[]],"a":"x"}"#, r#"Object(Inner { a: Text("x") })"#);
        check(r#"[1,[{"a":1}],{"a":2},null]"#, "List([Inner { a: Whole(2) }])");
    }

    #[test]
    fn members_are_found() {
        let json = r#"{"a":[{"a":7.0},{"a":-1},{"a":1.5}]}"#;
        let read: Loose<'_, Outer<'_>> = serde_json::from_str(json).unwrap();
        let list = read.object().unwrap().a.list();
        let numbers: Vec<_> =
            list.iter().map(|inner| (inner.a.whole(), inner.a.number())).collect();
        assert_eq!(numbers, [(Some(7), Some(7.0)), (None, Some(-1.0)), (None, Some(1.5))]);
    }

    #[test]
    fn lists_are_bounded() {
        let json = format!("[{}{{}}]", "{},".repeat(ELEMENTS_MAX + 10));
        let read: Loose<'_, IgnoredAny> = serde_json::from_str(&json).unwrap();
        assert_eq!(read.list().len(), ELEMENTS_MAX);
    }
}
