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
        names::Names,
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
    // As in Prometheus no condition at all finds nothing, which is how `{}` by mistake ends well.
    for matchers in selectors.iter().filter(|matchers| !matchers.is_empty()) {
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
            let own = labels.iter().filter(|(label, _)| *label != NAME);
            let missing = labels.get(INSTANCE).is_none().then_some((INSTANCE, ""));
            self.write_series(&mut out, name, own.chain(missing));
            out.push(' ');
            write_general(&mut out, *value, None);
            out.push_str(&format!(" {time}\n"));
            if out.len() > bytes_max {
                return Err(TooLarge { bytes_max });
            }
        }
        Ok(out)
    }
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
