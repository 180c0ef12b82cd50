//! The Prometheus HTTP API, so that Grafana and every other client can ask us like Prometheus.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::Response,
    routing::get,
};
use model::{
    Labels, UnixMs, catalogue,
    sample::Metadata,
    series::{Matcher, TimeRange, sorted},
};
use query::{Expr, Grid};

use super::{
    exemplars::exemplars,
    form::Form,
    json::{ApiError, output, success, write_labels, write_list, write_string},
    query::from_select_error,
};
use crate::wire::App;

/// Most points of one series in a range query (Prometheus' figure).
pub(crate) const POINTS_MAX: i64 = 11_000;

/// Version of Prometheus whose API this follows; Grafana decides by it what it may ask.
const COMPATIBLE_VERSION: &str = "3.0.0";

type Answer = Result<Response<Body>, ApiError>;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/query", get(instant).post(instant))
        .route("/api/v1/query_range", get(range).post(range))
        .route("/api/v1/series", get(series).post(series))
        .route("/api/v1/labels", get(label_names).post(label_names))
        .route("/api/v1/label/{name}/values", get(label_values))
        .route("/api/v1/metadata", get(metadata))
        .route("/api/v1/query_exemplars", get(exemplars).post(exemplars))
        .route("/api/v1/format_query", get(format_query).post(format_query))
        .route("/api/v1/status/buildinfo", get(build_info))
        .route("/api/v1/{*rest}", get(unknown).post(unknown))
}

async fn unknown(Path(rest): Path<String>) -> ApiError {
    ApiError::not_found(format!("there is no endpoint /api/v1/{rest}"))
}

async fn instant(State(app): State<Arc<App>>, form: Form) -> Answer {
    let expr = parse(&form)?;
    let time = form.time("time")?.unwrap_or_else(|| app.queries.now());
    let result = app.queries.evaluate(expr, Grid::instant(time), timeout(&form)?).await?;
    Ok(success(&output(&result.value, time), &result.warnings, &result.infos))
}

async fn range(State(app): State<Arc<App>>, form: Form) -> Answer {
    let required = |name: &str| {
        form.time(name)?
            .ok_or_else(|| ApiError::bad_data(format!("invalid parameter \"{name}\": missing")))
    };
    let (start, end) = (required("start")?, required("end")?);
    let step_ms = form
        .duration_ms("step")?
        .ok_or_else(|| ApiError::bad_data("invalid parameter \"step\": missing"))?;
    if end < start {
        let text = "invalid parameter \"end\": end timestamp must not be before start time";
        return Err(ApiError::bad_data(text));
    }
    if step_ms <= 0 {
        let text = "invalid parameter \"step\": zero or negative query resolution step widths are \
                    not accepted. Try a positive integer";
        return Err(ApiError::bad_data(text));
    }
    if (end.0 - start.0) / step_ms > POINTS_MAX {
        let text = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the \
                    query resolution (?step=XX)";
        return Err(ApiError::bad_data(text));
    }
    let grid = Grid { start, end, step_ms };
    let result = app.queries.evaluate(parse(&form)?, grid, timeout(&form)?).await?;
    Ok(success(&output(&result.value, end), &result.warnings, &result.infos))
}

pub(super) fn parse(form: &Form) -> Result<Expr, ApiError> {
    let text = form.get("query").unwrap_or_default();
    query::parse(text)
        .map_err(|error| ApiError::bad_data(format!("invalid parameter \"query\": {error}")))
}

fn timeout(form: &Form) -> Result<Option<Duration>, ApiError> {
    let millis = form.duration_ms("timeout")?;
    Ok(millis.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))))
}

async fn series(State(app): State<Arc<App>>, form: Form) -> Answer {
    let selectors = selectors(&form)?;
    if selectors.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let found = matching(&app, &form, selectors).await?;
    let (found, warnings) = truncate(found, &form)?;
    let mut data = String::new();
    write_list(&mut data, found.iter(), write_labels);
    Ok(success(&data, &warnings, &[]))
}

async fn label_names(State(app): State<Arc<App>>, form: Form) -> Answer {
    let selectors = selectors(&form)?;
    let names = if selectors.is_empty() {
        let range = time_range(&form)?;
        let names = app.queries.run(None, move |source, budget| {
            source.label_names(range, budget).map_err(from_select_error)
        });
        names.await?
    } else {
        let found = matching(&app, &form, selectors).await?;
        sorted(found.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)))
    };
    texts(names, &form)
}

async fn label_values(State(app): State<Arc<App>>, Path(name): Path<String>, form: Form) -> Answer {
    let name = unescape(&name)
        .ok_or_else(|| ApiError::bad_data(format!("invalid label name: {name:?}")))?;
    let selectors = selectors(&form)?;
    let values = if selectors.is_empty() {
        let range = time_range(&form)?;
        let values = app.queries.run(None, move |source, budget| {
            source.label_values(&name, range, budget).map_err(from_select_error)
        });
        values.await?
    } else {
        let found = matching(&app, &form, selectors).await?;
        sorted(found.iter().filter_map(|labels| labels.get(&name)))
    };
    texts(values, &form)
}

fn texts(texts: Vec<String>, form: &Form) -> Answer {
    let (texts, warnings) = truncate(texts, form)?;
    let mut data = String::new();
    write_list(&mut data, texts.iter(), |out, text| write_string(out, text));
    Ok(success(&data, &warnings, &[]))
}

