//! Times as a reader's clocks show them.

use model::{UnixMs, civil_from_days, message::Language};

const DAY_MS: i64 = 86_400_000;

/// A time zone over the time that a report is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zone {
    /// Such as `Europe/Berlin`; the empty name is UTC.
    pub name: String,
    /// From when on clocks differ from UTC by so many seconds, oldest first. Before the first, the first counts.
    pub offsets: Vec<(UnixMs, i64)>,
}

/// A time on a clock and a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    /// 0 is Monday.
    pub weekday: i64,
}

impl Zone {
    pub fn offset_seconds(&self, time: UnixMs) -> i64 {
        let after = self.offsets.partition_point(|(from, _)| *from <= time);
        let at = self.offsets.get(after.saturating_sub(1));
        at.map_or(0, |(_, seconds)| *seconds)
    }

    /// Milliseconds since 1970 on the clocks of the zone.
    pub fn local_ms(&self, time: UnixMs) -> i64 {
        time.0.saturating_add(self.offset_seconds(time) * 1_000)
    }

    pub fn civil(&self, time: UnixMs) -> Civil {
        let local = self.local_ms(time);
        let (days, rest) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS));
        let (year, month, day) = civil_from_days(days);
        let minutes = rest / 60_000;
        Civil {
            year,
            month,
            day,
            hour: minutes / 60,
            minute: minutes % 60,
            // 1970 began on a Thursday.
            weekday: (days + 3).rem_euclid(7),
        }
    }

    /// `2026-11-28 14:03`
    pub fn minute(&self, time: UnixMs) -> String {
        let Civil { year, month, day, hour, minute, .. } = self.civil(time);
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
    }

    /// `2026-11-28`
    pub fn day(&self, time: UnixMs) -> String {
        let Civil { year, month, day, .. } = self.civil(time);
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// The zone with its difference from UTC, as `Europe/Berlin (UTC+01:00)`.
    pub fn text(&self, time: UnixMs) -> String {
        let minutes = self.offset_seconds(time) / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
        match (self.name.as_str(), minutes) {
            ("" | "UTC", 0) => "UTC".to_owned(),
            ("", _) => format!("UTC{sign}{hours:02}:{rest:02}"),
            (name, _) => format!("{name} (UTC{sign}{hours:02}:{rest:02})"),
        }
    }
}

/// Short names of the days from Monday on.
pub fn weekdays(language: Language) -> [&'static str; 7] {
    match language {
        Language::English => ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
        Language::Chinese => ["周一", "周二", "周三", "周四", "周五", "周六", "周日"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_the_zone() {
        // Summer ended in Berlin on 2026-10-25 at 01:00 UTC.
        let change = UnixMs(1_792_890_000_000);
        let zone = Zone {
            name: "Europe/Berlin".into(),
            offsets: vec![(UnixMs(0), 7_200), (change, 3_600)],
        };
        let check = |time: i64, expected: &str| assert_eq!(zone.minute(UnixMs(time)), expected);
        check(change.0 - 1, "2026-10-25 02:59");
        check(change.0, "2026-10-25 02:00");
        check(-1, "1970-01-01 01:59");
        assert_eq!(zone.civil(change).weekday, 6);
        assert_eq!(zone.text(change), "Europe/Berlin (UTC+01:00)");
        assert_eq!(Zone::default().text(change), "UTC");
        assert_eq!(Zone::default().civil(UnixMs(0)).weekday, 3);
        let west = Zone { name: String::new(), offsets: vec![(UnixMs(0), -12_600)] };
        assert_eq!(west.text(UnixMs(5)), "UTC-03:30");
    }
}
