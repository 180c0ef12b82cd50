//! Charts whose axes are not time: distributions, grids and bars.

use model::message::Language;

use super::{Area, BOTTOM, Sample, TOP, legend};
use crate::{
    facts::Histogram,
    number::Unit,
    scene::{Anchor, Ink, LABEL, Scene, fitted, text_width},
};

/// Widest label of a row.
const LABEL_MAX: f32 = 170.0;
/// Height of a bar with its gap.
const BAR: f32 = 17.0;
/// The faintest that a cell with anything in it is.
const FAINT: f32 = 0.06;

/// How values are spread, on a logarithmic axis: the area of a bar is its part of all.
#[derive(Clone, Debug)]
pub struct Distribution<'a> {
    pub title: String,
    pub width: f32,
    pub height: f32,
    pub language: Language,
    pub unit: Unit,
    pub histogram: &'a Histogram,
    /// The value that should be kept to, with its name.
    pub limit: Option<(f64, String)>,
    /// Values with a name, such as percentiles.
    pub marks: Vec<(f64, String)>,
}

/// Draws how values are spread. What is beyond the limit has another colour.
pub fn distribution(chart: &Distribution<'_>) -> Scene {
    let mut scene = Scene::new(chart.width, chart.height, chart.title.clone());
    let area = Area {
        left: 4.0,
        top: TOP + 10.0,
        right: chart.width - 4.0,
        bottom: chart.height - BOTTOM,
    };
    let buckets: Vec<(f64, f64, f64)> = chart.histogram.buckets().collect();
    let Some((low, high)) = shown(&buckets) else { return scene };
    let (from, to) = (low.log10(), high.log10());
    let x = |value: f64| area.x((value.max(low).log10() - from) / (to - from));
    let bars: Vec<(f32, f32, f64, f64)> = buckets
        .iter()
        .filter(|(begin, end, count)| *count > 0.0 && *end > low && *begin < high)
        .map(|(begin, end, count)| (x(*begin), x(end.min(high)), *count, *end))
        .filter(|(left, right, ..)| right > left)
        .collect();
    let density = |(left, right, count, _): &(f32, f32, f64, f64)| count / f64::from(right - left);
    let densest = bars.iter().map(density).fold(0.0, f64::max);
    for bar in &bars {
        let top = area.y(density(bar) / densest);
        let is_beyond = chart.limit.as_ref().is_some_and(|(limit, _)| bar.3 > limit * 1.000_1);
        let ink = if is_beyond { Ink::Series(1) } else { Ink::Series(0) };
        let width = (bar.1 - bar.0 - 0.5).max(0.5);
        scene.shade((bar.0, top), (width, area.bottom - top), ink, 0.75);
    }
    scene.line(vec![(area.left, area.bottom), (area.right, area.bottom)], Ink::Muted, 0.6);
    log_axis(&mut scene, area, (low, high), chart, &x);
    marks(&mut scene, area, (low, high), chart, &x);
    scene
}

/// From where to where a distribution is drawn: what holds all but very little of it.
fn shown(buckets: &[(f64, f64, f64)]) -> Option<(f64, f64)> {
    let all: f64 = buckets.iter().map(|(_, _, count)| count).sum();
    let is_worth = |(_, _, count): &&(f64, f64, f64)| *count > all * 5e-4;
    let (first, second, _) = buckets.iter().find(is_worth)?;
    let (begin, last, _) = buckets.iter().rfind(is_worth)?;
    let low = if *first > 0.0 { *first } else { second / 4.0 };
    let high = if last.is_finite() { *last } else { begin * 2.0 };
    (low > 0.0 && high > low && high.is_finite()).then_some((low, high))
}

fn log_axis(
    scene: &mut Scene,
    area: Area,
    (low, high): (f64, f64),
    chart: &Distribution<'_>,
    x: &dyn Fn(f64) -> f32,
) {
    let mut power = 10_f64.powf(low.log10().floor());
    let mut free_from = f32::MIN;
    // A value of this size has a handful of powers of ten between its ends.
    for _ in 0..40 {
        for factor in [1.0, 2.0, 5.0] {
            let value = power * factor;
            if value < low || value > high {
                continue;
            }
            let place = x(value);
            scene.line(vec![(place, area.bottom), (place, area.bottom + 3.0)], Ink::Muted, 0.5);
            let label = chart.unit.axis(value, chart.language);
            let half = text_width(&label, LABEL) / 2.0;
            if place - half > free_from && place - half > 0.0 && place + half < scene.width {
                scene.label((place, area.bottom + 11.5), Anchor::Middle, Ink::Muted, label);
                free_from = place + half + 6.0;
            }
        }
        power *= 10.0;
    }
}

