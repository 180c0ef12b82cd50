//! `/api/mw/v1/requests`: the gateway's records, searched and summed up. Field names are those of the filter
//! language ([docs/storage.md](../../../../docs/storage.md)), so that what is seen can be asked for.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Path, State},
    http::{Response, StatusCode},
};
use model::{
    UnixMs,
    exchange::{Exchange, GAPS_SCHEMA},
    log::{LogRecord, Severity},
    series::TimeRange,
};
use serde_json::{Map, Value, json};
use store::events::{
    Aggregate, Event as _, Filter, FilterError, GroupBy, Hit, Key, Measure, Order, QueryError, Row,
    Schema, Search, Value as Field,
};

use super::{
    form::{Form, integer, invalid},
    json::{ApiError, response},
    time::date,
};
use crate::wire::App;

/// The kind of records.
const KIND: &str = "exchange";
/// Records of a page unless another number is asked for.
const PAGE: usize = 100;
/// Most records of a page, however many are asked for.
const PAGE_MAX: usize = 1_000;
/// How far back is looked where no start is given.
const SPAN: Duration = Duration::from_secs(60 * 60);
/// How long a question may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Most columns of a heat map; more are made to be so many.
const COLUMNS_MAX: i64 = 400;
/// Buckets in which a value doubles.
const PER_DOUBLING: u8 = 2;
const DAY: Duration = Duration::from_secs(86_400);
/// Furthest time from 1970, so that all windows have room before and after.
pub(super) const TIME_MS_MAX: i64 = 9_000_000_000_000_000;
/// What a summary tells of times.
const TIMES: [&str; 3] = ["ttft_ms", "tpot_ms", "e2e_ms"];
const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];

pub(super) type Answer = Result<Response<Body>, ApiError>;

/// What is asked about: which records, of when.
pub(super) struct Scope {
    pub(super) filter: Filter,
    pub(super) range: TimeRange,
}

impl Scope {
    /// Of records with these fields.
    pub(super) fn read(app: &App, form: &Form, schema: &Schema) -> Result<Self, ApiError> {
        let text = form.get("filter").unwrap_or_default();
        let filter = Filter::parse(text, schema).map_err(|error| not_understood(&error))?;
        let end = millis(form, "end")?.unwrap_or(app.clock.now());
        let start = millis(form, "start")?.unwrap_or(end - SPAN);
        if start > end {
            return Err(ApiError::refused("refused.backwards", Vec::new()));
        }
        Ok(Self { filter, range: TimeRange { start, end } })
    }

    /// With a condition more.
    fn only(&self, condition: &str, form: &Form) -> Result<Filter, ApiError> {
        let text = form.get("filter").unwrap_or_default();
        let both =
            if text.is_empty() { condition.to_owned() } else { format!("({text}) {condition}") };
        Filter::parse(&both, Exchange::schema()).map_err(|error| not_understood(&error))
    }
}

/// Unix milliseconds.
pub(super) fn millis(form: &Form, name: &str) -> Result<Option<UnixMs>, ApiError> {
    let Some(text) = form.get(name) else { return Ok(None) };
    let number = integer(text).map_err(|reason| invalid(name, &reason))?;
    Ok(Some(UnixMs(number)))
}

/// A time that must be given.
pub(super) fn needed_time(form: &Form, name: &'static str) -> Result<UnixMs, ApiError> {
    let time = form.get(name).and_then(|text| integer(text).ok()).map(UnixMs);
    time.filter(|time| (-TIME_MS_MAX..=TIME_MS_MAX).contains(&time.0))
        .ok_or_else(|| ApiError::refused("refused.time", vec![("name", name.to_owned())]))
}

/// Says it as a code as well, so that the page can say it in its own language.
pub(super) fn not_understood(error: &FilterError) -> ApiError {
    let field = error.problem.field().map(|field| ("field", field.to_owned()));
    let params = field.into_iter().chain([("at", error.at.to_string())]);
    ApiError::bad_data(error.to_string())
        .with_message(format!("filter.{}", error.problem.code()), params)
}

pub(super) fn refused(error: QueryError) -> ApiError {
    let text = error.to_string();
    let answer = match error {
        QueryError::Timeout => ApiError::timeout(text),
        _ => ApiError::bad_data(text),
    };
    let field = error.field().map(|field| ("field", field.to_owned()));
    answer.with_message(format!("search.{}", error.code()), field)
}

pub(super) fn ok(value: &Value) -> Answer {
    Ok(response(StatusCode::OK, value.to_string()))
}

