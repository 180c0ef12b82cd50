//! `/api/mw/v1/logs/export`: lines as a file, streamed while they are read.

use std::{
    io::{self, Write},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, Response, header},
};
use model::{
    UnixMs,
    log::Line,
    series::{Budget, TimeRange},
};
use serde_json::{Value, json};
use store::{
    Store,
    events::{Event as _, Filter, LINES, Order, Search},
};
use tokio::sync::mpsc::channel;

use super::{TIMEOUT, hit_json, search};
use crate::{
    api::{
        export::{PIECES_MAX, Pieces, body},
        form::{Form, invalid},
        json::ApiError,
        query::CancelOnDrop,
        requests::{Scope, csv_field},
        time::rfc3339,
    },
    wire::App,
};

/// Most lines of a file; the last record of one that was cut says so.
pub(crate) const LINES_MAX: usize = 1_000_000;
/// Lines that are read at a time.
const PAGE: usize = 1_000;
/// Members of a line that are columns of a table, behind its time.
const COLUMNS: [&str; 9] =
    ["severity", "source", "origin", "host", "service", "engine", "instance", "model", "body"];

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Ndjson,
    Csv,
}

/// What is written.
struct Export {
    filter: Filter,
    range: TimeRange,
    order: Order<'static>,
    limit: usize,
    format: Format,
}

pub(in crate::api) async fn export(
    State(app): State<Arc<App>>,
    form: Form,
) -> Result<Response<Body>, ApiError> {
    let Scope { filter, range } = Scope::read(&app, &form, Line::schema())?;
    let order = search::order(&form)?.unwrap_or(Order::Oldest);
    let limit = match form.limit("limit")? {
        0 => LINES_MAX,
        limit => limit.min(LINES_MAX),
    };
    let (format, kind, name) = match form.get("format").unwrap_or("ndjson") {
        "ndjson" => (Format::Ndjson, "application/x-ndjson", "logs.ndjson"),
        "csv" => (Format::Csv, "text/csv; charset=utf-8", "logs.csv"),
        other => {
            return Err(invalid("format", &format!("{other:?} is neither ndjson nor csv")));
        }
    };
    let Ok(turn) = Arc::clone(&app.exports).acquire_owned().await else {
        return Err(ApiError::internal("exports have ended"));
    };
    let budget = app.queries.export_budget();
    let cancel = CancelOnDrop::new(&budget);
    let (sender, receiver) = channel(PIECES_MAX);
    let export = Export { filter, range, order, limit, format };
    tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces(sender);
        let result = export.write(&app.store, &budget, &mut pieces);
        drop(turn);
        // A reader that is gone needs no answer. Any other learns that the end is missing.
        if let Err(error) = result
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            tracing::warn!("an export of lines ended early: {error}");
            pieces.fail(error);
        }
    });
    let mut response = Response::new(body(receiver, cancel));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

impl Export {
    fn write(&self, store: &Store, budget: &Budget, out: &mut dyn Write) -> io::Result<()> {
        if self.format == Format::Csv {
            out.write_all(csv_header().as_bytes())?;
        }
        let (mut left, mut after, mut range, mut damaged) = (self.limit, None, self.range, 0);
        let is_cut = loop {
            budget.check().map_err(io::Error::other)?;
            let search = Search {
                filter: &self.filter,
                range,
                order: self.order,
                limit: PAGE.min(left.max(1)),
                after,
                with_private: false,
                timeout: TIMEOUT,
            };
            let page = store.events().search(LINES, &search).map_err(io::Error::other)?;
            damaged += page.damaged;
            if left == 0 {
                break !page.hits.is_empty();
            }
            left = left.saturating_sub(page.hits.len());
            let mut text = String::new();
            page.hits.iter().for_each(|hit| text.push_str(&self.record(&hit_json(hit))));
            out.write_all(text.as_bytes())?;
            let Some(next) = page.next else { break false };
            after = Some(next);
            if let Some(last) = page.hits.last() {
                self.go_on(&mut range, last.record.time);
            }
        };
        if is_cut || damaged > 0 {
            out.write_all(self.end(is_cut, damaged).as_bytes())?;
        }
        Ok(())
    }

    /// What was read need not be looked at again.
    fn go_on(&self, range: &mut TimeRange, last: UnixMs) {
        match self.order {
            Order::Oldest => range.start = last,
            _ => range.end = last,
        }
    }

