//! Results over time: a line for each series with a chart, smallest, mean, largest and last value.

use std::time::Duration;

use model::message::{Language, render};
use query::{Grid, Series};

use super::{
    rows::summary,
    text::{cut, pad_left, pad_right, series as selector, short, width},
    time::rfc3339,
};
use crate::config::duration_text;

/// What may be drawn with.
#[derive(Clone, Copy)]
pub(super) struct Pen {
    /// From the lowest value to the highest.
    levels: [char; 8],
    /// Stands for what was cut off.
    mark: &'static str,
}

impl Pen {
    pub(super) const UNICODE: Self =
        Self { levels: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'], mark: "…" };
    pub(super) const ASCII: Self =
        Self { levels: ['_', '.', ':', '-', '=', '+', '*', '#'], mark: "..." };
}

/// A chart is as wide as this where names of series would leave it less, in columns.
const CHART_COLUMNS: usize = 12;

/// Names of series are not cut below this, in columns.
const NAME_COLUMNS: usize = 10;

const GAP: &str = "  ";

/// The result of a query over `grid` as lines, of `columns` columns of the terminal where that is possible.
pub(super) fn chart(
    series: &[Series],
    grid: Grid,
    columns: usize,
    pen: Pen,
    language: Language,
) -> Vec<String> {
    let (common, names) = names(series);
    let (titles, numbers) = numbers(series, language);
    let widths = [0, 1, 2, 3].map(|column| {
        let lines = std::iter::once(&titles).chain(&numbers);
        lines.map(|line| width(&line[column])).max().unwrap_or(0)
    });
    let numbers_width: usize = widths.iter().map(|width| width + GAP.len()).sum();
    let room = columns.saturating_sub(numbers_width);
    let longest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let name_room = room.saturating_sub(CHART_COLUMNS + GAP.len()).max(NAME_COLUMNS);
    let name_width = longest.min(name_room);
    let name_gap = if name_width == 0 { "" } else { GAP };
    let left = room.saturating_sub(name_width + name_gap.len());
    let chart_width = steps(grid).min(left.max(CHART_COLUMNS));
    let line = |name: &str, chart: &str, numbers: &[String]| {
        let name = pad_right(&cut(name, name_width, pen.mark), name_width);
        let numbers = numbers.iter().zip(&widths);
        let numbers: Vec<String> =
            numbers.map(|(number, width)| pad_left(number, *width)).collect();
        format!("{name}{name_gap}{}{GAP}{}", pad_right(chart, chart_width), numbers.join(GAP))
    };
    let mut lines = vec![heading(grid, language)];
    lines.extend(common);
    lines.push(line("", "", &titles));
    for ((series, name), numbers) in series.iter().zip(&names).zip(&numbers) {
        lines.push(line(name, &spark(series, grid, chart_width, pen), numbers));
    }
    lines
}

/// `2026-11-24T09:00:00Z to 2026-11-24T10:00:00Z, a point every 30s`
fn heading(grid: Grid, language: Language) -> String {
    let step = duration_text(Duration::from_millis(grid.step_ms.unsigned_abs()));
    let params = [("start", rfc3339(grid.start)), ("end", rfc3339(grid.end)), ("step", step)];
    render("query.range", &params, language)
}

fn steps(grid: Grid) -> usize {
    let span = grid.end.0.saturating_sub(grid.start.0);
    usize::try_from(span / grid.step_ms.max(1)).unwrap_or(0) + 1
}

/// What all series have in common, which is said once, and what tells each from the others.
fn names(series: &[Series]) -> (Option<String>, Vec<String>) {
    let Some((first, others)) = series.split_first() else { return (None, Vec::new()) };
    let mut common = first.labels.clone();
    for other in others {
        common = common.keep(|name| other.labels.get(name) == common.get(name));
    }
    let said = (!common.is_empty()).then(|| selector(&common));
    if others.is_empty() {
        return (said, vec![String::new()]);
    }
    let rest = |series: &Series| selector(&series.labels.keep(|name| common.get(name).is_none()));
    (said, series.iter().map(rest).collect())
}

/// The titles and, for each series, what is below them.
fn numbers(series: &[Series], language: Language) -> ([String; 4], Vec<[String; 4]>) {
    let title = |name: &str| render::<&str, &str>(&format!("query.{name}"), &[], language);
    let titles = ["min", "avg", "max", "last"].map(title);
    let of_series = |series: &Series| {
        let numbers = || series.values.iter().copied().filter(|value| !value.is_nan());
        let [min, avg, max] = if series.values.is_empty() {
            ["-"; 3].map(str::to_owned)
        } else {
            let mean = numbers().sum::<f64>() / numbers().count() as f64;
            let (min, max) = (numbers().reduce(f64::min), numbers().reduce(f64::max));
            [min.unwrap_or(f64::NAN), mean, max.unwrap_or(f64::NAN)].map(short)
        };
        let histogram = series.histograms.last();
        let last = match histogram.filter(|(time, _)| Some(time) > series.times.last()) {
            Some((_, histogram)) => summary(histogram),
            None => series.values.last().map_or_else(|| "-".to_owned(), |value| short(*value)),
        };
        [min, avg, max, last]
    };
    (titles, series.iter().map(of_series).collect())
}

/// One character for each step, or for several of them, of which the largest value is drawn. From the
/// lowest value of the series to its highest; blank where it has none.
fn spark(series: &Series, grid: Grid, columns: usize, pen: Pen) -> String {
    let mut cells: Vec<Option<f64>> = vec![None; columns];
    let steps = steps(grid);
    for (time, value) in series.times.iter().zip(&series.values) {
        let step = time.saturating_sub(grid.start.0).div_euclid(grid.step_ms.max(1));
        let step = usize::try_from(step).ok().filter(|step| *step < steps && !value.is_nan());
        if let Some(cell) = step.and_then(|step| cells.get_mut(step * columns / steps)) {
            *cell = Some(cell.map_or(*value, |present| present.max(*value)));
        }
    }
    let finite = || cells.iter().flatten().copied().filter(|value| value.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    let top = pen.levels.len() - 1;
    let level = |value: f64| {
        let share = if value.is_infinite() {
            value
        } else if low < high {
            // Halves, so that no difference of two floats is too large for one.
            (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)
        } else {
            0.5
        };
        // A cast takes what is beyond either end to it.
        pen.levels[((share * top as f64).round() as usize).min(top)]
    };
    cells.iter().map(|cell| cell.map_or(' ', level)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Labels, NAME, UnixMs, histogram::Histogram};

    use super::*;

    const GRID: Grid = Grid { start: UnixMs(0), end: UnixMs(90_000), step_ms: 10_000 };

    fn series(labels: &[(&str, &str)], points: &[(i64, f64)]) -> Series {
        let (times, values) = points.iter().copied().unzip();
        let labels = Labels::from_pairs(labels.iter().copied());
        Series { labels, times, values, histograms: Vec::new() }
    }

    fn ramp(count: i64) -> Vec<(i64, f64)> {
        (0..count).map(|step| (step * 10_000, step as f64)).collect()
    }

    #[test]
    fn sparks() {
        let check = |points: &[(i64, f64)], columns, expected: &str| {
            let found = spark(&series(&[], points), GRID, columns, Pen::UNICODE);
            assert_eq!(found, expected, "{points:?}");
        };
        check(&ramp(10), 10, "▁▂▃▃▄▅▆▆▇█");
        check(&ramp(10), 5, "▁▃▅▆█");
        check(&[(0, 5.0), (90_000, 5.0)], 10, "▅        ▅");
        check(&[(0, 0.0), (10_000, 9.0), (30_000, 1.0)], 5, "█▁   ");
        check(
            &[(0, f64::NAN), (10_000, f64::INFINITY), (20_000, f64::NEG_INFINITY)],
            10,
            " █▁       ",
        );
        let extreme = [(0, f64::MIN), (10_000, 0.0), (20_000, f64::MAX), (30_000, f64::INFINITY)];
        check(&extreme, 10, "▁▅██      ");
        check(&[], 10, "          ");
        // What a server sends outside the range is not drawn, and breaks nothing.
        check(&[(i64::MAX, 1.0)], 10, "          ");
        let ascii = spark(&series(&[], &ramp(10)), GRID, 10, Pen::ASCII);
        assert_eq!(ascii, "_.::-=++*#");
    }

    fn check(series: &[Series], columns: usize, pen: Pen, expected: &[&str]) {
        let lines = chart(series, GRID, columns, pen, Language::English);
        let (heading, lines) = lines.split_first().unwrap();
        assert_eq!(heading, "1970-01-01T00:00:00Z to 1970-01-01T00:01:30Z, a point every 10s");
        assert_eq!(lines, expected);
    }

    #[test]
    fn one_series_is_named_above_its_line() {
        let one = series(&[(NAME, "up"), ("job", "a")], &ramp(10));
        let expected =
            ["up{job=\"a\"}", "            min  avg  max  last", "▁▂▃▃▄▅▆▆▇█    0  4.5    9     9"];
        check(&[one], 80, Pen::UNICODE, &expected);
        let bare = series(&[], &[(0, f64::NAN)]);
        let expected = ["            min  avg  max  last", "            NaN  NaN  NaN   NaN"];
        check(&[bare], 80, Pen::UNICODE, &expected);
    }

    #[test]
    fn what_series_share_is_said_once() {
        let a = series(&[(NAME, "up"), ("job", "a"), ("host", "h")], &ramp(2));
        let b = series(&[(NAME, "up"), ("job", "long name"), ("host", "h")], &ramp(4));
        let expected = [
            "up{host=\"h\"}",
            "                               min  avg  max  last",
            "{job=\"a\"}          ▁█            0  0.5    1     1",
            "{job=\"long name\"}  ▁▃▆█          0  1.5    3     3",
        ];
        check(&[a.clone(), b.clone()], 80, Pen::UNICODE, &expected);
        let narrow = [
            "up{host=\"h\"}",
            "                        min  avg  max  last",
            "{job=\"a\"}   _#            0  0.5    1     1",
            "{job=\"l...  _:+#          0  1.5    3     3",
        ];
        check(&[a, b], 20, Pen::ASCII, &narrow);
    }

    #[test]
    fn histograms_have_a_last_value_only() {
        let histogram = Histogram { count: 42.0, sum: 3.1, ..Histogram::default() };
        let mut only = series(&[("job", "a")], &[]);
        only.histograms = vec![(0, Arc::new(histogram))];
        let expected = [
            "{job=\"a\"}",
            "            min  avg  max              last",
            "              -    -    -  count:42 sum:3.1",
        ];
        check(&[only], 80, Pen::UNICODE, &expected);
    }

    proptest::proptest! {
        #[test]
        fn anything_is_drawn(
            points: Vec<(i64, f64)>, start in -1_000_000_i64..1_000_000, span in 0_i64..1_000_000,
            step in 1_i64..5_000, columns in 0_usize..300,
        ) {
            let grid = Grid { start: UnixMs(start), end: UnixMs(start + span), step_ms: step };
            let series = series(&[("a", "b")], &points);
            for line in chart(&[series.clone(), series], grid, columns, Pen::ASCII, Language::Chinese) {
                proptest::prop_assert!(!line.contains('\n'));
            }
        }
    }
}
