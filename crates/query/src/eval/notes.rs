//! What the asker should know about a result, and where in the query it comes from.

use std::collections::BTreeSet;

use super::Context;
use crate::{ast::Node, format::quoted, parser::position, value::Sample};

/// Annotations in the words of Prometheus, for its clients look for them. Each with the byte of the query
/// that it is about.
#[derive(Default)]
pub(super) struct Notes {
    warnings: BTreeSet<(usize, String)>,
    infos: BTreeSet<(usize, String)>,
}

/// Most texts of one level; further ones say nothing new.
const NOTES_MAX: usize = 1_000;

impl Notes {
    /// Warnings and infos about `query`.
    pub(super) fn into_texts(self, query: &str) -> (Vec<String>, Vec<String>) {
        let texts = |level: &str, notes: BTreeSet<(usize, String)>| {
            let text = |(start, text): (usize, String)| {
                let (line, column) = position(query, start);
                format!("PromQL {level}: {text} ({line}:{column})")
            };
            notes.into_iter().map(text).collect()
        };
        (texts("warning", self.warnings), texts("info", self.infos))
    }
}

fn note(notes: &mut BTreeSet<(usize, String)>, text: String, start: usize) {
    if notes.len() < NOTES_MAX {
        notes.insert((start, text));
    }
}

impl Context<'_> {
    pub(super) fn warn(&self, text: String, node: &Node) {
        self.warn_at(text, node.start);
    }

    pub(super) fn warn_at(&self, text: String, start: usize) {
        note(&mut self.notes.borrow_mut().warnings, text, start);
    }

    pub(super) fn inform(&self, text: String, node: &Node) {
        self.inform_at(text, node.start);
    }

    pub(super) fn inform_at(&self, text: String, start: usize) {
        note(&mut self.notes.borrow_mut().infos, text, start);
    }

    /// A function of windows that cannot take both found both.
    pub(super) fn warn_mixed(&self, metric: &str, node: &Node) {
        let text = format!(
            "encountered a mix of histograms and floats for metric name {}",
            quoted(metric)
        );
        self.warn(text, node);
    }

    /// Histograms of both kinds cannot be reckoned together.
    pub(super) fn warn_schemas(&self, metric: &str, node: &Node) {
        let text = format!(
            "vector contains a mix of histograms with exponential and custom buckets schemas for \
             metric name {}",
            quoted(metric)
        );
        self.warn(text, node);
    }

    pub(super) fn warn_not_counter(&self, metric: &str, node: &Node) {
        self.warn(
            format!("this native histogram metric is not a counter: {}", quoted(metric)),
            node,
        );
    }

    pub(super) fn warn_not_gauge(&self, metric: &str, node: &Node) {
        self.warn(format!("this native histogram metric is not a gauge: {}", quoted(metric)), node);
    }

    /// `what` is "addition", "subtraction" or "aggregation".
    pub(super) fn warn_reset_collision(&self, what: &str, start: usize) {
        self.warn_at(format!("conflicting counter resets during histogram {what}"), start);
    }

    pub(super) fn inform_reconciled(&self, what: &str, start: usize) {
        self.inform_at(format!("mismatched custom buckets were reconciled during {what}"), start);
    }

    /// A function of windows that takes floats only found histograms beside them.
    pub(super) fn inform_ignored_in_range(&self, metric: &str, node: &Node) {
        let text = format!(
            "ignored histograms in a range containing both floats and histograms for metric name \
             {}",
            quoted(metric)
        );
        self.inform(text, node);
    }

    pub(super) fn inform_ignored_in(&self, aggregation: &str, start: usize) {
        self.inform_at(format!("ignored histogram in {aggregation} aggregation"), start);
    }

    pub(super) fn inform_incompatible(&self, operator: &str, sides: [&Sample; 2], start: usize) {
        let [left, right] = sides.map(|side| match side {
            Sample::Float(_) => "float",
            Sample::Histogram(_) => "histogram",
        });
        let text = format!(
            "incompatible sample types encountered for binary operator {operator:?}: {left} \
             {operator} {right}"
        );
        self.inform_at(text, start);
    }
}

/// ` for metric name "..."`, where there is one.
pub(super) fn for_metric(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" for metric name {}", quoted(name)) }
}