/// A page of records in the order asked for.
pub(super) async fn requests(State(app): State<Arc<App>>, form: Form) -> Answer {
    let scope = Scope::read(&app, &form, Exchange::schema())?;
    let limit = match form.limit("limit")? {
        0 => PAGE,
        limit => limit.min(PAGE_MAX),
    };
    let after = form.get("cursor").map(str::parse).transpose().map_err(refused)?;
    let sort = form.get("sort").unwrap_or("-time").to_owned();
    let for_work = Arc::clone(&app);
    let found = app.queries.run(Some(TIMEOUT), move |_, budget| {
        let events = for_work.store.events();
        let (filter, range) = (&scope.filter, scope.range);
        let order = order(&sort);
        let search = Search {
            filter,
            range,
            order,
            limit,
            after,
            with_private: false,
            timeout: budget.left(),
        };
        let page = events.search(KIND, &search).map_err(refused)?;
        let (by, measures) = ([], [Measure::Count]);
        let counted =
            Aggregate { filter, range, by: &by, measures: &measures, timeout: budget.left() };
        let counted = events.aggregate(KIND, &counted).map_err(refused)?;
        let total = counted.rows.first().and_then(|row| row.values.first().copied().flatten());
        Ok((page, total.unwrap_or_default()))
    });
    let (page, total) = found.await?;
    ok(&json!({
        "requests": page.hits.iter().map(record_json).collect::<Vec<_>>(),
        "next": page.next.map(|cursor| cursor.to_string()),
        "total": total as u64,
        "damaged": page.damaged,
    }))
}

fn order(sort: &str) -> Order<'_> {
    match sort {
        "-time" => Order::Newest,
        "time" => Order::Oldest,
        sort => match sort.strip_prefix('-') {
            Some(field) => Order::Largest(field),
            None => Order::Smallest(sort),
        },
    }
}

/// One record.
pub(super) async fn request(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let hit = find(&app, &id, false).await?;
    ok(&record_json(&hit))
}

/// What was asked and answered, where that is kept. Every reading is noted as an event.
pub(super) async fn bodies(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let hit = find(&app, &id, true).await?;
    let record = &hit.record;
    let schema = Exchange::schema();
    let value = |name: &str| schema.position(name).and_then(|position| record.value(position));
    let body = |text: &str, cut: &str| {
        let text = value(text).and_then(Field::as_text)?;
        Some(json!({ "text": text, "is_cut": value(cut) == Some(&Field::Flag(true)) }))
    };
    let request = body("request_body", "is_request_body_cut");
    let answer = body("response_body", "is_response_body_cut");
    if request.is_none() && answer.is_none() {
        return Err(ApiError::not_found("the bodies of this request were not kept"));
    }
    app.events.push(LogRecord {
        time: app.clock.now(),
        source: "gateway".into(),
        severity: Severity::Warn,
        body: "event.bodies_read".into(),
        attributes: vec![("request".into(), id)],
    });
    ok(&json!({ "request": request, "response": answer }))
}

/// The record with an id: its time and number.
async fn find(app: &Arc<App>, id: &str, with_private: bool) -> Result<Hit, ApiError> {
    let nothing = || ApiError::not_found("there is no such request, or it is too old");
    let (time, number) = id.split_once('-').ok_or_else(nothing)?;
    let time = UnixMs(time.parse().map_err(|_| nothing())?);
    let number = u64::from_str_radix(number, 16).map_err(|_| nothing())?;
    let for_work = Arc::clone(app);
    let found = app.queries.run(Some(TIMEOUT), move |_, budget| {
        let filter = Filter::default();
        let mut after = None;
        loop {
            let search = Search {
                filter: &filter,
                range: TimeRange { start: time, end: time },
                order: Order::Newest,
                limit: PAGE_MAX,
                after,
                with_private,
                timeout: budget.left(),
            };
            let page = for_work.store.events().search(KIND, &search).map_err(refused)?;
            if let Some(hit) = page.hits.into_iter().find(|hit| hit.number == number) {
                return Ok(Some(hit));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(None),
            }
        }
    });
    found.await?.ok_or_else(nothing)
}

