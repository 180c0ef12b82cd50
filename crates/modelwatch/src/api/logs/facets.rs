//! `/api/mw/v1/logs/facets`: which values fields have, and how often.

use std::sync::Arc;

use axum::extract::State;
use model::log::Line;
use serde_json::{Value, json};
use store::events::{Aggregate, Event as _, GroupBy, Key, Measure};

use super::{TIMEOUT, counts, largest_first};
use crate::{
    api::{
        form::{Form, invalid},
        requests::{Answer, Scope, key_json, ok, refused},
    },
    wire::App,
};

/// Fields that are told of unless others are asked for.
const FIELDS: [&str; 8] =
    ["severity", "engine", "model", "instance", "host", "service", "source", "origin"];
/// Most fields of one question.
const FIELDS_MAX: usize = 16;
/// Values of a field unless another number is asked for.
const VALUES: usize = 10;
/// Most values of a field, however many are asked for.
const VALUES_MAX: usize = 1_000;

pub(in crate::api) async fn facets(State(app): State<Arc<App>>, form: Form) -> Answer {
    let Scope { filter, range } = Scope::read(&app, &form, Line::schema())?;
    let limit = match form.limit("limit")? {
        0 => VALUES,
        limit => limit.min(VALUES_MAX),
    };
    let mut fields: Vec<String> =
        form.all("field").filter(|field| !field.is_empty()).map(str::to_owned).collect();
    if fields.len() > FIELDS_MAX {
        return Err(invalid("field", &format!("at most {FIELDS_MAX} fields")));
    }
    if fields.is_empty() {
        fields = FIELDS.map(str::to_owned).to_vec();
    }
    let store = app.store.clone();
    let facets = app.queries.run(Some(TIMEOUT), move |_, budget| {
        let mut facets = Vec::new();
        for field in &fields {
            let by = [GroupBy::Field(field)];
            let (measures, timeout) = (&[Measure::Count], budget.left());
            let question = Aggregate { filter: &filter, range, by: &by, measures, timeout };
            let groups = counts(store.events(), &question).map_err(refused)?;
            facets.push(facet_json(field, groups, limit));
        }
        Ok(facets)
    });
    ok(&json!({ "facets": facets.await? }))
}

fn facet_json(field: &str, groups: Vec<(Vec<Key>, u64)>, limit: usize) -> Value {
    let value = |(keys, count): (Vec<Key>, u64)| keys.into_iter().next().map(|key| (key, count));
    let mut values: Vec<(Key, u64)> = groups.into_iter().filter_map(value).collect();
    largest_first(&mut values);
    let others: u64 = values.iter().skip(limit).map(|(_, count)| count).sum();
    values.truncate(limit);
    let values: Vec<Value> = values
        .iter()
        .map(|(key, count)| json!({ "value": key_json(key), "count": count }))
        .collect();
    json!({ "field": field, "values": values, "others": others })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_values_come_first_and_the_others_are_counted() {
        let word = |text: &str| Key::Value(text.into());
        let groups = vec![
            (vec![Key::Absent], 3),
            (vec![word("a")], 1),
            (vec![word("b")], 5),
            (vec![word("c")], 1),
        ];
        let value = |value: Value, count: u64| json!({ "value": value, "count": count });
        assert_eq!(
            facet_json("host", groups, 2),
            json!({ "field": "host", "values": [value(json!("b"), 5), value(Value::Null, 3)], "others": 2 })
        );
    }
}
