//! Facts that a line names itself: an object of JSON, or `name=value` pairs (logfmt).
//!
//! What JSON nests becomes a name with dots. Null is absent. Lists and what is nested too deep stay JSON.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A fact: its name and its value.
pub(crate) type Field<'a> = (Cow<'a, str>, Cow<'a, str>);

/// More facts than this are not kept with a line.
pub(crate) const ATTRIBUTES_MAX: usize = 64;
/// Longer values of facts are cut.
pub(crate) const ATTRIBUTE_BYTES_MAX: usize = 1 << 10;
/// Longer names of facts are cut.
pub(crate) const ATTRIBUTE_NAME_BYTES_MAX: usize = 128;
/// Among so many facts time, severity and message are looked for.
const FIELDS_MAX: usize = 256;
/// What is nested deeper stays JSON.
const DEPTH_MAX: usize = 4;

/// The fields of an object, in their order.
pub(crate) fn json(text: &str) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::with_capacity(8);
    let mut json = serde_json::Deserializer::from_str(text);
    let put = Put { fields: &mut fields, name: Cow::Borrowed(""), depth: 0 };
    put.deserialize(&mut json).ok()?;
    json.end().ok()?;
    Some(fields)
}

/// Where a value goes, once it is read.
struct Put<'f, 'de> {
    fields: &'f mut Vec<Field<'de>>,
    name: Cow<'de, str>,
    depth: usize,
}

impl<'de> Put<'_, 'de> {
    fn put(self, value: impl Into<Cow<'de, str>>) {
        if self.depth > 0 && self.fields.len() < FIELDS_MAX {
            self.fields.push((self.name, value.into()));
        }
    }
}

impl<'de> DeserializeSeed<'de> for Put<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Put<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.put(text);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.put(text.to_owned());
        Ok(())
    }

    fn visit_string<E>(self, text: String) -> Result<(), E> {
        self.put(text);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.put(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.put(value.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.put(value.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.put(value.to_string());
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element::<serde_json::Value>()? {
            values.push(value);
        }
        self.put(serde_json::Value::Array(values).to_string());
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.depth == DEPTH_MAX {
            let mut nested = serde_json::Map::new();
            while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
                nested.insert(name, value);
            }
            self.put(serde_json::Value::Object(nested).to_string());
            return Ok(());
        }
        while let Some(Name(name)) = map.next_key()? {
            if self.fields.len() >= FIELDS_MAX {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let name =
                if self.depth == 0 { name } else { Cow::Owned(format!("{}.{name}", self.name)) };
            map.next_value_seed(Put { fields: self.fields, name, depth: self.depth + 1 })?;
        }
        Ok(())
    }
}

/// A name as it stands in the text, where it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// `name=value`, `name="a \"quoted\" value"` and bare words, which are left out. Gives the pairs in their order.
pub(crate) fn logfmt(text: &str) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut rest = text;
    while let Some((field, after)) = pair(rest) {
        rest = after;
        if let Some((name, value)) = field {
            fields.push((name.into(), value));
            if fields.len() == FIELDS_MAX {
                break;
            }
        }
    }
    fields
}

/// A pair, unless it was a word, and what comes behind it.
type Next<'a> = (Option<(&'a str, Cow<'a, str>)>, &'a str);

/// The next pair or word; nothing at the end.
pub(crate) fn pair(text: &str) -> Option<Next<'_>> {
    let text = text.trim_start_matches(' ');
    if text.is_empty() {
        return None;
    }
    let end = text.bytes().position(|byte| matches!(byte, b' ' | b'=' | b'"'));
    let end = end.unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    let Some(value) = rest.strip_prefix('=').filter(|_| !name.is_empty()) else {
        // A quoted word, as in `"total vram"="0 B"`, is no name: what matters is to get behind it.
        let after = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted).1,
            None => rest.get(1..).unwrap_or_default(),
        };
        return Some((None, after));
    };
    match value.strip_prefix('"') {
        Some(quoted) => {
            let (value, after) = unquoted(quoted);
            Some((Some((name, value)), after))
        }
        None => {
            let (value, after) = value.split_once(' ').unwrap_or((value, ""));
            Some((Some((name, value.into())), after))
        }
    }
}

/// What stands before the closing quote, and what comes behind it. Without one all of it is the value.
fn unquoted(text: &str) -> (Cow<'_, str>, &str) {
    let mut plain = String::new();
    let mut rest = text;
    loop {
        let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\')) else {
            let value = if plain.is_empty() { rest.into() } else { (plain + rest).into() };
            return (value, "");
        };
        let (before, found) = rest.split_at(at);
        if let Some(after) = found.strip_prefix('"') {
            let value = if plain.is_empty() { before.into() } else { (plain + before).into() };
            return (value, after);
        }
        plain.push_str(before);
        let mut letters = found.chars();
        letters.next();
        match letters.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some(letter) => plain.push(letter),
            None => {}
        }
        rest = letters.as_str();
    }
}