/// Applies `limit`, saying so when something was cut off.
fn truncate<T>(mut items: Vec<T>, form: &Form) -> Result<(Vec<T>, Vec<String>), ApiError> {
    let limit = form.limit("limit")?;
    let warnings = if limit > 0 && items.len() > limit {
        items.truncate(limit);
        vec!["results truncated due to limit".to_owned()]
    } else {
        Vec::new()
    };
    Ok((items, warnings))
}

pub(super) fn selectors(form: &Form) -> Result<Vec<Vec<Matcher>>, ApiError> {
    let parsed = form.all("match[]").map(|text| {
        query::parse_selector(text)
            .map_err(|error| ApiError::bad_data(format!("invalid parameter \"match[]\": {error}")))
    });
    parsed.collect()
}

pub(super) fn time_range(form: &Form) -> Result<TimeRange, ApiError> {
    let start = form.time("start")?.unwrap_or(UnixMs::MIN);
    let end = form.time("end")?.unwrap_or(UnixMs::MAX);
    if end < start {
        return Err(ApiError::bad_data(
            "invalid parameter \"end\": end timestamp must not be before start time",
        ));
    }
    Ok(TimeRange { start, end })
}

/// The series that satisfy at least one selector, sorted, each once.
async fn matching(
    app: &App,
    form: &Form,
    selectors: Vec<Vec<Matcher>>,
) -> Result<Vec<Labels>, ApiError> {
    let range = time_range(form)?;
    app.queries
        .run(None, move |source, budget| {
            let mut found = Vec::new();
            for matchers in &selectors {
                found.extend(source.series(matchers, range, budget).map_err(from_select_error)?);
            }
            found.sort_unstable();
            found.dedup();
            Ok(found)
        })
        .await
}

/// Label names beyond ASCII arrive as `U__` plus `_HEX_` for each odd character and `__` for `_`.
fn unescape(name: &str) -> Option<String> {
    let Some(mut rest) = name.strip_prefix("U__") else { return Some(name.to_owned()) };
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once('_') {
        plain.push_str(before);
        if let Some(after) = after.strip_prefix('_') {
            plain.push('_');
            rest = after;
            continue;
        }
        let (hex, after) = after.split_once('_')?;
        plain.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
        rest = after;
    }
    plain.push_str(rest);
    Some(plain)
}

/// What is known of metrics: by those who write to us, by engines, and of our own.
async fn metadata(State(app): State<Arc<App>>, form: Form) -> Answer {
    let names = app.queries.run(None, |source, budget| {
        let range = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
        source.label_values(model::NAME, range, budget).map_err(from_select_error)
    });
    let known = known_metadata(&app, &names.await?);
    let wanted = form.get("metric");
    let limit = match form.limit("limit")? {
        0 => usize::MAX,
        limit => limit,
    };
    let mut data = String::from("{");
    let shown =
        known.values().filter(|entry| wanted.is_none_or(|wanted| wanted == entry.name.as_str()));
    for (index, entry) in shown.take(limit).enumerate() {
        if index > 0 {
            data.push(',');
        }
        write_string(&mut data, &entry.name);
        data.push_str(":[{\"type\":");
        write_string(&mut data, entry.kind.as_str());
        data.push_str(",\"unit\":");
        write_string(&mut data, &entry.unit);
        data.push_str(",\"help\":");
        write_string(&mut data, &entry.help);
        data.push_str("}]");
    }
    data.push('}');
    Ok(success(&data, &[], &[]))
}

/// What is known of metrics, by name. What we say of our own counts most, then what engines say.
pub(super) fn known_metadata(app: &App, names: &[String]) -> BTreeMap<String, Metadata> {
    let written = app.store.metadata();
    let scraped = app.collector.metadata().into_iter().map(|metric| Metadata {
        name: metric.name,
        kind: metric.kind,
        unit: String::new(),
        help: metric.help,
    });
    // Families such as node_memory_*_bytes are listed by the members that exist.
    let own = names.iter().filter_map(|name| own_metadata(name));
    written
        .iter()
        .cloned()
        .chain(scraped)
        .chain(own)
        .map(|entry| (entry.name.clone(), entry))
        .collect()
}

/// What the catalogue says of a metric of our own.
pub(crate) fn own_metadata(name: &str) -> Option<Metadata> {
    catalogue::find(name).map(|metric| Metadata {
        name: name.into(),
        kind: metric.kind,
        unit: metric.unit.into(),
        help: metric.help_en.into(),
    })
}

async fn format_query(form: Form) -> Answer {
    let mut data = String::new();
    write_string(&mut data, parse(&form)?.text());
    Ok(success(&data, &[], &[]))
}

async fn build_info() -> Response<Body> {
    let mut data = String::from("{\"version\":");
    write_string(&mut data, COMPATIBLE_VERSION);
    data.push_str(",\"revision\":");
    write_string(&mut data, concat!("modelwatch-", env!("CARGO_PKG_VERSION")));
    data.push_str(
        ",\"branch\":\"\",\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\",\
         \"application\":\"modelwatch\"}",
    );
    success(&data, &[], &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names() {
        let check = |name, expected: Option<&str>| {
            assert_eq!(unescape(name).as_deref(), expected, "{name}");
        };
        check("job", Some("job"));
        check("U__a_2e_b", Some("a.b"));
        check("U__a__b", Some("a_b"));
        check("U__a_zz_b", None);
        check("U__a_2e", None);
    }
}