    fn record(&self, line: &Value) -> String {
        match self.format {
            Format::Ndjson => format!("{line}\n"),
            Format::Csv => csv_row(line),
        }
    }

    /// The last record of a file that lacks something.
    fn end(&self, is_cut: bool, damaged: usize) -> String {
        match self.format {
            Format::Ndjson => {
                json!({ "is_cut": is_cut, "limit": self.limit, "damaged": damaged }).to_string()
                    + "\n"
            }
            Format::Csv => {
                let mut said = String::new();
                if is_cut {
                    said = format!("cut: there are more than {} lines", self.limit);
                }
                if damaged > 0 {
                    said += &format!(" ({damaged} parts of the store could not be read)");
                }
                csv_row(&json!({ "body": said.trim() }))
            }
        }
    }
}

/// The names of the columns.
pub(crate) fn csv_header() -> String {
    let names: Vec<&str> = ["time"].into_iter().chain(COLUMNS).chain(["attributes"]).collect();
    names.join(",") + "\n"
}

/// A line, as the API writes it, as a row of a table.
pub(crate) fn csv_row(line: &Value) -> String {
    let time = line["time"].as_i64().map(|time| rfc3339(UnixMs(time))).unwrap_or_default();
    let text = |name: &&str| csv_field(line[*name].as_str().unwrap_or_default());
    let attributes = line.get("attributes").map(Value::to_string).unwrap_or_default();
    let cells: Vec<String> = [time]
        .into_iter()
        .chain(COLUMNS.iter().map(text))
        .chain([csv_field(&attributes)])
        .collect();
    cells.join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use model::Clock;
    use store::Options;

    use super::*;

    fn line(time: i64, body: &str) -> Line {
        Line {
            time: UnixMs(time),
            origin: Arc::default(),
            severity: None,
            body: body.to_owned(),
            attributes: Vec::new(),
            place: None,
        }
    }

    #[test]
    fn a_row_is_no_formula_and_holds_any_text() {
        let line = json!({
            "time": 951_826_554_321_i64, "severity": null, "host": "-a", "body": "=1+1,\"x\"\ny",
            "attributes": {"k": "v"},
        });
        let expected = "2000-02-29T12:15:54.321Z,\"\",\"\",\"\",\"'-a\",\"\",\"\",\"\",\"\",\"'=1+1,\"\"x\"\"\ny\",\"{\"\"k\"\":\"\"v\"\"}\"\n";
        assert_eq!(csv_row(&line), expected);
        assert_eq!(csv_header().split(',').count(), 11);
    }

    #[test]
    fn a_file_has_every_line_once_and_says_when_it_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let now = UnixMs(1_800_000_000_000);
        let clock = Clock::manual(now);
        let (store, _) = Store::open(folder.path(), Options::default(), clock.clone()).unwrap();
        // Many of the same time, over more than one page.
        let lines: Vec<Line> = (0..2_500)
            .map(|number| line(now.0 - 2_500 + number / 900, &number.to_string()))
            .collect();
        store.events().append(&lines).unwrap();
        let written = |order, limit, format| {
            let range = TimeRange { start: UnixMs(0), end: now };
            let export = Export { filter: Filter::default(), range, order, limit, format };
            let budget = Budget::new(clock.clone(), TIMEOUT, 0);
            let mut out = Vec::new();
            export.write(&store, &budget, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let numbers = |text: &str| -> Vec<usize> {
            let body = |line: &str| {
                let line: Value = serde_json::from_str(line).unwrap();
                line["body"].as_str().and_then(|body| body.parse().ok())
            };
            text.lines().filter_map(body).collect()
        };
        let all = written(Order::Oldest, LINES_MAX, Format::Ndjson);
        assert_eq!(numbers(&all), (0..2_500).collect::<Vec<_>>());
        assert!(!all.contains("is_cut"));
        let newest = written(Order::Newest, 2_499, Format::Ndjson);
        assert_eq!(numbers(&newest), (1..2_500).rev().collect::<Vec<_>>());
        assert!(
            newest.ends_with("{\"damaged\":0,\"is_cut\":true,\"limit\":2499}\n"),
            "{newest:.80}"
        );
        assert!(!written(Order::Newest, 2_500, Format::Ndjson).contains("is_cut"));
        let table = written(Order::Oldest, 3, Format::Csv);
        assert_eq!(table.lines().count(), 5);
        assert!(table.ends_with("\"cut: there are more than 3 lines\",\"\"\n"), "{table}");
    }
}
