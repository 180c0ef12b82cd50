//! What the store's records tell: requests by key and outcome, lines with errors, events.

use std::collections::BTreeMap;

use logs::Patterns;
use model::{UnixMs, catalogue as metric, exchange::Exchange, log::Line, series::TimeRange};
use report::facts::{Change, Errors, KeyUsage, Pattern, Said};
use store::{
    Store,
    events::{
        Aggregate, Event as _, Filter, GroupBy, Key, LINES, Measure, Noticed, Order, Row, Schema,
        Search,
    },
};

use super::{
    Period,
    ask::{Ask, Failure},
};

const EXCHANGES: &str = "exchange";
/// Keys that are told of.
const KEYS_MAX: usize = 50;
/// Patterns of lines that are told of.
const PATTERNS_MAX: usize = 12;
/// Changes that are told of.
const CHANGES_MAX: usize = 200;
/// Events that are changes.
const CHANGES: [&str; 8] = [
    "event.engine_changed",
    "event.engine_down",
    "event.engine_found",
    "event.engine_hung",
    "event.engine_oom_killed",
    "event.engine_restarted",
    "event.engine_up",
    "event.xid",
];
/// Outcomes that count as failures of the service.
const FAILED: &str = "outcome:(upstream_error OR truncated OR timeout)";
const ERRORS: &str = "severity:(error OR fatal)";

pub(super) struct Records<'a> {
    pub(super) store: &'a Store,
    pub(super) ask: &'a Ask<'a>,
    pub(super) range: TimeRange,
}

/// What keys were used for.
pub(super) struct Keys {
    pub(super) told: Vec<KeyUsage>,
    /// How many are left out.
    pub(super) omitted: usize,
    /// Of all of them.
    pub(super) requests: f64,
}

fn value(row: &Row, at: usize) -> Option<f64> {
    row.values.get(at).copied().flatten()
}

fn text(key: Option<&Key>) -> String {
    match key {
        Some(Key::Value(text)) => text.to_string(),
        _ => String::new(),
    }
}