fn marks(
    scene: &mut Scene,
    area: Area,
    (low, high): (f64, f64),
    chart: &Distribution<'_>,
    x: &dyn Fn(f64) -> f32,
) {
    let mut free_from = f32::MIN;
    for (value, name) in chart.marks.iter().filter(|(value, _)| (low..=high).contains(value)) {
        let place = x(*value);
        scene.line(vec![(place, area.top - 2.0), (place, area.bottom)], Ink::Text, 0.6);
        let half = text_width(name, LABEL) / 2.0;
        let middle = place.max(free_from + half).clamp(half, (scene.width - half).max(half));
        if middle - half >= free_from {
            scene.label((middle, area.top - 4.0), Anchor::Middle, Ink::Text, name.clone());
            free_from = middle + half + 4.0;
        }
    }
    if let Some((value, name)) = &chart.limit {
        if (low..=high).contains(value) {
            let place = x(*value);
            scene.dashes(vec![(place, area.top), (place, area.bottom)], Ink::Critical, 1.2);
        }
        legend(scene, area.left, &[(name.clone(), Ink::Critical, Sample::Dashes)]);
    }
}

/// A grid of values, the more the darker.
#[derive(Clone, Debug)]
pub struct HeatMap {
    pub title: String,
    pub width: f32,
    pub language: Language,
    pub unit: Unit,
    pub rows: Vec<String>,
    /// Empty ones are not shown.
    pub columns: Vec<String>,
    /// By row; unknown cells are drawn empty.
    pub cells: Vec<Vec<Option<f64>>>,
}

/// Draws a grid with a key of its shades.
pub fn heat_map(chart: &HeatMap) -> Scene {
    let row_height = 13.0;
    let height = chart.rows.len() as f32 * row_height + BOTTOM + 22.0;
    let mut scene = Scene::new(chart.width, height, chart.title.clone());
    let widths = chart.rows.iter().map(|row| text_width(row, LABEL));
    let left = widths.fold(10.0, f32::max).min(LABEL_MAX) + 6.0;
    let area = Area { left, top: 2.0, right: chart.width - 4.0, bottom: height - BOTTOM - 20.0 };
    let cell_width = area.width() / chart.columns.len().max(1) as f32;
    let values = chart.cells.iter().flatten().flatten();
    let max = values.copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    for (index, row) in chart.rows.iter().enumerate() {
        let top = area.top + index as f32 * row_height;
        let label = fitted(row, LABEL, left - 6.0);
        scene.label((left - 4.0, top + 9.5), Anchor::End, Ink::Muted, label);
        for (column, value) in chart.cells.get(index).into_iter().flatten().enumerate() {
            let at = (area.left + column as f32 * cell_width, top);
            let size = (cell_width - 1.0, row_height - 1.0);
            match value {
                None => {
                    let middle = at.1 + size.1 / 2.0;
                    let ends = vec![(at.0 + size.0 * 0.35, middle), (at.0 + size.0 * 0.65, middle)];
                    scene.line(ends, Ink::Line, 0.8);
                }
                Some(value) => scene.shade(at, size, Ink::Series(0), shade(*value, max)),
            }
        }
    }
    for (column, label) in chart.columns.iter().enumerate().filter(|(_, label)| !label.is_empty()) {
        let x = area.left + (column as f32 + 0.5) * cell_width;
        scene.label((x, area.bottom + 10.0), Anchor::Middle, Ink::Muted, label.clone());
    }
    key(&mut scene, area, max, chart);
    scene
}

fn shade(value: f64, max: f64) -> f32 {
    if max <= 0.0 || value <= 0.0 {
        return 0.03;
    }
    (value / max) as f32 * (1.0 - FAINT) + FAINT
}

/// What the shades mean.
fn key(scene: &mut Scene, area: Area, max: f64, chart: &HeatMap) {
    let top = area.bottom + 19.0;
    let low = chart.unit.text(0.0, chart.language);
    let width = text_width(&low, LABEL);
    scene.label((area.left, top + 8.0), Anchor::Start, Ink::Muted, low);
    let begin = area.left + width + 5.0;
    for step in 0..10 {
        let value = max * f64::from(step) / 9.0;
        let at = (begin + step as f32 * 10.0, top);
        scene.shade(at, (10.0, 9.0), Ink::Series(0), shade(value, max));
    }
    let high = chart.unit.text(max, chart.language);
    scene.label((begin + 105.0, top + 8.0), Anchor::Start, Ink::Muted, high);
}

/// A value with a name and, where it is known, the interval that it lies in with some certainty.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    pub label: String,
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    /// In place of the number with its unit.
    pub text: Option<String>,
    pub ink: Ink,
}

/// Values side by side.
#[derive(Clone, Debug)]
pub struct Bars {
    pub title: String,
    pub width: f32,
    pub language: Language,
    pub unit: Unit,
    /// The right end; otherwise what the values need.
    pub max: Option<f64>,
    pub bars: Vec<Bar>,
}

