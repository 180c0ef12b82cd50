//! Binary operators and what matches what.

use std::{collections::HashMap, sync::Arc};

use model::{
    Labels,
    histogram::{Histogram, ResetHint},
};

use super::{
    Context, Evaluated, QueryError, fail,
    row::{Row, float, is_float, merge, without_name},
    stream::Pace,
};
use crate::{
    ast::{Binary, Grouping, Many, Matching, Node, Operator, Type},
    histogram::{self, Incompatible, Notes},
    value::Sample,
};

/// The operator on numbers; a comparison yields 1 or 0.
pub(super) fn scalar(operator: Operator, a: f64, b: f64) -> f64 {
    let truth = |truth: bool| f64::from(u8::from(truth));
    match operator {
        Operator::Add => a + b,
        Operator::Sub => a - b,
        Operator::Mul => a * b,
        Operator::Div => a / b,
        Operator::Mod => a % b,
        Operator::Pow => a.powf(b),
        Operator::Atan2 => a.atan2(b),
        Operator::Equal => truth(a == b),
        Operator::NotEqual => truth(a != b),
        Operator::Less => truth(a < b),
        Operator::LessEqual => truth(a <= b),
        Operator::Greater => truth(a > b),
        Operator::GreaterEqual => truth(a >= b),
        Operator::TrimAbove
        | Operator::TrimBelow
        | Operator::And
        | Operator::Or
        | Operator::Unless => f64::NAN,
    }
}

pub(super) fn negate(row: &mut Row) {
    for value in row.floats.iter_mut().filter(|value| is_float(**value)) {
        *value = -*value;
    }
    for histogram in row.histograms.iter_mut().flatten() {
        histogram::scale(Arc::make_mut(histogram), -1.0);
    }
}

/// A binary expression on elements of vectors.
struct Operation<'a> {
    context: &'a Context<'a>,
    binary: &'a Binary,
    /// The whole expression, which annotations are about.
    node: &'a Node,
}

/// What an operator makes of two elements.
enum Made {
    /// A new element.
    Sample(Sample),
    /// Whether a comparison holds.
    Truth(bool),
    /// Nothing: the operator does not take these types.
    Nothing,
}

impl Operation<'_> {
    /// A comparison without `bool` keeps `kept` or nothing.
    fn element(&self, a: &Sample, b: &Sample, kept: &Sample) -> Option<Sample> {
        match self.made(a, b) {
            Made::Sample(sample) => Some(sample),
            Made::Truth(truth) if self.binary.returns_bool => {
                Some(Sample::Float(f64::from(u8::from(truth))))
            }
            Made::Truth(truth) => truth.then(|| kept.clone()),
            Made::Nothing => None,
        }
    }

    fn made(&self, a: &Sample, b: &Sample) -> Made {
        let operator = self.binary.operator;
        match (a, b) {
            (Sample::Float(a), Sample::Float(b)) => match operator {
                Operator::TrimAbove | Operator::TrimBelow => {}
                _ if operator.is_comparison() => {
                    return Made::Truth(scalar(operator, *a, *b) != 0.0);
                }
                _ => return Made::Sample(Sample::Float(scalar(operator, *a, *b))),
            },
            (Sample::Float(number), Sample::Histogram(histogram)) if operator == Operator::Mul => {
                return changed(histogram, |h| histogram::scale(h, *number));
            }
            (Sample::Histogram(histogram), Sample::Float(number)) => match operator {
                Operator::Mul => return changed(histogram, |h| histogram::scale(h, *number)),
                Operator::Div => return changed(histogram, |h| histogram::divide(h, *number)),
                Operator::TrimAbove => {
                    return changed(histogram, |h| *h = histogram::trim_upper(h, *number));
                }
                Operator::TrimBelow => {
                    return changed(histogram, |h| *h = histogram::trim_lower(h, *number));
                }
                _ => {}
            },
            (Sample::Histogram(left), Sample::Histogram(right)) => match operator {
                Operator::Add => return self.combined(left, right, "addition", histogram::add),
                Operator::Sub => {
                    return self.combined(left, right, "subtraction", |total, other| {
                        let notes = histogram::subtract(total, other)?;
                        total.reset_hint = ResetHint::Gauge;
                        Ok(notes)
                    });
                }
                Operator::Equal => return Made::Truth(histogram::equals(left, right)),
                Operator::NotEqual => return Made::Truth(!histogram::equals(left, right)),
                _ => {}
            },
            (Sample::Float(_), Sample::Histogram(_)) => {}
        }
        self.context.inform_incompatible(operator.written().0, [a, b], self.node.start);
        Made::Nothing
    }

    fn combined(
        &self,
        left: &Histogram,
        right: &Histogram,
        what: &str,
        run: impl Fn(&mut Histogram, &Histogram) -> Result<Notes, Incompatible>,
    ) -> Made {
        let mut total = left.clone();
        match run(&mut total, right) {
            Ok(notes) => {
                if notes.hints_collide {
                    self.context.warn_reset_collision(what, self.node.start);
                }
                if notes.bounds_reconciled {
                    self.context.inform_reconciled(what, self.node.start);
                }
                histogram::compact(&mut total);
                Made::Sample(Sample::Histogram(Arc::new(total)))
            }
            Err(Incompatible) => {
                let operator = self.binary.operator.written().0;
                let text = format!(
                    "incompatible bucket layout encountered for binary operator {operator}"
                );
                self.context.warn_at(text, self.node.start);
                Made::Nothing
            }
        }
    }

    fn drops_name(&self) -> bool {
        self.binary.returns_bool || self.binary.operator.makes_another()
    }
}