pub(super) fn record_json(hit: &Hit) -> Value {
    let mut members = Map::new();
    members.insert("id".into(), json!(format!("{}-{:x}", hit.record.time.0, hit.number)));
    members.insert("time".into(), json!(hit.record.time.0));
    let mut gaps = Vec::new();
    for (name, value) in hit.record.named(Exchange::schema()) {
        let value = match value {
            Field::Text(text) if name == "itl_histogram" => {
                gaps = buckets(text);
                continue;
            }
            Field::Text(text) => json!(text),
            Field::Flag(flag) => json!(flag),
            Field::Count(count) => json!(count),
            Field::Number(number) => json!((number * 1e3).round() / 1e3),
            Field::Map(pairs) => {
                let pairs = pairs.iter().map(|(name, value)| (name.to_string(), json!(value)));
                Value::Object(pairs.collect())
            }
        };
        members.insert(name.into(), value);
    }
    if !gaps.is_empty() {
        let known = |name: &str| members.get(name).cloned().unwrap_or_default();
        let gaps = json!({
            "count": gaps.iter().map(|(_, count)| count).sum::<u64>(),
            "p50_ms": known("itl_p50_ms"),
            "p99_ms": known("itl_p99_ms"),
            "longest_ms": known("itl_max_ms"),
            "buckets": gaps,
        });
        members.insert("gaps".into(), gaps);
    }
    // Whether a body was cut is told of bodies that were kept.
    let is_kept = |name: &str| members.contains_key(name);
    let has_bodies = is_kept("is_request_body_cut") || is_kept("is_response_body_cut");
    members.insert("has_bodies".into(), json!(has_bodies));
    Value::Object(members)
}

/// The upper bound of each bucket in milliseconds, and its count.
fn buckets(text: &str) -> Vec<(f64, u64)> {
    let per_doubling = f64::from(1_u32 << GAPS_SCHEMA);
    let bucket = |pair: &str| {
        let (index, count) = pair.split_once(':')?;
        let (index, count): (f64, u64) = (index.parse().ok()?, count.parse().ok()?);
        Some(((index / per_doubling).exp2() * 1e3, count))
    };
    text.split(' ').filter_map(bucket).collect()
}

/// Counts, tokens and percentiles by what `by` names.
pub(super) async fn summary(State(app): State<Arc<App>>, form: Form) -> Answer {
    let scope = Scope::read(&app, &form, Exchange::schema())?;
    let failed = scope.only("NOT outcome:ok", &form)?;
    let by = match form.get("by").unwrap_or("model") {
        "key" => "key_name",
        "model" => "model",
        "outcome" => "outcome",
        "upstream" => "upstream",
        other => {
            let reason = format!("{other:?} is none of model, key, outcome, upstream");
            return Err(invalid("by", &reason));
        }
    };
    let for_work = Arc::clone(&app);
    let rows = app.queries.run(Some(TIMEOUT), move |_, budget| {
        let ask = |filter: &Filter, measures: &[Measure<'_>]| {
            let (by, range) = ([GroupBy::Field(by)], scope.range);
            let question = Aggregate { filter, range, by: &by, measures, timeout: budget.left() };
            for_work.store.events().aggregate(KIND, &question).map_err(refused)
        };
        let times = TIMES.iter().flat_map(|field| {
            PERCENTILES.iter().map(move |(_, part)| Measure::Percentile(field, *part))
        });
        let counts = [Measure::Count, Measure::Sum("tokens_input"), Measure::Sum("tokens_output")];
        let measures: Vec<Measure<'_>> = counts.into_iter().chain(times).collect();
        let errors = ask(&failed, &[Measure::Count])?.rows;
        let mut rows = ask(&scope.filter, &measures)?.rows;
        rows.sort_by(|a, b| b.values[0].unwrap_or(0.0).total_cmp(&a.values[0].unwrap_or(0.0)));
        Ok(rows.iter().map(|row| summary_json(row, &errors)).collect::<Vec<_>>())
    });
    ok(&json!({ "rows": rows.await? }))
}

fn summary_json(row: &Row, errors: &[Row]) -> Value {
    let whole = |value: Option<f64>| value.map(|value| value as u64);
    let failed = errors.iter().find(|other| other.keys == row.keys);
    let failed = failed.and_then(|row| row.values.first().copied().flatten());
    let mut members = Map::new();
    members.insert("group".into(), row.keys.first().map_or(Value::Null, key_json));
    let mut values = row.values.iter().copied();
    let mut next = || values.next().flatten();
    members.insert("count".into(), json!(whole(next())));
    members.insert("errors".into(), json!(whole(failed).unwrap_or(0)));
    members.insert("tokens_input".into(), json!(whole(next())));
    members.insert("tokens_output".into(), json!(whole(next())));
    for field in TIMES {
        let parts = PERCENTILES.iter().map(|(name, _)| ((*name).to_owned(), json!(next())));
        let parts: Map<String, Value> = parts.collect();
        members.insert(field.into(), Value::Object(parts));
    }
    Value::Object(members)
}

