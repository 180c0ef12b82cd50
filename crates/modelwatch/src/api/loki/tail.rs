//! `tail`: lines as they come, over a WebSocket, behind those that came last.
//!
//! How a flood and a slow reader are dealt with is what `logs/tail.rs` says; only the words are Loki's.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::Response,
};
use model::{UnixMs, log::Line, series::TimeRange};
use serde_json::{Value as Json, json};

use super::{
    Refusal, TIMEOUT, answer,
    entry::Entry,
    logql::{Expr, Log},
    parameters::{self, Asked},
    parsed, refused,
    streams::{self, Direction, Wanted},
};
use crate::{
    api::{
        form::Form,
        json::ApiError,
        logs::{MESSAGE_BYTES_MAX, TAILS_MAX, TICKS, Tail, Watcher},
    },
    wire::App,
};

/// Lines that are shown in a second; the others are counted.
const LINES_MAX: usize = 200;
/// Most bytes of texts that wait to be sent; lines beyond are counted.
const BYTES_MAX: usize = 2 << 20;
/// Ticks after which what was sent at the beginning cannot come again.
const TICKS_OF_OVERLAP: u32 = 10 * TICKS;

pub(super) async fn tail(
    State(app): State<Arc<App>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    form: Form,
) -> Result<Response<Body>, Refusal> {
    let Expr::Log(log) = parsed(&form)? else {
        return Err(Refusal::bad("only lines can be watched, not metrics"));
    };
    let limit = parameters::limit(&form)?;
    let now = app.clock.now();
    let range = TimeRange { end: UnixMs(i64::MAX), ..Asked::read(&form, now)?.range() };
    let upgrade = upgrade.map_err(|error| Refusal::bad(error.body_text()))?;
    let Ok(place) = Arc::clone(&app.tails).try_acquire_owned() else {
        let text = format!("{TAILS_MAX} connections watch lines already; close one of them");
        return Err(ApiError::unavailable(text).into());
    };
    // Before anything is looked for, so that nothing is missed between what was and what comes.
    let (lines, stop, clock) = (app.lines.subscribe(), app.stop.subscribe(), app.clock.clone());
    let wanted = Wanted { range, direction: Direction::Backward, limit, is_categorized: false };
    let past = {
        let (for_work, log) = (Arc::clone(&app), log.clone());
        let found = app.queries.run(Some(TIMEOUT), move |_, budget| {
            let found = streams::find(for_work.store.events(), &log, &wanted, budget);
            found.map_err(|error| refused(&error))
        });
        found.await?
    };
    let mut watcher = Watched::new(log);
    watcher.begin_with(past.streams.into_values().flatten().collect());
    let tail = Tail { lines, watcher, clock, stop, place };
    Ok(upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .on_upgrade(async move |socket| tail.run(socket).await))
}

/// What waits to be sent.
struct Watched {
    log: Log,
    entries: Vec<Entry>,
    bytes: usize,
    skipped: u64,
    /// When the last of them was written.
    skipped_at: UnixMs,
    /// Lines taken in this second.
    taken: usize,
    ticks: u32,
    /// Times and lines that were sent at the beginning, and may come again.
    sent: HashMap<(UnixMs, String), usize>,
}

impl Watched {
    fn new(log: Log) -> Self {
        Self {
            log,
            entries: Vec::new(),
            bytes: 0,
            skipped: 0,
            skipped_at: UnixMs(0),
            taken: 0,
            ticks: 0,
            sent: HashMap::new(),
        }
    }

    fn begin_with(&mut self, mut entries: Vec<Entry>) {
        entries.sort_by_key(|entry| entry.time);
        for entry in &entries {
            *self.sent.entry((entry.time, entry.line.clone())).or_default() += 1;
        }
        self.entries = entries;
    }

    fn was_sent(&mut self, entry: &Entry) -> bool {
        if self.sent.is_empty() {
            return false;
        }
        let Some(count) = self.sent.get_mut(&(entry.time, entry.line.clone())) else {
            return false;
        };
        let was_sent = *count > 0;
        *count = count.saturating_sub(1);
        was_sent
    }
}

