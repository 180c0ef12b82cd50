//! `/api/v1/series`, `/api/v1/labels` and `/api/v1/label/<name>/values`: what there is to ask for.

use std::sync::Arc;

use axum::extract::{Path, State, rejection::PathRejection};
use model::{
    Labels,
    series::{Budget, Matcher, SeriesSource, TimeRange, sorted},
};

use super::{
    super::{
        form::{Form, invalid},
        json::{ApiError, bounded_list, success, write_labels, write_string},
        query::from_select_error,
    },
    Answer, narrow_selectors,
    query::TRUNCATED,
    time_range,
};
use crate::wire::App;

pub(super) async fn series(State(app): State<Arc<App>>, form: Form) -> Answer {
    if form.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = form.limit("limit")?;
    let range = time_range(&form)?;
    let selectors = narrow_selectors(&form).map_err(|reason| invalid("match[]", &reason))?;
    let find = move |source: &dyn SeriesSource, budget: &Budget| {
        matching(source, &selectors, range, budget)
    };
    list(&app, limit, range, find, write_labels).await
}

pub(super) async fn label_names(State(app): State<Arc<App>>, form: Form) -> Answer {
    let limit = form.limit("limit")?;
    let range = time_range(&form)?;
    let selectors = narrow_selectors(&form).map_err(ApiError::bad_data)?;
    let find = move |source: &dyn SeriesSource, budget: &Budget| {
        if selectors.is_empty() {
            return source.label_names(range, budget).map_err(from_select_error);
        }
        let found = matching(source, &selectors, range, budget)?;
        Ok(sorted(found.iter().flat_map(|labels| labels.iter().map(|(name, _)| name))))
    };
    list(&app, limit, range, find, |out, name| write_string(out, name)).await
}

pub(super) async fn label_values(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
    form: Form,
) -> Answer {
    // The path is refused where its escapes mean no UTF-8.
    let Ok(Path(name)) = name else {
        return Err(ApiError::bad_data("invalid label name: it is not valid UTF-8"));
    };
    let name = unescape(&name).unwrap_or(name);
    let limit = form.limit("limit")?;
    let range = time_range(&form)?;
    let selectors = narrow_selectors(&form).map_err(ApiError::bad_data)?;
    let find = move |source: &dyn SeriesSource, budget: &Budget| {
        if selectors.is_empty() {
            return source.label_values(&name, range, budget).map_err(from_select_error);
        }
        let found = matching(source, &selectors, range, budget)?;
        Ok(sorted(found.iter().filter_map(|labels| labels.get(&name))))
    };
    list(&app, limit, range, find, |out, value| write_string(out, value)).await
}

/// Answers with what is found, at most `limit` of it; 0 means all.
async fn list<T: Send + 'static>(
    app: &App,
    limit: usize,
    range: TimeRange,
    find: impl FnOnce(&dyn SeriesSource, &Budget) -> Result<Vec<T>, ApiError> + Send + 'static,
    write: impl Fn(&mut String, &T) + Send + 'static,
) -> Answer {
    let bytes_max = app.queries.result_bytes_max();
    let work = move |source: &dyn SeriesSource, budget: &Budget| {
        // Nothing is between an end and a later start.
        let mut items = if range.end < range.start { Vec::new() } else { find(source, budget)? };
        let is_truncated = limit > 0 && items.len() > limit;
        if is_truncated {
            items.truncate(limit);
        }
        let mut data = String::new();
        bounded_list(&mut data, items.iter(), bytes_max, write)?;
        let warnings = if is_truncated { vec![TRUNCATED.to_owned()] } else { Vec::new() };
        Ok(success(&data, &warnings, &[]))
    };
    app.queries.run(None, work).await
}

/// The series that satisfy at least one selector, sorted, each once.
fn matching(
    source: &dyn SeriesSource,
    selectors: &[Vec<Matcher>],
    range: TimeRange,
    budget: &Budget,
) -> Result<Vec<Labels>, ApiError> {
    let mut found = Vec::new();
    for matchers in selectors {
        found.extend(source.series(matchers, range, budget).map_err(from_select_error)?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Names with other characters than Prometheus 2 allowed arrive as `U__` plus `_HEX_` for each of those
/// and `__` for `_`. What is no such name means itself.
fn unescape(name: &str) -> Option<String> {
    /// Digits of the largest code point.
    const DIGITS_MAX: usize = 6;
    let mut rest = name.strip_prefix("U__")?;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once('_') {
        plain.push_str(before);
        if let Some(after) = after.strip_prefix('_') {
            plain.push('_');
            rest = after;
            continue;
        }
        let (hex, after) = after.split_once('_')?;
        let is_hex = hex.len() < DIGITS_MAX && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = u32::from_str_radix(hex, 16).ok().filter(|_| is_hex)?;
        plain.push(char::from_u32(code)?);
        rest = after;
    }
    plain.push_str(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names() {
        let check = |name, expected: Option<&str>| {
            assert_eq!(unescape(name).as_deref(), expected, "{name}");
        };
        check("job", None);
        check("U__a_2e_b", Some("a.b"));
        check("U__a_2E_b", Some("a.b"));
        check("U__a__b", Some("a_b"));
        check("U___2e_", Some("."));
        check("U___1f600_", Some("😀"));
        check("U__a_zz_b", None);
        check("U__a_+2e_b", None);
        check("U__a_d800_b", None);
        check("U__a_2e", None);
        check("U__a_", None);
    }
}
