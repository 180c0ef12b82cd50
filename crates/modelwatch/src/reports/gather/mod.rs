//! What a report is about: series, records, events and incidents of a time, as [`report::Facts`].
//!
//! Counters of days that are over are read from the sums that the store has of them, the rest from samples. What
//! cannot be read is named in the report and left out of it; only running out of time or samples ends it. Its bias:
//! what the engine says of itself is believed before what the gateway saw, because all requests are in it.

mod ask;
mod hardware;
mod models;
mod records;
#[cfg(test)]
mod tests;

use model::{
    Clock, UnixMs,
    series::{Budget, TimeRange},
};
use report::{
    Facts,
    facts::{Incident, Objective},
    zone::Zone,
};
use store::Store;

use ask::Ask;
pub(crate) use ask::Failure;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// The period before is compared with if at least this part of it was observed, against this one.
const COMPARED_MIN: f64 = 0.9;

/// Longest time that a report is about.
pub(crate) const SPAN_MAX: i64 = 400 * DAY;
/// Shortest.
pub(crate) const SPAN_MIN: i64 = 10 * MINUTE;

/// The time that a report is about, in whole slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) start: UnixMs,
    pub(crate) end: UnixMs,
    pub(crate) slot_ms: i64,
}

impl Period {
    /// Slots are those of the sums that the store keeps, so that they can be read instead of samples; both ends are
    /// moved outwards to the next of them.
    pub(crate) fn new(start: UnixMs, end: UnixMs) -> Self {
        let span = end.0.saturating_sub(start.0);
        let slot_ms = match span {
            span if span <= 2 * DAY => 5 * MINUTE,
            span if span <= 10 * DAY => 30 * MINUTE,
            _ => HOUR,
        };
        let start = start.0.div_euclid(slot_ms) * slot_ms;
        let count = end.0.saturating_sub(start).max(1).div_ceil_to(slot_ms);
        Self { start: UnixMs(start), end: UnixMs(start + count * slot_ms), slot_ms }
    }

    /// The period of the same length before it.
    fn before(self) -> Self {
        let span = self.end.0 - self.start.0;
        Self { start: UnixMs(self.start.0 - span), end: self.start, ..self }
    }

    fn count(self) -> usize {
        usize::try_from((self.end.0 - self.start.0) / self.slot_ms).unwrap_or(0)
    }

    /// The slot that ends at a time.
    fn place(self, end: i64) -> Option<usize> {
        let place = (end - self.start.0).checked_div(self.slot_ms)? - 1;
        usize::try_from(place).ok().filter(|place| *place < self.count())
    }

    /// The slot that a time within the period belongs to; slots are open at their start.
    fn place_of(self, time: i64) -> Option<usize> {
        let place = (time - self.start.0 - 1).div_euclid(self.slot_ms);
        usize::try_from(place).ok().filter(|place| *place < self.count())
    }

    fn seconds(self) -> i64 {
        (self.end.0 - self.start.0) / 1_000
    }

    /// Both ends belong to it.
    fn range(self) -> TimeRange {
        TimeRange { start: self.start, end: UnixMs(self.end.0 - 1) }
    }
}

trait DivCeil {
    fn div_ceil_to(self, step: i64) -> i64;
}

impl DivCeil for i64 {
    fn div_ceil_to(self, step: i64) -> i64 {
        self.div_euclid(step) + Self::from(self.rem_euclid(step) > 0)
    }
}

/// Where it is read.
pub(crate) struct Sources<'a> {
    pub(crate) store: &'a Store,
    pub(crate) clock: &'a Clock,
    pub(crate) budget: &'a Budget,
    /// By the name of the model; `*` stands for all others.
    pub(crate) objectives: &'a [(String, Objective)],
    /// Nothing where they are not kept.
    pub(crate) incidents: Option<Vec<Incident>>,
}

/// What it is to be about.
pub(crate) struct Subject {
    pub(crate) period: Period,
    pub(crate) model: Option<String>,
    pub(crate) zone: Zone,
    pub(crate) deployment: String,
    /// Of a kilowatt-hour, with its currency.
    pub(crate) energy_price: Option<f64>,
    pub(crate) currency: String,
}

/// Reads everything.
pub(crate) fn gather(sources: Sources<'_>, subject: &Subject) -> Result<Facts, Failure> {
    let (period, now) = (subject.period, sources.clock.now());
    let ask = Ask::new(sources.store, sources.budget, now, subject.model.as_deref());
    let mut models = models::models(&ask, period, sources.objectives)?;
    let observed = models::observed(&ask, period, now)?;
    let observed_before = models::observed(&ask, period.before(), now)?;
    // Of a period that was seen in part only nothing is compared: it would look like growth.
    let has_before = observed_before.unwrap_or(0.0) >= COMPARED_MIN * observed.unwrap_or(1.0);
    if !has_before {
        models.iter_mut().for_each(|model| model.before = None);
    }
    let (accelerators, energy) = hardware::accelerators(&ask, period)?;
    let joules_before = if has_before { hardware::joules(&ask, period.before())? } else { None };
    let hosts = hardware::hosts(&ask, period)?;
    let records = records::Records { store: sources.store, ask: &ask, range: period.range() };
    let keys = records.keys()?;
    let errors = records.errors()?;
    let (changes, changes_omitted) = records.changes(period)?;
    Ok(Facts {
        start: period.start,
        // A slot that is not over yet reaches into the future; the report does not.
        end: period.end.min(now.max(period.start)),
        created: now,
        zone: subject.zone.clone(),
        deployment: subject.deployment.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: subject.model.clone(),
        slot_ms: period.slot_ms,
        observed,
        models,
        keys: keys.told,
        keys_omitted: keys.omitted,
        keys_requests: keys.requests,
        incidents: sources.incidents,
        accelerators,
        hosts,
        energy: report::facts::Energy {
            joules: energy,
            joules_before,
            price: subject.energy_price,
            currency: subject.currency.clone(),
        },
        errors,
        changes,
        changes_omitted,
        missing: ask.into_missing(),
    })
}
