//! Charts whose x axis is time.

use model::{UnixMs, message::Language};

use super::{Area, BOTTOM, Sample, TOP, axis, legend};
use crate::{
    number::Unit,
    scene::{Anchor, Ink, LABEL, Scene, fitted, text_width},
    zone::Zone,
};

/// Height of a lane with its gap.
const LANE: f32 = 18.0;
/// Widest label of a lane.
const LANE_LABEL_MAX: f32 = 175.0;
/// Points between labels of time.
const TIME_LABEL: f32 = 52.0;

/// Something drawn over time. Where a value is no number there is a gap.
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    Line {
        name: String,
        ink: Ink,
        points: Vec<(UnixMs, f64)>,
    },
    /// From zero to the value.
    Area {
        name: String,
        ink: Ink,
        points: Vec<(UnixMs, f64)>,
    },
    /// From the first value to the second.
    Band {
        name: String,
        ink: Ink,
        points: Vec<(UnixMs, f64, f64)>,
    },
}

/// One unit over time.
#[derive(Clone, Debug)]
pub struct TimeChart<'a> {
    pub title: String,
    pub width: f32,
    pub height: f32,
    pub start: UnixMs,
    pub end: UnixMs,
    pub zone: &'a Zone,
    pub language: Language,
    pub unit: Unit,
    pub layers: Vec<Layer>,
    /// A dashed line across, with its name.
    pub limit: Option<(f64, String)>,
    /// The upper end of the axis; otherwise what the values need.
    pub max: Option<f64>,
    /// Times that are shaded, such as incidents.
    pub spans: Vec<(UnixMs, UnixMs)>,
}

/// How far a time is between the ends, 0 to 1.
fn part(time: UnixMs, start: UnixMs, end: UnixMs) -> f64 {
    let span = end.0.saturating_sub(start.0).max(1) as f64;
    time.0.saturating_sub(start.0) as f64 / span
}

impl TimeChart<'_> {
    fn largest(&self) -> f64 {
        let values = self.layers.iter().flat_map(|layer| -> Box<dyn Iterator<Item = f64> + '_> {
            match layer {
                Layer::Line { points, .. } | Layer::Area { points, .. } => {
                    Box::new(points.iter().map(|(_, value)| *value))
                }
                Layer::Band { points, .. } => Box::new(points.iter().map(|(_, _, high)| *high)),
            }
        });
        let limit = self.limit.iter().map(|(value, _)| value * 1.1);
        values.chain(limit).filter(|value| value.is_finite()).fold(0.0, f64::max)
    }
}

/// Draws values over time.
pub fn line_chart(chart: &TimeChart<'_>) -> Scene {
    let mut scene = Scene::new(chart.width, chart.height, chart.title.clone());
    let ticks = axis::ticks(chart.max.unwrap_or_else(|| chart.largest()));
    let max = ticks.last().copied().unwrap_or(1.0);
    let labels: Vec<String> =
        ticks.iter().map(|tick| chart.unit.axis(*tick, chart.language)).collect();
    let widest = labels.iter().map(|label| text_width(label, LABEL)).fold(12.0, f32::max);
    let area = Area {
        left: (widest + 6.0).min(chart.width / 3.0),
        top: TOP,
        right: chart.width - 4.0,
        bottom: chart.height - BOTTOM,
    };
    let x = |time: UnixMs| area.x(part(time, chart.start, chart.end));
    let y = |value: f64| area.y(value / max);
    for (from, to) in &chart.spans {
        let (left, right) = (x(*from), x(*to));
        let size = ((right - left).max(1.0), area.height());
        scene.shade((left, area.top), size, Ink::Critical, 0.12);
    }
    for (tick, label) in ticks.iter().zip(labels) {
        let height = y(*tick);
        scene.line(vec![(area.left, height), (area.right, height)], Ink::Line, 0.5);
        scene.label((area.left - 4.0, height + 2.8), Anchor::End, Ink::Muted, label);
    }
    time_axis(&mut scene, area, (chart.start, chart.end), chart.zone);
    let mut entries = Vec::new();
    for layer in &chart.layers {
        entries.push(draw(&mut scene, layer, &x, &y));
    }
    if let Some((value, name)) = &chart.limit {
        let height = y(*value);
        scene.dashes(vec![(area.left, height), (area.right, height)], Ink::Text, 1.0);
        entries.push((name.clone(), Ink::Text, Sample::Dashes));
    }
    legend(&mut scene, area.left, &entries);
    scene
}

