//! `/api/v1/query_exemplars`: the exemplars of the series that a query reads.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::extract::State;
use model::{
    Labels,
    sample::Exemplar,
    series::{Budget, Matcher, SelectError, SeriesData, SeriesSource, TimeRange},
};
use query::{Expr, Grid, Settings};

use super::{
    super::{
        form::Form,
        json::{ApiError, success, write_labels, write_list, write_point_fields},
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
    let found = app.queries.run(None, move |_, budget| {
        let selectors = selectors_of(&expr, budget);
        if selectors.is_empty() {
            return Ok(None);
        }
        Ok(Some(selectors.iter().flat_map(|matchers| store.exemplars(matchers, range)).collect()))
    });
    Ok(match found.await? {
        Some(exemplars) => success(&render(exemplars), &[], &[]),
        None => nothing(),
    })
}

/// A source without series that remembers what it was asked for. Evaluating a query over it tells
/// which selectors the query has, whatever is around them.
#[derive(Default)]
struct Recorder(Mutex<Vec<Vec<Matcher>>>);

impl SeriesSource for Recorder {
    fn select(
        &self,
        matchers: &[Matcher],
        _: TimeRange,
        _: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(matchers.to_vec());
        Ok(Vec::new())
    }

    fn series(&self, _: &[Matcher], _: TimeRange, _: &Budget) -> Result<Vec<Labels>, SelectError> {
        Ok(Vec::new())
    }
}

fn selectors_of(expr: &Expr, budget: &Budget) -> Vec<Vec<Matcher>> {
    let recorder = Recorder::default();
    let grid = Grid::instant(model::UnixMs(0));
    // A query that fails here fails with series as well, and then has no exemplars to show.
    drop(query::evaluate(expr, &recorder, grid, &Settings::default(), budget));
    recorder.0.into_inner().unwrap_or_else(PoisonError::into_inner)
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
    use std::time::Duration;

    use model::{Clock, UnixMs};

    use super::*;

    #[test]
    fn selectors() {
        let check = |text: &str, expected: &[&str]| {
            let clock = Clock::manual(UnixMs(0));
            let budget = Budget::new(clock, Duration::from_secs(1), 1_000);
            let found = selectors_of(&query::parse(text).unwrap(), &budget);
            let mut shown: Vec<String> = found
                .iter()
                .map(|matchers| matchers.iter().map(Matcher::to_string).collect::<String>())
                .collect();
            shown.sort();
            assert_eq!(shown, expected, "{text}");
        };
        check("1", &[]);
        check("a", &["__name__=\"a\""]);
        check(
            "rate(a[5m]) / on(x) b and c",
            &["__name__=\"a\"", "__name__=\"b\"", "__name__=\"c\""],
        );
        check(
            "histogram_quantile(0.9, sum by (le) (rate(a_bucket[1m])))",
            &["__name__=\"a_bucket\""],
        );
        check("max_over_time(a[5m:1m])", &["__name__=\"a\""]);
    }

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