fn changed(histogram: &Histogram, change: impl Fn(&mut Histogram)) -> Made {
    let mut histogram = histogram.clone();
    change(&mut histogram);
    histogram::compact(&mut histogram);
    Made::Sample(Sample::Histogram(Arc::new(histogram)))
}

pub(super) fn vector(context: &Context<'_>, binary: &Binary, node: &Node) -> Evaluated<Vec<Row>> {
    let operation = Operation { context, binary, node };
    match (binary.left.kind_of(), binary.right.kind_of()) {
        (Type::Vector, Type::Scalar) => {
            let rows = context.vector(&binary.left)?;
            with_scalar(&operation, rows, &context.scalar(&binary.right)?, false)
        }
        (Type::Scalar, Type::Vector) => {
            let scalars = context.scalar(&binary.left)?;
            with_scalar(&operation, context.vector(&binary.right)?, &scalars, true)
        }
        _ => {
            let (left, right) = (context.vector(&binary.left)?, context.vector(&binary.right)?);
            if binary.operator.is_set() {
                set(context, binary, left, right)
            } else {
                matched(&operation, left, right)
            }
        }
    }
}

fn with_scalar(
    operation: &Operation<'_>,
    mut rows: Vec<Row>,
    scalars: &[f64],
    is_scalar_left: bool,
) -> Evaluated<Vec<Row>> {
    let Operation { context, binary, .. } = operation;
    let operator = binary.operator;
    for row in &mut rows {
        context.budget.check()?;
        if row.histograms.is_empty() && !operator.is_trim() {
            let keeps = operator.is_comparison() && !binary.returns_bool;
            for (value, number) in row.floats.iter_mut().zip(scalars) {
                if !is_float(*value) {
                    continue;
                }
                let (a, b) = if is_scalar_left { (*number, *value) } else { (*value, *number) };
                let result = scalar(operator, a, b);
                if !keeps {
                    *value = result;
                } else if result == 0.0 {
                    *value = super::row::absent();
                }
            }
        } else {
            for (step, number) in scalars.iter().enumerate() {
                let Some(sample) = row.sample(step) else { continue };
                let number = Sample::Float(*number);
                let (a, b) = if is_scalar_left { (&number, &sample) } else { (&sample, &number) };
                let made = operation.element(a, b, &sample);
                context.count_made_sample(made.as_ref())?;
                row.set(step, made);
            }
        }
        if operation.drops_name() {
            row.drop_name(context);
        }
    }
    rows.retain(|row| !row.is_empty());
    if context.settings.delays_name_removal { Ok(rows) } else { merge(context, rows) }
}

/// The labels that must be equal for two series to belong together.
fn signature(on: &Grouping, labels: &Labels) -> Labels {
    labels.keep(|name| on.keeps(name))
}

fn set(
    context: &Context<'_>,
    binary: &Binary,
    left: Vec<Row>,
    right: Vec<Row>,
) -> Evaluated<Vec<Row>> {
    let on = &binary.matching.on;
    let presence = |rows: &[Row]| -> Evaluated<_> {
        let mut presence: HashMap<Labels, Vec<bool>> = HashMap::new();
        for row in rows {
            context.budget.check()?;
            let empty = || vec![false; context.steps()];
            let present = presence.entry(signature(on, &row.labels)).or_insert_with(empty);
            for (step, present) in present.iter_mut().enumerate() {
                *present |= row.has(step);
            }
        }
        Ok(presence)
    };
    let keep = |mut rows: Vec<Row>, other: &HashMap<Labels, Vec<bool>>, wanted: bool| {
        for row in &mut rows {
            context.budget.check()?;
            match other.get(&signature(on, &row.labels)) {
                Some(present) => row.retain(|step| present[step] == wanted),
                None if wanted => row.retain(|_| false),
                None => {}
            }
        }
        rows.retain(|row| !row.is_empty());
        Evaluated::Ok(rows)
    };
    match binary.operator {
        Operator::And => keep(left, &presence(&right)?, true),
        Operator::Unless => keep(left, &presence(&right)?, false),
        _ => {
            let more = keep(right, &presence(&left)?, false)?;
            // The same labels may come from both sides at different steps.
            let rows = left.into_iter().chain(more);
            // Names that still go are part of what a series is until then.
            let delays = context.settings.delays_name_removal;
            let (kept, dropped): (Vec<Row>, Vec<Row>) =
                rows.partition(|row| !(delays && row.drops_name));
            let mut rows = merge(context, kept)?;
            rows.extend(merge(context, dropped)?);
            context.check_size(rows.len())?;
            Ok(rows)
        }
    }
}