fn time_axis(scene: &mut Scene, area: Area, (start, end): (UnixMs, UnixMs), zone: &Zone) {
    let count_max = (area.width() / TIME_LABEL) as usize;
    for (time, label) in axis::times(start, end, zone, count_max) {
        let x = area.x(part(time, start, end));
        scene.line(vec![(x, area.bottom), (x, area.bottom + 3.0)], Ink::Muted, 0.5);
        let half = text_width(&label, LABEL) / 2.0;
        let x = x.clamp(half, (scene.width - half).max(half));
        scene.label((x, area.bottom + 11.5), Anchor::Middle, Ink::Muted, label);
    }
    scene.line(vec![(area.left, area.bottom), (area.right, area.bottom)], Ink::Muted, 0.6);
}

type Place<'a, T> = &'a dyn Fn(T) -> f32;

/// Draws a layer and returns its entry of the legend.
fn draw(
    scene: &mut Scene,
    layer: &Layer,
    x: Place<'_, UnixMs>,
    y: Place<'_, f64>,
) -> (String, Ink, Sample) {
    match layer {
        Layer::Line { name, ink, points } => {
            for run in runs(points, |(_, value)| value.is_finite()) {
                scene.line(
                    run.iter().map(|(time, value)| (x(*time), y(*value))).collect(),
                    *ink,
                    1.3,
                );
            }
            (name.clone(), *ink, Sample::Line)
        }
        Layer::Area { name, ink, points } => {
            for run in runs(points, |(_, value)| value.is_finite()) {
                let upper: Vec<_> = run.iter().map(|(time, value)| (x(*time), y(*value))).collect();
                let down = run.iter().rev().map(|(time, _)| (x(*time), y(0.0)));
                scene.area(upper.iter().copied().chain(down).collect(), *ink, 0.22);
                scene.line(upper, *ink, 1.1);
            }
            (name.clone(), *ink, Sample::Area(0.35))
        }
        Layer::Band { name, ink, points } => {
            for run in runs(points, |(_, low, high)| low.is_finite() && high.is_finite()) {
                let high = run.iter().map(|(time, _, high)| (x(*time), y(*high)));
                let low = run.iter().rev().map(|(time, low, _)| (x(*time), y(*low)));
                scene.area(high.chain(low).collect(), *ink, 0.2);
            }
            (name.clone(), *ink, Sample::Area(0.25))
        }
    }
}

/// The parts without gaps.
fn runs<T>(points: &[T], is_there: impl Fn(&T) -> bool + Copy) -> impl Iterator<Item = &[T]> {
    points.split(move |point| !is_there(point)).filter(|run| !run.is_empty())
}

/// A state that lasted for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub start: UnixMs,
    pub end: UnixMs,
    /// Shown within it where there is room.
    pub text: String,
    pub ink: Ink,
}

/// What something was at which time.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    pub label: String,
    pub spans: Vec<Span>,
}

/// Several lanes over the same time.
#[derive(Clone, Debug)]
pub struct Lanes<'a> {
    pub title: String,
    pub width: f32,
    pub start: UnixMs,
    pub end: UnixMs,
    pub zone: &'a Zone,
    pub lanes: Vec<Lane>,
}

