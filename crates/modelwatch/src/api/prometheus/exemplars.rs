//! `/api/v1/query_exemplars`: the exemplars of the series that a query reads.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use model::{Labels, sample::Exemplar};

use super::{
    super::{
        form::Form,
        json::{ApiError, success, write_labels, write_list, write_point_fields},
        query::from_select_error,
    },
    Answer, nothing, time_range,
};
use crate::wire::App;

pub(super) async fn exemplars(State(app): State<Arc<App>>, form: Form) -> Answer {
    let range = time_range(&form)?;
    if range.end < range.start {
        let text = "end timestamp must not be before start timestamp";
        return Err(ApiError::bad_data(text));
    }
    let text = form.get("query").unwrap_or_default();
    let expr = query::parse(text).map_err(|error| ApiError::bad_data(error.to_string()))?;
    let store = app.store.clone();
    if expr.selectors().is_empty() {
        return Ok(nothing());
    }
    let found = app.queries.run(None, move |_, budget| {
        let mut found = Vec::new();
        for matchers in expr.selectors() {
            budget.check().map_err(from_select_error)?;
            found.extend(store.exemplars(matchers, range));
        }
        Ok(found)
    });
    Ok(success(&render(found.await?), &[], &[]))
}

/// Groups exemplars by their series, as Prometheus does. Two selectors may have found the same one.
fn render(exemplars: Vec<Exemplar>) -> String {
    let mut by_series: BTreeMap<Labels, Vec<Exemplar>> = BTreeMap::new();
    for exemplar in exemplars {
        let present = by_series.entry(exemplar.series.clone()).or_default();
        if !present.contains(&exemplar) {
            present.push(exemplar);
        }
    }
    let mut out = String::new();
    write_list(&mut out, by_series.iter_mut(), |out, (series, exemplars)| {
        exemplars.sort_by_key(|exemplar| exemplar.time);
        out.push_str("{\"seriesLabels\":");
        write_labels(out, series);
        out.push_str(",\"exemplars\":");
        write_list(out, exemplars.iter(), |out, exemplar| {
            out.push_str("{\"labels\":");
            write_labels(out, &exemplar.labels);
            out.push(',');
            write_point_fields(out, exemplar.time, exemplar.value);
            out.push('}');
        });
        out.push('}');
    });
    out
}

#[cfg(test)]
mod tests {
    use model::UnixMs;

    use super::*;

    #[test]
    fn rendering() {
        let exemplar = |time, value| Exemplar {
            series: Labels::metric("a", [("b", "c")]),
            labels: Labels::from_pairs([("trace_id", "x")]),
            time: UnixMs(time),
            value,
        };
        assert_eq!(render(Vec::new()), "[]");
        assert_eq!(
            render(vec![exemplar(1_500, 2.0), exemplar(1_000, 1.0), exemplar(1_500, 2.0)]),
            r#"[{"seriesLabels":{"__name__":"a","b":"c"},"exemplars":[{"labels":{"trace_id":"x"},"value":"1","timestamp":1},{"labels":{"trace_id":"x"},"value":"2","timestamp":1.500}]}]"#
        );
    }
}