/// Series of both sides with one signature.
#[derive(Default)]
struct Group {
    many: Vec<usize>,
    one: Vec<usize>,
}

/// Both sides of an operator, the one whose series may match several of the other first.
struct Sides {
    many: Vec<Row>,
    one: Vec<Row>,
    /// Whether the many side stands on the right.
    is_swapped: bool,
    /// What stands in where a side has no series at a step.
    fill: [Option<f64>; 2],
    /// Whether anything is matched at a step: without fillings nothing is where the many side is empty.
    is_matched: Vec<bool>,
}

fn matched(operation: &Operation<'_>, left: Vec<Row>, right: Vec<Row>) -> Evaluated<Vec<Row>> {
    let Operation { context, binary: Binary { matching, .. }, .. } = operation;
    let is_swapped = matching.many == Many::Right;
    let (many, one) = if is_swapped { (right, left) } else { (left, right) };
    let mut fill = matching.fill;
    if is_swapped {
        fill.swap(0, 1);
    }
    let mut is_matched = vec![fill.iter().any(Option::is_some); context.steps()];
    for row in &many {
        context.budget.check()?;
        is_matched
            .iter_mut()
            .enumerate()
            .for_each(|(step, is_matched)| *is_matched |= row.has(step));
    }
    let sides = Sides { many, one, is_swapped, fill, is_matched };
    // In the order of their first series, so that an error names the same ones each time.
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<(Labels, Group)> = Vec::new();
    for (rows, is_many) in [(&sides.many, true), (&sides.one, false)] {
        for (index, row) in rows.iter().enumerate() {
            context.budget.check()?;
            let signature = signature(&matching.on, &row.labels);
            let place = *places.entry(signature).or_insert_with_key(|signature| {
                groups.push((signature.clone(), Group::default()));
                groups.len() - 1
            });
            let Group { many, one } = &mut groups[place].1;
            if is_many { many.push(index) } else { one.push(index) }
        }
    }
    let mut rows = Vec::new();
    for (signature, group) in &groups {
        match_group(operation, &sides, signature, group, &mut rows)?;
        context.check_size(rows.len())?;
    }
    if context.settings.delays_name_removal { Ok(rows) } else { merge(context, rows) }
}

/// Matches the series of one signature step by step.
fn match_group(
    operation: &Operation<'_>,
    sides: &Sides,
    signature: &Labels,
    group: &Group,
    rows: &mut Vec<Row>,
) -> Evaluated<()> {
    let steps = operation.context.steps();
    if let ([many], [one]) = (group.many.as_slice(), group.one.as_slice())
        && let Some(row) = match_floats(operation, sides, &sides.many[*many], &sides.one[*one])
    {
        rows.push(row);
        return Ok(());
    }
    if group.many.is_empty() && sides.fill[0].is_none() {
        return check_unique(operation.context, sides, signature, group);
    }
    if group.one.is_empty() && sides.fill[1].is_none() {
        return Ok(());
    }
    let is_single = operation.binary.matching.many == Many::Neither;
    let filled = |value: Option<f64>| value.map(Sample::Float);
    let mut results: HashMap<(Option<usize>, Option<usize>), Row> = HashMap::new();
    check_unique(operation.context, sides, signature, group)?;
    for step in 0..steps {
        // A series of one side may meet others of the other side at each step.
        operation.context.check_size(rows.len() + results.len())?;
        let one = group.one.iter().find_map(|at| Some((*at, sides.one[*at].sample(step)?)));
        let (one_at, one_sample) = match one {
            Some((at, sample)) => (Some(at), Some(sample)),
            None => (None, filled(sides.fill[1])),
        };
        let Some(one_sample) = one_sample else { continue };
        let mut found = 0;
        let many =
            group.many.iter().filter_map(|at| Some((Some(*at), sides.many[*at].sample(step)?)));
        let many: Vec<_> = many.collect();
        let lonely = filled(sides.fill[0]).filter(|_| many.is_empty() && one_at.is_some());
        for (many_at, sample) in many.into_iter().chain(lonely.map(|sample| (None, sample))) {
            found += 1;
            if is_single && found > 1 {
                return fail(
                    "multiple matches for labels: many-to-one matching must be explicit \
                     (group_left/group_right)",
                );
            }
            let (a, b) =
                if sides.is_swapped { (&one_sample, &sample) } else { (&sample, &one_sample) };
            let Some(made) = operation.element(a, b, a) else { continue };
            operation.context.count_made_sample(Some(&made))?;
            let row = results.entry((many_at, one_at)).or_insert_with(|| {
                let many = many_at.map(|at| &sides.many[at]);
                let one = one_at.map(|at| &sides.one[at]);
                result_row(operation, many, one, signature, steps)
            });
            row.set(step, Some(made));
        }
    }
    let mut results: Vec<_> = results.into_iter().collect();
    results.sort_by_key(|(place, _)| *place);
    let results = results.into_iter().map(|(_, row)| row).collect();
    rows.extend(merge(operation.context, results).map_err(|error| match error {
        QueryError::Failed(_) => QueryError::Failed(
            "multiple matches for labels: grouping labels must ensure unique matches".into(),
        ),
        QueryError::Select(_) | QueryError::NoRange(_) => error,
    })?);
    Ok(())
}