pub(super) fn key_json(key: &Key) -> Value {
    match key {
        Key::Absent => Value::Null,
        Key::Value(text) => json!(text),
        Key::Time(time) => json!(time.0),
        Key::Bucket(bucket) => json!(bucket),
    }
}

/// How many records had which value when.
pub(super) async fn heatmap(State(app): State<Arc<App>>, form: Form) -> Answer {
    let scope = Scope::read(&app, &form, Exchange::schema())?;
    let measure = form.get("measure").unwrap_or("ttft").to_owned();
    let columns = match form.limit("columns")? {
        0 => 120,
        columns => i64::try_from(columns).unwrap_or(COLUMNS_MAX).min(COLUMNS_MAX),
    };
    let span = scope.range.end.0.saturating_sub(scope.range.start.0);
    let step = span.div_euclid(columns).max(1_000);
    let for_work = Arc::clone(&app);
    let field = format!("{measure}_ms");
    let (filter, range) = (scope.filter, scope.range);
    let map = app.queries.run(Some(TIMEOUT), move |_, budget| {
        let step = Duration::from_millis(u64::try_from(step).unwrap_or(1_000));
        let events = for_work.store.events();
        let scale = (field.as_str(), PER_DOUBLING);
        events.histogram2d(KIND, &filter, range, step, scale, budget.left()).map_err(refused)
    });
    let map = map.await?;
    let start = scope.range.start.0.div_euclid(step) * step;
    let lowest = map.cells.iter().map(|(_, bucket, _)| *bucket).min().unwrap_or_default();
    let highest = map.cells.iter().map(|(_, bucket, _)| *bucket).max().unwrap_or(lowest);
    let size = |value: i64| usize::try_from(value).unwrap_or_default();
    let rows = size(i64::from(highest) - i64::from(lowest)) + 1;
    let mut counts = vec![vec![0_u64; rows]; size((scope.range.end.0 - start) / step) + 1];
    for (time, bucket, count) in &map.cells {
        let column = counts.get_mut(size((time.0 - start) / step));
        let row = size(i64::from(*bucket) - i64::from(lowest));
        if let Some(cell) = column.and_then(|column| column.get_mut(row)) {
            *cell = *count;
        }
    }
    let bound = |bucket: i32| (f64::from(bucket) / f64::from(PER_DOUBLING)).exp2();
    let bounds: Vec<f64> = (lowest..=highest).map(bound).collect();
    ok(&json!({
        "measure": measure,
        "start": start,
        "step_ms": step,
        "bounds_ms": if map.cells.is_empty() { Vec::new() } else { bounds },
        "counts": counts,
    }))
}

/// What each key used of each model on each day (UTC), as JSON or CSV.
pub(super) async fn usage(State(app): State<Arc<App>>, form: Form) -> Answer {
    let scope = Scope::read(&app, &form, Exchange::schema())?;
    let failed = scope.only("NOT outcome:ok", &form)?;
    let is_csv = form.get("format") == Some("csv");
    let for_work = Arc::clone(&app);
    let (filter, range) = (scope.filter, scope.range);
    let rows = app.queries.run(Some(TIMEOUT), move |_, budget| {
        let by = [GroupBy::Field("key_name"), GroupBy::Field("model"), GroupBy::Time(DAY)];
        let ask = |filter: &Filter, measures: &[Measure<'_>]| {
            let question = Aggregate { filter, range, by: &by, measures, timeout: budget.left() };
            for_work.store.events().aggregate(KIND, &question).map_err(refused)
        };
        let measures =
            [Measure::Count, Measure::Sum("tokens_input"), Measure::Sum("tokens_output")];
        let errors = ask(&failed, &[Measure::Count])?.rows;
        let rows = ask(&filter, &measures)?.rows;
        Ok(rows.iter().map(|row| Used::new(row, &errors)).collect::<Vec<_>>())
    });
    let rows = rows.await?;
    if !is_csv {
        return ok(&json!({ "rows": rows.iter().map(Used::json).collect::<Vec<_>>() }));
    }
    let mut text = String::from("day,key,model,requests,errors,tokens_input,tokens_output\n");
    rows.iter().for_each(|row| text.push_str(&row.csv()));
    let mut response = response(StatusCode::OK, text);
    let headers = response.headers_mut();
    let value = axum::http::HeaderValue::from_static;
    headers.insert("content-type", value("text/csv; charset=utf-8"));
    headers.insert("content-disposition", value("attachment; filename=\"usage.csv\""));
    Ok(response)
}

