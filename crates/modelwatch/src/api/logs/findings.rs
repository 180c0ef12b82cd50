//! `/api/mw/v1/logs/findings`: what the logs say in plain words. Lines of which the same is known are one finding, with
//! the newest of them as evidence.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Duration};

use axum::extract::State;
use logs::knowledge::{self, Known};
use model::{log::Line, series::TimeRange};
use serde_json::{Value, json};
use store::{
    Store,
    events::{
        Aggregate, Event as _, Filter, GroupBy, Hit, Key, LINES, Measure, Order, QueryError, Row,
        Search,
    },
};

use super::{TIMEOUT, found_json, hit_json};
use crate::{
    api::{
        form::Form,
        requests::{Answer, Scope, ok, refused},
        scan::quoted,
    },
    lines::KNOWN,
    wire::App,
};

/// Most findings of an answer; there are not many more kinds of them.
const FINDINGS_MAX: usize = 200;
/// Lines that are shown as evidence.
const EVIDENCE: usize = 5;
/// Engines that are named.
const INSTANCES_MAX: usize = 20;

/// Lines of which the same is known.
#[derive(Default)]
struct Finding {
    count: u64,
    first: i64,
    last: i64,
    instances: Vec<String>,
    evidence: Vec<Hit>,
}

pub(in crate::api) async fn findings(State(app): State<Arc<App>>, form: Form) -> Answer {
    let range = Scope::read(&app, &form, Line::schema())?.range;
    let instance = form.get("instance").map(|instance| format!(" instance:{}", quoted(instance)));
    let instance = instance.unwrap_or_default();
    let store = app.store.clone();
    let found = app.queries.run(Some(TIMEOUT), move |_, budget| {
        let left = || budget.left();
        read(&store, &instance, range, &left).map_err(refused)
    });
    let mut found: Vec<(&Known, Finding)> = found.await?;
    found.sort_by_key(|(known, finding)| (Reverse(known.severity), Reverse(finding.last)));
    let findings: Vec<Value> = found.iter().map(|(known, finding)| finding.json(known)).collect();
    ok(&json!({ "findings": findings }))
}

fn read(
    store: &Store,
    instance: &str,
    range: TimeRange,
    left: &dyn Fn() -> Duration,
) -> Result<Vec<(&'static Known, Finding)>, QueryError> {
    let filter = |text: &str| {
        let filter = Filter::parse(&format!("{text}{instance}"), Line::schema());
        // Only an instance that is longer than any can be is not understood; there is none of that name.
        filter.map_err(|_| QueryError::UnknownField("instance".to_owned()))
    };
    let all = filter(&format!("{KNOWN}:*"))?;
    let by = [GroupBy::Field(KNOWN), GroupBy::Field("instance")];
    let measures = [Measure::Count, Measure::First, Measure::Last];
    let question = Aggregate { filter: &all, range, by: &by, measures: &measures, timeout: left() };
    let mut findings: BTreeMap<String, Finding> = BTreeMap::new();
    for row in store.events().aggregate(LINES, &question)?.rows {
        if let Some(Key::Value(code)) = row.keys.first() {
            findings.entry(code.to_string()).or_default().add(&row);
        }
    }
    let mut found = Vec::new();
    for (code, mut finding) in findings {
        // One that an older or newer version knew.
        let Some(known) = knowledge::all().find(|known| known.id == code) else { continue };
        let filter = filter(&format!("{KNOWN}:{}", quoted(&code)))?;
        let (order, limit, after) = (Order::Newest, EVIDENCE, None);
        let (filter, with_private, timeout) = (&filter, false, left());
        let search = Search { filter, range, order, limit, after, with_private, timeout };
        finding.evidence = store.events().search(LINES, &search)?.hits;
        found.push((known, finding));
        if found.len() == FINDINGS_MAX {
            break;
        }
    }
    Ok(found)
}

impl Finding {
    fn add(&mut self, row: &Row) {
        let number = |at: usize| row.values.get(at).copied().flatten().unwrap_or_default() as i64;
        let (count, first, last) = (number(0).unsigned_abs(), number(1), number(2));
        self.first = if self.count == 0 { first } else { first.min(self.first) };
        self.last = if self.count == 0 { last } else { last.max(self.last) };
        self.count += count;
        if let Some(Key::Value(instance)) = row.keys.get(1)
            && self.instances.len() < INSTANCES_MAX
        {
            self.instances.push(instance.to_string());
        }
    }

    /// The texts speak of what the newest of the lines says.
    fn json(&self, known: &Known) -> Value {
        let evidence: Vec<Value> = self.evidence.iter().map(hit_json).collect();
        let bodies = evidence.iter().filter_map(|line| line["body"].as_str());
        let of_line = bodies.flat_map(str::lines).flat_map(knowledge::find);
        let of_example = || knowledge::find(known.line);
        let mut found = of_line.chain(of_example()).filter(|found| found.known.id == known.id);
        let mut value = found.next().map(|found| found_json(&found)).unwrap_or_default();
        value["count"] = json!(self.count);
        value["first"] = json!(self.first);
        value["last"] = json!(self.last);
        value["instances"] = json!(self.instances);
        value["evidence"] = json!(evidence);
        value
    }
}
