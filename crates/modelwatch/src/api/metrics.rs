//! `/metrics`: everything that is collected, the newest value of each series, and our own health, so
//! that another Prometheus can use this program as its one exporter.
//!
//! Series of this machine and of this program come without `job` and `instance`, which the reader
//! sets; those of engines and scraped targets keep theirs, because they tell them apart
//! (`honor_labels`). Native histograms have no place in the two formats and are left out.

mod negotiate;

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Response, header},
};
use model::{
    Labels, NAME,
    catalogue::Kind,
    sample::{Metadata, is_stale},
    series::{Budget, MatchOp, Matcher, SelectError, SeriesSource, TimeRange},
};
use query::format::write_general;

use self::negotiate::{Format, negotiate};
use super::{
    json::{ApiError, TooLarge},
    prometheus::{collected_metadata, known_metadata},
    query::from_select_error,
};
use crate::{agent::Agent, config::Config, own, wire::App};

/// How old a reading may be to count as current: the slowest source of the host is read once a minute.
const AGE_MIN: Duration = Duration::from_secs(90);
/// The same where the host or a target is read seldom; what is older is left out.
const AGE_MAX: Duration = Duration::from_secs(300);

/// Said of metrics of which nobody said anything: `promtool` wants a text.
const NO_HELP: &str = "Passed on as collected; its source does not describe it";

/// Endings of the series of histograms and summaries.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// The newest value of each series, as it will be written.
type Newest = BTreeMap<Labels, f64>;

pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response<Body>, ApiError> {
    let now = app.clock.now();
    let format = asked(&headers);
    let range = TimeRange { start: now - age(&app.config), end: now };
    let own = own::sample(&app, now);
    let bytes_max = app.queries.result_bytes_max();
    let for_work = Arc::clone(&app);
    let text = app.queries.run(None, move |source, budget| {
        let mut newest = collected(source, range, budget).map_err(from_select_error)?;
        // What was stored of our own health is older than what we say now.
        newest.extend(own.samples.into_iter().collect::<Newest>());
        let newest = as_seen_by_scrapers(newest, &for_work.instance, format);
        let known = known_metadata(&for_work, &families(&newest));
        Ok(render(&newest, &known, format, bytes_max)?)
    });
    answer(text.await?, format)
}

/// The same from an agent, which keeps nothing but the newest values.
pub(super) async fn of_agent(
    State(agent): State<Arc<Agent>>,
    headers: HeaderMap,
) -> Result<Response<Body>, ApiError> {
    let now = agent.clock.now();
    let format = asked(&headers);
    let mut newest = agent.latest.since(now - age(&agent.config));
    newest.extend(own::sample_agent(&agent, now).samples);
    let newest = as_seen_by_scrapers(newest, &agent.instance, format);
    let known = collected_metadata(&agent.collector, &families(&newest));
    let bytes_max = usize::try_from(agent.config.query.result_bytes_max).unwrap_or(usize::MAX);
    answer(render(&newest, &known, format, bytes_max)?, format)
}

fn asked(headers: &HeaderMap) -> Format {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    negotiate(accept.unwrap_or_default())
}

/// How old a value may be to be shown.
fn age(config: &Config) -> Duration {
    let slowest = config.scrapes.iter().map(|scrape| scrape.interval() * 2).max();
    let slowest = slowest.unwrap_or_default().max(config.collect.host_period * 2);
    slowest.clamp(AGE_MIN, AGE_MAX)
}

