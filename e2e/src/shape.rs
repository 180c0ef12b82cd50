//! What JSON has to look like where its values are not known beforehand.

mod schema;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

pub use schema::expect_schema;

/// Compares JSON with its shape. In a shape `"<string>"`, `"<number>"`, `"<bool>"` and `"<any>"` stand for
/// any such value, `"<float>"` for a number in a string, and `["<each>", SHAPE]` for a list with at least one
/// item, all of that shape. The names in an object must be exactly those of the shape, unless that has
/// `"<more>"` as well. Everything else means itself.
pub fn expect_shape(found: &Value, shape: &Value) -> Result<()> {
    match shape {
        Value::String(word) if word.starts_with('<') => expect_kind(found, word),
        Value::Array(items) if items.first().is_some_and(|first| first == "<each>") => {
            let each = items.get(1).context("<each> needs a shape")?;
            let list = found.as_array().with_context(|| format!("{found} is no list"))?;
            ensure!(!list.is_empty(), "the list is empty");
            list.iter().try_for_each(|item| expect_shape(item, each))
        }
        Value::Array(items) => {
            let list = found.as_array().with_context(|| format!("{found} is no list"))?;
            ensure!(list.len() == items.len(), "{found} has not {} items", items.len());
            list.iter().zip(items).try_for_each(|(item, shape)| expect_shape(item, shape))
        }
        Value::Object(fields) => {
            let object = found.as_object().with_context(|| format!("{found} is no object"))?;
            for (name, shape) in fields.iter().filter(|(name, _)| *name != "<more>") {
                let field = object.get(name).with_context(|| format!("{found} has no {name:?}"))?;
                expect_shape(field, shape).with_context(|| format!("in {name:?}"))?;
            }
            let odd = object.keys().find(|name| !fields.contains_key(*name));
            match odd {
                Some(name) if !fields.contains_key("<more>") => bail!("{name:?} is not expected"),
                _ => Ok(()),
            }
        }
        _ => {
            ensure!(found == shape, "{found} is not {shape}");
            Ok(())
        }
    }
}

fn expect_kind(found: &Value, word: &str) -> Result<()> {
    let is_right = match word {
        "<any>" => true,
        "<string>" => found.is_string(),
        "<number>" => found.is_number(),
        "<bool>" => found.is_boolean(),
        "<float>" => found.as_str().is_some_and(|text| text.parse::<f64>().is_ok()),
        _ => bail!("{word} is no word of shapes"),
    };
    ensure!(is_right, "{found} is not {word}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shapes() {
        let check = |found: Value, shape: Value, expected: bool| {
            assert_eq!(expect_shape(&found, &shape).is_ok(), expected, "{found} as {shape}");
        };
        check(json!(1), json!(1), true);
        check(json!(1), json!(2), false);
        check(json!("1.5"), json!("<float>"), true);
        check(json!("x"), json!("<float>"), false);
        check(json!(1), json!("<string>"), false);
        check(json!([1, 2]), json!(["<each>", "<number>"]), true);
        check(json!([1, "2"]), json!(["<each>", "<number>"]), false);
        check(json!([]), json!(["<each>", "<number>"]), false);
        check(json!([1]), json!([1, 2]), false);
        check(json!({"a": 1}), json!({"a": "<number>"}), true);
        check(json!({"a": 1, "b": 2}), json!({"a": "<number>"}), false);
        check(json!({"a": 1, "b": 2}), json!({"a": "<number>", "<more>": ""}), true);
        check(json!({}), json!({"a": "<any>"}), false);
        check(json!(1), json!("<odd>"), false);
    }
}