/// Draws values as bars from the left, each with its number.
pub fn bars(chart: &Bars) -> Scene {
    let height = chart.bars.len() as f32 * BAR + 4.0;
    let mut scene = Scene::new(chart.width, height, chart.title.clone());
    let widths = chart.bars.iter().map(|bar| text_width(&bar.label, LABEL));
    let left = widths.fold(20.0, f32::max).min(LABEL_MAX) + 6.0;
    let text =
        |bar: &Bar| bar.text.clone().unwrap_or_else(|| chart.unit.text(bar.value, chart.language));
    let right = chart.bars.iter().map(|bar| text_width(&text(bar), LABEL)).fold(20.0, f32::max);
    let area = Area { left, top: 2.0, right: chart.width - right - 10.0, bottom: height - 2.0 };
    let ends = chart.bars.iter().map(|bar| bar.interval.map_or(bar.value, |(_, high)| high));
    let max = chart.max.unwrap_or_else(|| ends.filter(|end| end.is_finite()).fold(0.0, f64::max));
    let max = if max > 0.0 { max } else { 1.0 };
    for (index, bar) in chart.bars.iter().enumerate() {
        let top = area.top + index as f32 * BAR;
        let label = fitted(&bar.label, LABEL, left - 6.0);
        scene.label((left - 4.0, top + 11.0), Anchor::End, Ink::Text, label);
        scene.shade((area.left, top + 3.0), (area.width(), BAR - 6.0), Ink::Line, 0.35);
        let end = area.x(bar.value / max);
        scene.shade((area.left, top + 3.0), (end - area.left, BAR - 6.0), bar.ink, 0.85);
        if let Some((low, high)) = bar.interval {
            let (low, high, middle) = (area.x(low / max), area.x(high / max), top + BAR / 2.0);
            scene.line(vec![(low, middle), (high, middle)], Ink::Text, 0.9);
            for place in [low, high] {
                scene.line(vec![(place, middle - 2.5), (place, middle + 2.5)], Ink::Text, 0.9);
            }
        }
        scene.label((area.right + 6.0, top + 11.0), Anchor::Start, Ink::Text, text(bar));
    }
    scene
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Item;

    fn histogram(counts: &[(f64, f64)]) -> Histogram {
        Histogram {
            bounds: counts.iter().map(|(bound, _)| *bound).collect(),
            counts: counts.iter().map(|(_, count)| *count).collect(),
        }
    }

    #[test]
    fn what_is_beyond_the_limit_is_told_apart() {
        let histogram =
            histogram(&[(0.1, 10.0), (0.2, 20.0), (0.4, 5.0), (0.8, 1.0), (f64::INFINITY, 0.0)]);
        let scene = distribution(&Distribution {
            title: "TTFT".into(),
            width: 250.0,
            height: 120.0,
            language: Language::English,
            unit: Unit::Seconds,
            histogram: &histogram,
            limit: Some((0.4, "objective".into())),
            marks: vec![(0.15, "p50 150 ms".into()), (99.0, "beyond".into())],
        });
        let of = |wanted: Ink| {
            let is_bar = |item: &&Item| matches!(item, Item::Rect { ink, .. } if *ink == wanted);
            scene.items.iter().filter(is_bar).count()
        };
        assert_eq!((of(Ink::Series(0)), of(Ink::Series(1))), (3, 1));
        let has = |wanted: &str| {
            scene.items.iter().any(|item| matches!(item, Item::Text(text) if text.text == wanted))
        };
        assert!(has("p50 150 ms") && !has("beyond") && has("objective") && has("200 ms"));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let histogram = histogram(&[(0.1, 0.0), (f64::INFINITY, 0.0)]);
        let scene = distribution(&Distribution {
            title: String::new(),
            width: 250.0,
            height: 120.0,
            language: Language::English,
            unit: Unit::Seconds,
            histogram: &histogram,
            limit: None,
            marks: Vec::new(),
        });
        assert_eq!(scene.items, []);
    }

    #[test]
    fn unknown_cells_have_no_shade() {
        let scene = heat_map(&HeatMap {
            title: String::new(),
            width: 200.0,
            language: Language::Chinese,
            unit: Unit::Count,
            rows: vec!["周一".into()],
            columns: vec!["0".into(), String::new(), "2".into()],
            cells: vec![vec![Some(0.0), None, Some(9.0)]],
        });
        let cells = scene.items.iter().filter_map(|item| match item {
            Item::Rect { height, opacity, .. } if *height > 10.0 => Some(*opacity),
            _ => None,
        });
        assert_eq!(cells.collect::<Vec<_>>(), [0.03, 1.0]);
    }

    #[test]
    fn bars_carry_their_interval() {
        let bar = |label: &str, value, interval| Bar {
            label: label.into(),
            value,
            interval,
            text: None,
            ink: Ink::Series(0),
        };
        let scene = bars(&Bars {
            title: String::new(),
            width: 300.0,
            language: Language::English,
            unit: Unit::Ratio,
            max: None,
            bars: vec![bar("a", 0.5, Some((0.4, 0.6))), bar("b", 0.6, None)],
        });
        let lines = scene.items.iter().filter(|item| matches!(item, Item::Line { .. })).count();
        assert_eq!(lines, 3);
        let ends = scene.items.iter().filter_map(|item| match item {
            Item::Rect { x, width, ink: Ink::Series(0), .. } => Some(x + width),
            _ => None,
        });
        let ends: Vec<f32> = ends.collect();
        assert!(ends[1] > ends[0]);
    }
}