fn answer(text: String, format: Format) -> Result<Response<Body>, ApiError> {
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_str(&format.content_type())
        .map_err(|error| ApiError::internal(error.to_string()))?;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

/// Everything with a name that has not ended.
fn collected(
    source: &dyn SeriesSource,
    range: TimeRange,
    budget: &Budget,
) -> Result<Newest, SelectError> {
    let named = Matcher::new(NAME, MatchOp::NotEqual, "")
        .map_err(|error| SelectError::Storage(error.to_string()))?;
    let newest = Mutex::new(Newest::new());
    source.visit(&[named], range, budget, &|_, data| {
        if let Some(value) = data.values.last().filter(|value| !is_stale(**value)) {
            let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
            newest.insert(data.labels.clone(), *value);
        }
        Ok(())
    })?;
    Ok(newest.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Names that may be described: of the series, and without the endings of parts.
fn families(newest: &Newest) -> Vec<String> {
    let mut names: Vec<String> = newest.keys().map(|labels| labels.name().to_owned()).collect();
    names.dedup();
    let whole = |name: &String| Some(PARTS.iter().find_map(|part| name.strip_suffix(part))?.into());
    let bases: Vec<String> = names.iter().filter_map(whole).collect();
    names.extend(bases);
    names
}

/// Takes the labels off that the reader sets itself. Of two that become the same ours counts.
fn as_seen_by_scrapers(newest: Newest, instance: &str, format: Format) -> Newest {
    let is_ours = |labels: &Labels| labels.get("instance") == Some(instance);
    let (ours, others): (Newest, Newest) =
        newest.into_iter().partition(|(labels, _)| is_ours(labels));
    let ours = ours
        .into_iter()
        .map(|(labels, value)| (labels.keep(|label| !matches!(label, "job" | "instance")), value));
    let mut seen = Newest::new();
    for (labels, value) in ours.chain(others) {
        seen.entry(format.names.as_written(labels)).or_insert(value);
    }
    seen
}

/// A sample and where it stands: families together, and the parts of one histogram in order.
struct Line<'a> {
    family: &'a str,
    kind: Kind,
    /// All labels but those that tell parts apart.
    base: Labels,
    labels: &'a Labels,
    bound: f64,
    value: f64,
}

impl Line<'_> {
    fn order(&self, other: &Self) -> Ordering {
        self.family
            .cmp(other.family)
            .then_with(|| self.base.cmp(&other.base))
            .then_with(|| self.labels.name().cmp(other.labels.name()))
            .then_with(|| self.bound.total_cmp(&other.bound))
            .then_with(|| self.labels.cmp(other.labels))
    }
}

fn render(
    newest: &Newest,
    known: &BTreeMap<String, Metadata>,
    format: Format,
    bytes_max: usize,
) -> Result<String, TooLarge> {
    let mut lines: Vec<Line<'_>> =
        newest.iter().filter_map(|(labels, value)| line(labels, *value, known, format)).collect();
    lines.sort_by(Line::order);
    let mut out = String::new();
    let mut last = None;
    for line in &lines {
        if last != Some(line.family) {
            last = Some(line.family);
            describe(&mut out, line, known, format);
        }
        let labels = line.labels.iter().filter(|(label, _)| *label != NAME);
        format.names.write_series(&mut out, line.labels.name(), labels);
        out.push(' ');
        write_general(&mut out, line.value, None);
        out.push('\n');
        if out.len() > bytes_max {
            return Err(TooLarge { bytes_max });
        }
    }
    if format.is_openmetrics {
        out.push_str("# EOF\n");
    }
    Ok(out)
}

/// Finds the family of a series. A part that its family cannot have is left out: it would make the
/// whole page unreadable.
fn line<'a>(
    labels: &'a Labels,
    value: f64,
    known: &BTreeMap<String, Metadata>,
    format: Format,
) -> Option<Line<'a>> {
    let name = labels.name();
    let kind_of = |name: &str| known.get(name).map(|metadata| metadata.kind);
    let part = PARTS.iter().find_map(|suffix| {
        let base = name.strip_suffix(suffix)?;
        let kind = kind_of(base)?;
        let fits = kind == Kind::Histogram || (kind == Kind::Summary && *suffix != "_bucket");
        fits.then_some((base, kind, *suffix == "_bucket"))
    });
    let bound = |label: &str| labels.get(label).and_then(|text| text.parse::<f64>().ok());
    let of_parts = |family, kind, bound| {
        let base = labels.keep(|label| !matches!(label, NAME | "le" | "quantile"));
        Some(Line { family, kind, base, labels, bound, value })
    };
    match (part, kind_of(name)) {
        (Some((family, kind, true)), _) => of_parts(family, kind, bound("le")?),
        (Some((family, kind, false)), None) => of_parts(family, kind, 0.0),
        (_, Some(Kind::Summary)) => of_parts(name, Kind::Summary, bound("quantile")?),
        (_, Some(Kind::Histogram)) => None,
        (_, kind) => {
            let mut kind = kind.unwrap_or(Kind::Unknown);
            let mut family = name;
            if format.is_openmetrics && kind == Kind::Counter {
                // A counter is named without the ending that its samples must have.
                (family, kind) = match name.strip_suffix("_total") {
                    Some(family) => (family, kind),
                    None => (name, Kind::Unknown),
                };
            }
            Some(Line { family, kind, base: labels.clone(), labels, bound: 0.0, value })
        }
    }
}

