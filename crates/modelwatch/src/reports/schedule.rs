//! Reports that are made by the clock: when each is due, and which time it is about.

use model::{UnixMs, civil_from_days, days_from_civil};
use serde::{Deserialize, Serialize};

use super::Format;
use crate::zone::Zone;

const DAY: i64 = 86_400_000;
/// Longest name in characters.
const NAME_MAX: usize = 64;
/// Most channels of a schedule.
const CHANNELS_MAX: usize = 16;
/// Longest text of another field in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// What is to be made when.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Schedule {
    pub(crate) name: String,
    /// `daily`, `weekly` or `monthly`.
    pub(crate) every: String,
    /// `08:00`
    pub(crate) at: String,
    /// Empty for that of this machine.
    pub(crate) zone: String,
    /// Empty for that of the program.
    pub(crate) language: String,
    pub(crate) model: String,
    pub(crate) formats: Vec<String>,
    pub(crate) folder: String,
    pub(crate) channels: Vec<String>,
}

/// A key whose value cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScheduleProblem {
    pub(crate) key: &'static str,
    pub(crate) value: String,
}

impl Schedule {
    /// With what is not given filled in, if all of it can be used.
    pub(crate) fn checked(mut self) -> Result<Self, ScheduleProblem> {
        let fill = |text: &mut String, usual: &str| {
            if text.is_empty() {
                usual.clone_into(text);
            }
        };
        fill(&mut self.every, "daily");
        fill(&mut self.at, "08:00");
        if self.formats.is_empty() {
            self.formats.push(Format::Html.name().to_owned());
        }
        let wrong = |key, value: &str| Err(ScheduleProblem { key, value: value.to_owned() });
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
        let length = self.name.chars().count();
        if !(1..=NAME_MAX).contains(&length) || !self.name.chars().all(is_name) {
            return wrong("name", &self.name);
        }
        if !["daily", "weekly", "monthly"].contains(&self.every.as_str()) {
            return wrong("every", &self.every);
        }
        if self.time_of_day().is_none() {
            return wrong("at", &self.at);
        }
        if !self.zone.is_empty() && Zone::of_name(&self.zone).is_none() {
            return wrong("zone", &self.zone);
        }
        if !["", "en", "zh"].contains(&self.language.as_str()) {
            return wrong("language", &self.language);
        }
        if let Some(bad) = self.formats.iter().find(|name| Format::from_name(name).is_none()) {
            return wrong("formats", bad);
        }
        if !self.folder.is_empty() && !self.folder.starts_with('/') {
            return wrong("folder", &self.folder);
        }
        let is_long = |text: &String| text.len() > TEXT_BYTES_MAX;
        if [&self.model, &self.folder].into_iter().chain(&self.channels).any(is_long) {
            return wrong("model", &self.model);
        }
        if self.channels.len() > CHANNELS_MAX {
            return wrong("channels", &self.channels.len().to_string());
        }
        Ok(self)
    }

    /// Milliseconds after midnight.
    fn time_of_day(&self) -> Option<i64> {
        let (hour, minute) = self.at.split_once(':')?;
        let number = |text: &str, max: i64| {
            let is_short = (1..=2).contains(&text.len());
            text.parse::<i64>().ok().filter(|number| is_short && (0..=max).contains(number))
        };
        Some((number(hour, 23)? * 60 + number(minute, 59)?) * 60_000)
    }

    fn clocks(&self) -> Zone {
        let named = (!self.zone.is_empty()).then(|| Zone::of_name(&self.zone)).flatten();
        named.unwrap_or_else(Zone::local)
    }

    /// When it was due last.
    pub(crate) fn last_due(&self, now: UnixMs) -> UnixMs {
        self.due(now, 0)
    }

    /// When it will be due next.
    pub(crate) fn next_due(&self, now: UnixMs) -> UnixMs {
        // The one after the last, unless that is what clocks that changed make of the last.
        let next = self.due(now, 1);
        if next > now { next } else { self.due(now, 2) }
    }

    /// The latest time not after `now` at which it is due, or the first or second after that.
    fn due(&self, now: UnixMs, later: i64) -> UnixMs {
        let zone = self.clocks();
        let at = self.time_of_day().unwrap_or(0);
        let today = day(&zone, now);
        let begin = |place: i64| self.begin(today, place);
        // Further back than once is only where today's has not come yet.
        let mut place = 0;
        while place > -3 && utc(&zone, begin(place), at) > now {
            place -= 1;
        }
        utc(&zone, begin(place + later), at)
    }

