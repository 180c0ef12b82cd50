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
    let mut at = finder.find(body)? + delimiter.len();
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

/// A parameter of a header: `name=value` or `name="value"`.
fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (key.trim().eq_ignore_ascii_case(name) && !value.is_empty()).then_some(value)
    })
}
