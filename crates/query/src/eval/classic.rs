//! Quantiles and fractions of histograms: native ones, and classic ones, whose buckets are series.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use model::{Labels, histogram::Histogram};

use super::{
    Context, Evaluated, aggregate, calendar,
    notes::for_metric,
    row::{Row, absent, unnamed},
    stream::Pace,
};
use crate::{
    ast::Node,
    format::{format_float, format_general, quoted},
    histogram::{self, ClassicBucket, Fix, NanNote},
};

const MONOTONICITY: &str = "input to histogram_quantile needed to be fixed for monotonicity (see \
                            https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";

/// The label that says where a classic bucket ends.
const BOUND: &str = "le";

/// One histogram: the series of its buckets, or a series of native ones.
#[derive(Default)]
struct Group {
    /// Upper bounds with their series, bounds ascending.
    buckets: Vec<(f64, Row)>,
    native: Option<Row>,
}

/// What a group is at one step.
enum Point<'a> {
    Native(&'a Arc<Histogram>),
    Classic(&'a mut Vec<ClassicBucket>),
}

/// The groups of a vector, in the order of their first series.
struct Groups {
    /// Labels without the bound, with the name of the metric.
    groups: Vec<(Labels, bool, Group)>,
}

impl Groups {
    fn of(context: &Context<'_>, node: &Node) -> Evaluated<Self> {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut groups: Vec<(Labels, bool, Group)> = Vec::new();
        let mut place_of = |groups: &mut Vec<(Labels, bool, Group)>, labels: Labels, row: &Row| {
            let place = *places.entry(labels.clone()).or_insert(groups.len());
            if place == groups.len() {
                groups.push((labels, row.drops_name, Group::default()));
            }
            place
        };
        for mut row in context.vector(node)? {
            context.budget.check()?;
            if !row.histograms.is_empty() {
                let place = place_of(&mut groups, row.labels.clone(), &row);
                groups[place].2.native = Some(row.clone());
                row.histograms.clear();
                if row.is_empty() {
                    continue;
                }
            }
            let text = row.labels.get(BOUND).unwrap_or_default();
            let Some(bound) = parse_bound(text) else {
                let text = format!(
                    "bucket label \"le\" is missing or has a malformed value of {}{}",
                    quoted(text),
                    for_metric(row.labels.name())
                );
                context.warn(text, node);
                continue;
            };
            let labels = row.labels.keep(|name| name != BOUND);
            let place = place_of(&mut groups, labels, &row);
            groups[place].2.buckets.push((bound, row));
        }
        for (_, _, group) in &mut groups {
            group.buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        }
        Ok(Self { groups })
    }

    /// One row of each group, of what `value` makes of it at each step.
    fn rows(
        &self,
        context: &Context<'_>,
        node: &Node,
        mut value: impl FnMut(usize, &Labels, Point<'_>) -> f64,
    ) -> Evaluated<Vec<Row>> {
        let mut rows = Vec::with_capacity(self.groups.len());
        let mut counts = Vec::new();
        let mut pace = Pace::new(context.budget);
        for (labels, drops_name, group) in &self.groups {
            let mut row = Row::empty(labels.clone(), context.steps());
            row.drops_name = *drops_name;
            for (step, result) in row.floats.iter_mut().enumerate() {
                pace.advance(1 + group.buckets.len() as u64)?;
                counts.clear();
                counts.extend(group.buckets.iter().filter_map(|(upper, row)| {
                    Some(ClassicBucket { upper: *upper, count: row.float(step)? })
                }));
                let native = group.native.as_ref().and_then(|row| row.histogram(step));
                *result = match (native, counts.is_empty()) {
                    (Some(histogram), true) => value(step, labels, Point::Native(histogram)),
                    (None, false) => value(step, labels, Point::Classic(&mut counts)),
                    (None, true) => absent(),
                    (Some(_), false) => {
                        let text = format!(
                            "vector contains a mix of classic and native histograms{}",
                            for_metric(labels.name())
                        );
                        context.warn(text, node);
                        absent()
                    }
                };
            }
            rows.push(row);
        }
        Ok(rows)
    }
}

/// A decimal, hexadecimal or infinite bound as Go reads it.
fn parse_bound(text: &str) -> Option<f64> {
    text.replace('_', "x").parse().ok()
}

/// Classic buckets whose counts fell, over all steps.
#[derive(Default)]
struct Fixes {
    by_metric: BTreeMap<String, (Fix, u64, [i64; 2])>,
}

impl Fixes {
    fn add(&mut self, metric: &str, fix: Fix, time: i64) {
        match self.by_metric.get_mut(metric) {
            Some((all, count, times)) => {
                all.lowest = all.lowest.min(fix.lowest);
                all.highest = all.highest.max(fix.highest);
                all.difference = all.difference.max(fix.difference);
                *count += 1;
                *times = [times[0].min(time), times[1].max(time)];
            }
            None => {
                self.by_metric.insert(metric.into(), (fix, 1, [time; 2]));
            }
        }
    }

    fn tell(self, context: &Context<'_>, node: &Node) {
        for (metric, (fix, count, times)) in self.by_metric {
            let Fix { lowest, highest, difference } = fix;
            let [from, to] = times.map(calendar::text);
            let text = format!(
                "{MONOTONICITY}{}, from buckets {} to {}, with a max diff of {}, over {count} samples \
                 from {from} to {to}",
                for_metric(&metric),
                format_general(lowest, None),
                format_general(highest, None),
                format_general(difference, Some(2)),
            );
            context.inform(text, node);
        }
    }
}

/// The φ-quantiles at all steps of what `node` is.
fn quantile_rows(
    context: &Context<'_>,
    groups: &Groups,
    phis: &[f64],
    node: &Node,
) -> Evaluated<Vec<Row>> {
    let mut fixes = Fixes::default();
    let rows = groups.rows(context, node, |step, labels, point| match point {
        Point::Native(histogram) => {
            let (value, note) = histogram::quantile(phis[step], histogram);
            let what = match note {
                Some(NanNote::ResultIsNan) => "result is NaN",
                Some(NanNote::SkewedHigher) => "result is skewed higher",
                None => return value,
            };
            let metric = for_metric(metric_in(context, labels));
            let text = format!("input to histogram_quantile has NaN observations, {what}{metric}");
            context.inform(text, node);
            value
        }
        Point::Classic(buckets) => {
            let (value, fix) = histogram::bucket_quantile(phis[step], buckets);
            if let Some(fix) = fix {
                fixes.add(metric_in(context, labels), fix, context.grid.time(step));
            }
            value
        }
    })?;
    fixes.tell(context, node);
    Ok(rows)
}

/// The name of a metric, which is gone by now unless it goes at the end.
fn metric_in<'l>(context: &Context<'_>, labels: &'l Labels) -> &'l str {
    if context.settings.delays_name_removal { labels.name() } else { "" }
}

/// `histogram_quantile(φ, histograms)`.
pub(super) fn quantile(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    let phis = context.scalar(&arguments[0])?;
    aggregate::warn_quantile(context, phis.iter().copied(), &arguments[0]);
    let groups = Groups::of(context, &arguments[1])?;
    unnamed(context, quantile_rows(context, &groups, &phis, &arguments[1])?)
}

/// `histogram_quantiles(histograms, label, φ...)`.
pub(super) fn quantiles(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    let label = context.string(&arguments[1])?;
    let groups = Groups::of(context, &arguments[0])?;
    let mut all = Vec::new();
    for node in &arguments[2..] {
        let phis = context.scalar(node)?;
        aggregate::warn_quantile(context, phis.iter().copied(), node);
        for row in quantile_rows(context, &groups, &phis, &arguments[0])? {
            // A φ that changes from step to step makes a series for each of its values.
            let mut by_value: Vec<(f64, Row)> = Vec::new();
            for (step, phi) in phis.iter().enumerate() {
                let Some(sample) = row.sample(step) else { continue };
                let same = by_value.iter().position(|(other, _)| other.to_bits() == phi.to_bits());
                let place = same.unwrap_or(by_value.len());
                if place == by_value.len() {
                    context.check_size(by_value.len() + all.len())?;
                    let mut builder = row.labels.to_builder();
                    builder.set(label, open_metrics_float(*phi));
                    let mut own = Row::empty(builder.build(), context.steps());
                    own.drops_name = row.drops_name;
                    by_value.push((*phi, own));
                }
                by_value[place].1.set(step, Some(sample));
            }
            all.extend(by_value.into_iter().map(|(_, row)| row));
        }
    }
    unnamed(context, all)
}

/// As OpenMetrics writes the value of such a label: with a point, at least.
fn open_metrics_float(value: f64) -> String {
    let text = format_float(value);
    let is_whole = text.bytes().all(|c| c.is_ascii_digit() || c == b'-');
    if is_whole { format!("{text}.0") } else { text }
}

/// `histogram_fraction(lower, upper, histograms)`.
pub(super) fn fraction(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    let (lower, upper) = (context.scalar(&arguments[0])?, context.scalar(&arguments[1])?);
    let groups = Groups::of(context, &arguments[2])?;
    let rows = groups.rows(context, &arguments[2], |step, labels, point| match point {
        Point::Native(histogram) => {
            let (value, leaves_out) = histogram::fraction(lower[step], upper[step], histogram);
            if leaves_out {
                let metric = for_metric(metric_in(context, labels));
                let text = format!(
                    "input to histogram_fraction has NaN observations, which are excluded from all \
                     fractions{metric}"
                );
                context.inform(text, &arguments[2]);
            }
            value
        }
        Point::Classic(buckets) => histogram::bucket_fraction(lower[step], upper[step], buckets),
    })?;
    unnamed(context, rows)
}
