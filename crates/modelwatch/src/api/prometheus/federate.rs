//! `/federate`: the newest sample of every series that is asked for, in the text format 0.0.4, for another
//! Prometheus to scrape. Native histograms have no place in that format and are left out.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};
use model::{
    Labels, NAME,
    sample::is_stale,
    series::{Budget, Matcher, SeriesSource, TimeRange},
};
use query::format::write_general;

use super::{
    super::{
        form::Form,
        json::{ApiError, TooLarge},
        query::from_select_error,
    },
    parse_selectors,
};
use crate::wire::App;

/// The label that says whose samples they are; where a series has none, its reader must not add its own.
const INSTANCE: &str = "instance";

/// Time and value of the newest sample of each series.
type Newest = BTreeMap<Labels, (i64, f64)>;

pub(super) async fn federate(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    form: Form,
) -> Response<Body> {
    let selectors = match parse_selectors(&form) {
        Ok(selectors) => selectors,
        Err(reason) => return ApiError::bad_data(reason).into_text(),
    };
    let end = app.clock.now();
    let range = TimeRange { start: end - app.queries.lookback(), end };
    let bytes_max = app.queries.result_bytes_max();
    let names = Names { are_quoted: accepts_any_name(&headers) };
    let text = app.queries.run(None, move |source, budget| {
        Ok(names.render(&newest(source, &selectors, range, budget)?, bytes_max)?)
    });
    match text.await {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = StatusCode::OK;
            let kind = HeaderValue::from_static(names.content_type());
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        Err(error) => error.into_text(),
    }
}

fn accepts_any_name(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("escaping=allow-utf-8"))
}

/// A series that ended, or that had no sample lately, is not there.
fn newest(
    source: &dyn SeriesSource,
    selectors: &[Vec<Matcher>],
    range: TimeRange,
    budget: &Budget,
) -> Result<Newest, ApiError> {
    let mut newest = Newest::new();
    for matchers in selectors {
        for data in source.select(matchers, range, budget).map_err(from_select_error)? {
            let (Some(time), Some(value)) = (data.times.last(), data.values.last()) else {
                continue;
            };
            if let Entry::Vacant(place) = newest.entry(data.labels)
                && !is_stale(*value)
            {
                place.insert((*time, *value));
            }
        }
    }
    Ok(newest)
}

/// How names are written that Prometheus 2 did not allow: quoted, or with underscores in place of what was
/// not allowed.
#[derive(Clone, Copy)]
struct Names {
    are_quoted: bool,
}

impl Names {
    fn content_type(self) -> &'static str {
        if self.are_quoted {
            "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8"
        } else {
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
        }
    }

    fn render(self, newest: &Newest, bytes_max: usize) -> Result<String, TooLarge> {
        let mut by_name: Vec<_> = newest.iter().collect();
        // Stable, so that series of one metric stay in order.
        by_name.sort_by(|(a, _), (b, _)| a.name().cmp(b.name()));
        let (mut out, mut last) = (String::new(), "");
        for (labels, (time, value)) in by_name {
            let name = labels.name();
            if name.is_empty() {
                continue;
            }
            if name != last {
                out.push_str("# TYPE ");
                self.write_name(&mut out, name, true);
                out.push_str(" untyped\n");
                last = name;
            }
            self.write_series(&mut out, labels);
            out.push(' ');
            write_general(&mut out, *value, None);
            out.push_str(&format!(" {time}\n"));
            if out.len() > bytes_max {
                return Err(TooLarge { bytes_max });
            }
        }
        Ok(out)
    }

    /// `name{label="value"}`, or `{"any name","any label"="value"}`. There are always labels.
    fn write_series(self, out: &mut String, labels: &Labels) {
        let name = labels.name();
        let is_outside = !self.are_quoted || is_plain(name, true);
        if is_outside {
            self.write_name(out, name, true);
        }
        out.push('{');
        if !is_outside {
            self.write_name(out, name, true);
        }
        let own = labels.iter().filter(|(label, _)| *label != NAME);
        let missing = labels.get(INSTANCE).is_none().then_some((INSTANCE, ""));
        for (index, (label, value)) in own.chain(missing).enumerate() {
            if index > 0 || !is_outside {
                out.push(',');
            }
            self.write_name(out, label, false);
            out.push('=');
            write_quoted(out, value);
        }
        out.push('}');
    }

    fn write_name(self, out: &mut String, name: &str, is_metric: bool) {
        if is_plain(name, is_metric) {
            out.push_str(name);
        } else if self.are_quoted {
            write_quoted(out, name);
        } else {
            let allowed = |index, c: char| {
                c == '_'
                    || (is_metric && c == ':')
                    || c.is_ascii_alphabetic()
                    || (index > 0 && c.is_ascii_digit())
            };
            let escaped = name.chars().enumerate();
            out.extend(escaped.map(|(index, c)| if allowed(index, c) { c } else { '_' }));
        }
    }
}

/// Whether Prometheus 2 allowed the name.
fn is_plain(name: &str, is_metric: bool) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || (is_metric && c == ':');
    name.chars().all(is_word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
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

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Newest {
        let labels = |name, pairs: &[(&str, &str)]| Labels::metric(name, pairs.iter().copied());
        Newest::from([
            (labels("up", &[("instance", "b:1"), ("a", "x\"\\\n")]), (1_500, 1.0)),
            (labels("up", &[("job", "a")]), (2_000, 1e6)),
            (labels("a.b:c", &[("d.e", "f")]), (-1, f64::NAN)),
            (Labels::from_pairs([("nameless", "1")]), (1, 1.0)),
        ])
    }

    #[test]
    fn rendering() {
        let check = |are_quoted, odd: &str| {
            let expected = format!(
                "{odd}# TYPE up untyped\nup{{a=\"x\\\"\\\\\\n\",instance=\"b:1\"}} 1 1500\n\
                 up{{job=\"a\",instance=\"\"}} 1e+06 2000\n"
            );
            assert_eq!(Names { are_quoted }.render(&example(), 1_000), Ok(expected));
        };
        check(false, "# TYPE a_b:c untyped\na_b:c{d_e=\"f\",instance=\"\"} NaN -1\n");
        check(true, "# TYPE \"a.b:c\" untyped\n{\"a.b:c\",\"d.e\"=\"f\",instance=\"\"} NaN -1\n");
        let refused = Names { are_quoted: true }.render(&example(), 10);
        assert_eq!(refused, Err(TooLarge { bytes_max: 10 }));
    }
}
