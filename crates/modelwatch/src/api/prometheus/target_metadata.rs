//! `/api/v1/targets/metadata`: types and help texts of what each engine and each target of a scrape job says.
//!
//! A target says what it has series of at present. Help texts are kept once for each metric, so where two
//! targets explain one metric differently, the first explanation is shown for both.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use axum::extract::State;
use model::{
    Labels,
    catalogue::Kind,
    sample::Metadata,
    series::{Budget, Matcher, SeriesSource, TimeRange},
};

use super::{
    super::{
        form::{Form, invalid},
        json::{ApiError, bounded_list, success, write_labels, write_string},
        query::from_select_error,
    },
    Answer,
    metadata::{limit, write_fields},
    targets::pool_of,
};
use crate::wire::App;

/// Endings of the series that a histogram or a summary is made of.
const PARTS: &[&str] = &["_bucket", "_sum", "_count"];

/// What tells the series of one target from those of another.
const OF_TARGET: &[&str] = &["job", "instance"];

/// Metrics by name, as pages describe them.
type Known = HashMap<String, Metadata>;

pub(super) async fn target_metadata(State(app): State<Arc<App>>, form: Form) -> Answer {
    let limit = limit(&form, "limit")?;
    let matchers = match form.get("match_target") {
        Some(text) => ::query::parse_selector(text)
            .map_err(|error| invalid("match_target", &error.to_string()))?,
        None => Vec::new(),
    };
    let wanted = form.get("metric").map(str::to_owned);
    let mut targets = targets(&app);
    targets.retain(|target| Matcher::all_match(&matchers, target));
    let known = known(&app);
    let end = app.clock.now();
    let range = TimeRange { start: end - app.queries.lookback(), end };
    let bytes_max = app.queries.result_bytes_max();
    let work = move |source: &dyn SeriesSource, budget: &Budget| {
        let mut found = Vec::new();
        for target in &targets {
            // As in Prometheus the limit is looked at between targets.
            if found.len() >= limit {
                break;
            }
            let said = said_by(target, &known, source, range, budget)?;
            let is_wanted =
                |entry: &&Metadata| wanted.as_ref().is_none_or(|name| *name == entry.name);
            found.extend(said.into_iter().filter(is_wanted).map(|entry| (target, entry)));
        }
        let mut data = String::new();
        bounded_list(&mut data, found.into_iter(), bytes_max, |out, (target, entry)| {
            write_entry(out, target, entry, wanted.is_none());
        })?;
        Ok(success(&data, &[], &[]))
    };
    app.queries.run(None, work).await
}

/// The labels of all targets.
fn targets(app: &App) -> Vec<Labels> {
    let engines = app.collector.engines();
    let engines = engines.iter().map(|engine| {
        Labels::from_pairs([("instance", engine.instance.as_str()), ("job", pool_of(engine))])
    });
    let scraped = app.collector.targets().into_iter().map(|target| target.labels);
    engines.chain(scraped).collect()
}

fn known(app: &App) -> Known {
    let known = app.collector.metadata().into_iter().map(|metric| {
        let entry = Metadata {
            name: metric.name.clone(),
            kind: metric.kind,
            unit: String::new(),
            help: metric.help,
        };
        (metric.name, entry)
    });
    known.collect()
}

/// The metrics that a target has, in order of their names.
fn said_by<'a>(
    target: &Labels,
    known: &'a Known,
    source: &dyn SeriesSource,
    range: TimeRange,
    budget: &Budget,
) -> Result<Vec<&'a Metadata>, ApiError> {
    let own = OF_TARGET.iter().filter_map(|label| Some((*label, target.get(label)?)));
    let matchers: Vec<Matcher> = own.map(|(label, value)| Matcher::equal(label, value)).collect();
    let series = source.series(&matchers, range, budget).map_err(from_select_error)?;
    let names: BTreeSet<&str> =
        series.iter().filter_map(|labels| family(labels.name(), known)).collect();
    Ok(names.into_iter().filter_map(|name| known.get(name)).collect())
}

/// The metric of which a series is, where it is described.
fn family<'a>(name: &'a str, known: &Known) -> Option<&'a str> {
    if known.contains_key(name) {
        return Some(name);
    }
    let whole = PARTS.iter().find_map(|part| name.strip_suffix(part))?;
    let has_parts = |entry: &Metadata| matches!(entry.kind, Kind::Histogram | Kind::Summary);
    known.get(whole).is_some_and(has_parts).then_some(whole)
}

fn write_entry(out: &mut String, target: &Labels, entry: &Metadata, is_named: bool) {
    out.push_str("{\"target\":");
    write_labels(out, target);
    if is_named {
        out.push_str(",\"metric\":");
        write_string(out, &entry.name);
    }
    out.push(',');
    write_fields(out, entry);
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_series() {
        let entry = |name: &str, kind| Metadata {
            name: name.into(),
            kind,
            unit: String::new(),
            help: String::new(),
        };
        let all = [
            entry("a_seconds", Kind::Histogram),
            entry("b", Kind::Gauge),
            entry("c_count", Kind::Counter),
        ];
        let known: Known = all.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        let check = |name, expected: Option<&str>| {
            assert_eq!(family(name, &known), expected, "{name}");
        };
        check("a_seconds_bucket", Some("a_seconds"));
        check("a_seconds_sum", Some("a_seconds"));
        check("a_seconds", Some("a_seconds"));
        check("b", Some("b"));
        check("b_sum", None);
        check("c_count", Some("c_count"));
        check("up", None);
    }
}