impl Watcher for Watched {
    fn take(&mut self, lines: &[Line]) {
        for line in lines {
            let mut entry = Entry::new(line.clone());
            let is_wanted = entry.satisfies(&self.log.matchers) && entry.pass(&self.log.stages);
            if !is_wanted || self.was_sent(&entry) {
                continue;
            }
            let has_room = self.entries.is_empty() || self.bytes + entry.line.len() <= BYTES_MAX;
            if self.taken < LINES_MAX && has_room {
                self.taken += 1;
                self.bytes += entry.line.len();
                self.entries.push(entry);
            } else {
                self.skipped += 1;
                self.skipped_at = entry.time;
            }
        }
    }

    fn miss(&mut self, lost: u64) {
        self.skipped += lost;
    }

    fn tick(&mut self) {
        self.ticks = self.ticks.saturating_add(1);
        if self.ticks.is_multiple_of(TICKS) {
            // Nothing is taken while what was taken is not sent.
            self.taken = self.entries.len().min(LINES_MAX);
        }
        if self.ticks == TICKS_OF_OVERLAP {
            self.sent = HashMap::new();
        }
    }

    fn message(&mut self) -> Option<String> {
        if self.entries.is_empty() && self.skipped == 0 {
            return None;
        }
        let mut streams: BTreeMap<BTreeMap<String, String>, Vec<Json>> = BTreeMap::new();
        for entry in std::mem::take(&mut self.entries) {
            let pairs = entry.labels.iter();
            let labels = pairs.map(|label| (label.name.to_string(), label.value.clone())).collect();
            streams.entry(labels).or_default().push(answer::line(&entry, false));
        }
        let stream = |(labels, values)| json!({ "stream": labels, "values": values });
        let streams: Vec<Json> = streams.into_iter().map(stream).collect();
        let mut message = json!({ "streams": streams });
        if self.skipped > 0 {
            let labels = json!({ "skipped": self.skipped.to_string() });
            let time = answer::nanos(self.skipped_at);
            message["dropped_entries"] = json!([{ "labels": labels, "timestamp": time }]);
        }
        (self.bytes, self.skipped) = (0, 0);
        Some(message.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::logql::parse, *};

    fn line(time: i64, body: &str) -> Line {
        Line {
            time: UnixMs(time),
            origin: Arc::default(),
            severity: None,
            body: body.to_owned(),
            attributes: vec![("job".into(), "j".into())],
            place: None,
        }
    }

    fn watched() -> Watched {
        let Ok(Expr::Log(log)) = parse("{job=`j`} |= `wanted`") else { panic!() };
        Watched::new(log)
    }

    fn message(watched: &mut Watched) -> Json {
        watched.message().map_or(Json::Null, |text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn lines_are_told_in_lokis_words() {
        let mut watched = watched();
        watched.take(&[line(7, "wanted"), line(8, "other")]);
        let stream = json!({ "stream": { "job": "j" }, "values": [["7000000", "wanted"]] });
        assert_eq!(message(&mut watched), json!({ "streams": [stream] }));
        assert_eq!(message(&mut watched), Json::Null);
    }

    #[test]
    fn what_was_there_at_the_beginning_does_not_come_twice() {
        let mut watched = watched();
        watched.begin_with(vec![Entry::new(line(7, "wanted"))]);
        watched.take(&[line(7, "wanted"), line(7, "wanted"), line(9, "wanted")]);
        let values = &message(&mut watched)["streams"][0]["values"];
        assert_eq!(
            *values,
            json!([["7000000", "wanted"], ["7000000", "wanted"], ["9000000", "wanted"]])
        );
    }

    #[test]
    fn a_flood_is_counted() {
        let mut watched = watched();
        let lines: Vec<Line> = (0..250).map(|time| line(time, "wanted")).collect();
        watched.take(&lines);
        let told = message(&mut watched);
        assert_eq!(told["streams"][0]["values"].as_array().map(Vec::len), Some(LINES_MAX));
        let dropped = json!([{ "labels": { "skipped": "50" }, "timestamp": "249000000" }]);
        assert_eq!(told["dropped_entries"], dropped);
        for _ in 0..TICKS {
            watched.tick();
        }
        watched.take(&lines[..1]);
        assert!(message(&mut watched)["dropped_entries"].is_null());
    }
}