impl Records<'_> {
    /// With the condition that the report's model is.
    fn filter(&self, schema: &Schema, condition: &str) -> Filter {
        let model = self
            .ask
            .model()
            .map(|model| format!("model:\"{}\"", model.replace('\\', "\\\\").replace('"', "\\\"")));
        let both: Vec<&str> = [Some(condition), model.as_deref()]
            .into_iter()
            .flatten()
            .filter(|condition| !condition.is_empty())
            .collect();
        Filter::parse(&both.join(" "), schema).unwrap_or_else(|error| {
            self.ask.miss(condition, &error.to_string());
            Filter::default()
        })
    }

    fn sum(
        &self,
        kind: &str,
        filter: &Filter,
        by: &[GroupBy<'_>],
        measures: &[Measure<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let timeout = self.ask.budget.left();
        let question = Aggregate { filter, range: self.range, by, measures, timeout };
        let table = self.store.events().aggregate(kind, &question)?;
        if table.damaged > 0 {
            self.ask.miss(kind, &format!("{} damaged parts", table.damaged));
        }
        Ok(table.rows)
    }

    /// What each key was used for, most requests first.
    pub(super) fn keys(&self) -> Result<Keys, Failure> {
        let by = [GroupBy::Field("key_name"), GroupBy::Field("model")];
        let measures =
            [Measure::Count, Measure::Sum("tokens_input"), Measure::Sum("tokens_output")];
        let schema = Exchange::schema();
        let mut keys: BTreeMap<String, KeyUsage> = BTreeMap::new();
        let add = |sum: &mut Option<f64>, more: Option<f64>| {
            if let Some(more) = more {
                *sum = Some(sum.unwrap_or(0.0) + more);
            }
        };
        for row in self.sum(EXCHANGES, &self.filter(schema, ""), &by, &measures)? {
            let name = text(row.keys.first());
            let key = keys.entry(name.clone()).or_insert(KeyUsage {
                name,
                failed: Some(0.0),
                ..KeyUsage::default()
            });
            let count = value(&row, 0).unwrap_or(0.0);
            key.requests += count;
            add(&mut key.tokens_input, value(&row, 1));
            add(&mut key.tokens_output, value(&row, 2));
            let model = text(row.keys.get(1));
            if !model.is_empty() {
                key.models.push((model, count));
            }
        }
        let failed = self.filter(schema, FAILED);
        for row in self.sum(EXCHANGES, &failed, &by[..1], &measures[..1])? {
            if let Some(key) = keys.get_mut(&text(row.keys.first())) {
                key.failed = value(&row, 0);
            }
        }
        let mut keys: Vec<KeyUsage> = keys.into_values().collect();
        keys.sort_by(|a, b| b.requests.total_cmp(&a.requests));
        let requests = keys.iter().map(|key| key.requests).sum();
        let omitted = keys.len().saturating_sub(KEYS_MAX);
        keys.truncate(KEYS_MAX);
        for key in &mut keys {
            key.models.sort_by(|a, b| b.1.total_cmp(&a.1));
        }
        Ok(Keys { told: keys, omitted, requests })
    }

    pub(super) fn errors(&self) -> Result<Errors, Failure> {
        let filter = self.filter(Exchange::schema(), "");
        let by = [GroupBy::Field("outcome")];
        let rows = self.sum(EXCHANGES, &filter, &by, &[Measure::Count])?;
        let outcome = |row: &Row| Some((text(row.keys.first()), value(row, 0)?));
        let mut outcomes: Vec<(String, f64)> = rows.iter().filter_map(outcome).collect();
        outcomes.sort_by(|a, b| b.1.total_cmp(&a.1));
        let (patterns, patterns_omitted) = self.patterns()?;
        Ok(Errors { outcomes, patterns, patterns_omitted })
    }

    /// What lines with errors have in common, most frequent first, and how many patterns are left out.
    fn patterns(&self) -> Result<(Vec<Pattern>, usize), Failure> {
        let filter = self.filter(Line::schema(), ERRORS);
        let by = [GroupBy::Field("pattern"), GroupBy::Field("severity")];
        let measures = [Measure::Count, Measure::First, Measure::Last];
        let mut rows = self.sum(LINES, &filter, &by, &measures)?;
        rows.sort_by(|a, b| value(b, 0).unwrap_or(0.0).total_cmp(&value(a, 0).unwrap_or(0.0)));
        let mut merged = Patterns::default();
        let mut found: Vec<Pattern> = Vec::new();
        for row in rows {
            let Some(place) = merged.push(&text(row.keys.first())) else { continue };
            let time = |at: usize| UnixMs(value(&row, at).unwrap_or(0.0) as i64);
            let (count, first, last) = (value(&row, 0).unwrap_or(0.0) as u64, time(1), time(2));
            if place >= found.len() {
                let severity = text(row.keys.get(1));
                found.push(Pattern { text: String::new(), severity, count: 0, first, last });
            }
            let Some(pattern) = found.get_mut(place) else { continue };
            pattern.count += count;
            pattern.first = pattern.first.min(first);
            pattern.last = pattern.last.max(last);
        }
        for (pattern, merged) in found.iter_mut().zip(merged.all()) {
            pattern.text = merged.text();
        }
        found.sort_by_key(|pattern| std::cmp::Reverse(pattern.count));
        let omitted = found.len().saturating_sub(PATTERNS_MAX);
        found.truncate(PATTERNS_MAX);
        Ok((found, omitted))
    }

    /// What became different, oldest first, and how much is left out.
    pub(super) fn changes(&self, period: Period) -> Result<(Vec<Change>, usize), Failure> {
        let codes: Vec<String> = CHANGES.iter().map(|code| format!("\"{code}\"")).collect();
        let condition = format!("code:({})", codes.join(" OR "));
        let filter = Filter::parse(&condition, Noticed::schema()).unwrap_or_else(|error| {
            self.ask.miss(&condition, &error.to_string());
            Filter::default()
        });
        let search = Search {
            filter: &filter,
            range: self.range,
            order: Order::Newest,
            limit: CHANGES_MAX,
            after: None,
            with_private: false,
            timeout: self.ask.budget.left(),
        };
        let page = self.store.events().search(Noticed::KIND, &search)?;
        let change = |hit: &store::events::Hit| {
            let event = Noticed::read(&hit.record).0;
            let said = Said { code: event.body.clone(), params: event.attributes.clone() };
            Change { time: event.time, said }
        };
        let mut changes: Vec<Change> = page.hits.iter().map(change).collect();
        let omitted = match page.next {
            None => 0,
            Some(_) => {
                let rows = self.sum(Noticed::KIND, &filter, &[], &[Measure::Count])?;
                let all = rows.first().and_then(|row| value(row, 0)).unwrap_or(0.0) as usize;
                all.saturating_sub(changes.len())
            }
        };
        changes.extend(self.versions(period)?);
        changes.sort_by_key(|change| change.time);
        Ok((changes, omitted))
    }

    /// Versions of engines that came after others, as their series tell: of engines elsewhere there are no events.
    fn versions(&self, period: Period) -> Result<Vec<Change>, Failure> {
        let info = self.ask.of_model(metric::LLM_ENGINE_INFO.name);
        let text = format!("count by (engine, instance, version) (present_over_time({info}[$w]))");
        let mut seen: BTreeMap<(String, String), Vec<(usize, String)>> = BTreeMap::new();
        for course in self.ask.over(period, &text)? {
            let first = course.values.iter().position(|value| value.is_finite());
            let engine = (course.label("engine").to_owned(), course.label("instance").to_owned());
            let version = course.label("version").to_owned();
            seen.entry(engine).or_default().extend(first.map(|first| (first, version)));
        }
        let mut changes = Vec::new();
        for ((engine, instance), mut versions) in seen {
            versions.sort();
            for pair in versions.windows(2) {
                let [(_, old), (place, new)] = pair else { continue };
                let time = UnixMs(period.start.0 + period.slot_ms * *place as i64);
                let params =
                    [("engine", &engine), ("instance", &instance), ("old", old), ("new", new)];
                let params = params.map(|(name, value)| (name.to_owned(), value.clone())).to_vec();
                let said = Said { code: "report.version_changed".into(), params };
                changes.push(Change { time, said });
            }
        }
        Ok(changes)
    }
}
