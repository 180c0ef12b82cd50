//! What there is to ask for: labels, their values, series, and how much of it.
//!
//! Names that only single lines have are known from a sample of the newest lines; reading all would take too long.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::ControlFlow,
    sync::Arc,
};

use axum::extract::{Path, State};
use model::{
    UnixMs,
    series::{Budget, TimeRange},
};
use serde_json::{Value as Json, json};
use store::events::{Events, Filter, GroupBy, Key, QueryError};

use super::{
    Answer, Refusal, answer,
    entry::{ALIASES, Entry, Kind, STREAM, field},
    logql::{Log, Matcher, parse_selector},
    parameters::{self, Asked},
    plan::Plan,
    refused, run,
};
use crate::{
    api::{
        form::Form,
        scan::{self, Scan, quoted},
    },
    wire::App,
};

/// Newest lines that names and values of single lines are taken from.
const SAMPLE: usize = 2_000;
/// Values of one label, series, or patterns in an answer; the most frequent ones, or the newest.
const ANSWERS_MAX: usize = 1_000;
/// Selectors of one request.
const SELECTORS_MAX: usize = 20;
/// Steps of the counts of a pattern at most.
const PATTERN_STEPS_MAX: i64 = 500;
const MINUTE_MS: i64 = 60_000;

/// Which lines are asked about.
struct Scope {
    range: TimeRange,
    plan: Plan,
}

impl Scope {
    fn new(app: &App, form: &Form, matchers: Vec<Matcher>) -> Result<Self, Refusal> {
        let asked = Asked::read(form, app.clock.now())?;
        let plan = Plan::new(&Log { matchers, stages: Vec::new() });
        Ok(Self { range: asked.range(), plan })
    }

    /// With the selector of `query`, which may be left out.
    fn read(app: &App, form: &Form) -> Result<Self, Refusal> {
        let matchers = match form.get("query") {
            Some(text) => selector(text)?,
            None => Vec::new(),
        };
        Self::new(app, form, matchers)
    }

