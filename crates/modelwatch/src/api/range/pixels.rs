//! How a time range becomes the pixels of a chart, and points the few that a chart of so many pixels shows.
//!
//! Everything is at multiples of round times, so that the store's sums of whole minutes can answer and a chart
//! that moves does not flicker.

use query::Grid;

use super::super::prometheus::POINTS_MAX;

/// So many evaluations for each pixel, as far as [`POINTS_MAX`] allows.
const FINE_PER_PX: i64 = 8;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
/// From this step on steps are whole minutes: the store's sums of a minute are used from five of them on.
const MINUTES_FROM: i64 = 5 * MINUTE;
/// The same of ten minutes.
const TENS_FROM: i64 = 50 * MINUTE;

/// Points of a series in the order of time, with those that are no number.
pub(super) type Points = Vec<(i64, f64)>;

/// How a range is asked for. All times are Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) start: i64,
    pub(super) end: i64,
    /// What a pixel stands for; pixels end at its multiples.
    pub(super) step_ms: i64,
    /// How often a query is evaluated whose extremes cannot be asked for.
    pub(super) fine_ms: i64,
}

/// Some evaluations at the ends of windows that together leave nothing out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) grid: Grid,
    pub(super) window_ms: i64,
}

impl Plan {
    /// `start` is not after `end`, and `px` more than 0.
    pub(super) fn new(start: i64, end: i64, px: i64) -> Self {
        let span = end.saturating_sub(start);
        let step_ms = round_up(parts(span, px));
        let fine_ms = parts(span, px.saturating_mul(FINE_PER_PX).min(POINTS_MAX));
        Self { start, end, step_ms, fine_ms: round_up(fine_ms) }
    }

    /// The pixels: a first and a last that are cut by the range's ends, and the whole ones between.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        let Self { start, end, step_ms, .. } = *self;
        let single =
            |time: i64, window_ms: i64| Piece { grid: grid(time, time, step_ms), window_ms };
        let first = (start.div_euclid(step_ms) + 1).saturating_mul(step_ms);
        let last = end.div_euclid(step_ms).saturating_mul(step_ms);
        if first > last {
            return vec![single(end, (end - start).max(1))];
        }
        let mut pieces = Vec::new();
        let is_cut = first - start < step_ms;
        if is_cut {
            pieces.push(single(first, first - start));
        }
        let whole = if is_cut { first.saturating_add(step_ms) } else { first };
        if whole <= last {
            pieces.push(Piece { grid: grid(whole, last, step_ms), window_ms: step_ms });
        }
        if last < end {
            pieces.push(single(end, end - last));
        }
        pieces
    }

    /// All evaluations of a query whose extremes cannot be asked for.
    pub(super) fn fine(&self) -> Grid {
        let before = self.start.saturating_sub(1).div_euclid(self.fine_ms);
        let first = (before + 1).saturating_mul(self.fine_ms);
        let last = self.end.div_euclid(self.fine_ms).saturating_mul(self.fine_ms);
        if first > last {
            grid(self.end, self.end, self.fine_ms)
        } else {
            grid(first, last, self.fine_ms)
        }
    }

    /// The first, smallest, largest and last point of each pixel, which draw the same line as all of them. A
    /// point without a value is where there is none for longer than a pixel.
    pub(super) fn reduce(&self, points: &[(i64, f64)]) -> Vec<(i64, Option<f64>)> {
        let pixel = |time: i64| time.saturating_sub(1).div_euclid(self.step_ms);
        // Shorter ones are between two evaluations that follow each other.
        let longest = self.step_ms.saturating_add(self.step_ms / 4);
        let known: Vec<(i64, f64)> =
            points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
        let mut reduced: Vec<(i64, Option<f64>)> = Vec::new();
        for inside in known.chunk_by(|a, b| pixel(a.0) == pixel(b.0)) {
            for (time, value) in ends_and_extremes(inside) {
                let mut time = time;
                if let Some((before, _)) = reduced.last().copied() {
                    if time.saturating_sub(before) > longest {
                        reduced.push((before + (time - before) / 2, None));
                    }
                    // Two extremes of one time are drawn one after the other.
                    time = time.max(before.saturating_add(1));
                }
                reduced.push((time, Some(value)));
            }
        }
        reduced
    }
}

/// The distinct points that matter, in their order.
fn ends_and_extremes(points: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let places = 0..points.len();
    let by_value = |a: &usize, b: &usize| points[*a].1.total_cmp(&points[*b].1);
    let least = places.clone().min_by(by_value);
    let most = places.clone().max_by(by_value);
    let mut kept: Vec<usize> =
        [Some(0), least, most, points.len().checked_sub(1)].into_iter().flatten().collect();
    kept.sort_unstable();
    kept.dedup();
    kept.into_iter().filter_map(|place| points.get(place).copied()).collect()
}

fn grid(start: i64, end: i64, step_ms: i64) -> Grid {
    Grid { start: model::UnixMs(start), end: model::UnixMs(end), step_ms }
}

/// The length of each of so many parts, rounded up.
fn parts(span: i64, count: i64) -> i64 {
    let whole = span / count;
    if span % count == 0 { whole } else { whole + 1 }
}

/// Whole seconds, minutes, or tens of minutes.
fn round_up(step_ms: i64) -> i64 {
    let unit = match step_ms {
        TENS_FROM.. => 10 * MINUTE,
        MINUTES_FROM.. => MINUTE,
        _ => SECOND,
    };
    parts(step_ms.max(1), unit).saturating_mul(unit)
}

#[cfg(test)]
mod tests {
    use model::UnixMs;
    use proptest::prelude::*;

    use super::*;