    /// The day on which the span of time that a day belongs to begins, so many spans later.
    fn begin(&self, day: i64, later: i64) -> i64 {
        match self.every.as_str() {
            "weekly" => day - (day + 3).rem_euclid(7) + 7 * later,
            "monthly" => {
                let (year, month, _) = civil_from_days(day);
                let months = year * 12 + month - 1 + later;
                days_from_civil(months.div_euclid(12), months.rem_euclid(12) + 1, 1)
            }
            _ => day + later,
        }
    }

    /// What the report that is due at a time is about: the whole day, week or month before.
    pub(crate) fn span(&self, due: UnixMs) -> (UnixMs, UnixMs) {
        let zone = self.clocks();
        let today = day(&zone, due);
        (utc(&zone, self.begin(today, -1), 0), utc(&zone, self.begin(today, 0), 0))
    }
}

/// Days since 1970 on the clocks of a zone.
fn day(zone: &Zone, time: UnixMs) -> i64 {
    let offset = zone.offset(time.0.div_euclid(1_000)) * 1_000;
    time.0.saturating_add(offset).div_euclid(DAY)
}

/// When clocks show so many milliseconds after the midnight of a day.
fn utc(zone: &Zone, day: i64, at: i64) -> UnixMs {
    let local = day.saturating_mul(DAY).saturating_add(at);
    let offset = |time: i64| zone.offset(time.div_euclid(1_000)) * 1_000;
    // Where clocks change between the guess and the time, the second look is right.
    let guess = local.saturating_sub(offset(local));
    UnixMs(local.saturating_sub(offset(guess)))
}

#[cfg(test)]
mod tests {
    use model::parse_rfc3339;

    use super::*;

    fn schedule(every: &str, at: &str, zone: &str) -> Schedule {
        Schedule {
            name: "r".into(),
            every: every.into(),
            at: at.into(),
            zone: zone.into(),
            ..Schedule::default()
        }
    }

    fn check(every: &str, at: &str, zone: &str, now: &str, expected: [&str; 4]) {
        let time = |text: &str| parse_rfc3339(text).unwrap();
        let schedule = schedule(every, at, zone).checked().unwrap();
        let now = time(now);
        let last = schedule.last_due(now);
        let (start, end) = schedule.span(last);
        let found = [last, schedule.next_due(now), start, end];
        assert_eq!(found, expected.map(time), "{every} {at} {zone}");
    }

    #[test]
    fn reports_are_due_on_the_clocks_of_their_zone() {
        check(
            "daily",
            "08:00",
            "UTC",
            "2026-11-28T18:00:00Z",
            [
                "2026-11-28T08:00:00Z",
                "2026-11-29T08:00:00Z",
                "2026-11-27T00:00:00Z",
                "2026-11-28T00:00:00Z",
            ],
        );
        check(
            "daily",
            "08:00",
            "UTC-8",
            "2026-11-27T23:59:59Z",
            [
                "2026-11-27T00:00:00Z",
                "2026-11-28T00:00:00Z",
                "2026-11-25T16:00:00Z",
                "2026-11-26T16:00:00Z",
            ],
        );
        // 2026-11-23 is a Monday.
        check(
            "weekly",
            "07:30",
            "UTC",
            "2026-11-23T07:29:59Z",
            [
                "2026-11-16T07:30:00Z",
                "2026-11-23T07:30:00Z",
                "2026-11-09T00:00:00Z",
                "2026-11-16T00:00:00Z",
            ],
        );
        check(
            "monthly",
            "00:00",
            "UTC",
            "2027-01-01T00:00:00Z",
            [
                "2027-01-01T00:00:00Z",
                "2027-02-01T00:00:00Z",
                "2026-12-01T00:00:00Z",
                "2027-01-01T00:00:00Z",
            ],
        );
    }

    #[test]
    fn a_day_can_have_25_hours() {
        // Clocks went back in Berlin on 2026-10-25.
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        check(
            "daily",
            "06:00",
            berlin,
            "2026-10-26T12:00:00Z",
            [
                "2026-10-26T05:00:00Z",
                "2026-10-27T05:00:00Z",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
            ],
        );
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let check = |change: fn(&mut Schedule), key: &str| {
            let mut schedule = schedule("daily", "08:00", "UTC");
            change(&mut schedule);
            assert_eq!(schedule.checked().unwrap_err().key, key);
        };
        check(|it| it.name = "a/b".into(), "name");
        check(|it| it.name.clear(), "name");
        check(|it| it.every = "hourly".into(), "every");
        check(|it| it.at = "25:00".into(), "at");
        check(|it| it.at = "8".into(), "at");
        check(|it| it.at = "08:001".into(), "at");
        check(|it| it.zone = "No/Where".into(), "zone");
        check(|it| it.language = "fr".into(), "language");
        check(|it| it.formats = vec!["doc".into()], "formats");
        check(|it| it.folder = "relative".into(), "folder");
        check(|it| it.channels = vec!["c".into(); 17], "channels");
    }
}
