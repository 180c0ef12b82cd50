//! Lines, by streams.

use std::{collections::BTreeMap, ops::ControlFlow};

use model::series::{Budget, TimeRange};
use store::events::{Events, QueryError};

use super::{
    Refusal,
    entry::{Entry, Kind},
    logql::Log,
    plan::Plan,
};
use crate::api::{
    form::Form,
    scan::{Scan, Scanned},
};

/// Most bytes of the lines of an answer; it is cut there.
const BYTES_MAX: usize = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Backward,
    Forward,
}

impl Direction {
    pub(super) fn read(form: &Form) -> Result<Self, Refusal> {
        match form.get("direction").map(str::to_ascii_lowercase).as_deref() {
            None | Some("backward") => Ok(Self::Backward),
            Some("forward") => Ok(Self::Forward),
            Some(other) => Err(Refusal::bad(format!("invalid direction '{other}'"))),
        }
    }
}

/// Which lines, and how.
pub(super) struct Wanted {
    pub(super) range: TimeRange,
    pub(super) direction: Direction,
    pub(super) limit: usize,
    /// Whether what is known of one line only is told apart from what its stream has in common.
    pub(super) is_categorized: bool,
}

/// What was found: the lines of each stream in the order asked for.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) streams: BTreeMap<Vec<(String, String)>, Vec<Entry>>,
    pub(super) scanned: Scanned,
}

impl Found {
    /// Takes a line and tells its stream.
    pub(super) fn add(&mut self, mut entry: Entry, is_categorized: bool) {
        let is_common = |kind: Kind| kind == Kind::Stream || !is_categorized;
        entry.labels.sort_by(|a, b| a.name.cmp(&b.name));
        let common = entry.labels.iter().filter(|label| is_common(label.kind));
        let pair = common.map(|label| (label.name.to_string(), label.value.clone()));
        self.streams.entry(pair.collect()).or_default().push(entry);
    }
}

pub(super) fn find(
    events: &Events,
    log: &Log,
    wanted: &Wanted,
    budget: &Budget,
) -> Result<Found, QueryError> {
    let plan = Plan::new(log);
    let scan = Scan {
        events,
        filter: &plan.filter,
        range: wanted.range,
        is_newest_first: wanted.direction == Direction::Backward,
        wanted: plan.is_whole().then_some(wanted.limit),
        budget,
    };
    let (mut found, mut lines, mut bytes) = (Found::default(), 0, 0);
    let mut is_full = false;
    found.scanned = scan.each(|_, line| {
        let mut entry = Entry::new(line);
        if entry.satisfies(&plan.matchers) && entry.pass(&plan.stages) {
            bytes += entry.line.len();
            found.add(entry, wanted.is_categorized);
            lines += 1;
            is_full = bytes > BYTES_MAX;
        }
        if lines == wanted.limit || is_full {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    found.scanned.is_cut |= is_full;
    Ok(found)
}
