//! `/api/v1/status/tsdb`: which names and labels the series are made of.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use axum::extract::State;
use model::{
    Labels, NAME, UnixMs,
    series::{Budget, TimeRange},
};
use serde_json::{Value, json};

use super::{
    super::{
        form::{Form, integer},
        json::ApiError,
        query::from_select_error,
    },
    Answer, data,
};
use crate::wire::App;

/// How many of each list are told if nothing else is asked for.
const LIMIT: usize = 10;
/// Most that may be asked for; a larger limit is refused.
const LIMIT_MAX: usize = 10_000;

/// Series without a sample for so long are no longer counted: what Prometheus keeps in its head.
const AGE_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// After so many series it is asked whether anybody still waits.
const PAUSE: usize = 4_096;

pub(super) async fn tsdb(State(app): State<Arc<App>>, form: Form) -> Answer {
    let limit = limit(&form)?;
    let now = app.clock.now();
    let count = app.queries.run(None, move |source, budget| {
        let range = TimeRange { start: now - AGE_MAX, end: UnixMs::MAX };
        let series = source.series(&[], range, budget).map_err(from_select_error)?;
        count(&series, budget)
    });
    let count = count.await?;
    let top = |list| top(list, limit);
    Ok(data(&json!({
        "headStats": {
            "numSeries": count.series,
            "numLabelPairs": count.pairs.len(),
            // A series in the head has one open column.
            "chunkCount": app.store.stats().series,
            "minTime": (now - AGE_MAX).max(app.queries.oldest_sample()).0,
            "maxTime": now.0,
        },
        "seriesCountByMetricName": top(count.by_metric),
        "labelValueCountByLabelName": top(count.values_of_label),
        "memoryInBytesByLabelName": top(count.bytes_of_label),
        "seriesCountByLabelValuePair": top(count.pairs),
    })))
}

fn limit(form: &Form) -> Result<usize, ApiError> {
    let Some(text) = form.get("limit") else { return Ok(LIMIT) };
    let limit = integer(text).ok().and_then(|limit| usize::try_from(limit).ok());
    match limit {
        Some(limit) if limit > LIMIT_MAX => {
            Err(ApiError::bad_data(format!("limit must not exceed {LIMIT_MAX}")))
        }
        Some(limit) if limit > 0 => Ok(limit),
        _ => Err(ApiError::bad_data("limit must be a positive number")),
    }
}

/// Counts by name; labels and their values are joined by `=`.
#[derive(Debug, Default, PartialEq)]
struct Count {
    series: usize,
    by_metric: BTreeMap<String, usize>,
    values_of_label: BTreeMap<String, usize>,
    /// Bytes of the values, those of each series on their own.
    bytes_of_label: BTreeMap<String, usize>,
    pairs: BTreeMap<String, usize>,
}

fn count(series: &[Labels], budget: &Budget) -> Result<Count, ApiError> {
    let mut pairs: HashMap<(&str, &str), usize> = HashMap::new();
    for some in series.chunks(PAUSE) {
        budget.check().map_err(from_select_error)?;
        for pair in some.iter().flat_map(Labels::iter) {
            *pairs.entry(pair).or_default() += 1;
        }
    }
    let mut count = Count { series: series.len(), ..Count::default() };
    for ((name, value), number) in pairs {
        if name == NAME {
            count.by_metric.insert(value.to_owned(), number);
        }
        *count.values_of_label.entry(name.to_owned()).or_default() += 1;
        *count.bytes_of_label.entry(name.to_owned()).or_default() += value.len() * number;
        count.pairs.insert(format!("{name}={value}"), number);
    }
    Ok(count)
}

/// The largest, largest first; of equals the first by name.
fn top(list: BTreeMap<String, usize>, limit: usize) -> Vec<Value> {
    let mut list: Vec<_> = list.into_iter().collect();
    list.sort_by(|(_, a), (_, b)| b.cmp(a));
    list.truncate(limit);
    list.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

#[cfg(test)]
mod tests {
    use model::Clock;

    use super::*;

    #[test]
    fn counting() {
        let series = [
            Labels::metric("a", [("b", "one")]),
            Labels::metric("a", [("b", "two")]),
            Labels::metric("long", [("b", "one")]),
        ];
        let budget = Budget::new(Clock::manual(UnixMs(0)), Duration::from_secs(1), 10);
        let count = count(&series, &budget).unwrap();
        let list = |pairs: &[(&str, usize)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
        };
        let expected = Count {
            series: 3,
            by_metric: list(&[("a", 2), ("long", 1)]),
            values_of_label: list(&[("__name__", 2), ("b", 2)]),
            bytes_of_label: list(&[("__name__", 6), ("b", 9)]),
            pairs: list(&[("__name__=a", 2), ("__name__=long", 1), ("b=one", 2), ("b=two", 1)]),
        };
        assert_eq!(count, expected);
        let expected = json!([
            {"name": "__name__=a", "value": 2},
            {"name": "b=one", "value": 2},
            {"name": "__name__=long", "value": 1},
        ]);
        assert_eq!(json!(top(count.pairs, 3)), expected);
    }
}