/// What a field is about, under the names that loggers give it.
pub(crate) fn is_time(name: &str) -> bool {
    matches!(name, "time" | "timestamp" | "@timestamp" | "ts" | "t" | "@t" | "asctime" | "datetime")
}

pub(crate) fn is_severity(name: &str) -> bool {
    matches!(
        name,
        "level"
            | "lvl"
            | "severity"
            | "levelname"
            | "log.level"
            | "loglevel"
            | "severity_text"
            | "@l"
    )
}

pub(crate) fn is_message(name: &str) -> bool {
    matches!(name, "message" | "msg" | "event" | "fields.message" | "body" | "log" | "@m" | "@mt")
}

/// A fact under OpenTelemetry's name for it; a place in a program becomes two.
pub(crate) fn named<'a>((name, value): Field<'a>, into: &mut Vec<Field<'a>>) {
    let standard = match &*name {
        "trace_id" | "traceId" | "traceID" | "trace.id" | "otelTraceID" | "dd.trace_id" => {
            "trace_id"
        }
        "span_id" | "spanId" | "spanID" | "span.id" | "otelSpanID" | "dd.span_id" => "span_id",
        "pid" if is_number(&value) => "process.pid",
        "caller" | "source" => {
            if let Err(value) = place(value, into) {
                into.push((name, value));
            }
            return;
        }
        _ => {
            into.push((name, value));
            return;
        }
    };
    into.push((standard.into(), value));
}

/// `core.py:12` as two facts; what is no place is given back.
pub(crate) fn place<'a>(
    place: Cow<'a, str>,
    into: &mut Vec<Field<'a>>,
) -> Result<(), Cow<'a, str>> {
    let at = place.rfind(':').filter(|&at| {
        let (file, line) = (place.get(..at), place.get(at + 1..));
        file.is_some_and(|file| !file.is_empty() && !file.contains(' '))
            && line.is_some_and(is_number)
    });
    let Some(at) = at else { return Err(place) };
    let part = |range: std::ops::Range<usize>| match &place {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(range).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(range).unwrap_or_default().to_owned()),
    };
    into.push(("code.filepath".into(), part(0..at)));
    into.push(("code.lineno".into(), part(at + 1..place.len())));
    Ok(())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(fields: Vec<Field<'_>>) -> String {
        let fields: Vec<String> =
            fields.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        fields.join("|")
    }

    #[test]
    fn objects_become_facts() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(json(text).map(plain).as_deref(), expected, "{text}");
        };
        check(
            r#"{"a":"x","b":1,"c":-2.5,"d":true,"e":null,"f":{"g":"h","i":{"j":1}},"k":[1,"2"]}"#,
            Some(r#"a=x|b=1|c=-2.5|d=true|f.g=h|f.i.j=1|k=[1,"2"]"#),
        );
        check(r#"{"a":"x\ny","\u0062":"1"}"#, Some("a=x\ny|b=1"));
        check(r#"{"a":{"b":{"c":{"d":{"e":{"f":1}}}}}}"#, Some(r#"a.b.c.d={"e":{"f":1}}"#));
        check("{}", Some(""));
        check(r#"{"a":1} x"#, None);
        check(r#"{"a":"#, None);
    }

    #[test]
    fn pairs_become_facts() {
        let check =
            |text: &str, expected: &str| assert_eq!(plain(logfmt(text)), expected, "{text}");
        check("a=1 b=\"x y\" c", "a=1|b=x y");
        check(r#"msg="say \"hi\"\n" d= e=1"#, "msg=say \"hi\"\n|d=|e=1");
        check(r#"a=1 "total vram"="0 B" b=2"#, "a=1|b=2");
        check(r#"a="open"#, "a=open");
        check("", "");
        check("= =x a==b", "a==b");
    }

    #[test]
    fn the_number_of_facts_is_bounded() {
        let text: Vec<String> = (0..1_000).map(|number| format!("\"f{number}\":1")).collect();
        assert_eq!(json(&format!("{{{}}}", text.join(","))).unwrap().len(), FIELDS_MAX);
        assert!(json(&"{\"a\":".repeat(10_000)).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,80}|[a=\" \\\\]{0,40}|[{}\":,a1\\\\\\[\\]]{0,40}") {
            logfmt(&text);
            json(&text);
        }
    }
}
