//! `/metrics`: what this program knows right now, in the text exposition format 0.0.4.
//!
//! Host metrics and the engine-neutral family under the names of the catalogue, and our own health.
//! Metrics of engines as scraped are left out: scrape the engine for those.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, Response, header},
};
use model::{
    Labels, NAME,
    catalogue::{self, Kind},
    sample::is_stale,
    series::{MatchOp, Matcher, TimeRange},
};
use query::format::format_float;

use super::{json::ApiError, query::from_select_error};
use crate::{own, wire::App};

/// How old a reading may be to count as current: the slowest source's period and some grace.
const AGE_MAX: std::time::Duration = std::time::Duration::from_secs(90);

pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response<Body>, ApiError> {
    let own = own::sample(&app, app.clock.now());
    let now = app.clock.now();
    let points = app
        .queries
        .run(None, move |source, budget| {
            let pattern = "container_.+|node_.+|llm_.+|probe_.+";
            let matcher = Matcher::new(NAME, MatchOp::Regex, pattern)
                .map_err(|error| ApiError::internal(error.to_string()))?;
            let range = TimeRange { start: now - AGE_MAX, end: now };
            let series = source.select(&[matcher], range, budget).map_err(from_select_error)?;
            let newest = series.into_iter().filter_map(|data| {
                let value = *data.values.last()?;
                (!is_stale(value)).then_some((data.labels, value))
            });
            Ok(newest.collect::<Vec<_>>())
        })
        .await?;
    let mut points: Vec<_> = points.into_iter().chain(own.samples).collect();
    points.sort_by(|(a, _), (b, _)| (a.name(), a).cmp(&(b.name(), b)));
    let mut response = Response::new(Body::from(render(&points)));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Points must be sorted by name.
fn render(points: &[(Labels, f64)]) -> String {
    let mut out = String::with_capacity(points.len() * 96);
    let mut family = "";
    for (labels, value) in points {
        let name = family_of(labels.name());
        if name != family {
            family = name;
            if let Some(metric) = catalogue::find(name) {
                let kind =
                    if metric.kind == Kind::Unknown { "untyped" } else { metric.kind.as_str() };
                out.push_str(&format!("# HELP {name} {}\n# TYPE {name} {kind}\n", metric.help_en));
            }
        }
        write_sample(&mut out, labels, *value);
    }
    out
}

/// The name that TYPE is given for: a histogram's series carry suffixes.
fn family_of(name: &str) -> &str {
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    let histogram = base.and_then(catalogue::find).filter(|metric| metric.kind == Kind::Histogram);
    match (histogram, base) {
        (Some(_), Some(base)) => base,
        _ => name,
    }
}

fn write_sample(out: &mut String, labels: &Labels, value: f64) {
    // A scraper adds its own `job` and `instance`; those of the host would only collide with them.
    let is_neutral =
        ["container_", "llm_", "probe_"].iter().any(|of| labels.name().starts_with(of));
    let shown = |label: &str| label != NAME && (is_neutral || !matches!(label, "job" | "instance"));
    out.push_str(labels.name());
    let mut separator = '{';
    for (label, text) in labels.iter().filter(|(label, _)| shown(label)) {
        out.push(separator);
        separator = ',';
        out.push_str(label);
        out.push_str("=\"");
        for character in text.chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                other => out.push(other),
            }
        }
        out.push('"');
    }
    if separator == ',' {
        out.push('}');
    }
    let written = writeln!(out, " {}", format_float(value));
    written.expect("invariant: writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendering() {
        let point = |name: &str, labels: &[(&str, &str)], value| {
            (Labels::metric(name, labels.iter().copied()), value)
        };
        let text = render(&[
            point("llm_engine_up", &[("instance", "a:1"), ("model", "x\"y\\")], 1.0),
            point("llm_time_to_first_token_seconds_bucket", &[("le", "0.1")], 2.0),
            point("llm_time_to_first_token_seconds_count", &[], 3.0),
            point("node_load1", &[("job", "node"), ("instance", "n")], 0.25),
        ]);
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("# HELP")).collect();
        assert_eq!(
            lines,
            [
                "# TYPE llm_engine_up gauge",
                r#"llm_engine_up{instance="a:1",model="x\"y\\"} 1"#,
                "# TYPE llm_time_to_first_token_seconds histogram",
                r#"llm_time_to_first_token_seconds_bucket{le="0.1"} 2"#,
                "llm_time_to_first_token_seconds_count 3",
                "# TYPE node_load1 gauge",
                "node_load1 0.25",
            ]
        );
    }
}