    /// Hands out the newest lines.
    fn sample(
        &self,
        events: &Events,
        budget: &Budget,
        mut each: impl FnMut(Entry),
    ) -> Result<(), QueryError> {
        let (filter, range) = (&self.plan.filter, self.range);
        let scan =
            Scan { events, filter, range, is_newest_first: true, wanted: Some(SAMPLE), budget };
        let mut count = 0;
        scan.each(|_, line| {
            count += 1;
            let entry = Entry::new(line);
            if entry.satisfies(&self.plan.matchers) {
                each(entry);
            }
            if count == SAMPLE { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(())
    }

    /// How many lines there are of each value of fields.
    fn counts(
        &self,
        events: &Events,
        fields: &[&str],
        budget: &Budget,
    ) -> Result<Vec<(Vec<Key>, u64)>, QueryError> {
        let by: Vec<GroupBy<'_>> = fields.iter().map(|field| GroupBy::Field(field)).collect();
        scan::counts(events, &self.plan.filter, self.range, &by, budget)
    }

    /// The mean size of a line among the newest.
    fn bytes_of_a_line(&self, events: &Events, budget: &Budget) -> Result<f64, QueryError> {
        let (mut lines, mut bytes) = (0_u32, 0);
        self.sample(events, budget, |entry| {
            lines += 1;
            bytes += entry.line.len();
        })?;
        Ok(bytes as f64 / f64::from(lines.max(1)))
    }
}

/// A selector, also where steps follow it, which say nothing about labels.
fn selector(text: &str) -> Result<Vec<Matcher>, Refusal> {
    if let Ok(matchers) = parse_selector(text) {
        return Ok(matchers);
    }
    match super::logql::parse(text) {
        Ok(super::Expr::Log(log)) => Ok(log.matchers),
        Ok(_) => Err(Refusal::bad("only lines can be selected here")),
        Err(error) => Err(Refusal::bad(error.to_string())),
    }
}

fn value(key: Option<&Key>) -> Option<String> {
    match key {
        Some(Key::Value(value)) => Some(value.to_string()),
        _ => None,
    }
}

/// The names of labels.
pub(super) async fn names(State(app): State<Arc<App>>, form: Form) -> Answer {
    let scope = Scope::read(&app, &form)?;
    run(&app, move |app, budget| {
        let mut names: BTreeSet<String> = BTreeSet::new();
        let events = app.store.events();
        let sampled = scope.sample(events, budget, |entry| {
            names.extend(entry.labels.iter().map(|label| label.name.to_string()));
        });
        sampled.map_err(|error| refused(&error))?;
        if !names.is_empty() {
            names.extend(STREAM.iter().map(|(name, _)| (*name).to_owned()));
            names.extend(ALIASES.iter().map(|(name, _)| (*name).to_owned()));
        }
        Ok(answer::success(&json!(names)))
    })
    .await
}

/// The values of a label.
pub(super) async fn values(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    form: Form,
) -> Answer {
    let scope = Scope::read(&app, &form)?;
    run(&app, move |app, budget| {
        let values = label_values(app.store.events(), &scope, &name, budget);
        Ok(answer::success(&json!(values.map_err(|error| refused(&error))?)))
    })
    .await
}

fn label_values(
    events: &Events,
    scope: &Scope,
    name: &str,
    budget: &Budget,
) -> Result<BTreeSet<String>, QueryError> {
    let mut values = BTreeSet::new();
    match field(name) {
        Some(field) if scope.plan.is_whole() => {
            let mut counts = scope.counts(events, &[field], budget)?;
            counts.sort_by(|(_, a), (_, b)| b.cmp(a));
            let known = counts.iter().filter_map(|(keys, _)| value(keys.first()));
            values.extend(known.take(ANSWERS_MAX));
        }
        _ => scope.sample(events, budget, |entry| {
            let value = entry.get(name);
            if !value.is_empty() && values.len() < ANSWERS_MAX {
                values.insert(value.to_owned());
            }
        })?,
    }
    Ok(values)
}

/// The streams that there are.
pub(super) async fn series(State(app): State<Arc<App>>, form: Form) -> Answer {
    let mut scopes = Vec::new();
    for text in form.all("match[]").chain(form.all("match")) {
        if scopes.len() == SELECTORS_MAX {
            return Err(Refusal::bad(format!("more than {SELECTORS_MAX} selectors")));
        }
        scopes.push(Scope::new(&app, &form, selector(text)?)?);
    }
    if scopes.is_empty() {
        scopes.push(Scope::read(&app, &form)?);
    }
    run(&app, move |app, budget| {
        let mut found = BTreeSet::new();
        for scope in &scopes {
            let added = streams(app.store.events(), scope, &mut found, budget);
            added.map_err(|error| refused(&error))?;
        }
        let series: Vec<BTreeMap<String, String>> =
            found.into_iter().map(|labels| labels.into_iter().collect()).collect();
        Ok(answer::success(&json!(series)))
    })
    .await
}

/// Lines of one origin and level are of one stream nearly always: the newest line of each tells the other labels,
/// and a sample of the newest lines those that the newest line of an origin does not have.
fn streams(
    events: &Events,
    scope: &Scope,
    found: &mut BTreeSet<Vec<(String, String)>>,
    budget: &Budget,
) -> Result<(), QueryError> {
    let labels = |entry: &Entry| {
        let stream = entry.labels.iter().filter(|label| label.kind == Kind::Stream);
        stream.map(|label| (label.name.to_string(), label.value.clone())).collect()
    };
    scope.sample(events, budget, |entry| {
        found.insert(labels(&entry));
    })?;
    let origins = scope.counts(events, &["origin", "severity"], budget)?;
    for (keys, _) in origins {
        if found.len() >= ANSWERS_MAX {
            break;
        }
        let condition = |field: &str, key: Option<&Key>| match value(key) {
            Some(value) => format!("{field}:{}", quoted(&value)),
            None => format!("-{field}:*"),
        };
        let text = format!(
            "{} {} {}",
            scope.plan.text,
            condition("origin", keys.first()),
            condition("severity", keys.get(1))
        );
        let Ok(filter) = scan::filter(&text) else { continue };
        newest(events, &filter, scope, budget, |entry| {
            found.insert(labels(&entry));
        })?;
    }
    Ok(())
}

fn newest(
    events: &Events,
    filter: &Filter,
    scope: &Scope,
    budget: &Budget,
    mut take: impl FnMut(Entry),
) -> Result<(), QueryError> {
    let range = scope.range;
    let scan = Scan { events, filter, range, is_newest_first: true, wanted: Some(1), budget };
    scan.each(|_, line| {
        let entry = Entry::new(line);
        if entry.satisfies(&scope.plan.matchers) {
            take(entry);
        }
        ControlFlow::Break(())
    })?;
    Ok(())
}

/// How much a query will read. Bytes are estimated from the newest lines.
pub(super) async fn stats(State(app): State<Arc<App>>, form: Form) -> Answer {
    let scope = Scope::read(&app, &form)?;
    run(&app, move |app, budget| {
        let events = app.store.events();
        let counted = scope.counts(events, &["origin", "severity"], budget);
        let counted = counted.map_err(|error| refused(&error))?;
        let bytes = scope.bytes_of_a_line(events, budget).map_err(|error| refused(&error))?;
        let entries: u64 = counted.iter().map(|(_, count)| count).sum();
        Ok(json!({
            "streams": counted.len(),
            "chunks": 0,
            "entries": entries,
            "bytes": (entries as f64 * bytes) as u64,
        })
        .to_string())
    })
    .await
}

/// Which streams are the largest. Bytes are estimated from the newest lines.
pub(super) async fn volume(State(app): State<Arc<App>>, form: Form) -> Answer {
    let scope = Scope::read(&app, &form)?;
    let limit = parameters::limit(&form)?.min(ANSWERS_MAX);
    let wanted = form.get("targetLabels").unwrap_or("service_name");
    let wanted: Vec<String> = wanted.split(',').map(|name| name.trim().to_owned()).collect();
    let fields: Option<Vec<&'static str>> = wanted.iter().map(|name| field(name)).collect();
    let fields = fields.filter(|fields| fields.len() <= 2);
    let Some(fields) = fields else {
        let known = STREAM.map(|(name, _)| name).join(", ");
        return Err(Refusal::bad(format!("targetLabels must be at most two of {known}")));
    };
    run(&app, move |app, budget| {
        let events = app.store.events();
        let mut counted =
            scope.counts(events, &fields, budget).map_err(|error| refused(&error))?;
        counted.sort_by(|(_, a), (_, b)| b.cmp(a));
        let bytes = scope.bytes_of_a_line(events, budget).map_err(|error| refused(&error))?;
        let row = |(keys, count): &(Vec<Key>, u64)| {
            let pairs = wanted.iter().zip(keys);
            let labels: BTreeMap<&String, String> =
                pairs.filter_map(|(name, key)| Some((name, value(Some(key))?))).collect();
            let bytes = (*count as f64 * bytes).round();
            json!({ "metric": labels, "value": [scope.range.end.0 / 1_000, answer::decimal(bytes)] })
        };
        let result: Vec<Json> = counted.iter().take(limit).map(row).collect();
        Ok(answer::success(&json!({
            "resultType": "vector",
            "result": result,
            "stats": answer::stats(0, 0, result.len(), std::time::Duration::ZERO),
        })))
    })
    .await
}

/// The labels of streams, with how many values each has.
pub(super) async fn detected_labels(State(app): State<Arc<App>>, form: Form) -> Answer {
    let scope = Scope::read(&app, &form)?;
    run(&app, move |app, budget| {
        let mut labels = Vec::new();
        for (name, _) in STREAM {
            let values = label_values(app.store.events(), &scope, name, budget);
            let values = values.map_err(|error| refused(&error))?;
            if !values.is_empty() {
                labels.push(json!({ "label": name, "cardinality": values.len() }));
            }
        }
        Ok(json!({ "detectedLabels": labels }).to_string())
    })
    .await
}

/// What the newest lines have besides the labels of their streams.
pub(super) async fn detected_fields(State(app): State<Arc<App>>, form: Form) -> Answer {
    let scope = Scope::read(&app, &form)?;
    let limit = parameters::limit(&form)?.min(ANSWERS_MAX);
    run(&app, move |app, budget| {
        let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let sampled = scope.sample(app.store.events(), budget, |entry| {
            for label in entry.labels.iter().filter(|label| label.kind == Kind::Line) {
                fields.entry(label.name.to_string()).or_default().insert(label.value.clone());
            }
        });
        sampled.map_err(|error| refused(&error))?;
        let field = |(name, values): (&String, &BTreeSet<String>)| {
            let is_number = values.iter().all(|value| value.parse::<f64>().is_ok());
            json!({
                "label": name,
                "type": if is_number { "float" } else { "string" },
                "cardinality": values.len(),
                "parsers": null,
            })
        };
        let found: Vec<Json> = fields.iter().take(limit).map(field).collect();
        Ok(json!({ "fields": found, "limit": limit }).to_string())
    })
    .await
}

/// What lines have in common, with how many there were when.
pub(super) async fn patterns(State(app): State<Arc<App>>, form: Form) -> Answer {
    let scope = Scope::read(&app, &form)?;
    let asked = Asked::read(&form, app.clock.now())?;
    let step = i64::try_from(asked.step(&form)?.as_millis()).unwrap_or(MINUTE_MS);
    let span = scope.range.end.0 - scope.range.start.0;
    let step = step.max(span / PATTERN_STEPS_MAX).max(1_000);
    run(&app, move |app, budget| {
        let mut found: HashMap<String, BTreeMap<i64, u64>> = HashMap::new();
        let sampled = scan::counts(
            app.store.events(),
            &scope.plan.filter,
            scope.range,
            &[
                GroupBy::Field("pattern"),
                GroupBy::Time(std::time::Duration::from_millis(step.unsigned_abs())),
            ],
            budget,
        );
        for (keys, count) in sampled.map_err(|error| refused(&error))? {
            if let (Some(pattern), Some(Key::Time(UnixMs(time)))) =
                (value(keys.first()), keys.get(1))
            {
                *found.entry(pattern).or_default().entry(time / 1_000).or_default() += count;
            }
        }
        let mut found: Vec<_> = found.into_iter().collect();
        let total = |samples: &BTreeMap<i64, u64>| samples.values().sum::<u64>();
        found.sort_by(|(a_name, a), (b_name, b)| {
            total(b).cmp(&total(a)).then_with(|| a_name.cmp(b_name))
        });
        let pattern = |(pattern, samples): (String, BTreeMap<i64, u64>)| {
            let samples: Vec<_> = samples.into_iter().collect();
            json!({ "pattern": pattern.replace("<*>", "<_>"), "samples": samples })
        };
        let patterns: Vec<Json> = found.into_iter().take(ANSWERS_MAX).map(pattern).collect();
        Ok(answer::success(&json!(patterns)))
    })
    .await
}