    /// A midnight.
    const START: i64 = 1_795_478_400_000;
    const DAY: i64 = 24 * 60 * MINUTE;

    #[test]
    fn steps_are_such_that_sums_apply() {
        let check = |span: i64, px: i64, step_ms: i64, fine_ms: i64| {
            let plan = Plan::new(START, START + span, px);
            assert_eq!((plan.step_ms, plan.fine_ms), (step_ms, fine_ms), "{span} {px}");
        };
        check(0, 1_000, SECOND, SECOND);
        check(15 * MINUTE, 1_000, SECOND, SECOND);
        check(6 * 60 * MINUTE, 1_000, 22 * SECOND, 3 * SECOND);
        check(DAY, 1_000, 87 * SECOND, 11 * SECOND);
        check(7 * DAY, 1_000, 11 * MINUTE, 76 * SECOND);
        check(30 * DAY, 1_000, 44 * MINUTE, 6 * MINUTE);
        check(30 * DAY, 400, 110 * MINUTE, 14 * MINUTE);
        check(396 * DAY, 1, 396 * DAY, 7 * DAY * 99 / 14);
    }

    #[test]
    fn pixels_leave_nothing_out() {
        let check = |start: i64, end: i64, expected: &[(i64, i64, i64)]| {
            let plan = Plan { start, end, step_ms: 10, fine_ms: 1 };
            let found: Vec<_> = plan
                .pieces()
                .into_iter()
                .map(|piece| (piece.grid.start.0, piece.grid.end.0, piece.window_ms))
                .collect();
            assert_eq!(found, expected, "{start}..{end}");
        };
        check(0, 40, &[(10, 40, 10)]);
        check(3, 40, &[(10, 10, 7), (20, 40, 10)]);
        check(3, 44, &[(10, 10, 7), (20, 40, 10), (44, 44, 4)]);
        check(3, 14, &[(10, 10, 7), (14, 14, 4)]);
        check(3, 7, &[(7, 7, 4)]);
        check(3, 3, &[(3, 3, 1)]);
        check(-15, -5, &[(-10, -10, 5), (-5, -5, 5)]);
    }

    #[test]
    fn fine_evaluations_are_inside() {
        let check = |start: i64, end: i64, expected: (i64, i64)| {
            let plan = Plan { start, end, step_ms: 10, fine_ms: 10 };
            let grid = plan.fine();
            assert_eq!((grid.start, grid.end), (UnixMs(expected.0), UnixMs(expected.1)));
        };
        check(0, 40, (0, 40));
        check(1, 44, (10, 40));
        check(1, 9, (9, 9));
    }

    #[test]
    fn gaps_stay_and_spikes_too() {
        let plan = Plan { start: 0, end: 100, step_ms: 10, fine_ms: 1 };
        let check = |points: &[(i64, f64)], expected: &[(i64, Option<f64>)]| {
            assert_eq!(plan.reduce(points), expected, "{points:?}");
        };
        check(&[], &[]);
        check(&[(5, f64::NAN)], &[]);
        check(&[(5, 1.0), (15, 2.0)], &[(5, Some(1.0)), (15, Some(2.0))]);
        check(&[(5, 1.0), (25, 2.0)], &[(5, Some(1.0)), (15, None), (25, Some(2.0))]);
        check(
            &[(5, 1.0), (15, f64::INFINITY), (25, 2.0)],
            &[(5, Some(1.0)), (15, None), (25, Some(2.0))],
        );
        let spike = [(1, 0.0), (2, 0.0), (3, 9.0), (4, 0.0), (5, -1.0), (6, 0.0), (7, 0.0)];
        let kept = [(1, 0.0), (3, 9.0), (5, -1.0), (7, 0.0)];
        check(&spike, &kept.map(|(time, value)| (time, Some(value))));
    }

    proptest! {
        #[test]
        fn a_pixel_keeps_its_extremes_and_no_more_than_four_points(
            gaps in prop::collection::vec((1_i64..400, prop_oneof![Just(f64::NAN), -9.0..9.0]), 0..400),
            step_ms in 1_i64..600,
        ) {
            let mut time = 0;
            let points: Points = gaps.iter().map(|(gap, value)| { time += gap; (time, *value) }).collect();
            let plan = Plan { start: 0, end: time, step_ms, fine_ms: 1 };
            let reduced = plan.reduce(&points);
            prop_assert!(reduced.windows(2).all(|pair| pair[0].0 < pair[1].0));
            let pixel = |time: i64| (time - 1).div_euclid(step_ms);
            for index in 0..=pixel(time.max(1)) {
                let inside = points.iter().filter(|(t, v)| pixel(*t) == index && v.is_finite());
                let inside: Vec<f64> = inside.map(|(_, value)| *value).collect();
                let kept = reduced.iter().filter(|(t, value)| pixel(*t) == index && value.is_some());
                let kept: Vec<f64> = kept.filter_map(|(_, value)| *value).collect();
                prop_assert!(kept.len() <= 4);
                let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
                let most = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                prop_assert_eq!(least(&inside), least(&kept));
                prop_assert_eq!(most(&inside), most(&kept));
                prop_assert_eq!(inside.first(), kept.first());
                prop_assert_eq!(inside.last(), kept.last());
            }
            // Between two points there is a gap exactly where nothing was known for longer than a pixel.
            let known: Vec<i64> = points.iter().filter(|(_, v)| v.is_finite()).map(|(t, _)| *t).collect();
            let gaps = known.windows(2).filter(|pair| pair[1] - pair[0] > step_ms + step_ms / 4).count();
            prop_assert_eq!(reduced.iter().filter(|(_, value)| value.is_none()).count(), gaps);
        }
    }
}
