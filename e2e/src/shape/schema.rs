//! Whether JSON is as a schema says: as much of JSON Schema as our own description uses. A word that is not known
//! here is an error, so that nothing is passed over.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Words that say nothing about a value.
const SILENT: [&str; 2] = ["description", "format"];

/// Compares a value with a schema. References are looked up in `document`.
pub fn expect_schema(document: &Value, schema: &Value, found: &Value) -> Result<()> {
    let words = schema.as_object().with_context(|| format!("{schema} is no schema"))?;
    for (word, rule) in words {
        let name = word.as_str();
        match name {
            "$ref" => {
                let path = rule.as_str().and_then(|path| path.strip_prefix('#'));
                let path = path.with_context(|| format!("{rule} leads elsewhere"))?;
                let target = document.pointer(path).with_context(|| format!("no {path}"))?;
                expect_schema(document, target, found).with_context(|| path.to_owned())?;
            }
            "type" => {
                ensure!(is_of(found, rule.as_str().unwrap_or_default()), "{found} is no {rule}")
            }
            "enum" => {
                let values = rule.as_array().context("enum needs values")?;
                ensure!(values.contains(found), "{found} is none of {rule}");
            }
            "minimum" => ensure!(found.as_f64() >= rule.as_f64(), "{found} is below {rule}"),
            "maximum" => ensure!(found.as_f64() <= rule.as_f64(), "{found} is above {rule}"),
            "items" => {
                for item in found.as_array().into_iter().flatten() {
                    expect_schema(document, rule, item)?;
                }
            }
            "prefixItems" => {
                let items = found.as_array().into_iter().flatten();
                for (item, schema) in items.zip(rule.as_array().into_iter().flatten()) {
                    expect_schema(document, schema, item)?;
                }
            }
            "minItems" => ensure!(length(found) >= rule.as_u64(), "{found} has less than {rule}"),
            "maxItems" => ensure!(length(found) <= rule.as_u64(), "{found} has more than {rule}"),
            "anyOf" | "oneOf" => {
                let schemas = rule.as_array().with_context(|| format!("{word} needs schemas"))?;
                let tried: Vec<Result<()>> =
                    schemas.iter().map(|schema| expect_schema(document, schema, found)).collect();
                let fitting = tried.iter().filter(|tried| tried.is_ok()).count();
                let is_right = fitting == 1 || (name == "anyOf" && fitting > 0);
                ensure!(is_right, "{fitting} of {word} fit {found}: {tried:?}");
            }
            "required" => {
                for name in rule.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    ensure!(found.get(name).is_some(), "{found} has no {name:?}");
                }
            }
            "properties" => {
                for (name, schema) in rule.as_object().into_iter().flatten() {
                    if let Some(member) = found.get(name) {
                        expect_schema(document, schema, member)
                            .with_context(|| format!("in {name:?}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let more = found.as_object().into_iter().flatten();
                let more = more.filter(|(name, _)| known.is_none_or(|it| !it.contains_key(*name)));
                for (name, member) in more {
                    ensure!(*rule != Value::Bool(false), "{name:?} is not described");
                    expect_schema(document, rule, member)
                        .with_context(|| format!("in {name:?}"))?;
                }
            }
            _ if SILENT.contains(&name) => {}
            _ => bail!("{word:?} is no word that is known here"),
        }
    }
    Ok(())
}

fn length(list: &Value) -> Option<u64> {
    list.as_array().and_then(|list| u64::try_from(list.len()).ok())
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_say_what_fits() {
        let document = json!({ "a": { "type": "integer", "minimum": 1 } });
        let check = |schema: Value, found: Value, expected: bool| {
            let result = expect_schema(&document, &schema, &found);
            assert_eq!(result.is_ok(), expected, "{schema} {found}: {result:?}");
        };
        check(json!({ "$ref": "#/a" }), json!(1), true);
        check(json!({ "$ref": "#/a" }), json!(0), false);
        check(json!({ "$ref": "#/b" }), json!(1), false);
        check(json!({ "type": "integer" }), json!(1.5), false);
        check(json!({ "enum": ["x"] }), json!("y"), false);
        check(json!({ "type": "array", "items": { "type": "string" } }), json!(["x", 1]), false);
        let pair = json!({
            "minItems": 2, "maxItems": 2, "prefixItems": [{ "type": "integer" }, { "type": "string" }],
        });
        check(pair.clone(), json!([1, "x"]), true);
        check(pair.clone(), json!([1, 2]), false);
        check(pair.clone(), json!([1]), false);
        check(pair, json!([1, "x", 2]), false);
        check(json!({ "anyOf": [{ "type": "null" }, { "$ref": "#/a" }] }), json!(null), true);
        check(json!({ "oneOf": [{ "type": "number" }, { "type": "integer" }] }), json!(1), false);
        let object = json!({
            "type": "object", "required": ["x"], "additionalProperties": false,
            "properties": { "x": { "type": "string" } },
        });
        check(object.clone(), json!({ "x": "y" }), true);
        check(object.clone(), json!({ "x": 1 }), false);
        check(object.clone(), json!({}), false);
        check(object, json!({ "x": "y", "z": 1 }), false);
        check(json!({ "additionalProperties": { "type": "string" } }), json!({ "x": 1 }), false);
        check(json!({ "pattern": "x" }), json!("x"), false);
    }
}