/// The common case, without histograms and fillings: one float against another.
fn match_floats(operation: &Operation<'_>, sides: &Sides, many: &Row, one: &Row) -> Option<Row> {
    let operator = operation.binary.operator;
    let has_histograms = !many.histograms.is_empty() || !one.histograms.is_empty();
    if operator.is_trim() || has_histograms || sides.fill.iter().any(Option::is_some) {
        return None;
    }
    let keeps = operator.is_comparison() && !operation.binary.returns_bool;
    let mut row = result_row(operation, Some(many), Some(one), &Labels::empty(), 0);
    let pairs = many.floats.iter().zip(&one.floats);
    row.floats = pairs
        .map(|(many, one)| {
            let (Some(many), Some(one)) = (float(*many), float(*one)) else {
                return super::row::absent();
            };
            let (a, b) = if sides.is_swapped { (one, many) } else { (many, one) };
            match scalar(operator, a, b) {
                _ if keeps && scalar(operator, a, b) == 0.0 => super::row::absent(),
                _ if keeps => a,
                result => result,
            }
        })
        .collect();
    Some(row)
}

/// At no step that anything is matched at may two series of the one side have the same signature.
fn check_unique(
    context: &Context<'_>,
    sides: &Sides,
    signature: &Labels,
    group: &Group,
) -> Evaluated<()> {
    if group.one.len() < 2 {
        return Ok(());
    }
    let mut pace = Pace::new(context.budget);
    for (step, _) in sides.is_matched.iter().enumerate().filter(|(_, is_matched)| **is_matched) {
        pace.advance(group.one.len() as u64)?;
        let mut present = group.one.iter().filter(|at| sides.one[**at].has(step));
        let (Some(first), Some(second)) = (present.next(), present.next()) else { continue };
        let side = if sides.is_swapped { "left" } else { "right" };
        return fail(format!(
            "found duplicate series for the match group {} on the {side} hand-side of the operation: \
             [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
            in_braces(signature),
            in_braces(&sides.one[*first].labels),
            in_braces(&sides.one[*second].labels),
        ));
    }
    Ok(())
}

/// All labels in braces, the name of the metric among them.
fn in_braces(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={}", crate::format::quoted(value)))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

/// An empty row for the results of two series, one of which may have been filled in.
fn result_row(
    operation: &Operation<'_>,
    many: Option<&Row>,
    one: Option<&Row>,
    signature: &Labels,
    steps: usize,
) -> Row {
    let (binary, context) = (operation.binary, operation.context);
    let of = |row: Option<&Row>| row.map_or_else(|| signature.clone(), |row| row.labels.clone());
    let labels = result_labels(binary, &binary.matching, &of(many), &of(one));
    let mut row = Row::empty(labels, steps);
    row.drops_name = many.is_some_and(|row| row.drops_name);
    if binary.returns_bool {
        row.drop_name(context);
    }
    row
}

fn result_labels(binary: &Binary, matching: &Matching, many: &Labels, one: &Labels) -> Labels {
    let mut labels = many.clone();
    if binary.operator.makes_another() {
        labels = without_name(&labels);
    }
    if matching.many == Many::Neither {
        labels = match &matching.on {
            Grouping::By(names) => labels.keep(|name| names.iter().any(|other| other == name)),
            Grouping::Without(names) => {
                labels.keep(|name| !names.iter().any(|other| other == name))
            }
        };
    }
    if matching.include.is_empty() {
        return labels;
    }
    let mut builder = labels.to_builder();
    for name in &matching.include {
        match one.get(name) {
            Some(value) => builder.set(name.as_str(), value),
            None => builder.remove(name),
        };
    }
    builder.build()
}
