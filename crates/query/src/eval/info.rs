//! `info`: labels of what a series comes from, found in series such as `target_info`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{
    Labels, NAME,
    series::{MatchOp, Matcher},
};

use super::{
    Context, Evaluated, fail,
    labels::unnamed,
    row::{Row, merge},
};
use crate::ast::{Kind, Node, Selector, Shift};

/// The metric that is looked into where no other is asked for.
const TARGET_INFO: &str = "target_info";
/// The labels that a series and its info share.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// Conditions on the labels that are wanted, and which metric has them.
struct Wanted<'a> {
    /// On labels other than the metric's name; without any, all labels are wanted.
    data: Vec<&'a Matcher>,
    names: Vec<Matcher>,
}

impl<'a> Wanted<'a> {
    fn of(arguments: &'a [Node]) -> Self {
        let matchers: &[Matcher] = match arguments.get(1).map(|node| &node.kind) {
            Some(Kind::Selector(selector)) => &selector.matchers,
            _ => &[],
        };
        let (names, data): (Vec<&Matcher>, Vec<&Matcher>) =
            matchers.iter().partition(|matcher| matcher.name == NAME);
        let mut names: Vec<Matcher> = names.into_iter().cloned().collect();
        if names.is_empty() {
            names.push(Matcher::equal(NAME, TARGET_INFO));
        }
        Self { data, names }
    }

    fn is_info(&self, labels: &Labels) -> bool {
        self.names.iter().all(|matcher| matcher.matches(labels.name()))
    }

    fn takes(&self, label: &str) -> bool {
        self.data.is_empty() || self.data.iter().any(|matcher| matcher.name == label)
    }

    /// Whether a series without info passes as well.
    fn takes_without(&self) -> bool {
        self.data.iter().all(|matcher| matcher.matches(""))
    }
}

fn identity(labels: &Labels) -> Labels {
    labels.keep(|name| IDENTIFYING.contains(&name))
}

/// `info(v, {conditions})`.
pub(super) fn info(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    let rows = context.vector(&arguments[0])?;
    let wanted = Wanted::of(arguments);
    let infos = info_rows(context, arguments, &wanted, &rows)?;
    let mut by_identity: HashMap<Labels, Vec<&Row>> = HashMap::new();
    for row in &infos {
        by_identity.entry(identity(&row.labels)).or_default().push(row);
    }
    let mut enriched = Vec::new();
    for row in rows {
        context.budget.check()?;
        if wanted.is_info(&row.labels) {
            enriched.push(row);
            continue;
        }
        let candidates = by_identity.get(&identity(&row.labels)).map_or(&[][..], Vec::as_slice);
        let mut parts: BTreeMap<Labels, Row> = BTreeMap::new();
        for step in 0..context.steps() {
            let Some(sample) = row.sample(step) else { continue };
            // The infos of a series may be others at each step.
            context.check_size(enriched.len() + parts.len())?;
            let found = newest(candidates, step)?;
            if found.is_empty() && !wanted.takes_without() {
                continue;
            }
            let labels = with_labels(&row.labels, &found, &wanted)?;
            let part = parts.entry(labels.clone()).or_insert_with(|| Row {
                drops_name: row.drops_name,
                ..Row::empty(labels, context.steps())
            });
            part.set(step, Some(sample));
        }
        enriched.extend(parts.into_values());
    }
    merge(context, enriched)
}

/// The info series of what `rows` are, with the time of their newest sample as value.
fn info_rows(
    context: &Context<'_>,
    arguments: &[Node],
    wanted: &Wanted<'_>,
    rows: &[Row],
) -> Evaluated<Vec<Row>> {
    let mut matchers = wanted.names.clone();
    matchers.extend(wanted.data.iter().copied().cloned());
    let sources = rows.iter().filter(|row| !wanted.is_info(&row.labels));
    let sources: Vec<&Labels> = sources.map(|row| &row.labels).collect();
    let mut is_known = false;
    for label in IDENTIFYING {
        let values: BTreeSet<&str> =
            sources.iter().filter_map(|labels| labels.get(label)).collect();
        if values.is_empty() {
            continue;
        }
        is_known = true;
        let values: Vec<String> = values.into_iter().map(regex::escape).collect();
        // More values than fit into a regular expression are sorted out by identity below.
        matchers.extend(Matcher::new(label, MatchOp::Regex, values.join("|")));
    }
    if !is_known {
        return Ok(Vec::new());
    }
    let shift = first_shift(&arguments[0]);
    let selector = Selector { matchers, has_name: false, shift, extension: None };
    context.select_times(&selector, &arguments[0])
}

/// The info is looked for at the time that the series are.
fn first_shift(node: &Node) -> Shift {
    let mut pending = vec![node];
    while let Some(node) = pending.pop() {
        match &node.kind {
            Kind::Selector(selector) => return selector.shift.clone(),
            Kind::Window(window) => return window.selector.shift.clone(),
            _ => pending.extend(node.children().into_iter().rev()),
        }
    }
    Shift::default()
}

/// Of each info metric the series with the newest sample at `step`.
fn newest<'a>(candidates: &[&'a Row], step: usize) -> Evaluated<Vec<&'a Labels>> {
    let mut by_name: BTreeMap<&str, (f64, &Labels)> = BTreeMap::new();
    for row in candidates {
        let Some(time) = row.float(step) else { continue };
        let labels = &row.labels;
        match by_name.get(labels.name()) {
            Some((other, _)) if *other > time => {}
            Some((other, existing)) if *other == time => {
                return fail(format!(
                    "found duplicate series for info metric: existing {existing} @ {}, new {labels} @ \
                     {}",
                    other * 1e3,
                    time * 1e3
                ));
            }
            _ => {
                by_name.insert(labels.name(), (time, labels));
            }
        }
    }
    Ok(by_name.into_values().map(|(_, labels)| labels).collect())
}

/// The labels of a series with those of its infos, which never replace its own.
fn with_labels(base: &Labels, infos: &[&Labels], wanted: &Wanted<'_>) -> Evaluated<Labels> {
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in infos.iter().flat_map(|labels| unnamed(labels)) {
        if !wanted.takes(name) || base.get(name).is_some() {
            continue;
        }
        if added.insert(name, value).is_some_and(|other| other != value) {
            return fail(format!("conflicting label: {name}"));
        }
    }
    let mut builder = base.to_builder();
    for (name, value) in added {
        builder.set(name, value);
    }
    Ok(builder.build())
}
