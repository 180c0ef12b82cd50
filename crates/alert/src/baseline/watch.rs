//! Which method looks at which signal when: a slice at a time, so that watching costs little at any moment.

use std::collections::HashMap;

use model::{Labels, UnixMs};
use query::QueryError;

use super::{
    Asked, Kind, Reading,
    ask::is_over,
    detect::{change, floor, level, peer},
    signals::{
        AT_LOAD, FLOORS, Floor, OF_ACCELERATORS, OF_REPLICAS, OF_WEEK, SUPPLIES, Signal, Supply,
    },
};

/// Most pieces of work at one time; what is due besides waits for the next.
pub const WORK_MAX: usize = 8;
/// Most readings that are kept; further ones are left out.
pub const READINGS_MAX: usize = 5_000;
const MINUTE_MS: i64 = 60_000;
/// What could not be found out anew counts for so many periods.
const PERIODS_VALID: i64 = 3;

/// A piece of work.
#[derive(Clone, Copy, Debug)]
enum Work {
    Accelerators(&'static Signal),
    Replicas(&'static Signal),
    AtLoad(&'static Signal),
    OfWeek(&'static Signal),
    Change(&'static Signal),
    Leaks(&'static Floor),
    Forecast(&'static Supply),
}

impl Work {
    fn all() -> impl Iterator<Item = Self> {
        let accelerators = OF_ACCELERATORS.iter().map(|signal| Self::Accelerators(signal));
        let replicas = OF_REPLICAS.iter().map(|signal| Self::Replicas(signal));
        let at_load = AT_LOAD.iter().map(|signal| Self::AtLoad(signal));
        let changes = AT_LOAD.iter().map(|signal| Self::Change(signal));
        let of_week = OF_WEEK.iter().map(|signal| Self::OfWeek(signal));
        let leaks = FLOORS.iter().map(Self::Leaks);
        let forecasts = SUPPLIES.iter().map(Self::Forecast);
        let quick = accelerators.chain(replicas).chain(forecasts);
        quick.chain(at_load).chain(changes).chain(leaks).chain(of_week)
    }

    fn period_ms(self) -> i64 {
        let minutes = match self {
            Self::Accelerators(_) | Self::Replicas(_) => 1,
            Self::AtLoad(_) => 5,
            Self::Change(_) | Self::Forecast(_) => 10,
            Self::Leaks(_) | Self::OfWeek(_) => 60,
        };
        minutes * MINUTE_MS
    }

    fn done(
        self,
        asked: Asked<'_>,
        own_start: UnixMs,
        now: UnixMs,
    ) -> Result<Vec<Reading>, QueryError> {
        match self {
            Self::Accelerators(signal) => peer::accelerators(asked, signal, now),
            Self::Replicas(signal) => peer::replicas(asked, signal, now),
            Self::AtLoad(signal) => level::at_load(asked, signal, now),
            Self::OfWeek(signal) => level::of_week(asked, signal, now),
            Self::Change(signal) => change::changes(asked, signal, now),
            Self::Leaks(of) => floor::leaks(asked, of, own_start, now),
            Self::Forecast(supply) => floor::forecasts(asked, supply, now),
        }
    }
}

/// What was found out last, and what is due next.
#[derive(Debug)]
pub struct Watch {
    slots: Vec<Slot>,
    /// When this program started: its own memory is watched from then on.
    own_start: UnixMs,
}

#[derive(Debug)]
struct Slot {
    work: Work,
    due: UnixMs,
    done: UnixMs,
    readings: Vec<Reading>,
}

impl Watch {
    pub fn new(own_start: UnixMs) -> Self {
        let slot = |work| Slot { work, due: UnixMs::MIN, done: UnixMs::MIN, readings: Vec::new() };
        Self { slots: Work::all().map(slot).collect(), own_start }
    }

    /// Does what is due; gives why something could not be done.
    pub fn look(&mut self, asked: Asked<'_>, now: UnixMs) -> Vec<QueryError> {
        let mut errors = Vec::new();
        // What has waited longest comes first.
        self.slots.sort_by_key(|slot| slot.due);
        // A clock that was set back must not make anything wait for the time that it showed.
        let is_due = |slot: &Slot| {
            slot.due <= now || slot.due.0.saturating_sub(now.0) > slot.work.period_ms()
        };
        for slot in self.slots.iter_mut().filter(|slot| is_due(slot)).take(WORK_MAX) {
            slot.due = UnixMs(now.0 + slot.work.period_ms());
            match slot.work.done(asked, self.own_start, now) {
                Ok(mut readings) => {
                    keep_since(&slot.readings, &mut readings);
                    (slot.readings, slot.done) = (readings, now);
                }
                Err(error) => {
                    let is_over = is_over(&error);
                    errors.push(error);
                    if is_over {
                        break;
                    }
                }
            }
        }
        for slot in &mut self.slots {
            if now.0 - slot.done.0.max(0) > PERIODS_VALID * slot.work.period_ms() {
                slot.readings.clear();
            }
        }
        errors
    }

    /// Whether each piece of work was tried once.
    pub fn has_looked_at_all(&self) -> bool {
        self.slots.iter().all(|slot| slot.due > UnixMs::MIN)
    }

    /// What is known at the moment.
    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        self.slots.iter().flat_map(|slot| &slot.readings).take(READINGS_MAX)
    }
}

/// What was told already has been so since then.
fn keep_since(known: &[Reading], readings: &mut [Reading]) {
    let found = known.iter().filter(|reading| reading.is_found);
    let since: HashMap<(Kind, &str, &Labels), UnixMs> = found
        .map(|reading| ((reading.kind, reading.signal, &reading.labels), reading.since))
        .collect();
    for reading in readings.iter_mut().filter(|reading| reading.is_found) {
        if let Some(since) = since.get(&(reading.kind, reading.signal, &reading.labels)) {
            reading.since = reading.since.min(*since);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The codes of all that may be found, without those of restarts.
    fn codes() -> BTreeSet<String> {
        let code = |work: Work| {
            let (kind, signal) = match work {
                Work::Accelerators(signal) | Work::Replicas(signal) => (Kind::Peer, signal.name),
                Work::AtLoad(signal) => (Kind::Load, signal.name),
                Work::OfWeek(signal) => (Kind::Week, signal.name),
                Work::Change(signal) => (Kind::Change, signal.name),
                Work::Leaks(floor) => (Kind::Floor, floor.name),
                Work::Forecast(supply) => (Kind::Forecast, supply.name),
            };
            format!("finding.{}_{signal}", kind.as_str())
        };
        Work::all().map(code).collect()
    }

    #[test]
    fn all_that_may_be_found_has_a_text_and_no_text_is_left_over() {
        let mut expected = codes();
        let restarts = expected.iter().filter_map(|code| {
            code.strip_prefix("finding.change_").map(|signal| format!("finding.restart_{signal}"))
        });
        let restarts: Vec<String> = restarts.collect();
        expected.extend(restarts);
        let texts = model::message::MESSAGES.iter().map(|message| message.code);
        let texts: BTreeSet<String> =
            texts.filter(|code| code.starts_with("finding.")).map(str::to_owned).collect();
        assert_eq!(texts, expected);
    }
}
