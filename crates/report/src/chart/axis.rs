//! Where ticks of axes are.

use model::UnixMs;

use crate::zone::Zone;

/// Most ticks of an axis of values.
const TICKS_MAX: f64 = 5.0;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Steps that clocks and calendars have.
const STEPS: [i64; 16] = [
    MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    91 * DAY,
];

/// Round numbers from 0 to one that is not below `max`.
pub(super) fn ticks(max: f64) -> Vec<f64> {
    let max = if max.is_finite() && max > 0.0 { max } else { 1.0 };
    let raw = max / TICKS_MAX;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|factor| factor * power);
    let step = step.into_iter().find(|step| *step >= raw * 0.999).unwrap_or(raw);
    let count = (max / step - 1e-9).ceil().max(1.0) as usize;
    // The round number above the largest there is would be infinite.
    (0..=count).map(|number| (number as f64 * step).min(f64::MAX)).collect()
}

/// Times at which clocks show something round, with what they show; at most `count_max`.
pub(super) fn times(
    start: UnixMs,
    end: UnixMs,
    zone: &Zone,
    count_max: usize,
) -> Vec<(UnixMs, String)> {
    let span = end.0.saturating_sub(start.0).max(1);
    let room = i64::try_from(count_max.max(1)).unwrap_or(1);
    let last = STEPS[STEPS.len() - 1];
    let step = STEPS.into_iter().find(|step| span / step < room).unwrap_or(last);
    let step = if span / step > room { step * (span / step / room + 1) } else { step };
    let mut local = zone.local_ms(start).div_euclid(step) * step;
    let mut found = Vec::new();
    while found.len() <= count_max {
        // Wrong by the change itself in the hour in which clocks change.
        let utc = |seconds: i64| UnixMs(local.saturating_sub(seconds * 1_000));
        let guess = utc(zone.offset_seconds(start));
        let time = utc(zone.offset_seconds(guess));
        if time > end {
            break;
        }
        if time >= start {
            found.push((time, label(zone, time, step)));
        }
        local = local.saturating_add(step);
    }
    found
}

fn label(zone: &Zone, time: UnixMs, step: i64) -> String {
    let civil = zone.civil(time);
    if step >= DAY || (civil.hour == 0 && civil.minute == 0) {
        return format!("{:02}-{:02}", civil.month, civil.day);
    }
    format!("{:02}:{:02}", civil.hour, civil.minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_round_ticks() {
        let check = |max: f64, expected: &[f64]| {
            let found = ticks(max);
            let is_near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9 * b.abs().max(1.0);
            assert_eq!(found.len(), expected.len(), "{max}: {found:?}");
            assert!(found.iter().zip(expected).all(is_near), "{max}: {found:?}");
        };
        check(10.0, &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        check(1.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        check(0.7, &[0.0, 0.2, 0.4, 0.6, 0.8]);
        check(1_234.0, &[0.0, 250.0, 500.0, 750.0, 1_000.0, 1_250.0]);
        check(0.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        check(f64::NAN, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        check(1.7e308, &[0.0, 5e307, 1e308, 1.5e308, f64::MAX]);
    }

    #[test]
    fn times_are_round_on_the_clocks_of_the_zone() {
        let change = UnixMs(1_792_890_000_000);
        let zone = Zone { name: "Z".into(), offsets: vec![(UnixMs(0), 7_200), (change, 3_600)] };
        let labels = |start: i64, end: i64, count: usize| {
            let found = times(UnixMs(start), UnixMs(end), &zone, count);
            found.into_iter().map(|(_, label)| label).collect::<Vec<_>>()
        };
        let days = labels(change.0 - 3 * DAY, change.0 + 3 * DAY, 8);
        assert_eq!(days, ["10-23", "10-24", "10-25", "10-26", "10-27", "10-28"]);
        let hours = labels(change.0 - 30 * HOUR, change.0 - 24 * HOUR, 8);
        assert_eq!(hours, ["21:00", "22:00", "23:00", "10-24", "01:00", "02:00", "03:00"]);
        assert!(labels(0, i64::MAX, 8).len() <= 9);
        assert_eq!(labels(5, 5, 8).len(), 0);
    }
}