fn describe(out: &mut String, line: &Line<'_>, known: &BTreeMap<String, Metadata>, format: Format) {
    let metadata = known.get(line.family).or_else(|| known.get(line.labels.name()));
    let kind = match line.kind {
        Kind::Unknown if !format.is_openmetrics => "untyped",
        kind => kind.as_str(),
    };
    let mut write = |word: &str, text: &str| {
        out.push_str(word);
        format.names.write_name(out, line.family, true);
        out.push(' ');
        for c in text.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '"' if format.is_openmetrics => out.push_str("\\\""),
                other => out.push(other),
            }
        }
        out.push('\n');
    };
    let help = metadata.map(|metadata| metadata.help.as_str()).filter(|help| !help.is_empty());
    write("# HELP ", help.unwrap_or(NO_HELP));
    write("# TYPE ", kind);
    // The unit must be the end of the name.
    let unit = metadata.map(|metadata| metadata.unit.as_str()).unwrap_or_default();
    let has_unit = line.family.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
    if format.is_openmetrics && !unit.is_empty() && has_unit {
        write("# UNIT ", unit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeMap<String, Metadata> {
        let entry = |name: &str, kind, unit: &str, help: &str| {
            let (name, unit, help) = (name.to_owned(), unit.to_owned(), help.to_owned());
            (name.clone(), Metadata { name, kind, unit, help })
        };
        BTreeMap::from([
            entry("h_seconds", Kind::Histogram, "seconds", "a \"text\"\n\\"),
            entry("s", Kind::Summary, "", "s"),
            entry("t_total", Kind::Counter, "", "t"),
            entry("odd_counter", Kind::Counter, "", "o"),
            entry("node_load1", Kind::Gauge, "", "l"),
        ])
    }

    fn example() -> Newest {
        let point = |name: &str, labels: &[(&str, &str)], value| {
            (Labels::metric(name, labels.iter().copied()), value)
        };
        Newest::from([
            point("h_seconds_bucket", &[("a", "x"), ("le", "10.0")], 2.0),
            point("h_seconds_bucket", &[("a", "x"), ("le", "2.5")], 1.0),
            point("h_seconds_bucket", &[("a", "x"), ("le", "+Inf")], 3.0),
            point("h_seconds_bucket", &[("a", "x")], 9.0),
            point("h_seconds_count", &[("a", "x")], 3.0),
            point("h_seconds", &[], 4.0),
            point("s", &[("quantile", "0.5")], 1e-7),
            point("s_sum", &[], 6.0),
            point("t_total", &[("instance", "e:1"), ("job", "e")], 7.0),
            point("odd_counter", &[], 8.0),
            point("node_load1", &[("instance", "me"), ("job", "node")], 0.25),
            point("node_load1", &[], 0.5),
            point("é.x", &[("b.c", "d\"")], f64::INFINITY),
            point("a", &[("instance", "me")], 1.0),
        ])
    }

    fn check(accept: &str, expected: &[&str]) {
        let format = negotiate(accept);
        let newest = as_seen_by_scrapers(example(), "me", format);
        let text = render(&newest, &known(), format, 10_000).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains(NO_HELP)).collect();
        assert_eq!(lines, expected, "{text}");
        assert_eq!(render(&newest, &known(), format, 10), Err(TooLarge { bytes_max: 10 }));
    }

    #[test]
    fn text() {
        check(
            "",
            &[
                "# TYPE __x untyped",
                "__x{b_c=\"d\\\"\"} +Inf",
                "# TYPE a untyped",
                "a 1",
                "# HELP h_seconds a \"text\"\\n\\\\",
                "# TYPE h_seconds histogram",
                "h_seconds_bucket{a=\"x\",le=\"2.5\"} 1",
                "h_seconds_bucket{a=\"x\",le=\"10.0\"} 2",
                "h_seconds_bucket{a=\"x\",le=\"+Inf\"} 3",
                "h_seconds_count{a=\"x\"} 3",
                "# HELP node_load1 l",
                "# TYPE node_load1 gauge",
                "node_load1 0.25",
                "# HELP odd_counter o",
                "# TYPE odd_counter counter",
                "odd_counter 8",
                "# HELP s s",
                "# TYPE s summary",
                "s{quantile=\"0.5\"} 1e-07",
                "s_sum 6",
                "# HELP t_total t",
                "# TYPE t_total counter",
                "t_total{instance=\"e:1\",job=\"e\"} 7",
            ],
        );
    }

    #[test]
    fn openmetrics() {
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
            &[
                "# TYPE a unknown",
                "a 1",
                "# HELP h_seconds a \\\"text\\\"\\n\\\\",
                "# TYPE h_seconds histogram",
                "# UNIT h_seconds seconds",
                "h_seconds_bucket{a=\"x\",le=\"2.5\"} 1",
                "h_seconds_bucket{a=\"x\",le=\"10.0\"} 2",
                "h_seconds_bucket{a=\"x\",le=\"+Inf\"} 3",
                "h_seconds_count{a=\"x\"} 3",
                "# HELP node_load1 l",
                "# TYPE node_load1 gauge",
                "node_load1 0.25",
                "# HELP odd_counter o",
                "# TYPE odd_counter unknown",
                "odd_counter 8",
                "# HELP s s",
                "# TYPE s summary",
                "s{quantile=\"0.5\"} 1e-07",
                "s_sum 6",
                "# HELP t t",
                "# TYPE t counter",
                "t_total{instance=\"e:1\",job=\"e\"} 7",
                "# TYPE \"é.x\" unknown",
                "{\"é.x\",\"b.c\"=\"d\\\"\"} +Inf",
                "# EOF",
            ],
        );
    }
}
