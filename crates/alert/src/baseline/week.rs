//! What values usually are at each hour of the week (UTC), from weeks before.
//!
//! The median of an hour is its own; its spread is that of its two neighbours as well, each around its own median, so
//! that two weeks give enough values and the way up in the morning is not taken for restlessness. What moves with
//! summer time is an hour off for the weeks after the change.

use super::{
    Least,
    robust::{NORMAL, Usual, median},
};

const HOUR_MS: i64 = 3_600_000;
const HOURS: i64 = 168;
/// Values that make an hour known: of two weeks at six an hour most of those that can be there.
const VALUES_MIN: usize = 9;

/// Medians and spreads of the hours of a week.
#[derive(Clone, Debug, PartialEq)]
pub struct Week {
    hours: Vec<Option<Usual>>,
}

impl Week {
    /// Of values with their times in Unix milliseconds. `least` are the least spreads; its count does not matter.
    pub fn of(points: impl IntoIterator<Item = (i64, f64)>, least: Least) -> Self {
        let mut values = vec![Vec::new(); HOURS as usize];
        for (time, value) in points.into_iter().filter(|(_, value)| value.is_finite()) {
            values[place(time)].push(value);
        }
        let known = |values: &mut Vec<f64>| {
            if values.len() < VALUES_MIN { None } else { median(values) }
        };
        let medians: Vec<Option<f64>> = values.iter_mut().map(known).collect();
        let distances = |hour: i64| {
            let hour = place(hour * HOUR_MS);
            let middle = medians[hour];
            values[hour].iter().filter_map(move |value| Some((value - middle?).abs()))
        };
        let usual = |hour: i64| {
            let median_of_hour = medians[place(hour * HOUR_MS)]?;
            let mut distances: Vec<f64> = (hour - 1..=hour + 1).flat_map(distances).collect();
            let spread = NORMAL * median(&mut distances)?;
            let spread = spread.max(least.spread).max(least.share * median_of_hour.abs());
            Some(Usual { median: median_of_hour, spread })
        };
        Self { hours: (0..HOURS).map(usual).collect() }
    }

    /// What is usual at a time; `None` where too little is known of its hour.
    pub fn usual(&self, time_ms: i64) -> Option<Usual> {
        self.hours.get(place(time_ms)).copied().flatten()
    }
}

fn place(time_ms: i64) -> usize {
    // Never negative, and less than a week's hours.
    time_ms.div_euclid(HOUR_MS).rem_euclid(HOURS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::synthetic::Noise;

    /// Some Thursday at noon.
    const START: i64 = 1_795_608_000_000;

    /// Weeks of ten-minute values: busy by day, and less on two days of seven.
    fn points(weeks: i64, seed: u64) -> Vec<(i64, f64)> {
        let mut noise = Noise::new(seed);
        let value = |number: i64| {
            let time = START + number * 600_000;
            let hour = time.div_euclid(HOUR_MS);
            let day = if hour.div_euclid(24) % 7 < 2 { 0.3 } else { 1.0 };
            let wave = ((hour % 24) as f64 / 24.0 * std::f64::consts::TAU).sin();
            (time, 100.0 * day * (1.2 + wave) * (1.0 + 0.1 * noise.normal()))
        };
        (0..weeks * HOURS * 6).map(value).collect()
    }

    #[test]
    fn an_hour_is_measured_by_its_own_past() {
        let least = Least { count: 0, spread: 1.0, share: 0.1 };
        let week = Week::of(points(3, 1), least);
        let next = points(4, 2).split_off(3 * 168 * 6);
        let scores: Vec<f64> =
            next.iter().map(|(time, value)| week.usual(*time).unwrap().score(*value)).collect();
        let most = scores.iter().fold(0.0_f64, |most, score| most.max(score.abs()));
        assert!(most < 6.0, "{most}");
        // A busy hour with hardly any work.
        let busy = next.iter().filter_map(|(time, value)| {
            let usual = week.usual(*time).filter(|usual| usual.median > 100.0)?;
            Some(usual.score(0.05 * value))
        });
        let least = busy.fold(f64::NEG_INFINITY, f64::max);
        assert!(least < -4.0, "{least}");
    }

    #[test]
    fn nothing_is_said_of_hours_that_are_not_known() {
        let least = Least { count: 0, spread: 1.0, share: 0.1 };
        let week = Week::of(points(3, 1).into_iter().take(12), least);
        assert_eq!(week.usual(START), None);
        assert_eq!(Week::of([], least).usual(-1), None);
        assert_eq!(place(-1), 167);
    }
}
