//! The fields of a `multipart/form-data` body, found without copying it.
//!
//! No decoding: what a transfer encoding or a character set would change is left as it is, as servers do.

use std::ops::Range;

use memchr::memmem;

/// Parts of a form; one with more is refused. OpenAI's form has ten fields.
const PARTS_MAX: usize = 64;
/// Heads of a part that are longer are refused.
const HEAD_BYTES_MAX: usize = 4096;

pub(crate) fn is_form(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("multipart/form-data")
}

/// Name and place of each field. `None` if the body is no such form.
pub(crate) fn fields<'a>(
    content_type: &str,
    body: &'a [u8],
) -> Option<Vec<(&'a str, Range<usize>)>> {
    let delimiter = format!("--{}", parameter(content_type, "boundary")?);
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let start = finder.find(body)?;
    if start > 0 && !body.get(..start)?.ends_with(b"\r\n") {
        return None;
    }
    let mut at = start + delimiter.len();
    let mut fields = Vec::new();
    while !body.get(at..)?.starts_with(b"--") {
        if fields.len() == PARTS_MAX {
            return None;
        }
        let head_start = at + body.get(at..)?.strip_prefix(b"\r\n").map(|_| 2)?;
        let head = body.get(head_start..)?;
        let head = head.get(..head.len().min(HEAD_BYTES_MAX))?;
        let head_end = memmem::find(head, b"\r\n\r\n")?;
        let name = name_of(std::str::from_utf8(head.get(..head_end)?).ok()?)?;
        let start = head_start + head_end + 4;
        // The line end before the delimiter belongs to it.
        let mut end = start;
        loop {
            end += finder.find(body.get(end..)?)?;
            if body.get(start..end)?.ends_with(b"\r\n") {
                break;
            }
            end += delimiter.len();
        }
        fields.push((name, start..end - 2));
        at = end + delimiter.len();
    }
    Some(fields)
}

fn name_of(head: &str) -> Option<&str> {
    head.split("\r\n").find_map(|line| {
        let (field, value) = line.split_once(':')?;
        let is_it = field.trim().eq_ignore_ascii_case("content-disposition");
        is_it.then(|| parameter(value, "name")).flatten()
    })
}

/// A parameter of a header: `name=value` or `name="value"`. `None` as well where the header is odd: what is
/// inside of quotes must not be taken for a parameter.
fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let (_, mut rest) = header.split_once(';')?;
    loop {
        let (key, after) = rest.split_once('=')?;
        let value;
        (value, rest) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"')?;
                (value, after.trim_start().strip_prefix(';').unwrap_or_default())
            }
            None => after.split_once(';').unwrap_or((after, "")),
        };
        if value.contains('\\') {
            return None;
        }
        if key.trim().eq_ignore_ascii_case(name) {
            // Of two, servers take the one or the other.
            let mut keys = rest.split(';').filter_map(|part| part.split('=').next());
            if keys.any(|key| key.trim().trim_end_matches('*').eq_ignore_ascii_case(name)) {
                return None;
            }
            return Some(value.trim()).filter(|value| !value.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; charset=x; boundary=\"ab c\"";

    fn check(content_type: &str, body: &str, expected: Option<&[(&str, &str)]>) {
        let fields = fields(content_type, body.as_bytes());
        let fields = fields.map(|fields| {
            fields
                .into_iter()
                .map(|(name, span)| (name, body.get(span).unwrap()))
                .collect::<Vec<_>>()
        });
        assert_eq!(fields.as_deref(), expected, "{body}");
    }

    fn part(disposition: &str, value: &str) -> String {
        format!("--ab c\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n")
    }

    #[test]
    fn fields_are_found() {
        let file = "--ab c\r\nContent-Type: audio/wav\r\ncontent-disposition: form-data; name=file; \
                    filename=\"a;name=b.wav\"\r\n\r\n\0\r\n--ab\r\n\r\n\r\n";
        let body =
            format!("{}{}{file}--ab c--\r\n", part("name=\"model\"", "m"), part("name=x", ""));
        // A key in a file's name is taken for a second one, and the form is refused.
        check(TYPE, &body, None);
        let body = body.replace("a;name=b", "a;b");
        check(TYPE, &body, Some(&[("model", "m"), ("x", ""), ("file", "\0\r\n--ab\r\n\r\n")]));
        check(TYPE, "--ab c--", Some(&[]));
    }

    #[test]
    fn what_servers_may_read_otherwise_is_refused() {
        let model = part("name=model", "m");
        for body in [
            "".to_owned(),
            "--ab c".to_owned(),
            model.clone(),
            format!("x{model}--ab c--"),
            format!("{}--ab c--", model.replace("\r\n", "\n")),
            format!("{}--ab c--", part("name=a; name=model", "m")),
            format!("{}--ab c--", part("name=a; name*=model", "m")),
            format!("{}--ab c--", part("filename=\"\\\"; name=model", "m")),
            format!("{}--ab c--", part("", "m")),
            format!("{}--ab c--", model.repeat(PARTS_MAX + 1)),
            format!("{}--ab c--", part(&format!("name={}", "x".repeat(HEAD_BYTES_MAX)), "m")),
        ] {
            check(TYPE, &body, None);
        }
        check("multipart/form-data", &format!("{model}--ab c--"), None);
    }

    proptest! {
        #[test]
        fn anything_is_read_without_panic(parts in prop::collection::vec(prop_oneof![
            Just(b"--b".to_vec()), Just(b"\r\n".to_vec()), Just(b"content-disposition: x; name=".to_vec()),
            prop::collection::vec(any::<u8>(), 0..6),
        ], 0..30)) {
            let body = parts.concat();
            for (_, span) in fields("multipart/form-data; boundary=b", &body).unwrap_or_default() {
                prop_assert!(body.get(span).is_some());
            }
        }
    }
}