/// One row of usage.
struct Used {
    day: String,
    key: Option<String>,
    model: Option<String>,
    requests: u64,
    errors: u64,
    input: Option<u64>,
    output: Option<u64>,
}

impl Used {
    fn new(row: &Row, errors: &[Row]) -> Self {
        let value = |row: &Row, index: usize| row.values.get(index).copied().flatten();
        let whole = |value: f64| value as u64;
        let name = |index: usize| match row.keys.get(index) {
            Some(Key::Value(text)) => Some(text.to_string()),
            _ => None,
        };
        let day = match row.keys.last() {
            Some(Key::Time(time)) => date(*time),
            _ => String::new(),
        };
        let failed = errors.iter().find(|other| other.keys == row.keys);
        Self {
            day,
            key: name(0),
            model: name(1),
            requests: value(row, 0).map_or(0, whole),
            errors: failed.and_then(|row| value(row, 0)).map_or(0, whole),
            input: value(row, 1).map(whole),
            output: value(row, 2).map(whole),
        }
    }

    fn json(&self) -> Value {
        json!({
            "day": self.day,
            "key": self.key,
            "model": self.model,
            "requests": self.requests,
            "errors": self.errors,
            "tokens_input": self.input,
            "tokens_output": self.output,
        })
    }

    fn csv(&self) -> String {
        let number = |value: Option<u64>| value.map_or(String::new(), |value| value.to_string());
        let cells = [
            self.day.clone(),
            csv_field(self.key.as_deref().unwrap_or_default()),
            csv_field(self.model.as_deref().unwrap_or_default()),
            self.requests.to_string(),
            self.errors.to_string(),
            number(self.input),
            number(self.output),
        ];
        cells.join(",") + "\n"
    }
}

/// Text from outside as a field of a table.
pub(crate) fn csv_field(text: &str) -> String {
    // A spreadsheet takes what begins so for a formula.
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use model::message::{Language, render};

    use super::*;

    #[test]
    fn gaps_become_buckets() {
        assert_eq!(buckets("0:1 8:2"), [(1000.0, 1), (2000.0, 2)]);
        assert_eq!(buckets(""), []);
        assert_eq!(buckets("x:1 3"), []);
    }

    /// The codes are made of parts, so that what the compiler does not see is looked at here.
    #[test]
    fn what_is_wrong_with_a_filter_is_said_in_both_languages() {
        let check = |filter: &str, expected: &str| {
            let error = Filter::parse(filter, Exchange::schema()).unwrap_err();
            let (code, params) = not_understood(&error).message.unwrap();
            let said = render(&code, &params, Language::English);
            assert_eq!(said, expected);
            assert_ne!(render(&code, &params, Language::Chinese), said, "{code}");
        };
        check("colour:red", "there is no field colour (character 1 of the filter)");
        check("model:\"x", "a quote is not closed (character 9 of the filter)");
        check(
            "ok (status:x)",
            "status needs a number, a comparison such as >200, or a range such as 1..5 (character 13 of the filter)",
        );
        check("request_body:x", "request_body is kept, not searched (character 15 of the filter)");
        check("(", "a value is missing (character 2 of the filter)");
        for error in [
            QueryError::UnknownField("x".into()),
            QueryError::NotANumber("x".into()),
            QueryError::TooManyGroups(1),
            QueryError::InvalidCursor,
            QueryError::Timeout,
        ] {
            let (code, params) = refused(error).message.unwrap();
            assert_ne!(render(&code, &params, Language::English), code);
        }
    }

    #[test]
    fn orders() {
        assert_eq!(order("-time"), Order::Newest);
        assert_eq!(order("time"), Order::Oldest);
        assert_eq!(order("-ttft_ms"), Order::Largest("ttft_ms"));
        assert_eq!(order("tokens_output"), Order::Smallest("tokens_output"));
    }

    #[test]
    fn no_cell_of_a_table_is_a_formula() {
        let row = Used {
            day: "2026-11-28".into(),
            key: Some("=1+1,\"".into()),
            model: None,
            requests: 2,
            errors: 1,
            input: None,
            output: Some(0),
        };
        assert_eq!(row.csv(), "2026-11-28,\"'=1+1,\"\"\",\"\",2,1,,0\n");
    }
}