/// Draws states over time.
pub fn lanes(chart: &Lanes<'_>) -> Scene {
    let height = chart.lanes.len() as f32 * LANE + BOTTOM + 4.0;
    let mut scene = Scene::new(chart.width, height, chart.title.clone());
    let widths = chart.lanes.iter().map(|lane| text_width(&lane.label, LABEL));
    let widest = widths.fold(30.0, f32::max).min(LANE_LABEL_MAX);
    let area =
        Area { left: widest + 8.0, top: 2.0, right: chart.width - 4.0, bottom: height - BOTTOM };
    for (index, lane) in chart.lanes.iter().enumerate() {
        let top = area.top + index as f32 * LANE;
        let label = fitted(&lane.label, LABEL, widest);
        scene.label((widest, top + 11.0), Anchor::End, Ink::Text, label);
        scene.shade((area.left, top + 2.0), (area.width(), LANE - 4.0), Ink::Line, 0.4);
        for span in &lane.spans {
            let left = area.x(part(span.start, chart.start, chart.end));
            let right = area.x(part(span.end, chart.start, chart.end));
            let width = (right - left).max(1.5);
            scene.rect((left, top + 2.0), (width, LANE - 4.0), span.ink);
            if text_width(&span.text, LABEL) + 6.0 <= width {
                let at = (left + 3.0, top + 11.5);
                scene.label(at, Anchor::Start, Ink::Paper, span.text.clone());
            }
        }
    }
    time_axis(&mut scene, area, (chart.start, chart.end), chart.zone);
    scene
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scene::Item;

    fn chart(zone: &Zone, values: &[f64]) -> Scene {
        let points = values.iter().enumerate();
        let points: Vec<_> =
            points.map(|(at, value)| (UnixMs(at as i64 * 60_000), *value)).collect();
        line_chart(&TimeChart {
            title: "t".into(),
            width: 300.0,
            height: 120.0,
            start: UnixMs(0),
            end: UnixMs(600_000),
            zone,
            language: Language::English,
            unit: Unit::Seconds,
            layers: vec![Layer::Line { name: "a".into(), ink: Ink::Series(0), points }],
            limit: Some((0.5, "objective".into())),
            max: None,
            spans: vec![(UnixMs(60_000), UnixMs(120_000))],
        })
    }

    #[test]
    fn gaps_stay_gaps() {
        let scene = chart(&Zone::default(), &[0.1, 0.2, f64::NAN, 0.3, 0.4]);
        let is_line = |item: &&Item| matches!(item, Item::Line { ink: Ink::Series(0), .. });
        let lines: Vec<_> = scene.items.iter().filter(is_line).collect();
        // Two pieces, and the one in the legend.
        assert_eq!(lines.len(), 3);
        let is_limit = |item: &&Item| matches!(item, Item::Line { is_dashed: true, .. });
        // In the chart and in the legend.
        assert_eq!(scene.items.iter().filter(is_limit).count(), 2);
    }

    #[test]
    fn lanes_show_words_where_there_is_room() {
        let span = |start, end, text: &str| Span {
            start: UnixMs(start),
            end: UnixMs(end),
            text: text.into(),
            ink: Ink::Critical,
        };
        let scene = lanes(&Lanes {
            title: "t".into(),
            width: 300.0,
            start: UnixMs(0),
            end: UnixMs(1_000_000),
            zone: &Zone::default(),
            lanes: vec![Lane {
                label: "engine".into(),
                spans: vec![span(0, 500_000, "down"), span(600_000, 600_001, "down")],
            }],
        });
        let is_word = |item: &&Item| matches!(item, Item::Text(text) if text.text == "down");
        assert_eq!(scene.items.iter().filter(is_word).count(), 1);
        let widths = scene.items.iter().filter_map(|item| match item {
            Item::Rect { width, ink: Ink::Critical, .. } => Some(*width),
            _ => None,
        });
        assert!(widths.min_by(f32::total_cmp).is_some_and(|width| width >= 1.5));
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_picture(values in prop::collection::vec(any::<f64>(), 0..20)) {
            let scene = chart(&Zone::default(), &values);
            let mut points = Vec::new();
            for item in &scene.items {
                match item {
                    Item::Line { points: more, .. } | Item::Area { points: more, .. } => {
                        points.extend(more.iter().copied());
                    }
                    Item::Rect { x, y, width, height, .. } => {
                        points.extend([(*x, *y), (x + width, y + height)]);
                    }
                    Item::Text(_) => {}
                }
            }
            for (x, y) in points {
                prop_assert!((0.0..=300.5).contains(&x) && (0.0..=120.5).contains(&y), "{x} {y}");
            }
        }
    }
}
